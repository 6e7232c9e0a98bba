/**
 * How far one filter has come in each open file of a file source: its cursor, and what is kept of it across restarts.
 *
 * A cursor has one file at a time. It stays with it up to the size that the file had when its turn began, or, when it
 * has left its path since, when that was seen; then the next one that holds a whole event has its turn. Once all are
 * read it begins with the first again. So a backlog is read in order, and a file that grows faster than it is read
 * cannot keep the others waiting for ever.
 */
import { FILES_AWAY_MAX, FILES_MAX, PATH_BYTES_MAX } from '../limits.js';
import type { Mover } from './rescue.js';
import type { Chunk, Cursor, Position, ReadPlace } from './source.js';
import { holds, inodeOf, KNOWN_BYTES_MIN, type Known, readTail, type Tail } from './tail.js';

export interface Place {
  readonly offset: number;
  readonly skipping: boolean;
}

export interface SavedPlace extends Place, Known {
  readonly path: string;
  /** See `Tail`. */
  readonly knownAs: string;
  readonly seenMs: number;
}

interface OwnPlace {
  offset: number;
  skipping: boolean;
  /** The file holds no whole event up to this size. */
  waitsFrom: number;
}

/** The file that is read now. */
interface Turn {
  tail: Tail | undefined;
  /** Where its turn is over. */
  end: number;
  /** Its path when that began; none of one that was rotated away. */
  path: string | undefined;
}

export interface FileCursor extends Cursor, Mover {
  /** Begins at this place in a file, which need not be open. */
  begin(tail: Tail, place: Place): void;
  /** Leaves out what a file holds now. */
  skip(tail: Tail): void;
  isAtEnd(tail: Tail): boolean;
}

export interface FileCursorOptions {
  readonly tails: readonly Tail[];
  /** Files that are not there now and may come back. */
  readonly away: readonly Tail[];
  /** True when nothing will be added to the file any more. */
  readonly isComplete: (tail: Tail) => boolean;
  /** True when the file still holds what it held at the last look, and perhaps more behind it. */
  readonly isIntact: (tail: Tail) => boolean;
  readonly tellOnce: (line: string) => void;
  /** The filter that reads here was taken out: no file waits for this cursor any more. */
  readonly giveUp: () => void;
  /** It has come back: its places are those that it gave up. */
  readonly takeUp: (saved: Position) => void;
}

/** `gone`: the file was written anew meanwhile, and the files are others now. */
type Fill = 'filled' | 'nothing' | 'gone';

/** Files can be written anew while they are read, but hardly so often. */
const TRIES_MAX = 8;

export function createFileCursor(options: FileCursorOptions): FileCursor {
  const { tails, away, isComplete, isIntact, tellOnce, giveUp, takeUp } = options;
  const places = new Map<Tail, OwnPlace>();
  const failed = new Set<Tail>();
  const chunk = { bytes: 0, final: false };
  /** Files that are kept open, because something in them may have to be read again. */
  const kept = new Set<Tail>();
  const lastRead: { tail?: Tail; offset: number } = { offset: 0 };
  const turn: Turn = { tail: undefined, end: 0, path: undefined };
  /** Of a cursor that was given up: what becomes of the files from then on, it is not told. */
  let left: readonly SavedPlace[] | undefined;

  function placeOf(tail: Tail): OwnPlace {
    const place = places.get(tail) ?? placeAt({ offset: 0, skipping: false });
    places.set(tail, place);
    return place;
  }

  function fill(tail: Tail, target: Uint8Array): Fill {
    const { offset, waitsFrom } = placeOf(tail);
    chunk.bytes = 0;
    chunk.final = false;
    if (tail.fd < 0 || failed.has(tail) || offset >= tail.size) return 'nothing';
    if (tail.size <= waitsFrom && !isComplete(tail)) return 'nothing';
    const wanted = Math.min(target.length, tail.size - offset);
    let bytes = 0;
    try {
      bytes = readTail(tail, target.subarray(0, wanted), offset);
    } catch (error) {
      failed.add(tail);
      tellOnce(`${tail.path}: not read any more: ${String(error)}`);
      return 'nothing';
    }
    // Asked after the read: what was read is then of the file that was looked at.
    if (!isIntact(tail)) return 'gone';
    if (bytes < wanted && isComplete(tail)) tail.size = offset + bytes;
    if (bytes === 0) return 'nothing';
    chunk.bytes = bytes;
    chunk.final = isComplete(tail) && offset + bytes >= tail.size;
    lastRead.tail = tail;
    lastRead.offset = offset;
    return 'filled';
  }

  /** What has left its path meanwhile is read to its end before what took its place. */
  function isOnTurn(tail: Tail): boolean {
    if (pathOf(tail) !== turn.path) beginTurn(turn, tail);
    return placeOf(tail).offset < turn.end;
  }

  /** Fills from the current file while it has its turn, else from the next one that has a whole event. */
  function fillNext(target: Uint8Array): Fill {
    const found = turn.tail && isOnTurn(turn.tail) ? fill(turn.tail, target) : 'nothing';
    if (found !== 'nothing') return found;
    const after = turn.tail ? tails.indexOf(turn.tail) + 1 : 0;
    for (let at = 0; at < tails.length; at++) {
      const tail = tails[(after + at) % tails.length] as Tail;
      const next = fill(tail, target);
      if (next === 'filled') beginTurn(turn, tail);
      if (next !== 'nothing') return next;
    }
    turn.tail = undefined;
    return 'nothing';
  }

  const filesFor = ({ offset }: ReadPlace): Files => ({
    ...{ tails, isIntact },
    isUnread: (tail) => (places.get(tail)?.offset ?? 0) <= offset,
  });

  const savedNow = () =>
    [...away.filter((tail) => places.has(tail)), ...tails].map((tail) => savedPlace(tail, placeOf(tail)));

  function skip(tail: Tail): void {
    places.set(tail, placeAt({ offset: tail.size, skipping: false }));
  }

  return {
    read(target): Chunk {
      for (let tries = 0; fillNext(target) === 'gone' && tries < TRIES_MAX; ) tries += 1;
      return chunk;
    },
    advance(bytes) {
      const place = placeOf(turn.tail as Tail);
      place.offset += bytes;
      place.waitsFrom = -1;
    },
    keepLastRead() {
      const { tail, offset } = lastRead;
      if (!tail) return () => false;
      kept.add(tail);
      return (from, target) => isReadAgain(tail, offset + from, target);
    },
    lastPlace() {
      const { tail, offset } = lastRead;
      return { file: tail ? `${tail.knownAs}:${tail.size}:${tail.digest}` : '', offset };
    },
    readAt: (place, target) => readPlace(place, target, filesFor(place)),
    goTo(place, skipping) {
      const { offset } = place;
      const tail = findTail(place.file, filesFor(place));
      if (!tail || offset > tail.size) return false;
      places.set(tail, placeAt({ offset, skipping }));
      beginTurn(turn, tail);
      return true;
    },
    isPressed: () => false,
    settle: () => kept.clear(),
    pass() {
      const place = placeOf(turn.tail as Tail);
      place.waitsFrom = place.offset + chunk.bytes;
    },
    get skipping() {
      return turn.tail !== undefined && placeOf(turn.tail).skipping;
    },
    set skipping(value) {
      placeOf(turn.tail as Tail).skipping = value;
    },
    ended: () =>
      tails.every((tail) => isComplete(tail) && (failed.has(tail) || placeOf(tail).offset >= tail.size)),
    position: () => left ?? savedNow(),
    lostEvents: () => 0,
    cutEvents: () => 0,
    close() {
      left ??= savedNow();
      kept.clear();
      giveUp();
    },
    reopen() {
      if (!left) return;
      for (const known of [places, failed]) known.clear();
      turn.tail = undefined;
      takeUp(left);
      left = undefined;
    },
    begin: (tail, place) => void places.set(tail, placeAt(place)),
    skip,
    unread(tail) {
      const offset = places.get(tail)?.offset ?? (tails.includes(tail) ? 0 : tail.size);
      return failed.has(tail) ? 0 : Math.max(0, tail.size - offset);
    },
    hasBegun: (tail) => (places.get(tail)?.offset ?? 0) > 0,
    move(from, to) {
      const place = places.get(from);
      places.delete(from);
      if (place) places.set(to, place);
      // What was known to others only was there before this filter began.
      else if (to.isRotated && !places.has(to)) skip(to);
    },
    isAtEnd: (tail) => failed.has(tail) || (placeOf(tail).offset >= tail.size && !kept.has(tail)),
    forget(tail) {
      places.delete(tail);
      failed.delete(tail);
      kept.delete(tail);
      if (turn.tail === tail) turn.tail = undefined;
    },
  };
}

function placeAt({ offset, skipping }: Place): OwnPlace {
  return { offset, skipping, waitsFrom: -1 };
}

function beginTurn(turn: Turn, tail: Tail): void {
  Object.assign(turn, { tail, end: tail.size, path: pathOf(tail) });
}

function savedPlace(tail: Tail, { offset, skipping }: Place): SavedPlace {
  const { path, id, knownAs, size, digest, seenMs } = tail;
  return { path, id, knownAs, size, digest, seenMs, offset, skipping };
}

function pathOf({ isRotated, path }: Tail): string | undefined {
  return isRotated ? undefined : path;
}

/** The file of a place that was read: its device and inode, and what it held at that time. */
const READ_FILE = /^(\d{1,20}:\d{1,20}):(\d{1,15}):([0-9a-f]{16})$/;

/** Files in which a place is looked for. */
interface Files {
  readonly tails: readonly Tail[];
  readonly isIntact: (tail: Tail) => boolean;
  /** True when the place may be the next one in the file. */
  readonly isUnread: (tail: Tail) => boolean;
}

/** The file of a place, also when it was copied and truncated since the last look. */
function findTail(file: string | undefined, files: Files): Tail | undefined {
  const tail = tailOf(file, files);
  if (tail) return tail;
  const known = files.tails.filter(({ knownAs }) => file?.startsWith(`${knownAs}:`));
  return known.some((one) => !files.isIntact(one)) ? tailOf(file, files) : undefined;
}

/** The open file that was read there, or the copy of it. */
function tailOf(file: string | undefined, { tails, isUnread }: Files): Tail | undefined {
  const [, id, bytes, digest] = READ_FILE.exec(file ?? '') ?? [];
  if (id === undefined || digest === undefined) return undefined;
  const size = Number(bytes);
  const isIt = (tail: Tail) => tail.fd >= 0 && holds(tail, { size, digest });
  return (
    tails.find((tail) => tail.knownAs === id && isIt(tail)) ??
    tails.find((tail) => inodeOf(tail.id) === inodeOf(id) && isIt(tail)) ??
    // Files may begin alike: with less of it, it is the first one that has not been read there.
    tails.find((tail) => isIt(tail) && (size >= KNOWN_BYTES_MIN || isUnread(tail)))
  );
}

/** Reads what was at a place of a file, which may be written anew meanwhile, so that it lies in a copy. */
function readPlace({ file, offset }: ReadPlace, target: Uint8Array, files: Files): boolean {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const tail = findTail(file, files);
    if (!tail) return false;
    const isRead = isReadAgain(tail, offset, target);
    // Asked after the read: what was read is then of the file that was looked at.
    if (files.isIntact(tail)) return isRead;
  }
  return false;
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
  // As many as were there, and rotated ones of each.
  const most = 2 * FILES_MAX + FILES_AWAY_MAX;
  return Array.isArray(saved) && saved.length <= most && saved.every(isPlace) ? saved : undefined;
}

function isPlace(value: unknown): value is SavedPlace {
  const place = value as Partial<Record<keyof SavedPlace, unknown>> | null;
  const isPath = (path: unknown) => typeof path === 'string' && path.length <= PATH_BYTES_MAX;
  const isId = (id: unknown) => typeof id === 'string' && /^\d{1,20}:\d{1,20}$/.test(id);
  return (
    isPath(place?.path) &&
    isId(place?.id) &&
    isId(place?.knownAs) &&
    isCount(place?.size) &&
    typeof place?.digest === 'string' &&
    Number.isFinite(place?.seenMs) &&
    isCount(place?.offset) &&
    (place?.offset as number) <= (place?.size as number) &&
    typeof place?.skipping === 'boolean'
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
