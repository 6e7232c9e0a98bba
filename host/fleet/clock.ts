/**
 * The clock of this machine, held against that of the broker. An operator's, before anything is signed by it: what a clock that is behind signs
 * has expired sooner than it should, or already; what one that is ahead signs is good for longer than anybody should rely on it.
 *
 * An appliance's, for people who read that what it has is expired: nothing is trusted, or not, by what the broker says of the time.
 *
 * Whoever owns the broker can keep operators from signing with this, as he can anyway, and cannot make them sign anything else.
 */
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { CLOCK_MS_MAX } from '../fleetlimits.js';
import { REPOSITORY_STREAM } from '../wire.js';

/** Throws CLOCK_WRONG. */
export async function needClock(broker: Pick<Broker, 'clockMs'>, nowMs: number): Promise<void> {
  const brokerMs = await broker.clockMs(REPOSITORY_STREAM);
  if (Math.abs(nowMs - brokerMs) <= CLOCK_MS_MAX) return;
  const [here, there] = [nowMs, brokerMs].map((ms) => new Date(ms).toISOString());
  throw new WeirError('CLOCK_WRONG', `clock: expected ${there}, as the broker says, found ${here} here`);
}

/** The time at the broker from now on: when it has stored something tells nothing by another clock. */
export async function brokerClock(broker: Pick<Broker, 'clockMs'>): Promise<() => number> {
  const aheadMs = (await broker.clockMs(REPOSITORY_STREAM)) - Date.now();
  return () => Date.now() + aheadMs;
}

export interface ClockCheck {
  /** The broker has stored something just now, at this time by its clock. */
  stored(atMs: number): void;
  /** How far the clock here is off, where it is by more than `CLOCK_MS_MAX`; nothing as long as nothing is known. */
  trouble(): string | undefined;
}

/** Between what the broker tells its time goes on as this machine's own does since it started, which nobody can set. */
export function createClockCheck(now: () => number, print: (line: string) => void): ClockCheck {
  let brokerAheadMs: number | undefined;
  let told: string | undefined;

  function trouble(): string | undefined {
    const aheadMs = brokerAheadMs === undefined ? 0 : now() - (performance.now() + brokerAheadMs);
    if (Math.abs(aheadMs) <= CLOCK_MS_MAX) return undefined;
    const hours = Math.round(Math.abs(aheadMs) / 3_600_000);
    const much = hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
    return `the clock here is ${much} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of the broker, and is to be set first`;
  }

  return {
    stored(atMs) {
      brokerAheadMs = atMs - performance.now();
      const text = trouble();
      if (text !== undefined && text !== told) print(`fleet: ${text}`);
      told = text;
    },
    trouble,
  };
}
