/**
 * Times in all forms that logs write: dates as syslog has them, with the zones of CEF, and what `parseTime` reads.
 */
import { dateWith, takeDate } from './syslogdate';
import { Text } from './text';
import { LOCAL, NO_TIME, offsetAt, parseTime } from './time';

const SPACE: u8 = 0x20;
const LETTER_Z: u8 = 0x5a;
/** The three bytes of each. */
const UTC: u32 = 0x435455;
const GMT: u32 = 0x544d47;

/**
 * `Jan 31 10:00:00`, with a year behind the day or before the month, a fraction and a zone or without; or what `parseTime`
 * reads. A zone is `Z`, `UTC`, `GMT`, an offset (`+01:00`, `+0100`), or `GMT+01:00`, as Java writes one that has no name;
 * without one it is the filter's. The names of all others are NO_TIME, because they name no offset for sure (`IST`, `CST`).
 * The whole text must be the time.
 */
export function parseLogTime(text: Text): i64 {
  const start = text.start;
  if (!takeDate(text)) return parseTime(text);
  const behind = text.start;
  text.start = start;
  if (behind === text.end) return dateWith(LOCAL);
  const offset = zoneAt(behind + usize(load<u8>(behind) === SPACE), text.end);
  return offset === NO_TIME ? NO_TIME : dateWith(offset);
}

/** The offset of a zone up to `end`, or NO_TIME. */
function zoneAt(start: usize, end: usize): i64 {
  const bytes = end - start;
  if (bytes === 1 && load<u8>(start) === LETTER_Z) return 0;
  const name = load<u32>(start) & 0xffffff;
  const isNamed = bytes >= 3 && (name === UTC || name === GMT);
  return isNamed && bytes === 3 ? 0 : offsetAt(start + (isNamed ? 3 : 0), end);
}
