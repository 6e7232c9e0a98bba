/**
 * What a directory tree looked like: the entries below the watched roots, by path, and what became of them.
 *
 * Links are looked at, never followed. The number of entries is limited; what does not fit is told as it changes, but not remembered.
 */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { type BytePath, folderOf, isBelow, join, toBuffer } from './paths.js';

export interface Entry {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly dev: bigint;
  readonly ino: bigint;
  /** An inode is given to the next new file at once; this is not. */
  readonly birthNs: bigint;
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly target?: BytePath;
}

export type Change =
  | { readonly op: 'create' | 'modify' | 'delete'; readonly path: BytePath; readonly entry: Entry }
  | { readonly op: 'rename'; readonly path: BytePath; readonly from: BytePath; readonly entry: Entry }
  /** It came and went before anyone could look. */
  | { readonly op: 'delete'; readonly path: BytePath; readonly transient: true };

export interface Snapshot {
  has(path: BytePath): boolean;
  get(path: BytePath): Entry | undefined;
  /** Paths below a directory, itself not included. */
  below(path: BytePath): BytePath[];
  /** Remembers how a path looks now without telling anyone; answers what is there. */
  learn(path: BytePath): Entry | undefined;
  /** True when a comparison would tell something of the path that it has not told before. */
  differs(path: BytePath): boolean;
  /** Compares the paths with what is remembered, remembers how they are now, and tells what has changed. */
  compare(paths: Iterable<BytePath>): Change[];
  isFull(): boolean;
}

/** A path that is there, and what was remembered of it. */
interface Seen {
  readonly path: BytePath;
  readonly entry: Entry;
  readonly before: Entry | undefined;
}

export function createSnapshot(entriesMax: number, onFull: () => void): Snapshot {
  const tree = createTree();

  function remember(path: BytePath, entry: Entry): void {
    if (tree.size() >= entriesMax && !tree.has(path)) onFull();
    else tree.set(path, entry);
  }

  function take(path: BytePath): Entry | undefined {
    const entry = tree.get(path);
    tree.delete(path);
    return entry;
  }

  /** Takes along what lies in a renamed directory; what of it was missing at its old path is looked for at the new. */
  function move(from: BytePath, to: BytePath, gone: Map<BytePath, Entry>, here: ReadonlySet<string>): void {
    const moved = (path: BytePath) => to + path.slice(from.length);
    for (const path of tree.below(from)) remember(moved(path), take(path) as Entry);
    for (const [path, entry] of gone) {
      if (!isBelow(path, from) || here.has(identity(entry))) continue;
      gone.delete(path);
      remember(moved(path), entry);
    }
  }

  /** Finds the new names of what is gone; takes it off `gone`. Answers old names by new ones. */
  function findRenamed(here: readonly Seen[], gone: Map<BytePath, Entry>): Map<BytePath, BytePath> {
    const renamed = new Map<BytePath, BytePath>();
    if (gone.size === 0) return renamed;
    const goneById = new Map([...gone].map(([path, entry]) => [identity(entry), path]));
    const hereById = new Set(here.map(({ entry }) => identity(entry)));
    for (const { path, entry, before } of here) {
      const from = before && isSame(before, entry) ? undefined : goneById.get(identity(entry));
      if (from === undefined) continue;
      goneById.delete(identity(entry));
      gone.delete(from);
      renamed.set(path, from);
      if (entry.type === 'directory') move(from, path, gone, hereById);
    }
    return renamed;
  }

  /** Forgets what lay in directories that are gone. */
  function forgetBelow(gone: Map<BytePath, Entry>, here: readonly Seen[]): void {
    const folders = [...gone].filter(([, { type }]) => type === 'directory').map(([path]) => path);
    if (folders.length === 0) return;
    const stillThere = new Set(here.map(({ path }) => path));
    for (const path of folders.flatMap(tree.below)) {
      if (!stillThere.has(path)) gone.set(path, take(path) as Entry);
    }
  }

  return {
    has: tree.has,
    get: tree.get,
    below: tree.below,
    isFull: () => tree.size() >= entriesMax,
    learn(path) {
      const entry = look(path);
      if (entry) remember(path, entry);
      return entry;
    },
    differs(path) {
      const before = tree.get(path);
      if (!before) return tree.size() < entriesMax && look(path) !== undefined;
      const entry = look(path);
      return !entry || !isSame(before, entry) || hasChanged(before, entry);
    },
    compare(paths) {
      const gone = new Map<BytePath, Entry>();
      const here: Seen[] = [];
      const unseen: BytePath[] = [];
      for (const path of [...paths].sort()) {
        const before = tree.get(path);
        const entry = look(path);
        const isKept = before && entry && (isSame(before, entry) || !isTree(before, entry));
        if (before && !isKept) gone.set(path, before);
        if (entry) here.push({ path, entry, before: isKept ? before : undefined });
        else if (!before) unseen.push(path);
      }
      for (const path of gone.keys()) tree.delete(path);
      const renamed = findRenamed(here, gone);
      forgetBelow(gone, here);
      const changes: Change[] = [...gone].map(([path, entry]) => ({ op: 'delete', path, entry }));
      for (const { path, entry, before } of here) {
        const from = renamed.get(path);
        if (from !== undefined) changes.push({ op: 'rename', path, from, entry });
        else if (!before) changes.push({ op: 'create', path, entry });
        else if (!isSame(before, entry) || hasChanged(before, entry))
          changes.push({ op: 'modify', path, entry });
        remember(path, entry);
      }
      // What was seen in a directory that then got another name is found under that.
      const left = [...renamed.values()];
      const hasLeft = (path: BytePath) => left.some((from) => isBelow(path, from));
      for (const path of unseen) if (!hasLeft(path)) changes.push({ op: 'delete', path, transient: true });
      return changes;
    },
  };
}

/** Entries by path, and by folder, so that what lies in a folder is found without looking at all of them. */
interface Tree {
  has(path: BytePath): boolean;
  get(path: BytePath): Entry | undefined;
  set(path: BytePath, entry: Entry): void;
  delete(path: BytePath): void;
  below(path: BytePath): BytePath[];
  size(): number;
}

function createTree(): Tree {
  const entries = new Map<BytePath, Entry>();
  const folders = new Map<BytePath, Set<BytePath>>();
  return {
    has: (path) => entries.has(path),
    get: (path) => entries.get(path),
    size: () => entries.size,
    set(path, entry) {
      entries.set(path, entry);
      const folder = folderOf(path);
      if (folder === undefined) return;
      const children = folders.get(folder);
      if (children) children.add(path);
      else folders.set(folder, new Set([path]));
    },
    delete(path) {
      if (!entries.delete(path)) return;
      const folder = folderOf(path);
      const children = folder === undefined ? undefined : folders.get(folder);
      children?.delete(path);
      if (children?.size === 0) folders.delete(folder as BytePath);
    },
    below(path) {
      const found = [...(folders.get(path) ?? [])];
      for (const child of found) for (const grandchild of folders.get(child) ?? []) found.push(grandchild);
      return found;
    },
  };
}

/** Names in a directory as paths; nothing when it cannot be read. */
export function childrenOf(path: BytePath): BytePath[] {
  try {
    return readdirSync(toBuffer(path), 'latin1').map((name) => join(path, name));
  } catch {
    return [];
  }
}

function look(path: BytePath): Entry | undefined {
  let stat: BigIntStats | undefined;
  let target: string | undefined;
  try {
    stat = lstatSync(toBuffer(path), { bigint: true, throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) target = readlinkSync(toBuffer(path), 'latin1');
  } catch {
    // Gone, or not to be looked at: the same to an observer.
    return undefined;
  }
  if (!stat) return undefined;
  const type = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : target === undefined
        ? 'other'
        : 'symlink';
  return {
    type,
    dev: stat.dev,
    ino: stat.ino,
    birthNs: stat.birthtimeNs,
    size: Number(stat.size),
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    ...(target === undefined ? {} : { target }),
  };
}

/** What stays the same when a file gets another name. */
function identity({ dev, ino, birthNs, type }: Entry): string {
  return `${dev} ${ino} ${birthNs} ${type}`;
}

function isSame(one: Entry, other: Entry): boolean {
  return one.ino === other.ino && identity(one) === identity(other);
}

/** Where a directory takes another entry's place, or gives it up, it is another tree: not the same one modified. */
function isTree(before: Entry, now: Entry): boolean {
  return before.type === 'directory' || now.type === 'directory';
}

/** A directory's times and size change with each of its entries, which tell for themselves. */
function hasChanged(before: Entry, now: Entry): boolean {
  const isOtherwise = before.mode !== now.mode || before.uid !== now.uid || before.gid !== now.gid;
  if (now.type === 'directory') return isOtherwise;
  const isTouched = before.mtimeNs !== now.mtimeNs || before.ctimeNs !== now.ctimeNs;
  return isOtherwise || isTouched || before.size !== now.size || before.target !== now.target;
}
