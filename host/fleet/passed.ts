/**
 * Which bundles have given on this device what their samples expect: nothing else runs, also where the host was killed between that it was
 * trusted and that it was tried, or where its time came while the host was down.
 */
import { join } from 'node:path';
import { FILTERS_MAX } from '../limits.js';
import { createMemo, readMemo } from './memo.js';

export interface Passed {
  /** By the SHA-256 of the bundle. */
  has(hash: string): boolean;
  add(hash: string): void;
  /** Writes what the disk has not taken. */
  flush(): void;
}

/** What is written down. */
type Kept = { readonly hashes: readonly string[] };

/** Releases of all filters, and those before them; what is forgotten is only tried once more. */
const PASSED_MAX = 4 * FILTERS_MAX;

export function openPassed(folder: string, notice: (line: string) => void): Passed {
  const path = join(folder, 'passed.json');
  let { hashes } = readMemo<Kept>(path) ?? { hashes: [] };
  const memo = createMemo(path, (): Kept => ({ hashes }), notice);
  return {
    has: (hash) => hashes.includes(hash),
    add(hash) {
      if (hashes.at(-1) === hash) return;
      hashes = [...hashes.filter((one) => one !== hash), hash].slice(-PASSED_MAX);
      memo.changed();
    },
    flush: memo.flush,
  };
}
