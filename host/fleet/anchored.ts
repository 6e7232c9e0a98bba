/**
 * From which root of trust an appliance has begun, and what it runs by it: so that its audit tells of another one, and of what has stopped.
 *
 *     <folder>/anchored.json
 *
 * It outlives what is trusted, which people remove to move an appliance to another fleet. It is for the audit alone, and decides nothing.
 */
import { join } from 'node:path';
import { sha256Of } from '../digest.js';
import type { Act } from './audit.js';
import { createMemo, readMemo } from './memo.js';
import { readRoot } from './metadata.js';

export interface Anchored {
  /** Notes where trust begins from a root: another one than before, or the same where `isEmpty`, nothing is trusted any more. */
  begin(root: Uint8Array, isEmpty: boolean, note: (act: Act) => void): void;
  /** What is assigned and runs: versions by the names of filters. */
  keep(filters: Readonly<Record<string, string>>): void;
  /** Writes what the disk has not taken. */
  flush(): void;
}

type Kept = {
  /** Its version and its digest. */
  readonly root: string | null;
  readonly filters: Readonly<Record<string, string>>;
};

export function openAnchored(folder: string, print: (line: string) => void): Anchored {
  const path = join(folder, 'anchored.json');
  // Where that is gone or damaged, nothing is known of before.
  let kept = readMemo<Kept>(path) ?? { root: null, filters: {} };
  const memo = createMemo(path, () => kept, print);

  function save(next: Kept): void {
    if (JSON.stringify(next) === JSON.stringify(kept)) return;
    kept = next;
    memo.changed();
  }

  return {
    begin(bytes, isEmpty, note) {
      const root = `version ${readRoot(bytes).signed.version}, SHA-256 ${sha256Of(bytes)}`;
      const { root: before, filters } = kept;
      const stopped = isEmpty ? Object.entries(filters) : [];
      if (root === before && stopped.length === 0) return;
      print(`fleet: trusts the root of ${root}`);
      note({ action: 'root trusted', before, after: root });
      const reason = 'nothing is trusted any more that was assigned before';
      for (const [filter, label] of stopped)
        note({ action: 'removed', filter, before: label, after: null, reason });
      // Last: a kill before it tells twice what else nobody would tell.
      save({ root, filters: isEmpty ? {} : filters });
    },
    keep: (filters) => save({ ...kept, filters }),
    flush: memo.flush,
  };
}
