/**
 * The `watch` source: what is created, modified, deleted and renamed in directory trees.
 *
 * inotify (through `fs.watch`, one watch a directory) says where to look; a snapshot says what has become of it. So
 * one event tells the state after a burst of changes, at most one a path in each `settleMs`, and a path that came
 * and went unseen is still told. A new directory is watched before it is searched, so nothing made in it is
 * missed. What inotify itself may drop is found by looking at everything again from time to time.
 *
 * Each event is a line of JSON: ts, op, path, from (of a rename), type, size, mode (octal), uid, gid, target (of a
 * link). A name that is not UTF-8 stands in path_hex, too. Contents are never read.
 */
import { type FSWatcher, lstatSync, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { systemCode } from '../errors.js';
import { WATCH_DIRECTORIES_MAX, WATCH_ENTRIES_MAX, WATCH_RESCAN_MS, WATCH_SETTLE_MS } from '../limits.js';
import { createInbox, INBOX_DEFAULTS, type InboxOptions } from './inbox.js';
import { createNotices } from './notices.js';
import {
  type BytePath,
  type Change,
  childrenOf,
  createSnapshot,
  fromText,
  join,
  toBuffer,
} from './snapshot.js';
import type { Source } from './source.js';

export interface WatchOptions {
  readonly settleMs?: number;
  readonly rescanMs?: number;
  readonly entriesMax?: number;
  readonly directoriesMax?: number;
  readonly now?: () => number;
  readonly inbox?: InboxOptions;
}

/** Entries looked at before others get their turn. */
const SLICE_ENTRIES = 500;

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
  const watchers = new Map<BytePath, FSWatcher>();
  const dirty = new Set<BytePath>();
  let settling: NodeJS.Timeout | undefined;
  let rescanning: NodeJS.Timeout | undefined;
  let isClosed = false;

  const isInScope = (path: BytePath) =>
    rootPaths.some((root) => path === root || root === '/' || path.startsWith(`${root}/`));

  function touch(path: BytePath): void {
    if (!isInScope(path) || dirty.size > entriesMax) return;
    dirty.add(path);
    settling ??= setTimeout(settle, settleMs);
  }

  function settle(): void {
    settling = undefined;
    const paths = [...dirty];
    dirty.clear();
    for (const change of snapshot.compare(paths)) {
      follow(change);
      inbox.append(Buffer.from(JSON.stringify(describe(change, now()))));
    }
  }

  /** Keeps the watches on the directories that there are. */
  function follow(change: Change): void {
    if (change.op === 'rename') unwatchTree(change.from);
    if (change.op === 'delete') unwatchTree(change.path);
    if (change.op === 'delete' || change.entry.type !== 'directory') return;
    const isNew = watchDirectory(change.path);
    if (change.op === 'rename') for (const path of snapshot.below(change.path)) follow(renamedInside(path));
    else if (isNew) for (const child of childrenOf(change.path)) touch(child);
  }

  function renamedInside(path: BytePath): Change {
    return {
      op: 'rename',
      path,
      from: path,
      entry: snapshot.get(path) as NonNullable<ReturnType<typeof snapshot.get>>,
    };
  }

  function unwatchTree(path: BytePath): void {
    for (const [watched, watcher] of watchers) {
      if (watched !== path && !watched.startsWith(`${path}/`)) continue;
      watcher.close();
      watchers.delete(watched);
    }
  }

  /** inotify tells of the directory itself under its own name, as if a child were called so. */
  function touchChild(path: BytePath, child: Buffer | null): void {
    const touched = child ? join(path, child) : path;
    if (child && touched.endsWith(`${path.slice(path.lastIndexOf('/'))}`)) {
      touch(path);
      if (!snapshot.has(touched) && !exists(touched)) return;
    }
    touch(touched);
  }

  /** Watches a directory; true when it was not watched before. */
  function watchDirectory(path: BytePath): boolean {
    if (isClosed || watchers.has(path)) return false;
    if (watchers.size >= directoriesMax) {
      sayWatch(
        `more than ${directoriesMax} directories: ${shown(path)} and others are only looked at every ${rescanMs} ms`,
      );
      return true;
    }
    try {
      const watcher = watch(toBuffer(path), { encoding: 'buffer' }, (_event, child) => {
        touchChild(path, child as Buffer | null);
      });
      watcher.on('error', () => touch(path));
      watchers.set(path, watcher);
    } catch (error) {
      const code = systemCode(error);
      const advice = code === 'ENOSPC' ? '; raise it with sysctl fs.inotify.max_user_watches' : '';
      if (code !== 'ENOENT') sayWatch(`${shown(path)}: not watched: ${code}${advice}`);
    }
    return true;
  }

  /** Learns a tree as it is, without telling. */
  async function learnTree(root: BytePath): Promise<void> {
    const found = [root];
    for (let at = 0; at < found.length && found.length <= entriesMax; at++) {
      const path = found[at] as BytePath;
      if (snapshot.learn(path)?.type === 'directory') {
        watchDirectory(path);
        found.push(...childrenOf(path));
      }
      if (at % SLICE_ENTRIES === 0) await breathe();
    }
  }

  /** A root that is a file is seen through its folder, and so is one that is not there yet. */
  function watchRoot(root: BytePath): void {
    const isDirectory = snapshot.get(root)?.type === 'directory';
    if (!isDirectory) watchDirectory(fromText(dirname(toBuffer(root).toString())));
  }

  /** Looks at everything again: for what inotify dropped, and for directories that are not watched. */
  function rescan(): void {
    for (const root of rootPaths) {
      touch(root);
      for (const path of [root, ...snapshot.below(root)]) {
        touch(path);
        if (snapshot.get(path)?.type === 'directory') for (const child of childrenOf(path)) touch(child);
      }
    }
  }

  return {
    name,
    async open() {
      for (const root of rootPaths) {
        await learnTree(root);
        if (!snapshot.has(root)) notices.say(`${shown(root)}: is not there yet; waiting for it`);
        watchRoot(root);
      }
      rescanning = setInterval(rescan, rescanMs);
    },
    cursor: () => inbox.cursor(),
    onData: (wake) => inbox.onData(wake),
    onNotice: (tell) => notices.onNotice(tell),
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(rescanning);
      clearTimeout(settling);
      settle();
      for (const watcher of watchers.values()) watcher.close();
      inbox.end();
    },
  };
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
    ...(target === undefined ? {} : { target }),
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
  return lstatSync(toBuffer(path), { throwIfNoEntry: false }) !== undefined;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function shown(path: BytePath): string {
  return toBuffer(path).toString('utf8');
}
