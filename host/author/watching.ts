/**
 * Saves of an author, as events: what an editor does to save one file (a new file, a rename, two writes) is one call.
 *
 * Watchers of the system follow a folder to wherever it is moved, and say nothing of the one that takes its place. So the folders
 * above are watched, too, for the one name that leads on; with the topmost there is always something to wait for.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { systemCode } from '../errors.js';
import { SAVE_SETTLE_MS } from '../limits.js';

export interface Watching {
  close(): void;
}

/** Of what is in a folder, the names that matter. */
type Names = Set<string> | 'all';

/**
 * Calls `onSave` after each save of one of these files, and in one of these folders, but not in folders below them; also when
 * one of them comes, goes, or is replaced.
 */
export function watchSaves(paths: readonly string[], onSave: () => void): Watching {
  let timer: NodeJS.Timeout | undefined;
  function settle(): void {
    clearTimeout(timer);
    timer = setTimeout(onSave, SAVE_SETTLE_MS);
  }
  const watchers = [...namesByFolder(paths)].flatMap(([folder, names]) =>
    watchFolder(folder, (name) => {
      if (names === 'all' || name === null || names.has(name)) settle();
    }),
  );
  return {
    close() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

function namesByFolder(paths: readonly string[]): Map<string, Names> {
  const found = new Map<string, Names>();
  for (const path of paths.map((each) => resolve(each))) {
    found.set(path, 'all');
    for (let child = path; child !== dirname(child); child = dirname(child)) {
      const names = found.get(dirname(child)) ?? new Set();
      if (names !== 'all') found.set(dirname(child), names.add(basename(child)));
    }
  }
  return found;
}

/** None for a folder that is not there or not ours to read: the ones above it tell when it comes. */
function watchFolder(folder: string, onChange: (name: string | null) => void): FSWatcher[] {
  try {
    const watcher = watch(folder, (_event, name) => onChange(name));
    return [watcher.on('error', () => onChange(null))];
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCode(error))) return [];
    throw error;
  }
}

/**
 * Runs `work` now and again after each save, never twice at a time; ends with Ctrl-C. A save during a run is
 * followed by another run. `paths` is asked before each run, because a run may make new ones.
 */
export function repeatOnSave(paths: () => readonly string[], work: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let watching: Watching | undefined;
    let state: 'idle' | 'running' | 'again' = 'idle';
    function end(): void {
      watching?.close();
      process.off('SIGINT', end).off('SIGTERM', end);
      resolve();
    }
    async function turn(): Promise<void> {
      if (state !== 'idle') {
        state = 'again';
        return;
      }
      do {
        state = 'running';
        watching?.close();
        watching = watchSaves(paths(), () => void turn().catch(reject));
        await work();
      } while ((state as string) === 'again');
      state = 'idle';
    }
    process.on('SIGINT', end).on('SIGTERM', end);
    void turn().catch(reject);
  });
}
