/**
 * The engine: the one loop that takes events from sources through filters to messages.
 *
 * Its imports stand in the order of an event's way. A lane is one filter reading one source; the engine goes
 * round the lanes, one batch each, so that no source and no filter waits for another. It knows neither the broker
 * nor the clock: who drives it says when to read, when windows are to close, and where messages go. The same
 * input, cut into whatever batches, gives the same records. Beside them it tells each filter's ledger.
 */
import type { Cursor } from './source/source.js';
import { nextBatch } from './batch.js';
import { WeirError } from './errors.js';
import type { FilterInstance } from './filter/instance.js';
import { createSlot, type Slot, type SlotEvent } from './filter/slot.js';
import { createShed } from './shed.js';
import { createPack, type Pack, type PackedFilter } from './pack.js';
import { createDeadLetters, type DeadLetter } from './deadletters.js';
import { createTally, type Span, type Tally, windowStart } from './ledger.js';
import { LEDGER_WINDOW_MS, QUIET_MS } from './limits.js';
import { encodeRecord, LEDGER_STREAM, type Message } from './wire.js';

/** A filter of the config, started. */
export interface EngineFilter {
  /** Its name in the config. */
  readonly instance: string;
  readonly filter: FilterInstance;
  readonly format: 'cbor' | 'ndjson';
  /** Its places in its sources, by source name. */
  readonly cursors: ReadonlyMap<string, Cursor>;
}

/** What happens to a filter besides its work; people are told. */
export type FilterEvent =
  /** It was at fault at one event, or in a tick: that is left out. */
  | { readonly kind: 'fault'; readonly error: unknown; readonly letter: DeadLetter }
  | Exclude<SlotEvent, { kind: 'dead' | 'lost' }>;

export interface EngineOptions {
  readonly appliance: string;
  /** Names this run of the host in message ids. */
  readonly epoch: string;
  readonly batchBytes: number;
  readonly filters: readonly EngineFilter[];
  /** Records of each stream that go through in a second; absent: all. */
  readonly recordsMax?: number;
  readonly send: (message: Message) => void;
  /** Sees each record before it is packed. */
  readonly onRecord?: (instance: string, stream: string, record: Uint8Array) => void;
  readonly onFilterEvent: (instance: string, event: FilterEvent) => void;
}

export interface EngineTotals {
  readonly events: number;
  readonly bytes: number;
  readonly records: number;
  readonly recordBytes: number;
  readonly compressedBytes: number;
}

export interface Engine {
  /** Gives each lane one batch; true when any of them had something. A filter that recovers from a fault takes one step. */
  turn(nowMs: number): boolean;
  /** Closes the windows that are over at `nowMs`, of filters whose sources are quiet; to be called about once a second. */
  tick(nowMs: number): void;
  /**
   * Closes all windows: there will be no more events. Recoveries go on until `deadlineMs` of `performance.now`; a filter that is not
   * through by then stays as it is.
   */
  closeWindows(nowMs: number, deadlineMs?: number): void;
  /** Tells what was counted in the window that is over, if one is; `turn` sees to that before it reads. */
  tellLedgers(nowMs: number): void;
  /** Gives every reading place up and tells the last ledger of every filter. */
  closeLedgers(nowMs: number): void;
  /** Cuts a message of every stream that has records. */
  cut(): void;
  /** True when each of these sources has been read to its end by every filter that reads it. */
  ended(sources: readonly string[]): boolean;
  /** Goes through every recovery to its end, or until `deadlineMs` of `performance.now`. */
  finishRecoveries(deadlineMs: number): void;
  /** True while a filter has events in hand that it has neither processed nor left out. */
  isRecovering(instance?: string): boolean;
  /** The slot of a filter of the config. */
  slot(instance: string): Slot | undefined;
  /**
   * Another version of a filter goes on, from the next batch on; `flushes` when the present one's state cannot mean the same to it.
   * Answers the names of the collections that it has not taken over. Throws when the present one cannot tell its open
   * windows. Only while the filter is not recovering.
   */
  swap(instance: string, next: FilterInstance, nowMs: number, flushes: boolean): readonly string[];
  totals(): EngineTotals;
}

interface Running extends EngineFilter {
  readonly slot: Slot;
  readonly pack: Pack;
  /** What is packed is another version's from here on. */
  readonly become: (next: FilterInstance) => void;
  readonly tally: Tally;
  readonly add: (stream: number, output: Uint8Array, start: number, end: number) => void;
  readonly lanes: readonly Cursor[];
  /** Events that have been told to the pack. */
  eventsBefore: number;
  bytes: number;
  quietSinceMs: number;
}

export function createEngine(options: EngineOptions): Engine {
  const running = options.filters.map((filter) => prepare(options, filter));
  const byName = new Map(running.map((filter) => [filter.instance, filter]));
  /** Start of the ledgers' window; none before the first event could come. */
  let ledgersFromMs: number | undefined;

  function feed(filter: Running, cursor: Cursor, nowMs: number): boolean {
    const { slot } = filter;
    const batch = nextBatch(cursor, slot.filter().input, slot.batchBytes(options.batchBytes));
    if (batch.kind === 'none') return false;
    if (batch.kind === 'events') {
      const { bytes, isTruncated } = batch;
      filter.bytes += bytes;
      filter.quietSinceMs = nowMs;
      slot.call({
        kind: 'batch',
        cursor,
        readAgain: cursor.keepLastRead(),
        from: 0,
        bytes,
        isTruncated,
        nowMs,
      });
      countEvents(filter);
    }
    return true;
  }

  function turnOf(filter: Running, nowMs: number): boolean {
    if (filter.slot.isRecovering()) {
      filter.slot.step();
      countEvents(filter);
      return true;
    }
    let isBusy = false;
    for (const cursor of filter.lanes) {
      if (filter.slot.isOut() || filter.slot.isRecovering()) break;
      if (feed(filter, cursor, nowMs)) isBusy = true;
    }
    return isBusy;
  }

  function tellLedgers(nowMs: number): void {
    const startMs = windowStart(nowMs);
    if (startMs === ledgersFromMs) return;
    if (ledgersFromMs !== undefined) {
      // A clock that was set back has no end that lies behind the start.
      const lengthMs = Math.max(startMs - ledgersFromMs, LEDGER_WINDOW_MS);
      for (const filter of running) tellLedger(filter, { startMs: ledgersFromMs, lengthMs }, 'changes');
    }
    ledgersFromMs = startMs;
  }

  return {
    tellLedgers,
    closeLedgers(nowMs) {
      tellLedgers(nowMs);
      const span = { startMs: windowStart(nowMs), lengthMs: LEDGER_WINDOW_MS };
      for (const filter of running) {
        for (const cursor of filter.lanes) cursor.close();
        tellLedger(filter, span, 'everything');
      }
    },
    turn(nowMs) {
      tellLedgers(nowMs);
      let isBusy = false;
      for (const filter of running) if (turnOf(filter, nowMs)) isBusy = true;
      return isBusy;
    },
    tick(nowMs) {
      for (const { slot, quietSinceMs } of running) {
        const isQuiet = nowMs - quietSinceMs >= QUIET_MS;
        if (isQuiet && !slot.isOut() && !slot.isRecovering()) slot.call({ kind: 'tick', nowMs });
        slot.rest(nowMs);
      }
    },
    closeWindows(nowMs, deadlineMs = Number.POSITIVE_INFINITY) {
      for (const filter of running) {
        finish(filter, deadlineMs);
        if (filter.slot.isOut() || filter.slot.isRecovering()) continue;
        filter.slot.call({ kind: 'close', nowMs });
        finish(filter, deadlineMs);
      }
    },
    cut() {
      for (const { pack } of running) pack.cut();
    },
    ended: (sources) =>
      running.every(
        ({ cursors, slot }) =>
          slot.isOut() ||
          (!slot.isRecovering() && sources.every((name) => cursors.get(name)?.ended() ?? true)),
      ),
    finishRecoveries(deadlineMs) {
      for (const filter of running) finish(filter, deadlineMs);
    },
    isRecovering: (instance) =>
      running.some(
        (filter) => filter.slot.isRecovering() && filter.instance === (instance ?? filter.instance),
      ),
    slot: (instance) => byName.get(instance)?.slot,
    swap(instance, next, nowMs, flushes) {
      const { slot, pack, become } = byName.get(instance) as Running;
      // What the present version has emitted shows now whether it is usable.
      pack.cut();
      if (slot.isRecovering())
        throw new WeirError('SWAP_REFUSED', `filter ${instance}: it is at fault just now`);
      const missing = slot.swap(next, nowMs, flushes);
      become(next);
      return missing;
    },
    totals: () => totalsOf(running),
  };
}

/** Goes through a recovery to its end, or as far as time allows. */
function finish(filter: Running, deadlineMs: number): void {
  while (filter.slot.step() && performance.now() < deadlineMs);
  countEvents(filter);
}

/** Tells the pack of the events that were processed or left out since the last time. */
function countEvents(filter: Running): void {
  const events = filter.slot.eventsIn() + filter.tally.leftOut();
  filter.pack.countEvents(events - filter.eventsBefore);
  filter.eventsBefore = events;
}

function tellLedger({ slot, tally, add }: Running, span: Span, what: 'changes' | 'everything'): void {
  const record = tally.take(span, what);
  if (!record) return;
  const bytes = encodeRecord(record);
  // The ledger is the stream behind those of the manifest.
  add(Object.keys(slot.filter().manifest.streams).length, bytes, 0, bytes.length);
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

/** Whose records a version's are, on the wire. */
function packed({ manifest, label }: FilterInstance): PackedFilter {
  return {
    filter: label,
    streams: [...Object.keys(manifest.streams), LEDGER_STREAM],
    recordBytesMax: manifest.memory.output,
  };
}

function prepare(options: EngineOptions, filter: EngineFilter): Running {
  const { appliance, epoch, send, onRecord, onFilterEvent, recordsMax } = options;
  const { instance, format, cursors } = filter;
  const from = packed(filter.filter);
  const onFault = (error: unknown) => slot.spoil(error);
  const pack = createPack({ appliance, instance, from, format, epoch, send, onFault });
  const bury = createDeadLetters({ appliance, instance, epoch, send });
  const shed = recordsMax === undefined ? undefined : createShed(recordsMax);
  /** By their numbers in the version that runs; behind them the ledger, which is never shed: it tells what was. */
  let streams = Object.keys(filter.filter.manifest.streams);
  const add: Running['add'] = (stream, output, start, end) => {
    const name = streams[stream] ?? LEDGER_STREAM;
    if (shed && name !== LEDGER_STREAM && !shed.admits(name, slot.nowMs())) return;
    onRecord?.(instance, name, output.subarray(start, end));
    pack.add(stream, output, start, end);
  };
  const lanes = [...cursors.values()];
  const slot: Slot = createSlot({ first: filter.filter, sink: add, tell });
  const tally = createTally(() => slot.ledger(), cursors, shed?.counts);
  const become = (next: FilterInstance) => {
    pack.become(packed(next));
    streams = Object.keys(next.manifest.streams);
  };

  function tell(event: SlotEvent): void {
    if (event.kind === 'lost') {
      tally.lose(event.cursor, event.events);
      return;
    }
    if (event.kind === 'dead') {
      const { call, error, line } = event;
      const cursor = call.kind === 'batch' ? call.cursor : undefined;
      const source = [...cursors].find(([, found]) => found === cursor)?.[0];
      const { manifest } = slot.filter();
      const letter = {
        nowMs: call.nowMs,
        error,
        source,
        line,
        manifest,
        filter: slot.filter().label,
      };
      if (cursor) tally.leaveOut(cursor);
      bury(letter);
      onFilterEvent(instance, { kind: 'fault', error, letter });
      return;
    }
    if (event.kind === 'returned') become(event.to);
    if (event.kind === 'out') {
      // For good: its sources wait for it no more, so that other filters go on reading them.
      tally.takeOut();
      for (const cursor of lanes) cursor.close();
    }
    onFilterEvent(instance, event);
  }

  return { ...filter, slot, pack, become, tally, add, lanes, eventsBefore: 0, bytes: 0, quietSinceMs: 0 };
}
