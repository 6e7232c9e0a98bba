/**
 * Quantiles: the buckets that `Quantiles` of the library puts into a record (`runtime/quantiles.ts`). A value past 2^53 is the
 * nearest number.
 */
import { bytesOf, countAt, exactSum, expectSame, refuseSketch, type SketchBytes } from './bytes.js';

export interface QuantilesSketch {
  /** Of a value the highest bits + 1 are kept. */
  readonly bits: number;
  /** How many values; the least and the greatest of them, 0 where there are none. */
  readonly size: number;
  readonly least: number;
  readonly greatest: number;
  /** How many are in each bucket, by its number, ascending. */
  readonly buckets: ReadonlyMap<number, number>;
}

/** A value that has the rank, or differs by `error` at most from one that has it. */
export interface Quantile {
  readonly value: number;
  readonly error: number;
}

const BITS_MIN = 3;
const BITS_MAX = 7;
const VALUE_BITS = 63;
const HEADER_BYTES = 24;
const BUCKET_BYTES = 12;

/** Throws a WeirError `SKETCH_INVALID` for bytes that no `Quantiles` has written. */
export function readQuantiles(given: SketchBytes): QuantilesSketch {
  const bytes = bytesOf('a Quantiles', given, HEADER_BYTES);
  const bits = bytes.readUInt32LE(0);
  if (bits < BITS_MIN || bits > BITS_MAX)
    refuseSketch(`a Quantiles of ${BITS_MIN} to ${BITS_MAX} bits`, bits);
  const used = bytes.readUInt32LE(4);
  const expectedBytes = HEADER_BYTES + used * BUCKET_BYTES;
  if (bytes.length !== expectedBytes)
    refuseSketch(`a Quantiles of ${used} buckets in ${expectedBytes} bytes`, bytes.length);
  const { size, buckets } = readBuckets(bytes, bits);
  const [least, greatest] = [bytes.readBigUInt64LE(8), bytes.readBigUInt64LE(16)];
  const [first, last] = [[...buckets.keys()][0], [...buckets.keys()].at(-1)];
  if (
    size === 0 ? least + greatest > 0n : bucketOf(least, bits) !== first || bucketOf(greatest, bits) !== last
  )
    refuseSketch('the least and the greatest of a Quantiles in its first and last bucket', 'other values');
  if (least > greatest) refuseSketch('the least of a Quantiles up to its greatest', least);
  return { bits, size, least: Number(least), greatest: Number(greatest), buckets };
}

function readBuckets(bytes: Buffer, bits: number) {
  const buckets = new Map<number, number>();
  let size = 0;
  for (let at = HEADER_BYTES, before = -1; at < bytes.length; at += BUCKET_BYTES) {
    const bucket = bytes.readUInt32LE(at);
    const count = countAt('values in a bucket', bytes, at + 4);
    if (bucket <= before || bucket >= (VALUE_BITS + 1 - bits) << bits)
      refuseSketch(`buckets of a Quantiles in order, below ${(VALUE_BITS + 1 - bits) << bits}`, bucket);
    if (count === 0) refuseSketch('only buckets that hold something', 0);
    buckets.set(bucket, count);
    size = exactSum('values', size + count);
    before = bucket;
  }
  return { size, buckets };
}

/** The sketch that would have seen all: the counts of each bucket added up. Throws where the bits differ. */
export function mergeQuantiles(
  first: QuantilesSketch,
  ...others: readonly QuantilesSketch[]
): QuantilesSketch {
  const counts = new Map(first.buckets);
  for (const { bits, buckets } of others) {
    expectSame('bits', first.bits, bits);
    for (const [bucket, count] of buckets) counts.set(bucket, (counts.get(bucket) ?? 0) + count);
  }
  const filled = [first, ...others].filter(({ size }) => size > 0);
  return {
    bits: first.bits,
    size: exactSum(
      'values',
      filled.reduce((sum, { size }) => sum + size, 0),
    ),
    least: filled.length > 0 ? Math.min(...filled.map(({ least }) => least)) : 0,
    greatest: Math.max(0, ...filled.map(({ greatest }) => greatest)),
    buckets: new Map([...counts].sort(([one], [two]) => one - two)),
  };
}

/**
 * The least value that so many in 1,000 are not above, as the filter would tell it: 500 is the median. Nothing where there are no
 * values.
 */
export function quantileOf(sketch: QuantilesSketch, perMille: number): Quantile | undefined {
  const { bits, size, least, greatest, buckets } = sketch;
  if (!Number.isInteger(perMille) || perMille < 0 || perMille > 1000)
    refuseSketch('a whole number of thousandths from 0 to 1000', perMille);
  if (size === 0) return undefined;
  // In two parts, so that it is exact.
  const rank = Math.floor(size / 1000) * perMille + Math.ceil(((size % 1000) * perMille) / 1000);
  if (rank <= 1) return { value: least, error: 0 };
  if (rank >= size) return { value: greatest, error: 0 };
  let passed = 0;
  for (const [bucket, count] of buckets) {
    passed += count;
    if (passed < rank) continue;
    const shift = Math.max((bucket >> bits) - 1, 0);
    const lowest = (bucket - (shift << bits)) * 2 ** shift;
    const half = shift > 0 ? 2 ** (shift - 1) : 0;
    return { value: Math.max(least, Math.min(greatest, lowest + half)), error: half };
  }
  return refuseSketch(`buckets that hold ${size} values`, passed);
}

/** A value's highest bits + 1 bits are its place, the number of bits behind them its power. */
function bucketOf(value: bigint, bits: number): number {
  const shift = Math.max(value.toString(2).length - 1 - bits, 0);
  return (shift << bits) + Number(value >> BigInt(shift));
}
