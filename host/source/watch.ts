/**
 * The `watch` source: what is created, modified, deleted and renamed in directory trees.
 *
 * inotify (through `fs.watch`, one watch a directory) says where to look; a snapshot says what has become of it. So
 * one event tells the state after a burst of changes, at most one a path in each `settleMs`, and a path that came
 * and went unseen is still told. A new directory is watched before it is searched, so nothing made in it is
 * missed. What inotify itself may drop is found by looking at everything again from time to time.
 *
 * Each event is a line of JSON: ts, op, path, from (of a rename), type, size, mode (octal), uid, gid, target (of a
 * link). A name that is not UTF-8 stands in path_hex (from_hex, target_hex), too. Contents are never read.
 */
import { lstatSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { WATCH_DIRECTORIES_MAX, WATCH_ENTRIES_MAX, WATCH_RESCAN_MS, WATCH_SETTLE_MS } from '../limits.js';
import { createInbox, INBOX_DEFAULTS, type InboxOptions } from './inbox.js';
import { createNotices } from './notices.js';
import { type BytePath, folderOf, fromText, isBelow, join, nameOf, shown, toBuffer } from './paths.js';
import { type Change, childrenOf, createSnapshot } from './snapshot.js';
import type { Source } from './source.js';
import { findDifferent, learnTree, type Walk } from './walk.js';
import { createWatchers } from './watchers.js';

export interface WatchOptions {
  readonly settleMs?: number;
  readonly rescanMs?: number;
  readonly entriesMax?: number;
  readonly directoriesMax?: number;
  readonly now?: () => number;
  readonly inbox?: InboxOptions;
}

/** Paths that are compared, and time that is spent on telling, before others get their turn. */
const SLICE_ENTRIES = 500;
const SLICE_MS = 10;

/** Why a path is looked at. */
type Reason = 'told' | 'sought';

export function createWatchSource(
  name: string,
  roots: readonly string[],
  options: WatchOptions = {},
): Source {
  const { settleMs = WATCH_SETTLE_MS, rescanMs = WATCH_RESCAN_MS, now = Date.now } = options;
  const { entriesMax = WATCH_ENTRIES_MAX, directoriesMax = WATCH_DIRECTORIES_MAX } = options;
  const inbox = createInbox(options.inbox ?? INBOX_DEFAULTS);
  const notices = createNotices(name);
  const sayFull = notices.limited();
  const sayWatch = notices.limited();
  const snapshot = createSnapshot(entriesMax, () =>
    sayFull(`more than ${entriesMax} entries: the rest of the trees is not fully seen`),
  );
  /** A root that is a link stands for what it points to. */
  const rootPaths = roots.map((root) => fromText(realPath(root)));
  const watchers = createWatchers({
    directoriesMax,
    onTouch: touchChild,
    onProblem: (text) => sayWatch(`${text}; looked at every ${rescanMs} ms`),
  });
  const dirty = new Map<BytePath, Reason>();
  let settling: NodeJS.Timeout | undefined;
  let rescanning: NodeJS.Timeout | undefined;
  const goneLately = createGoneLately(2 * settleMs);
  /** Changes that were found, the next one last. */
  let untold: Change[] = [];
  let isScanning = false;
  let isBehind = false;
  let isClosed = false;

  const isInScope = (path: BytePath) => rootPaths.some((root) => path === root || isBelow(path, root));

  function touch(path: BytePath, reason: Reason): void {
    if (isClosed) return;
    if (!isInScope(path)) {
      touchAbove(path);
      return;
    }
    if (dirty.size >= entriesMax) {
      sayFull(`more than ${entriesMax} changes at once: looking at everything again after them`);
      isBehind = true;
      return;
    }
    if (dirty.get(path) !== 'told') dirty.set(path, reason);
    settling ??= setTimeout(settle, settleMs);
  }

  /** A folder on the way to a root has come or gone. */
  function touchAbove(path: BytePath): void {
    const roots = rootPaths.filter((root) => isBelow(root, path));
    if (roots.length === 0) return;
    watchers.remove(path);
    for (const root of roots) watchAbove(root);
  }

  /** Compares what was touched, and tells what has changed; of each only so much that others get their turn. */
  function settle(): void {
    settling = undefined;
    if (untold.length === 0) {
      const paths = takeFirst(dirty, SLICE_ENTRIES);
      untold = snapshot.compare(paths.keys()).reverse();
      untold = untold.filter((change) => goneLately.isNews(change) && isSeen(change, paths));
      unwatch(untold);
    }
    const endMs = performance.now() + SLICE_MS;
    for (let change = untold.pop(); change; change = performance.now() < endMs ? untold.pop() : undefined) {
      follow(change);
      inbox.append(Buffer.from(JSON.stringify(describe(change, now()))));
    }
    if (isClosed) return;
    if (untold.length + dirty.size > 0) settling ??= setTimeout(settle, 0);
    else if (isBehind) void rescan();
  }

  /** Ends the watches on directories that have left their path. */
  function unwatch(changes: readonly Change[]): void {
    const left = foldersLeft(changes);
    watchers.removeTrees(left);
    for (const root of rootPaths) if (left.has(root)) watchAbove(root);
  }

  /** Keeps the watches on the directories that there are. */
  function follow(change: Change): void {
    if (change.op === 'delete' || change.entry.type !== 'directory') return;
    const isNew = watchDirectory(change.path);
    if (change.op === 'rename') followRenamed(change.path);
    else if (isNew) for (const child of childrenOf(change.path)) touch(child, 'sought');
  }

  /** Until it is watched under its new name, what happens in a directory is told under names that are gone. */
  function followRenamed(folder: BytePath): void {
    for (const path of [folder, ...snapshot.below(folder)]) {
      touch(path, 'sought');
      if (snapshot.get(path)?.type !== 'directory') continue;
      watchDirectory(path);
      for (const child of childrenOf(path)) touch(child, 'sought');
    }
  }

  /** inotify tells of the directory itself under its own name, as if a child were called so. */
  function touchChild(path: BytePath, child: BytePath | undefined): void {
    const touched = child === undefined ? path : join(path, child);
    if (child === nameOf(path)) {
      touch(path, 'told');
      if (!snapshot.has(touched) && !exists(touched)) return;
    }
    touch(touched, 'told');
  }

  /** Watches a directory; true when it was not watched before. */
  const watchDirectory = (path: BytePath) => !isClosed && watchers.add(path);
  const walk: Walk = { snapshot, watchDirectory, isClosed: () => isClosed };

  /** What is not there, or is no directory, is seen through the nearest folder above it. */
  function watchAbove(root: BytePath): void {
    let folder = folderOf(root);
    while (folder !== undefined) {
      watchDirectory(folder);
      if (watchers.has(folder)) break;
      folder = folderOf(folder);
    }
    if (!snapshot.has(root) && exists(root)) touch(root, 'sought');
  }

  /** Looks at everything again: for what inotify dropped, and for directories that are not watched. */
  async function rescan(): Promise<void> {
    if (isScanning) return;
    isScanning = true;
    isBehind = false;
    // Touched all at once, so that both names of a rename are seen together.
    for (const path of await findDifferent(rootPaths, walk)) touch(path, 'sought');
    isScanning = false;
  }

  return {
    name,
    async open() {
      for (const root of rootPaths) {
        await learnTree(root, walk);
        if (!snapshot.has(root)) notices.say(`${shown(root)}: is not there yet; waiting for it`);
        if (snapshot.get(root)?.type !== 'directory') watchAbove(root);
      }
      if (!isClosed) rescanning = setInterval(rescan, rescanMs);
    },
    cursor: inbox.cursor,
    onData: (wake) => inbox.onData(wake),
    onNotice: (tell) => notices.onNotice(tell),
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(rescanning);
      clearTimeout(settling);
      while (untold.length + dirty.size > 0) settle();
      watchers.close();
      inbox.end();
    },
  };
}

/**
 * Deletions of the last moments. When a path is looked at before inotify has told that it is gone, it is touched
 * once more afterwards, and is not to be told of as something that came and went.
 */
function createGoneLately(keptMs: number): { isNews(change: Change): boolean } {
  let [recent, older] = [new Set<BytePath>(), new Set<BytePath>()];
  let sinceMs = 0;
  return {
    isNews(change) {
      const nowMs = performance.now();
      if (nowMs - sinceMs > keptMs) {
        older = nowMs - sinceMs > 2 * keptMs ? new Set() : recent;
        recent = new Set();
        sinceMs = nowMs;
      }
      const isNew = !('transient' in change && (recent.has(change.path) || older.has(change.path)));
      if (change.op === 'delete') recent.add(change.path);
      return isNew;
    },
  };
}

/** Came and went is only what inotify has told of, not what was looked for and has gone meanwhile. */
function isSeen(change: Change, paths: ReadonlyMap<BytePath, Reason>): boolean {
  return !('transient' in change) || paths.get(change.path) === 'told';
}

/** In the order in which they came: the two names of a rename stand beside each other. */
function takeFirst(dirty: Map<BytePath, Reason>, most: number): Map<BytePath, Reason> {
  const taken = new Map<BytePath, Reason>();
  for (const [path, reason] of dirty) {
    if (taken.size === most) break;
    taken.set(path, reason);
    dirty.delete(path);
  }
  return taken;
}

/** Paths at which there is no longer the directory that there was. */
function foldersLeft(changes: readonly Change[]): Set<BytePath> {
  const left = new Set<BytePath>();
  for (const change of changes) {
    if ('transient' in change) left.add(change.path);
    else if (change.entry.type !== 'directory') continue;
    else if (change.op === 'rename') left.add(change.from);
    else if (change.op === 'delete') left.add(change.path);
  }
  return left;
}

function describe(change: Change, ts: number): Record<string, unknown> {
  const { op } = change;
  const named = { ts, op, ...pathFields('path', change.path) };
  if ('transient' in change) return { ...named, transient: true };
  const { type, size, mode, uid, gid, target } = change.entry;
  return {
    ...named,
    ...(change.op === 'rename' ? pathFields('from', change.from) : {}),
    type,
    size,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    ...(target === undefined ? {} : pathFields('target', target)),
  };
}

/** The path as text, and as hex where text cannot say it exactly. */
function pathFields(field: string, path: BytePath): Record<string, string> {
  const bytes = toBuffer(path);
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes)
    ? { [field]: text }
    : { [field]: text, [`${field}_hex`]: bytes.toString('hex') };
}

function exists(path: BytePath): boolean {
  try {
    return lstatSync(toBuffer(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
