/**
 * One open file of a file source: its descriptor, who it is, and whether it has been rotated away.
 *
 * Who it is are device, inode and its first bytes. Inodes are given to new files, and a file can be written anew
 * in its place; then it begins otherwise.
 */
import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../errors.js';

export interface Tail {
  /** Where it was found last; after a rotation another file may be there. */
  path: string;
  /** Negative once it is closed. */
  fd: number;
  /** Device and inode. Text, because inodes can be larger than a number is exact. */
  readonly id: string;
  head: Head;
  /** Bytes at the last look; nobody reads past them. */
  size: number;
  modifiedNs: bigint;
  /** When it was last seen to change, or to have left its path, on the clock that never goes back. */
  changedMs: number;
  /** Its path names another file or none: it will be read to its end and closed. */
  isRotated: boolean;
}

/** The first bytes of a file: how many, and their digest. */
export interface Head {
  readonly bytes: number;
  readonly digest: string;
}

/** What a path names now. */
export type Found =
  | { readonly kind: 'file'; readonly id: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly why: string };

export type Opened = { readonly kind: 'open'; readonly tail: Tail } | Exclude<Found, { kind: 'file' }>;

const HEAD_BYTES_MAX = 256;
/** Files that are looked at in a folder for those that were rotated while nobody watched. */
const SIBLINGS_MAX = 16_384;

export function lookAt(path: string): Found {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat) return { kind: 'missing' };
    return stat.isFile() ? { kind: 'file', id: idOf(stat) } : { kind: 'refused', why: 'not a regular file' };
  } catch (error) {
    return { kind: 'refused', why: systemCode(error) };
  }
}

/** Opens a regular file. Nothing else is even opened: a FIFO has a writer, a device may do things. */
export function openTail(path: string): Opened {
  const found = lookAt(path);
  if (found.kind !== 'file') return found;
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stat = fstatSync(fd, { bigint: true });
    if (stat.isFile()) return { kind: 'open', tail: toTail(path, fd, stat) };
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    const code = systemCode(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? { kind: 'missing' } : { kind: 'refused', why: code };
  }
  closeSync(fd);
  return { kind: 'refused', why: 'not a regular file' };
}

function toTail(path: string, fd: number, stat: BigIntStats): Tail {
  const size = Number(stat.size);
  const head = readHead(fd, size);
  const changedMs = performance.now();
  return { path, fd, id: idOf(stat), head, size, modifiedNs: stat.mtimeNs, changedMs, isRotated: false };
}

function idOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** The first bytes of a file of this size. */
function readHead(fd: number, size: number): Head {
  const first = Buffer.alloc(Math.min(size, HEAD_BYTES_MAX));
  return digestOf(first.subarray(0, readSync(fd, first, 0, first.length, 0)));
}

function digestOf(first: Uint8Array): Head {
  return { bytes: first.length, digest: createHash('sha256').update(first).digest('hex').slice(0, 16) };
}

/** True when the file still begins with these bytes. */
export function hasHead(tail: Tail, { bytes, digest }: Head): boolean {
  if (bytes === tail.head.bytes) return digest === tail.head.digest;
  return bytes <= HEAD_BYTES_MAX && readHead(tail.fd, bytes).digest === digest;
}

/** Finds and opens files among the neighbours of the paths at which they were; each folder is read once. */
export function createRotatedFinder(): (path: string, id: string) => Tail | undefined {
  const folders = new Map<string, Map<string, string>>();
  return (path, id) => {
    const folder = dirname(path);
    const names = folders.get(folder) ?? namesById(folder);
    folders.set(folder, names);
    const name = names.get(id);
    if (!name?.startsWith(stem(path))) return undefined;
    const opened = openTail(join(folder, name));
    if (opened.kind !== 'open') return undefined;
    if (opened.tail.id === id) return { ...opened.tail, path, isRotated: true };
    closeTail(opened.tail);
    return undefined;
  };
}

function namesById(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  try {
    for (const name of readdirSync(folder).slice(0, SIBLINGS_MAX)) {
      const at = lookAt(join(folder, name));
      if (at.kind === 'file') found.set(at.id, name);
    }
  } catch {
    // It is gone, or not ours to read: nothing is found in it.
  }
  return found;
}

/** Rotated names keep the beginning: `auth.log.1`, `auth-20260131.log`. */
function stem(path: string): string {
  return basename(path).split('.')[0] as string;
}

/** Looks again: has it grown or left its path, or was it written anew in its place? */
export function lookAgain(tail: Tail, nowMs: number): 'same' | 'changed' | 'rewritten' {
  try {
    const atPath = tail.isRotated ? undefined : statSync(tail.path, { bigint: true, throwIfNoEntry: false });
    const isThere = atPath !== undefined && idOf(atPath) === tail.id;
    const stat = isThere ? atPath : fstatSync(tail.fd, { bigint: true });
    const hasLeft = !tail.isRotated && !isThere;
    const size = Number(stat.size);
    const isWritten = size !== tail.size || stat.mtimeNs !== tail.modifiedNs;
    if (!isWritten && !hasLeft) return 'same';
    const isRewritten = isWritten && (size < tail.size || !hasHeadNow(tail, size));
    if (isWritten && (isRewritten || tail.head.bytes < HEAD_BYTES_MAX)) tail.head = readHead(tail.fd, size);
    tail.size = size;
    tail.modifiedNs = stat.mtimeNs;
    tail.changedMs = nowMs;
    tail.isRotated ||= hasLeft;
    return isRewritten ? 'rewritten' : 'changed';
  } catch {
    // A folder that may not be searched now, a file server that is away: nothing is known, so nothing has changed.
    return 'same';
  }
}

function hasHeadNow(tail: Tail, size: number): boolean {
  return readHead(tail.fd, Math.min(size, tail.head.bytes)).digest === tail.head.digest;
}

/** Bytes read at `offset`; 0 at the end. */
export function readTail(tail: Tail, target: Uint8Array, offset: number): number {
  return readSync(tail.fd, target, 0, target.length, offset);
}

export function closeTail(tail: Tail): void {
  if (tail.fd >= 0) closeSync(tail.fd);
  tail.fd = -1;
}
