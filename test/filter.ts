/**
 * Runs a built filter over bytes in memory, with the engine that runs on the appliance.
 *
 *     const { records } = runFilter('ssh-auth', lines, { now: '2026-01-31T12:00:00Z' });
 */
import { createEngine } from '../host/engine.js';
import type { Ledger } from '../host/filter/abi.js';
import { startFilter } from '../host/filter/instance.js';
import { loadFilter } from '../host/filter/library.js';
import type { Cursor } from '../host/source/source.js';
import { instanceZones } from '../host/timezone.js';
import { CONTENT_CBOR, decodeRecords, type WireRecord } from '../host/wire.js';

export interface RunOptions {
  readonly config?: unknown;
  /** Time at which the events are received; default 2026-01-31T12:00:00Z. */
  readonly now?: string;
  readonly timezone?: string;
  readonly batchBytes?: number;
  /** Folder of built filters; default: the shipped ones. */
  readonly folder?: string;
  /** Close all windows at the end; default true. */
  readonly closeWindows?: boolean;
}

export interface RunResult {
  /** Every record in order, with its stream under `stream`. */
  readonly records: readonly WireRecord[];
  readonly ledger: Ledger;
  /** The records' bytes, one after the other. */
  readonly bytes: Buffer;
}

/** Lines are ended by LF; bytes are taken as they are. */
export function runFilter(
  name: string,
  input: readonly string[] | Uint8Array,
  options: RunOptions = {},
): RunResult {
  const { manifest, module } = loadFilter(name, options.folder);
  const filter = startFilter({
    manifest,
    module,
    config: options.config ?? {},
    zones: instanceZones(options.timezone ?? 'UTC', 'timezone'),
  });
  const bytes = input instanceof Uint8Array ? input : Buffer.from(input.map((line) => `${line}\n`).join(''));
  const records: WireRecord[] = [];
  const raw: Buffer[] = [];
  const engine = createEngine({
    appliance: 'test',
    epoch: 'test',
    batchBytes: options.batchBytes ?? 65_536,
    filters: [
      { instance: name, filter, format: 'cbor', cursors: new Map([['memory', memoryCursor(bytes)]]) },
    ],
    send: () => {},
    onRecord(_instance, stream, record) {
      raw.push(Buffer.from(record));
      decodeRecords(record, CONTENT_CBOR, (fields) => records.push({ stream, ...fields }));
    },
    onFault(_instance, error) {
      throw error;
    },
  });
  const nowMs = Date.parse(options.now ?? '2026-01-31T12:00:00Z');
  while (engine.turn(nowMs));
  if (options.closeWindows ?? true) engine.closeWindows(nowMs);
  return { records, ledger: filter.ledger(), bytes: Buffer.concat(raw) };
}

/** The records of one stream, without its name. */
export function stream(result: RunResult, name: string): WireRecord[] {
  return result.records.filter((record) => record.stream === name).map(({ stream: _, ...fields }) => fields);
}

/** A place in bytes that are all there. */
export function memoryCursor(bytes: Uint8Array): Cursor {
  let at = 0;
  return {
    skipping: false,
    read(target) {
      const part = bytes.subarray(at, at + target.length);
      target.set(part);
      return { bytes: part.length, final: at + part.length === bytes.length };
    },
    advance(count) {
      at += count;
    },
    pass() {},
    ended: () => at === bytes.length,
    position: () => undefined,
    lostEvents: () => 0,
    cutEvents: () => 0,
    close() {},
  };
}

/** in = kept + aggregated + discarded + malformed */
export function ledgerAddsUp({ ledger }: RunResult): boolean {
  return ledger.in === ledger.kept + ledger.aggregated + ledger.discarded + ledger.malformed;
}

/** xorshift32 (Marsaglia, "Xorshift RNGs"): seeded numbers below a limit. */
export function seeded(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
