/**
 * Filters that follow each other: one is fed, another takes over what it remembers, and what both tell is put together.
 */
import { DEFAULT_NOW, type DriveOptions } from '../../host/author/drive.js';
import { LEDGER, type Ledger } from '../../host/filter/abi.js';
import { finish } from '../../host/filter/calls.js';
import { type FilterInstance, type RecordSink, startFilter } from '../../host/filter/instance.js';
import type { InstalledFilter } from '../../host/filter/library.js';
import { instanceZones } from '../../host/timezone.js';
import { CONTENT_CBOR, decodeRecords, type WireRecord } from '../../host/wire.js';

export interface Fed {
  readonly filter: FilterInstance;
  readonly sink: RecordSink;
  feed(lines: readonly string[]): Fed;
  end(): Fed;
  /** Tells all that is open. */
  flush(): Fed;
  /** The records so far, each with its stream. */
  records(): WireRecord[];
}

/** Bytes by which everything behind the static data is moved, so that no address of one filter fits the other. */
const MOVED_BYTES = 65_536;
/** So few that they fit the smallest input region. */
const LINES_A_BATCH = 20;

export function moved({ manifest, ...rest }: InstalledFilter): InstalledFilter {
  const memory = { ...manifest.memory, static: manifest.memory.static + MOVED_BYTES };
  return { ...rest, manifest: { ...manifest, memory, memoryBytes: manifest.memoryBytes + MOVED_BYTES } };
}

export function start({ manifest, module }: InstalledFilter, options: DriveOptions = {}): Fed {
  const zones = instanceZones(options.timezone ?? 'UTC', 'timezone');
  const filter = startFilter({ manifest, module, config: options.config ?? {}, zones });
  const nowMs = Date.parse(String(options.now ?? DEFAULT_NOW));
  const streams = Object.keys(manifest.streams);
  const found: WireRecord[] = [];
  const sink: RecordSink = (stream, output, from, end) =>
    decodeRecords(Buffer.from(output.subarray(from, end)), CONTENT_CBOR, (record) =>
      found.push({ stream: streams[stream], ...record }),
    );
  const fed: Fed = {
    filter,
    sink,
    feed(lines) {
      for (let at = 0; at < lines.length; at += LINES_A_BATCH) {
        const batch = lines.slice(at, at + LINES_A_BATCH).map((line) => `${line}\n`);
        finish(filter.run(filter.input.write(batch.join(''), 'latin1'), nowMs, false, sink));
      }
      return fed;
    },
    end() {
      finish(filter.closeWindows(nowMs, sink));
      return fed;
    },
    flush() {
      finish(filter.flush(nowMs, sink));
      return fed;
    },
    records: () => found,
  };
  return fed;
}

/** The counters of filters that followed each other. */
export function ledgerOf(...parts: readonly Fed[]): Ledger {
  const total = (counter: (typeof LEDGER)[number]) =>
    parts.reduce((sum, { filter }) => sum + filter.ledger()[counter], 0);
  return Object.fromEntries(LEDGER.map((counter) => [counter, total(counter)])) as Ledger;
}

export const recordsOf = (...parts: readonly Fed[]) => parts.flatMap((part) => part.records());
