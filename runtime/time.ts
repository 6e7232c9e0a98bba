/**
 * Times as milliseconds since 1970 UTC, from the forms that logs write. Whole numbers only; no clock.
 *
 * Civil dates are counted as in Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". A time without an
 * offset is local time of the filter's configured zone: an ambiguous one (clocks set back) is the earlier
 * instant, one that never was (clocks set forward) is read with the offset from before the change. Readers look
 * at bytes behind the end they were given only where the answer does not depend on them.
 */
import { regionBytes, regionStart, ZONES_AT } from './abi';
import { Text } from './text';

/** No time could be read. */
export const NO_TIME: i64 = i64.MIN_VALUE;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const SECOND_MS: i64 = 1_000;
/** A zone: the instant from which it holds, and local time minus UTC. */
const ZONE_BYTES: usize = 16;
/** Numbers of this size are milliseconds, microseconds, nanoseconds; seconds reach the first in the year 5138. */
const MILLISECONDS_FROM: i64 = 100_000_000_000;
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;
const NANOSECONDS_FROM: i64 = 100_000_000_000_000_000;

let receivedMs: i64 = 0;

/** The time that the host passed with the batch. */
export function receivedAt(): i64 {
  return receivedMs;
}

/** The time itself, or, where it is NO_TIME, the time received: everything that takes the time of an event asks this. */
export function orReceived(time: i64): i64 {
  return time === NO_TIME ? receivedMs : time;
}

export function setReceivedAt(ms: i64): void {
  receivedMs = ms;
}

/** Days from 1970-01-01 to a date of the Gregorian calendar. */
export function daysFromCivil(year: i64, month: i32, day: i32): i64 {
  const shifted = month <= 2 ? year - 1 : year;
  const era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const yearOfEra = shifted - era * 400;
  const dayOfYear = <i64>((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1);
  return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468;
}

/** The year of an instant. */
export function yearOf(ms: i64): i64 {
  const past = ms % DAY_MS;
  const days = (ms - (past < 0 ? past + DAY_MS : past)) / DAY_MS + 719_468;
  const era = (days >= 0 ? days : days - 146_096) / 146_097;
  const dayOfEra = days - era * 146_097;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  return era * 400 + yearOfEra + i64(dayOfYear >= 306);
}

export function daysInMonth(year: i64, month: i32): i32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return 30 + ((month + (month >> 3)) & 1);
}

/** Local time of the filter's zone as UTC. */
export function localToUtc(localMs: i64): i64 {
  const zones = regionStart(ZONES_AT);
  const count = <i32>(regionBytes(ZONES_AT) / ZONE_BYTES);
  if (!count) return localMs;
  // The last zone whose own offset puts the time at or after its beginning; the first one has no beginning.
  let low = 0;
  for (let high = count; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (localMs - offsetOf(zones, middle) >= load<i64>(zones + middle * ZONE_BYTES)) low = middle;
    else high = middle;
  }
  const utc = localMs - offsetOf(zones, low);
  if (!low) return utc;
  // Still before the change with the offset from before it: this is the hour that clocks repeat.
  const earlier = localMs - offsetOf(zones, low - 1);
  return earlier < load<i64>(zones + low * ZONE_BYTES) ? earlier : utc;
}

function offsetOf(zones: usize, index: i32): i64 {
  return load<i64>(zones + index * ZONE_BYTES, 8);
}

/** Any of RFC 3339 and seconds, milliseconds, microseconds or nanoseconds since 1970. */
export function parseTime(text: Text): i64 {
  return text.at(4) === 0x2d ? parseDateTime(text.start, text.end, 9) : parseEpoch(text);
}

/**
 * A date and time of RFC 3339, with up to `fractionDigits` digits of a second: `2003-10-11T22:14:15.003Z`. A space
 * may stand for the T; without an offset it is local time. The whole of [start, end) must be the time.
 */
export function parseDateTime(start: usize, end: usize, fractionDigits: usize): i64 {
  const length = end - start;
  if (length < 19) return NO_TIME;
  const year = digits(start, 4);
  const month = digits(start + 5, 2);
  const day = digits(start + 8, 2);
  const separator = load<u8>(start + 10);
  if (load<u8>(start + 4) !== 0x2d || load<u8>(start + 7) !== 0x2d) return NO_TIME;
  if (separator !== 0x54 && separator !== 0x20) return NO_TIME;
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return NO_TIME;
  const clock = clockAt(start + 11);
  if (clock < 0) return NO_TIME;
  const dot = start + 19;
  const at = fractionEnd(dot, end);
  // A dot alone, or more digits than are allowed.
  if (at === dot + 1 || at - dot > fractionDigits + 1) return NO_TIME;
  const local = daysFromCivil(year, month, day) * DAY_MS + clock + fractionAt(dot, end);
  if (at === end) return localToUtc(local);
  if (load<u8>(at) === 0x5a) return at + 1 === end ? local : NO_TIME;
  const offset = offsetAt(at, end);
  return offset === NO_TIME ? NO_TIME : local - offset;
}

/**
 * A date and a clock that stand apart, as firewalls write them: `2026-01-31`, `10:00:00`, and an offset such as `+0100`
 * or nothing, which is local time.
 */
export function parseDateAndClock(date: Text, clock: Text, offset: Text): i64 {
  const start = date.start;
  if (date.length !== 10 || clock.length < 8 || load<u8>(start, 4) !== 0x2d || load<u8>(start, 7) !== 0x2d)
    return NO_TIME;
  const year = digits(start, 4);
  const month = digits(start + 5, 2);
  const day = digits(start + 8, 2);
  const clockMs = clockAt(clock.start);
  if (year < 0 || month < 1 || month > 12 || clockMs < 0) return NO_TIME;
  if (offset.isEmpty()) return instantOf(year, month, day, clockMs);
  const shift = offsetAt(offset.start, offset.end);
  if (shift === NO_TIME || day < 1 || day > daysInMonth(year, month)) return NO_TIME;
  return daysFromCivil(year, month, day) * DAY_MS + clockMs - shift;
}

/** Seconds since 1970 with an optional fraction, or milliseconds, microseconds, nanoseconds, by size. */
export function parseEpoch(text: Text): i64 {
  let at = text.start;
  const some = min<usize>(text.length, 16);
  let whole = sixteenDigits(at, some);
  if (whole < 0) whole = 0;
  else at += some;
  for (; at < text.end && load<u8>(at) - 0x30 < 10; at++) {
    if (at - text.start >= 19) return NO_TIME;
    whole = whole * 10 + (load<u8>(at) - 0x30);
  }
  if (at === text.start || whole < 0) return NO_TIME;
  if (whole >= NANOSECONDS_FROM) whole /= 1_000_000;
  else if (whole >= MICROSECONDS_FROM) whole /= 1_000;
  else if (whole < MILLISECONDS_FROM) whole = whole * SECOND_MS + fractionAt(at, text.end);
  return fractionEnd(at, text.end) === text.end ? whole : NO_TIME;
}

/** Milliseconds of `.ddd...`, 0 when there is no fraction. */
export function fractionAt(start: usize, end: usize): i64 {
  let ms: i64 = 0;
  if (start === end || load<u8>(start) !== 0x2e) return 0;
  for (
    let at = start + 1, weight: i64 = 100;
    at < end && weight && load<u8>(at) - 0x30 < 10;
    at++, weight /= 10
  ) {
    ms += weight * (load<u8>(at) - 0x30);
  }
  return ms;
}

/** Address behind the dot and the digits of a fraction, or `start` when there is none. */
export function fractionEnd(start: usize, end: usize): usize {
  if (start === end || load<u8>(start) !== 0x2e) return start;
  let at = start + 1;
  while (at < end && load<u8>(at) - 0x30 < 10) at++;
  return at;
}

/** The instant of a date and clock of the filter's zone, or NO_TIME for a day that the month does not have. */
export function instantOf(year: i64, month: i32, day: i32, clockMs: i64): i64 {
  if (day < 1 || day > daysInMonth(year, month)) return NO_TIME;
  return localToUtc(daysFromCivil(year, month, day) * DAY_MS + clockMs);
}

/**
 * The instant of a month, day and clock without a year: in the latest year that does not put it more than a
 * day after the time received. NO_TIME for a day that the month never has.
 */
export function inferYear(month: i32, day: i32, clockMs: i64): i64 {
  // Local time may be in the next year before UTC is; 29 February may be eight years back, over a year like 2100.
  const latest = yearOf(receivedMs + 2 * DAY_MS);
  for (let year = latest; year > latest - 10; year--) {
    const time = instantOf(year, month, day, clockMs);
    if (time !== NO_TIME && time <= receivedMs + DAY_MS) return time;
  }
  return NO_TIME;
}

/** Number of a three-letter English month, or 0. */
export function monthAt(at: usize): i32 {
  switch (((<u32>load<u8>(at)) << 16) | ((<u32>load<u8>(at, 1)) << 8) | load<u8>(at, 2)) {
    case 0x4a616e:
      return 1;
    case 0x466562:
      return 2;
    case 0x4d6172:
      return 3;
    case 0x417072:
      return 4;
    case 0x4d6179:
      return 5;
    case 0x4a756e:
      return 6;
    case 0x4a756c:
      return 7;
    case 0x417567:
      return 8;
    case 0x536570:
      return 9;
    case 0x4f6374:
      return 10;
    case 0x4e6f76:
      return 11;
    case 0x446563:
      return 12;
    default:
      return 0;
  }
}

/** Milliseconds of `hh:mm:ss`, or -1. RFC 5424, section 6.2.3.1: no leap seconds. */
export function clockAt(at: usize): i64 {
  const hour = digits(at, 2);
  const minute = digits(at + 3, 2);
  const second = digits(at + 6, 2);
  if (load<u8>(at, 2) !== 0x3a || load<u8>(at, 5) !== 0x3a) return -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return -1;
  return hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
}

/** Milliseconds of `+hh:mm` or `+hhmm`, or with a minus, up to `end`, or NO_TIME. */
function offsetAt(at: usize, end: usize): i64 {
  const sign = load<u8>(at);
  const colon = end - at === 6 && load<u8>(at, 3) === 0x3a ? 1 : 0;
  const hour = digits(at + 1, 2);
  const minute = digits(at + 3 + colon, 2);
  if ((sign !== 0x2b && sign !== 0x2d) || end - at !== <usize>(5 + colon)) return NO_TIME;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return NO_TIME;
  const offset = hour * HOUR_MS + minute * MINUTE_MS;
  return sign === 0x2d ? -offset : offset;
}

/** 9 to 16 decimal digits as a number, or -1: the last eight, and those before them behind zeros. */
function sixteenDigits(at: usize, count: usize): i64 {
  if (count - 9 > 7) return -1;
  const before = (count - 8) << 3;
  const zeros: u64 = before < 64 ? 0x3030303030303030 >> before : 0;
  const high = eightDigits((load<u64>(at) << (64 - before)) | zeros);
  const low = eightDigits(load<u64>(at + count - 8));
  return high < 0 || low < 0 ? -1 : high * 100_000_000 + low;
}

/** Eight decimal digits as a number, or -1: pairs, then fours, then all, in one register. */
function eightDigits(text: u64): i64 {
  // A byte is a digit when its high half is 3, and still is with 6 added.
  const isDigits = text & (text + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0;
  if (isDigits !== 0x3030303030303030) return -1;
  let value = text & 0x0f0f0f0f0f0f0f0f;
  value = (value * 10 + (value >> 8)) & 0x00ff00ff00ff00ff;
  value = (value * 100 + (value >> 16)) & 0x0000ffff0000ffff;
  return <i64>((value * 10_000 + (value >> 32)) & 0xffffffff);
}

/** `count` decimal digits as a number, or -1. */
export function digits(at: usize, count: usize): i32 {
  let value = 0;
  for (let i: usize = 0; i < count; i++) {
    const digit: u32 = load<u8>(at + i) - 0x30;
    if (digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
