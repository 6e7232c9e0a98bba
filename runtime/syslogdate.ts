/**
 * Dates as syslog writes them: `Jan  2 15:04:05` (RFC 3164, section 4.1.2), in local time and without a year.
 *
 * The day may be padded with a space, with a zero, or not at all. As routers and rsyslog templates do, a year may
 * stand before the month, before the clock or, with another word behind it, at the end, and a fraction behind the
 * seconds.
 */
import { Text } from './text';
import { clockAt, digits, fractionAt, fractionEnd, inferYear, instantOf, leapChecked, monthAt } from './time';

const SPACE: u8 = 0x20;
const CLOCK_BYTES: usize = 8;
/** Years that are believed where a host may stand as well. */
const YEAR_MIN: i32 = 2000;
const YEAR_END: i32 = 2100;

/** What is not read yet. */
let at: usize = 0;
let end: usize = 0;
/** The date that was taken last; -1 without a year. */
let year: i32 = -1;
let month: i32 = 0;
let day: i32 = 0;
/** Where its clock stands, and what that says. */
let clock: usize = 0;
let clockMs: i64 = 0;

/** Takes a date from the front of the text, for `dateWith`; false, and the text untouched, when there is none. */
export function takeDate(text: Text): bool {
  at = text.start;
  end = text.end;
  year = takeYear();
  month = end - at < 3 ? 0 : monthAt(at);
  if (!month) return false;
  at += 3;
  day = takeDay();
  if (day < 0) return false;
  if (year < 0) year = takeYear();
  if (!takeClock()) return false;
  text.start = at;
  return true;
}

/** The time of the date that was taken last, with an offset from UTC or LOCAL; NO_TIME where there is no such day. */
export function dateWith(offset: i64): i64 {
  const time =
    year < 0 ? inferYear(month, day, clockMs, offset) : instantOf(year, month, day, clockMs, offset);
  return leapChecked(time, clock);
}

/** Four digits and a space, or -1. */
function takeYear(): i32 {
  if (end - at < 5 || load<u8>(at, 4) !== SPACE) return -1;
  const value = digits(at, 4);
  if (value >= 0) at += 5;
  return value;
}

/** A space, the day, a space; or -1. */
function takeDay(): i32 {
  if (end - at < 5 || load<u8>(at) !== SPACE) return -1;
  const isPadded = load<u8>(at, 1) === SPACE;
  const first = at + (isPadded ? 2 : 1);
  const count: usize = isPadded || load<u8>(first, 1) === SPACE ? 1 : 2;
  if (load<u8>(first + count) !== SPACE) return -1;
  at = first + count + 1;
  return digits(first, count);
}

function takeClock(): bool {
  if (end - at < CLOCK_BYTES) return false;
  clock = at;
  const wholeMs = clockAt(clock);
  if (wholeMs < 0) return false;
  const fraction = at + CLOCK_BYTES;
  at = fractionEnd(fraction, end);
  clockMs = wholeMs + fractionAt(fraction, at);
  if (year < 0) year = takeLastYear();
  return true;
}

/** ` 2026` with a space behind it, which is left; or -1. Other numbers may be a host's name. */
function takeLastYear(): i32 {
  if (end - at < 6 || load<u8>(at) !== SPACE || load<u8>(at, 5) !== SPACE) return -1;
  const value = digits(at + 1, 4);
  if (value < YEAR_MIN || value >= YEAR_END) return -1;
  at += 5;
  return value;
}
