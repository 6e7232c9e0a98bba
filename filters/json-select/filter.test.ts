import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, runFilter, seeded, stream } from '../../test/filter.js';

const lines = (...events: unknown[]) => events.map((event) => JSON.stringify(event));

test('where selects by all clauses, keep chooses the fields', () => {
  const result = runFilter(
    'json-select',
    lines(
      { ts: 1000, program: 'charon', action: 'up', user: 'ann', src_ip: '10.0.0.1' },
      { ts: 2000, program: 'charon', action: 'rekey', user: 'ann' },
      { ts: 3000, program: 'sshd', action: 'up', user: 'eve' },
      { ts: 4000, program: 'charon', action: 'down', user: 'bob' },
    ),
    {
      config: {
        where: [
          { field: 'program', equals: 'charon' },
          { field: 'action', in: ['up', 'down'] },
        ],
        keep: ['ts', 'user', 'src_ip'],
      },
    },
  );
  assert.equal(stream(result, 'selected'), [
    { ts: 1_000_000, user: 'ann', src_ip: '10.0.0.1' },
    { ts: 4_000_000, user: 'bob' },
  ]);
  assert.equal(result.ledger.kept, 2);
  assert.ok(ledgerAddsUp(result));
});

test('without keep the whole line is kept', () => {
  const [event] = lines({ a: 'x', b: { c: [1, 'two'] } });
  const result = runFilter('json-select', [event as string], {
    config: { where: [{ field: 'a', equals: 'x' }] },
  });
  assert.is(stream(result, 'selected')[0]?.line, event);
});

test('counts by fields and window, in the order of first events', () => {
  const result = runFilter(
    'json-select',
    lines(
      { ts: '2026-01-31T10:00:05Z', user: 'ann', ok: true },
      { ts: '2026-01-31T10:00:06Z', user: 'bob', ok: false },
      { ts: '2026-01-31T10:00:59.999Z', user: 'ann', ok: true },
      { ts: '2026-01-31T10:01:00Z', user: 'ann', ok: true },
    ),
    { config: { count_by: ['user', 'ok'], window: '60s' } },
  );
  const minute = Date.parse('2026-01-31T10:00:00Z');
  assert.equal(stream(result, 'counts'), [
    { ts: minute, window_ms: 60_000, user: 'ann', ok: true, count: 2 },
    { ts: minute, window_ms: 60_000, user: 'bob', ok: false, count: 1 },
    { ts: minute + 60_000, window_ms: 60_000, user: 'ann', ok: true, count: 1 },
  ]);
});

test('a number and the same digits in a string are two groups, a missing field is a third', () => {
  const result = runFilter(
    'json-select',
    lines({ ts: 1, v: 1 }, { ts: 1, v: '1' }, { ts: 1, w: 1 }, { ts: 1, v: 1 }),
    {
      config: { count_by: ['v'] },
    },
  );
  assert.equal(
    stream(result, 'counts').map(({ v, count }) => [v, count]),
    [
      [1, 2],
      ['1', 1],
      [null, 1],
    ],
  );
});

test('escapes hide nothing: a value written with \\u is selected like the plain one', () => {
  const result = runFilter(
    'json-select',
    [
      '{"program":"\\u0063haron","n":1}',
      '{"progr\\u0061m":"charon","n":2}',
      '{"program":"char\\u006fn\\"","n":3}',
    ],
    { config: { where: [{ field: 'program', equals: 'charon' }], keep: ['n'] } },
  );
  assert.equal(
    stream(result, 'selected').map(({ n }) => n),
    [1, 2],
  );
});

test('a key inside a string or deeper in the event is not the field', () => {
  const result = runFilter(
    'json-select',
    [
      '{"note":"\\"action\\":\\"up\\"","n":1}',
      '{"inner":{"action":"up"},"n":2}',
      '{"list":[{"action":"up"}],"n":3}',
      '{"x":"\\\\","action":"up","n":4}',
      '{"a":":","action":"up","n":5}',
    ],
    { config: { where: [{ field: 'action', equals: 'up' }], keep: ['n'] } },
  );
  assert.equal(
    stream(result, 'selected').map(({ n }) => n),
    [4, 5],
  );
});

test('a list of any length selects what a plain search selects, and is a prefilter where its values allow it', () => {
  const random = seeded(20_260_131);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const text = (bytes: number) => Array.from({ length: bytes }, () => pick([...'abcde'])).join('');
  for (const [size, lengths, isPrefilter] of [
    [7, [2, 3, 300], true],
    [8, [2, 3, 9], true],
    [20, [5, 253, 254, 255, 256, 300], true],
    [64, [2, 3, 4, 260], true],
    [64, [1, 5], false],
  ] as const) {
    const values = Array.from({ length: size }, (_, at) => text(lengths[at % lengths.length] as number));
    const near = () => {
      const value = pick(values);
      return pick([
        value,
        value,
        `${value}x`,
        value.slice(1),
        value.slice(0, -1),
        text(4),
        `${value.slice(0, 255)}yz`,
      ]);
    };
    const found = Array.from({ length: 400 }, (_, n) => ({ ts: n, v: near(), n }));
    const written = found.map((event) => {
      const line = JSON.stringify(event);
      return random(10) === 0
        ? line.replace(/"v":"([a-e])/, (_, first) => `"v":"\\u00${first.charCodeAt(0).toString(16)}`)
        : line;
    });
    const result = runFilter('json-select', [...written, 'no JSON'], {
      config: { where: [{ field: 'v', in: values }], keep: ['n'] },
    });
    assert.equal(
      stream(result, 'selected').map(({ n }) => n),
      found.filter(({ v }) => values.includes(v)).map(({ n }) => n),
      `${size} values`,
    );
    // A line that the prefilter passes over is discarded, whatever it is.
    assert.is(result.ledger.malformed, isPrefilter ? 0 : 1, `${size} values`);
    assert.ok(ledgerAddsUp(result));
  }
});

test('spaces may stand wherever JSON allows them', () => {
  const events = [' ', '\t', '\r', ' \t '].flatMap((s) => [
    `${s}{${s}"n"${s}:${s}1${s},${s}"k"${s}:${s}"x"${s}}${s}`,
    `{"n":1,"k"${s}:"x"}`,
    `{"pad":"0123456789","n"${s}:1,"${'k'.repeat(20)}":"y"${s},"k":"x"}`,
  ]);
  const config = { where: [{ field: 'k', equals: 'x' }], keep: ['n'] };
  const ones = stream(runFilter('json-select', events, { config }), 'selected').map(({ n }) => n);
  assert.equal(ones, Array(events.length).fill(1));
});

test('a value is never cut without a word: what scratch cannot decode marks its record', () => {
  const keep = ['a', 'b', 'c', 'd', 'e'];
  const event = (bytes: number) =>
    `{"k":"x",${keep.map((name) => `"${name}":"${'v'.repeat(bytes)}\\n"`).join()}}`;
  const config = { where: [{ field: 'k', equals: 'x' }], keep };
  const [whole, cut, next] = stream(
    runFilter('json-select', [event(10_000), event(32_000), event(10)], { config }),
    'selected',
  );
  assert.equal([whole?.e, whole?.truncated], [`${'v'.repeat(10_000)}\n`, undefined]);
  assert.ok(String(cut?.e).length < 32_000);
  assert.is(cut?.truncated, true);
  assert.equal([next?.e, next?.truncated], [`${'v'.repeat(10)}\n`, undefined]);
});

test('dots mean nesting, and a key that holds the dots is found too', () => {
  const result = runFilter('json-select', lines({ id: { orig_h: 'a' }, n: 1 }, { 'id.orig_h': 'a', n: 2 }), {
    config: { where: [{ field: 'id.orig_h', equals: 'a' }], keep: ['n', 'id.orig_h'] },
  });
  assert.equal(
    stream(result, 'selected').map((record) => [record.n, record['id.orig_h']]),
    [
      [1, 'a'],
      [2, 'a'],
    ],
  );
});

test('contains and starts_with, on strings only', () => {
  const config = (operator: string) => ({ where: [{ field: 'm', [operator]: 'ab' }], keep: ['n'] });
  const events = lines({ m: 'xxabyy', n: 1 }, { m: 'abyy', n: 2 }, { m: ['ab'], n: 3 }, { m: 'AB', n: 4 });
  const found = (operator: string) =>
    stream(runFilter('json-select', events, { config: config(operator) }), 'selected').map(({ n }) => n);
  assert.equal(found('contains'), [1, 2]);
  assert.equal(found('starts_with'), [2]);
});

test('values keep their types: numbers, nested objects, lists, null', () => {
  const event = {
    ts: 5,
    a: -3,
    b: 1.25,
    c: null,
    d: { e: [true, 'x\n', { f: 12_345_678_901_234 }] },
    g: 'ü€😀',
  };
  const result = runFilter('json-select', lines(event), {
    config: { where: [{ field: 'a', equals: -3 }], keep: ['a', 'b', 'c', 'd', 'g'] },
  });
  assert.equal(stream(result, 'selected'), [{ ...event, ts: 5000 }]);
});

test('the time is the first of ts, timestamp, @timestamp, time that parses, else the time received', () => {
  const result = runFilter(
    'json-select',
    lines(
      { n: 1, time: 1_700_000_000.5 },
      { n: 2, ts: 'never', timestamp: '2026-01-01T00:00:00+01:00' },
      { n: 3, '@timestamp': 1_700_000_000_123 },
      { n: 4 },
    ),
    { config: { where: [{ field: 'n', in: [1, 2, 3, 4] }], keep: ['n'] }, now: '2026-01-31T12:00:00Z' },
  );
  assert.equal(
    stream(result, 'selected').map(({ ts }) => ts),
    [
      1_700_000_000_500,
      Date.parse('2025-12-31T23:00:00Z'),
      1_700_000_000_123,
      Date.parse('2026-01-31T12:00:00Z'),
    ],
  );
});

test('lines that are no objects are malformed and cost nothing else', () => {
  const result = runFilter(
    'json-select',
    ['', 'junk', '{"n":1', '[1]', '{"n":"open}', '{"n":1}}', '\u0000\u0001', '{"n":7}\r', '{"n":8}'],
    { config: { count_by: ['n'] } },
  );
  assert.equal(
    stream(result, 'counts').map(({ n }) => n),
    [7, 8],
  );
  assert.is(result.ledger.malformed, 6);
  assert.is(result.ledger.in, 9);
  assert.ok(ledgerAddsUp(result));
});

test('a full table counts into an overflow row, and sums stay exact', () => {
  const events = Array.from({ length: 10_000 }, (_, at) => JSON.stringify({ ts: 1, k: `key ${at}` }));
  const result = runFilter('json-select', events, { config: { count_by: ['k'] } });
  const counts = stream(result, 'counts');
  assert.is(
    counts.reduce((sum, { count }) => sum + (count as number), 0),
    10_000,
  );
  assert.equal(
    counts.filter(({ overflow }) => overflow).map(({ k, count }) => [k, count]),
    [[null, 10_000 - 8192]],
  );
  assert.is(result.ledger.overflowed, 10_000 - 8192);
});

test('a config that cannot work is refused with its path', () => {
  const refused = (config: unknown, expected: RegExp) =>
    assert.throws(
      () => runFilter('json-select', [], { config }),
      (error: Error) => expected.test(error.message),
      `${JSON.stringify(config)} against ${expected}`,
    );
  refused({}, /config: expected "where", "count_by" or both/);
  refused({ where: [{ field: 'a' }] }, /config\.where\[0\]: expected one of equals/);
  refused({ where: [{ field: 1, equals: 'x' }] }, /config\.where\[0\]\.field: expected a string, found 1/);
  refused({ where: 'x' }, /config\.where: expected a list, found "x"/);
  refused({ wher: [] }, /config: expected only where, keep, count_by, window, .*; found "wher"/);
  refused({ count_by: ['a', 'b', 'c', 'd'] }, /config\.count_by: expected up to 3/);
  refused({ count_by: ['a'], window: '1y' }, /config\.window: expected a duration/);
  refused({ count_by: ['ts'] }, /config\.count_by\[0\]: expected a field name other than/);
  refused({ where: [], keep: ['a', 'b', 'a'] }, /config\.keep\[2\]: expected each field once, found "a"/);
  refused({ count_by: ['a', 'a'] }, /config\.count_by\[1\]: expected each field once, found "a"/);
  refused({ keep: ['a'], count_by: ['b'] }, /config\.keep: expected "where" beside it/);
});

/** Any JSON value, with strings that hold what JSON itself is made of. */
function anyValue(next: (below: number) => number, depth: number): unknown {
  const pieces = [
    'a',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '|',
    'é',
    '€',
    '😀',
    '\n',
    '\u0000',
    'ab"c":',
    ' ',
  ];
  switch (next(depth > 0 ? 8 : 5)) {
    case 0:
      return next(1000) - 500;
    case 1:
      return next(100_000) / 1000;
    case 2:
      return [true, false, null][next(3)];
    case 3:
    case 4:
      return Array.from({ length: next(24) }, () => pieces[next(pieces.length)]).join('');
    case 5:
      return Array.from({ length: next(4) }, () => anyValue(next, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: next(6) }, () => [
          ['k', 'a', 'b.c', 'key"', 'e\\'][next(5)],
          anyValue(next, depth - 1),
        ]),
      );
  }
}

test('fields agree with JSON.parse on generated events, with and without spaces and escapes', () => {
  const seed = 4711;
  const next = seeded(seed);
  const texts: string[] = [];
  const expected: unknown[] = [];
  for (let at = 0; at < 20_000; at++) {
    const event = { n: at, k: anyValue(next, 3), a: anyValue(next, 2), 'b.c': anyValue(next, 1), z: 'end' };
    let text = JSON.stringify(event, null, next(4) === 0 ? ' ' : '').replaceAll('\n', '');
    if (next(8) === 0)
      text = text.replace(/[a-z]/g, (letter) =>
        next(5) ? letter : `\\u00${letter.charCodeAt(0).toString(16)}`,
      );
    const parsed = tryParse(text);
    if (parsed === undefined) continue;
    texts.push(text);
    expected.push(parsed);
  }
  const result = runFilter('json-select', texts, {
    config: { where: [{ field: 'z', equals: 'end' }], keep: ['n', 'k', 'a', 'b.c'] },
  });
  const selected = stream(result, 'selected');
  assert.is(selected.length, expected.length, `seed ${seed}`);
  selected.forEach(({ ts: _, ...record }, at) => {
    const { z: _z, ...wanted } = expected[at] as Record<string, unknown>;
    assert.equal(record, wanted, `seed ${seed}, event ${texts[at]}`);
  });
});

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

test.run();
