/**
 * Bytes: search and comparison, 16 at a time.
 *
 * A search may load up to 63 bytes past its end and ignores them; the memory map always has at least that much
 * above the input region. The two-byte test (first and last byte of the needle at 16 places at once, then
 * verify) is Muła's "SIMD-friendly algorithms for substring searching", generic SIMD variant.
 */

/** Steps of 32 bytes whose matches, two a step and lane, a lane of 8 bits can hold. */
export const LANE_STEPS_MAX: usize = 126;

/** What comparisons of 16 bytes at a time have found. */
export class Lanes {
  /** One bit for each of 64 bytes, lowest address first. */
  @inline
  static bits(a: v128, b: v128, c: v128, d: v128): u64 {
    const low = <u32>i8x16.bitmask(a) | ((<u32>i8x16.bitmask(b)) << 16);
    const high = <u32>i8x16.bitmask(c) | ((<u32>i8x16.bitmask(d)) << 16);
    return <u64>low | ((<u64>high) << 32);
  }

  /** Sum of 16 unsigned bytes. */
  @inline
  static sum(lanes: v128): u32 {
    const quads = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(lanes));
    return (
      i32x4.extract_lane(quads, 0) +
      i32x4.extract_lane(quads, 1) +
      i32x4.extract_lane(quads, 2) +
      i32x4.extract_lane(quads, 3)
    );
  }
}

/** A 64-bit mix of bytes for tables. Tables bound their probes, so chosen collisions cost a bounded amount. */
export class Hash {
  @inline
  static of(start: usize, bytes: usize, seed: u64): u64 {
    let hash = seed ^ (bytes * 0x9e3779b97f4a7c15);
    const end = start + bytes;
    let at = start;
    for (; at + 8 <= end; at += 8) hash = mix(hash ^ load<u64>(at));
    if (at < end) hash = mix(hash ^ (load<u64>(at) & (((<u64>1) << ((end - at) << 3)) - 1)));
    return hash;
  }
}

/** Address of the first `byte` in [from, end), or `end`. */
export function indexOfByte(from: usize, end: usize, byte: u8): usize {
  const wanted = i8x16.splat(byte);
  for (let at = from; at < end; at += 16) {
    const hits = i8x16.bitmask(i8x16.eq(v128.load(at), wanted));
    if (hits) return min(at + ctz(hits), end);
  }
  return end;
}

/** Address just after the last `byte` in [from, end), or `from`. */
export function afterLastByte(from: usize, end: usize, byte: u8): usize {
  const wanted = i8x16.splat(byte);
  let at = end;
  while (at >= from + 16) {
    const hits = i8x16.bitmask(i8x16.eq(v128.load(at - 16), wanted));
    if (hits) return at + 16 - clz(hits);
    at -= 16;
  }
  while (at > from && load<u8>(at - 1) !== byte) at--;
  return at;
}

export function countByte(from: usize, end: usize, byte: u8): u32 {
  const wanted = i8x16.splat(byte);
  let total: u32 = 0;
  let at = from;
  while (at + 64 <= end) {
    let steps = min((end - at) >> 6, LANE_STEPS_MAX / 2);
    let lanes = i8x16.splat(0);
    do {
      lanes = i8x16.sub(lanes, i8x16.eq(v128.load(at), wanted));
      lanes = i8x16.sub(lanes, i8x16.eq(v128.load(at, 16), wanted));
      lanes = i8x16.sub(lanes, i8x16.eq(v128.load(at, 32), wanted));
      lanes = i8x16.sub(lanes, i8x16.eq(v128.load(at, 48), wanted));
      at += 64;
    } while (--steps);
    total += Lanes.sum(lanes);
  }
  if (at < end) {
    const hits = Lanes.bits(
      i8x16.eq(v128.load(at), wanted),
      i8x16.eq(v128.load(at, 16), wanted),
      i8x16.eq(v128.load(at, 32), wanted),
      i8x16.eq(v128.load(at, 48), wanted),
    );
    total += <u32>popcnt(hits & (((<u64>1) << (end - at)) - 1));
  }
  return total;
}

export function equalBytes(a: usize, b: usize, bytes: usize): bool {
  if (bytes >= 8) {
    const last = bytes - 8;
    for (let i: usize = 0; i < last; i += 8) if (load<u64>(a + i) !== load<u64>(b + i)) return false;
    return load<u64>(a + last) === load<u64>(b + last);
  }
  if (bytes >= 4) {
    return load<u32>(a) === load<u32>(b) && load<u32>(a + bytes - 4) === load<u32>(b + bytes - 4);
  }
  for (let i: usize = 0; i < bytes; i++) if (load<u8>(a + i) !== load<u8>(b + i)) return false;
  return true;
}

/** Address of the first occurrence of the needle in [from, end), or `end`. An empty needle is found at once. */
export function indexOf(from: usize, end: usize, needle: usize, needleBytes: usize): usize {
  if (needleBytes <= 1) return needleBytes ? indexOfByte(from, end, load<u8>(needle)) : from;
  if (end < from + needleBytes) return end;
  const first = i8x16.splat(load<u8>(needle));
  const last = i8x16.splat(load<u8>(needle + needleBytes - 1));
  const stop = end - needleBytes;
  for (let at = from; at <= stop; at += 16) {
    let hits = i8x16.bitmask(
      v128.and(i8x16.eq(v128.load(at), first), i8x16.eq(v128.load(at + needleBytes - 1), last)),
    );
    for (; hits; hits &= hits - 1) {
      const found = at + ctz(hits);
      if (found > stop) return end;
      if (equalBytes(found, needle, needleBytes)) return found;
    }
  }
  return end;
}

/**
 * Copies bytes; may write up to 15 bytes past them, so only where the space behind is free. The engine calls
 * out of WebAssembly for `memory.copy`, which for short texts costs more than the copy.
 */
export function copyBytes(target: usize, source: usize, bytes: usize): void {
  if (bytes > 256) {
    memory.copy(target, source, bytes);
    return;
  }
  for (let i: usize = 0; i < bytes; i += 16) v128.store(target + i, v128.load(source + i));
}

/**
 * A hash of which every bit depends on every byte, for sketches: that of tables, finished as SplitMix64 does (Steele
 * and others, "Fast Splittable Pseudorandom Number Generators"). Records carry what is made of it, so it
 * stays what it is: sketches of two appliances, and of two versions of a filter, can be merged.
 */
export function sketchHash(start: usize, bytes: usize): u64 {
  let hash = Hash.of(start, bytes, 0);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

/** Both halves are brought together before the product, else the last bytes of a word would reach few bits. */
function mix(value: u64): u64 {
  const product = (value ^ (value >> 32)) * 0xd6e8feb86659fd93;
  return product ^ (product >> 29);
}
