/**
 * The file source: one or more files, named by paths and patterns, followed as they grow and rotate.
 *
 * A file is known by device and inode, not by name. When its path names another file (rotation by rename,
 * deletion), the old one is read to its end first and closed once it has stayed unchanged for a while, because its
 * writer may not have noticed yet; then an unfinished last line is an event. When it is shorter than what has
 * been read (copy and truncate), it is read from its beginning. Compressed rotations are ignored.
 *
 * Descriptors belong to the source, offsets to each cursor. A cursor stays with a file while it has whole events
 * and then goes on to the next, in the order of the config, oldest first within a pattern.
 */
import { WeirError } from '../errors.js';
import { FILE_POLL_MS, FILE_RESCAN_MS, FILE_SETTLED_MS, FILES_MAX } from '../limits.js';
import { expand, isPattern } from './glob.js';
import { createNotices } from './notices.js';
import type { Chunk, Cursor, Position, Source } from './source.js';
import { closeTail, lookAgain, openRotated, openTail, readTail, type Tail } from './tail.js';

export interface FileSourceOptions {
  /** Every file ends where it ends now: nothing is followed. */
  readonly untilEof: boolean;
  readonly pollMs?: number;
  readonly rescanMs?: number;
  readonly settledMs?: number;
}

interface Place {
  offset: number;
  skipping: boolean;
  /** The file holds no whole event up to this size. */
  waitsFrom: number;
}

interface SavedPlace {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
  readonly offset: number;
  readonly skipping: boolean;
}

const COMPRESSED = /\.(gz|xz|zst|bz2|zip|lz4)$/;

export function createFileSource(
  name: string,
  patterns: readonly string[],
  options: FileSourceOptions,
): Source {
  const { untilEof, pollMs = FILE_POLL_MS, rescanMs = FILE_RESCAN_MS, settledMs = FILE_SETTLED_MS } = options;
  const tails: Tail[] = [];
  const cursors = new Set<FileCursor>();
  const told = new Set<string>();
  const notices = createNotices(name);
  const tell = notices.say;
  let wake = () => {};
  let poller: NodeJS.Timeout | undefined;
  let rescanAtMs = 0;

  function tellOnce(line: string): void {
    if (told.has(line) || told.size > FILES_MAX) return;
    told.add(line);
    tell(line);
  }

  /** Opens what is new at the patterns; true when there was something. */
  function scan(isFirst: boolean): boolean {
    let hasNew = false;
    for (const pattern of patterns) {
      const paths = expand(pattern, FILES_MAX).filter(
        (path) => !isPattern(pattern) || !COMPRESSED.test(path),
      );
      if (!paths.length && !isPattern(pattern)) missing(pattern, isFirst);
      const found = paths.flatMap((path) => openNew(path, isFirst && !isPattern(pattern)));
      found.sort((a, b) => a.mtimeMs - b.mtimeMs);
      for (const { tail } of found) tails.push(tail);
      if (found.length) hasNew = true;
    }
    return hasNew;
  }

  function missing(path: string, isFirst: boolean): void {
    if (isFirst && untilEof)
      throw new WeirError('SOURCE_UNREADABLE', `source ${name}: ${path}: no such file`);
    if (!tails.some((tail) => tail.path === path)) tellOnce(`${path}: no such file yet; waiting for it`);
  }

  function openNew(path: string, mustWork: boolean): { tail: Tail; mtimeMs: number }[] {
    if (tails.some((tail) => tail.path === path && !tail.isRotated)) return [];
    if (tails.length >= FILES_MAX) {
      tellOnce(`more than ${FILES_MAX} files match; the rest is not read`);
      return [];
    }
    const opened = openTail(path);
    if (opened.kind === 'refused') {
      if (mustWork) throw new WeirError('SOURCE_UNREADABLE', `source ${name}: ${path}: ${opened.why}`);
      tellOnce(`${path}: not read: ${opened.why}`);
    }
    if (opened.kind !== 'open') return [];
    if (tails.some(({ dev, ino }) => dev === opened.tail.dev && ino === opened.tail.ino)) {
      closeTail(opened.tail);
      return [];
    }
    return [opened];
  }

  function poll(): void {
    const nowMs = Date.now();
    let hasNews = false;
    for (const tail of [...tails]) {
      if (lookAgain(tail, nowMs)) hasNews = true;
      for (const cursor of cursors) {
        if (cursor.restartIfShrunk(tail))
          tell(`${tail.path}: is shorter than before; reading it from its beginning`);
      }
      if (!tail.isRotated || nowMs - tail.changedMs < settledMs) continue;
      if ([...cursors].every((cursor) => cursor.isAtEnd(tail))) drop(tail);
      else hasNews = true;
    }
    const hasLost = tails.some(({ isRotated }) => isRotated);
    if (hasLost || nowMs >= rescanAtMs) {
      rescanAtMs = nowMs + rescanMs;
      if (scan(false)) hasNews = true;
    }
    if (hasNews) wake();
  }

  function drop(tail: Tail): void {
    tails.splice(tails.indexOf(tail), 1);
    for (const cursor of cursors) cursor.forget(tail);
    closeTail(tail);
  }

  /** True when nothing will be added to the file any more. */
  function isComplete(tail: Tail): boolean {
    return untilEof || (tail.isRotated && Date.now() - tail.changedMs >= settledMs);
  }

  function restore(saved: Position): [Tail, Place][] {
    return savedPlaces(saved, tell).flatMap((place): [Tail, Place][] => {
      const isSame = ({ dev, ino }: Tail) => dev === place.dev && ino === place.ino;
      let tail = tails.find(isSame);
      if (!tail) {
        tail = openRotated(place.path, place.dev, place.ino);
        if (tail) tails.unshift(tail);
      }
      if (!tail) return [];
      if (place.offset > tail.size) {
        tell(`${tail.path}: is shorter than at the last run; reading it from its beginning`);
        return [];
      }
      return [[tail, { offset: place.offset, skipping: place.skipping, waitsFrom: -1 }]];
    });
  }

  return {
    name,
    async open() {
      scan(true);
      if (untilEof) return;
      rescanAtMs = Date.now() + rescanMs;
      poller = setInterval(poll, pollMs);
    },
    cursor(saved) {
      const giveUp = () => cursors.delete(cursor);
      const cursor = createFileCursor(tails, isComplete, restore(saved), { tellOnce, giveUp });
      cursors.add(cursor);
      return cursor;
    },
    onData(listener) {
      wake = listener;
    },
    onNotice: (listener) => notices.onNotice(listener),
    async close() {
      clearInterval(poller);
    },
  };
}

interface FileCursor extends Cursor {
  restartIfShrunk(tail: Tail): boolean;
  isAtEnd(tail: Tail): boolean;
  forget(tail: Tail): void;
}

function createFileCursor(
  tails: readonly Tail[],
  isComplete: (tail: Tail) => boolean,
  restored: readonly [Tail, Place][],
  { tellOnce, giveUp }: { tellOnce: (line: string) => void; giveUp: () => void },
): FileCursor {
  const places = new Map(restored);
  const failed = new Set<Tail>();
  const chunk = { bytes: 0, final: false };
  let current: Tail | undefined;
  let lastRead = 0;

  function placeOf(tail: Tail): Place {
    let place = places.get(tail);
    if (!place) {
      place = { offset: 0, skipping: false, waitsFrom: -1 };
      places.set(tail, place);
    }
    return place;
  }

  function readFrom(tail: Tail, target: Uint8Array): Chunk {
    const place = placeOf(tail);
    chunk.bytes = 0;
    chunk.final = false;
    if (failed.has(tail) || place.offset >= tail.size) return chunk;
    if (tail.size <= place.waitsFrom && !isComplete(tail)) return chunk;
    try {
      chunk.bytes = readTail(tail, target, place.offset);
    } catch (error) {
      failed.add(tail);
      tellOnce(`${tail.path}: not read any more: ${String(error)}`);
    }
    lastRead = chunk.bytes;
    chunk.final = chunk.bytes < target.length && isComplete(tail);
    return chunk;
  }

  return {
    read(target) {
      if (current && readFrom(current, target).bytes > 0) return chunk;
      for (const tail of tails) {
        if (tail === current) continue;
        if (readFrom(tail, target).bytes === 0) continue;
        current = tail;
        return chunk;
      }
      chunk.bytes = 0;
      return chunk;
    },
    advance(bytes) {
      const place = placeOf(current as Tail);
      place.offset += bytes;
      place.waitsFrom = -1;
    },
    pass() {
      const place = placeOf(current as Tail);
      place.waitsFrom = place.offset + lastRead;
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
        const { offset, skipping } = placeOf(tail);
        return { path: tail.path, dev: tail.dev, ino: tail.ino, offset, skipping };
      }),
    lostEvents: () => 0,
    close: giveUp,
    restartIfShrunk(tail) {
      const place = placeOf(tail);
      if (place.offset <= tail.size) return false;
      places.set(tail, { offset: 0, skipping: false, waitsFrom: -1 });
      return true;
    },
    isAtEnd: (tail) => failed.has(tail) || placeOf(tail).offset >= tail.size,
    forget(tail) {
      places.delete(tail);
      failed.delete(tail);
      if (current === tail) current = undefined;
    },
  };
}

/** The places of a saved position that make sense; what comes from disk is hostile. */
function savedPlaces(saved: Position, tell: (line: string) => void): SavedPlace[] {
  if (saved === undefined) return [];
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const isPlace = (value: unknown): value is SavedPlace => {
    const place = value as Partial<Record<keyof SavedPlace, unknown>> | null;
    const isNumbered = isCount(place?.dev) && isCount(place?.ino) && isCount(place?.offset);
    return isNumbered && typeof place?.path === 'string' && typeof place.skipping === 'boolean';
  };
  if (Array.isArray(saved) && saved.length <= FILES_MAX && saved.every(isPlace)) return saved;
  tell('the saved positions are not understood; every file is read from its beginning');
  return [];
}
