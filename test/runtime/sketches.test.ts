/**
 * Sketches at their edges: each says the same for any cut into batches, does what it states when it is full and for chosen keys.
 * `bounds.test.ts` holds them to their bounds on a million events, `../sketches.test.ts` merges them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sketchHash } from '../../host/sketches/hash.js';
import { quantileOf, readQuantiles, type TopEntry } from '../../host/sketches/index.js';
import { ledgerAddsUp, type RunOptions, type RunResult, seeded } from '../filter.js';
import { many } from './reference.js';
import { buildTestFilter, type TestFilter } from './testfilter.js';

const SEED = 20_260_202;
const EVENTS = 100_000;

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('sketch-tools');
});
test.after(() => filter.remove());

type Config = Readonly<Record<string, string | number>>;

function run(config: Config, keys: readonly (string | number)[], options: RunOptions = {}): RunResult {
  const input = Buffer.from(`0 ${keys.join('\n0 ')}\n`);
  const result = filter.run(input, { batchBytes: 1 << 20, ...options, config });
  assert.is(result.ledger.in, keys.length);
  assert.ok(ledgerAddsUp(result));
  return result;
}

const below = seeded(SEED);
const uniform = many(EVENTS, () => `host-${below(20_000)}.example`);
/** Zipf's law: a key has about 1 / rank of what the first one has. */
const skewed = many(EVENTS, () => `user ${Math.floor(200_000 ** (below(1_000_000) / 1_000_000))}`);

function exactCounts(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function topOf(result: RunResult): { entries: TopEntry[]; bytes: Buffer; sum: number } {
  const rows = result.records.slice(0, -1);
  const last = result.records.at(-1);
  const entries = rows.map(({ key, count, error }) => ({
    key: String(key),
    count: Number(count),
    error: Number(error),
  }));
  return { entries, bytes: last?.bytes as Buffer, sum: Number(last?.sum) };
}

/** The three promises of SpaceSaving. */
function holdsBounds(entries: readonly TopEntry[], exact: ReadonlyMap<string, number>, bound: number): void {
  for (const { key, count, error } of entries) {
    const real = exact.get(key) ?? 0;
    assert.ok(count - error <= real && real <= count, `${key}: ${count} - ${error}, really ${real}`);
    assert.ok(error <= bound, `${key}: error ${error} above ${bound}`);
  }
  const there = new Set(entries.map(({ key }) => key));
  const missing = [...exact].filter(([key, count]) => count > bound && !there.has(key));
  assert.equal(missing, []);
}

test('few keys are counted exactly, and a key that is too long only in the sum', () => {
  const long = 'k'.repeat(17);
  const keys = [...many(300, (at) => `key ${at % 30}`), long, 'k'.repeat(16), ''];
  const result = run({ tool: 'top', a: 63, b: 16 }, keys);
  const { entries, sum } = topOf(result);
  const exact = exactCounts(keys.filter((key) => key !== long));
  assert.equal(new Map(entries.map(({ key, count }) => [key, count])), exact);
  assert.ok(entries.every(({ error }) => error === 0));
  assert.is(sum, keys.length);
  assert.is(result.ledger.overflowed, 1);
});

test('amounts count as so many events, also when they get smaller and smaller', () => {
  const events = many(20_000, (at) => [Math.ceil(20_000 / (1 + at)) + below(3), `key ${at % 700}`] as const);
  const lines = events.map(([amount, key]) => `${amount} ${key}`);
  const { entries, sum } = topOf(filter.run(lines, { config: { tool: 'top', a: 128, b: 16, c: 1 } }));
  const exact = new Map<string, number>();
  for (const [amount, key] of events) exact.set(key, (exact.get(key) ?? 0) + amount);
  assert.is(
    sum,
    [...exact.values()].reduce((total, amount) => total + amount, 0),
  );
  holdsBounds(entries, exact, sum / 128);
  assert.is(
    entries.reduce((total, { count }) => total + count, 0),
    sum,
  );
  assert.ok(entries.every(({ error }) => error <= (entries.at(-1)?.count ?? 0)));
});

test('colliding keys cost a bounded search and are counted as overflowed', () => {
  const groups = new Map<number, string[]>();
  let colliding: string[] = [];
  for (let at = 0; colliding.length < 200; at++) {
    const slot = Number(sketchHash(Buffer.from(`c${at}`)) & 255n);
    const group = groups.get(slot) ?? [];
    group.push(`c${at}`);
    groups.set(slot, group);
    if (group.length === 200) colliding = group;
  }
  const result = run({ tool: 'top', a: 128, b: 16 }, colliding);
  const { entries, sum } = topOf(result);
  assert.is(sum, 200);
  assert.is(entries.length, 64);
  assert.is(result.ledger.overflowed, 200 - 64);
});

test('keys that crowd one half of the index all have a place', () => {
  const crowded: string[] = [];
  for (let at = 0; crowded.length < 20_000; at++)
    if ((sketchHash(Buffer.from(`k${at}`)) & 8191n) < 4300n) crowded.push(`k${at}`);
  const result = run({ tool: 'top', a: 4096, b: 16 }, crowded);
  assert.is(result.ledger.overflowed, 0);
  holdsBounds(topOf(result).entries, exactCounts(crowded), crowded.length / 4096);
});

test('64 colliding keys keep a key out of a larger TopK, each time counted, and out of a smaller one never', () => {
  const same: string[] = [];
  for (let at = 0; same.length < 65; at++)
    if ((sketchHash(Buffer.from(`c${at}`)) & 255n) === 0n) same.push(`c${at}`);
  const [victim, ...chosen] = same as [string, ...string[]];
  const keys = [...many(6_400, (at) => chosen[at % 64] as string), ...many(1_000, () => victim)];
  const large = run({ tool: 'top', a: 128, b: 16 }, keys);
  assert.not.ok(topOf(large).entries.some(({ key }) => key === victim));
  assert.is(large.ledger.overflowed, 1_000);
  const small = run({ tool: 'top', a: 63, b: 16 }, keys);
  assert.is(topOf(small).entries[0]?.key, victim);
  assert.is(small.ledger.overflowed, 0);
});

test('distinct keys are estimated within three standard errors, at every size', () => {
  for (const precision of [8, 12, 14]) {
    const error = 1.04 / Math.sqrt(2 ** precision);
    const deviations: number[] = [];
    for (const size of [1, 100, 1_000, 2.5 * 2 ** precision, 5 * 2 ** precision, 120_000]) {
      const keys = many(size, (at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`);
      const estimate = Number(run({ tool: 'distinct', a: precision }, keys).records[0]?.estimate);
      deviations.push((estimate - size) / size / error);
    }
    assert.ok(
      deviations.every((deviation) => Math.abs(deviation) < 3),
      `precision ${precision}: ${deviations}`,
    );
  }
});

test('the standard error is what is stated, and repeats change nothing', () => {
  // 40 sets of keys: the root mean square of their errors lies within a third of the stated one.
  const precision = 10;
  const error = 1.04 / Math.sqrt(2 ** precision);
  let squares = 0;
  for (let set = 0; set < 40; set++) {
    const keys = many(8_000, (at) => `set${set} key${at}`);
    const estimate = Number(run({ tool: 'distinct', a: precision }, keys).records[0]?.estimate);
    squares += ((estimate - 8_000) / 8_000) ** 2;
  }
  const found = Math.sqrt(squares / 40);
  console.log(
    `note: distinct, 2^10 registers: error ${(found * 100).toFixed(2)} %, stated ${(error * 100).toFixed(2)} %`,
  );
  assert.ok(found > error * 0.67 && found < error * 1.33, `found ${found}, stated ${error}`);
  for (const keys of [uniform, skewed]) {
    const estimate = Number(run({ tool: 'distinct', a: 12 }, keys).records[0]?.estimate);
    const exact = new Set(keys).size;
    assert.ok(Math.abs(estimate - exact) < (3 * 1.04 * exact) / 64, `${estimate} for ${exact}`);
  }
});

test('a row of a table holds distinct keys of its own', () => {
  const keys = many(60_000, (at) => `${'abc'[at % 3]}${below(at % 3 === 2 ? 40 : 4_000)}`);
  const { records } = run({ tool: 'distinct-rows', a: 10 }, keys);
  assert.equal(
    records.map(({ key }) => key),
    ['a', 'b', 'c'],
  );
  for (const { key, estimate } of records) {
    const exact = new Set(keys.filter((one) => one[0] === key)).size;
    assert.ok(Math.abs(Number(estimate) - exact) <= 3 * 0.0325 * exact, `${key}: ${estimate} for ${exact}`);
  }
});

test('a sample takes one key in n, by the hash that every version has', () => {
  const keys = many(5_000, (at) => `${'k'.repeat(at % 40)}${at}`);
  const expected = keys.filter((key) => sketchHash(Buffer.from(key)) <= 0xffff_ffff_ffff_ffffn / 10n);
  const { records } = run({ tool: 'sample', a: 10 }, keys);
  assert.equal(
    records.map(({ key }) => key),
    expected,
  );
});

test('small values, the least and the greatest are exact; negative ones are left out and counted', () => {
  const values = [...many(64, (at) => at), 2 ** 53 - 1];
  const result = run({ tool: 'quantiles', a: 5 }, [...values, -1, -5]);
  const { p0, p500, p1000 } = result.records[0] ?? {};
  assert.equal([p0, p500, p1000], [0, 32, 2 ** 53 - 1]);
  assert.is(result.ledger.overflowed, 2);
  const most = run({ tool: 'quantiles', a: 7 }, [...many(3, () => '9223372036854775807'), 1]).records[0];
  assert.is(most?.p1000, 2 ** 63);
  assert.ok(Math.abs(Number(most?.p500) - 2 ** 63) <= 2 ** 63 / 256);
  const { bytes } =
    run(
      { tool: 'quantiles', a: 7 },
      many(4096, (at) => at),
    ).records[0] ?? {};
  for (let share = 1; share <= 1000; share += 37) {
    const real = Math.ceil((4096 * share) / 1000) - 1;
    const { value, error } = quantileOf(readQuantiles(bytes as Buffer), share) ?? {};
    assert.ok(Math.abs(Number(value) - real) <= Math.min(real / 256, Number(error)));
  }
});

test('first seen: a key is new again after two generations, and a clock set back forgets nothing', () => {
  const hour = 3_600_000;
  const told = (events: readonly (readonly [number, string])[]) =>
    filter
      .run(
        events.map(([time, key]) => `${time} ${key}`),
        { config: { tool: 'first-seen', a: 16 } },
      )
      .records.map(({ ts, key }) => [ts, key]);
  const at = (hours: number, key: string) => [hours * hour, key] as const;
  assert.equal(told([at(5, 'a'), at(5, 'a'), at(6, 'a'), at(7, 'a'), at(9, 'a')]), [at(5, 'a'), at(9, 'a')]);
  assert.equal(told([at(5, 'a'), at(6, 'b'), at(7, 'a')]), [at(5, 'a'), at(6, 'b'), at(7, 'a')]);
  assert.equal(told([at(50, 'a'), at(5, 'a'), at(5, 'b'), at(6, 'b')]), [at(50, 'a'), at(5, 'b')]);
  const keys = many(20, (key) => at(1, `key ${key}`));
  const full = filter.run(
    [...keys, ...keys].map(([time, key]) => `${time} ${key}`),
    { config: { tool: 'first-seen', a: 16 } },
  );
  assert.is(full.records.length, 24);
  assert.is(full.ledger.overflowed, 8);
  assert.is(full.records.filter(({ full: isFull }) => isFull).length, 9);
});

test('every sketch says the same for any cut into batches', () => {
  const keys = skewed.slice(0, 10_000).map((key) => key.slice(5));
  for (const config of [
    { tool: 'top', a: 100, b: 16 },
    { tool: 'distinct', a: 10 },
    { tool: 'distinct-rows', a: 6 },
    { tool: 'quantiles', a: 5 },
    { tool: 'first-seen', a: 4_096 },
    { tool: 'sample', a: 3 },
    { tool: 'limit', a: 512, b: 16, c: 2 },
    { tool: 'suppress', a: 512, b: 16 },
  ]) {
    const [small, large] = [64, 1 << 20].map((batchBytes) => run(config, keys, { batchBytes }));
    assert.ok((small as RunResult).bytes.equals((large as RunResult).bytes), config.tool);
    assert.equal(small?.ledger, large?.ledger);
  }
});

test.run();
