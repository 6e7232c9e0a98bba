/**
 * The other side of the sketches: exact answers, and readers of their bytes with the merge that each file states.
 */

export interface TopEntry {
  readonly key: string;
  readonly count: number;
  readonly error: number;
}

export interface Top {
  readonly sum: number;
  readonly capacity: number;
  readonly entries: readonly TopEntry[];
}

export interface Quantiles {
  readonly bits: number;
  readonly least: number;
  readonly greatest: number;
  readonly buckets: ReadonlyMap<number, bigint>;
}

export function exactCounts(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** The least value that so many in 1,000 are not above. */
export function exactQuantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(Math.ceil((sorted.length * share) / 1000), 1) - 1] as number;
}

export function readTop(bytes: Buffer): Top {
  const entries: TopEntry[] = [];
  let at = 16;
  for (let left = bytes.readUInt32LE(12); left > 0; left--) {
    const end = at + 20 + bytes.readUInt32LE(at + 16);
    entries.push({
      key: bytes.toString('utf8', at + 20, end),
      count: Number(bytes.readBigUInt64LE(at)),
      error: Number(bytes.readBigUInt64LE(at + 8)),
    });
    at = end;
  }
  return { sum: Number(bytes.readBigUInt64LE(0)), capacity: bytes.readUInt32LE(8), entries };
}

export function mergeTop(one: Top, two: Top): Top {
  /** What a key that is not there may have had. */
  const missing = ({ entries, capacity }: Top) =>
    entries.length < capacity ? 0 : (entries.at(-1)?.count ?? 0);
  const found = ({ entries }: Top) => new Map(entries.map((entry) => [entry.key, entry]));
  const sides = [one, two].map((side) => ({ known: found(side), least: missing(side) }));
  const keys = new Set([...one.entries, ...two.entries].map(({ key }) => key));
  const entries = [...keys].map((key) => {
    const parts = sides.map(({ known, least }) => known.get(key) ?? { count: least, error: least });
    return {
      key,
      count: parts.reduce((sum, { count }) => sum + count, 0),
      error: parts.reduce((sum, { error }) => sum + error, 0),
    };
  });
  const greatest = entries.sort((a, b) => b.count - a.count).slice(0, one.capacity);
  return { sum: one.sum + two.sum, capacity: one.capacity, entries: greatest };
}

export function mergeDistinct(one: Buffer, two: Buffer): Buffer {
  return Buffer.from(one.map((register, at) => Math.max(register, two[at] as number)));
}

/** Ertl's estimator, as distinct.ts has it. */
export function estimateDistinct(registers: Buffer): number {
  const size = registers.length;
  const empty = registers.filter((register) => register === 0).length;
  const sum = registers.reduce((total, register) => total + (register ? 2 ** -register : 0), 0);
  let power = empty / size;
  let series = power;
  for (let factor = 1; factor < 2 ** 60; factor *= 2) {
    power *= power;
    series += power * factor;
  }
  return size ** 2 / (2 * Math.LN2) / (sum + size * series);
}

export function readQuantiles(bytes: Buffer): Quantiles {
  const buckets = new Map<number, bigint>();
  for (let left = bytes.readUInt32LE(4), at = 24; left > 0; left--, at += 12) {
    buckets.set(bytes.readUInt32LE(at), bytes.readBigUInt64LE(at + 4));
  }
  const [least, greatest] = [8, 16].map((at) => Number(bytes.readBigUInt64LE(at)));
  return { bits: bytes.readUInt32LE(0), least: least as number, greatest: greatest as number, buckets };
}

export function mergeQuantiles(one: Quantiles, two: Quantiles): Quantiles {
  const buckets = new Map<number, bigint>();
  for (const [bucket, count] of [...one.buckets, ...two.buckets]) {
    buckets.set(bucket, (buckets.get(bucket) ?? 0n) + count);
  }
  return {
    bits: one.bits,
    least: Math.min(one.least, two.least),
    greatest: Math.max(one.greatest, two.greatest),
    buckets: new Map([...buckets].sort(([a], [b]) => a - b)),
  };
}

/** The middle of the bucket that holds the rank. */
export function quantileOf({ bits, buckets }: Quantiles, share: number): number {
  const size = [...buckets.values()].reduce((sum, count) => sum + Number(count), 0);
  let left = Math.ceil((size * share) / 1000);
  for (const [bucket, count] of buckets) {
    left -= Number(count);
    if (left > 0) continue;
    const shift = Math.max((bucket >> bits) - 1, 0);
    return (bucket - (shift << bits)) * 2 ** shift + (shift > 0 ? 2 ** (shift - 1) : 0);
  }
  return Number.NaN;
}

/** The hash of bytes.ts. */
export function sketchHash(bytes: Buffer): bigint {
  const wrap = (value: bigint) => BigInt.asUintN(64, value);
  const mix = (value: bigint) => {
    const product = wrap((value ^ (value >> 32n)) * 0xd6e8feb86659fd93n);
    return product ^ (product >> 29n);
  };
  let hash = wrap(BigInt(bytes.length) * 0x9e3779b97f4a7c15n);
  for (let at = 0; at < bytes.length; at += 8) {
    const word = Buffer.alloc(8);
    bytes.copy(word, 0, at, at + 8);
    hash = mix(hash ^ word.readBigUInt64LE());
  }
  hash = wrap((hash ^ (hash >> 30n)) * 0xbf58476d1ce4e5b9n);
  hash = wrap((hash ^ (hash >> 27n)) * 0x94d049bb133111ebn);
  return hash ^ (hash >> 31n);
}
