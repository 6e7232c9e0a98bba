/**
 * How far one filter has come in each open file of a file source: its cursor, and what is kept of it across restarts.
 *
 * A cursor has one file at a time. It stays with it up to the size that the file had when its turn began, or, with
 * a file that was rotated away, to its end; then the next one that holds a whole event has its turn. Once all are
 * read it begins with the first again. So a backlog is read in order, and a file that grows faster than it is read
 * cannot keep the others waiting for ever.
 */
import { FILES_MAX, PATH_BYTES_MAX } from '../limits.js';
import type { Chunk, Cursor, Position } from './source.js';
import { type Head, readTail, type Tail } from './tail.js';

export interface Place {
  readonly offset: number;
  readonly skipping: boolean;
}

export interface SavedPlace extends Place {
  readonly path: string;
  readonly id: string;
  readonly head: Head;
}

interface OwnPlace {
  offset: number;
  skipping: boolean;
  /** The file holds no whole event up to this size. */
  waitsFrom: number;
}

export interface FileCursor extends Cursor {
  /** Goes back to the beginning of a file; true when that is a way back. */
  restart(tail: Tail): boolean;
  /** True when the file is shorter than what was read of it. */
  isPastEnd(tail: Tail): boolean;
  isAtEnd(tail: Tail): boolean;
  forget(tail: Tail): void;
}

export interface FileCursorOptions {
  readonly tails: readonly Tail[];
  /** True when nothing will be added to the file any more. */
  readonly isComplete: (tail: Tail) => boolean;
  readonly restored: ReadonlyMap<Tail, SavedPlace>;
  readonly tellOnce: (line: string) => void;
  /** The filter that reads here was taken out: no file waits for this cursor any more. */
  readonly giveUp: () => void;
}

export function createFileCursor({
  tails,
  isComplete,
  restored,
  tellOnce,
  giveUp,
}: FileCursorOptions): FileCursor {
  const places = new Map<Tail, OwnPlace>();
  for (const [tail, { offset, skipping }] of restored) places.set(tail, { offset, skipping, waitsFrom: -1 });
  const failed = new Set<Tail>();
  const chunk = { bytes: 0, final: false };
  /** Files that are kept open, because something in them may have to be read again. */
  const kept = new Set<Tail>();
  const lastRead: { tail?: Tail; offset: number } = { offset: 0 };
  let current: Tail | undefined;
  const byId = (id: string | undefined) =>
    tails.find((tail) => tail.id === id) ??
    [...restored].find(([, place]) => place.id === id)?.[0] ??
    tails.find((tail) => inodeOf(tail.id) === inodeOf(id ?? ''));
  /** Where the turn of the current file is over. */
  let turnEnd = 0;

  function placeOf(tail: Tail): OwnPlace {
    let place = places.get(tail);
    if (!place) {
      place = { offset: 0, skipping: false, waitsFrom: -1 };
      places.set(tail, place);
    }
    return place;
  }

  function fill(tail: Tail, target: Uint8Array): boolean {
    const { offset, waitsFrom } = placeOf(tail);
    chunk.bytes = 0;
    chunk.final = false;
    if (tail.fd < 0 || failed.has(tail) || offset >= tail.size) return false;
    if (tail.size <= waitsFrom && !isComplete(tail)) return false;
    const wanted = Math.min(target.length, tail.size - offset);
    try {
      chunk.bytes = readTail(tail, target.subarray(0, wanted), offset);
    } catch (error) {
      failed.add(tail);
      tellOnce(`${tail.path}: not read any more: ${String(error)}`);
      return false;
    }
    if (chunk.bytes < wanted) cutShort(tail, offset + chunk.bytes);
    chunk.final = isComplete(tail) && offset + chunk.bytes >= tail.size;
    if (chunk.bytes === 0) return false;
    lastRead.tail = tail;
    lastRead.offset = offset;
    return true;
  }

  /** The file has shrunk since the last look. One that is followed is left alone until the next look finds out why. */
  function cutShort(tail: Tail, end: number): void {
    if (isComplete(tail)) tail.size = end;
    else chunk.bytes = 0;
  }

  return {
    read(target): Chunk {
      const isOnTurn = current && (current.isRotated || placeOf(current).offset < turnEnd);
      if (current && isOnTurn && fill(current, target)) return chunk;
      const after = current ? tails.indexOf(current) + 1 : 0;
      for (let at = 0; at < tails.length; at++) {
        const tail = tails[(after + at) % tails.length] as Tail;
        if (!fill(tail, target)) continue;
        current = tail;
        turnEnd = tail.size;
        return chunk;
      }
      current = undefined;
      return chunk;
    },
    advance(bytes) {
      const place = placeOf(current as Tail);
      place.offset += bytes;
      place.waitsFrom = -1;
    },
    keepLastRead() {
      const { tail, offset } = lastRead;
      if (!tail) return () => false;
      kept.add(tail);
      return (from, target) => isReadAgain(tail, offset + from, target);
    },
    lastPlace: () => ({ file: lastRead.tail?.id ?? '', offset: lastRead.offset }),
    readAt({ file, offset }, target) {
      const tail = byId(file);
      return tail !== undefined && isReadAgain(tail, offset, target);
    },
    goTo({ file, offset }, skipping) {
      const tail = byId(file);
      if (!tail) return;
      Object.assign(placeOf(tail), { offset, skipping, waitsFrom: -1 });
      current = tail;
      turnEnd = tail.size;
    },
    isPressed: () => false,
    settle: () => kept.clear(),
    pass() {
      const place = placeOf(current as Tail);
      place.waitsFrom = place.offset + chunk.bytes;
    },
    get skipping() {
      return current !== undefined && placeOf(current).skipping;
    },
    set skipping(value) {
      placeOf(current as Tail).skipping = value;
    },
    ended: () =>
      tails.every((tail) => isComplete(tail) && (failed.has(tail) || placeOf(tail).offset >= tail.size)),
    position: (): SavedPlace[] =>
      tails.map((tail) => {
        const { path, id, head } = tail;
        const { offset, skipping } = placeOf(tail);
        return { path, id, head, offset, skipping };
      }),
    lostEvents: () => 0,
    cutEvents: () => 0,
    close() {
      kept.clear();
      giveUp();
    },
    restart(tail) {
      const isWayBack = placeOf(tail).offset > 0;
      places.delete(tail);
      return isWayBack;
    },
    isPastEnd: (tail) => placeOf(tail).offset > tail.size,
    isAtEnd: (tail) => failed.has(tail) || (placeOf(tail).offset >= tail.size && !kept.has(tail)),
    forget(tail) {
      places.delete(tail);
      failed.delete(tail);
      if (current === tail) current = undefined;
    },
  };
}

/** Some file systems get another device number with each boot; a file's inode stays. */
export function inodeOf(id: string): string {
  return id.slice(id.indexOf(':'));
}

/** Another file may be in its place by now, or none: the filter that reads again notices. */
function isReadAgain(tail: Tail, offset: number, target: Uint8Array): boolean {
  try {
    return tail.fd >= 0 && readTail(tail, target, offset) === target.length;
  } catch {
    return false;
  }
}

/** The places of a saved position that make sense, or nothing; what comes from disk is hostile. */
export function savedPlaces(saved: Position): SavedPlace[] | undefined {
  if (saved === undefined) return [];
  return Array.isArray(saved) && saved.length <= FILES_MAX && saved.every(isPlace) ? saved : undefined;
}

function isPlace(value: unknown): value is SavedPlace {
  const place = value as Partial<Record<keyof SavedPlace, unknown>> | null;
  const head = place?.head as Partial<Record<keyof Head, unknown>> | null | undefined;
  const isPath = (path: unknown) => typeof path === 'string' && path.length <= PATH_BYTES_MAX;
  const isId = (id: unknown) => typeof id === 'string' && /^\d{1,20}:\d{1,20}$/.test(id);
  return (
    isPath(place?.path) &&
    isId(place?.id) &&
    isCount(head?.bytes) &&
    typeof head?.digest === 'string' &&
    isCount(place?.offset) &&
    typeof place?.skipping === 'boolean'
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
