/**
 * `weir/sketches`: what sketches on several appliances have told is merged to what one would have told that had seen all, exactly or
 * within the bound that is stated; whatever else the bytes are is refused.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../host/errors.js';
import { SKETCH_BYTES_MAX } from '../host/limits.js';
import {
  estimateDistinct,
  mergeDistinct,
  mergeFirstSeen,
  mergeQuantiles,
  mergeTop,
  missedShare,
  quantileOf,
  readDistinct,
  readFirstSeen,
  readQuantiles,
  readTop,
  type TopSketch,
  topKeys,
  wasSeen,
} from '../host/sketches/index.js';
import type { WireRecord } from '../host/wire.js';
import { seeded } from './filter.js';
import { many } from './runtime/reference.js';
import { buildTestFilter, type TestFilter } from './runtime/testfilter.js';

const SEED = 20_260_205;
const EVENTS = 60_000;

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('sketch-tools');
});
test.after(() => filter.remove());

type Keys = readonly (string | number)[];

/** The last record of an appliance that has seen these keys, which has the bytes. */
function told(config: Readonly<Record<string, string | number>>, keys: Keys): WireRecord & { bytes: Buffer } {
  const { records } = filter.run(Buffer.from(`0 ${keys.join('\n0 ')}\n`), { batchBytes: 1 << 20, config });
  return records.at(-1) as WireRecord & { bytes: Buffer };
}

const below = seeded(SEED);
/** Zipf's law: a key has about 1 / rank of what the first one has. */
const skewed = many(EVENTS, () => `user ${Math.floor(50_000 ** (below(1_000_000) / 1_000_000))}`);
/** What three appliances have seen; some of it two of them. */
const thirds = (keys: Keys) => [keys.slice(0, 20_000), keys.slice(15_000, 30_000), keys.slice(30_000)];
/** The same, with each event on one of them. */
const parts = (keys: Keys) => [keys.slice(0, 10_000), keys.slice(10_000, 40_000), keys.slice(40_000)];

test('distinct keys of several appliances are those of one that has seen all, to the register', () => {
  const config = { tool: 'distinct', a: 11 };
  const all = told(config, skewed);
  const [one, two, three] = thirds(skewed).map((keys) => readDistinct(told(config, keys).bytes));
  assert.ok(one && two && three);
  const merged = mergeDistinct(one, two, three);
  assert.equal(merged, mergeDistinct(three, mergeDistinct(two, one)));
  assert.equal(Buffer.from(merged.registers), Buffer.from(all.bytes));
  const { keys, standardError } = estimateDistinct(merged);
  assert.is(keys, all.estimate);
  const exact = new Set(skewed).size;
  assert.ok(Math.abs(keys - exact) < 3 * standardError, `${keys} for ${exact}`);
  assert.equal(readDistinct(all.bytes.toString('base64')), readDistinct(all.bytes));
  assert.equal(estimateDistinct(readDistinct(Buffer.alloc(16))), { keys: 0, standardError: 0 });
});

test('an estimate is that of the filter at every number of keys', () => {
  for (const size of [1, 10, 100, 1_000, 10_000, 50_000]) {
    const { bytes, estimate } = told(
      { tool: 'distinct', a: 8 },
      many(size, (at) => `key ${at}`),
    );
    assert.is(estimateDistinct(readDistinct(bytes)).keys, estimate);
  }
});

test('quantiles of several appliances are those of one that has seen all, to the bucket', () => {
  const values = many(EVENTS, () => below(1 + below(5_000_000)));
  for (const bits of [3, 7]) {
    const config = { tool: 'quantiles', a: bits };
    const all = told(config, values);
    const [one, two, three] = parts(values).map((some) => readQuantiles(told(config, some).bytes));
    assert.ok(one && two && three);
    const none = readQuantiles(told(config, [-1]).bytes);
    assert.is(quantileOf(none, 500), undefined);
    const merged = mergeQuantiles(none, two, one, three);
    assert.equal(merged, readQuantiles(all.bytes));
    assert.is(merged.size, EVENTS);
    for (const share of [0, 500, 900, 999, 1000])
      assert.is(quantileOf(merged, share)?.value, all[`p${share}`], `${share}`);
    const sorted = Float64Array.from(values).sort();
    for (let share = 0; share <= 1000; share += 7) {
      const real = sorted[Math.max(Math.ceil((EVENTS * share) / 1000), 1) - 1] as number;
      const { value, error } = quantileOf(merged, share) ?? { value: Number.NaN, error: 0 };
      assert.ok(
        Math.abs(value - real) <= error && error <= value / 2 ** bits,
        `${share}: ${value} for ${real}`,
      );
    }
  }
});

/** What is promised of top keys. */
function holdsBounds({ sum, capacity, entries }: TopSketch, keys: Keys): void {
  const exact = new Map<string, number>();
  for (const key of keys) exact.set(String(key), (exact.get(String(key)) ?? 0) + 1);
  assert.is(sum, keys.length);
  assert.is(entries.size, Math.min(capacity, exact.size));
  for (const { key, count, error } of entries.values()) {
    const real = exact.get(key) ?? 0;
    const isWithin = count - error <= real && real <= count && error <= sum / capacity;
    assert.ok(isWithin, `${key}: ${count} - ${error}, really ${real}`);
  }
  for (const [key, count] of exact)
    assert.ok(count <= sum / capacity || entries.has(key), `${key}: ${count}`);
}

test('top keys of several appliances keep the bounds of one that has seen all', () => {
  const top = (capacity: number, keys: Keys) =>
    readTop(told({ tool: 'top', a: capacity, b: 32 }, keys).bytes);
  const turned = [...skewed.slice(0, 30_000), ...skewed.slice(30_000).map((key) => `${key}0`)];
  for (const keys of [skewed, turned]) {
    const [one, two, three] = parts(keys).map((some, at) => top([200, 200, 300][at] as number, some));
    assert.ok(one && two && three);
    holdsBounds(mergeTop(one, two, three), keys);
    holdsBounds(mergeTop(mergeTop(three, two), one), keys);
    assert.equal(mergeTop(one, two), mergeTop(two, one));
    const counts = topKeys(mergeTop(one, two, three), 10).map(({ count }) => count);
    assert.is(counts.length, 10);
    assert.equal(
      counts,
      [...counts].sort((a, b) => b - a),
    );
  }
});

test('top keys that all have room are exact after a merge', () => {
  const keys = skewed.map((key) => `${key.slice(0, 6)} ${'é'.repeat(key.length % 3)}`);
  const top = (some: Keys) => readTop(told({ tool: 'top', a: 300, b: 32 }, some).bytes);
  const [one, two, three] = parts(keys).map(top);
  assert.ok(one && two && three);
  const [merged, all] = [mergeTop(one, two, three), top(keys)];
  assert.equal(new Map([...merged.entries].sort()), new Map([...all.entries].sort()));
  assert.ok(topKeys(merged).every(({ error }) => error === 0));
});

test('keys that differ in bytes which are no UTF-8 stay apart', () => {
  const bytes = (byte: number) =>
    Buffer.concat([Buffer.from('05000000000000000100000001000000', 'hex'), entryOf(5, 0, Buffer.of(byte))]);
  const merged = mergeTop(readTop(bytes(0xfe)), readTop(bytes(0xff)));
  assert.is(merged.entries.size, 1);
  assert.equal(topKeys(merged), [{ key: '\ufffd', count: 10, error: 5 }]);
});

test('first seen keys of several appliances are found, others in the share that is stated', () => {
  const seen = (time: number, from: number, count: number) => {
    const lines = many(count, (at) => `${time} key ${from + at}`);
    const config = { tool: 'first-seen', a: 1_024, length: '1h' };
    return readFirstSeen(filter.run([...lines, `${time} *`], { config }).records.at(-1)?.bytes as Buffer);
  };
  const hour = 3_600_000;
  const [one, two, earlier] = [seen(7 * hour, 0, 700), seen(7 * hour, 500, 700), seen(6 * hour, 5_000, 900)];
  const merged = mergeFirstSeen(earlier, one, two);
  assert.is(merged.generation, 7);
  assert.equal(Buffer.from(merged.before), Buffer.from(earlier.latest));
  for (const key of [0, 600, 1_199, 5_000, 5_899]) assert.ok(wasSeen(merged, `key ${key}`), `key ${key}`);
  const missed = many(40_000, (at) => `other ${at}`).filter((key) => wasSeen(merged, key)).length / 40_000;
  const stated = missedShare(merged);
  assert.ok(Math.abs(missed - stated) < 5 * Math.sqrt(stated / 40_000), `${missed}, stated ${stated}`);
  const later = mergeFirstSeen(earlier, seen(8 * hour, 0, 1));
  assert.is(missedShare(later) < 1e-6, true);
  assert.not.ok(wasSeen(later, 'key 5000'));
  const none = readFirstSeen(Buffer.concat([NEVER, Buffer.alloc(8 + 64)]));
  assert.is(mergeFirstSeen(none, none).generation, undefined);
});

const NEVER = Buffer.from('0000000000000080', 'hex');
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const entryOf = (count: number, error: number, key: Buffer) =>
  Buffer.concat([u64(count), u64(error), u32(key.length), key]);
const topOf = (sum: number | bigint, capacity: number, size: number, ...entries: Buffer[]) =>
  Buffer.concat([u64(sum), u32(capacity), u32(size), ...entries]);
const quantilesOf = (
  bits: number,
  least: number,
  greatest: number,
  ...buckets: [number, number | bigint][]
) =>
  Buffer.concat([
    ...[u32(bits), u32(buckets.length), u64(least), u64(greatest)],
    ...buckets.flatMap(([bucket, count]) => [u32(bucket), u64(count)]),
  ]);
const firstSeenOf = (generation: Buffer, even: number, odd: number, bits: Buffer) =>
  Buffer.concat([generation, u32(even), u32(odd), bits]);
const [a, b] = [Buffer.from('a'), Buffer.from('b')];

const READERS = { readTop, readDistinct, readQuantiles, readFirstSeen };
const DAMAGED: readonly (readonly [keyof typeof READERS, unknown, RegExp])[] = [
  ['readTop', 7, /expected a TopK as bytes, or as text in base64, found number/],
  ['readTop', 'AAA', /as text in base64, found another text/],
  ['readTop', 'A'.repeat(SKETCH_BYTES_MAX * 2), /expected a TopK of up to \d+ characters/],
  ['readTop', Buffer.alloc(SKETCH_BYTES_MAX + 1), /expected a TopK of 16 to 524288 bytes, found 524289/],
  ['readTop', Buffer.alloc(15), /found 15/],
  [
    'readTop',
    topOf(2n ** 53n, 1, 0),
    /expected a sum of a TopK up to 9007199254740991, found 9007199254740992/,
  ],
  ['readTop', topOf(0, 0, 0), /expected a TopK of 1 to 4096 keys, found 0/],
  ['readTop', topOf(0, 4097, 0), /found 4097/],
  ['readTop', topOf(9, 1, 2, entryOf(2, 0, a), entryOf(1, 0, b)), /with up to 1 keys, found 2/],
  ['readTop', topOf(9, 4, 2, entryOf(2, 0, a)), /expected a TopK of 2 keys, each whole/],
  ['readTop', topOf(9, 4, 1, entryOf(2, 0, a).subarray(0, -1)), /each whole/],
  ['readTop', topOf(9, 4, 1, entryOf(2, 0, a), a), /expected a TopK of 1 keys in 37 bytes, found 38/],
  ['readTop', topOf(9, 4, 2, entryOf(2, 0, a), entryOf(1, 0, a)), /2 different keys, found 1/],
  ['readTop', topOf(9, 4, 2, entryOf(1, 0, a), entryOf(2, 0, b)), /the greatest count of a TopK first/],
  ['readTop', topOf(2, 4, 2, entryOf(2, 0, a), entryOf(1, 0, b)), /add up to 2 at most, found 3/],
  ['readTop', topOf(9, 4, 1, entryOf(2, 1, a)), /errors of this TopK up to 0, found 1/],
  ['readTop', topOf(9, 2, 2, entryOf(4, 2, a), entryOf(1, 0, b)), /errors of this TopK up to 1, found 2/],
  ['readDistinct', Buffer.alloc(8), /expected a Distinct of 16 to 524288 bytes, found 8/],
  ['readDistinct', Buffer.alloc(17), /expected a Distinct of 2\^4 to 2\^16 registers, found 17/],
  ['readDistinct', Buffer.alloc(2 ** 17), /found 131072/],
  ['readDistinct', Buffer.alloc(16, 62), /expected a register of a Distinct up to 61, found 62/],
  ['readQuantiles', quantilesOf(2, 0, 0), /expected a Quantiles of 3 to 7 bits, found 2/],
  ['readQuantiles', quantilesOf(3, 0, 0, [0, 1]).subarray(0, -1), /1 buckets in 36 bytes, found 35/],
  [
    'readQuantiles',
    quantilesOf(3, 1, 1, [1, 1], [1, 1]),
    /expected buckets of a Quantiles in order, below 488, found 1/,
  ],
  ['readQuantiles', quantilesOf(3, 1, 1, [488, 1]), /found 488/],
  ['readQuantiles', quantilesOf(3, 1, 1, [1, 0]), /only buckets that hold something/],
  [
    'readQuantiles',
    quantilesOf(3, 1, 1, [1, 2n ** 53n]),
    /expected values in a bucket up to 9007199254740991/,
  ],
  ['readQuantiles', quantilesOf(3, 1, 2, [1, 2 ** 53 - 1], [2, 1]), /expected values up to 9007199254740991/],
  ['readQuantiles', quantilesOf(3, 2, 1, [1, 1]), /in its first and last bucket/],
  ['readQuantiles', quantilesOf(3, 1, 2, [1, 1]), /in its first and last bucket/],
  ['readQuantiles', quantilesOf(3, 0, 1), /in its first and last bucket/],
  ['readQuantiles', quantilesOf(3, 17, 16, [16, 2]), /expected the least of a Quantiles up to its greatest/],
  [
    'readFirstSeen',
    firstSeenOf(u64(1), 0, 0, Buffer.alloc(72)),
    /whose capacity is a power of two, found 18/,
  ],
  ['readFirstSeen', firstSeenOf(u64(2n ** 60n), 0, 0, Buffer.alloc(64)), /expected a generation up to/],
  ['readFirstSeen', firstSeenOf(u64(1), 17, 0, Buffer.alloc(64)), /a generation of up to 16 keys, found 17/],
  ['readFirstSeen', firstSeenOf(NEVER, 1, 0, Buffer.alloc(64)), /a generation of up to 0 keys, found 1/],
  ['readFirstSeen', firstSeenOf(u64(1), 1, 0, Buffer.alloc(64, 0xff)), /up to 8 bits of 1 keys, found 256/],
];

function isRefused(action: () => unknown, expected: RegExp): void {
  try {
    action();
  } catch (error) {
    assert.instance(error, WeirError);
    assert.is((error as WeirError).code, 'SKETCH_INVALID');
    assert.match((error as WeirError).problem, expected);
    return;
  }
  assert.unreachable(`${expected} was accepted`);
}

test('bytes that no sketch has written are refused with what was expected', () => {
  for (const [reader, bytes, expected] of DAMAGED)
    isRefused(() => READERS[reader](bytes as Uint8Array), expected);
});

test('whatever becomes of the bytes, they are refused or answer', () => {
  const made = {
    readTop: told({ tool: 'top', a: 20, b: 16 }, skewed.slice(0, 500)).bytes,
    readDistinct: told({ tool: 'distinct', a: 4 }, skewed.slice(0, 500)).bytes,
    readQuantiles: told(
      { tool: 'quantiles', a: 3 },
      many(300, () => below(9_000)),
    ).bytes,
    readFirstSeen: told({ tool: 'first-seen', a: 16 }, ['x', 'y', '*']).bytes,
  };
  let refused = 0;
  for (const [reader, good] of Object.entries(made) as [keyof typeof READERS, Buffer][]) {
    READERS[reader](good);
    for (let round = 0; round < 1_500; round++) {
      const bytes = Buffer.from(good.subarray(0, below(4) ? good.length : below(good.length)));
      for (let left = 1 + below(3); left > 0 && bytes.length > 0; left--)
        bytes[below(bytes.length)] = below(256);
      try {
        answer(reader, bytes);
      } catch (error) {
        assert.is((error as WeirError).code, 'SKETCH_INVALID', String(error));
        refused++;
      }
    }
  }
  assert.ok(refused > 2_000, `${refused} refused`);
});

/** Asks it for what it has, merged with itself. */
function answer(reader: keyof typeof READERS, bytes: Buffer): void {
  if (reader === 'readTop') {
    const sketch = readTop(bytes);
    for (const { count, error } of topKeys(mergeTop(sketch, sketch)))
      assert.ok(error <= (2 * sketch.sum) / sketch.capacity && count <= 2 * sketch.sum);
  } else if (reader === 'readDistinct') {
    const sketch = readDistinct(bytes);
    assert.ok(estimateDistinct(mergeDistinct(sketch, sketch)).keys >= 0);
  } else if (reader === 'readQuantiles') {
    const sketch = readQuantiles(bytes);
    const { value } = quantileOf(mergeQuantiles(sketch, sketch), 500) ?? { value: sketch.least };
    assert.ok(value >= sketch.least && value <= sketch.greatest);
  } else {
    const sketch = readFirstSeen(bytes);
    const share = missedShare(mergeFirstSeen(sketch, sketch));
    assert.ok(share >= 0 && share <= 1);
  }
}

test('what cannot be merged, and what is past a number that is exact, is refused', () => {
  const distinct = (size: number) => readDistinct(Buffer.alloc(size));
  isRefused(
    () => mergeDistinct(distinct(16), distinct(32)),
    /sketches with the same precision to merge, found 4 and 5/,
  );
  const quantiles = (bits: number) => readQuantiles(quantilesOf(bits, 0, 0));
  isRefused(() => mergeQuantiles(quantiles(3), quantiles(4)), /the same bits to merge, found 3 and 4/);
  const seen = (bytes: number) => readFirstSeen(firstSeenOf(u64(1), 0, 0, Buffer.alloc(bytes)));
  isRefused(() => mergeFirstSeen(seen(64), seen(128)), /the same capacity to merge, found 16 and 32/);
  const many = readTop(topOf(2 ** 53 - 1, 1, 0));
  isRefused(() => mergeTop(many, many), /expected a sum up to 9007199254740991/);
  const most = readQuantiles(quantilesOf(3, 1, 1, [1, 2 ** 53 - 1]));
  isRefused(() => mergeQuantiles(most, most), /expected values up to 9007199254740991/);
  for (const share of [-1, 0.5, 1001, Number.NaN])
    isRefused(() => quantileOf(most, share), /a whole number of thousandths from 0 to 1000/);
});

test.run();
