/**
 * Versions of a filter that follow each other in an engine of their own, and all that they tell.
 */
import { memoryCursor } from '../../host/author/drive.js';
import { createEngine, type Engine, type FilterEvent } from '../../host/engine.js';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import type { InstalledFilter } from '../../host/filter/library.js';
import { unpack } from '../../host/pack.js';
import type { WireRecord } from '../../host/wire.js';

export const NOW_MS = Date.parse('2026-01-31T12:00:00Z');

interface Config {
  readonly is?: string;
  readonly capacity?: number;
  readonly stumbles?: number;
  readonly window_ms?: number;
  readonly emits?: number;
  readonly rows?: number;
}

/** A version of the filter; those of the same config have the same state. */
export function version(
  { manifest, module }: InstalledFilter,
  number: string,
  config: Config = {},
  faults = 100,
): FilterInstance {
  return startFilter({ manifest: { ...manifest, version: number, faults }, module, config, zones: [] });
}

export interface Told {
  readonly engine: Engine;
  readonly records: WireRecord[];
  readonly dead: WireRecord[];
  readonly events: FilterEvent[];
  readonly ledgers: WireRecord[];
  /** Messages' `Weir-Filter` versions, in order, of the stream `kept`. */
  readonly versions: string[];
  readonly seqs: number[];
  run(lines: readonly string[]): void;
  end(): void;
  /** Counts by key over all windows, partial records included. */
  sums(): Record<string, number>;
}

export function engineOf(
  first: FilterInstance,
  batchBytes = 4_096,
  format: 'cbor' | 'ndjson' = 'cbor',
): Told {
  const cursor = memoryCursor();
  const [records, dead, ledgers]: WireRecord[][] = [[], [], []];
  const events: FilterEvent[] = [];
  const versions: string[] = [];
  const seqs: number[] = [];
  const engine = createEngine({
    appliance: 'a',
    batchBytes,
    filters: [{ instance: 'f', filter: first, format, cursors: new Map([['s', cursor]]) }],
    send({ subject, headers, body, seq }) {
      const stream = subject.split('.').at(-1);
      if (stream === 'kept') {
        versions.push((headers['Weir-Filter'] as string).replace(/.*@(.*)\+.*/, '$1'));
        seqs.push(seq);
      }
      const target = subject.startsWith('weir.dead.') ? dead : stream === 'ledger' ? ledgers : records;
      unpack(headers, body, (record) => (target as WireRecord[]).push({ stream, ...record }));
    },
    onFilterEvent: (_instance, event) => events.push(event),
  });
  const told: Told = {
    engine,
    records: records as WireRecord[],
    dead: dead as WireRecord[],
    ledgers: ledgers as WireRecord[],
    events,
    versions,
    seqs,
    run(lines) {
      cursor.put(Buffer.from(lines.map((line) => `${line}\n`).join('')));
      while (engine.turn(NOW_MS));
    },
    end() {
      engine.closeWindows(NOW_MS);
      engine.closeLedgers(NOW_MS);
      engine.cut();
    },
    sums() {
      const sums: Record<string, number> = {};
      for (const { stream, k, count } of told.records)
        if (stream === 'sums') sums[k as string] = (sums[k as string] ?? 0) + (count as number);
      return sums;
    },
  };
  return told;
}

/** Lines `from` to `to`, of which those in `bad` are to trap. */
export function lines(from: number, to: number, bad: readonly number[] = []): string[] {
  return Array.from({ length: to - from }, (_, index) => {
    const at = from + index;
    return `t=${NOW_MS + at * 50} n=${at} k=key-${at % 23}${bad.includes(at) ? ' do=trap' : ''}`;
  });
}

export const keptNumbers = ({ records }: Told) =>
  records.filter(({ stream }) => stream === 'kept').map(({ n }) => n as number);
export const fifths = (to: number) => Array.from({ length: Math.ceil(to / 5) }, (_, at) => at * 5);
