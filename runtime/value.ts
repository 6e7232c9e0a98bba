/**
 * Value: what a line says under a name or in a column, as a view into the line, good until the event ends.
 *
 * `raw` is what stands there, without its quotes; `text()` is what it means. Only a value that holds an escape is
 * decoded, into scratch, which a full scratch cuts (the record then says so). Decoding never makes a value longer.
 */
import { scratch, scratchFree } from './arena';
import { markTruncated } from './emit';
import { Text } from './text';

/** What stands there is what it means. */
export const PLAIN: i32 = 0;
/** `\"` and `\\`; a backslash before anything else is itself. */
export const BACKSLASHES: i32 = 1;
/** `\=`, `\|`, `\\`, `\n` and `\r`; a backslash before anything else is itself. */
export const CEF: i32 = 2;
/** `""` is one quote. */
export const DOUBLED_QUOTES: i32 = 3;
/** Two upper-case hexadecimal digits a byte; a zero byte is a space. */
export const HEX: i32 = 4;

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;

@unmanaged
export class Value {
  /** The line has it; an empty value is one. */
  isPresent: bool = false;
  raw: Text = new Text();
  private encoding: i32 = PLAIN;
  private decoded: Text = new Text();

  /** The value with its escapes decoded; empty when there is none. */
  @inline
  text(): Text {
    return this.encoding === PLAIN ? this.raw : this.decode();
  }

  private decode(): Text {
    const bytes = this.encoding === HEX ? this.raw.length >> 1 : this.raw.length;
    const room = min(bytes, scratchFree());
    decodeTo(this.raw, this.encoding, scratch(room), room, this.decoded);
    return this.decoded;
  }

  // For the library.

  /** Hexadecimal digits without quotes stand for bytes: set by the reader that knows the name. */
  isHexWithoutQuotes: bool = false;

  @inline
  clear(): void {
    this.isPresent = false;
    this.encoding = PLAIN;
    this.raw.clear();
  }

  @inline
  take(start: usize, end: usize, encoding: i32): void {
    this.isPresent = true;
    this.encoding = encoding;
    this.raw.set(start, end);
  }
}

/** Decodes into the `room` bytes at `start`; what does not fit is cut, and the record says so. */
export function decodeTo(raw: Text, encoding: i32, start: usize, room: usize, out: Text): void {
  const stop = start + room;
  const end = raw.end;
  let to = start;
  for (let at = raw.start; at < end; ) {
    if (to === stop) {
      markTruncated();
      break;
    }
    const byte = load<u8>(at++);
    const next: u8 = at < end ? load<u8>(at) : 0;
    if (encoding === HEX) {
      const decoded: u8 = (hexDigit(byte) << 4) | hexDigit(next);
      store<u8>(to++, decoded ? decoded : SPACE);
      at++;
    } else if (at < end && isEscape(byte, next, encoding)) {
      store<u8>(to++, meaningOf(next, encoding));
      at++;
    } else store<u8>(to++, byte);
  }
  out.set(start, to);
}

function isEscape(byte: u8, next: u8, encoding: i32): bool {
  if (encoding === DOUBLED_QUOTES) return byte === QUOTE && next === QUOTE;
  if (byte !== BACKSLASH) return false;
  if (encoding === BACKSLASHES) return next === QUOTE || next === BACKSLASH;
  return next === BACKSLASH || next === 0x3d || next === 0x7c || next === 0x6e || next === 0x72;
}

function meaningOf(next: u8, encoding: i32): u8 {
  if (encoding === CEF && next === 0x6e) return 0x0a;
  return encoding === CEF && next === 0x72 ? 0x0d : next;
}

/** The value of an upper-case hexadecimal digit: `A` to `F` have the bit 0x40. */
function hexDigit(digit: u8): u8 {
  return (digit & 15) + 9 * (digit >> 6);
}

/** True when these are whole bytes in upper-case hexadecimal digits, at least one. */
export function isHex(start: usize, end: usize): bool {
  if (start === end || (end - start) & 1) return false;
  for (let at = start; at < end; at += 16) {
    const block = v128.load(at);
    const digits = i8x16.lt_u(i8x16.sub(block, i8x16.splat(0x30)), i8x16.splat(10));
    const letters = i8x16.lt_u(i8x16.sub(block, i8x16.splat(0x41)), i8x16.splat(6));
    const others = ~i8x16.bitmask(v128.or(digits, letters)) & 0xffff;
    if (others) return at + ctz(others) >= end;
  }
  return true;
}
