/**
 * Globs: patterns over a whole Text.
 *
 *     const unit = new Glob(literal('ssh?-*.[a-z]'));       prepared while the filter starts
 *     unit.matches(text)
 *
 * `*` stands for any bytes, also none and also `/`; `?` for one byte; `[a-z0-9_]` for one of these bytes, `[!a-z]`
 * for one of the others, and a `]` that stands first is itself; `\` takes the byte behind it as it is, also
 * between brackets. It counts in bytes, so `?` is not a whole letter where UTF-8 needs two bytes for it.
 *
 * All ways through the pattern are followed at once, one bit each (Baeza-Yates and Gonnet, "A New Approach to
 * Text Searching", with a bit that stays for each star). So a text costs one step for each byte and each 64
 * elements of the pattern, whatever pattern and text are; there is no going back.
 *
 *     bit i of `ways`: the first i elements match what was read
 *     table: for each byte, the elements that take it, `words` u64 | then the elements that a star stands before
 */
import { allocate } from './arena';
import { lowerByte } from './nocase';
import { Text } from './text';

/** Elements of a pattern; stars are none. One bit more is for the end. */
export const GLOB_ELEMENTS_MAX: u32 = 255;

const STAR: u8 = 0x2a;
const QUESTION: u8 = 0x3f;
const OPEN: u8 = 0x5b;
const CLOSE: u8 = 0x5d;
const NOT: u8 = 0x21;
const HYPHEN: u8 = 0x2d;
const BACKSLASH: u8 = 0x5c;
const BYTE_VALUES: usize = 256;
const WORDS_MAX: usize = 4;

@unmanaged
export class Glob {
  private table: usize = 0;
  private stars: usize = 0;
  /** The ways that are open, one word for each 64 elements. */
  private ways: usize = 0;
  private words: usize = 0;
  private elements: u32 = 0;
  private isNoCase: bool = false;
  private at: usize = 0;
  private end: usize = 0;

  /** A pattern that breaks the rules above, or is too long, stops the filter. */
  constructor(pattern: Text, isNoCase: bool = false) {
    this.isNoCase = isNoCase;
    this.words = (min(pattern.length, <usize>GLOB_ELEMENTS_MAX) >> 6) + 1;
    this.table = allocate(BYTE_VALUES * this.words * 8);
    this.stars = allocate(WORDS_MAX * 8);
    this.ways = allocate(WORDS_MAX * 8);
    this.at = pattern.start;
    this.end = pattern.end;
    while (this.at < this.end) this.readElement();
  }

  /** True when the pattern stands for the whole text. */
  matches(text: Text): bool {
    return this.words === 1 ? this.matchesInOneWord(text) : this.matchesInWords(text);
  }

  private matchesInOneWord(text: Text): bool {
    const stars = load<u64>(this.stars);
    const whole = (<u64>1) << this.elements;
    let ways: u64 = 1;
    for (let at = text.start; at < text.end; at++) {
      ways = ((ways & load<u64>(this.table + ((<usize>load<u8>(at)) << 3))) << 1) | (ways & stars);
      if (!ways) return false;
      if (ways & whole & stars) return true;
    }
    return (ways & whole) !== 0;
  }

  private matchesInWords(text: Text): bool {
    const all = this.ways;
    const stars = this.stars;
    const bytes = this.words << 3;
    memory.fill(all, 0, WORDS_MAX * 8);
    store<u64>(all, 1);
    for (let at = text.start; at < text.end; at++) {
      const takes = this.table + <usize>load<u8>(at) * bytes;
      let carry: u64 = 0;
      let any: u64 = 0;
      for (let i: usize = 0; i < bytes; i += 8) {
        const ways = load<u64>(all + i);
        const taken = ways & load<u64>(takes + i);
        const next = (taken << 1) | carry | (ways & load<u64>(stars + i));
        store<u64>(all + i, next);
        carry = taken >> 63;
        any |= next;
      }
      if (!any) return false;
    }
    return isBitSet(all, this.elements);
  }

  private readElement(): void {
    const byte = load<u8>(this.at++);
    if (byte === STAR) {
      setBit(this.stars, this.elements);
      return;
    }
    if (this.elements >= GLOB_ELEMENTS_MAX) abort('a glob has at most 255 elements');
    if (byte === QUESTION) this.takeRange(0, 255);
    else if (byte === OPEN) this.readSet();
    else {
      const one = byte === BACKSLASH ? this.readByte('a glob ends with a backslash') : byte;
      this.takeRange(one, one);
    }
    this.elements++;
  }

  private readSet(): void {
    const problem = 'a glob has a [ without its ]';
    const isNegated = this.at < this.end && load<u8>(this.at) === NOT;
    if (isNegated) this.at++;
    for (const first = this.at; this.at === first || this.peek() !== CLOSE; ) {
      const low = this.readSetByte(problem);
      let high = low;
      if (this.peek() === HYPHEN && this.at + 1 < this.end && load<u8>(this.at, 1) !== CLOSE) {
        this.at++;
        high = this.readSetByte(problem);
        if (high < low) abort('a glob has a range that ends before it begins');
      }
      this.takeRange(low, high);
      if (this.at >= this.end) abort(problem);
    }
    this.at++;
    if (isNegated) this.negate();
  }

  private peek(): u8 {
    return this.at < this.end ? load<u8>(this.at) : 0;
  }

  private readSetByte(problem: string): u8 {
    const byte = this.readByte(problem);
    return byte === BACKSLASH ? this.readByte(problem) : byte;
  }

  private readByte(problem: string): u8 {
    if (this.at >= this.end) abort(problem);
    return load<u8>(this.at++);
  }

  /** Lets the element take every byte of the range, and both cases of its letters where case does not count. */
  private takeRange(low: u8, high: u8): void {
    for (let value: u32 = 0; value < <u32>BYTE_VALUES; value++) {
      const byte = <u8>value;
      if ((byte >= low && byte <= high) || (this.isNoCase && this.takesOtherCase(byte, low, high))) {
        setBit(this.table + value * (this.words << 3), this.elements);
      }
    }
  }

  private takesOtherCase(byte: u8, low: u8, high: u8): bool {
    const other = byte ^ 0x20;
    return lowerByte(byte) === lowerByte(other) && other >= low && other <= high;
  }

  private negate(): void {
    for (let value: usize = 0; value < BYTE_VALUES; value++) {
      flipBit(this.table + value * (this.words << 3), this.elements);
    }
  }
}

function setBit(words: usize, bit: u32): void {
  const place = words + ((bit >> 6) << 3);
  store<u64>(place, load<u64>(place) | ((<u64>1) << (bit & 63)));
}

function flipBit(words: usize, bit: u32): void {
  const place = words + ((bit >> 6) << 3);
  store<u64>(place, load<u64>(place) ^ ((<u64>1) << (bit & 63)));
}

function isBitSet(words: usize, bit: u32): bool {
  return (load<u64>(words + ((bit >> 6) << 3)) & ((<u64>1) << (bit & 63))) !== 0;
}
