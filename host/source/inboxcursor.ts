/**
 * One filter's place in an inbox.
 *
 * What it has read, or lost, is in the file of the inbox before: no saved place is ahead of the file.
 */
import { droppedSince, type InboxPosition, type Start } from './inboxposition.js';
import type { Mark, Ring } from './ring.js';
import type { RingFile } from './ringfile.js';
import type { Cursor } from './source.js';

/** What was read is kept until it is one of so many parts of the ring. */
const KEPT_PARTS = 4;

/** What an inbox knows of a cursor, and changes when it drops events. */
export interface Reader {
  /** Offset of the next byte to read. */
  at: number;
  /** From here on bytes are kept to be read again: sources that can wait do so rather than write over them. */
  keptFrom: number | undefined;
  skipping: boolean;
  lostEvents: number;
}

/** What a cursor knows of its inbox. */
export interface Shared {
  readonly ring: Ring;
  readonly file: RingFile | undefined;
  readonly readers: Set<Reader>;
  readonly hasEnded: () => boolean;
  readonly onAdvance: () => void;
}

export function createInboxCursor(start: Start, shared: Shared): Cursor {
  const { ring, file, readers, hasEnded, onAdvance } = shared;
  const { state } = ring;
  const { at, skipping, lostEvents, cutBefore, countsBefore } = start;
  const reader: Reader = { at, keptFrom: undefined, skipping, lostEvents };
  readers.add(reader);
  /** Where the last read began; `advance` is from there, once. */
  let lastReadAt = at;
  let readAt = at;
  const known = createLineCount(ring);
  /** Of a cursor that was given up. */
  let left:
    | { readonly cutEvents: number; readonly position: InboxPosition | undefined; readonly line: number }
    | undefined;

  const ended = () => hasEnded() && reader.at === state.head;
  const cutEvents = () => left?.cutEvents ?? state.cutEvents - cutBefore;

  function position(): InboxPosition | undefined {
    if (left || !file) return left?.position;
    file.flush();
    return {
      ring: file.id(),
      offset: reader.at,
      line: known.lineAt(reader.at),
      skipping: reader.skipping,
      lostEvents: reader.lostEvents,
      cutEvents: cutEvents(),
      ringCutEvents: state.cutEvents,
      ended: ended(),
    };
  }

  /** What is held is lost, but for what the next run finds in the file of a source that has ended. */
  function giveUp(): void {
    if (!readers.delete(reader)) return;
    if (!file || !hasEnded()) {
      const held = state.headLine - known.lineAt(reader.at);
      reader.lostEvents += reader.skipping ? held - 1 : held;
      reader.at = state.head;
      reader.skipping = false;
    }
    left = { cutEvents: cutEvents(), position: position(), line: known.lineAt(reader.at) };
    onAdvance();
  }

  /** What came meanwhile and is not held any more, nobody read. */
  function takeUp(): void {
    if (!left) return;
    const { at: offset, skipping } = reader;
    const dropped = droppedSince({ offset, line: left.line, skipping }, ring);
    reader.lostEvents += dropped;
    reader.at = Math.max(offset, state.tail);
    reader.skipping = skipping && reader.at === offset;
    left = undefined;
    readers.add(reader);
  }

  return {
    read(target) {
      file?.flush();
      readAt = reader.at;
      lastReadAt = reader.at;
      const bytes = ring.copy(reader.at, target);
      return { bytes, final: hasEnded() && reader.at + bytes === state.head };
    },
    advance(bytes) {
      // Never back: what was read may have been dropped since.
      reader.at = Math.max(reader.at, Math.min(readAt + bytes, state.head));
      readAt = reader.at;
      onAdvance();
    },
    keepLastRead() {
      const from = lastReadAt;
      reader.keptFrom ??= from;
      return (offset, target) => copyHeld(ring, from + offset, target);
    },
    lastPlace: () => ({ offset: lastReadAt }),
    readAt: ({ offset }, target) => copyHeld(ring, offset, target),
    goTo({ offset }, isSkipping) {
      const isThere = ring.isHeld(offset) && offset >= state.tail;
      reader.at = isThere ? offset : offset > state.head ? state.head : state.tail;
      readAt = reader.at;
      reader.skipping = isThere && isSkipping;
      onAdvance();
      return isThere;
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
    set skipping(isSkipping) {
      reader.skipping = isSkipping;
    },
    ended,
    position,
    lostEvents: () => reader.lostEvents,
    cutEvents,
    countsBefore,
    close: giveUp,
    reopen: takeUp,
  };
}

function copyHeld(ring: Ring, from: number, target: Uint8Array): boolean {
  return ring.isHeld(from) && ring.copy(from, target) === target.length;
}

/** Counts the lines up to a place, each byte once as long as the place moves on. */
function createLineCount({ state, lineAt }: Ring): { lineAt(offset: number): number } {
  let known: Mark = { offset: 0, line: 0 };
  return {
    lineAt(offset) {
      const isBefore = known.offset >= state.tail && known.offset <= offset;
      const from = isBefore ? known : { offset: state.tail, line: state.tailLine };
      known = { offset, line: lineAt(offset, from) };
      return known.line;
    },
  };
}
