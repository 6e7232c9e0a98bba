/**
 * An inbox: the bounded buffer behind a source that cannot be read again (a socket, a pipe, a watch).
 *
 * It is one ring of bytes, allocated when it is made, that holds whole events, each ended by LF. Any number of
 * cursors read it, each at its own place. It promises that an event is one line: a newline inside of one is
 * written as `#012`, so that nobody who may send an event can forge a second one. When a new event does not fit,
 * the oldest whole events go, and every cursor that had not begun to read one of them counts it as lost, exactly;
 * one that is given up counts what it leaves behind.
 * A source that can wait asks `freeBytes` first and then loses nothing.
 *
 * With a file its bytes are there for the next process when this one is killed: what was appended is in the file before
 * anybody reads it, and before the event loop waits for more. Many events that come together cost one write.
 *
 * It never grows, never holds a part of an event, and never moves a cursor to anywhere but the start of an event.
 */
import { WeirError } from '../errors.js';
import { INBOX_BYTES, INBOX_EVENT_BYTES_MAX } from '../limits.js';
import { createInboxCursor, type Reader } from './inboxcursor.js';
import { startAt } from './inboxposition.js';
import { createRing, emptyMemory, type Ring } from './ring.js';
import { openRingFile, type RingFileOptions } from './ringfile.js';
import type { Cursor, Position } from './source.js';

const LF = 10;
const CR = 13;
/** How rsyslog writes a newline inside of a message: `#` and three octal digits. */
const ESCAPED_LF = new TextEncoder().encode('#012');

/** Whether an event is all that its sender wrote, or was cut at a limit. */
export type Extent = 'whole' | 'cut';

export interface InboxOptions {
  /** At least one byte more than `eventBytesMax`. */
  readonly capacityBytes: number;
  readonly eventBytesMax: number;
  /** Where the bytes outlive the process; absent: they do not. */
  readonly file?: RingFileOptions;
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
  /** A new reading place, at `saved` when given and still valid, else at the oldest byte held. */
  cursor(saved?: Position): Cursor;
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

/** Throws INBOX_UNWRITABLE when there is to be a file and none can be made. */
export function createInbox({ capacityBytes, eventBytesMax, file: fileOptions }: InboxOptions): Inbox {
  if (capacityBytes <= eventBytesMax) {
    const expected = `more than one event of ${eventBytesMax} bytes`;
    throw new WeirError(
      'SOURCE_INVALID',
      `inbox: expected room for ${expected}, found ${capacityBytes} bytes`,
    );
  }
  const memory = emptyMemory(capacityBytes);
  const file = fileOptions && openRingFile(memory, fileOptions);
  const ring = createRing(memory);
  const { state } = ring;
  const cutBefore = state.cutEvents;
  const told = new Set<string>();
  const readers = new Set<Reader>();
  const waiting: (() => void)[] = [];
  let wake = (): void => {};
  let hasEnded = false;
  let isFlushDue = false;
  /** Until there is a reader, everything is kept for it; when all have left, nothing is. */
  let hasReader = false;

  function freeBytes(): number {
    let oldest = hasReader ? state.head : state.tail;
    for (const { at, keptFrom } of readers) oldest = Math.min(oldest, keptFrom ?? at);
    return capacityBytes - (state.head - Math.max(oldest, state.tail));
  }

  function dropOldest(): void {
    const start = state.tail;
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
    if (extent === 'cut' || takenBytes < event.length) ring.countCut();
    const lineBytes = escapedBytes + 1;
    while (state.head - state.tail + lineBytes > capacityBytes) dropOldest();
    writeEvent(ring, event.subarray(0, takenBytes));
    flushSoon();
    wake();
  }

  function flushSoon(): void {
    if (!file || isFlushDue) return;
    isFlushDue = true;
    setImmediate(() => {
      isFlushDue = false;
      file.flush();
    });
  }

  function resumeWaiting(): void {
    while (waiting.length > 0 && freeBytes() > eventBytesMax) waiting.shift()?.();
  }

  function tellOnce(text: string): void {
    if (!told.has(text)) fileOptions?.notices.say(text);
    told.add(text);
  }

  return {
    eventBytesMax,
    append,
    cursor(saved) {
      const start = startAt(saved, { ring, file, tellOnce });
      hasReader = true;
      return createInboxCursor(start, {
        ring,
        file,
        readers,
        hasEnded: () => hasEnded,
        onAdvance: resumeWaiting,
      });
    },
    end() {
      hasEnded = true;
      file?.close();
      wake();
    },
    freeBytes,
    onSpace: (resume) => waiting.push(resume),
    onData(listener) {
      wake = listener;
    },
    truncatedEvents: () => state.cutEvents - cutBefore,
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
  ring.endLine();
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
