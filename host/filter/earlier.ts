/**
 * How a slot goes on from an earlier run: from what its filter remembered then, with the calls that were made since.
 */
import type { Ledger } from './abi.js';
import { finish } from './calls.js';
import type { FilterInstance } from './instance.js';
import { type Call, makeAgain } from './journal.js';
import type { RecordSink } from './output.js';
import type { Recovering } from './slot.js';

export interface Earlier {
  /**
   * Goes on from what the filter remembered in an earlier run, `total` being the counters of all versions; false when it does not
   * fit. Before the first call, or to begin the same anew.
   */
  goOnFrom(saved: ReturnType<FilterInstance['remembered']>, total: Ledger): boolean;
  /** Makes a call as it was made in an earlier run; false when its events are gone or it goes another way. */
  makeAgain(call: Call, fuel: number | undefined): boolean;
  /** All was made again: what follows a fault goes back no further. */
  save(): void;
  /** What was counted in an earlier run stays counted. */
  keepTotal(total: Ledger): void;
  /** Tells what is open as partial, and the filter goes on without it; one that cannot stays as it is. */
  tellOpen(): void;
}

export function createEarlier({ filter, sum, sink, save }: Recovering, clock: { nowMs: number }): Earlier {
  return {
    goOnFrom(saved, total) {
      if (!filter().remember(saved)) return false;
      sum.goOnFrom(total);
      save();
      return true;
    },
    makeAgain(call, fuel) {
      clock.nowMs = call.nowMs;
      return finish(makeAgain(filter(), call, fuel, sink));
    },
    save,
    keepTotal: sum.goOnFrom,
    tellOpen() {
      try {
        flushOrRestore(filter(), clock.nowMs, sink);
      } catch {
        // Its next call shows the same fault, to those who see to it.
      }
      save();
    },
  };
}

/** Lets a filter that has just been saved tell what is open. Throws its fault, and it is as before. */
export function flushOrRestore(filter: FilterInstance, nowMs: number, sink: RecordSink): void {
  try {
    finish(filter.flush(nowMs, sink));
  } catch (error) {
    filter.restore();
    throw error;
  }
}
