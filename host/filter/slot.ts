/**
 * A slot: the place of one filter of the config, in which it is called, and in which its versions follow each other.
 *
 * A call either goes well, then its records are handed over and it is noted in the journal, or it has not happened. After
 * a fault `recovery.ts` takes over, one step at a time, and the slot takes no other call until it is done.
 *
 * While a version is on probation the one before it stays as it was when it was replaced, and the journal goes back to
 * that moment: so it can take over again, with all events since.
 */
import { BATCH_BYTES_MIN, BATCH_GROWTH_PARTS, PROBATION_BATCHES, PROBATION_MS } from '../limits.js';
import type { Cursor } from '../source/source.js';
import type { Ledger } from './abi.js';
import { createFaultBudget, type FaultBudget } from './fault.js';
import type { FilterInstance } from './instance.js';
import { type Call, createJournal, type Held, hold, type Journal, make } from './journal.js';
import type { RecordSink } from './output.js';
import { recover } from './recovery.js';
import { planTakeOver, takeOver } from './state.js';
import { createSum } from './sum.js';

/** What becomes of a filter; the engine tells it. */
export type SlotEvent =
  /** One event, or a tick, was at fault and is left out; `line` is what it was, with its LF. */
  | { readonly kind: 'dead'; readonly error: unknown; readonly call: Call; readonly line: Uint8Array }
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
  /** It is out for good. */
  | { readonly kind: 'out'; readonly error: unknown };

export interface SlotOptions {
  readonly first: FilterInstance;
  readonly sink: RecordSink;
  readonly tell: (event: SlotEvent) => void;
}

/** A version that can take over again. */
interface Probation {
  /** As it was when it was replaced. */
  readonly previous: FilterInstance;
  readonly sinceMs: number;
  batches: number;
  /** A snapshot of the version on probation has been made. */
  isSaved: boolean;
}

export interface Slot {
  /** The version that runs now. */
  filter(): FilterInstance;
  /** The time of the call whose records are handed over. */
  nowMs(): number;
  isOut(): boolean;
  isRecovering(): boolean;
  isOnProbation(): boolean;
  /** Calls the filter, unless it is out. When that begins a recovery, `step` has to be called until it is over. */
  call(call: Call): void;
  /** One step of a recovery, about one call of the filter; true while there is more to do. */
  step(): boolean;
  /** How much a batch should aim for, up to `bytes`. */
  batchBytes(bytes: number): number;
  /** Counters of all versions together. They stand still during a recovery. */
  ledger(): Ledger;
  /** The first of them. */
  eventsIn(): number;
  /** Once a second: makes a snapshot where there is something new. */
  rest(nowMs: number): void;
  /**
   * Lets another version go on from here; with `flushes` the state cannot mean the same to it. Answers the names of what it has not
   * taken over. Throws the fault of the present one in its last call; nothing has changed then. Not during a recovery.
   */
  swap(next: FilterInstance, atMs: number, flushes: boolean): readonly string[];
  /** Takes the filter out for good. */
  takeOut(error: unknown): void;
}

/** What a recovery may do with its slot. */
export interface Recovering {
  filter(): FilterInstance;
  readonly journal: Journal;
  save(): void;
  /** Puts the filter back to its snapshot. */
  restore(): void;
  /** Forgets the entries behind the snapshot: the filter is as it was there, but has counted `counted`. */
  forgetSince(counted: Ledger): void;
  /** Makes a call, and notes it. */
  make(call: Call): void;
  budget(): FaultBudget;
  probation(): Probation | undefined;
  /** Puts a version in place of the present one. */
  replace(filter: FilterInstance): void;
  /** Starts the version anew that was approved before the present one, once; nothing when there was none. */
  startLastGood(): FilterInstance | undefined;
  tell(event: SlotEvent): void;
  setBatchBytes(bytes: number): void;
  readonly sink: RecordSink;
  isOut(): boolean;
  takeOut(error: unknown): void;
}

export function createSlot(options: SlotOptions): Slot {
  const { sink, tell } = options;
  let filter = options.first;
  let budget = createFaultBudget(filter.manifest.faults);
  let probation: Probation | undefined;
  /** Starts the version anew that was approved before this one. */
  let lastGood: (() => FilterInstance) | undefined;
  let recovery: Generator<void> | undefined;
  let inHand: Held | undefined;
  let isOut = false;
  let nowMs = 0;
  /** Since the last snapshot, or, on probation, since the swap. */
  const journal = createJournal();
  const cursors = new Set<Cursor>();
  let batchBytesMax = Number.POSITIVE_INFINITY;
  const sum = createSum(filter);

  function save(): void {
    filter.save();
    if (probation) probation.isSaved = true;
    journal.mark(probation !== undefined);
    // What a recovery has in hand it may have to read again.
    if (!recovery) for (const cursor of cursors) cursor.settle();
  }

  /** Before its first snapshot a version on probation began with what the one before had, which is still there. */
  function restore(): void {
    filter.restore();
    if (probation && !probation.isSaved) takeOver(probation.previous, filter);
  }

  function note(call: Call): void {
    nowMs = call.nowMs;
    const [fuel, aggregated] = [filter.fuelUsed(), filter.aggregated()];
    make(filter, call, sink);
    journal.add({
      call,
      fuel: filter.fuelUsed() - fuel,
      aggregated: filter.aggregated() - aggregated,
    });
    if (call.kind === 'batch') cursors.add(call.cursor);
  }

  function saveWhenDue(call: Call): void {
    const isPressed = call.kind === 'batch' && call.cursor.isPressed();
    if (isPressed || journal.isDue(filter.snapshotBytes)) save();
  }

  function lookAtProbation(call: Call): void {
    if (!probation) return;
    if (call.kind === 'batch') probation.batches++;
    const { batches, sinceMs } = probation;
    if (batches < PROBATION_BATCHES && call.nowMs - sinceMs < PROBATION_MS) return;
    lastGood = probation.previous.startAgain;
    probation = undefined;
    save();
    tell({ kind: 'approved', filter });
  }

  function replace(next: FilterInstance): void {
    sum.goOnWith(next);
    filter = next;
    budget = createFaultBudget(next.manifest.faults);
    probation = undefined;
    batchBytesMax = Number.POSITIVE_INFINITY;
    journal.clear();
  }

  function takeOut(error: unknown): void {
    if (isOut) return;
    isOut = true;
    probation = undefined;
    journal.clear();
    tell({ kind: 'out', error });
  }

  function endRecovery(): void {
    recovery = undefined;
    inHand?.release();
    inHand = undefined;
    sum.thaw();
  }

  const recovering: Recovering = {
    filter: () => filter,
    journal,
    save,
    restore,
    forgetSince(counted) {
      journal.forgetSince();
      sum.keep(counted);
    },
    make: note,
    budget: () => budget,
    probation: () => probation,
    replace,
    startLastGood() {
      const start = lastGood;
      lastGood = undefined;
      return start?.();
    },
    tell,
    setBatchBytes(bytes) {
      batchBytesMax = Math.max(bytes, BATCH_BYTES_MIN);
    },
    sink,
    isOut: () => isOut,
    takeOut,
  };

  return {
    filter: () => filter,
    nowMs: () => nowMs,
    isOut: () => isOut,
    isRecovering: () => recovery !== undefined,
    isOnProbation: () => probation !== undefined,
    ledger: sum.ledger,
    eventsIn: sum.eventsIn,
    call(call) {
      if (call.kind === 'batch') budget.countBatch();
      try {
        note(call);
      } catch (error) {
        sum.freeze();
        inHand = hold(call);
        recovery = recover(recovering, inHand.call, error);
        return;
      }
      if (call.kind === 'batch' && batchBytesMax !== Number.POSITIVE_INFINITY)
        batchBytesMax += Math.ceil(call.bytes / BATCH_GROWTH_PARTS);
      lookAtProbation(call);
      saveWhenDue(call);
    },
    step() {
      try {
        if (!recovery?.next().done) return recovery !== undefined;
        endRecovery();
        save();
      } catch (error) {
        // It does not start a second time, or there is no memory for it: there is nothing to go back to.
        endRecovery();
        takeOut(error);
      }
      return false;
    },
    batchBytes: (bytes) => Math.min(bytes, batchBytesMax),
    rest(atMs) {
      if (isOut || recovery) return;
      lookAtProbation({ kind: 'tick', nowMs: atMs });
      if (journal.since().length > 0) save();
    },
    swap(next, atMs, flushes) {
      nowMs = atMs;
      const previous = filter;
      const { missing } = planTakeOver(previous, next);
      if (flushes || missing.length > 0) {
        save();
        try {
          previous.flush(atMs, sink);
        } catch (error) {
          previous.restore();
          throw error;
        }
      }
      takeOver(previous, next);
      // One that is replaced on probation may come back, and is not known to be good.
      if (probation) lastGood = probation.previous.startAgain;
      replace(next);
      probation = { previous, sinceMs: atMs, batches: 0, isSaved: false };
      return missing;
    },
    takeOut,
  };
}
