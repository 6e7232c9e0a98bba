/**
 * Where a filter goes on in files after a restart: its saved places, and the files in which they are now.
 *
 * A new filter reads the files that the config names. Rotated ones that are open only because another filter has not
 * read them to their end are none of its business.
 */
import { matches } from './glob.js';
import type { OpenFiles } from './openfiles.js';
import { type FileCursor, type SavedPlace, savedPlaces } from './places.js';
import type { PathNow, Rescue } from './rescue.js';
import type { Position } from './source.js';
import type { Tail } from './tail.js';

export interface RestoreOptions {
  readonly patterns: readonly string[];
  readonly files: OpenFiles;
  /** Those that read already. */
  readonly cursors: ReadonlySet<FileCursor>;
  readonly rescue: Rescue;
  readonly tell: (line: string) => void;
  /** Keeps what is known of a file whose path names nothing now. */
  readonly remember: (tail: Tail) => void;
}

/** Brings a cursor that is about to read to its saved places. */
export function createRestore(options: RestoreOptions): (cursor: FileCursor, saved: Position) => void {
  const { patterns, files, cursors, rescue, tell, remember } = options;
  /** Files that are open only for those that have read in them before. */
  const rescued = new WeakSet<Tail>();

  /** Finds the files of saved places; those that are to be read. */
  function recover(places: readonly SavedPlace[], cursor: FileCursor): ReadonlySet<Tail> {
    const own = new Set<Tail>();
    const losses: (readonly [string, readonly Tail[]])[] = [];
    for (const [path, known] of knownByPath(places, cursor)) {
      const { found, lost } = rescue.recover(path, known, files.byPath(path), [cursor]);
      for (const tail of found) own.add(tail);
      losses.push([path, lost]);
    }
    // Once all are found: what is at a path now may be known from another one.
    for (const [path, lost] of losses) {
      const live = files.byPath(path);
      const now: PathNow = !live ? 'nothing' : own.has(live) ? 'a known file' : 'another file';
      const isCertain = rescue.tellLoss(path, lost, now, [cursor]);
      for (const tail of lost) {
        if (isCertain) cursor.forget(tail);
        else remember(tail);
      }
    }
    return own;
  }

  return (cursor, saved) => {
    const places = savedPlaces(saved);
    if (!places) tell('the saved positions are not understood; every file is read from its beginning');
    const before = new Set(files.tails);
    // A file that the config does not name any more, or never did, is not for us to read.
    const isNamed = ({ path }: SavedPlace) => patterns.some((pattern) => matches(pattern, path));
    const own = recover((places ?? []).filter(isNamed), cursor);
    for (const tail of files.tails) {
      if (rescued.has(tail) && !own.has(tail)) cursor.skip(tail);
      if (before.has(tail)) continue;
      rescued.add(tail);
      for (const other of cursors) other.skip(tail);
    }
  };
}

/** What a saved position knows of files, by path; the cursor begins where it was in each. */
function knownByPath(places: readonly SavedPlace[], cursor: FileCursor): Map<string, Tail[]> {
  const byPath = new Map<string, Tail[]>();
  for (const place of places) {
    const { path, id, knownAs, size, digest, seenMs } = place;
    const content = { path, pathBefore: path, id, knownAs, size, digest, modifiedMs: seenMs, seenMs };
    const tail: Tail = { ...content, fd: -1, changedMs: 0, isRotated: false };
    cursor.begin(tail, place);
    const known = byPath.get(path) ?? [];
    known.push(tail);
    byPath.set(path, known);
  }
  return byPath;
}
