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
/** In place of an offset: that of the filter's zone. */
export const LOCAL: i64 = i64.MAX_VALUE;
/** Numbers of this size are milliseconds, microseconds, nanoseconds; seconds reach the first in the year 5138. */
const MILLISECONDS_FROM: i64 = 100_000_000_000;
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;
const NANOSECONDS_FROM: i64 = 100_000_000_000_000_000;

let receivedMs: i64 = 0;
/** The year that a date without one has at the latest, and the time received of which that holds. */
let latestYear: i32 = 0;
let latestYearOf: i64 = i64.MIN_VALUE;

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

/** Midnight of a date of the Gregorian calendar, or NO_TIME for a day that the month does not have. */
function midnightOf(year: i32, month: i32, day: i32): i64 {
  if (day < 1 || day > daysInMonth(year, month)) return NO_TIME;
  const shifted = month <= 2 ? year - 1 : year;
  const era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const yearOfEra = shifted - era * 400;
  const dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468;
  return <i64>days * DAY_MS;
}

/** The year of an instant. */
function yearOf(ms: i64): i32 {
  const past = ms % DAY_MS;
  const days = <i32>((ms - (past < 0 ? past + DAY_MS : past)) / DAY_MS) + 719_468;
  const era = (days >= 0 ? days : days - 146_096) / 146_097;
  const dayOfEra = days - era * 146_097;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  return era * 400 + yearOfEra + i32(dayOfYear >= 306);
}

function daysInMonth(year: i32, month: i32): i32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return 30 + ((month + (month >> 3)) & 1);
}

/** Local time as UTC, by an offset or LOCAL. */
function toUtc(localMs: i64, offset: i64): i64 {
  return offset === LOCAL ? localToUtc(localMs) : localMs - offset;
}

/** Local time of the filter's zone as UTC. */
function localToUtc(localMs: i64): i64 {
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
  const isDate = text.length > 4 && load<u8>(text.start, 4) === 0x2d;
  return isDate ? parseDateTime(text.start, text.end, 9) : parseEpoch(text);
}

/**
 * A date and time of RFC 3339, with up to `fractionDigits` digits of a second: `2003-10-11T22:14:15.003Z`. A space
 * may stand for the T; without an offset it is local time. The whole of [start, end) must be the time.
 */
export function parseDateTime(start: usize, end: usize, fractionDigits: usize): i64 {
  if (end - start < 19) return NO_TIME;
  const date = dateAt(start);
  const separator = load<u8>(start, 10);
  const clock = clockAt(start + 11);
  if (date === NO_TIME || clock < 0 || (separator !== 0x54 && separator !== 0x20)) return NO_TIME;
  const dot = start + 19;
  const at = fractionEnd(dot, end);
  // A dot alone, or more digits than are allowed.
  if (at === dot + 1 || at - dot > fractionDigits + 1) return NO_TIME;
  const local = date + clock + fractionAt(dot, end);
  let offset: i64 = 0;
  if (at === end) offset = LOCAL;
  else if (load<u8>(at) !== 0x5a || at + 1 < end) {
    offset = offsetAt(at, end);
    if (offset === NO_TIME) return NO_TIME;
  }
  return leapChecked(toUtc(local, offset), start + 11);
}

/**
 * A date and a clock that stand apart, as firewalls write them: `2026-01-31`, `10:00:00`, and an offset such as `+0100`
 * or nothing, which is local time.
 */
export function parseDateAndClock(date: Text, clock: Text, offset: Text): i64 {
  if (date.length !== 10 || clock.length < 8) return NO_TIME;
  const dateMs = dateAt(date.start);
  const clockMs = clockAt(clock.start);
  if (dateMs === NO_TIME || clockMs < 0) return NO_TIME;
  const shift = offset.isEmpty() ? LOCAL : offsetAt(offset.start, offset.end);
  if (shift === NO_TIME) return NO_TIME;
  return leapChecked(toUtc(dateMs + clockMs, shift), clock.start);
}

/**
 * The time, unless second 60 of the clock is not the one behind 23:59:59 UTC, where alone leap seconds are (RFC 3339,
 * section 5.7); before 1970 there were none. It is the second after, as POSIX counts (IEEE Std 1003.1, section 4.19).
 */
export function leapChecked(time: i64, clock: usize): i64 {
  return load<u8>(clock, 6) === 0x36 && <u64>time % <u64>DAY_MS >= <u64>SECOND_MS ? NO_TIME : time;
}

/** Seconds since 1970 with an optional fraction, or milliseconds, microseconds, nanoseconds, by size. */
export function parseEpoch(text: Text): i64 {
  const start = text.start;
  const end = text.end;
  const isDigit = i8x16.lt_u(i8x16.sub(v128.load(start), i8x16.splat(0x30)), i8x16.splat(10));
  const count = min<usize>(ctz(~i8x16.bitmask(isDigit)), end - start);
  if (!count) return NO_TIME;
  let at = start + count;
  let whole = wholeNumber(at, count);
  for (; at < end && load<u8>(at) - 0x30 < 10; at++) {
    if (at - start >= 19) return NO_TIME;
    whole = whole * 10 + (load<u8>(at) - 0x30);
  }
  if (whole < 0) return NO_TIME;
  if (whole >= NANOSECONDS_FROM) whole /= 1_000_000;
  else if (whole >= MICROSECONDS_FROM) whole /= 1_000;
  else if (whole < MILLISECONDS_FROM) whole = whole * SECOND_MS + fractionAt(at, end);
  return at === end || fractionEnd(at, end) === end ? whole : NO_TIME;
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

/** The instant of a date and clock with an offset, or LOCAL; or NO_TIME for a day that the month does not have. */
export function instantOf(year: i32, month: i32, day: i32, clockMs: i64, offset: i64): i64 {
  const midnight = midnightOf(year, month, day);
  return midnight === NO_TIME ? NO_TIME : toUtc(midnight + clockMs, offset);
}

/**
 * The instant of a month, day and clock without a year: in the latest year that does not put it more than a
 * day after the time received. NO_TIME for a day that the month never has.
 */
export function inferYear(month: i32, day: i32, clockMs: i64, offset: i64): i64 {
  if (latestYearOf !== receivedMs) {
    // Local time may be in the next year before UTC is.
    latestYear = yearOf(receivedMs + 2 * DAY_MS);
    latestYearOf = receivedMs;
  }
  // 29 February may be eight years back, over a year like 2100.
  for (let year = latestYear; year > latestYear - 10; year--) {
    const time = instantOf(year, month, day, clockMs, offset);
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

/** Milliseconds of `hh:mm:ss`, or -1. Second 60 has to be looked at by `leapChecked`. */
export function clockAt(at: usize): i64 {
  const pairs = pairsAt(at, 0x30303a30303a3030);
  const hour = <i64>(pairs & 0xff);
  const minute = <i64>((pairs >> 24) & 0xff);
  const second = <i64>((pairs >> 48) & 0xff);
  if (hour > 23 || minute > 59 || second > 60) return -1;
  return hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
}

/** Midnight of `YYYY-MM-DD`, or NO_TIME. */
function dateAt(at: usize): i64 {
  const century = digits(at, 2);
  const pairs = pairsAt(at + 2, 0x30302d30302d3030);
  const year = 100 * century + <i32>(pairs & 0xff);
  const month = <i32>(pairs >> 24) & 0xff;
  const day = <i32>(pairs >> 48) & 0xff;
  return century < 0 || month < 1 || month > 12 ? NO_TIME : midnightOf(year, month, day);
}

/**
 * Three pairs of digits with a byte between, read in one register: `like` has zeros for the digits. Their values are in
 * bytes 0, 3 and 6, and 255 each where something else stands there.
 */
function pairsAt(at: usize, like: u64): u64 {
  // A digit becomes its value, a byte between them zero.
  const values = load<u64>(at) ^ like;
  const others = (values | (values + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0;
  return others || values & 0x0000ff0000ff0000 ? <u64>-1 : values * 10 + (values >> 8);
}

/** Milliseconds of `+hh:mm` or `+hhmm`, or with a minus, up to `end`, or NO_TIME. */
export function offsetAt(at: usize, end: usize): i64 {
  const sign = load<u8>(at);
  const colon = end - at === 6 && load<u8>(at, 3) === 0x3a ? 1 : 0;
  const hour = digits(at + 1, 2);
  const minute = digits(at + 3 + colon, 2);
  if ((sign !== 0x2b && sign !== 0x2d) || end - at !== <usize>(5 + colon)) return NO_TIME;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return NO_TIME;
  const offset = hour * HOUR_MS + minute * MINUTE_MS;
  return sign === 0x2d ? -offset : offset;
}

/** The number of the `count` decimal digits, 1 to 16, that end at `end`: fours of them at once, then all. */
function wholeNumber(end: usize, count: usize): i64 {
  const place = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const isInside = i8x16.ge_u(place, i8x16.splat(<i8>(16 - count)));
  const values = v128.and(i8x16.sub(v128.load(end - 16), i8x16.splat(0x30)), isInside);
  const weights = i16x8(1000, 100, 10, 1, 1000, 100, 10, 1);
  const high = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(values), weights);
  const low = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(values), weights);
  const fours = i32x4.extadd_pairwise_i16x8_s(i16x8.narrow_i32x4_s(high, low));
  const upper = i32x4.extract_lane(fours, 0) * 10_000 + i32x4.extract_lane(fours, 1);
  const lower = i32x4.extract_lane(fours, 2) * 10_000 + i32x4.extract_lane(fours, 3);
  return <i64>upper * 100_000_000 + lower;
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
