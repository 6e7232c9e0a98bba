/**
 * Paths through arrays of JSON: `items.0.name`, compared with `JSON.parse`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, runFilter, seeded, stream } from '../filter.js';
import { type Below, pick } from './rubbish.js';

/** The values under the paths, in every line that is not malformed. */
function read(lines: readonly string[], keep: readonly string[], batchBytes?: number): WireRecord[] {
  const where = [{ field: 'z', equals: 'end' }];
  const result = runFilter('json-select', lines, {
    config: { where, keep },
    ...(batchBytes === undefined ? {} : { batchBytes }),
  });
  assert.ok(ledgerAddsUp(result));
  return stream(result, 'selected').map(({ ts: _ts, ...fields }) => fields);
}

const readOne = (value: unknown, keep: readonly string[]) =>
  read([JSON.stringify({ a: value, z: 'end' })], keep)[0];

test('elements of arrays are found by index, at any depth', () => {
  const items = [
    { name: 'x', tags: ['t0', 't1'] },
    7,
    'text',
    [
      [1, 2],
      [3, { deep: true }],
    ],
    null,
    false,
  ];
  const keep = [
    'a.0.name',
    'a.0.tags.1',
    'a.1',
    'a.2',
    'a.3.0.1',
    'a.3.1.1.deep',
    'a.4',
    'a.5',
    'a.6',
    'a.00',
    'a.0.tags.2',
  ];
  assert.equal(readOne(items, keep), {
    'a.0.name': 'x',
    'a.0.tags.1': 't1',
    'a.1': 7,
    'a.2': 'text',
    'a.3.0.1': 2,
    'a.3.1.1.deep': true,
    'a.4': null,
    'a.5': false,
  });
});

test('an array and its elements can be kept together', () => {
  assert.equal(readOne([1, [2]], ['a', 'a.1', 'a.1.0']), { a: [1, [2]], 'a.1': [2], 'a.1.0': 2 });
});

test('a number in a path is a key where the line has an object', () => {
  const keep = ['a.0', 'a.1.b', 'a.01'];
  assert.equal(readOne({ '0': 'key', '1': { b: 2 }, '01': 'other' }, keep), {
    'a.0': 'key',
    'a.1.b': 2,
    'a.01': 'other',
  });
  assert.equal(readOne(['first', { b: 3 }], keep), { 'a.0': 'first', 'a.1.b': 3 });
});

test('of a repeated key the last value counts, elements included', () => {
  const line = '{"a":[1,{"b":2}],"a":{"0":"key"},"z":"end"}';
  assert.equal(read([line], ['a.0', 'a.1.b'])[0], { 'a.0': 'key' });
  assert.equal(read(['{"a":[1,2],"a":[3],"z":"end"}'], ['a.0', 'a.1'])[0], { 'a.0': 3 });
});

test('empty arrays, spaces, and commas and brackets in strings change no index', () => {
  const keep = ['a.0', 'a.1', 'a.2'];
  assert.equal(readOne([], keep), {});
  assert.equal(read(['{"a" : [ ] , "z":"end"}'], keep)[0], {});
  assert.equal(read(['{"a" : [ "," , "],[" ,\t"\\",x" ] , "z":"end"}'], keep)[0], {
    'a.0': ',',
    'a.1': '],[',
    'a.2': '",x',
  });
});

test('the largest index is found behind a long array, and an index beyond it is missing', () => {
  const long = Array.from({ length: 9_000 }, (_, index) => index);
  assert.equal(readOne(long, ['a.8999', 'a.9000', 'a.0']), { 'a.8999': 8_999, 'a.0': 0 });
});

function anyValue(below: Below, depth: number): unknown {
  const kind = below(depth > 0 ? 9 : 6);
  if (kind === 0) return below(1_000);
  if (kind === 1) return pick([true, false, null], below);
  if (kind < 6)
    return pick(['', ',', '[', ']', '{"', '\\', '\\,', 'x,y', 'a long text, with a comma'], below);
  if (kind < 8) return Array.from({ length: below(5) }, () => anyValue(below, depth - 1));
  return Object.fromEntries(
    Array.from({ length: below(4) }, () => [pick(['0', '1', 'b', 'c'], below), anyValue(below, depth - 1)]),
  );
}

/** The value at a path, or `undefined`. */
function valueAt(event: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, part) => {
    if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(part) ? value[Number(part)] : undefined;
    return value !== null && typeof value === 'object' && Object.hasOwn(value, part)
      ? (value as Record<string, unknown>)[part]
      : undefined;
  }, event);
}

test('paths agree with JSON.parse on generated events, with and without spaces and escapes', () => {
  const seed = 20_260_131;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const keep = [
    'a',
    'a.0',
    'a.1',
    'a.2',
    'a.0.0',
    'a.1.0',
    'a.1.2',
    'a.0.b',
    'a.1.b.0',
    'a.b.1',
    'b.0.1.0',
    'b.3',
  ];
  const events = Array.from({ length: 8_000 }, () => ({
    a: anyValue(below, 4),
    b: anyValue(below, 4),
    z: 'end',
  }));
  const lines = events.map((event) => JSON.stringify(event, null, below(3) ? '' : ' ').replaceAll('\n', ''));
  const found = read(lines, keep);
  assert.is(found.length, events.length);
  events.forEach((event, index) => {
    const entries = keep.map((path) => [path, valueAt(event, path)] as const);
    const expected = Object.fromEntries(entries.filter(([, value]) => value !== undefined));
    assert.equal(found[index], expected, lines[index]);
  });
});

test('damaged arrays never trap, and the line after them is whole', () => {
  const below = seeded(20_260_202);
  const good = '{"a":[[1,{"b":[2,"x"]}],"y"],"z":"end"}';
  const expected = { 'a.0.1.b.1': 'x', 'a.1': 'y' };
  const lines: string[] = [];
  for (let round = 0; round < 6_000; round++) {
    const at = below(good.length);
    lines.push(
      `${good.slice(0, at)}${pick(['', '[', ']', ',', '"', '\\', '{', '}', '[['], below)}${good.slice(at + below(4))}`,
    );
    lines.push(good);
  }
  for (const batchBytes of [4_096, 65_536]) {
    const found = read(lines, Object.keys(expected), batchBytes);
    const whole = found.filter((fields) => JSON.stringify(fields) === JSON.stringify(expected));
    assert.ok(whole.length >= 6_000, `${whole.length} of 6000`);
  }
});

test.run();
