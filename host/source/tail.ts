/**
 * One open file of a file source: its descriptor, who it is, and whether it has been rotated away.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../errors.js';

export interface Tail {
  /** Where it was found; after a rotation another file may be there. */
  readonly path: string;
  readonly fd: number;
  readonly dev: number;
  readonly ino: number;
  /** Bytes at the last look. */
  size: number;
  /** When it was last seen to grow, or to have left its path. */
  changedMs: number;
  /** Its path names another file or none: it will be read to its end and closed. */
  isRotated: boolean;
}

/** What opening a path gave. */
export type Opened =
  | { readonly kind: 'open'; readonly tail: Tail; readonly mtimeMs: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly why: string };

/** Siblings that are looked at for a file that was rotated while nobody watched. */
const SIBLINGS_MAX = 4096;

/** Opens a regular file. Anything else is refused, and nothing (a FIFO, a device) can make this wait. */
export function openTail(path: string): Opened {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const code = systemCode(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? { kind: 'missing' } : { kind: 'refused', why: code };
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    return { kind: 'refused', why: 'not a regular file' };
  }
  const { dev, ino, size, mtimeMs } = stat;
  const tail: Tail = { path, fd, dev, ino, size, changedMs: Date.now(), isRotated: false };
  return { kind: 'open', tail, mtimeMs };
}

/** Opens the file with this identity among the neighbours of `path`, where a rotation has moved it. */
export function openRotated(path: string, dev: number, ino: number): Tail | undefined {
  const folder = dirname(path);
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.startsWith(stem(path)));
  } catch {
    return undefined;
  }
  for (const name of names.slice(0, SIBLINGS_MAX)) {
    const sibling = join(folder, name);
    const stat = statSync(sibling, { throwIfNoEntry: false });
    if (stat?.dev !== dev || stat.ino !== ino) continue;
    const opened = openTail(sibling);
    if (opened.kind === 'open') return { ...opened.tail, path, isRotated: true };
  }
  return undefined;
}

/** Rotated names keep the beginning: `auth.log.1`, `auth-20260131.log`. */
function stem(path: string): string {
  return basename(path).split('.')[0] as string;
}

/** Looks again; true when it has changed: grown, shrunk, or left its path. */
export function lookAgain(tail: Tail, nowMs: number): boolean {
  const { size } = fstatSync(tail.fd);
  const atPath = tail.isRotated ? undefined : statSync(tail.path, { throwIfNoEntry: false });
  const hasLeft = !tail.isRotated && (atPath?.dev !== tail.dev || atPath.ino !== tail.ino);
  const hasChanged = size !== tail.size || hasLeft;
  if (hasLeft) tail.isRotated = true;
  if (hasChanged) tail.changedMs = nowMs;
  tail.size = size;
  return hasChanged;
}

/** Bytes read at `offset`; 0 at the end. */
export function readTail(tail: Tail, target: Uint8Array, offset: number): number {
  return readSync(tail.fd, target, 0, target.length, offset);
}

export function closeTail(tail: Tail): void {
  closeSync(tail.fd);
}
