/**
 * A slot: the place of one filter of the config, in which it is called, and in which its versions follow each other.
 *
 * A call either goes well, then its records are handed over and it is noted in the journal, or it has not happened. After
 * a fault `recovery.ts` takes over, one step at a time, and the slot takes no other call until it is done.
 *
 * While a version is on probation the one before it stays as it was when it was replaced, and the journal goes back to
 * that moment: so it can take over again, with all events since. One that comes back so before it was known to be good is on
 * probation anew: nothing is kept behind it then, so at its first fault the last good one takes over what it knows.
 */
import type { Cursor, ReadPlace } from '../source/source.js';
import type { Ledger } from './abi.js';
import { type BatchSize, createBatchSize } from './batchsize.js';
import type { Parts } from './calls.js';
import { createEarlier, type Earlier, flushOrRestore } from './earlier.js';
import { createFaultBudget, type FaultBudget, type Faults } from './fault.js';
import type { FilterInstance } from './instance.js';
import { type Call, createJournal, type Journal, make } from './journal.js';
import type { RecordSink } from './output.js';
import { createProbation, type Kept } from './probation.js';
import { giveUp, recover } from './recovery.js';
import { sparing, tellOpen } from './sparing.js';
import { planTakeOver, takeOver } from './state.js';
import { createSum, type Sum } from './sum.js';
import { createWork } from './work.js';

/** What becomes of a filter; the engine tells it. */
export type SlotEvent =
  /** One event, or a tick, was at fault and is left out; `line` is what it was, with its LF. */
  | { readonly kind: 'dead'; readonly error: unknown; readonly call: Call; readonly line: Uint8Array }
  /** One thing that was due was at fault: it is left out, and so many events had gone into it. */
  | { readonly kind: 'spared'; readonly error: unknown; readonly nowMs: number; readonly events: number }
  /** The version before takes over again. */
  | {
      readonly kind: 'returned';
      readonly error: unknown;
      readonly from: FilterInstance;
      readonly to: FilterInstance;
    }
  /** The version has passed its probation. */
  | { readonly kind: 'approved'; readonly filter: FilterInstance }
  /** What these events had changed in the filter's state is lost, or they were never looked at. */
  | { readonly kind: 'lost'; readonly cursor: Cursor; readonly events: number }
  /** So many events, of whatever source, had been counted in windows that the filter cannot tell. */
  | { readonly kind: 'untold'; readonly events: number }
  /** It is being taken out, and these events of a batch, from `place` on, were not looked at. */
  | {
      readonly kind: 'unread';
      readonly cursor: Cursor;
      readonly place: ReadPlace;
      /** The place is within a line of which the beginning was read. */
      readonly isSkipping: boolean;
      readonly events: number;
    }
  /** It is out: it is called no more. Without `faults` for something else than those that are counted. */
  | { readonly kind: 'out'; readonly error: unknown; readonly faults?: Faults };

export interface SlotOptions {
  readonly first: FilterInstance;
  readonly sink: RecordSink;
  readonly tell: (event: SlotEvent) => void;
  /** A call went well, and took so much fuel. */
  readonly made?: (call: Call, fuel: number) => void;
  /** What was read is kept until the owner says so, not only until the next snapshot. */
  readonly keepsReads?: boolean;
}

export interface SwapHow {
  /** Open windows are told as partial before. */
  readonly flushes: boolean;
  /** The present version is kept, and the next one is on probation; else the next one counts as good. */
  readonly keeps?: boolean;
}

export interface Slot {
  /** The version that runs now. */
  filter(): FilterInstance;
  /** The time of the call whose records are handed over. */
  nowMs(): number;
  isOut(): boolean;
  /** A call has begun and is not over, or a recovery: until `step` says that it is done, it takes no call and nothing else. */
  isBusy(): boolean;
  /** In the middle of a call: what it has handed over may be only a part of what it has emitted. */
  isMidCall(): boolean;
  isRecovering(): boolean;
  /** True until a version is known to be good: for all but the first one, also for one that came back before it had passed. */
  isOnProbation(): boolean;
  /** Calls the filter, which makes the first step of it. Only while it is not busy, and not out. */
  call(call: Call): void;
  /** One step of a call or of a recovery, which holds nobody up; true while there is more to do. */
  step(): boolean;
  /** How much a batch should aim for, up to `bytes`. */
  batchBytes(bytes: number): number;
  /** Counters of all versions together, after the last call that went well: a recovery that goes back does not change them. */
  ledger(): Ledger;
  /** The first of them. */
  eventsIn(): number;
  /** Once a second: makes a snapshot where there is something new. */
  rest(nowMs: number): void;
  /** Tells what is open as partial, in steps, and then says what fault there was; it is as before then. Only while it is not busy. */
  tellOpen(atMs: number, ended: (fault: unknown) => void): void;
  /**
   * Lets another version go on from here; with `flushes` the state cannot mean the same to it. Answers the names of what it has not
   * taken over. Throws the fault of the present one in its last call; nothing has changed then. Not during a recovery.
   */
  swap(next: FilterInstance, atMs: number, how: SwapHow): readonly string[];
  /** It is out: another version, or the same one started anew, begins with nothing to remember, and counts as good. */
  comeBack(next: FilterInstance, atMs: number): void;
  /** What the filter has emitted is unusable: the version before takes over, or it is taken out; `step` does it. */
  spoil(error: unknown): void;
  readonly earlier: Earlier;
}

/** What a recovery may do with its slot. */
export interface Recovering {
  filter(): FilterInstance;
  readonly journal: Journal;
  save(): void;
  /** Puts the filter back to its snapshot. */
  restore(): void;
  readonly sum: Sum;
  /** Makes a call, and notes it. */
  make(call: Call): Parts;
  budget(): FaultBudget;
  /** On probation: what takes over at the first fault. */
  kept(): Kept | undefined;
  /** Puts a version in place of the present one; says whether it is known to be good. */
  replace(filter: FilterInstance, isProven: boolean): void;
  /** Starts the version anew that was known to be good before the present one, once; nothing when there was none. */
  startLastGood(): FilterInstance | undefined;
  tell(event: SlotEvent): void;
  readonly batchSize: BatchSize;
  readonly sink: RecordSink;
  nowMs(): number;
  isOut(): boolean;
  takeOut(error: unknown, faults?: Faults): void;
}

export function createSlot(options: SlotOptions): Slot {
  const { sink, tell } = options;
  let filter = options.first;
  let budget = createFaultBudget(filter.manifest.faults);
  const probation = createProbation();
  let [isMidCall, isOut] = [false, false];
  const clock = { nowMs: 0 };
  const view = { filter: () => filter, nowMs: () => clock.nowMs, isOut: () => isOut };
  /** Since the last snapshot, or, on probation, since the swap. */
  const journal = createJournal();
  const cursors = new Set<Cursor>();
  const batchSize = createBatchSize();
  const sum = createSum(filter);
  const work = createWork({
    begun: sum.freeze,
    ended: sum.thaw,
    recovered: save,
    giveUp: (error) => (isOut ? undefined : giveUp(recovering, error)),
    failed: takeOut,
  });

  function save(): void {
    filter.save();
    const kept = probation.kept();
    if (kept) kept.isFollowed = true;
    journal.mark(kept !== undefined);
    // What a recovery has in hand it may have to read again.
    if (!work.isRecovering() && !options.keepsReads) for (const cursor of cursors) cursor.settle();
  }

  /** Before its first snapshot a version on probation began with what the one before had, which is still there. */
  function restore(): void {
    filter.restore();
    const kept = probation.kept();
    if (kept && !kept.isFollowed) takeOver(kept.filter, filter);
  }

  function* note(call: Call): Parts {
    clock.nowMs = call.nowMs;
    const [fuel, aggregated] = [filter.fuelUsed(), filter.aggregated()];
    isMidCall = true;
    try {
      yield* make(filter, call, sink);
    } finally {
      isMidCall = false;
    }
    const entry = { call, fuel: filter.fuelUsed() - fuel, aggregated: filter.aggregated() - aggregated };
    sum.count();
    journal.add(entry);
    batchSize.follow(entry, filter.manifest);
    if (call.kind === 'batch') cursors.add(call.cursor);
    options.made?.(call, entry.fuel);
  }

  function* perform(call: Call): Parts {
    try {
      yield* note(call);
    } catch (error) {
      const recovery = recover(recovering, call, error);
      work.recover();
      yield;
      return yield* recovery;
    }
    lookAtProbation(call);
    if ((!options.keepsReads && isPressed(call)) || journal.isDue(filter.snapshotBytes)) save();
  }

  function lookAtProbation(call: Call): void {
    if (!probation.isPassed(call)) return;
    budget = createFaultBudget(filter.manifest.faults);
    save();
    tell({ kind: 'approved', filter });
  }

  function replace(next: FilterInstance, isProven: boolean, kept?: Kept): void {
    sum.goOnWith(next);
    filter = next;
    budget = createFaultBudget(isProven ? next.manifest.faults : 0);
    if (isProven) probation.end();
    else probation.begin(clock.nowMs, kept);
    batchSize.reset();
    journal.clear();
  }

  function takeOut(error: unknown, faults?: Faults): void {
    if (isOut) return;
    isOut = true;
    probation.forget();
    journal.clear();
    tell({ kind: 'out', error, ...(faults ? { faults } : {}) });
  }

  const recovering: Recovering = {
    ...view,
    journal,
    save,
    restore,
    sum,
    make: note,
    budget: () => budget,
    kept: probation.kept,
    replace,
    startLastGood: probation.startLastGood,
    tell,
    batchSize,
    sink,
    takeOut,
  };

  return {
    ...view,
    isBusy: work.isBusy,
    isMidCall: () => isMidCall,
    isRecovering: work.isRecovering,
    isOnProbation: probation.isOn,
    ledger: sum.ledger,
    eventsIn: sum.eventsIn,
    call(call) {
      if (call.kind === 'batch') budget.countBatch();
      work.begin(perform(call));
    },
    step: work.step,
    batchBytes: batchSize.limit,
    rest(atMs) {
      if (isOut || work.isBusy()) return;
      lookAtProbation({ kind: 'tick', nowMs: atMs });
      if (journal.since().length > 0) save();
    },
    tellOpen(atMs, ended) {
      work.begin(ending(tellOpen(recovering, atMs, sparing), ended));
    },
    swap(next, atMs, { flushes, keeps = true }) {
      clock.nowMs = atMs;
      const previous = filter;
      const { missing } = planTakeOver(previous, next);
      const isApart = flushes || missing.length > 0;
      if (isApart) {
        save();
        flushOrRestore(previous, atMs, sink);
      }
      takeOver(previous, next);
      probation.keepGood();
      const kept = { filter: previous, isProven: !probation.isOn(), isApart, isFollowed: false };
      replace(next, !keeps, keeps ? kept : undefined);
      if (!keeps) save();
      return missing;
    },
    comeBack(next, atMs) {
      clock.nowMs = atMs;
      isOut = false;
      replace(next, true);
      save();
    },
    spoil: work.spoil,
    earlier: createEarlier(recovering, clock),
  };
}

function* ending<T>(steps: Generator<void, T, void>, ended: (result: T) => void): Parts {
  ended(yield* steps);
}

function isPressed(call: Call): boolean {
  return call.kind === 'batch' && call.cursor.isPressed();
}
