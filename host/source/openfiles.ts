/**
 * The open files of one file source, in the order in which they are read: that of the config, and of one path the
 * older ones first. Each is found by device and inode, and by its path while that names it.
 */
import { readFileSync } from 'node:fs';
import { DESCRIPTORS_RESERVED } from '../limits.js';
import { closeTail, type Tail } from './tail.js';

export interface OpenFiles {
  readonly tails: readonly Tail[];
  byId(id: string): Tail | undefined;
  /** The file that the path names. */
  byPath(path: string): Tail | undefined;
  /** The latest modification that was seen of any file of the path, since 1970; 0 when there is none. */
  seenMs(path: string): number;
  /** Puts files that are not there yet at a place in the order. */
  insert(at: number, tails: readonly Tail[]): void;
  /** Puts a file behind those that were at its path before, else at the end. */
  add(tail: Tail): void;
  /** Takes a file out, and leaves it open. */
  remove(tail: Tail): void;
  /** A path names a file that had left the one at which it was. */
  comeTo(path: string, tail: Tail): void;
  close(): void;
}

export function createOpenFiles(): OpenFiles {
  const tails: Tail[] = [];
  const byId = new Map<string, Tail>();
  /** The files that are at a path or were there before they came to another one. */
  const ofPath = new Map<string, Tail[]>();

  function pathsOf({ path, pathBefore }: Tail): readonly string[] {
    return path === pathBefore ? [path] : [path, pathBefore];
  }

  function index(tail: Tail): void {
    byId.set(tail.id, tail);
    for (const path of pathsOf(tail)) ofPath.set(path, [...(ofPath.get(path) ?? []), tail]);
  }

  function unindex(tail: Tail): void {
    if (byId.get(tail.id) === tail) byId.delete(tail.id);
    for (const path of pathsOf(tail)) {
      const others = (ofPath.get(path) ?? []).filter((other) => other !== tail);
      if (others.length > 0) ofPath.set(path, others);
      else ofPath.delete(path);
    }
  }

  function seenMs(path: string): number {
    return Math.max(0, ...(ofPath.get(path) ?? []).map((tail) => tail.seenMs));
  }

  function insert(at: number, added: readonly Tail[]): void {
    for (const tail of added) {
      tail.seenMs = Math.max(tail.seenMs, seenMs(tail.path));
      index(tail);
    }
    tails.splice(at, 0, ...added);
  }

  return {
    tails,
    byId: (id) => byId.get(id),
    byPath: (path) => ofPath.get(path)?.find((tail) => tail.path === path && !tail.isRotated),
    seenMs,
    insert,
    add(tail) {
      const before = pathsOf(tail).flatMap((path) => ofPath.get(path) ?? []);
      const last =
        before.length > 0 ? Math.max(...before.map((one) => tails.indexOf(one))) : tails.length - 1;
      insert(last + 1, [tail]);
    },
    remove(tail) {
      unindex(tail);
      tails.splice(tails.indexOf(tail), 1);
      for (const path of pathsOf(tail))
        for (const other of ofPath.get(path) ?? []) other.seenMs = Math.max(other.seenMs, tail.seenMs);
    },
    comeTo(path, tail) {
      unindex(tail);
      Object.assign(tail, { path, pathBefore: tail.path, isRotated: false });
      index(tail);
    },
    close() {
      for (const tail of tails) closeTail(tail);
    },
  };
}

/** The descriptors that files may have of those that this process may open; Node asks for as many as it can get. */
export function descriptorsMax(): number {
  try {
    const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    return limit > 0 ? Math.max(limit - DESCRIPTORS_RESERVED, limit / 2) : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
