/**
 * What follows a fault: the filter is put back to what it was before the batch, and the batch is cut in halves until the
 * one event that is at fault is alone. That event is left out; all others are processed, once, in their order.
 *
 * A batch that failed has emitted nothing, so nothing is emitted twice. What the fault costs is bounded: each step is one call
 * of the filter, at most its fuel, and between two steps everybody else has a turn. The outcome does not depend on how
 * events were batched: what a batch may use, each of its events may use alone, so an event that is at fault alone is so in any
 * batch, and no other is.
 *
 * Where more faults follow than are forgiven, or a version is on probation, the version before it takes over with the
 * event in hand; without one the filter is taken out, and has not looked at what comes behind that event.
 */
import { isDeepStrictEqual } from 'node:util';
import { createFaultBudget, type FaultBudget, FilterFault } from './fault.js';
import type { FilterInstance } from './instance.js';
import {
  type Call,
  type Entry,
  eventsOf,
  fill,
  fitting,
  type Held,
  halves,
  hold,
  make,
  makeAgain,
  placeBehind,
} from './journal.js';
import type { Kept } from './probation.js';
import type { Recovering } from './slot.js';
import {
  flushing,
  isTooMuch,
  leavesOut,
  sparing,
  sparingAll,
  sparingNothing,
  tellOpen,
  tellSpared,
} from './sparing.js';
import { openEvents, planTakeOver, takeOver } from './state.js';

const discard = () => {};

/** Begins behind the fault of a call, whose events are held from now on; each `next` is a step. */
export function recover(slot: Recovering, failed: Call, error: unknown): Generator<void> {
  return steps(slot, hold(failed), error);
}

function* steps(slot: Recovering, { call: failed, release }: Held, error: unknown): Generator<void> {
  /** What is left of the batch, the next one last. */
  const parts = [failed];
  // Not what the filter has left in its input region.
  fill(slot.filter(), failed);
  let eventsLeft = eventsOf(slot.filter(), failed);
  /** The last part that is done with: processed, or left out. */
  let done: Call | undefined;
  let fault: unknown = error;
  try {
    yield* rewind(slot);
    for (let isKnown = true; parts.length > 0; isKnown = false) {
      const part = parts.pop() as Call;
      if (!fill(slot.filter(), part)) return lose(slot, failed, eventsLeft);
      // The first is known to have failed.
      const smaller = isKnown ? undefined : halvesOfLarge(slot, part);
      if (smaller) {
        parts.push(smaller[1], smaller[0]);
        continue;
      }
      if (!isKnown) {
        yield;
        const before = slot.filter().eventsIn();
        const found = yield* attempt(slot, part);
        if (found === undefined) {
          tellSpared(slot, part);
          eventsLeft -= slot.filter().eventsIn() - before;
          done = part;
          continue;
        }
        fault = found;
        yield* rewind(slot);
        if (!fill(slot.filter(), part)) return lose(slot, failed, eventsLeft);
      }
      const cut = isSlow(fault) ? undefined : halves(slot.filter(), part);
      if (cut) {
        parts.push(cut[1], cut[0]);
        continue;
      }
      const verdict = yield* condemn(slot, part, fault);
      if (verdict === 'again') {
        // The other version may take less at a time.
        const left = [...parts, part].flatMap((one) => [...fitting(slot.filter(), one)].reverse());
        parts.splice(0, parts.length, ...left);
        continue;
      }
      if ('without' in verdict) {
        parts.push(verdict.without);
        continue;
      }
      if (verdict.isLeftOut) done = part;
      if (verdict.isLeftOut && part.kind === 'batch') eventsLeft -= 1;
      if (verdict.isOut) {
        leaveUnread(slot, failed, done, eventsLeft);
        return slot.takeOut(fault, isTooMuch(part) ? undefined : slot.budget().faults());
      }
      if (part.kind === 'close') yield* tellOpenOrGo(slot, part.nowMs, fault);
    }
  } catch (unexpected) {
    leaveUnread(slot, failed, done, eventsLeft);
    throw unexpected;
  } finally {
    release();
  }
}

/** A part is cut at once where it is larger than what went well of late. */
function halvesOfLarge({ batchSize, filter }: Recovering, part: Call): readonly [Call, Call] | undefined {
  const isLarge = part.kind === 'batch' && part.bytes > batchSize.limit(part.bytes);
  return isLarge ? halves(filter(), part) : undefined;
}

/** What the filter has emitted is unusable, so it must not go on: the version before does, or none. */
export function* giveUp(slot: Recovering, error: unknown): Generator<void> {
  const kept = slot.kept();
  if (kept) return yield* goBack(slot, kept, error, false);
  if (yield* replaceByPrevious(slot, error, slot.nowMs())) return;
  yield* flush(slot, slot.nowMs());
  slot.takeOut(error);
}

/** To find the event would take as much time again and again. */
function isSlow(fault: unknown): boolean {
  return fault instanceof FilterFault && fault.kind === 'time';
}

/** Makes a call; answers what went wrong. */
function* attempt(slot: Recovering, call: Call): Generator<void, unknown, void> {
  try {
    yield* slot.make(call);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Puts the filter back to what it was before the call that failed: the snapshot, and the calls since once more. */
function* rewind(slot: Recovering): Generator<void> {
  const filter = slot.filter();
  const since = slot.journal.since();
  const counted = filter.ledger();
  slot.restore();
  let isSame = true;
  for (const entry of since) {
    yield;
    // The records of it are out already.
    isSame = yield* makeAgain(filter, entry.call, entry.fuel, discard);
    if (!isSame) break;
  }
  if (!isSame || !isDeepStrictEqual(filter.ledger(), counted)) {
    // The source has other bytes now, or none: what the snapshot holds is all there is.
    slot.restore();
    slot.journal.forgetSince();
    slot.sum.keep(counted);
    for (const lost of since) tellLost(slot, lost);
  }
  slot.save();
}

/**
 * What becomes of a call that is at fault alone: another version makes it, or it is made without what was due and at fault, or it is left
 * out, or the filter goes.
 */
type Verdict =
  | 'again'
  | { readonly without: Call }
  | { readonly isLeftOut: boolean; readonly isOut: boolean };

/** One event is at fault, or one thing that is due. */
function* condemn(slot: Recovering, call: Call, error: unknown): Generator<void, Verdict> {
  const without = sparing(call, error);
  // Nothing is known to be at fault yet, or it is one more thing of the same call.
  const isCounted = leavesOut(call) || (without !== undefined && !leavesOut(without));
  if (without && isCounted) return { without };
  const isOver = slot.budget().countFault() || isSlow(error) || isTooMuch(call);
  const kept = slot.kept();
  if (kept) {
    yield* goBack(slot, kept, error);
    return 'again';
  }
  if (isOver && (yield* replaceByPrevious(slot, error, call.nowMs))) return 'again';
  if (without && !isOver) return { without };
  // A call that is slow is not cut, and may be of many events.
  const isOneEvent = !without && call.kind === 'batch' && halves(slot.filter(), call) === undefined;
  const isLeftOut = isOneEvent || !isOver;
  if (isLeftOut) tellDead(slot, call, error);
  if (isOver) yield* flush(slot, call.nowMs);
  return { isLeftOut, isOut: isOver };
}

function tellDead(slot: Recovering, call: Call, error: unknown): void {
  const line = call.kind === 'batch' ? slot.filter().input.subarray(0, call.bytes) : new Uint8Array();
  slot.tell({ kind: 'dead', error, call, line });
}

/**
 * The version before goes on from where it was replaced: it sees again what the other one has published since, and remembers it. The
 * other one tells its open windows before, because what it has counted in them, and not told, the one before may decide otherwise: so each
 * event is told by one of the two. Where it cannot tell all of them, and both have the same windows, those of the one before go on.
 */
function* goBack(slot: Recovering, kept: Kept, error: unknown, canTell = true): Generator<void> {
  const from = slot.filter();
  let to = kept.filter;
  const entries = [...slot.journal.entries];
  const isTold = (canTell && (yield* tellBefore(slot, kept))) || kept.isApart;
  if (kept.isApart && !canTell) tellUntold(slot);
  const budget = createFaultBudget(to.manifest.faults);
  to.save();
  for (const entry of entries) {
    budget.countBatch();
    const before = to.aggregated();
    yield* follow(to, entry.call, budget);
    if (!isTold) tellLost(slot, { ...entry, aggregated: entry.aggregated - (to.aggregated() - before) });
  }
  if (isTold && !(yield* forgetOpen(to, slot.nowMs()))) to = to.startAgain();
  slot.replace(to, kept.isProven);
  slot.save();
  slot.tell({ kind: 'returned', error, from, to });
}

/** The version that goes tells its open windows: all of them, or, where nobody else can, what it can tell. */
function* tellBefore(slot: Recovering, { isApart }: Kept): Generator<void, boolean, void> {
  if (isApart) return yield* flush(slot, slot.nowMs());
  return (yield* tellOpen(slot, slot.nowMs(), sparingNothing)) === undefined;
}

/** Empties the windows of a filter that has just been saved, without telling anybody; false when it cannot. */
function* forgetOpen(filter: FilterInstance, nowMs: number): Generator<void, boolean, void> {
  const flushed = yield* flushing(filter, nowMs, sparingAll, (call) => make(filter, call, discard));
  return 'call' in flushed;
}

/**
 * Makes a call of another version, in parts where this one takes less at a time or is at fault, without the events that it cannot bear;
 * after too many of them it is not searched for more.
 */
function* follow(to: FilterInstance, call: Call, budget: FaultBudget): Generator<void> {
  const parts = [...fitting(to, call)].reverse();
  let isOver = false;
  for (let part = parts.pop(); part; part = parts.pop()) {
    yield;
    // What the source has no more is not known to be less than all of it.
    if (!fill(to, part)) return;
    try {
      yield* make(to, part, discard);
      to.save();
      continue;
    } catch (error) {
      to.restore();
      isOver ||= isSlow(error);
      const without: Call | undefined = isOver ? undefined : sparing(part, error);
      if (without) {
        parts.push(without);
        continue;
      }
    }
    // Not what it has left in its input region.
    fill(to, part);
    const cut = isOver ? undefined : halves(to, part);
    if (cut) parts.push(cut[1], cut[0]);
    else isOver ||= budget.countFault();
  }
}

/** The last version before this one that was known to be good, started anew, takes over the state by name. */
function* replaceByPrevious(slot: Recovering, error: unknown, nowMs: number): Generator<void, boolean, void> {
  const from = slot.filter();
  const to = slot.startLastGood();
  if (!to) return false;
  if (planTakeOver(from, to).missing.length > 0) yield* flush(slot, nowMs);
  takeOver(from, to);
  slot.replace(to, true);
  slot.save();
  slot.tell({ kind: 'returned', error, from, to });
  return true;
}

/** No other call follows the one that was to close all windows: what is open is told as partial, or the filter goes. */
function* tellOpenOrGo(slot: Recovering, nowMs: number, error: unknown): Generator<void> {
  yield;
  if (!(yield* flush(slot, nowMs))) slot.takeOut(error);
}

/**
 * Lets the filter tell its open windows before it goes; answers whether it could. Where not, it is as it was saved last, and what it has
 * counted goes with it: no record will tell of that.
 */
function* flush(slot: Recovering, nowMs: number): Generator<void, boolean, void> {
  if ((yield* tellOpen(slot, nowMs, sparingAll)) === undefined) return true;
  tellUntold(slot);
  return false;
}

/** What the filter has counted goes with it: no record will tell of that. */
function tellUntold(slot: Recovering): void {
  const events = openEvents(slot.filter(), slot.sum.ledger().aggregated);
  if (events > 0) slot.tell({ kind: 'untold', events });
}

function tellLost({ tell }: Recovering, { call, aggregated }: Entry): void {
  if (call.kind === 'batch' && aggregated > 0)
    tell({ kind: 'lost', cursor: call.cursor, events: aggregated });
}

/** What is left of a batch cannot be read any more. */
function lose({ tell }: Recovering, call: Call, events: number): void {
  if (call.kind === 'batch' && events > 0) tell({ kind: 'lost', cursor: call.cursor, events });
}

/** The filter is being taken out, and has not looked at what is behind the last part that is `done`. */
function leaveUnread({ tell }: Recovering, failed: Call, done: Call | undefined, events: number): void {
  if (failed.kind !== 'batch') return;
  const isBegun = done?.kind === 'batch';
  const place = isBegun ? placeBehind(done) : failed.place;
  tell({ kind: 'unread', cursor: failed.cursor, place, isSkipping: isBegun && done.isTruncated, events });
}
