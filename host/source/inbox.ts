/**
 * An inbox: the bounded memory behind a source that cannot be read again (a socket, a pipe, a watch).
 *
 * It is one ring of bytes, allocated when it is made, that holds whole events, each ended by LF. Any number of
 * cursors read it, each at its own place. It promises that an event is one line: a newline inside of one is
 * written as `#012`, so that nobody who may send an event can forge a second one. When a new event does not fit,
 * the oldest whole events go, and every cursor that had not begun to read one of them counts it as lost, exactly;
 * one that is given up counts what it leaves behind.
 * A source that can wait asks `freeBytes` first and then loses nothing.
 *
 *     capacity: |....newer....|head ~ free ~ tail|....older....|      offsets only grow; index = offset % capacity
 *
 * It never grows, never holds a part of an event, and never moves a cursor to anywhere but the start of an event.
 */
import { WeirError } from '../errors.js';
import { INBOX_BYTES, INBOX_EVENT_BYTES_MAX } from '../limits.js';
import type { Cursor } from './source.js';

const LF = 10;
const CR = 13;
const LINE_END = Uint8Array.of(LF);
/** What was read is kept until it is one of so many parts of the ring. */
const KEPT_PARTS = 4;
/** How rsyslog writes a newline inside of a message: `#` and three octal digits. */
const ESCAPED_LF = new TextEncoder().encode('#012');

/** Whether an event is all that its sender wrote, or was cut at a limit. */
export type Extent = 'whole' | 'cut';

export interface InboxOptions {
  /** At least one byte more than `eventBytesMax`. */
  readonly capacityBytes: number;
  readonly eventBytesMax: number;
}

export const INBOX_DEFAULTS: InboxOptions = {
  capacityBytes: INBOX_BYTES,
  eventBytesMax: INBOX_EVENT_BYTES_MAX,
};

export interface Inbox {
  readonly eventBytesMax: number;
  /**
   * Adds one event, given without its line end (one LF or CR LF is taken off). What is longer than
   * `eventBytesMax` once it is escaped is cut there; an empty event is left out. Copies what it keeps.
   */
  append(event: Uint8Array, extent?: Extent): void;
  /** A new reading place, at the oldest byte held. */
  cursor(): Cursor;
  /** Says that no more events will come. */
  end(): void;
  /** Room before the oldest byte would go that some cursor has not read, or may have to read again. */
  freeBytes(): number;
  /**
   * Calls `resume` once, when reading has made room for an event of any size. Who asked first is called first,
   * so that of many senders that wait none is forgotten. At most one request for each of them.
   */
  onSpace(resume: () => void): void;
  /** Calls `wake` for each event, and at the end. One listener. */
  onData(wake: () => void): void;
  /** Events that were cut, here or before they came here. */
  truncatedEvents(): number;
}

export function createInbox({ capacityBytes, eventBytesMax }: InboxOptions): Inbox {
  if (capacityBytes <= eventBytesMax) {
    const expected = `more than one event of ${eventBytesMax} bytes`;
    throw new WeirError(
      'SOURCE_INVALID',
      `inbox: expected room for ${expected}, found ${capacityBytes} bytes`,
    );
  }
  const ring = createRing(capacityBytes);
  const readers = new Set<Reader>();
  const waiting: (() => void)[] = [];
  let wake = (): void => {};
  let hasEnded = false;
  /** Until there is a reader, everything is kept for it; when all have left, nothing is. */
  let hasReader = false;
  let truncatedEvents = 0;

  function freeBytes(): number {
    let oldest = hasReader ? ring.head() : ring.tail();
    for (const { at, keptFrom } of readers) oldest = Math.min(oldest, keptFrom ?? at);
    return capacityBytes - (ring.head() - Math.max(oldest, ring.tail()));
  }

  function dropOldest(): void {
    const start = ring.tail();
    const end = ring.dropLine();
    for (const reader of readers) {
      if (reader.at >= end) continue;
      // An event whose beginning was read has been seen, if cut short; it is not lost.
      if (reader.at === start) reader.lostEvents += 1;
      reader.at = end;
      reader.skipping = false;
    }
  }

  function append(given: Uint8Array, extent: Extent = 'whole'): void {
    const event = withoutLineEnd(given);
    const { takenBytes, escapedBytes } = measure(event, eventBytesMax);
    if (escapedBytes === 0) return;
    if (extent === 'cut' || takenBytes < event.length) truncatedEvents += 1;
    while (ring.head() - ring.tail() + escapedBytes + LINE_END.length > capacityBytes) dropOldest();
    writeEvent(ring, event.subarray(0, takenBytes));
    wake();
  }

  function resumeWaiting(): void {
    while (waiting.length > 0 && freeBytes() > eventBytesMax) waiting.shift()?.();
  }

  return {
    eventBytesMax,
    append,
    cursor() {
      const start = ring.tail();
      const reader: Reader = {
        at: start,
        readAt: start,
        keptFrom: undefined,
        skipping: false,
        lostEvents: 0,
      };
      readers.add(reader);
      hasReader = true;
      const cutBefore = truncatedEvents;
      let cutUntil = (): number => truncatedEvents;
      const cutEvents = () => cutUntil() - cutBefore;
      const giveUp = () => {
        if (!readers.delete(reader)) return;
        const held = ring.lines(reader.at);
        reader.lostEvents += reader.skipping ? held - 1 : held;
        reader.at = ring.head();
        const cut = truncatedEvents;
        cutUntil = () => cut;
        resumeWaiting();
      };
      return createCursor(reader, ring, () => hasEnded, { cutEvents, onAdvance: resumeWaiting, giveUp });
    },
    end() {
      hasEnded = true;
      wake();
    },
    freeBytes,
    onSpace: (resume) => waiting.push(resume),
    onData(listener) {
      wake = listener;
    },
    truncatedEvents: () => truncatedEvents,
  };
}

/** One cursor's place. */
interface Reader {
  /** Offset of the next byte to read. */
  at: number;
  /** Where the last read began. */
  readAt: number;
  /** From here on bytes are kept to be read again: sources that can wait do so rather than write over them. */
  keptFrom: number | undefined;
  skipping: boolean;
  lostEvents: number;
}

function createCursor(
  reader: Reader,
  ring: Ring,
  hasEnded: () => boolean,
  { cutEvents, onAdvance, giveUp }: { cutEvents: () => number; onAdvance: () => void; giveUp: () => void },
): Cursor {
  let lastReadAt = reader.at;
  return {
    read(target) {
      reader.readAt = reader.at;
      lastReadAt = reader.at;
      const bytes = ring.copy(reader.at, target);
      return { bytes, final: hasEnded() && reader.at + bytes === ring.head() };
    },
    advance(bytes) {
      // Never back: what was read may have been dropped since.
      reader.at = Math.max(reader.at, Math.min(reader.readAt + bytes, ring.head()));
      reader.readAt = reader.at;
      onAdvance();
    },
    keepLastRead() {
      const readAt = lastReadAt;
      reader.keptFrom ??= readAt;
      return (from, target) =>
        ring.isHeld(readAt + from) && ring.copy(readAt + from, target) === target.length;
    },
    lastPlace: () => ({ offset: lastReadAt }),
    readAt: ({ offset }, target) => ring.isHeld(offset) && ring.copy(offset, target) === target.length,
    goTo({ offset }, skipping) {
      reader.at = Math.min(Math.max(offset, ring.tail()), ring.head());
      reader.readAt = reader.at;
      reader.skipping = skipping;
      onAdvance();
    },
    isPressed: () => reader.at - (reader.keptFrom ?? reader.at) >= ring.capacityBytes / KEPT_PARTS,
    settle() {
      reader.keptFrom = undefined;
      onAdvance();
    },
    // An inbox holds whole events only.
    pass() {},
    get skipping() {
      return reader.skipping;
    },
    set skipping(skipping) {
      reader.skipping = skipping;
    },
    ended: () => hasEnded() && reader.at === ring.head(),
    position: () => undefined,
    lostEvents: () => reader.lostEvents,
    cutEvents,
    close: giveUp,
  };
}

/** The bytes themselves: whole lines from `tail` to `head`. */
interface Ring {
  readonly capacityBytes: number;
  /** Offset of the oldest byte held. */
  tail(): number;
  /** Offset of the next byte to write. */
  head(): number;
  /** Adds bytes for which there is room. */
  write(bytes: Uint8Array): void;
  /** Copies what is held from `from` on, as much as `target` takes; returns how much. */
  copy(from: number, target: Uint8Array): number;
  /** True when nothing has been written over the byte at `from` since. */
  isHeld(from: number): boolean;
  /** Drops the oldest line and returns where the next one begins. */
  dropLine(): number;
  /** Line ends that are held from `from` on. */
  lines(from: number): number;
}

function createRing(capacityBytes: number): Ring {
  const bytes = Buffer.alloc(capacityBytes);
  let tail = 0;
  let head = 0;
  return {
    capacityBytes,
    tail: () => tail,
    head: () => head,
    isHeld: (from) => head - from <= capacityBytes,
    write(added) {
      const index = head % capacityBytes;
      const beforeSeam = Math.min(added.length, capacityBytes - index);
      bytes.set(beforeSeam === added.length ? added : added.subarray(0, beforeSeam), index);
      if (beforeSeam < added.length) bytes.set(added.subarray(beforeSeam), 0);
      head += added.length;
    },
    copy(from, target) {
      const copied = Math.min(target.length, head - from);
      const index = from % capacityBytes;
      const beforeSeam = Math.min(copied, capacityBytes - index);
      target.set(bytes.subarray(index, index + beforeSeam));
      if (beforeSeam < copied) target.set(bytes.subarray(0, copied - beforeSeam), beforeSeam);
      return copied;
    },
    dropLine() {
      const index = tail % capacityBytes;
      // What is held ends in LF, so the first one from here on is this line's own, at most once across the seam.
      const inFirstPart = bytes.indexOf(LF, index);
      tail += (inFirstPart < 0 ? capacityBytes + bytes.indexOf(LF) : inFirstPart) - index + 1;
      return tail;
    },
    lines(from) {
      let lines = 0;
      for (let at = from; at < head; at++) if (bytes[at % capacityBytes] === LF) lines += 1;
      return lines;
    },
  };
}

/** Writes an event that fits, newlines escaped, and its line end. */
function writeEvent(ring: Ring, event: Uint8Array): void {
  let at = 0;
  for (let newline = event.indexOf(LF); newline >= 0; newline = event.indexOf(LF, at)) {
    ring.write(event.subarray(at, newline));
    ring.write(ESCAPED_LF);
    at = newline + 1;
  }
  ring.write(event.subarray(at));
  ring.write(LINE_END);
}

function withoutLineEnd(event: Uint8Array): Uint8Array {
  if (event[event.length - 1] !== LF) return event;
  return event.subarray(0, event.length - (event[event.length - 2] === CR ? 2 : 1));
}

/** How much of an event fits into `bytesMax` once its newlines are escaped, and how long that is; no escape is cut. */
function measure(event: Uint8Array, bytesMax: number): { takenBytes: number; escapedBytes: number } {
  let takenBytes = 0;
  let escapedBytes = 0;
  while (takenBytes < event.length) {
    const newline = event.indexOf(LF, takenBytes);
    const runEnd = newline < 0 ? event.length : newline;
    const runBytes = Math.min(runEnd - takenBytes, bytesMax - escapedBytes);
    takenBytes += runBytes;
    escapedBytes += runBytes;
    if (takenBytes < runEnd || newline < 0 || escapedBytes + ESCAPED_LF.length > bytesMax) break;
    takenBytes += 1;
    escapedBytes += ESCAPED_LF.length;
  }
  return { takenBytes, escapedBytes };
}
