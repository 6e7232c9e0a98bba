/**
 * Which keys were seen: the two generations of bits that `FirstSeen` of the library puts into a record (a Bloom filter;
 * `runtime/firstseen.ts`). A key that was seen is always found; one that was not is, too, in `missedShare` of all cases.
 */
import { bytesOf, expectSame, refuseSketch, type SketchBytes } from './bytes.js';
import { sketchHash } from './hash.js';

export interface FirstSeenSketch {
  /** Keys of one generation, as the filter has them: a power of two. */
  readonly capacity: number;
  /** Number of the latest generation: its start divided by the length of one. Nothing before the first key. */
  readonly generation: number | undefined;
  /** Bits of the latest generation, and of the one before it. */
  readonly latest: Uint8Array;
  readonly before: Uint8Array;
}

const CAPACITY_MIN = 16;
const BITS_EACH = 16;
const PLACES = 8;
const HEADER_BYTES = 16;
/** The generation before the first key. */
const NEVER = -(2n ** 63n);

/** Throws a WeirError `SKETCH_INVALID` for bytes that no `FirstSeen` has written. */
export function readFirstSeen(given: SketchBytes): FirstSeenSketch {
  const bytes = bytesOf('a FirstSeen', given, HEADER_BYTES + (2 * CAPACITY_MIN * BITS_EACH) / 8);
  const halfBytes = (bytes.length - HEADER_BYTES) / 2;
  const capacity = (halfBytes * 8) / BITS_EACH;
  if (!Number.isInteger(Math.log2(capacity)))
    refuseSketch('a FirstSeen whose capacity is a power of two', capacity);
  const generation = bytes.readBigInt64LE(0);
  if (generation !== NEVER && (generation > Number.MAX_SAFE_INTEGER || generation < Number.MIN_SAFE_INTEGER))
    refuseSketch(`a generation up to ${Number.MAX_SAFE_INTEGER}`, generation);
  const half = (number: number) => {
    const bits = bytes.subarray(HEADER_BYTES + number * halfBytes, HEADER_BYTES + (number + 1) * halfBytes);
    const keys = bytes.readUInt32LE(8 + 4 * number);
    const keysMost = generation === NEVER ? 0 : capacity;
    if (keys > keysMost) refuseSketch(`a generation of up to ${keysMost} keys`, keys);
    const found = bitsSet(bits);
    if (found > keys * PLACES) refuseSketch(`up to ${keys * PLACES} bits of ${keys} keys`, found);
    return bits;
  };
  const [even, odd] = [half(0), half(1)];
  const [latest, before] = generation & 1n ? [odd, even] : [even, odd];
  return { capacity, generation: generation === NEVER ? undefined : Number(generation), latest, before };
}

/**
 * The keys of all in the latest generation of all and the one before it, which must be of the same length. It holds more keys than
 * one was made for, so it misses more: `missedShare` tells. Throws where the capacity differs.
 */
export function mergeFirstSeen(
  first: FirstSeenSketch,
  ...others: readonly FirstSeenSketch[]
): FirstSeenSketch {
  const all = [first, ...others];
  for (const { capacity } of others) expectSame('capacity', first.capacity, capacity);
  const generation = Math.max(...all.map((sketch) => sketch.generation ?? Number.NEGATIVE_INFINITY));
  const [latest, before] = [new Uint8Array(first.latest.length), new Uint8Array(first.latest.length)];
  for (const sketch of all) {
    if (sketch.generation === generation) {
      addBits(latest, sketch.latest);
      addBits(before, sketch.before);
    } else if (sketch.generation === generation - 1) addBits(before, sketch.latest);
  }
  const isNever = generation === Number.NEGATIVE_INFINITY;
  return { capacity: first.capacity, generation: isNever ? undefined : generation, latest, before };
}

/** Whether a key, as text or bytes, was seen in the latest generation or the one before it. */
export function wasSeen({ latest, before, capacity }: FirstSeenSketch, key: string | Uint8Array): boolean {
  const hash = sketchHash(Buffer.from(key as string));
  const [low, high] = [Number(hash & 0xffff_ffffn), Number(hash >> 32n)];
  const places = Array.from({ length: PLACES }, (_, number) => {
    const place = (low + Math.imul(number, high | 1)) >>> 0;
    return place & (capacity * BITS_EACH - 1);
  });
  return [latest, before].some((bits) =>
    places.every((place) => ((bits[place >> 3] as number) >> (place & 7)) & 1),
  );
}

/** The share of keys that were never seen for which `wasSeen` is true all the same. */
export function missedShare({ latest, before }: FirstSeenSketch): number {
  const [one, two] = [latest, before].map((bits) => (bitsSet(bits) / (bits.length * 8)) ** PLACES);
  return 1 - (1 - (one as number)) * (1 - (two as number));
}

function addBits(bits: Uint8Array, others: Uint8Array): void {
  others.forEach((byte, at) => {
    bits[at] = (bits[at] as number) | byte;
  });
}

function bitsSet(bits: Uint8Array): number {
  let count = 0;
  for (const byte of bits) for (let left = byte; left > 0; left &= left - 1) count++;
  return count;
}
