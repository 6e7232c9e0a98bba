/**
 * The engine: the one loop that takes events from sources through filters to messages.
 *
 * A lane is one filter reading one source (`running.ts`); the engine goes
 * round the lanes, one batch each, so that no source and no filter waits for another. It knows neither the broker
 * nor the clock: who drives it says when to read, when windows are to close, and where messages go. The same
 * input, cut into whatever batches, gives the same records. Beside them it tells each filter's ledger.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { WeirError } from './errors.js';
import type { FilterInstance } from './filter/instance.js';
import type { Slot, SwapHow } from './filter/slot.js';
import { planTakeOver } from './filter/state.js';
import {
  commit,
  countEvents,
  createRunning,
  type EngineFilter,
  feed,
  type FilterEvent,
  isHeld,
  type Running,
  type RunningOptions,
  tellLedger,
} from './running.js';
import { windowStart } from './ledger.js';
import { LEDGER_WINDOW_MS, QUIET_MS } from './limits.js';
import { directOutbox } from './outbox.js';
import type { SpooledMessage } from './spool/payload.js';

export type { EngineFilter, FilterEvent };

export interface EngineOptions extends Omit<RunningOptions, 'appliance'> {
  readonly appliance: string;
  readonly batchBytes: number;
  /** Those without an outbox of their own hand over to `send`. */
  readonly filters: readonly (Omit<EngineFilter, 'outbox'> & Partial<Pick<EngineFilter, 'outbox'>>)[];
  readonly send?: (message: SpooledMessage) => void;
  /** A clock that nobody sets, for how long sources are quiet; absent: the one of `nowMs`. */
  readonly steadyMs?: () => number;
}

export interface EngineTotals {
  readonly events: number;
  readonly bytes: number;
  readonly records: number;
  readonly recordBytes: number;
  readonly compressedBytes: number;
}

export interface Engine {
  /** Gives each lane one batch; true when any of them had something. One that is in the middle of something takes one step. */
  turn(nowMs: number): boolean;
  /** Closes the windows that are over at `nowMs`, of filters whose sources are quiet; to be called about once a second. */
  tick(nowMs: number): void;
  /**
   * Closes all windows: there will be no more events. Goes on until `deadlineMs` of `performance.now`; a filter that is not through by
   * then goes on with the next turns, and one that has not yet begun to close them does not.
   */
  closeWindows(nowMs: number, deadlineMs?: number): void;
  /** Tells what was counted in the window that is over, if one is; `turn` sees to that before it reads. */
  tellLedgers(nowMs: number): void;
  /** Tells the last ledger of every filter. Places that are given up count what they had not read as lost. */
  closeLedgers(nowMs: number, places?: 'give places up' | 'keep places'): void;
  /** Cuts a message of every stream that has records, but of filters that are in the middle of a call. */
  cut(): void;
  /** True when each of these sources has been read to its end by every filter that reads it. */
  ended(sources: readonly string[]): boolean;
  /** Goes through every call and every recovery to its end, or until `deadlineMs` of `performance.now`. */
  finish(deadlineMs: number): void;
  /** True while a filter is in the middle of a call or of a recovery. */
  isBusy(instance: string): boolean;
  /** The slot of a filter of the config. */
  slot(instance: string): Slot | undefined;
  /** A filter of the config with all that belongs to it. */
  running(instance: string): Running | undefined;
  /** What the present version of a filter remembers that another one would not take over, by name. */
  missing(instance: string, next: FilterInstance): readonly string[];
  /**
   * Has a filter tell its open windows as partial, in turns as any call; until `release` it reads nothing. Answers its fault, where it
   * cannot: then nothing has changed. Only while it is not busy.
   */
  tellOpen(instance: string, nowMs: number): Promise<unknown>;
  release(instance: string): void;
  /**
   * Another version of a filter goes on, from the next batch on; `flushes` when the present one's state cannot mean the same to it.
   * Answers the names of the collections that it has not taken over. Throws when the present one cannot tell its open
   * windows. Only while the filter is not busy.
   */
  swap(instance: string, next: FilterInstance, nowMs: number, how: SwapHow): readonly string[];
  /** A filter that is out begins anew with this version, from the places that it gave up. */
  bringBack(instance: string, next: FilterInstance, nowMs: number): void;
  totals(): EngineTotals;
}

export function createEngine(options: EngineOptions): Engine {
  const { send = () => {}, batchBytes, steadyMs } = options;
  const running = options.filters.map((filter) =>
    createRunning(options, { outbox: directOutbox(send), ...filter }),
  );
  const byName = new Map(running.map((filter) => [filter.instance, filter]));
  /** Those that are about to be swapped. */
  const reserved = new Set<Running>();
  /** It is about to be swapped, or what it has become is not on the disk yet. */
  const waits = (filter: Running) => reserved.has(filter) || filter.isUnmarked;
  /** Start of the ledgers' window; none before the first event could come. */
  let ledgersFromMs: number | undefined;

  function turnOf(filter: Running, nowMs: number): boolean {
    if (filter.slot.isBusy()) {
      filter.slot.step();
      countEvents(filter);
      return true;
    }
    let isBusy = false;
    if (waits(filter)) return false;
    for (const cursor of filter.lanes) {
      if (filter.slot.isOut() || filter.slot.isBusy()) break;
      if (feed(filter, cursor, batchBytes, nowMs, steadyMs?.() ?? nowMs)) isBusy = true;
    }
    return isBusy;
  }

  function tellLedgers(nowMs: number): void {
    const startMs = windowStart(nowMs);
    if (startMs === ledgersFromMs) return;
    if (ledgersFromMs !== undefined) {
      // A clock that was set back has no end that lies behind the start.
      const lengthMs = Math.max(startMs - ledgersFromMs, LEDGER_WINDOW_MS);
      const span = { startMs: ledgersFromMs, lengthMs };
      // One that has to wait tells of the whole time later.
      for (const filter of running) if (!isHeld(filter)) tellLedger(filter, span, 'changes');
    }
    ledgersFromMs = startMs;
  }

  return {
    tellLedgers,
    closeLedgers(nowMs, places = 'give places up') {
      tellLedgers(nowMs);
      const span = { startMs: windowStart(nowMs), lengthMs: LEDGER_WINDOW_MS };
      for (const filter of running) {
        if (places === 'give places up') for (const cursor of filter.lanes) cursor.close();
        tellLedger(filter, span, 'everything');
      }
    },
    turn(nowMs) {
      tellLedgers(nowMs);
      let isBusy = false;
      for (const filter of running) {
        if (isHeld(filter)) continue;
        if (turnOf(filter, nowMs)) isBusy = true;
        commit(filter);
      }
      return isBusy;
    },
    tick(nowMs) {
      for (const filter of running) {
        const { slot, quietSinceMs } = filter;
        const isQuiet = (steadyMs?.() ?? nowMs) - quietSinceMs >= QUIET_MS && !isHeld(filter);
        if (isQuiet && !slot.isOut() && !slot.isBusy() && !waits(filter)) slot.call({ kind: 'tick', nowMs });
        slot.rest(nowMs);
      }
    },
    closeWindows(nowMs, deadlineMs = Number.POSITIVE_INFINITY) {
      for (const filter of running) {
        finish(filter, deadlineMs);
        if (filter.slot.isOut() || filter.slot.isBusy()) continue;
        // What it remembers is to be there when that fails: its sources may be closed by now.
        filter.slot.rest(nowMs);
        filter.slot.call({ kind: 'close', nowMs });
        finish(filter, deadlineMs);
      }
    },
    cut() {
      for (const filter of running) {
        if (filter.slot.isMidCall()) continue;
        filter.pack.cut();
        commit(filter);
      }
    },
    ended: (sources) =>
      running.every(
        ({ cursors, slot }) =>
          slot.isOut() || (!slot.isBusy() && sources.every((name) => cursors.get(name)?.ended() ?? true)),
      ),
    finish(deadlineMs) {
      for (const filter of running) finish(filter, deadlineMs);
    },
    isBusy: (instance) => byName.get(instance)?.slot.isBusy() === true,
    slot: (instance) => byName.get(instance)?.slot,
    running: (instance) => byName.get(instance),
    missing: (instance, next) => planTakeOver((byName.get(instance) as Running).slot.filter(), next).missing,
    async tellOpen(instance, nowMs) {
      const filter = byName.get(instance) as Running;
      reserved.add(filter);
      let fault: unknown;
      filter.slot.tellOpen(nowMs, (found) => {
        fault = found;
      });
      // At the start there are no turns yet that would do it.
      while (filter.slot.step()) await breathe();
      return fault;
    },
    release: (instance) => void reserved.delete(byName.get(instance) as Running),
    swap(instance, next, nowMs, how) {
      const { slot, pack, become } = byName.get(instance) as Running;
      // What the present version has emitted shows now whether it is usable.
      if (!slot.isBusy()) pack.cut();
      if (slot.isBusy())
        throw new WeirError('SWAP_REFUSED', `filter ${instance}: it is in the middle of something`);
      const missing = slot.swap(next, nowMs, how);
      become(next);
      return missing;
    },
    bringBack(instance, next, nowMs) {
      const { slot, become, tally, lanes } = byName.get(instance) as Running;
      slot.comeBack(next, nowMs);
      become(next);
      tally.bringBack();
      for (const cursor of lanes) cursor.reopen();
    },
    totals: () => totalsOf(running),
  };
}

/** Goes through what it is in the middle of to its end, or as far as time allows. */
function finish(filter: Running, deadlineMs: number): void {
  while (filter.slot.step() && performance.now() < deadlineMs);
  countEvents(filter);
}

function totalsOf(running: readonly Running[]): EngineTotals {
  const sum = (of: (filter: Running) => number) => running.reduce((total, filter) => total + of(filter), 0);
  return {
    events: sum(({ eventsBefore }) => eventsBefore),
    bytes: sum(({ bytes }) => bytes),
    records: sum(({ pack }) => pack.totals.records),
    recordBytes: sum(({ pack }) => pack.totals.bytes),
    compressedBytes: sum(({ pack }) => pack.totals.compressedBytes),
  };
}
