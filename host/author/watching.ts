/**
 * Saves of an author, as events: folders are watched, and what an editor does to save one file (a new file, a rename,
 * two writes) is one call.
 */
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { SAVE_SETTLE_MS } from '../limits.js';

export interface Watching {
  close(): void;
}

/** Calls `onSave` after each save in one of the folders, not in folders below them. */
export function watchSaves(folders: readonly string[], onSave: () => void): Watching {
  let timer: NodeJS.Timeout | undefined;
  const watchers: FSWatcher[] = [...new Set(folders)].filter(existsSync).map((folder) =>
    watch(folder, () => {
      clearTimeout(timer);
      timer = setTimeout(onSave, SAVE_SETTLE_MS);
    }),
  );
  return {
    close() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/**
 * Runs `work` now and again after each save, never twice at a time; ends with Ctrl-C. A save during a run is
 * followed by another run. `folders` is asked before each run, because a run may make new ones.
 */
export function repeatOnSave(folders: () => readonly string[], work: () => Promise<void>): Promise<void> {
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
        watching = watchSaves(folders(), () => void turn().catch(reject));
        await work();
      } while ((state as string) === 'again');
      state = 'idle';
    }
    process.on('SIGINT', end).on('SIGTERM', end);
    void turn().catch(reject);
  });
}
