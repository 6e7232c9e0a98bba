/**
 * What follows where something that is due is at fault, a row of a window or an audit event: the call is made again without that one
 * thing. So neither the event that made it due, nor what else is due, is left out with it.
 */
import { STOPS_MAX } from '../limits.js';
import type { Stop } from './calls.js';
import { FilterFault } from './fault.js';
import type { Call } from './journal.js';

/**
 * The call that failed, with one stop more: it leaves out what was at fault. Where fuel was used up that others of the turn had used
 * of, the turn ends before it, so that it has all of it. Nothing where it was not about something that is due.
 */
export function sparing(call: Call, error: unknown): Call | undefined {
  if (!(error instanceof FilterFault) || error.at === undefined || error.kind === 'time') return undefined;
  const { turn, due } = error.at;
  const stops = call.stops ?? [];
  // The same call goes the same way up to its last stop; a filter that says otherwise is not believed.
  if (stops.length >= STOPS_MAX || turn <= (stops.at(-1)?.turn ?? 0)) return undefined;
  const isCrowded = error.kind === 'fuel' && due > 1;
  const stop: Stop = isCrowded
    ? { turn, due: due - 1, leavesOut: false }
    : { turn, due, leavesOut: true, error };
  return { ...call, stops: [...stops, stop] };
}

/** A call that was made without something: each of its faults, with the events that had gone into what was left out. */
export function* sparedBy(
  { stops = [] }: Call,
  leftOut: readonly number[],
): Generator<{ readonly error: unknown; readonly events: number }> {
  const spared = stops.filter(({ leavesOut }) => leavesOut);
  for (const [at, { error }] of spared.entries()) yield { error, events: leftOut[at] ?? 0 };
}

/** True when the call, made so, leaves out more than it did. */
export function leavesOutMore(call: Call): boolean {
  return call.stops?.at(-1)?.leavesOut === true;
}
