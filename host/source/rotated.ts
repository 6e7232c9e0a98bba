/**
 * What rotation has made of files: found beside the paths at which they were.
 *
 * A file that was renamed is found by device and inode; the copy of one that was truncated, by what it holds. A file
 * that came to a path and was rotated away before anybody looked is found by its name, the whole name of the path with `.` or
 * `-` and a number behind it, and its times: it was made and written after all that was seen at that path. So what was there
 * before the first start is never taken for new. Of a path that is a link, the folder of its target is searched, too.
 * Links among the neighbours are never followed: the config does not name them. Where a file system keeps no time of birth (UBIFS,
 * NFS 3), a rotated file to which somebody writes after it was read to its end and closed is taken for one that came.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { closeTail, holds, idOf, inodeOf, type Known, msOf, openTail, readTail, type Tail } from './tail.js';

export interface Neighbour {
  readonly path: string;
  readonly id: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/** When a file was seen, see `Tail`. */
type Seen = Pick<Tail, 'modifiedMs' | 'seenMs'>;

export interface Neighbours {
  /** Where the file is that was at a path: under another name, or in a copy. */
  find(path: string, known: Known & Seen): Neighbour | undefined;
  /** The copy that was made of a file before it was written anew. */
  copyOf(path: string, known: Known & Seen): Neighbour | undefined;
  /**
   * What came to a path after the latest modification that was seen there, and was rotated away; oldest first. A file that is one
   * of `rewritten`, by inode, came there when it was written anew.
   */
  since(path: string, seenMs: number, rewritten: ReadonlySet<string>): readonly Neighbour[];
  /** What was rotated away and compressed since, oldest first. */
  compressedSince(path: string, seenMs: number): readonly Neighbour[];
}

/** A folder as it was when its own time of change was this, on the clock of its files. */
interface Folder {
  readonly changedMs: number;
  readonly names: readonly string[];
  /** Names by what they are rotated names of, compressed ones, too. */
  readonly byOriginal: ReadonlyMap<string, readonly string[]>;
  /** Names by inode, once somebody asks. */
  byInode?: ReadonlyMap<string, string>;
}

/** Changes of a folder within this time may have the same time of change. */
const FOLDER_TICK_MS = 20;
/** Files that are looked at in one folder. */
const NEIGHBOURS_MAX = 16_384;
const COMPRESSED = /\.(gz|xz|zst|bz2|zip|lz4)$/;
/** Compressing keeps the time of modification, in some versions of some programs to the second. */
const COMPRESSED_TIME_MS = 1_000;
const ROTATED_SUFFIX = /^[.-]\d[\dTZ+._:-]*$/;

export function isCompressed(path: string): boolean {
  return COMPRESSED.test(path);
}

/** The paths of which a path can be a rotated name: `auth.log` for `auth.log.1`, `auth.log-20260131`. */
export function originalsOf(path: string): readonly string[] {
  return originalNames(basename(path)).map((name) => join(dirname(path), name));
}

function originalNames(name: string): readonly string[] {
  return [...name.matchAll(/[.-](?=\d)/g)]
    .map(({ index }) => index)
    .filter((at) => at > 0 && ROTATED_SUFFIX.test(name.slice(at)))
    .map((at) => name.slice(0, at));
}

/** The bytes of a file before it was compressed, where that can be known: gzip tells them (RFC 1952, ISIZE). */
export function unpackedBytes({ path, size }: Neighbour): number | undefined {
  const opened = path.endsWith('.gz') ? openTail(path, Number.POSITIVE_INFINITY) : undefined;
  if (opened?.kind !== 'open') return undefined;
  const last = Buffer.alloc(4);
  try {
    const read = size > last.length ? readTail(opened.tail, last, size - last.length) : 0;
    return read === last.length ? last.readUInt32LE() : undefined;
  } catch {
    return undefined;
  } finally {
    closeTail(opened.tail);
  }
}

/** Names of a folder are read once, and again when it has changed. */
export function createNeighbours(): Neighbours {
  const folders = new Map<string, Folder>();

  function folderAt(path: string): Folder {
    const changedMs = changeOf(path);
    const before = folders.get(path);
    if (before?.changedMs === changedMs && Date.now() - changedMs > FOLDER_TICK_MS) return before;
    const names = namesIn(path);
    const folder = { changedMs, names, byOriginal: byOriginal(names) };
    folders.set(path, folder);
    return folder;
  }

  /** What has a rotated name of the path, oldest first. */
  function rotated(path: string, kind: 'plain' | 'compressed'): Neighbour[] {
    const found = homesOf(path).flatMap((home) => {
      const folder = dirname(home);
      const names = folderAt(folder).byOriginal.get(basename(home)) ?? [];
      return names
        .filter((name) => isCompressed(name) === (kind === 'compressed'))
        .flatMap((name) => neighbourAt(join(folder, name)));
    });
    return found.sort(
      (a, b) => a.modifiedMs - b.modifiedMs || b.path.localeCompare(a.path, 'en', { numeric: true }),
    );
  }

  function findById(path: string, known: Known & Seen): Neighbour | undefined {
    for (const home of homesOf(path)) {
      const at = dirname(home);
      const folder = folderAt(at);
      folder.byInode ??= new Map(folder.names.map((name) => [inodeAt(join(at, name)), name]));
      const name = folder.byInode.get(inodeOf(known.id));
      if (name === undefined || !isAlike(name, basename(home))) continue;
      const [found] = neighbourAt(join(at, name));
      // An empty file is held by any: one that was born later has only been given its inode.
      const isIt = known.size > 0 || bornMs(join(at, name)) <= known.seenMs;
      if (found && isIt && holdsAt(found, known)) return found;
    }
    return undefined;
  }

  function copyOf(path: string, known: Known & Seen): Neighbour | undefined {
    if (known.size === 0) return undefined;
    const [first, ...later] = rotated(path, 'plain').filter(
      (found) => found.id !== known.id && found.modifiedMs >= known.modifiedMs && holdsAt(found, known),
    );
    // The oldest: of what was written later the copies may begin alike. But one that goes on where it ends has more of it.
    return later.reduce((copy, next) => (copy && isContinued(copy, next) ? next : copy), first);
  }

  return {
    find: (path, known) => findById(path, known) ?? copyOf(path, known),
    copyOf,
    since: (path, seenMs, rewritten) =>
      rotated(path, 'plain').filter(
        (found) =>
          found.modifiedMs > seenMs && (rewritten.has(inodeOf(found.id)) || isBornSince(found, seenMs)),
      ),
    compressedSince: (path, seenMs) =>
      rotated(path, 'compressed').filter((found) => found.modifiedMs >= seenMs - COMPRESSED_TIME_MS),
  };
}

/** The places beside which to look: the path's own, and where it leads to as a link, also when nothing is there now. */
function homesOf(path: string): readonly string[] {
  const target = targetOf(path);
  return target === path ? [path] : [path, target];
}

function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Nothing is there.
  }
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return path;
  }
}

/**
 * Rotated names keep the beginning (`auth.log.1`, `auth-20260131.log`). What a link leads to may differ in its numbers:
 * `app-20260131.log`, `app-20260201.log`.
 */
function isAlike(name: string, base: string): boolean {
  const stem = base.split('.')[0] || base;
  const shape = (text: string) => text.replace(/\d+/g, '0');
  return name.startsWith(stem) || shape(name) === shape(base);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).slice(0, NEIGHBOURS_MAX);
  } catch {
    // It is gone, or not ours to read: nothing is found in it.
    return [];
  }
}

function byOriginal(names: readonly string[]): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of names) {
    const plain = name.replace(COMPRESSED, '');
    for (const original of [...originalNames(plain), ...(plain === name ? [] : [plain])]) {
      const of = found.get(original);
      if (of) of.push(name);
      else found.set(original, [name]);
    }
  }
  return found;
}

function changeOf(folder: string): number {
  try {
    return statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  } catch {
    return 0;
  }
}

function statOf(path: string) {
  try {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stat?.isFile() ? stat : undefined;
  } catch {
    return undefined;
  }
}

function inodeAt(path: string): string {
  const stat = statOf(path);
  return stat ? inodeOf(idOf(stat)) : '';
}

/** One regular file, or none. */
function neighbourAt(path: string): Neighbour[] {
  const stat = statOf(path);
  return stat ? [{ path, id: idOf(stat), size: Number(stat.size), modifiedMs: msOf(stat.mtimeNs) }] : [];
}

/** Since 1970; 0 where the file system does not know. */
function bornMs(path: string): number {
  return msOf(statOf(path)?.birthtimeNs ?? 0n);
}

/** Where the time of birth is not known, that of modification has to do. */
function isBornSince({ path }: Neighbour, seenMs: number): boolean {
  const born = bornMs(path);
  return born === 0 || born >= seenMs;
}

/** True when the other one holds all of the one, and more. */
function isContinued(one: Neighbour, other: Neighbour): boolean {
  const opened = openTail(one.path, Number.POSITIVE_INFINITY);
  if (opened.kind !== 'open') return false;
  closeTail(opened.tail);
  return holdsAt(other, opened.tail);
}

function holdsAt({ path, id }: Neighbour, known: Known): boolean {
  const opened = openTail(path, Number.POSITIVE_INFINITY);
  if (opened.kind !== 'open') return false;
  const isHeld = opened.tail.id === id && holds(opened.tail, known);
  closeTail(opened.tail);
  return isHeld;
}
