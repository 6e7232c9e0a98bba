/**
 * Time zones for filters: a filter has no zone database, so the host gives it the instants at which its zone's
 * offset changes. They come from the data that Node carries, and are part of the filter's recorded input.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { mismatch, refusal } from './validate.js';

/** From this instant on (ms since 1970) local time minus UTC is `offsetMs`. */
export interface Transition {
  readonly fromMs: number;
  readonly offsetMs: number;
}

/** The years that filters know. */
const FROM_MS = Date.UTC(1970, 0, 1);
const TO_MS = Date.UTC(2100, 0, 1);
/** No zone changes its offset and back within this time; the shortest was a week less an hour (Brazil, 2000). */
const STEP_MS = 6 * 24 * 3_600_000;
const TRANSITIONS_MAX = 512;
/** What is looked through at a time beside other work: five years. */
const PART_MS = 5 * 365 * 24 * 3_600_000;
const UTC: readonly Transition[] = [{ fromMs: FROM_MS, offsetMs: 0 }];

/** The transitions of a configured zone; `where` names the option. Throws CONFIG_INVALID for an unknown zone. */
export function instanceZones(timezone: string, where: string): readonly Transition[] {
  // Most filters have it, and to make the formats that tell the others takes longer than to start a filter.
  if (timezone === 'UTC') return UTC;
  if (!isTimezone(timezone)) {
    throw refusal('CONFIG_INVALID', where, mismatch('a zone such as "Europe/Berlin"', timezone));
  }
  return zoneTransitions(timezone, FROM_MS, TO_MS);
}

/** The same beside a host that works: all years at once take 20 to 50 ms, five of them 1 to 2. */
export async function instanceZonesBeside(timezone: string, where: string): Promise<readonly Transition[]> {
  if (timezone === 'UTC' || !isTimezone(timezone)) return instanceZones(timezone, where);
  const zones: Transition[] = [];
  for (let fromMs = FROM_MS; fromMs < TO_MS && zones.length < TRANSITIONS_MAX; fromMs += PART_MS) {
    const part = zoneTransitions(timezone, fromMs, Math.min(fromMs + PART_MS, TO_MS));
    // Each part begins with the offset that the one before ends with.
    zones.push(...part.slice(zones.at(-1)?.offsetMs === part[0]?.offsetMs ? 1 : 0));
    await breathe();
  }
  return zones.slice(0, TRANSITIONS_MAX);
}

/** A name of the IANA database, or UTC. Newer versions of Node also take offsets, which name no zone. */
export function isTimezone(timezone: string): boolean {
  if (!/^[A-Za-z]/.test(timezone)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: timezone });
    return true;
  } catch {
    return false;
  }
}

/** The offset at `fromMs`, and each change of it up to and with `toMs`, to the second; at most 512 entries. */
export function zoneTransitions(timezone: string, fromMs: number, toMs: number): readonly Transition[] {
  const offsetAt = offsetReader(timezone);
  let last: Transition = { fromMs, offsetMs: offsetAt(fromMs) };
  const transitions = [last];
  if (timezone === 'UTC') return transitions;
  let at = fromMs;
  while (at < toMs && transitions.length < TRANSITIONS_MAX) {
    const until = Math.min(at + STEP_MS, toMs);
    if (offsetAt(until) === last.offsetMs) {
      at = until;
      continue;
    }
    at = firstWithout(offsetAt, last.offsetMs, at, until);
    last = { fromMs: at, offsetMs: offsetAt(at) };
    transitions.push(last);
  }
  return transitions;
}

/** The first second in (from, to] at which the offset is no longer `before`. */
function firstWithout(offsetAt: (ms: number) => number, before: number, from: number, to: number): number {
  let low = Math.floor(from / 1000);
  let high = Math.floor(to / 1000);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * 1000) === before) low = middle;
    else high = middle;
  }
  return high * 1000;
}

/** The offset is read from the end of a formatted time: "GMT+05:53:28", "GMT-03:00", or just "GMT". */
function offsetReader(timezone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hour: 'numeric',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  });
  return (ms) => {
    const [, sign, hours = 0, minutes = 0, seconds = 0] =
      /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(ms)) ?? [];
    const offsetMs = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
    return sign === '-' ? -offsetMs : offsetMs;
  };
}
