/**
 * A fault: what a filter did that it must not. And the budget of faults: how many are forgiven.
 */
import { WeirError } from '../errors.js';
import { FAULT_BATCHES } from '../limits.js';

/**
 * `fuel`: it used up its fuel; `stack`: it called too deep; `trap`: another trap of the WebAssembly engine; `abort`: it
 * said so itself; `rules`: what it answered, emitted or counted is not allowed; `time`: it took too much processor time, which
 * is never forgiven, because to find the event would take it again and again.
 */
export type FaultKind = 'fuel' | 'stack' | 'trap' | 'abort' | 'rules' | 'time';

/** One thing that is due, a row of a window or an audit event: its number in the call, and in the turn that tells it, from 1. */
export interface DuePlace {
  readonly number: number;
  readonly inTurn: number;
}

export class FilterFault extends WeirError {
  readonly kind: FaultKind;
  /** What was told when it happened, where that was something that was due; who makes the call says so. */
  at: DuePlace | undefined;

  constructor(filter: string, kind: FaultKind, what: string, cause?: unknown) {
    super('FILTER_FAULT', `filter ${filter}: ${what}`, cause === undefined ? {} : { cause });
    this.kind = kind;
  }
}

export interface FaultBudget {
  /** Another batch begins. */
  countBatch(): void;
  /** Counts a fault; true when that is one more than is forgiven. */
  countFault(): boolean;
  /** How it stands now. */
  faults(): Faults;
}

/** Faults in the last `FAULT_BATCHES` batches, and how many of so many batches are forgiven. */
export interface Faults {
  readonly found: number;
  readonly forgiven: number;
}

/** Forgives `allowed` faults in any `FAULT_BATCHES` batches that follow each other. */
export function createFaultBudget(allowed: number): FaultBudget {
  /** Numbers of the batches with the latest faults, as a ring: what it overwrites is the oldest that matters. */
  const batches = new Float64Array(allowed + 1).fill(Number.NEGATIVE_INFINITY);
  let batch = 0;
  let next = 0;
  const isRecent = (at: number) => batch - at < FAULT_BATCHES;
  return {
    countBatch() {
      batch++;
    },
    countFault() {
      batches[next] = batch;
      next = (next + 1) % batches.length;
      return isRecent(batches[next] as number);
    },
    faults: () => ({ found: batches.filter(isRecent).length, forgiven: allowed }),
  };
}
