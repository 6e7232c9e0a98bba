/**
 * Looks for files at the paths and patterns of a file source, and opens what is new.
 *
 * What has been read and went away (`away`) is known again when it comes back. A file whose name says that it was
 * rotated is not opened while it is the beginning of the one that it is named after: that is a copy, in the making or before
 * a truncation, and everything in it is read there.
 */
import { WeirError } from '../errors.js';
import { FILES_MAX } from '../limits.js';
import { expand, isPattern, matches } from './glob.js';
import type { OpenFiles } from './openfiles.js';
import type { Mover, Rescue } from './rescue.js';
import { isCompressed, originalsOf } from './rotated.js';
import { closeTail, type Found, holds, KNOWN_BYTES_MIN, lookAt, openTail, type Tail } from './tail.js';

export interface ScanOptions {
  readonly name: string;
  readonly patterns: readonly string[];
  readonly untilEof: boolean;
  readonly fdsMax: number;
  readonly files: OpenFiles;
  readonly away: Tail[];
  readonly movers: ReadonlySet<Mover>;
  readonly rescue: Rescue;
  /** Looks at an open file again. */
  readonly look: (tail: Tail) => void;
  readonly tell: (line: string) => void;
  readonly tellOnce: (line: string) => void;
}

/** `first`: what the config names without a pattern must be there or is waited for, and is read whatever it is named. */
export type ScanKind = 'first' | 'again';

/** Opens what is new; true when there was something. */
export function createScan(options: ScanOptions): (kind: ScanKind) => boolean {
  const { name, patterns, untilEof, fdsMax, files, away, movers, rescue, look, tell, tellOnce } = options;
  /** Files for which no descriptor is left; after the first one the others are not tried. */
  let unopened = 0;
  let isFullTold = false;
  /** Open files that are at their paths. */
  let live = 0;

  function missing(path: string, kind: ScanKind): void {
    if (kind === 'first' && untilEof)
      throw new WeirError('SOURCE_UNREADABLE', `source ${name}: ${path}: no such file`);
    if (!files.tails.some((tail) => tail.path === path))
      tellOnce(`${path}: no such file yet; waiting for it`);
  }

  /** True when the file at a path is open; then it is at this path now. */
  function isOpen(path: string, found: Found): boolean {
    const same = found.kind === 'file' ? files.byId(found.id) : undefined;
    if (same?.isRotated) files.comeTo(path, same);
    return same !== undefined;
  }

  /** True of a file that holds nothing but what is read under the name from which its own comes. */
  function isCopy(path: string, kind: ScanKind): boolean {
    return originalsOf(path).some((original) => {
      if (!patterns.some((pattern) => matches(pattern, original))) return false;
      const open = files.byPath(original);
      // It may have been truncated just now: then its rest is read from this copy.
      if (open) look(open);
      return isBeginningOf(path, original, kind === 'first' ? KNOWN_BYTES_MIN : 0);
    });
  }

  /** Opens a file, and what was rotated away of its path while it was out of sight. */
  function openNew(path: string, found: Found, kind: ScanKind | 'named'): void {
    const mustWork = kind === 'named';
    if (isOpen(path, found)) return;
    if (!mustWork && found.kind === 'file' && (isCopy(path, kind) || isOpen(path, found))) return;
    if (live >= FILES_MAX) {
      tellOnce(`more than ${FILES_MAX} files match; the rest is not read`);
      return;
    }
    const opened = openTail(path, fdsMax);
    if (opened.kind === 'open') {
      live += 1;
      const seenMs = files.seenMs(path);
      const original = originalsOf(path).find((one) => files.seenMs(one) > 0);
      files.add(Object.assign(opened.tail, { pathBefore: original ?? path }));
      // Others may have come to its path before it, since the one before them left.
      if (seenMs > 0) rescue.came(path, seenMs, files.tails.indexOf(opened.tail));
      comeBack(opened.tail);
    } else if (opened.kind === 'refused') refuse(path, opened.why, mustWork);
  }

  function refuse(path: string, why: string, mustWork: boolean): void {
    if (mustWork) throw new WeirError('SOURCE_UNREADABLE', `source ${name}: ${path}: ${why}`);
    if (why === 'EMFILE' || why === 'ENFILE') unopened = 1;
    else tellOnce(`${path}: not read: ${why}`);
  }

  function tellFull(): void {
    if (unopened > 0 && !isFullTold) {
      const most = `${files.tails.length} files are open, which is all that this process may open`;
      tell(`${most} (ulimit -n, LimitNOFILE of a unit); ${unopened} are not read`);
    }
    isFullTold = unopened > 0;
  }

  function comeBack(tail: Tail): void {
    const isKnown = (one: Tail) => one.path === tail.path || (one.id === tail.id && holds(tail, one));
    const known = away.filter(isKnown);
    if (known.length === 0) return;
    away.splice(0, away.length, ...away.filter((one) => !known.includes(one)));
    const { lost } = rescue.recover(tail.path, known, tail, movers);
    const now = lost.length === known.length ? 'another file' : 'a known file';
    rescue.tellLoss(tail.path, lost, now, movers);
    for (const one of lost) for (const mover of movers) mover.forget(one);
  }

  return (kind) => {
    const before = files.tails.length;
    unopened = 0;
    live = files.tails.filter(({ isRotated }) => !isRotated).length;
    for (const pattern of patterns) {
      const { paths, isPartial } = expand(pattern, FILES_MAX);
      if (isPartial) tellOnce(`${pattern}: more than can be looked at; the rest is not read`);
      if (!paths.length && !isPattern(pattern)) missing(pattern, kind);
      const wanted = paths.filter((path) => !isPattern(pattern) || !isCompressed(path));
      for (const { path, found } of oldestFirst(wanted.filter((one) => !files.byPath(one))))
        if (unopened > 0) unopened += 1;
        else openNew(path, found, kind === 'first' && !isPattern(pattern) ? 'named' : kind);
    }
    tellFull();
    return files.tails.length > before;
  };
}

function oldestFirst(paths: readonly string[]): { path: string; found: Found }[] {
  const looked = paths.map((path) => ({ path, found: lookAt(path) }));
  const modifiedMs = ({ found }: { found: Found }) => (found.kind === 'file' ? found.modifiedMs : 0);
  return looked.sort((a, b) => modifiedMs(a) - modifiedMs(b));
}

/** True when the one file, of so many bytes at least or none at all, is the beginning of the other. */
function isBeginningOf(path: string, whole: string, bytesMin: number): boolean {
  const copy = openTail(path, Number.POSITIVE_INFINITY);
  const original = copy.kind === 'open' ? openTail(whole, Number.POSITIVE_INFINITY) : undefined;
  const isBeginning =
    copy.kind === 'open' &&
    original?.kind === 'open' &&
    (copy.tail.size >= bytesMin || copy.tail.size === 0) &&
    copy.tail.id !== original.tail.id &&
    holds(original.tail, copy.tail);
  for (const opened of [copy, original]) if (opened?.kind === 'open') closeTail(opened.tail);
  return isBeginning;
}
