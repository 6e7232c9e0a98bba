/**
 * The file source: one or more files, named by paths and patterns, followed as they grow and rotate.
 *
 * A file is known by device and inode, not by name, and by a sample of what it holds (`tail.ts`). When its path names
 * another file (rotation by rename, deletion, a link that was switched), the old one is read to its end first and closed once
 * it has stayed unchanged for a while, because its writer may not have noticed yet; then an unfinished last line is an event. A
 * file that goes to another name which is to be read, too, is the same file and goes on. Compressed rotations are ignored in
 * patterns.
 *
 * A file that was written anew in its place (copy and truncate) is read from its beginning, after the rest of what it held,
 * where a copy of that lies beside it. The copy is not read once more when a pattern names it. Files that came and were
 * rotated away between two looks, or while the host was down, are found by name and time (`rotated.ts`).
 *
 * What cannot be read: what was written between a copy and the truncation; what was truncated, deleted or compressed before it
 * was read, which is told; a file that was written anew between two looks, has grown past its old size, and has the same
 * bytes where it was sampled; what came and went when the clock was set back, or while no other file had been at its path.
 *
 * Descriptors belong to the source, places to each cursor.
 */
import { dirname } from 'node:path';
import {
  FILE_POLL_MS,
  FILE_QUIET_LOOKS,
  FILE_QUIET_MS,
  FILE_RESCAN_MS,
  FILE_SETTLED_MS,
  FILES_AWAY_MAX,
  FILES_MAX,
} from '../limits.js';
import { createNotices } from './notices.js';
import { createOpenFiles, descriptorsMax } from './openfiles.js';
import { createFileCursor, type FileCursor } from './places.js';
import { createRescue } from './rescue.js';
import { createRestore } from './restore.js';
import { createScan } from './scan.js';
import type { Position, Source } from './source.js';
import { closeTail, isWrittenSince, type Look, lookAgain, lookAt, type Tail } from './tail.js';

export interface FileSourceOptions {
  /** Every file ends where it ends now: nothing is followed. */
  readonly untilEof: boolean;
  readonly pollMs?: number;
  readonly rescanMs?: number;
  readonly settledMs?: number;
  readonly quietMs?: number;
}

export function createFileSource(
  name: string,
  patterns: readonly string[],
  options: FileSourceOptions,
): Source {
  const { untilEof, pollMs = FILE_POLL_MS, rescanMs = FILE_RESCAN_MS } = options;
  const { settledMs = FILE_SETTLED_MS, quietMs = FILE_QUIET_MS } = options;
  const files = createOpenFiles();
  /** Files that were read, whose paths name nothing now; not open. */
  const away: Tail[] = [];
  const cursors = new Set<FileCursor>();
  const told = new Set<string>();
  const notices = createNotices(name);
  const tell = notices.say;
  const fdsMax = descriptorsMax();
  const rescue = createRescue({
    ...{ files, movers: cursors, fdsMax, tell },
    ...{ tellRewritten: notices.limited(), tellLost: notices.limited() },
  });
  const scan = createScan({
    ...{ name, patterns, untilEof, fdsMax, files, away, movers: cursors, rescue },
    look: (tail) => void look(tail),
    tell,
    tellOnce,
  });
  const restore = createRestore({ patterns, files, cursors, rescue, tell, remember });
  let wake = () => {};
  let poller: NodeJS.Timeout | undefined;
  let rescanAtMs = 0;
  /** A file has left its path or was written anew: its successor is to be looked for at once. */
  let mustScan = false;
  /** Something has been found while a cursor read. */
  let hasNews = false;
  const due = createTurns(files.tails, quietMs);

  function tellOnce(line: string): void {
    if (told.has(line) || told.size > FILES_MAX) return;
    told.add(line);
    tell(line);
  }

  function look(tail: Tail): Look {
    const seenMs = files.seenMs(tail.path);
    const wasEmpty = tail.size === 0;
    const found = lookAgain(tail, performance.now());
    if (found === 'same') return found;
    hasNews = true;
    // Of an empty file nobody can see whether it was written, copied and truncated meanwhile.
    if (found === 'changed' && wasEmpty) rescue.came(tail.path, seenMs, files.tails.indexOf(tail));
    if (found !== 'changed' || wasEmpty) mustScan = true;
    if (found === 'changed') return found;
    if (found === 'rewritten') rescue.rewritten(tail);
    else rescue.left(tail, seenMs, wasEmpty);
    return found;
  }

  function poll(): void {
    const nowMs = performance.now();
    rescue.rest();
    const tails = due(nowMs);
    for (const tail of tails) if (tail.fd >= 0) look(tail);
    const isWaiting = tails.some(({ isRotated, fd, path }) => isRotated && fd >= 0 && !files.byPath(path));
    if (mustScan || isWaiting || nowMs >= rescanAtMs) {
      rescanAtMs = nowMs + rescanMs;
      mustScan = false;
      if (scan('again')) hasNews = true;
    }
    // After the scan: it may have found a new name of a file that is to be read under that, too.
    for (const tail of tails.filter((one) => one.fd >= 0 && isSettled(one, nowMs))) {
      if ([...cursors].every((cursor) => cursor.isAtEnd(tail))) drop(tail);
      else hasNews = true;
    }
    const isNews = hasNews;
    hasNews = false;
    if (isNews) wake();
  }

  function drop(tail: Tail): void {
    files.remove(tail);
    closeTail(tail);
    if (lookAt(dirname(tail.path)).kind === 'missing') remember(tail);
    else forget(tail);
  }

  /** Its path may name it again. */
  function remember(tail: Tail): void {
    away.push(tail);
    const oldest = away.length > FILES_AWAY_MAX ? away.shift() : undefined;
    if (oldest) forget(oldest);
  }

  function forget(tail: Tail): void {
    for (const cursor of cursors) cursor.forget(tail);
  }

  function begin(cursor: FileCursor, saved: Position): void {
    restore(cursor, saved);
    cursors.add(cursor);
  }

  function isSettled(tail: Tail, nowMs: number): boolean {
    return tail.isRotated && nowMs - tail.changedMs >= settledMs;
  }

  return {
    name,
    async open() {
      scan('first');
      rescanAtMs = performance.now() + rescanMs;
    },
    cursor(saved) {
      const cursor: FileCursor = createFileCursor({
        tails: files.tails,
        away,
        isComplete: (tail) => untilEof || isSettled(tail, performance.now()),
        isIntact: (tail) => untilEof || !isWrittenSince(tail) || look(tail) !== 'rewritten',
        tellOnce,
        giveUp: () => cursors.delete(cursor),
        takeUp(places) {
          // What others read is to be known first: what is found for this cursor, they have read.
          for (const tail of untilEof ? [] : [...files.tails]) look(tail);
          if (!untilEof) scan('again');
          begin(cursor, places);
        },
      });
      begin(cursor, saved);
      // Not before: a file that goes away before anybody reads it is not to be closed.
      if (!untilEof) poller ??= setInterval(poll, pollMs);
      return cursor;
    },
    onData(listener) {
      wake = listener;
    },
    onNotice: (listener) => notices.onNotice(listener),
    async close() {
      clearInterval(poller);
      files.close();
    },
  };
}

/** Which files are to be looked at now: those that have been quiet for long take turns. */
function createTurns(tails: readonly Tail[], quietMs: number): (nowMs: number) => Tail[] {
  let next = 0;
  return (nowMs) => {
    const active: Tail[] = [];
    const quiet: Tail[] = [];
    for (const tail of tails)
      if (!tail.isRotated && nowMs - tail.changedMs > quietMs) quiet.push(tail);
      else active.push(tail);
    const looks = Math.min(quiet.length, FILE_QUIET_LOOKS);
    for (let at = 0; at < looks; at++) active.push(quiet[(next + at) % quiet.length] as Tail);
    next = looks > 0 ? (next + looks) % quiet.length : 0;
    return active;
  };
}
