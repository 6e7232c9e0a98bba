/**
 * Which bundles have given on this device what their samples expect: nothing else runs, also where the host was killed between that it was
 * trusted and that it was tried, or where its time came while the host was down.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unsealed } from '../durable.js';
import { FILTERS_MAX } from '../limits.js';
import { createMemo } from './memo.js';

export interface Passed {
  /** By the SHA-256 of the bundle. */
  has(hash: string): boolean;
  add(hash: string): void;
  /** Writes what the disk has not taken. */
  flush(): void;
}

/** Releases of all filters, and those before them; what is forgotten is only tried once more. */
const PASSED_MAX = 4 * FILTERS_MAX;

export function openPassed(folder: string, notice: (line: string) => void): Passed {
  const path = join(folder, 'passed.json');
  let hashes = read(path);
  const memo = createMemo(path, () => hashes, notice);
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

function read(path: string): readonly string[] {
  const text = existsSync(path) ? unsealed(readFileSync(path, 'utf8')) : undefined;
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}
