/**
 * What is done so that no line is lost when files rotate: after a restart, and between two looks.
 *
 * Of a path there may be a file that was known, now under another name or in a copy; files that came and were rotated
 * away unseen; and the file that is there now. They are read in this order. What cannot be found is told, with the bytes
 * of it that are known to have been unread.
 */
import { basename } from 'node:path';
import { FILES_MAX } from '../limits.js';
import type { OpenFiles } from './openfiles.js';
import { createNeighbours, type Neighbours, unpackedBytes } from './rotated.js';
import { closeTail, holds, inodeOf, KNOWN_BYTES_MIN, openTail, rewound, type Tail } from './tail.js';

/** What is to be done for each filter's reading place. */
export interface Mover {
  /** Bytes of the file that were not read. */
  unread(tail: Tail): number;
  hasBegun(tail: Tail): boolean;
  /** What was known as one file is another one now. */
  move(from: Tail, to: Tail): void;
  forget(tail: Tail): void;
}

export interface RescueOptions {
  readonly files: OpenFiles;
  readonly movers: ReadonlySet<Mover>;
  readonly fdsMax: number;
  readonly tell: (line: string) => void;
  /** Other programs cause these as often as they like. */
  readonly tellRewritten: (line: string) => void;
  readonly tellLost: (line: string) => void;
}

/** What is at a path at which a file was that is not found. */
export type PathNow = 'nothing' | 'a known file' | 'another file';

/** What has become of files that were known. */
export interface Recovered {
  /** Those that were found, and what has come since: open, and to be read. */
  readonly found: readonly Tail[];
  readonly lost: readonly Tail[];
}

export interface Rescue {
  /** Forgets what it knows of folders, which costs memory. */
  rest(): void;
  /** Opens what came to a path and was rotated away since `seenMs`, and puts it there in the order. */
  came(path: string, seenMs: number, at: number): void;
  /** The same when a file has left its path: behind it, but before it what was made of it while it was `wasEmpty`, as far as anybody saw. */
  left(tail: Tail, seenMs: number, wasEmpty: boolean): void;
  /** The file was written anew in its place. */
  rewritten(tail: Tail): void;
  /** Finds files that were at a path, for these reading places, and what came since; `live` is there now. */
  recover(path: string, known: readonly Tail[], live: Tail | undefined, movers: Iterable<Mover>): Recovered;
  /** Says of files that were at a path, and are nowhere, what was not read of them; true when that is certain. */
  tellLoss(path: string, lost: readonly Tail[], now: PathNow, movers: Iterable<Mover>): boolean;
}

const NONE: ReadonlySet<string> = new Set();
/** After a kill the filter may have had them: its place is that of its last checkpoint. */
const UNREADABLE = 'cannot be read, or not again';

export function createRescue(options: RescueOptions): Rescue {
  const { files, movers, fdsMax, tell, tellRewritten, tellLost } = options;
  let neighbours: Neighbours = createNeighbours();

  function openRotated(at: string, path: string): Tail | undefined {
    const opened = files.tails.length < 2 * FILES_MAX ? openTail(at, fdsMax) : undefined;
    if (opened?.kind === 'open') return { ...opened.tail, path, pathBefore: path, isRotated: true };
    tell(`${at}: not read: ${opened?.kind === 'refused' ? opened.why : 'too many files'}`);
    return undefined;
  }

  /** Files that came to a path since and were rotated away. A copy of what is read there is none of them. */
  function newcomers(path: string, seenMs: number, rewritten: ReadonlySet<string> = NONE): Tail[] {
    const found: Tail[] = [];
    const isRead = (tail: Tail) =>
      tail.size >= KNOWN_BYTES_MIN &&
      [...files.tails, ...found].some((other) => other.path === path && holds(other, tail));
    for (const neighbour of neighbours.since(path, seenMs, rewritten)) {
      const open = files.byId(neighbour.id);
      if (open?.isRotated && open.path === path) found.push(open);
      const tail = open ? undefined : openRotated(neighbour.path, path);
      if (!tail) continue;
      if (isRead(tail)) closeTail(tail);
      else found.push(tail);
    }
    return found;
  }

  function isNew(tail: Tail): boolean {
    return !files.tails.includes(tail);
  }

  function came(path: string, seenMs: number, at: number): void {
    files.insert(at, newcomers(path, seenMs).filter(isNew));
  }

  function left(tail: Tail, seenMs: number, wasEmpty: boolean): void {
    const isBefore = (one: Tail) => wasEmpty && one.modifiedMs < tail.modifiedMs;
    const unseen = newcomers(tail.path, seenMs).filter(isNew);
    files.insert(files.tails.indexOf(tail), unseen.filter(isBefore));
    files.insert(
      files.tails.indexOf(tail) + 1,
      unseen.filter((one) => !isBefore(one)),
    );
  }

  function match(path: string, known: Tail, live: Tail | undefined): Tail | undefined {
    const isIt = (one: { readonly id: string }) => inodeOf(one.id) === inodeOf(known.id);
    if (live && isIt(live) && holds(live, known)) return live;
    const open = files.byId(known.id);
    if (open && open !== live && holds(open, known)) return open;
    const found = neighbours.find(path, known);
    // By what it holds alone, too: a folder may have been moved to another disk. But files may begin alike.
    const isLong = known.size >= KNOWN_BYTES_MIN;
    if (live && isLong && !(found && isIt(found)) && holds(live, known)) return live;
    return found && (files.byId(found.id) ?? openRotated(found.path, path));
  }

  return {
    rest() {
      neighbours = createNeighbours();
    },
    came,
    left,
    rewritten(tail) {
      const { path, knownAs } = tail;
      const seenMs = files.seenMs(path);
      const at = files.tails.indexOf(tail);
      const unread = mostUnread(tail, movers);
      const hasBegun = [...movers].some((mover) => mover.hasBegun(tail));
      const anew = rewound(tail);
      if (!anew) return;
      const copy = neighbours.copyOf(path, tail);
      const isReadAlready = copy !== undefined && files.byId(copy.id) !== undefined;
      const opened = copy && !isReadAlready ? openRotated(copy.path, path) : undefined;
      files.remove(tail);
      files.insert(at, [anew]);
      if (opened) {
        // Every reading place in the file is one in the copy.
        files.insert(at, [Object.assign(tail, opened, { knownAs })]);
      } else for (const mover of movers) mover.forget(tail);
      came(path, seenMs, at + (opened ? 1 : 0));
      if (unread > 0 && !opened && !isReadAlready)
        tellLost(
          `${path}: was written anew before ${unread} bytes of it were read; reading it from its beginning`,
        );
      else if (hasBegun || unread > 0)
        tellRewritten(`${path}: was written anew; reading it from its beginning`);
    },
    recover(path, known, live, forMovers) {
      const found: Tail[] = [];
      const lost: Tail[] = [];
      const seenMs = Math.max(...known.map((tail) => tail.seenMs));
      /** Others may have files of this path open that came later; what was known did not, whatever the clock of files says. */
      const insert = (tail: Tail, isLater: (one: Tail) => boolean) => {
        const at = files.tails.findIndex((one) => one.path === path && isLater(one));
        files.insert(at < 0 ? files.tails.length : at, [tail]);
      };
      let isAsBefore = false;
      /** Copied and truncated since, so that what is there now was never seen. */
      const rewritten = new Set<string>();
      for (const one of known) {
        const tail = match(path, one, live);
        if (tail === undefined || inodeOf(tail.id) !== inodeOf(one.id)) rewritten.add(inodeOf(one.id));
        if (!tail) {
          lost.push(one);
          continue;
        }
        // Of an empty file nobody can see whether it was written, copied and truncated meanwhile.
        if (tail === live) isAsBefore = one.size > 0;
        if (isNew(tail)) insert(tail, (one) => !found.includes(one));
        found.push(tail);
        tail.knownAs = one.knownAs;
        tail.seenMs = Math.max(tail.seenMs, seenMs);
        for (const mover of forMovers) mover.move(one, tail);
      }
      if (isAsBefore) return { found, lost };
      const unseen = newcomers(path, seenMs, rewritten);
      // What was empty may have got its bytes after others were made of it.
      const late = found.filter(
        (tail) => tail !== live && known.some(({ id, size }) => size === 0 && id === tail.id),
      );
      for (const tail of unseen.filter(isNew)) {
        const later = [
          ...late.filter(({ modifiedMs }) => modifiedMs > tail.modifiedMs),
          ...unseen.slice(unseen.indexOf(tail) + 1).filter((one) => !found.includes(one)),
          live,
        ];
        insert(tail, (one) => later.includes(one));
      }
      return { found: [...found, ...unseen], lost };
    },
    tellLoss(path, lost, now, forMovers) {
      const known = lost.filter(({ size }) => size > 0);
      const [oldest] = known;
      if (!oldest) return now !== 'nothing';
      const unread = known.reduce((sum, tail) => sum + mostUnread(tail, forMovers), 0);
      const packed = neighbours.compressedSince(path, oldest.modifiedMs);
      if (packed.length > 0) {
        const bytes = packed.map(unpackedBytes);
        const isKnown = bytes.every((count) => count !== undefined);
        const total = bytes.reduce<number>((sum, count) => sum + (count ?? 0), 0);
        const left = total - known.reduce((sum, tail) => sum + tail.size, -unread);
        const what = isKnown ? `the last ${left} bytes of it are` : 'what was not read of it is';
        const names = packed.map((one) => basename(one.path)).slice(0, 3);
        if (!isKnown || left > 0)
          tell(`${path}: ${what} compressed now, and ${UNREADABLE} (${names.join(', ')})`);
        return true;
      }
      const part =
        unread > 0
          ? `${unread} bytes at least of the one before ${UNREADABLE}`
          : 'whether more had been written to the one before is not known, and none of that can be read';
      if (now === 'another file')
        tell(`${path}: is another file than before, read from its beginning; ${part}`);
      else if (now === 'a known file' && unread > 0) tell(`${path}: is another file than before; ${part}`);
      return now !== 'nothing';
    },
  };
}

function mostUnread(tail: Tail, movers: Iterable<Mover>): number {
  let most = 0;
  for (const mover of movers) most = Math.max(most, mover.unread(tail));
  return most;
}
