/**
 * JSON values: what a scalar is, where it ends, and what a string with escapes says.
 */
import { scratch, scratchFree } from './arena';
import { markTruncated } from './emit';
import { Text } from './text';
import { POINT_BYTES_MAX, writePoint } from './utf8';

export const MISSING: i32 = 0;
export const STRING: i32 = 1;
export const NUMBER: i32 = 2;
export const TRUE: i32 = 3;
export const FALSE: i32 = 4;
export const NULL: i32 = 5;
export const OBJECT: i32 = 6;
export const ARRAY: i32 = 7;

const BACKSLASH: u8 = 0x5c;
const MINUS: u8 = 0x2d;

export function skipSpace(from: usize, end: usize): usize {
  let at = from;
  while (at < end && isSpace(load<u8>(at))) at++;
  return at;
}

function isSpace(byte: u8): bool {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}

/**
 * The value at a path in the current line; itself the text as it stands there: a string without its quotes, all else
 * whole.
 */
@unmanaged
export class Field extends Text {
  kind: i32 = MISSING;
  /** The string has escapes, so `raw` is not what it says. */
  isEscaped: bool = false;
  private decoded: Text = new Text();

  get raw(): Text {
    return this;
  }

  /** The string's bytes with escapes decoded, or the raw bytes of any other value. */
  @inline
  text(): Text {
    return this.isEscaped ? this.unescaped() : this.raw;
  }

  private unescaped(): Text {
    unescape(this.raw, this.decoded);
    return this.decoded;
  }

  /** Forgets the value in one store: text, kind and whether it is escaped take 16 bytes, filled up before the pointer. */
  forget(): void {
    v128.store(changetype<usize>(this), i8x16.splat(0));
  }

  /** Takes the number or word at `start`; false when none stands there. */
  setScalar(start: usize, end: usize): bool {
    const stop = scalarEnd(start, end);
    const kind = scalarKind(start, stop);
    this.kind = kind;
    this.raw.set(start, stop);
    return kind !== MISSING;
  }
}

/** What the scalar in [start, end) is; MISSING when it is none. A number is told by its first byte alone. */
function scalarKind(start: usize, end: usize): i32 {
  const bytes = end - start;
  const first = bytes ? load<u8>(start) : 0;
  if (first - 0x30 < 10 || (first === MINUS && bytes > 1)) return NUMBER;
  if (bytes === 4 && load<u32>(start) === 0x65757274) return TRUE;
  if (bytes === 4 && load<u32>(start) === 0x6c6c756e) return NULL;
  if (bytes === 5 && first === 0x66 && load<u32>(start, 1) === 0x65736c61) return FALSE;
  return MISSING;
}

/** End of a number or word: the next comma, closing bracket or space. */
function scalarEnd(start: usize, end: usize): usize {
  for (let at = start; at < end; at += 16) {
    const block = v128.load(at);
    const closing = i8x16.eq(v128.or(block, i8x16.splat(0x20)), i8x16.splat(0x7d));
    const ends = v128.or(
      v128.or(closing, i8x16.eq(block, i8x16.splat(0x2c))),
      i8x16.le_u(block, i8x16.splat(0x20)),
    );
    const mask = i8x16.bitmask(ends);
    if (mask) return min(at + ctz(mask), end);
  }
  return end;
}

/** Decodes the escapes of a string's bytes into scratch (RFC 8259, section 7). What is no escape stays. */
export function unescape(raw: Text, out: Text): void {
  // Decoded text is never longer than its escapes; the spare bytes let each step write without looking.
  const room = min(raw.length + POINT_BYTES_MAX, scratchFree());
  unescapeTo(raw, scratch(room), room, out);
}

/** Decodes escapes into the `room` bytes at `start`; what does not fit is cut, and the record says so. */
export function unescapeTo(raw: Text, start: usize, room: usize, out: Text): void {
  let at = raw.start;
  let to = start;
  while (at < raw.end) {
    if (to + POINT_BYTES_MAX > start + room) {
      markTruncated();
      break;
    }
    const byte = load<u8>(at++);
    if (byte !== BACKSLASH || at === raw.end) {
      store<u8>(to++, byte);
    } else if (load<u8>(at) !== 0x75) {
      store<u8>(to++, simpleEscape(load<u8>(at++)));
    } else {
      const point = codePoint(at + 1, raw.end);
      at = min(at + (point > 0xffff ? 11 : 5), raw.end);
      to = writePoint(to, point);
    }
  }
  out.set(start, to);
}

/** The code point of `XXXX` or of a surrogate pair `XXXX\uXXXX`; U+FFFD for half a pair or bad digits. */
function codePoint(at: usize, end: usize): i32 {
  const unit = hexUnit(at, end);
  if (unit < 0 || (unit & 0xfc00) === 0xdc00) return 0xfffd;
  if ((unit & 0xfc00) !== 0xd800) return unit;
  const low = at + 10 <= end && load<u16>(at, 4) === 0x755c ? hexUnit(at + 6, end) : -1;
  return (low & ~0x3ff) === 0xdc00 ? 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff) : 0xfffd;
}

function simpleEscape(byte: u8): u8 {
  if (byte === 0x6e) return 0x0a;
  if (byte === 0x74) return 0x09;
  if (byte === 0x72) return 0x0d;
  if (byte === 0x62) return 0x08;
  if (byte === 0x66) return 0x0c;
  return byte;
}

/** Four hex digits as a UTF-16 code unit, or -1. */
function hexUnit(at: usize, end: usize): i32 {
  if (at + 4 > end) return -1;
  let unit = 0;
  for (let i: usize = 0; i < 4; i++) {
    const byte = load<u8>(at + i);
    const letter = (byte | 0x20) - 0x61;
    if (byte - 0x30 < 10) unit = (unit << 4) | (byte - 0x30);
    else if (letter < 6) unit = (unit << 4) | (letter + 10);
    else return -1;
  }
  return unit;
}
