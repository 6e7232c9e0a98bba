/**
 * The engine: the one loop that takes events from sources through filters to messages.
 *
 * Its imports stand in the order of an event's way. A lane is one filter reading one source; the engine goes
 * round the lanes, one batch each, so that no source and no filter waits for another. It knows neither the broker
 * nor the clock: who drives it says when to read, when windows are to close, and where messages go. The same
 * input, cut into whatever batches, gives the same records. Beside them it tells each filter's ledger.
 */
import type { Cursor } from './source/source.js';
import { linesIn, nextBatch } from './batch.js';
import type { FilterInstance } from './filter/instance.js';
import { createPack, type Pack } from './pack.js';
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

export interface EngineOptions {
  readonly appliance: string;
  /** Names this run of the host in message ids. */
  readonly epoch: string;
  readonly batchBytes: number;
  readonly filters: readonly EngineFilter[];
  readonly send: (message: Message) => void;
  /** Sees each record before it is packed. */
  readonly onRecord?: (instance: string, stream: string, record: Uint8Array) => void;
  /** A filter broke the rules and was taken out; the others go on. */
  readonly onFault: (instance: string, error: unknown) => void;
}

export interface EngineTotals {
  readonly events: number;
  readonly bytes: number;
  readonly records: number;
  readonly recordBytes: number;
  readonly compressedBytes: number;
}

export interface Engine {
  /** Gives each lane one batch; true when any of them had something. */
  turn(nowMs: number): boolean;
  /** Closes the windows that are over at `nowMs`, of filters whose sources are quiet. */
  tick(nowMs: number): void;
  /** Closes all windows: there will be no more events. */
  closeWindows(nowMs: number): void;
  /** Tells what was counted in the window that is over, if one is; `turn` sees to that before it reads. */
  tellLedgers(nowMs: number): void;
  /** Gives every reading place up and tells the last ledger of every filter. */
  closeLedgers(nowMs: number): void;
  /** Cuts a message of every stream that has records. */
  cut(): void;
  /** True when each of these sources has been read to its end by every filter that reads it. */
  ended(sources: readonly string[]): boolean;
  totals(): EngineTotals;
}

interface Running extends EngineFilter {
  readonly pack: Pack;
  readonly tally: Tally;
  /** Index of the ledger among the streams. */
  readonly ledgerStream: number;
  readonly add: (stream: number, output: Uint8Array, start: number, end: number) => void;
  readonly lanes: readonly Cursor[];
  hasFailed: boolean;
  eventsBefore: number;
  bytes: number;
  quietSinceMs: number;
}

export function createEngine(options: EngineOptions): Engine {
  const running = options.filters.map((filter) => prepare(options, filter));
  /** Start of the ledgers' window; none before the first event could come. */
  let ledgersFromMs: number | undefined;

  /** For good: its sources wait for it no more, so that other filters go on reading them. */
  function takeOut(filter: Running, error: unknown): void {
    filter.hasFailed = true;
    filter.tally.takeOut();
    for (const cursor of filter.lanes) cursor.close();
    options.onFault(filter.instance, error);
  }

  /** Calls a filter, and takes it out when it breaks the rules. */
  function guarded(filter: Running, call: () => void): void {
    try {
      call();
    } catch (error) {
      if (!filter.hasFailed) takeOut(filter, error);
    }
    const events = filter.filter.ledger().in;
    filter.pack.countEvents(events - filter.eventsBefore);
    filter.eventsBefore = events;
  }

  function feed(filter: Running, cursor: Cursor, nowMs: number): boolean {
    const batch = nextBatch(cursor, filter.filter.input, options.batchBytes);
    if (batch.kind === 'none') return false;
    if (batch.kind === 'events') {
      filter.bytes += batch.bytes;
      filter.quietSinceMs = nowMs;
      const eventsBefore = filter.eventsBefore;
      guarded(filter, () => filter.filter.run(batch.bytes, nowMs, batch.isTruncated, filter.add));
      if (filter.hasFailed) {
        // What it had in hand and has not counted, as far as it left the batch as it was.
        const events = linesIn(filter.filter.input, batch.bytes) - (filter.eventsBefore - eventsBefore);
        filter.tally.leave(cursor, Math.max(events, 0));
      }
    }
    return true;
  }

  function all(call: (filter: Running) => void): void {
    for (const filter of running) if (!filter.hasFailed) guarded(filter, () => call(filter));
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
      for (const filter of running) {
        for (const cursor of filter.lanes) {
          if (!filter.hasFailed && feed(filter, cursor, nowMs)) isBusy = true;
        }
      }
      return isBusy;
    },
    tick(nowMs) {
      all(({ filter, add, quietSinceMs }) => {
        if (nowMs - quietSinceMs >= QUIET_MS) filter.tick(nowMs, add);
      });
    },
    closeWindows: (nowMs) => all(({ filter, add }) => filter.closeWindows(nowMs, add)),
    cut() {
      for (const filter of running) guarded(filter, () => filter.pack.cut());
    },
    ended: (sources) =>
      running.every(
        ({ cursors, hasFailed }) => hasFailed || sources.every((name) => cursors.get(name)?.ended() ?? true),
      ),
    totals() {
      const sum = (of: (filter: Running) => number) =>
        running.reduce((total, filter) => total + of(filter), 0);
      return {
        events: sum(({ eventsBefore }) => eventsBefore),
        bytes: sum(({ bytes }) => bytes),
        records: sum(({ pack }) => pack.totals.records),
        recordBytes: sum(({ pack }) => pack.totals.bytes),
        compressedBytes: sum(({ pack }) => pack.totals.compressedBytes),
      };
    },
  };
}

function tellLedger({ tally, add, ledgerStream }: Running, span: Span, what: 'changes' | 'everything'): void {
  const record = tally.take(span, what);
  if (!record) return;
  const bytes = encodeRecord(record);
  add(ledgerStream, bytes, 0, bytes.length);
}

function prepare(options: EngineOptions, filter: EngineFilter): Running {
  const { manifest, moduleHash } = filter.filter;
  const streams = [...Object.keys(manifest.streams), LEDGER_STREAM];
  const pack = createPack({
    appliance: options.appliance,
    instance: filter.instance,
    filter: `${manifest.name}@${manifest.version}+${moduleHash}`,
    streams,
    format: filter.format,
    recordBytesMax: manifest.memory.output,
    epoch: options.epoch,
    send: options.send,
  });
  const { onRecord } = options;
  const add: Running['add'] = onRecord
    ? (stream, output, start, end) => {
        onRecord(filter.instance, streams[stream] as string, output.subarray(start, end));
        pack.add(stream, output, start, end);
      }
    : pack.add;
  const lanes = [...filter.cursors.values()];
  const tally = createTally(filter.filter.ledger, filter.cursors);
  const ledgerStream = streams.length - 1;
  const counts = { hasFailed: false, eventsBefore: 0, bytes: 0, quietSinceMs: 0 };
  return { ...filter, pack, tally, ledgerStream, add, lanes, ...counts };
}
