/**
 * A ring: the newest bytes of an inbox, whole lines of them, in memory of fixed size.
 *
 * Offsets count all bytes that have ever come, and lines all line ends: so a place in the ring has the same two
 * numbers for ever, and how many lines lie between two places is a difference, also when they are gone.
 *
 *     capacity: |....newer....|head ~ free ~ tail|....older....|      index of a byte = offset % capacity
 */

const LF = 10;

/** What a ring holds, and what has gone through it. */
export interface RingState {
  /** Offset of the oldest byte held. */
  tail: number;
  /** Offset of the next byte to write. */
  head: number;
  /** Lines before the tail, and before the head. */
  tailLine: number;
  headLine: number;
  /** Events that were cut. */
  cutEvents: number;
}

export interface RingMemory {
  readonly bytes: Buffer;
  readonly state: RingState;
}

/** A place, and the number of the line that it lies in. */
export interface Mark {
  readonly offset: number;
  readonly line: number;
}

export interface Ring {
  readonly capacityBytes: number;
  readonly state: Readonly<RingState>;
  /** Adds bytes for which there is room. */
  write(bytes: Uint8Array): void;
  /** Ends the line that was written. */
  endLine(): void;
  countCut(): void;
  /** Copies what is held from `from` on, as much as `target` takes; returns how much. */
  copy(from: number, target: Uint8Array): number;
  /** True when the byte at `from` is still there, dropped or not: nothing has been written over it since. */
  isHeld(from: number): boolean;
  /** Drops the oldest line and returns where the next one begins. */
  dropLine(): number;
  /** The line at an offset that is held, counted from a mark before it. */
  lineAt(offset: number, from: Mark): number;
  /** True when a line begins at an offset that is held. */
  isLineStart(offset: number): boolean;
}

export function emptyMemory(capacityBytes: number): RingMemory {
  return {
    bytes: Buffer.alloc(capacityBytes),
    state: { tail: 0, head: 0, tailLine: 0, headLine: 0, cutEvents: 0 },
  };
}

/** A ring of what is in the memory, or nothing, so far. */
export function createRing({ bytes, state }: RingMemory): Ring {
  const capacityBytes = bytes.length;
  // What an earlier process has dropped may never have been in its file.
  const oldest = state.tail;
  return {
    capacityBytes,
    state,
    write(added) {
      const [first, second] = pieces(bytes, state.head, state.head + added.length);
      first.set(second.length === 0 ? added : added.subarray(0, first.length));
      if (second.length > 0) second.set(added.subarray(first.length));
      state.head += added.length;
    },
    endLine() {
      bytes[state.head % capacityBytes] = LF;
      state.head += 1;
      state.headLine += 1;
    },
    countCut() {
      state.cutEvents += 1;
    },
    copy(from, target) {
      const copied = Math.min(target.length, state.head - from);
      const [first, second] = pieces(bytes, from, from + copied);
      target.set(first);
      if (second.length > 0) target.set(second, first.length);
      return copied;
    },
    isHeld: (from) =>
      Number.isSafeInteger(from) &&
      from >= oldest &&
      from <= state.head &&
      state.head - from <= capacityBytes,
    dropLine() {
      const index = state.tail % capacityBytes;
      // What is held ends in LF, so the first one from here on is this line's own, at most once across the seam.
      const inFirstPart = bytes.indexOf(LF, index);
      state.tail += (inFirstPart < 0 ? capacityBytes + bytes.indexOf(LF) : inFirstPart) - index + 1;
      state.tailLine += 1;
      return state.tail;
    },
    lineAt: (offset, from) =>
      offset === state.head ? state.headLine : from.line + lineEnds(bytes, from.offset, offset),
    isLineStart: (offset) => offset === state.tail || bytes[(offset - 1) % capacityBytes] === LF,
  };
}

/** The one or two pieces of memory in which the bytes from one offset to another lie. */
export function pieces(bytes: Buffer, from: number, to: number): readonly [Buffer, Buffer] {
  const index = from % bytes.length;
  const beforeSeam = Math.min(to - from, bytes.length - index);
  return [bytes.subarray(index, index + beforeSeam), bytes.subarray(0, to - from - beforeSeam)];
}

export function lineEnds(bytes: Buffer, from: number, to: number): number {
  let count = 0;
  for (const piece of pieces(bytes, from, to))
    for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, at + 1)) count += 1;
  return count;
}
