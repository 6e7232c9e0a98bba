/**
 * Runs a built filter over bytes in memory, in one go.
 *
 *     const { records } = runFilter('ssh-auth', lines, { now: '2026-01-31T12:00:00Z' });
 */
import { type DriveOptions, driveFilter } from '../host/author/drive.js';
import type { Ledger } from '../host/filter/abi.js';
import { type InstalledFilter, loadFilter } from '../host/filter/library.js';
import type { WireRecord } from '../host/wire.js';

export { seeded } from '../host/author/junk.js';

export interface RunOptions extends DriveOptions {
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
  readonly fuel: number;
}

/** By their paths: built filters do not change while a test runs, and to judge and meter one takes longer than most runs. */
const loaded = new Map<string, InstalledFilter>();

function load(name: string, folder: string | undefined): InstalledFilter {
  const path = `${folder ?? ''}/${name}`;
  const filter = loaded.get(path) ?? loadFilter(name, folder);
  loaded.set(path, filter);
  return filter;
}

/** Lines are ended by LF; bytes are taken as they are. */
export function runFilter(
  name: string,
  input: readonly string[] | Uint8Array,
  options: RunOptions = {},
): RunResult {
  const filter = driveFilter(load(name, options.folder), options).feed(input);
  if (options.closeWindows ?? true) filter.end();
  let records: readonly WireRecord[] | undefined;
  return {
    // Many tests only count.
    get records() {
      records ??= filter.records();
      return records;
    },
    ledger: filter.ledger(),
    fuel: filter.fuelUsed(),
    get bytes() {
      return filter.bytes();
    },
  };
}

/** The records of one stream, without its name. */
export function stream(result: RunResult, name: string): WireRecord[] {
  return result.records.filter((record) => record.stream === name).map(({ stream: _, ...fields }) => fields);
}

/** in = kept + aggregated + discarded + malformed */
export function ledgerAddsUp({ ledger }: { readonly ledger: Ledger }): boolean {
  return ledger.in === ledger.kept + ledger.aggregated + ledger.discarded + ledger.malformed;
}
