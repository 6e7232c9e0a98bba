/**
 * Probation: how long a version has run that is not known to be good, and what takes over where it is at fault: the version before,
 * as it was when it was replaced, or else the last one that was known to be good, started anew.
 */
import { PROBATION_BATCHES, PROBATION_MS } from '../limits.js';
import type { FilterInstance } from './instance.js';
import type { Call } from './journal.js';

/** The version before. */
export interface Kept {
  /** As it was when it was replaced. */
  readonly filter: FilterInstance;
  /** It is known to be good. */
  readonly isProven: boolean;
  /** Its open windows were told before: what the one that has replaced it counts it does not know. */
  readonly isApart: boolean;
  /** A snapshot of the version that has replaced it has been made. */
  isFollowed: boolean;
}

export interface Probation {
  /** True until the version that runs is known to be good. */
  isOn(): boolean;
  /** What can take over again; nothing where the version has come back itself: then the last good one starts anew. */
  kept(): Kept | undefined;
  /** A version begins that is not known to be good. */
  begin(sinceMs: number, kept?: Kept): void;
  /** A version begins that is known to be good. */
  end(): void;
  /** Counts a call; true when that was the last one, and the version is known to be good from here on. */
  isPassed(call: Call): boolean;
  /** The version that runs is about to be replaced: however many follow each other untried, the last good one is not forgotten. */
  keepGood(): void;
  /** Starts the version anew that was known to be good before the present one, once; nothing when there was none. */
  startLastGood(): FilterInstance | undefined;
  /** Nothing comes back any more. */
  forget(): void;
}

export function createProbation(): Probation {
  let running: { readonly sinceMs: number; batches: number; readonly kept: Kept | undefined } | undefined;
  let lastGood: (() => FilterInstance) | undefined;

  function keepGood(): void {
    if (running?.kept?.isProven) lastGood = running.kept.filter.startAgain;
  }

  return {
    isOn: () => running !== undefined,
    kept: () => running?.kept,
    begin(sinceMs, kept) {
      running = { sinceMs, batches: 0, kept };
    },
    end() {
      running = undefined;
    },
    isPassed({ kind, nowMs }) {
      if (!running) return false;
      if (kind === 'batch') running.batches++;
      if (running.batches < PROBATION_BATCHES && nowMs - running.sinceMs < PROBATION_MS) return false;
      keepGood();
      running = undefined;
      return true;
    },
    keepGood,
    startLastGood() {
      const start = lastGood;
      lastGood = undefined;
      return start?.();
    },
    forget() {
      running = undefined;
      lastGood = undefined;
    },
  };
}
