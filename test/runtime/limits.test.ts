/**
 * What lets events through by their key and time: limits, repeats, samples; and windows that overlap. Each against a
 * plain reference on generated events.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunResult, seeded } from '../filter.js';
import { many } from './reference.js';
import { buildTestFilter, type TestFilter } from './testfilter.js';

const SEED = 20_260_203;
const MINUTE = 60_000;

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('sketch-tools');
});
test.after(() => filter.remove());

type Event = readonly [time: number, key: string];

function run(config: Readonly<Record<string, string | number>>, events: readonly Event[]): RunResult {
  const lines = events.map(([time, key]) => `${time} ${key}`);
  const result = filter.run(lines, { config });
  const small = filter.run(lines, { config, batchBytes: 256 });
  assert.ok(result.bytes.equals(small.bytes));
  assert.ok(ledgerAddsUp(result));
  assert.is(result.ledger.in, events.length);
  return result;
}

/** Events in order of time, some `jitterMs` before their place. */
function generated(seed: number, count: number, keys: number, stepMs: number, jitterMs: number): Event[] {
  const below = seeded(seed);
  let time = 1_000 * MINUTE;
  return many(count, () => {
    time += below(stepMs);
    return [time - below(jitterMs), `key ${below(1 + below(keys))}`] as const;
  });
}

const passed = ({ records }: RunResult): Event[] =>
  records.filter(({ count }) => count === undefined).map(({ ts, key }) => [Number(ts), String(key)]);
const counted = ({ records }: RunResult): WireRecord[] => records.filter(({ count }) => count !== undefined);

test('a limit lets the first events of each key and window through, and tells how many it did not', () => {
  const events = generated(SEED, 20_000, 60, 100, 8_000);
  const result = run({ tool: 'limit', a: 1_024, b: 16, c: 5, length: '1m' }, events);
  const seen = new Map<string, number>();
  const expected = events.filter(([time, key]) => {
    const place = `${Math.floor(time / MINUTE) * MINUTE} ${key}`;
    seen.set(place, (seen.get(place) ?? 0) + 1);
    return (seen.get(place) as number) <= 5;
  });
  assert.equal(passed(result), expected);
  const told = counted(result).map(({ ts, key, count }) => [`${ts} ${key}`, count]);
  assert.equal(
    new Map(told as [string, number][]),
    new Map([...seen].filter(([, n]) => n > 5).map(([at, n]) => [at, n - 5])),
  );
  assert.is(result.ledger.overflowed, 0);
});

test('keys past the capacity of a limit share one limit', () => {
  const events = many(1_000, (at): Event => [MINUTE, `key ${at % 200}`]);
  const result = run({ tool: 'limit', a: 50, b: 16, c: 3, length: '1m' }, events);
  assert.is(passed(result).length, 50 * 3 + 3);
  const [overflow, ...others] = counted(result).filter((record) => record.overflow === true);
  assert.equal(others, []);
  assert.is(overflow?.count, 150 * 5 - 3);
  assert.is(result.ledger.overflowed, 150 * 5);
});

test('a repeat within the time of the first event is only counted, and told at the close', () => {
  const events = generated(SEED + 1, 20_000, 400, 400, 1);
  const result = run({ tool: 'suppress', a: 4_096, b: 16, length: '1m', lateness: '10s' }, events);
  const first = new Map<string, number>();
  const repeats = new Map<string, number>();
  const expected = events.filter(([time, key]) => {
    const since = first.get(key);
    if (since === undefined || time - since >= MINUTE) {
      first.set(key, time);
      return true;
    }
    const place = `${since} ${key}`;
    repeats.set(place, (repeats.get(place) ?? 0) + 1);
    return false;
  });
  assert.equal(passed(result), expected);
  const told = counted(result).map(({ ts, key, count }) => [`${ts} ${key}`, count]);
  assert.equal(new Map(told as [string, number][]), repeats);
  assert.is(told.length, repeats.size);
  assert.is(result.ledger.kept + result.ledger.aggregated, events.length);
});

test('past the capacity repeats are let through and counted as overflowed', () => {
  const events = many(400, (at): Event => [MINUTE, `key ${at % 100}`]);
  const result = run({ tool: 'suppress', a: 64, b: 16, length: '1m' }, events);
  assert.is(passed(result).length, 64 + 36 * 4);
  assert.is(result.ledger.overflowed, 36 * 4);
  assert.is(counted(result).length, 64);
});

test('an event without a time counts as one of the time received', () => {
  const now = '2026-01-31T12:00:30Z';
  for (const tool of ['limit', 'suppress', 'hopping', 'first-seen']) {
    const config = { tool, a: 64, b: 16, c: 2, length: '2m', hop: '1m', lateness: '10s' };
    const at = (time: number | string) =>
      filter.run(
        ['a', 'b', 'a', 'a', 'a'].map((key) => `${time} ${key}`),
        { config, now },
      );
    const found = at('-');
    assert.ok(found.records.length > 0, tool);
    assert.equal(found.records, at(Date.parse(now)).records);
    assert.is(found.ledger.late, 0);
  }
});

test('a number of the config that is none, or out of range, stops the filter', () => {
  for (const a of [-1, 2 ** 32, 1.5, '7'])
    assert.throws(
      () => filter.run([], { config: { tool: 'sample', a } }),
      `config.a: expected a whole number from 0 to 4294967295, found ${JSON.stringify(a)}`,
    );
});

test('hopping windows count an event in each window that covers it', () => {
  for (const [length, hop, jitterMs] of [
    [5 * MINUTE, MINUTE, 9_000],
    [16 * MINUTE, MINUTE, 1],
    [MINUTE, MINUTE, 9_000],
  ] as const) {
    const events = generated(SEED + 2, 3_000, 3, 3_000, jitterMs);
    const config = { tool: 'hopping', length: `${length}ms`, hop: `${hop}ms`, lateness: '10s' };
    const expected = new Map<string, number>();
    for (const [time, key] of events) {
      for (let start = Math.floor(time / hop) * hop; start > time - length; start -= hop) {
        const place = `${start} ${key}`;
        expected.set(place, (expected.get(place) ?? 0) + 1);
      }
    }
    const result = run(config, events);
    const told = result.records.map(({ ts, key, count }) => [`${ts} ${key}`, count] as [string, number]);
    // No window is told twice: none closed before its last event.
    assert.is(new Set(told.map(([place]) => place)).size, told.length);
    assert.equal(new Map([...new Map(told)].sort()), new Map([...expected].sort()));
    assert.is(result.ledger.late, 0);
  }
});

test('a hopping window closes when its end and the lateness have passed, and no earlier', () => {
  const config = { tool: 'hopping', length: '2m', hop: '1m', lateness: '10s' };
  const told = (...times: number[]) =>
    filter
      .run(
        times.map((time) => `${time} k`),
        { config, closeWindows: false },
      )
      .records.map(({ ts, count }) => [Number(ts) / MINUTE, count]);
  assert.equal(told(5.5 * MINUTE, 6 * MINUTE + 9_999), []);
  assert.equal(told(5.5 * MINUTE, 6 * MINUTE + 10_000), [[4, 1]]);
  assert.equal(told(5.5 * MINUTE, 6 * MINUTE, 7 * MINUTE + 10_000), [
    [4, 1],
    [5, 2],
  ]);
});

test('every open window of a full table has an overflow row of its own', () => {
  const config = { tool: 'hopping', length: '16m', hop: '1m' };
  const events = [
    ...many(64, (at): Event => [30 * MINUTE, `key ${at}`]),
    ...many(10, (): Event => [30 * MINUTE, 'more']),
  ];
  const overflow = run(config, events).records.filter((record) => record.overflow === true);
  // 64 rows hold four keys in 16 windows; all others are in the overflow row of each window.
  assert.equal(
    overflow.map(({ ts, count }) => [Number(ts) / MINUTE, count]).sort(),
    many(16, (at) => [15 + at, 70]),
  );
});

test('a hop that does not divide its length into 2 to 16 parts stops the filter', () => {
  for (const hop of ['7s', '1s', '2m']) {
    assert.throws(
      () => run({ tool: 'hopping', length: '1m', hop }, []),
      /divides its windows into at most 16 parts/,
    );
  }
});

test.run();
