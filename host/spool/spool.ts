/**
 * The spool of one filter: its messages, and the record of its calls, on disk until nobody needs them any more.
 *
 * Append-only segments. An entry that is written is never changed; whole segments are removed from the front. Opening reads the
 * last segment only, so it takes the same time whatever the backlog. An append ends with a commit: what a kill or a loss of power
 * left without one at the end is not read, and is cut off with the next append, as if it had never been written.
 * A damaged entry elsewhere is passed over when it is read, and counted. Reading holds one entry at a time.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder, syncFolder, takesNothing } from '../durable.js';
import { type Entry, type EntryKind, entryHeader } from './entry.js';
import {
  newSegmentName,
  readSegment,
  type SegmentName,
  segmentName,
  type SegmentReader,
  type SegmentWriter,
  writeSegment,
} from './segment.js';

export interface SpoolOptions {
  readonly folder: string;
  /** A segment is closed when it has so many bytes. */
  readonly segmentBytes: number;
  /** Numbers up to this one have been given before, whatever the folder holds. */
  readonly numbersFrom?: number;
}

/** What is to be appended: the parts of its payload, one behind the other. */
export interface NewEntry {
  readonly kind: EntryKind;
  readonly payload: readonly Uint8Array[];
}

export interface Spool {
  /** Appends entries, of which the last one is a commit, all or none; answers the number of the first one. Throws the system's error. */
  append(entries: readonly NewEntry[]): number;
  /** Number of the last entry; 0 when there never was one. */
  last(): number;
  /** Number of the oldest entry that may still be there. */
  first(): number;
  /** Reads on behind the entry of this number. */
  read(after: number): SpoolReader;
  /** True when `release` would remove something. */
  isReleasable(through: number): boolean;
  /** Removes the segments that hold nothing behind this number; `keepMs` of age keeps one all the same. */
  release(through: number, keepMs?: number): void;
  /** Bytes on disk. */
  bytes(): number;
  /** Resolves when what was appended so far will outlive a loss of power. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface SpoolReader {
  /** The next entry, its payload good until any other read; nothing when there is none now. */
  next(): Entry | undefined;
  /** Places at which something was damaged and passed over. */
  damaged(): number;
  /** The last of those behind one entry and before another that was read since. */
  damageBetween(entry: number, other: number): Damage | undefined;
  close(): void;
}

/** Where an entry should begin and none could be read. */
export interface Damage {
  readonly path: string;
  readonly offset: number;
}

/** Places of damage that a reader remembers. */
const DAMAGES_MAX = 8;
/** A segment of which nothing is needed any more is ended when it has so large a part of its bytes. */
const ROLL_PARTS = 4;

export function createSpool({ folder, segmentBytes, numbersFrom = 0 }: SpoolOptions): Spool {
  try {
    makePlace(folder);
  } catch (error) {
    // Then with the first append.
    if (!takesNothing(error)) throw error;
  }
  const names = segmentsOf(folder);
  const { torn, end, last: found } = endOfAll(names, numbersFrom);
  const sizes = new Map(names.map((name) => [name, statSync(name.path).size]));
  let last = found;
  let writer: SegmentWriter | undefined;
  const syncing = new Set<Promise<void>>();
  let total = [...sizes.values()].reduce((sum, size) => sum + size, 0);

  function current(): SegmentWriter {
    if (writer) return writer;
    // Only now: the disk may have been full or read-only until here.
    makePlace(folder);
    for (; torn[0]; torn.shift()) rmSync(torn[0].path, { force: true });
    const isGoingOn = end !== undefined && end.number === last && end.bytes > 0;
    const name = isGoingOn ? (names[names.length - 1] as SegmentName) : newSegmentName(folder, last + 1);
    writer = writeSegment(name, isGoingOn ? end.bytes : 0);
    if (!isGoingOn) names.push(name);
    total += writer.bytes() - (sizes.get(name) ?? 0);
    sizes.set(name, writer.bytes());
    return writer;
  }

  /** Ends the present segment; it is closed once it is safe. */
  function roll(): void {
    const old = writer as SegmentWriter;
    const name = newSegmentName(folder, last + 1);
    // First: where the disk takes no new file, the old one goes on.
    writer = writeSegment(name);
    const closed = old.sync().then(old.close, old.close);
    syncing.add(closed);
    void closed.then(() => syncing.delete(closed));
    names.push(name);
    sizes.set(name, 0);
  }

  const currentBytes = () => sizes.get(names[names.length - 1] as SegmentName) ?? 0;

  return {
    append(entries) {
      if (current().bytes() >= segmentBytes) roll();
      const name = names[names.length - 1] as SegmentName;
      const parts = entries.flatMap(({ kind, payload }, at) => [
        entryHeader(name.salt, kind, last + 1 + at, payload),
        ...payload,
      ]);
      current().append(parts);
      total += current().bytes() - (sizes.get(name) ?? 0);
      sizes.set(name, current().bytes());
      last += entries.length;
      return last - entries.length + 1;
    },
    last: () => last,
    first: () => names[0]?.first ?? last + 1,
    read: (after) => createReader(names, after, () => last),
    isReleasable: (through) =>
      (names[1] !== undefined && names[1].first - 1 <= through) ||
      (last <= through && currentBytes() >= segmentBytes / ROLL_PARTS),
    release(through, keepMs = 0) {
      // So that what nobody needs goes, too, without a new file for each message.
      if (last <= through && keepMs === 0 && currentBytes() >= segmentBytes / ROLL_PARTS) {
        current();
        roll();
      }
      while (names.length > 1) {
        const [name, next] = names as [SegmentName, SegmentName];
        if (next.first - 1 > through || (keepMs > 0 && ageMs(name) < keepMs)) return;
        rmSync(name.path, { force: true });
        names.shift();
        total -= sizes.get(name) ?? 0;
        sizes.delete(name);
      }
    },
    bytes: () => total,
    async sync() {
      await Promise.all([...syncing, writer?.sync()]);
    },
    async close() {
      await Promise.all(syncing);
      writer?.close();
      writer = undefined;
    },
  };
}

function makePlace(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(folder);
  syncFolder(dirname(folder));
}

function segmentsOf(folder: string): SegmentName[] {
  return (existsSync(folder) ? readdirSync(folder) : [])
    .map((file) => segmentName(folder, file))
    .filter((name) => name !== undefined)
    .sort((one, other) => one.first - other.first);
}

function ageMs({ path }: SegmentName): number {
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
}

/** Where a spool ends: `end` is that of its last segment. */
interface EndOfAll {
  /** Segments of one append that was torn: nothing is in them, and others will have their numbers. They are taken out of the names. */
  readonly torn: SegmentName[];
  readonly end: ReturnType<typeof endOf> | undefined;
  /** Number of the last entry; at least `numbersFrom`. */
  readonly last: number;
}

function endOfAll(names: SegmentName[], numbersFrom: number): EndOfAll {
  const torn: SegmentName[] = [];
  let last = numbersFrom;
  for (let name = names.at(-1); name; name = names.at(-1)) {
    const end = endOf(name);
    const isTorn = end.bytes === 0 && name.first > last;
    last = Math.max(last, end.number);
    if (!isTorn) return { torn, end, last };
    torn.push(name);
    names.pop();
  }
  return { torn, end: undefined, last };
}

/** The last commit of a segment, and where it ends; its first number less one when there is none. */
function endOf(name: SegmentName): { number: number; bytes: number } {
  const reader = readSegment(name);
  const end = { number: name.first - 1, bytes: 0 };
  const seen = { ...end };
  try {
    for (let found = reader.next(0, end.number); found; found = reader.next(seen.bytes, seen.number)) {
      seen.number = found.entry.number;
      seen.bytes = found.end;
      if (found.entry.kind === 'commit') Object.assign(end, seen);
    }
  } finally {
    reader.close();
  }
  return end;
}

/** `names` is the spool's own list, which goes on while this reads, as does its `last` entry. */
function createReader(names: readonly SegmentName[], after: number, last: () => number): SpoolReader {
  let number = after;
  /** Number of the last entry seen in the open segment, and where it ends. */
  let seen = -1;
  let at = 0;
  let damaged = 0;
  /** The last places, each with the number of the entry that was read behind it. */
  const places: (Damage & { before: number })[] = [];
  let open: { readonly name: SegmentName; readonly reader: SegmentReader } | undefined;

  function close(): void {
    open?.reader.close();
    open = undefined;
  }

  /** The segment in which the next entry must be, opened; nothing when there is none. */
  function segment(): SegmentReader | undefined {
    if (open && names.includes(open.name)) return open.reader;
    close();
    const index = names.findLastIndex(({ first }) => first <= number + 1);
    const name = names[Math.max(index, 0)];
    if (!name) return undefined;
    open = { name, reader: readSegment(name) };
    at = 0;
    seen = -1;
    return open.reader;
  }

  const behindOpen = () => names[names.indexOf(open?.name as SegmentName) + 1];

  function noteDamage(): void {
    damaged++;
    if (open) places.push({ path: open.name.path, offset: at, before: 0 });
    if (places.length > DAMAGES_MAX) places.shift();
  }

  /** Goes on to the segment behind the open one; false when that is the last. */
  function goOn(): boolean {
    const next = behindOpen();
    if (!next) return false;
    // What it still held, if anything, was damaged.
    if (next.first > number + 1) noteDamage();
    close();
    number = Math.max(number, next.first - 1);
    return true;
  }

  return {
    next() {
      for (let reader = segment(); reader && number < last(); reader = segment()) {
        const found = reader.next(at, seen);
        // What is torn at the end of a segment has numbers of those behind it.
        if (!found || found.entry.number > Math.min(last(), (behindOpen()?.first ?? Infinity) - 1)) {
          if (goOn()) continue;
          return undefined;
        }
        if (found.isSkipped) noteDamage();
        at = found.end;
        seen = found.entry.number;
        if (found.entry.number <= number) continue;
        number = found.entry.number;
        for (const place of places) place.before ||= number;
        return found.entry;
      }
      return undefined;
    },
    damaged: () => damaged,
    damageBetween: (entry, other) => places.findLast(({ before }) => before > entry && before <= other),
    close,
  };
}
