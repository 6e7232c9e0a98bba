/**
 * The clock of an operator's machine, held against that of the broker, before anything is signed by it: what a clock that is behind signs
 * has expired sooner than it should, or already; what one that is ahead signs is good for longer than anybody should rely on it.
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
