/**
 * The journal: the calls of a filter since a snapshot, so that they can be made again. Filters are pure functions over
 * their memory, so a snapshot and the calls since give what the filter remembered, exactly.
 *
 * A call holds no bytes, only the way to read them again; for how long that works is the source's to say.
 */
import { SNAPSHOT_CALLS_MAX, SNAPSHOT_RATIO } from '../limits.js';
import type { Cursor, ReadAgain, ReadPlace } from '../source/source.js';
import type { Parts, Spared } from './calls.js';
import type { FilterInstance } from './instance.js';
import type { RecordSink } from './output.js';

/** One batch, or one tick, as it was or is to be made. */
export type Call = BatchCall | TickCall;

/** What is due is not told as a whole, because some of it is at fault; for one version only. */
interface Sparing {
  readonly spared?: Spared;
  /** Why each thing is left out; not kept on a disk. */
  readonly faults?: readonly unknown[];
}

export interface BatchCall extends Sparing {
  readonly kind: 'batch';
  /** Where its events came from. */
  readonly cursor: Cursor;
  readonly readAgain: ReadAgain;
  /** Where that began, and the offset behind all of it. */
  readonly place: ReadPlace;
  readonly end: number;
  /** Its place in what `readAgain` gives. */
  readonly from: number;
  /** With the LF of the last event, which may not be in the source. */
  readonly bytes: number;
  readonly isTruncated: boolean;
  readonly nowMs: number;
}

/** A batch that was just read from a cursor, as a call. */
export function batchCall(
  cursor: Cursor,
  {
    bytes,
    moved,
    isTruncated,
  }: { readonly bytes: number; readonly moved: number; readonly isTruncated: boolean },
  nowMs: number,
): BatchCall {
  const place = cursor.lastPlace();
  const readAgain = cursor.keepLastRead();
  return {
    kind: 'batch',
    cursor,
    readAgain,
    place,
    end: place.offset + moved,
    from: 0,
    bytes,
    isTruncated,
    nowMs,
  };
}

export interface TickCall extends Sparing {
  readonly kind: 'tick' | 'close' | 'flush';
  readonly nowMs: number;
}

/** A call that went well, and what tells that it goes the same way again. */
export interface Entry {
  readonly call: Call;
  readonly fuel: number;
  /** Events that went into the filter's state; lost with it. */
  readonly aggregated: number;
}

export interface Journal {
  /** All of them, oldest first. */
  readonly entries: readonly Entry[];
  /** Those behind the snapshot. */
  since(): readonly Entry[];
  add(entry: Entry): void;
  /** True when it is time for a snapshot of so many bytes. */
  isDue(snapshotBytes: number): boolean;
  /** A snapshot was made; with `keepsAll` what came before it stays. */
  mark(keepsAll: boolean): void;
  /** Forgets what is behind the snapshot. */
  forgetSince(): void;
  clear(): void;
}

export function createJournal(): Journal {
  const entries: Entry[] = [];
  let saved = 0;
  let bytesSince = 0;
  return {
    entries,
    since: () => entries.slice(saved),
    add(entry) {
      entries.push(entry);
      if (entry.call.kind === 'batch') bytesSince += entry.call.bytes;
    },
    isDue: (snapshotBytes) =>
      bytesSince >= SNAPSHOT_RATIO * snapshotBytes || entries.length - saved >= SNAPSHOT_CALLS_MAX,
    mark(keepsAll) {
      if (!keepsAll) entries.length = 0;
      saved = entries.length;
      bytesSince = 0;
    },
    forgetSince() {
      entries.length = saved;
      bytesSince = 0;
    },
    clear() {
      entries.length = 0;
      saved = 0;
      bytesSince = 0;
    },
  };
}

/** The place behind the events of a call; what it was given of a line that is too long for it is passed over there. */
export function placeBehind({ place, from, bytes, end }: BatchCall): ReadPlace {
  return { ...place, offset: Math.min(place.offset + from + bytes, end) };
}

const LF = 10;

/** Reads the events of a call into the filter's input region; false when they are not there any more. */
export function fill({ input }: FilterInstance, call: Call): boolean {
  if (call.kind !== 'batch') return true;
  const { readAgain, from, bytes } = call;
  if (bytes > input.length) return false;
  // The last byte is LF, also where the source has another one or none there.
  if (bytes > 1 && !readAgain(from, input.subarray(0, bytes - 1))) return false;
  input[bytes - 1] = LF;
  return true;
}

export interface Held {
  /** The same call; its events are there until `release`, whatever becomes of the source. */
  readonly call: Call;
  release(): void;
}

/** Copies the events of a call that failed: while a filter recovers, a file may be written anew, an inbox go on. */
export function hold(call: Call): Held {
  if (call.kind !== 'batch') return { call, release() {} };
  const copy = Buffer.alloc(call.bytes, LF);
  const isThere = call.bytes < 2 || call.readAgain(call.from, copy.subarray(0, call.bytes - 1));
  let held = isThere ? copy : undefined;
  const readAgain: ReadAgain = (from, target) => {
    if (!held) return call.readAgain(from, target);
    const at = from - call.from;
    return held.copy(target, 0, at) === target.length;
  };
  return {
    call: { ...call, readAgain },
    release() {
      held = undefined;
    },
  };
}

/**
 * A call in parts that fit another version than the one it was for, whose input region may be smaller; a longer line is cut. What
 * was at fault in the one is not left out in the other.
 */
export function* fitting(
  { input }: FilterInstance,
  { spared: _, faults: __, ...call }: Call,
): Generator<Call> {
  if (call.kind !== 'batch' || call.bytes <= input.length) return yield call;
  const { readAgain, from, bytes } = call;
  const isThere = (at: number, count: number) => readAgain(from + at, input.subarray(0, count));
  let at = 0;
  for (; bytes - at > input.length && isThere(at, input.length); ) {
    const end = input.lastIndexOf(LF) + 1;
    yield { ...call, from: from + at, bytes: end || input.length, isTruncated: end === 0 };
    at += end || input.length - 1;
    for (let isCut = end === 0; isCut && at < bytes; ) {
      // What was cut off goes up to the next line end, or to that of the batch, which the source may not have.
      const count = Math.min(bytes - 1 - at, input.length);
      const lineEnd = isThere(at, count) ? input.subarray(0, count).indexOf(LF) : -1;
      isCut = lineEnd < 0;
      at += isCut ? Math.max(count, 1) : lineEnd + 1;
    }
  }
  if (at < bytes) yield { ...call, from: from + at, bytes: bytes - at };
}

/** Makes a call, part by part; the events of a batch stand in the input region. Throws FilterFault. */
export function make(filter: FilterInstance, call: Call, sink: RecordSink): Parts {
  const { nowMs, spared } = call;
  if (call.kind === 'batch') return filter.run(call.bytes, nowMs, call.isTruncated, sink, spared);
  if (call.kind === 'tick') return filter.tick(nowMs, sink, spared);
  if (call.kind === 'flush') return filter.flush(nowMs, sink, spared);
  return filter.closeWindows(nowMs, sink, spared);
}

/**
 * Makes a call once more; true when it went exactly as it did before, which its fuel tells. Without a fuel that is known any way is
 * as good.
 */
export function* makeAgain(
  filter: FilterInstance,
  call: Call,
  fuel: number | undefined,
  sink: RecordSink,
): Generator<void, boolean, void> {
  if (!fill(filter, call)) return false;
  const before = filter.fuelUsed();
  try {
    yield* make(filter, call, sink);
  } catch {
    return false;
  }
  return fuel === undefined || filter.fuelUsed() - before === fuel;
}

/** The two halves of a batch that stands in the input region, cut between events; nothing when it is one event or a tick. */
export function halves({ input }: FilterInstance, call: Call): [BatchCall, BatchCall] | undefined {
  if (call.kind !== 'batch' || call.bytes < 2) return undefined;
  const last = call.bytes - 1;
  const middle = Math.min(call.bytes >>> 1, last - 1);
  const before = input.lastIndexOf(LF, middle);
  const cut = (before >= 0 ? before : input.indexOf(LF, middle)) + 1;
  if (cut > last) return undefined;
  return [
    { ...call, bytes: cut, isTruncated: false },
    { ...call, from: call.from + cut, bytes: call.bytes - cut },
  ];
}

/** Events of a call that stands in the input region. */
export function eventsOf({ input }: FilterInstance, call: Call): number {
  if (call.kind !== 'batch') return 0;
  let events = 0;
  for (let at = input.indexOf(LF); at >= 0 && at < call.bytes; at = input.indexOf(LF, at + 1)) events += 1;
  return events;
}
