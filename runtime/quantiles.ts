/**
 * Quantiles of whole numbers from 0 on, with a relative error that is known (the buckets of HdrHistogram: powers of
 * two, each cut into 2^bits equal parts; the bound is that of DDSketch: Masson, Rim and Lee, 2019).
 *
 *     const sizes = new Quantiles('sizes', 5);
 *     sizes.add(bytes); ... stream.int(P99, sizes.perMille(990));
 *
 * What it answers differs by at most 1 / 2^(bits + 1) of itself from a value that really has that rank; values
 * below 2^(bits + 1) are exact, and so are the least and the greatest. Integers only. It never fills: there is a
 * bucket for every number of 63 bits. Negative numbers are left out, and counted in `overflowed`.
 *
 *     bits    3       4       5       6       7
 *     error   6.3 %   3.1 %   1.6 %   0.8 %   0.4 %
 *     bytes   4 KiB   8 KiB   15 KiB  30 KiB  58 KiB
 *
 * A row of a Table can hold one in place of counters; see `Distinct`.
 *
 * Merge: add up the counts of each bucket, for sketches with the same bits; the result is the sketch of both.
 *
 *     header: how many, least, greatest, 0 (u64 each)
 *     bucket: u64, how many. Bucket b holds b itself below 2^bits; then 2^bits buckets for each power of two
 *     record: bits u32, buckets u32, least, greatest u64, then number u32 and count u64 of each bucket that is not 0
 */
import { count, KIND_QUANTILES, OVERFLOWED } from './abi';
import { allocateState } from './arena';
import { beginBytes, Key } from './emit';
import { aggregated } from './ledger';

export const BITS_MIN: u32 = 3;
export const BITS_MAX: u32 = 7;

const LEAST_AT: usize = 8;
const GREATEST_AT: usize = 16;
const HEADER_BYTES: usize = 32;
const RECORD_HEADER_BYTES: usize = 24;
const RECORD_BUCKET_BYTES: usize = 12;

@unmanaged
export class Quantiles {
  private base: usize = 0;
  private bits: u32 = 0;

  /** Without a name it has no memory of its own, and must be put `at` some before it is used. */
  constructor(name: string, bits: u32) {
    if (bits < BITS_MIN || bits > BITS_MAX) abort('the bits of Quantiles are from 3 to 7');
    this.bits = bits;
    const bytes = (<usize>Quantiles.counters(bits)) << 3;
    if (name.length) this.base = allocateState(KIND_QUANTILES, name, bits, 0, 0, bytes);
  }

  /** Counters of a Table's row that one takes. */
  static counters(bits: u32): u32 {
    return <u32>(HEADER_BYTES >> 3) + bucketsOf(bits);
  }

  /** Points it at memory elsewhere, all 0 at first; returns it. */
  at(base: usize): Quantiles {
    this.base = base;
    return this;
  }

  add(value: i64): void {
    aggregated();
    if (value < 0) {
      count(OVERFLOWED, 1);
      return;
    }
    const bucket = this.base + HEADER_BYTES + ((<usize>bucketOf(<u64>value, this.bits)) << 3);
    store<u64>(bucket, load<u64>(bucket) + 1);
    const size = load<u64>(this.base);
    if (!size || value < load<i64>(this.base, LEAST_AT)) store<i64>(this.base, value, LEAST_AT);
    if (!size || value > load<i64>(this.base, GREATEST_AT)) store<i64>(this.base, value, GREATEST_AT);
    store<u64>(this.base, size + 1);
  }

  /** How many were added. */
  size(): i64 {
    return load<i64>(this.base);
  }

  /** The least value that so many in 1,000 are not above: 500 is the median. 0 when there are none. */
  perMille(share: u32): i64 {
    const size = load<u64>(this.base);
    if (!size) return 0;
    const least = load<i64>(this.base, LEAST_AT);
    const greatest = load<i64>(this.base, GREATEST_AT);
    // Rounded up, in two parts, so that nothing overflows.
    const rank = (size / 1000) * share + ((size % 1000) * share + 999) / 1000;
    if (rank <= 1) return least;
    if (rank >= size) return greatest;
    let passed: u64 = 0;
    let bucket: u32 = 0;
    for (; ; bucket++) {
      passed += load<u64>(this.base + HEADER_BYTES + ((<usize>bucket) << 3));
      if (passed >= rank) break;
    }
    return max(least, min(greatest, middleOf(bucket, this.bits)));
  }

  /** Puts the buckets into the record that is open, as a byte string. */
  put(name: Key): void {
    const buckets = bucketsOf(this.bits);
    const first = this.base + HEADER_BYTES;
    let used: u32 = 0;
    for (let i: u32 = 0; i < buckets; i++) used += u32(load<u64>(first + ((<usize>i) << 3)) !== 0);
    let at = beginBytes(name, RECORD_HEADER_BYTES + RECORD_BUCKET_BYTES * used);
    if (!at) return;
    store<u32>(at, this.bits);
    store<u32>(at, used, 4);
    store<u64>(at, load<u64>(this.base, LEAST_AT), 8);
    store<u64>(at, load<u64>(this.base, GREATEST_AT), 16);
    at += RECORD_HEADER_BYTES;
    for (let i: u32 = 0; i < buckets; i++) {
      const inBucket = load<u64>(first + ((<usize>i) << 3));
      if (!inBucket) continue;
      store<u32>(at, i);
      store<u64>(at, inBucket, 4);
      at += RECORD_BUCKET_BYTES;
    }
  }

  clear(): void {
    memory.fill(this.base, 0, (<usize>Quantiles.counters(this.bits)) << 3);
  }
}

/** The buckets below 2^bits, and 2^bits for each of the powers from there to 2^62. */
function bucketsOf(bits: u32): u32 {
  return (64 - bits) << bits;
}

/** A value's highest bits + 1 bits are its place, the number of bits behind them its power. */
function bucketOf(value: u64, bits: u32): u32 {
  const shift = max(63 - <i32>clz(value | 1) - <i32>bits, 0);
  return ((<u32>shift) << bits) + <u32>(value >> shift);
}

function middleOf(bucket: u32, bits: u32): i64 {
  const shift = max(<i32>(bucket >> bits) - 1, 0);
  const lowest = (<i64>(bucket - ((<u32>shift) << bits))) << shift;
  return lowest + (((<i64>1) << shift) >> 1);
}
