/**
 * What follows where something that is due is at fault, a row of a window or an audit event: the call is made again without that one
 * thing. So neither the event that made it due, nor what else is due, is left out with it.
 */
import { SPARED_MAX } from '../limits.js';
import type { Parts } from './calls.js';
import { FilterFault } from './fault.js';
import type { FilterInstance } from './instance.js';
import type { Call } from './journal.js';
import type { Recovering } from './slot.js';

/**
 * The call that failed, to be made again without what was at fault; or, where that used up fuel of which others of its turn had used
 * some, with fewer things in each turn, down to one. Nothing where it was not about something that is due, or where too many of them are
 * at fault.
 */
export function sparing(call: Call, error: unknown): Call | undefined {
  if (!(error instanceof FilterFault) || error.at === undefined || error.kind === 'time') return undefined;
  const { number, inTurn } = error.at;
  const { spared = { leftOut: [] }, faults = [] } = call;
  // What was told goes well again, and what is left out is at fault no more: a filter that says otherwise is not believed.
  if (number <= (spared.leftOut.at(-1) ?? 0)) return undefined;
  if (error.kind === 'fuel' && inTurn > 1 && inTurn <= (spared.perTurn ?? inTurn))
    return { ...call, spared: { ...spared, perTurn: inTurn >>> 1 } };
  if (isTooMuch(call)) return undefined;
  return { ...call, spared: { ...spared, leftOut: [...spared.leftOut, number] }, faults: [...faults, error] };
}

/** The same where nothing is to be left out: with fewer things in each turn, or nothing. */
export function sparingNothing(call: Call, error: unknown): Call | undefined {
  const next = sparing(call, error);
  return next && !leavesOut(next) ? next : undefined;
}

/** The same for a call behind which the filter goes: where too many are at fault nothing is told from there on. */
export function sparingAll(call: Call, error: unknown): Call | undefined {
  const without = sparing(call, error);
  const number = error instanceof FilterFault && error.kind !== 'time' ? error.at?.number : undefined;
  if (without || !call.spared || call.spared.leftOutFrom !== undefined || number === undefined)
    return without;
  return {
    ...call,
    spared: { ...call.spared, leftOutFrom: number },
    faults: [...(call.faults ?? []), error],
  };
}

/** True when nothing more is left out of the call: a filter with so much at fault in one is broken. */
export function isTooMuch({ spared }: Call): boolean {
  return spared !== undefined && spared.leftOut.length >= SPARED_MAX;
}

/** True when the call, made so, leaves out something. */
export function leavesOut(call: Call): boolean {
  return (call.faults?.length ?? 0) > 0;
}

/** The call with which a filter has told what is open, or the fault that it cannot do without. */
type Flushed = { readonly call: Call } | { readonly fault: unknown };

/**
 * Lets a filter that has just been saved tell what is open, in turns, without what is at fault, as `without` says; where it cannot, it is
 * as before. `make` makes a call of it.
 */
export function* flushing(
  filter: FilterInstance,
  nowMs: number,
  without: typeof sparing,
  make: (call: Call) => Parts,
): Generator<void, Flushed, void> {
  for (let call: Call = { kind: 'flush', nowMs }; ; ) {
    try {
      yield* make(call);
      return { call };
    } catch (fault) {
      filter.restore();
      const next = without(call, fault);
      if (!next) return { fault };
      call = next;
    }
  }
}

/** The same for the filter of a slot, whose records go out. Answers the fault that it cannot do without. */
export function* tellOpen(
  slot: Recovering,
  nowMs: number,
  without: typeof sparing,
): Generator<void, unknown, void> {
  slot.save();
  const flushed = yield* flushing(slot.filter(), nowMs, without, slot.make);
  if ('fault' in flushed) return flushed.fault;
  tellSpared(slot, flushed.call);
  return undefined;
}

/** The call went well without what was at fault in it. */
export function tellSpared({ filter, sum, tell }: Recovering, call: Call): void {
  // What the filter says is hostile.
  const most = sum.eventsIn();
  for (const { error, events } of sparedBy(call, filter().leftOut()))
    tell({ kind: 'spared', error, nowMs: call.nowMs, events: Math.min(events, most) });
}

/** A call that was made without something: each of its faults, with the events that had gone into what was left out. */
function* sparedBy(
  { faults = [] }: Call,
  leftOut: readonly number[],
): Generator<{ readonly error: unknown; readonly events: number }> {
  const last = faults.length - 1;
  for (const [at, error] of faults.entries()) {
    const of = leftOut.slice(at, at === last ? undefined : at + 1);
    yield { error, events: of.reduce((sum, events) => sum + events, 0) };
  }
}
