/**
 * The line splitter: bytes in whatever chunks to lines, for the sources that are streams of lines.
 *
 * It promises the same lines whatever the chunks. A line ends with LF or CR LF; one that is longer than the limit
 * is cut there, the rest of it is passed over, and the next line is intact. What it hands out is a view, good
 * until the call returns. It holds at most one line, in one buffer that no line can make longer than the limit.
 */
import type { Extent } from './inbox.js';

const LF = 10;
const CR = 13;
const NOTHING = new Uint8Array(0);

export type OnEvent = (event: Uint8Array, extent: Extent) => void;

/** What turns the bytes of a stream into events. */
export interface Parser {
  /** Takes bytes until one more event would find no room, and says how many; the others are to come again. */
  push(bytes: Uint8Array): number;
  /** There is no more: what has no end yet is an event too. */
  end(): void;
}

/** How a parser is made; `hasRoom` says whether an event may be handed out now, and is always true when left out. */
export type CreateParser = (eventBytesMax: number, onEvent: OnEvent, hasRoom?: () => boolean) => Parser;

export const createLineSplitter: CreateParser = (eventBytesMax, onEvent, hasRoom = () => true) => {
  // Two bytes more than the limit: the CR of a line end may be the first, and the second tells that it is none.
  const gather = createGather(eventBytesMax + 2);

  function deliver(line: Uint8Array): void {
    if (line.length > eventBytesMax) onEvent(line.subarray(0, eventBytesMax), 'cut');
    else onEvent(line, 'whole');
  }

  function deliverEnded(line: Uint8Array): void {
    const hasReturn = line[line.length - 1] === CR && line.length < eventBytesMax + 2;
    deliver(hasReturn ? line.subarray(0, line.length - 1) : line);
  }

  return {
    push(bytes) {
      let at = 0;
      while (at < bytes.length && hasRoom()) {
        const newline = bytes.indexOf(LF, at);
        if (newline < 0) {
          gather.add(bytes.subarray(at));
          return bytes.length;
        }
        deliverEnded(gather.join(bytes.subarray(at, newline)));
        at = newline + 1;
      }
      return at;
    },
    end() {
      const line = gather.join(NOTHING);
      if (line.length > 0) deliver(line);
    },
  };
};

/** Joins the pieces of one event. */
export interface Gather {
  /** Keeps a piece that is not the last one. */
  add(piece: Uint8Array): void;
  /** All pieces with the last one, at most `bytesMax` bytes of them, and begins anew; copies only where it must. */
  join(last: Uint8Array): Uint8Array;
}

export function createGather(bytesMax: number): Gather {
  let buffer = NOTHING;
  let bytes = 0;

  function add(piece: Uint8Array): void {
    const kept = piece.subarray(0, bytesMax - bytes);
    if (bytes + kept.length > buffer.length) {
      const longer = new Uint8Array(Math.min(Math.max(bytes + kept.length, 2 * buffer.length), bytesMax));
      longer.set(buffer);
      buffer = longer;
    }
    buffer.set(kept, bytes);
    bytes += kept.length;
  }

  return {
    add,
    join(last) {
      if (bytes === 0) return last.subarray(0, bytesMax);
      add(last);
      const event = buffer.subarray(0, bytes);
      bytes = 0;
      return event;
    },
  };
}
