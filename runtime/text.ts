/**
 * Text: a run of bytes somewhere in memory, usually UTF-8 and never assumed to be. It owns nothing; a Text that
 * points into the batch is good until the event ends. Literals are prepared while the filter starts.
 */
import { allocate } from './arena';
import { equalBytes, indexOf, indexOfByte } from './bytes';
import { equalNoCase, indexOfNoCase } from './nocase';
import { stringBytesMax, writeString } from './utf8';

@unmanaged
export class Text {
  start: usize = 0;
  end: usize = 0;

  get length(): usize {
    return this.end - this.start;
  }

  /** Points this Text elsewhere; returns it. */
  set(start: usize, end: usize): Text {
    this.start = start;
    this.end = end;
    return this;
  }

  clear(): void {
    this.start = 0;
    this.end = 0;
  }

  isEmpty(): bool {
    return this.start === this.end;
  }

  /** The byte at an index, or 0 outside. */
  @inline
  at(index: usize): u8 {
    return index < this.length ? load<u8>(this.start + index) : 0;
  }

  @inline
  equals(other: Text): bool {
    return this.length === other.length && equalBytes(this.start, other.start, other.length);
  }

  @inline
  startsWith(prefix: Text): bool {
    return this.length >= prefix.length && equalBytes(this.start, prefix.start, prefix.length);
  }

  endsWith(suffix: Text): bool {
    return this.length >= suffix.length && equalBytes(this.end - suffix.length, suffix.start, suffix.length);
  }

  contains(needle: Text): bool {
    return needle.isEmpty() || indexOf(this.start, this.end, needle.start, needle.length) !== this.end;
  }

  /** Index of the first occurrence, or -1. */
  indexOf(needle: Text): i32 {
    const found = indexOf(this.start, this.end, needle.start, needle.length);
    return found === this.end && !needle.isEmpty() ? -1 : <i32>(found - this.start);
  }

  // The same with `A` to `Z` taken for `a` to `z`; other letters keep their case.

  equalsNoCase(other: Text): bool {
    return this.length === other.length && equalNoCase(this.start, other.start, other.length);
  }

  startsWithNoCase(prefix: Text): bool {
    return this.length >= prefix.length && equalNoCase(this.start, prefix.start, prefix.length);
  }

  endsWithNoCase(suffix: Text): bool {
    return this.length >= suffix.length && equalNoCase(this.end - suffix.length, suffix.start, suffix.length);
  }

  containsNoCase(needle: Text): bool {
    return needle.isEmpty() || indexOfNoCase(this.start, this.end, needle.start, needle.length) !== this.end;
  }

  /** Index of the last occurrence, or -1. */
  lastIndexOf(needle: Text): i32 {
    if (needle.isEmpty()) return <i32>this.length;
    const first = load<u8>(needle.start);
    for (let at = this.end - needle.length; this.length >= needle.length && at >= this.start; at--) {
      const mayBe = load<u8>(at) === first;
      if (mayBe && equalBytes(at, needle.start, needle.length)) return <i32>(at - this.start);
    }
    return -1;
  }

  /** Index of the first such byte, or -1. */
  indexOfByte(byte: u8): i32 {
    const found = indexOfByte(this.start, this.end, byte);
    return found === this.end ? -1 : <i32>(found - this.start);
  }

  /** Drops that many bytes at the front, at most all. */
  skip(bytes: usize): void {
    this.start = min(this.start + bytes, this.end);
  }

  /** When it starts with the prefix, drops it and answers true. */
  take(prefix: Text): bool {
    if (!this.startsWith(prefix)) return false;
    this.start += prefix.length;
    return true;
  }

  /** Drops up to `most` decimal digits (18 at most) at the front and answers their number, or -1 without any. */
  takeNumber(most: usize): i64 {
    let value: i64 = -1;
    for (const stop = this.start + min(most, this.length); this.start < stop; this.start++) {
      const digit: u8 = load<u8>(this.start) - 0x30;
      if (digit > 9) break;
      value = (value < 0 ? 0 : value * 10) + digit;
    }
    return value;
  }

  /** Drops letters, digits and `+ - . / : = _` at the front; false when there are none. */
  takeWord(): bool {
    const start = this.start;
    while (this.start < this.end && isWordByte(load<u8>(this.start))) this.start++;
    return this.start > start;
  }
}

function isWordByte(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  const digit: u8 = byte - 0x30;
  return (
    letter < 26 ||
    digit < 11 ||
    byte === 0x5f ||
    byte === 0x3d ||
    byte === 0x2b ||
    (byte >= 0x2d && byte <= 0x2f)
  );
}

/** The UTF-8 bytes of a string literal, kept as long as the filter. Call it while the filter starts. */
export function literal(value: string): Text {
  const start = allocate(stringBytesMax(value));
  return new Text().set(start, writeString(start, value));
}
