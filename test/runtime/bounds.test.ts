/**
 * Each collection of the library on a million events, with keys by Zipf's law, uniform ones, or both where that matters, against
 * exact answers: it keeps to the bound that `filters/REFERENCE.md` and `runtime/README.md` state.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { driveFilter } from '../../host/author/drive.js';
import { loadFilter } from '../../host/filter/library.js';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunResult, seeded } from '../filter.js';
import { buildTestFilter, type TestFilter } from './testfilter.js';

const SEED = 20_260_204;
const EVENTS = 1_000_000;
const BATCH_BYTES = 1 << 20;
const HOUR = 3_600_000;
/** Four windows of an hour, where events come so far apart. */
const STEP_MS = 14;
const HOURS = Math.ceil((EVENTS * STEP_MS) / HOUR);

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('sketch-tools');
});
test.after(() => filter.remove());

type Config = Readonly<Record<string, string | number>>;
/** The time or the key of an event by its number; a key is a whole number. */
type Numbers = (event: number) => number;

const below = seeded(SEED);
const million = (make: Numbers) => Int32Array.from({ length: EVENTS }, (_, event) => make(event));
/** Zipf's law: the key k has about 1 / k of what the first one has. */
const zipf = (keys: number) => million(() => Math.floor(keys ** (below(1 << 30) / 2 ** 30)));
const KEYS = 4_000;
const fewSkewed = zipf(KEYS);
const manySkewed = zipf(2_000_000_000);
const manyUniform = million(() => below(40_000));

/** Lines of "time key", made without a string for each. */
function lines(keys: Int32Array, time: Numbers = () => 0): Buffer {
  const bytes = Buffer.allocUnsafe(keys.length * 22);
  let end = 0;
  const put = (value: number, behind: number) => {
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    end += digits + 1;
    bytes[end - 1] = behind;
    for (let at = end - 2, left = value | 0; digits > 0; digits--, at--) {
      bytes[at] = 0x30 + (left % 10);
      left = (left / 10) | 0;
    }
  };
  for (let event = 0; event < keys.length; event++) {
    put(time(event), 0x20);
    put(keys[event] as number, 0x0a);
  }
  return bytes.subarray(0, end);
}

function run(config: Config, keys: Int32Array, time?: Numbers): RunResult {
  const result = filter.run(lines(keys, time), { config, batchBytes: BATCH_BYTES });
  assert.ok(ledgerAddsUp(result));
  assert.is(result.ledger.in, EVENTS);
  assert.is(result.ledger.late, 0);
  return result;
}

/** How often each key is there, in the order of their first events. */
function exactCounts(keys: Int32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0);
const inSteps: Numbers = (event) => event * STEP_MS;
const windowOf = (time: number) => Math.floor(time / HOUR);

/** Events and amounts of each key in each window, in their places. */
function exactSums(keys: Int32Array) {
  const [events, amounts] = [new Int32Array(HOURS * KEYS), new Int32Array(HOURS * KEYS)];
  keys.forEach((key, event) => {
    const place = windowOf(inSteps(event)) * KEYS + key;
    events[place] = (events[place] as number) + 1;
    amounts[place] = (amounts[place] as number) + (inSteps(event) % 1000);
  });
  return { events, amounts };
}

test('a table is exact for every key and window while it has room', () => {
  const { records, ledger } = run({ tool: 'table', a: HOURS * KEYS, b: 16 }, fewSkewed, inSteps);
  const { events, amounts } = exactSums(fewSkewed);
  const [found, foundAmounts] = [new Int32Array(HOURS * KEYS), new Int32Array(HOURS * KEYS)];
  for (const { ts, key, count, sum: amount } of records) {
    found[windowOf(Number(ts)) * KEYS + Number(key)] = Number(count);
    foundAmounts[windowOf(Number(ts)) * KEYS + Number(key)] = Number(amount);
  }
  assert.is(records.length, events.filter((count) => count > 0).length);
  assert.ok(events.every((count, place) => count === found[place]));
  assert.ok(amounts.every((amount, place) => amount === foundAmounts[place]));
  assert.is(ledger.overflowed, 0);
});

test('sums of a table that is full stay exact in each window, and its first keys too', () => {
  const capacity = 1_000;
  const { records, ledger } = run({ tool: 'table', a: capacity, b: 16 }, fewSkewed, inSteps);
  const { events, amounts } = exactSums(fewSkewed);
  for (let hour = 0; hour < HOURS; hour++) {
    const rows = records.filter(({ ts }) => ts === hour * HOUR);
    const places = [hour * KEYS, (hour + 1) * KEYS] as const;
    assert.is(sum(rows.map(({ count }) => Number(count))), sum(events.subarray(...places)));
    assert.is(sum(rows.map((row) => Number(row.sum))), sum(amounts.subarray(...places)));
    assert.is(rows.filter(({ overflow }) => overflow).length, 1);
  }
  const overflow = records.filter((row) => row.overflow);
  assert.is(ledger.overflowed, sum(overflow.map(({ count }) => Number(count))));
  const firstHour = fewSkewed.subarray(0, Math.ceil(HOUR / STEP_MS));
  const rows = records.filter(({ ts, overflow: isOverflow }) => ts === 0 && !isOverflow);
  assert.equal(
    rows.map(({ key, count }) => [Number(key), count]),
    [...exactCounts(firstHour)].slice(0, capacity),
  );
});

test('of top keys none above N / capacity is missing, and no count is off by more', () => {
  const capacity = 500;
  const bound = EVENTS / capacity;
  for (const keys of [manySkewed, manyUniform]) {
    const { records, ledger } = run({ tool: 'top', a: capacity, b: 16 }, keys);
    const exact = exactCounts(keys);
    const entries = records.filter(({ key }) => key !== undefined);
    assert.is(entries.length, capacity);
    assert.is(records.at(-1)?.sum, EVENTS);
    assert.is(ledger.overflowed, 0);
    for (const { key, count, error } of entries as unknown as Record<'key' | 'count' | 'error', number>[]) {
      const real = exact.get(Number(key)) ?? 0;
      const isWithin = count - error <= real && real <= count && error <= bound;
      assert.ok(isWithin, `${key}: ${count} - ${error}, really ${real}`);
    }
    const known = new Set(entries.map(({ key }) => Number(key)));
    for (const [key, count] of exact) assert.ok(count <= bound || known.has(key), `${key}: ${count}`);
  }
});

test('distinct keys are within three of the standard errors that are stated', () => {
  for (const [precision, keys] of [
    [10, manySkewed],
    [12, manyUniform],
    [14, million((event) => event)],
  ] as const) {
    const { records } = run({ tool: 'distinct', a: precision }, keys);
    const exact = new Set(keys).size;
    const deviation = (Number(records[0]?.estimate) / exact - 1) / (1.04 / Math.sqrt(2 ** precision));
    assert.ok(Math.abs(deviation) < 3, `precision ${precision}: ${deviation} standard errors`);
  }
});

test('quantiles are within their relative error, the least and the greatest are exact', () => {
  for (const [bits, values] of [
    [3, manySkewed],
    [7, million(() => below(1_000_000_000))],
    // Each is the least of its bucket, where the error is greatest.
    [5, million(() => 2 ** below(31))],
  ] as const) {
    const sorted = values.slice().sort();
    const [row] = run({ tool: 'quantiles', a: bits }, values).records;
    for (const share of [0, 500, 900, 999, 1000]) {
      const real = sorted[Math.max((EVENTS * share) / 1000, 1) - 1] as number;
      const most = share % 1000 === 0 ? 0 : real / 2 ** (bits + 1);
      const found = Number(row?.[`p${share}`]);
      assert.ok(Math.abs(found - real) <= most, `${bits} bits, ${share}: ${found} for ${real}`);
    }
  }
});

test('no key that was seen is new, and one new key in 800 at most is taken for seen', () => {
  const capacity = 131_072;
  const config = { tool: 'first-seen', a: capacity };
  const driven = driveFilter(loadFilter('sketch-tools', filter.folder), { config, batchBytes: BATCH_BYTES });
  let events = 0;
  /** How many of so many keys, from one on, are new in that generation; the step takes them out of order. */
  const newOf = (generation: number, first: number, count: number, step = 1) => {
    const before = driven.ledger();
    const keys = Int32Array.from({ length: count }, (_, at) => first + ((at * step) % count));
    driven.feed(lines(keys, () => generation * HOUR));
    events += count;
    const { kept, overflowed } = driven.ledger();
    return { told: kept - before.kept, overflowed: overflowed - before.overflowed };
  };
  const isFew = (missed: number, of: number) => assert.ok(missed <= of / 800, `missed ${missed} of ${of}`);
  isFew(capacity - newOf(0, 0, capacity).told, capacity);
  assert.is(newOf(0, 0, capacity, 77_777).told, 0);
  isFew(capacity - newOf(1, capacity, capacity).told, capacity);
  assert.is(newOf(1, 0, capacity, 77_777).told, 0);
  const probes = EVENTS - events;
  const { told, overflowed } = newOf(1, 2 * capacity, probes);
  console.log(
    `note: first seen, full: 1 in ${Math.round(probes / (probes - told))} new keys missed, stated 800`,
  );
  isFew(probes - told, probes);
  // The last places go to the keys of the generation before, which are asked for in this one.
  assert.is(overflowed, told);
});

/** Events by time and key that were let through, in their order, and of the others how many are told of each key. */
function letThrough(records: readonly WireRecord[]) {
  const place = ({ ts, key }: WireRecord) => Number(ts) * KEYS + Number(key);
  const counted = records.filter(({ count }) => count !== undefined);
  return {
    passed: records.filter(({ count }) => count === undefined).map(place),
    counted: new Map(counted.map((row) => [place(row), Number(row.count)])),
  };
}

const areEqual = (one: readonly number[], two: readonly number[]) =>
  one.length === two.length && one.every((number, at) => number === two[at]);

test('a limit lets exactly the first events of each key and window through', () => {
  const limit = 3;
  const config = { tool: 'limit', a: HOURS * KEYS, b: 16, c: limit };
  const { records, ledger } = run(config, fewSkewed, inSteps);
  const seen = new Int32Array(HOURS * KEYS);
  const passed: number[] = [];
  fewSkewed.forEach((key, event) => {
    const place = windowOf(inSteps(event)) * KEYS + key;
    const count = (seen[place] as number) + 1;
    seen[place] = count;
    if (count <= limit) passed.push(inSteps(event) * KEYS + key);
  });
  const told = letThrough(records);
  assert.ok(areEqual(told.passed, passed));
  seen.forEach((count, place) => {
    const start = Math.floor(place / KEYS) * HOUR * KEYS + (place % KEYS);
    assert.is(told.counted.get(start) ?? 0, Math.max(count - limit, 0));
  });
  assert.is(ledger.overflowed, 0);
});

test('keys past the capacity of a limit share one, and each of their events is counted', () => {
  const [capacity, limit] = [1_000, 3];
  const { records, ledger } = run({ tool: 'limit', a: capacity, b: 16, c: limit }, fewSkewed);
  const counts = [...exactCounts(fewSkewed).values()];
  const without = sum(counts.slice(capacity));
  const allowed = sum(counts.slice(0, capacity).map((count) => Math.min(count, limit)));
  assert.is(records.filter(({ count }) => count === undefined).length, allowed + limit);
  assert.is(records.find((row) => row.overflow)?.count, without - limit);
  assert.is(ledger.overflowed, without);
});

test('repeats within the time of the first event are suppressed and counted, and no other event is', () => {
  const forMs = 60_000;
  const config = { tool: 'suppress', a: 4 * KEYS, b: 16, length: '1m' };
  const { records, ledger } = run(config, fewSkewed, (event) => event);
  const first = new Int32Array(KEYS).fill(-forMs);
  const repeats = new Map<number, number>();
  const passed: number[] = [];
  fewSkewed.forEach((key, time) => {
    const since = first[key] as number;
    const place = since * KEYS + key;
    if (time - since < forMs) repeats.set(place, (repeats.get(place) ?? 0) + 1);
    else {
      first[key] = time;
      passed.push(time * KEYS + key);
    }
  });
  const told = letThrough(records);
  assert.ok(areEqual(told.passed, passed));
  assert.is(told.counted.size, repeats.size);
  for (const [place, count] of repeats) assert.is(told.counted.get(place), count);
  assert.is(ledger.kept + ledger.aggregated, EVENTS);
  assert.is(ledger.overflowed, 0);
});

test('past the capacity of a Suppress repeats are let through and counted, others still suppressed', () => {
  const capacity = 2_000;
  const config = { tool: 'suppress', a: capacity, b: 16, length: '1m' };
  const { records, ledger } = run(config, fewSkewed, (event) => Math.floor(event / 20));
  const counts = [...exactCounts(fewSkewed).values()];
  const without = sum(counts.slice(capacity));
  assert.is(ledger.kept, capacity + without);
  assert.is(ledger.overflowed, without);
  assert.is(sum(records.map(({ count }) => Number(count ?? 0))), EVENTS - capacity - without);
});

test('a sample of one key in n has as many as chance allows, the same everywhere, each in the larger ones', () => {
  const taken = (oneIn: number, keys: Int32Array) =>
    run({ tool: 'sample', a: oneIn }, keys).records.map(({ key }) => Number(key));
  const first = below(1_000_000);
  const [tenth, hundredth] = [10, 100].map((oneIn) => {
    const sample = taken(
      oneIn,
      million((event) => first + event),
    );
    // Five standard deviations of a binomial distribution.
    const most = 5 * Math.sqrt((EVENTS / oneIn) * (1 - 1 / oneIn));
    assert.ok(Math.abs(sample.length - EVENTS / oneIn) <= most, `one in ${oneIn}: ${sample.length}`);
    return new Set(sample);
  }) as [Set<number>, Set<number>];
  for (const key of hundredth) assert.ok(tenth.has(key));
  // Another appliance sees some of them, in another order and number.
  const others = million(() => first + below(1 + below(EVENTS)));
  assert.ok(
    areEqual(
      taken(100, others),
      [...others].filter((key) => hundredth.has(key)),
    ),
  );
});

test.run();
