/**
 * Dates as syslog writes them: `Jan  2 15:04:05` (RFC 3164, section 4.1.2), in local time and without a year.
 *
 * The day may be padded with a space, with a zero, or not at all. As routers and rsyslog templates do, a year may
 * stand before the month, before the clock or, with another word behind it, at the end, and a fraction behind the
 * seconds.
 */
import { Text } from './text';
import { NO_TIME, clockAt, digits, fractionAt, fractionEnd, inferYear, instantOf, monthAt } from './time';

const SPACE: u8 = 0x20;
const CLOCK_BYTES: usize = 8;
/** Years that are believed where a host may stand as well. */
const YEAR_MIN: i32 = 2000;
const YEAR_END: i32 = 2100;

@unmanaged
export class SyslogDate {
  /** Milliseconds since 1970 of the date that was read last. */
  time: i64 = NO_TIME;
  private at: usize = 0;
  private end: usize = 0;

  /** Takes the date from the front of the text; false, and the text untouched, when there is none. */
  take(text: Text): bool {
    this.at = text.start;
    this.end = text.end;
    this.time = NO_TIME;
    const year = this.takeYear();
    const month = this.end - this.at < 3 ? 0 : monthAt(this.at);
    if (!month) return false;
    this.at += 3;
    const day = this.takeDay();
    if (day < 0) return false;
    this.takeClock(year < 0 ? this.takeYear() : year, month, day);
    if (this.time === NO_TIME) return false;
    text.start = this.at;
    return true;
  }

  /** Four digits and a space, or -1. */
  @inline
  private takeYear(): i32 {
    if (this.end - this.at < 5 || load<u8>(this.at, 4) !== SPACE) return -1;
    const year = digits(this.at, 4);
    if (year >= 0) this.at += 5;
    return year;
  }

  /** A space, the day, a space; or -1. */
  private takeDay(): i32 {
    if (this.end - this.at < 5 || load<u8>(this.at) !== SPACE) return -1;
    const isPadded = load<u8>(this.at, 1) === SPACE;
    const first = this.at + (isPadded ? 2 : 1);
    const count: usize = isPadded || load<u8>(first, 1) === SPACE ? 1 : 2;
    if (load<u8>(first + count) !== SPACE) return -1;
    this.at = first + count + 1;
    return digits(first, count);
  }

  private takeClock(year: i32, month: i32, day: i32): void {
    if (this.end - this.at < CLOCK_BYTES) return;
    const clockMs = clockAt(this.at);
    if (clockMs < 0) return;
    const fraction = this.at + CLOCK_BYTES;
    this.at = fractionEnd(fraction, this.end);
    const timeMs = clockMs + fractionAt(fraction, this.at);
    const last = year < 0 ? this.takeLastYear() : year;
    this.time = last < 0 ? inferYear(month, day, timeMs) : instantOf(last, month, day, timeMs);
  }

  /** ` 2026` with a space behind it, which is left; or -1. Other numbers may be a host's name. */
  private takeLastYear(): i32 {
    if (this.end - this.at < 6 || load<u8>(this.at) !== SPACE || load<u8>(this.at, 5) !== SPACE) return -1;
    const year = digits(this.at + 1, 4);
    if (year < YEAR_MIN || year >= YEAR_END) return -1;
    this.at += 5;
    return year;
  }
}
