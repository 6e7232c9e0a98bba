/**
 * UTF-8 on the way out: a CBOR text string must be valid UTF-8 (RFC 8949, section 3.1), input need not be.
 * Each maximal invalid part becomes U+FFFD, as the WHATWG Encoding Standard decodes it.
 */

import { copyBytes } from './bytes';

/** The longest UTF-8 sequence. */
export const POINT_BYTES_MAX: usize = 4;

/** Length in bytes of the valid sequence at `at`, or minus the length of the maximal invalid part. */
export function sequenceAt(at: usize, end: usize): i32 {
  const lead = load<u8>(at);
  if (lead < 0x80) return 1;
  // Well-formed byte sequences: The Unicode Standard, table 3-7.
  if (lead < 0xc2 || lead > 0xf4) return -1;
  const needed: i32 = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  let low: u8 = 0x80;
  let high: u8 = 0xbf;
  if (lead === 0xe0) low = 0xa0;
  else if (lead === 0xed) high = 0x9f;
  else if (lead === 0xf0) low = 0x90;
  else if (lead === 0xf4) high = 0x8f;
  for (let i = 1; i <= needed; i++) {
    const byte: u8 = at + i < end ? load<u8>(at + i) : 0;
    if (byte < low || byte > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return needed + 1;
}

/** Loads up to 15 bytes past the end and ignores them. */
export function isAscii(start: usize, end: usize): bool {
  let at = start;
  for (; at + 16 <= end; at += 16) if (i8x16.bitmask(v128.load(at))) return false;
  return at === end || !(i8x16.bitmask(v128.load(at)) & ((1 << (end - at)) - 1));
}

/** Copies bytes while they are ASCII, and answers whether all of them are; may write up to 16 bytes past them. */
export function copyAscii(target: usize, start: usize, bytes: usize): bool {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    const block = v128.load(start + i);
    if (i8x16.bitmask(block)) return false;
    v128.store(target + i, block);
  }
  const block = v128.load(start + i);
  v128.store(target + i, block);
  return !(i8x16.bitmask(block) & ((1 << (bytes - i)) - 1));
}

/** Bytes that `writeValid` will write. */
export function validBytes(start: usize, end: usize): usize {
  if (isAscii(start, end)) return end - start;
  let bytes: usize = 0;
  for (let at = start; at < end; ) {
    const length = sequenceAt(at, end);
    bytes += length > 0 ? length : 3;
    at += abs(length);
  }
  return bytes;
}

/** Copies [start, end) to `target` with each invalid part replaced; `bytes` is what `validBytes` said. */
export function writeValid(target: usize, start: usize, end: usize, bytes: usize): void {
  if (bytes === end - start && isAscii(start, end)) {
    copyBytes(target, start, bytes);
    return;
  }
  for (let at = start; at < end; ) {
    const length = sequenceAt(at, end);
    if (length > 0) {
      for (let i = 0; i < length; i++) store<u8>(target++, load<u8>(at + i));
    } else {
      store<u8>(target, 0xef);
      store<u8>(target, 0xbf, 1);
      store<u8>(target, 0xbd, 2);
      target += 3;
    }
    at += abs(length);
  }
}

/** The largest end at or below `start + bytes` that does not cut a sequence in two. */
export function cutAt(start: usize, end: usize, bytes: usize): usize {
  if (end - start <= bytes) return end;
  let cut = start + bytes;
  for (let back = 0; back < 3 && cut > start && (load<u8>(cut) & 0xc0) === 0x80; back++) cut--;
  return cut;
}

/** Writes a code point and returns the address behind it. */
export function writePoint(to: usize, point: i32): usize {
  if (point < 0x80) {
    store<u8>(to, <u8>point);
    return to + 1;
  }
  if (point < 0x800) {
    store<u8>(to, <u8>(0xc0 | (point >> 6)));
    store<u8>(to, <u8>(0x80 | (point & 0x3f)), 1);
    return to + 2;
  }
  if (point < 0x10000) {
    store<u8>(to, <u8>(0xe0 | (point >> 12)));
    store<u8>(to, <u8>(0x80 | ((point >> 6) & 0x3f)), 1);
    store<u8>(to, <u8>(0x80 | (point & 0x3f)), 2);
    return to + 3;
  }
  store<u8>(to, <u8>(0xf0 | (point >> 18)));
  store<u8>(to, <u8>(0x80 | ((point >> 12) & 0x3f)), 1);
  store<u8>(to, <u8>(0x80 | ((point >> 6) & 0x3f)), 2);
  store<u8>(to, <u8>(0x80 | (point & 0x3f)), 3);
  return to + 4;
}

/** Bytes in which `writeString` finds room. */
export function stringBytesMax(value: string): usize {
  let bytes: usize = 0;
  for (let i = 0; i < value.length; i++) bytes += value.charCodeAt(i) < 0x80 ? 1 : 3;
  return bytes;
}

/** Writes a string and returns the address behind it. */
export function writeString(target: usize, value: string): usize {
  let to = target;
  for (let i = 0; i < value.length; i++) {
    const point = value.codePointAt(i);
    if (point > 0xffff) i++;
    to = writePoint(to, point);
  }
  return to;
}
