/**
 * The memory budget: what the whole process may take, decided before anything is read.
 *
 * It is a sum, and every term has an owner: the process itself, V8's heap, each filter, the one that a new version stands
 * beside, each source, the queue. A config whose sum is more than `limits.memory` is refused with all the terms. What
 * has no term here lives on the heap, whose limit V8 holds and `bin/weir` sets, or is an own process (the broker).
 * Because a sum can be wrong, resident memory is looked at as well, and told of when it is more.
 */
import type { Config, SourceConfig } from './config.js';
import { WeirError } from './errors.js';
import type { Manifest } from './filter/manifest.js';
import {
  COURIER_BYTES,
  COURIER_BYTES_MIN,
  FEED_BYTES,
  HEAP_MIB,
  INBOX_BYTES,
  MESSAGE_BYTES_MAX,
  NOTICE_EVERY_MS,
  PROCESS_BYTES,
  SYSLOG_CONNECTIONS_MAX,
  YOUNG_MIB,
} from './limits.js';
import { messageBufferBytes } from './pack.js';

export interface Term {
  readonly owner: string;
  readonly bytes: number;
}

export interface Budget {
  readonly terms: readonly Term[];
  readonly sumBytes: number;
  /** Where the sum holds only if V8's heap stays as small as it has been seen to stay. */
  readonly warning?: string;
}

/** Filters by their names in the config. */
type Manifests = ReadonlyMap<string, Manifest>;

const MIB = 2 ** 20;
/** V8's limit is the old generation and, for the young one, three semi-spaces. */
export const HEAP_BYTES = (HEAP_MIB + 3 * YOUNG_MIB) * MIB;

/**
 * The sum for a config. `heapLimitBytes` is what V8 may really take: without options for the heap it is gigabytes, which no
 * config would fit; then what the host needs is counted, and a warning says that nothing holds it there. Throws MEMORY_BUDGET.
 */
export function budgetOf(
  config: Config,
  manifests: Manifests,
  heapLimitBytes: number,
  kept: readonly Manifest[] = [],
): Budget {
  const { memoryBytes } = config.limits;
  const real = sumOf(config, manifests, kept, heapLimitBytes);
  if (real.sumBytes <= memoryBytes) return real;
  const bounded = sumOf(config, manifests, kept, Math.min(heapLimitBytes, HEAP_BYTES));
  if (bounded.sumBytes > memoryBytes) {
    throw new WeirError(
      'MEMORY_BUDGET',
      `limits.memory: expected at least ${mebibytes(bounded.sumBytes)} = ${termsText(bounded.terms)}, found ${mebibytes(memoryBytes)}`,
    );
  }
  const warning = `limits.memory may not hold: V8's heap may take ${mebibytes(heapLimitBytes)}, of which ${mebibytes(HEAP_BYTES)} are counted; the command "weir" bounds it, and so does node --max-old-space-size=${HEAP_MIB} --max-semi-space-size=${YOUNG_MIB}`;
  return { ...bounded, warning };
}

/** The terms as a person reads them. */
export function termsText(terms: readonly Term[]): string {
  return terms.map(({ owner, bytes }) => `${owner} ${mebibytes(bytes)}`).join(' + ');
}

export function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function sumOf(config: Config, manifests: Manifests, kept: readonly Manifest[], heapBytes: number): Budget {
  const used = new Set(config.filters.flatMap(({ from }) => from));
  const terms: Term[] = [
    { owner: 'process', bytes: PROCESS_BYTES },
    { owner: 'heap', bytes: heapBytes },
    ...[...manifests].map(([instance, manifest]) => ({ owner: instance, bytes: filterBytes(manifest) })),
    { owner: 'swap', bytes: Math.max(0, ...[...manifests.values()].map(standingBytes)) },
    ...kept.map((manifest) => ({ owner: `${manifest.name} before`, bytes: standingBytes(manifest) })),
    ...config.sources.filter(({ name, kind }) => used.has(name) && kind !== 'file').map(sourceTerm),
    { owner: 'queue', bytes: queueBytes(manifests.size) },
  ];
  return { terms, sumBytes: terms.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Its memory, what is kept of it and of the events in its hand to recover from a fault, and a message buffer for each of its streams and the ledger. */
function filterBytes(manifest: Manifest): number {
  const { memory, streams } = manifest;
  const buffers = (Object.keys(streams).length + 1) * messageBufferBytes(memory.output);
  return standingBytes(manifest) + memory.input + buffers;
}

/** Messages on their way from the spools to the broker. */
function queueBytes(filters: number): number {
  return filters * (Math.max(COURIER_BYTES / Math.max(filters, 1), COURIER_BYTES_MIN) + MESSAGE_BYTES_MAX);
}

/** Its memory, and what is kept of that to recover from a fault. */
function standingBytes({ memory, memoryBytes }: Manifest): number {
  return memoryBytes + memory.static + memory.state + memory.scratch;
}

/**
 * A source that cannot be read again: its inbox, in memory and once more in its file, which is memory on a tmpfs, and what its connections or
 * pipe have in hand. Files are read in place.
 */
function sourceTerm(source: SourceConfig): Term {
  const { name, kind } = source;
  const isTcp = kind === 'syslog' && source.tcp !== undefined;
  const feeds = isTcp ? SYSLOG_CONNECTIONS_MAX : kind === 'stdin' || kind === 'command' ? 1 : 0;
  return { owner: `source ${name}`, bytes: 2 * INBOX_BYTES + feeds * FEED_BYTES };
}

export interface Watermark {
  /** Tells when resident memory is above the limit: at once, and again after some time. */
  look(): void;
}

/** What resident memory is measured with; for tests. */
export interface WatermarkClock {
  readonly residentBytes: () => number;
  readonly nowMs: () => number;
}

const PROCESS: WatermarkClock = {
  residentBytes: () => process.memoryUsage.rss(),
  nowMs: () => performance.now(),
};

export function createWatermark(
  memoryBytes: number,
  print: (line: string) => void,
  { residentBytes, nowMs }: WatermarkClock = PROCESS,
): Watermark {
  let quietUntilMs = 0;
  return {
    look() {
      const resident = residentBytes();
      if (resident <= memoryBytes || nowMs() < quietUntilMs) return;
      quietUntilMs = nowMs() + NOTICE_EVERY_MS;
      print(
        `memory: ${mebibytes(resident)} are resident, more than limits.memory of ${mebibytes(memoryBytes)}`,
      );
    },
  };
}
