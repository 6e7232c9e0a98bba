/**
 * One open file of a file source: its descriptor, what it held at the last look, and whether it has been rotated away.
 *
 * A file is known by device and inode, and by a sample of its bytes. Inodes are given to new files, a file can be written
 * anew in its place, and its bytes can go on in a copy; the sample tells these apart. It holds the first bytes, and some
 * near the end:
 *
 *     0        256            size - 288  size - 32  size
 *     | sampled |     ...        | sampled |          |
 *
 * The very end is left out, because some writers overwrite a closing bracket or tag.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { systemCode } from '../errors.js';

/** What a file held at a look. A file that holds it, and perhaps more behind it, is that one or a copy of it. */
export interface Known {
  /** Device and inode. Text, because inodes can be larger than a number is exact. */
  readonly id: string;
  readonly size: number;
  /** Of its sample. */
  readonly digest: string;
}

export interface Tail extends Known {
  /** Where it was found last; after a rotation another file may be there. */
  path: string;
  /** Where it was before it came to this path; the same when it did not. */
  pathBefore: string;
  /** Negative once it is closed. */
  fd: number;
  id: string;
  /** The device and inode under which its bytes were known first: a copy has others than what it is a copy of. */
  knownAs: string;
  /** Bytes at the last look; nobody reads past them. */
  size: number;
  digest: string;
  /** Since 1970. */
  modifiedMs: number;
  /** The latest modification that was seen of any file of its path, since 1970: what came after it is new. */
  seenMs: number;
  /** When it was last seen to change, or to have left its path, on the clock that never goes back. */
  changedMs: number;
  /** Its path names another file or none: it will be read to its end and closed. */
  isRotated: boolean;
}

/** What a path names now. */
export type Found =
  | { readonly kind: 'file'; readonly id: string; readonly modifiedMs: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly why: string };

export type Opened = { readonly kind: 'open'; readonly tail: Tail } | Exclude<Found, { kind: 'file' }>;

/** `left`: its path names another file now. `rewritten`: it holds something else; nothing of the tail has been changed. */
export type Look = 'same' | 'changed' | 'left' | 'rewritten';

/** Of the first bytes, and of those near the end. */
const SAMPLE_BYTES = 256;
const UNSAMPLED_END_BYTES = 32;
/** From this size on a file is known by its bytes alone, whatever its name and inode. */
export const KNOWN_BYTES_MIN = 2 * SAMPLE_BYTES + UNSAMPLED_END_BYTES;

export function lookAt(path: string): Found {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat) return { kind: 'missing' };
    if (!stat.isFile()) return { kind: 'refused', why: 'not a regular file' };
    return { kind: 'file', id: idOf(stat), modifiedMs: msOf(stat.mtimeNs) };
  } catch (error) {
    return { kind: 'refused', why: systemCode(error) };
  }
}

/**
 * Opens a regular file. Nothing else is even opened: a FIFO has a writer, a device may do things. Descriptors from
 * `fdsMax` on are for others: the lowest free one is given, so that at least as many are open.
 */
export function openTail(path: string, fdsMax: number): Opened {
  const found = lookAt(path);
  if (found.kind !== 'file') return found;
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stat = fstatSync(fd, { bigint: true });
    if (stat.isFile() && fd < fdsMax) return { kind: 'open', tail: toTail(path, fd, stat) };
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    const code = systemCode(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? { kind: 'missing' } : { kind: 'refused', why: code };
  }
  closeSync(fd);
  return { kind: 'refused', why: fd < fdsMax ? 'not a regular file' : 'EMFILE' };
}

function toTail(path: string, fd: number, stat: BigIntStats): Tail {
  const id = idOf(stat);
  const size = Number(stat.size);
  const modifiedMs = msOf(stat.mtimeNs);
  return {
    ...{ path, pathBefore: path, fd, id, knownAs: id, size, digest: digestOf(fd, size), isRotated: false },
    ...{ modifiedMs, seenMs: modifiedMs, changedMs: performance.now() },
  };
}

/** The digest of the sample of a file, were it of this size. */
function digestOf(fd: number, size: number): string {
  const hash = createHash('sha256').update(readPart(fd, 0, Math.min(size, SAMPLE_BYTES)));
  const end = Math.max(0, size - UNSAMPLED_END_BYTES);
  const start = Math.max(0, end - SAMPLE_BYTES);
  return hash
    .update(readPart(fd, start, end - start))
    .digest('hex')
    .slice(0, 16);
}

function readPart(fd: number, offset: number, bytes: number): Uint8Array {
  const part = Buffer.alloc(bytes);
  return part.subarray(0, bytes === 0 ? 0 : readSync(fd, part, 0, bytes, offset));
}

/** True when the file holds what was known, and perhaps more behind it; false also when it cannot be read. */
export function holds(file: Tail, { size, digest }: Pick<Known, 'size' | 'digest'>): boolean {
  if (file.size === size) return file.digest === digest;
  try {
    return file.size > size && digestOf(file.fd, size) === digest;
  } catch {
    return false;
  }
}

export function idOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** Some file systems get another device number with each boot; a file's inode stays. */
export function inodeOf(id: string): string {
  return id.slice(id.indexOf(':'));
}

export function msOf(ns: bigint): number {
  return Number(ns) / 1e6;
}

/** Looks again: has it grown or left its path, or was it written anew in its place? */
export function lookAgain(tail: Tail, nowMs: number): Look {
  try {
    const atPath = tail.isRotated ? undefined : statSync(tail.path, { bigint: true, throwIfNoEntry: false });
    const isThere = atPath !== undefined && idOf(atPath) === tail.id;
    const stat = isThere ? atPath : fstatSync(tail.fd, { bigint: true });
    const hasLeft = !tail.isRotated && !isThere;
    const isWritten = isOther(tail, stat);
    if (!isWritten && !hasLeft) return 'same';
    if (isWritten) {
      const size = Number(stat.size);
      if (size < tail.size || digestOf(tail.fd, tail.size) !== tail.digest) return 'rewritten';
      tail.digest = digestOf(tail.fd, size);
      tail.size = size;
      tail.modifiedMs = msOf(stat.mtimeNs);
      tail.seenMs = Math.max(tail.seenMs, tail.modifiedMs);
    }
    tail.changedMs = nowMs;
    tail.isRotated ||= hasLeft;
    return hasLeft ? 'left' : 'changed';
  } catch {
    // A folder that may not be searched now, a file server that is away: nothing is known, so nothing has changed.
    return 'same';
  }
}

/** False when nobody has written to it since the last look. */
export function isWrittenSince(tail: Tail): boolean {
  try {
    return isOther(tail, fstatSync(tail.fd, { bigint: true }));
  } catch {
    return false;
  }
}

function isOther({ size, modifiedMs }: Tail, stat: BigIntStats): boolean {
  return Number(stat.size) !== size || msOf(stat.mtimeNs) !== modifiedMs;
}

/** A file that was written anew is another one with the same descriptor, which it takes over; none when it cannot be read. */
export function rewound(tail: Tail): Tail | undefined {
  try {
    const anew = toTail(tail.path, tail.fd, fstatSync(tail.fd, { bigint: true }));
    tail.fd = -1;
    return { ...anew, isRotated: tail.isRotated };
  } catch {
    return undefined;
  }
}

/** Bytes read at `offset`; 0 at the end. */
export function readTail(tail: Tail, target: Uint8Array, offset: number): number {
  return readSync(tail.fd, target, 0, target.length, offset);
}

export function closeTail(tail: Tail): void {
  if (tail.fd >= 0) closeSync(tail.fd);
  tail.fd = -1;
}
