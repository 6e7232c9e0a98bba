/**
 * What a directory tree looked like: the entries below the watched roots, by path, and what became of them.
 *
 * Paths are byte strings (latin1 text, one character a byte), because names need not be UTF-8. Links are looked at,
 * never followed. The number of entries is limited; what does not fit is told as it changes, but not remembered.
 */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';

/** A path as a text of its bytes. */
export type BytePath = string;

export interface Entry {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly target?: string;
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
  /** Compares the paths with what is remembered, remembers how they are now, and tells what has changed. */
  compare(paths: Iterable<BytePath>): Change[];
  size(): number;
}

export function createSnapshot(entriesMax: number, onFull: () => void): Snapshot {
  const entries = new Map<BytePath, Entry>();

  function remember(path: BytePath, entry: Entry): void {
    if (entries.size >= entriesMax && !entries.has(path)) onFull();
    else entries.set(path, entry);
  }

  function below(path: BytePath): BytePath[] {
    const prefix = path.endsWith('/') ? path : `${path}/`;
    return [...entries.keys()].filter((found) => found.startsWith(prefix));
  }

  /** Forgets what lay in directories that are gone, and answers it. */
  function forgetBelow(folders: ReadonlySet<BytePath>): [BytePath, Entry][] {
    if (folders.size === 0) return [];
    const isBelow = (path: BytePath) => {
      for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
        if (folders.has(path.slice(0, slash))) return true;
      }
      return false;
    };
    const found = [...entries].filter(([path]) => isBelow(path));
    for (const [path] of found) entries.delete(path);
    return found;
  }

  /** Takes a renamed directory's entries along. */
  function move(from: BytePath, to: BytePath): void {
    for (const path of below(from)) {
      const entry = entries.get(path) as Entry;
      entries.delete(path);
      remember(to + path.slice(from.length), entry);
    }
  }

  return {
    has: (path) => entries.has(path),
    get: (path) => entries.get(path),
    below,
    size: () => entries.size,
    learn(path) {
      const entry = look(path);
      if (entry) remember(path, entry);
      return entry;
    },
    compare(paths) {
      const gone = new Map<BytePath, Entry>();
      const here: { path: BytePath; entry: Entry; before: Entry | undefined }[] = [];
      const changes: Change[] = [];
      for (const path of [...paths].sort()) {
        const before = entries.get(path);
        const entry = look(path);
        if (entry) here.push({ path, entry, before });
        else if (before) gone.set(path, before);
        else changes.push({ op: 'delete', path, transient: true });
      }
      const byIdentity = new Map([...gone].map(([path, entry]) => [identity(entry), path]));
      for (const path of gone.keys()) entries.delete(path);
      for (const { path, entry, before } of here) {
        const isSame = before !== undefined && identity(before) === identity(entry);
        const from = isSame ? undefined : byIdentity.get(identity(entry));
        if (from !== undefined) {
          byIdentity.delete(identity(entry));
          gone.delete(from);
          if (entry.type === 'directory') move(from, path);
          changes.push({ op: 'rename', path, from, entry });
        } else if (!before) changes.push({ op: 'create', path, entry });
        else if (!isSame || hasChanged(before, entry)) changes.push({ op: 'modify', path, entry });
        remember(path, entry);
      }
      const folders = new Set([...gone].filter(([, { type }]) => type === 'directory').map(([path]) => path));
      for (const [path, entry] of [...gone, ...forgetBelow(folders)])
        changes.push({ op: 'delete', path, entry });
      return changes;
    },
  };
}

/** Names in a directory as paths; nothing when it cannot be read. */
export function childrenOf(path: BytePath): BytePath[] {
  try {
    const names = readdirSync(toBuffer(path), { encoding: 'buffer' });
    return names.map((name) => join(path, name));
  } catch {
    return [];
  }
}

export function join(folder: BytePath, name: Buffer): BytePath {
  return `${folder === '/' ? '' : folder}/${name.toString('latin1')}`;
}

export function toBuffer(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

export function fromText(path: string): BytePath {
  return Buffer.from(path).toString('latin1');
}

function look(path: BytePath): Entry | undefined {
  let stat: BigIntStats | undefined;
  let target: string | undefined;
  try {
    stat = lstatSync(toBuffer(path), { bigint: true, throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) target = readlinkSync(toBuffer(path));
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
function identity({ dev, ino, type }: Entry): string {
  return `${dev} ${ino} ${type}`;
}

/** A directory's times and size change with each of its entries, which tell for themselves. */
function hasChanged(before: Entry, now: Entry): boolean {
  const isOtherwise = before.mode !== now.mode || before.uid !== now.uid || before.gid !== now.gid;
  if (now.type === 'directory') return isOtherwise;
  const isTouched = before.mtimeNs !== now.mtimeNs || before.ctimeNs !== now.ctimeNs;
  return isOtherwise || isTouched || before.size !== now.size || before.target !== now.target;
}
