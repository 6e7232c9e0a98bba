/**
 * Time zones for filters: a filter has no zone database, so the host gives it the instants at which its zone's
 * offset changes. They come from the data that Node carries, and are part of the filter's recorded input.
 */
import { WeirError } from './errors.js';

/** From this instant on (ms since 1970) local time minus UTC is `offsetMs`. */
export interface Transition {
  readonly fromMs: number;
  readonly offsetMs: number;
}

/** The years that filters know. */
const FROM_MS = Date.UTC(1970, 0, 1);
const TO_MS = Date.UTC(2100, 0, 1);
/** No zone changes its offset and back within this time. */
const STEP_MS = 7 * 24 * 3_600_000;
const TRANSITIONS_MAX = 512;

/** The transitions of a configured zone; `where` names the option. Throws CONFIG_INVALID for an unknown zone. */
export function instanceZones(timezone: string, where: string): readonly Transition[] {
  if (!isTimezone(timezone)) {
    throw new WeirError(
      'CONFIG_INVALID',
      `${where}: expected a zone such as "Europe/Berlin", found "${timezone}"`,
    );
  }
  return zoneTransitions(timezone, FROM_MS, TO_MS);
}

export function isTimezone(timezone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: timezone });
    return true;
  } catch {
    return false;
  }
}

/** The offset at `fromMs`, and each change of it up to `toMs`, found to the second. */
export function zoneTransitions(timezone: string, fromMs: number, toMs: number): readonly Transition[] {
  const offsetAt = offsetReader(timezone);
  let last: Transition = { fromMs, offsetMs: offsetAt(fromMs) };
  const transitions = [last];
  if (timezone === 'UTC') return transitions;
  for (let at = fromMs; at < toMs && transitions.length < TRANSITIONS_MAX; at += STEP_MS) {
    const offsetMs = offsetAt(at + STEP_MS);
    if (offsetMs === last.offsetMs) continue;
    last = { fromMs: firstWith(offsetAt, last.offsetMs, at, at + STEP_MS), offsetMs };
    transitions.push(last);
  }
  return transitions;
}

/** The first second in (from, to] at which the offset is no longer `before`. */
function firstWith(offsetAt: (ms: number) => number, before: number, from: number, to: number): number {
  let low = from / 1000;
  let high = to / 1000;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * 1000) === before) low = middle;
    else high = middle;
  }
  return high * 1000;
}

function offsetReader(timezone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (ms) => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(ms)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - ms;
  };
}
