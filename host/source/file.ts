/**
 * The file source: one or more files, named by paths and patterns, followed as they grow and rotate.
 *
 * A file is known by device and inode, not by name. When its path names another file (rotation by rename,
 * deletion), the old one is read to its end first and closed once it has stayed unchanged for a while, because its
 * writer may not have noticed yet; then an unfinished last line is an event. A file that goes to another name
 * which is to be read, too, is the same file and goes on. Compressed rotations are ignored in patterns.
 *
 * A file that was written anew in its place (copy and truncate) is read from its beginning. That is seen when it is
 * shorter than at the last look, or when its first 256 bytes are others, also after a restart. It is not seen when
 * those are the same and it has grown past its old size between two looks. What was truncated before it was read is
 * lost, and so is a file that came and went to a name that is not read between two looks.
 *
 * Descriptors belong to the source, places to each cursor. The files are in the order of the config, oldest first
 * within a pattern.
 */
import { WeirError } from '../errors.js';
import { FILE_POLL_MS, FILE_RESCAN_MS, FILE_SETTLED_MS, FILES_MAX } from '../limits.js';
import { expand, isPattern, matches } from './glob.js';
import { createNotices } from './notices.js';
import { createFileCursor, type FileCursor, inodeOf, type SavedPlace, savedPlaces } from './places.js';
import type { Position, Source } from './source.js';
import { closeTail, createRotatedFinder, hasHead, lookAgain, lookAt, openTail, type Tail } from './tail.js';

export interface FileSourceOptions {
  /** Every file ends where it ends now: nothing is followed. */
  readonly untilEof: boolean;
  readonly pollMs?: number;
  readonly rescanMs?: number;
  readonly settledMs?: number;
}

/** The open files, by what they are found again. */
interface Known {
  readonly byId: Map<string, Tail>;
  readonly byPath: Map<string, Tail>;
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
    const before = tails.length;
    const open = knownOf(tails);
    for (const pattern of patterns) {
      const { paths, isPartial } = expand(pattern, FILES_MAX);
      if (isPartial) tellOnce(`${pattern}: more than can be looked at; the rest is not read`);
      if (!paths.length && !isPattern(pattern)) missing(pattern, isFirst);
      const wanted = paths.filter((path) => !isPattern(pattern) || !COMPRESSED.test(path));
      const found = wanted.flatMap((path) => openNew(path, open, isFirst && !isPattern(pattern)));
      found.sort((a, b) => Number(a.modifiedNs - b.modifiedNs));
      tails.push(...found);
    }
    return tails.length > before;
  }

  function missing(path: string, isFirst: boolean): void {
    if (isFirst && untilEof)
      throw new WeirError('SOURCE_UNREADABLE', `source ${name}: ${path}: no such file`);
    if (!tails.some((tail) => tail.path === path)) tellOnce(`${path}: no such file yet; waiting for it`);
  }

  function openNew(path: string, open: Known, mustWork: boolean): Tail[] {
    if (open.byPath.has(path)) return [];
    const found = lookAt(path);
    const same = found.kind === 'file' ? open.byId.get(found.id) : undefined;
    if (same?.isRotated) {
      same.path = path;
      same.isRotated = false;
      open.byPath.set(path, same);
    }
    if (same || found.kind === 'missing') return [];
    if (open.byId.size >= FILES_MAX) {
      tellOnce(`more than ${FILES_MAX} files match; the rest is not read`);
      return [];
    }
    const opened = openTail(path);
    if (opened.kind === 'refused') {
      if (mustWork) throw new WeirError('SOURCE_UNREADABLE', `source ${name}: ${path}: ${opened.why}`);
      tellOnce(`${path}: not read: ${opened.why}`);
    }
    if (opened.kind !== 'open') return [];
    open.byId.set(opened.tail.id, opened.tail);
    open.byPath.set(path, opened.tail);
    return [opened.tail];
  }

  function poll(): void {
    const nowMs = performance.now();
    let hasNews = false;
    for (const tail of [...tails]) {
      const look = lookAgain(tail, nowMs);
      if (look !== 'same') hasNews = true;
      for (const cursor of cursors) {
        if ((look === 'rewritten' || cursor.isPastEnd(tail)) && cursor.restart(tail))
          tell(`${tail.path}: was written anew; reading it from its beginning`);
      }
      if (!isSettled(tail, nowMs)) continue;
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

  function isSettled(tail: Tail, nowMs: number): boolean {
    return tail.isRotated && nowMs - tail.changedMs >= settledMs;
  }

  function restore(saved: Position): Map<Tail, SavedPlace> {
    const restored = new Map<Tail, SavedPlace>();
    const places = savedPlaces(saved);
    if (!places) tell('the saved positions are not understood; every file is read from its beginning');
    const open = knownOf(tails);
    const find = createRotatedFinder();
    const rotated: Tail[] = [];
    for (const place of places ?? []) {
      // A file that the config does not name any more, or never did, is not for us to read.
      if (!patterns.some((pattern) => matches(pattern, place.path))) continue;
      const live = open.byId.get(place.id) ?? sameAfterBoot(place, open.byPath.get(place.path));
      const tail = live ?? find(place.path, place.id);
      if (!tail) continue;
      const isSame = place.offset <= tail.size && hasHead(tail, place.head);
      if (isSame) restored.set(tail, place);
      else if (live)
        tell(`${tail.path}: is another file than at the last run; reading it from its beginning`);
      if (live) continue;
      if (isSame && open.byId.size < FILES_MAX) {
        open.byId.set(tail.id, tail);
        rotated.push(tail);
      } else closeTail(tail);
    }
    tails.unshift(...rotated);
    return restored;
  }

  return {
    name,
    async open() {
      scan(true);
      if (untilEof) return;
      rescanAtMs = performance.now() + rescanMs;
      poller = setInterval(poll, pollMs);
    },
    cursor(saved) {
      const cursor: FileCursor = createFileCursor({
        tails,
        isComplete: (tail) => untilEof || isSettled(tail, performance.now()),
        restored: restore(saved),
        tellOnce,
        giveUp: () => cursors.delete(cursor),
      });
      cursors.add(cursor);
      return cursor;
    },
    onData(listener) {
      wake = listener;
    },
    onNotice: (listener) => notices.onNotice(listener),
    async close() {
      clearInterval(poller);
      for (const tail of tails) closeTail(tail);
    },
  };
}

function knownOf(tails: readonly Tail[]): Known {
  const live = tails.filter(({ isRotated }) => !isRotated);
  return {
    byId: new Map(tails.map((tail) => [tail.id, tail])),
    byPath: new Map(live.map((tail) => [tail.path, tail])),
  };
}

/** A file whose path and inode are the same. */
function sameAfterBoot({ id }: SavedPlace, atPath: Tail | undefined): Tail | undefined {
  return atPath && inodeOf(atPath.id) === inodeOf(id) ? atPath : undefined;
}
