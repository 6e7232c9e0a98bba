/**
 * The inotify watches of a `watch` source: one a directory, by path, and no more than a limit.
 *
 * A watch stays with its directory when that goes elsewhere; whoever learns of it has to end the watches on all
 * that lay there, or they tell of things under names that are gone.
 */
import { type FSWatcher, watch } from 'node:fs';
import { systemCode } from '../errors.js';
import { type BytePath, folderOf, shown, toBuffer } from './paths.js';

export interface Watchers {
  has(path: BytePath): boolean;
  /** Watches a directory; true when it was not watched before. */
  add(path: BytePath): boolean;
  remove(path: BytePath): void;
  /** Ends the watches on these directories and on all below them. */
  removeTrees(roots: ReadonlySet<BytePath>): void;
  close(): void;
}

export interface WatchersOptions {
  readonly directoriesMax: number;
  /** Something has happened to a child of a directory, or, without one, to the directory itself. */
  readonly onTouch: (folder: BytePath, child: BytePath | undefined) => void;
  readonly onProblem: (text: string) => void;
}

export function createWatchers({ directoriesMax, onTouch, onProblem }: WatchersOptions): Watchers {
  const watchers = new Map<BytePath, FSWatcher>();

  function remove(path: BytePath): void {
    watchers.get(path)?.close();
    watchers.delete(path);
  }

  return {
    has: (path) => watchers.has(path),
    add(path) {
      if (watchers.has(path)) return false;
      if (watchers.size >= directoriesMax) {
        onProblem(`more than ${directoriesMax} directories: ${shown(path)} and others are only looked at`);
        return true;
      }
      try {
        const watcher = watch(toBuffer(path), { encoding: 'buffer' }, (_event, child) => {
          onTouch(path, (child as Buffer | null)?.toString('latin1'));
        });
        watcher.on('error', () => onTouch(path, undefined));
        watchers.set(path, watcher);
      } catch (error) {
        const code = systemCode(error);
        const advice = code === 'ENOSPC' ? '; raise it with sysctl fs.inotify.max_user_watches' : '';
        if (code !== 'ENOENT') onProblem(`${shown(path)}: not watched: ${code}${advice}`);
      }
      return true;
    },
    remove,
    removeTrees(roots) {
      if (roots.size === 0) return;
      for (const watched of watchers.keys()) {
        let path: BytePath | undefined = watched;
        while (path !== undefined && !roots.has(path)) path = folderOf(path);
        if (path !== undefined) remove(watched);
      }
    },
    close() {
      for (const path of watchers.keys()) remove(path);
    },
  };
}
