/**
 * Patterns: up to 1,024 literals that are searched at once; prepared while the filter starts.
 *
 *     const tools = new Patterns([literal('/bin/nc'), literal('/bin/socat'), ...]);
 *     tools.first(text)        index of the first literal of the list that occurs in the text, or -1
 *     tools.each(text, visit)  every occurrence
 *
 * Let the shortest literal have m bytes. Every occurrence of a literal covers, with a whole window (2 to 4 bytes), one
 * of the places that lie `stride` = m - window + 1 bytes apart. So only the windows at these places are looked up, by
 * one hash, in a table that says which windows occur in literals (the idea of Wu and Manber, "A Fast Algorithm for
 * Multi-Pattern Searching", with a yes or no in place of their shifts and a fixed stride, so that no look-up waits for
 * the one before it). The shortest literal sets the pace: with 3 bytes every place, with 5 every other, with 11 every
 * eighth.
 *
 * Where a window is known, a literal may start at any of the `stride` bytes up to there. The same table says whether
 * one begins with the first bytes of that place, and they lead to the literals that begin so, in sorted order; a binary
 * search finds the greatest one that is not above the text. Only it and its own prefixes can occur there. So a byte of
 * input costs at most one such question: 10 comparisons of at most the length of a literal, whatever the input is.
 *
 *     known:   words that begin at any byte, named by the high bits of a hash. A hash is known when its word has none
 *              of its bits: it takes them out of a word of ones. Of 170 others one has no bits there, either
 *     heads:   first bytes u64 | first rank, end rank u16; 16 bytes a slot, open addressing
 *     entry:   start, length, index in the list, longest other entry that is a prefix of it (rank + 1), lowest
 *              index among it and its prefixes; u32 each, in sorted order
 */
import { allocate } from './arena';
import { countByte, equalBytes } from './bytes';
import { Text } from './text';

/** Literals of one set, and the bytes of one of them. */
export const PATTERNS_MAX: u32 = 1024;
export const PATTERN_BYTES_MAX: usize = 255;

const WINDOW_BYTES_MAX: usize = 4;
/** An offset is a bit of a byte. */
const STRIDE_MAX: usize = 8;
/** First bytes of a literal that the second hash looks at: what fits a register. */
const HEAD_BYTES_MAX: usize = 8;
const HEAD_BYTES: usize = 16;
const ENTRY_BYTES: usize = 20;
const LENGTH_AT: usize = 4;
const INDEX_AT: usize = 8;
const PREFIX_AT: usize = 12;
const LOWEST_AT: usize = 16;
/** Of `known`: half of a first-level cache, so that the text has room there, too. */
const KNOWN_BYTE_BITS: u32 = 14;
/** With the rest of the last word. */
const KNOWN_BYTES: usize = (1 << 14) + 3;
/** Newlines are counted chunk by chunk, while the bytes are near. */
const CHUNK_BYTES: usize = 4096;
const NEWLINE: u8 = 10;
const HASH: u64 = 0x9e3779b97f4a7c15;
const WINDOW_HASH: u32 = 0x9e3779b1;

/** Sees an occurrence: the literal's index in the list, and where it starts in the text. */
export type Visit = (index: u32, start: u32) => void;

@unmanaged
export class Patterns {
  /** Newlines that the last `next` passed over. */
  newlines: u32 = 0;
  private entries: usize = 0;
  private size: u32 = 0;
  private known: usize = 0;
  /** Shifted, so that bytes behind the window fall off the product. */
  private windowHash: u32 = 0;
  private stride: usize = 0;
  private windowBytes: usize = 0;
  private heads: usize = 0;
  private headSlots: u32 = 0;
  private headMask: u64 = 0;
  /** Of `firstAbove`. */
  private same: usize = 0;

  constructor(literals: StaticArray<Text>) {
    const size = <u32>literals.length;
    if (size < 1 || size > PATTERNS_MAX) abort('a set of patterns takes 1 to 1024 literals');
    this.size = size;
    this.entries = allocate(ENTRY_BYTES * size);
    let shortest = PATTERN_BYTES_MAX;
    for (let i: u32 = 0; i < size; i++) {
      const text = unchecked(literals[i]);
      if (text.length < 2 || text.length > PATTERN_BYTES_MAX) {
        abort('a literal among patterns has 2 to 255 bytes');
      }
      shortest = min(shortest, text.length);
      this.insert(i, text);
    }
    this.linkPrefixes();
    this.windowBytes = min(shortest < 4 ? shortest : shortest - 1, WINDOW_BYTES_MAX);
    this.stride = min(shortest - this.windowBytes + 1, STRIDE_MAX);
    this.enterWindows();
    this.enterHeads(min(shortest, HEAD_BYTES_MAX));
  }

  /** Address of the first literal in [from, end), or `end`; `newlines` counts those before it. */
  next(from: usize, end: usize): usize {
    this.newlines = 0;
    let place = from;
    for (let at = from; at < end; at += CHUNK_BYTES) {
      const stop = min(at + CHUNK_BYTES, end);
      for (place = this.nextPlace(place, stop); place < stop; place = this.nextPlace(place, stop)) {
        for (let start = max(place + 1 - this.stride, from); start <= place; start++) {
          if (!this.isHeadAt(start) || !this.entryAt(start, end)) continue;
          // It may start in the chunk before, with no newline from there on.
          this.newlines += countByte(at, start, NEWLINE);
          return start;
        }
        place += this.stride;
      }
      this.newlines += countByte(at, stop, NEWLINE);
    }
    return end;
  }

  /** The lowest index of the literals that occur in the text, or -1. */
  first(text: Text): i32 {
    let lowest = u32.MAX_VALUE;
    for (
      let place = this.nextPlace(text.start, text.end);
      place < text.end && lowest;
      place = this.nextPlace(place + this.stride, text.end)
    ) {
      for (let start = max(place + 1 - this.stride, text.start); start <= place; start++) {
        const entry = this.isHeadAt(start) ? this.entryAt(start, text.end) : 0;
        if (entry) lowest = min(lowest, load<u32>(entry, LOWEST_AT));
      }
    }
    return <i32>lowest;
  }

  /** Calls `visit` for every occurrence: by start, and the longest one first where several start together. */
  each(text: Text, visit: Visit): void {
    for (
      let place = this.nextPlace(text.start, text.end);
      place < text.end;
      place = this.nextPlace(place + this.stride, text.end)
    ) {
      for (let start = max(place + 1 - this.stride, text.start); start <= place; start++) {
        let entry = this.isHeadAt(start) ? this.entryAt(start, text.end) : 0;
        for (; entry; entry = this.prefixOf(entry)) {
          visit(load<u32>(entry, INDEX_AT), <u32>(start - text.start));
        }
      }
    }
  }

  /**
   * The first place from `place` on, in steps of the stride, whose window is known, or one from `stop` on. Each look-up has
   * a branch of its own, because the engine would keep all eight answers in memory until it had put them together; the hash
   * stands before the word, because the module then has them the other way round, which takes a move less.
   */
  private nextPlace(place: usize, stop: usize): usize {
    const known = this.known;
    const hash = this.windowHash;
    const stride = this.stride;
    const eight = stride << 3;
    if (place + eight <= stop) {
      const last = stop - eight;
      do {
        if (isKnown(hash * load<u32>(place), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        if (isKnown(hash * load<u32>((place += stride)), known)) return place;
        place += stride;
      } while (place <= last);
    }
    while (place < stop && !isKnown(hash * load<u32>(place), known)) place += stride;
    return place;
  }

  /** A literal may start with what stands there. */
  private isHeadAt(start: usize): bool {
    return isKnown(hashOfHead(load<u64>(start) & this.headMask), this.known);
  }

  /** The longest entry that stands at `start` and ends at or before `end`, or 0. */
  private entryAt(start: usize, end: usize): usize {
    const head = load<u64>(start) & this.headMask;
    let slot = this.heads + HEAD_BYTES * <usize>this.headSlotOf(head);
    while (load<u16>(slot, 10) && load<u64>(slot) !== head) slot = this.slotBehind(slot);
    const low = <u32>load<u16>(slot, 8);
    const high = <u32>load<u16>(slot, 10);
    if (!high) return 0;
    const above = this.firstAbove(low, high, start, end - start);
    let entry = above > low ? this.rank(above - 1) : 0;
    while (entry && load<u32>(entry, LENGTH_AT) > this.same) entry = this.prefixOf(entry);
    return entry;
  }

  /**
   * The rank of the first entry from `low` to `high` that sorts behind a text, or `high`; `same` is the length of what the
   * one before it and the text begin with alike.
   */
  private firstAbove(low: u32, high: u32, start: usize, bytes: usize): u32 {
    let sameLow: usize = 0;
    let sameHigh: usize = 0;
    // The first one is asked first: most text that begins like literals sorts before all of them.
    for (let middle = low; low < high; middle = (low + high) >> 1) {
      const entry = this.rank(middle);
      // What both bounds have in common with the text, all between them have, too.
      const same = commonBytes(entry, start, bytes, min(sameLow, sameHigh));
      if (isAbove(entry, same, start, bytes)) {
        high = middle;
        sameHigh = same;
      } else {
        low = middle + 1;
        sameLow = same;
      }
    }
    this.same = sameLow;
    return low;
  }

  @inline
  private prefixOf(entry: usize): usize {
    const rank = load<u32>(entry, PREFIX_AT);
    return rank ? this.rank(rank - 1) : 0;
  }

  private rank(number: u32): usize {
    return this.entries + ENTRY_BYTES * <usize>number;
  }

  @inline
  private headSlotOf(head: u64): u32 {
    return hashOfHead(head) & (this.headSlots - 1);
  }

  private slotBehind(slot: usize): usize {
    const next = slot + HEAD_BYTES;
    return next === this.heads + HEAD_BYTES * <usize>this.headSlots ? this.heads : next;
  }

  // Preparation, in this order.

  /** Puts a literal behind those that are not above it; `index` of them are there. */
  private insert(index: u32, text: Text): void {
    const entry = this.rank(this.firstAbove(0, index, text.start, text.length));
    memory.copy(entry + ENTRY_BYTES, entry, this.entries + ENTRY_BYTES * index - entry);
    store<u32>(entry, <u32>text.start);
    store<u32>(entry, <u32>text.length, LENGTH_AT);
    store<u32>(entry, index, INDEX_AT);
  }

  private linkPrefixes(): void {
    for (let i: u32 = 0; i < this.size; i++) {
      const entry = this.rank(i);
      let prefix = i ? this.rank(i - 1) : 0;
      while (prefix && !startsWith(entry, prefix)) prefix = this.prefixOf(prefix);
      const index = load<u32>(entry, INDEX_AT);
      store<u32>(entry, prefix ? <u32>((prefix - this.entries) / ENTRY_BYTES) + 1 : 0, PREFIX_AT);
      store<u32>(entry, prefix ? min(index, load<u32>(prefix, LOWEST_AT)) : index, LOWEST_AT);
    }
  }

  private enterWindows(): void {
    this.known = allocate(KNOWN_BYTES);
    memory.fill(this.known, 0xff, KNOWN_BYTES);
    this.windowHash = WINDOW_HASH << ((<u32>(WINDOW_BYTES_MAX - this.windowBytes)) << 3);
    for (let i: u32 = 0; i < this.size; i++) {
      const start = load<u32>(this.rank(i));
      for (let offset: usize = 0; offset < this.stride; offset++)
        this.makeKnown(load<u32>(start + offset) * this.windowHash);
    }
  }

  private makeKnown(hash: u32): void {
    const word = this.known + <usize>(hash >> (32 - KNOWN_BYTE_BITS));
    store<u32>(word, load<u32>(word) & ~hash);
  }

  private enterHeads(bytes: usize): void {
    this.headSlots = 1 << (33 - clz((this.size - 1) | 1));
    this.headMask = bytes < 8 ? ((<u64>1) << (bytes << 3)) - 1 : u64.MAX_VALUE;
    this.heads = allocate(HEAD_BYTES * <usize>this.headSlots);
    for (let i: u32 = 0; i < this.size; i++) {
      const head = load<u64>(load<u32>(this.rank(i))) & this.headMask;
      this.makeKnown(hashOfHead(head));
      let slot = this.heads + HEAD_BYTES * <usize>this.headSlotOf(head);
      while (load<u16>(slot, 10) && load<u64>(slot) !== head) slot = this.slotBehind(slot);
      if (!load<u16>(slot, 10)) {
        store<u64>(slot, head);
        store<u16>(slot, <u16>i, 8);
      }
      store<u16>(slot, <u16>(i + 1), 10);
    }
  }
}

function isKnown(hash: u32, known: usize): bool {
  return !(hash & load<u32>(known + <usize>(hash >> (32 - KNOWN_BYTE_BITS))));
}

/** Not 0 for a head of zeros, which would seem to be known: logs have runs of them where a machine lost its power. */
function hashOfHead(head: u64): u32 {
  return ~(<u32>((head * HASH) >> 32));
}

/** Length of what the entry and a text begin with alike, of which `known` bytes are known to be. */
function commonBytes(entry: usize, start: usize, bytes: usize, known: usize): usize {
  const literal = load<u32>(entry);
  const most = min(bytes, load<u32>(entry, LENGTH_AT));
  for (let i = known; i < most; i += 16) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(literal + i), v128.load(start + i)));
    if (same !== 0xffff) return min(i + ctz(~same), most);
  }
  return most;
}

/** True when the entry sorts behind a text with which it has the first `same` bytes in common. */
function isAbove(entry: usize, same: usize, start: usize, bytes: usize): bool {
  if (same === load<u32>(entry, LENGTH_AT)) return false;
  return same === bytes || load<u8>(load<u32>(entry) + same) > load<u8>(start + same);
}

function startsWith(entry: usize, prefix: usize): bool {
  const bytes = load<u32>(prefix, LENGTH_AT);
  return bytes <= load<u32>(entry, LENGTH_AT) && equalBytes(load<u32>(entry), load<u32>(prefix), bytes);
}
