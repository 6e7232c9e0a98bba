/**
 * Comparison and search that take `A` to `Z` for `a` to `z`, 16 bytes at a time.
 *
 * Only ASCII letters have a case here: every other byte, also of a letter such as `É`, equals itself alone. Like
 * the searches in bytes.ts they may load up to 15 bytes past an end and ignore them. A search takes at most
 * text × needle / 16 steps, and one step for 16 bytes where the needle's first and last byte are rare.
 */

const UPPER_A: u8 = 0x41;
const LETTERS: u8 = 26;
const CASE_BIT: u8 = 0x20;

/** The byte in lower case. */
export function lowerByte(byte: u8): u8 {
  return byte - UPPER_A < LETTERS ? byte | CASE_BIT : byte;
}

export function equalNoCase(a: usize, b: usize, bytes: usize): bool {
  for (let i: usize = 0; i < bytes; i += 16) {
    let same = i8x16.bitmask(i8x16.eq(lower(v128.load(a + i)), lower(v128.load(b + i))));
    if (i + 16 > bytes) same |= 0xffff << (bytes - i);
    if ((same & 0xffff) !== 0xffff) return false;
  }
  return true;
}

/** Address of the first occurrence of the needle in [from, end), or `end`. An empty needle is found at once. */
export function indexOfNoCase(from: usize, end: usize, needle: usize, needleBytes: usize): usize {
  if (!needleBytes) return from;
  if (end < from + needleBytes) return end;
  const first = i8x16.splat(lowerByte(load<u8>(needle)));
  const last = i8x16.splat(lowerByte(load<u8>(needle + needleBytes - 1)));
  const stop = end - needleBytes;
  for (let at = from; at <= stop; at += 16) {
    const isFirst = i8x16.eq(lower(v128.load(at)), first);
    const isLast = i8x16.eq(lower(v128.load(at + needleBytes - 1)), last);
    for (let hits = i8x16.bitmask(v128.and(isFirst, isLast)); hits; hits &= hits - 1) {
      const found = at + ctz(hits);
      if (found > stop) return end;
      if (equalNoCase(found, needle, needleBytes)) return found;
    }
  }
  return end;
}

/** The 16 bytes in lower case: the case bit is set where a byte lies in `A` to `Z`. */
function lower(block: v128): v128 {
  const isUpper = i8x16.lt_u(i8x16.sub(block, i8x16.splat(UPPER_A)), i8x16.splat(LETTERS));
  return v128.or(block, v128.and(isUpper, i8x16.splat(CASE_BIT)));
}
