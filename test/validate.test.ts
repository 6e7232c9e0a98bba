/**
 * How a refusal reads: the key, what was expected and found, in one line that tells no password, whatever a file holds.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig, parseConfig } from '../host/config.js';
import { errorText, WeirError } from '../host/errors.js';
import { CONFIG_BYTES_MAX } from '../host/limits.js';
import { readSize, sizeText } from '../host/validate.js';
import { temporaryFolder } from './help.js';
import { FACTS, FILTERS, parse, problem, refusalOf, SOURCES } from './configs.js';

/** A config that is right, as a file. */
const RIGHT = JSON.stringify({ appliance: 'fw-01', limits: {}, sources: SOURCES, filters: FILTERS });

test('a config that is no object is refused as a whole', () => {
  const keys = 'appliance, data, inboxes, nats, sources, filters, limits, disk, fleet';
  for (const [value, found] of [
    [null, 'null'],
    [undefined, 'nothing'],
    ['x', '"x" (a string)'],
    [[1], '[1] (a list)'],
  ] as const) {
    const line = refusalOf(() => parseConfig(value, 'weir.json', FACTS));
    assert.is(line, `weir.json: expected an object with the keys ${keys}, found ${found}`);
  }
});

test('an unknown key is an error, and a near one is suggested', () => {
  assert.is(
    problem({ filters: { x: { form: ['auth'] } } }),
    'filters.x.form: expected one of the keys filter, from, timezone, format, config, found "form"' +
      ' (did you mean from?) (and 1 more)',
  );
  assert.match(problem({ limit: {} }), /^limit: .* found "limit" \(did you mean limits\?\)$/);
  assert.match(problem({ comment: '' }), /^comment: .* found "comment"$/);
});

test('of several wrong keys the first is told, the others are counted, and up to five of them named below', () => {
  const others = (part: object) => {
    try {
      parse(part);
    } catch (error) {
      return (error as WeirError).others;
    }
    throw new Error('expected a refusal, found none');
  };
  const line = (path: string, keys: string) =>
    `${path}: expected one of the keys ${keys}, found "${path.split('.').at(-1)}"`;
  const keys = 'appliance, data, inboxes, nats, sources, filters, limits, disk, fleet';
  assert.equal(others({ one: 1, two: 2, limits: { three: 3 }, data: 4 }), [
    line('two', keys),
    'data: expected a path, found 4 (a number)',
    line('limits.three', 'memory, spool, cpu, records'),
  ]);
  assert.equal(others({ one: 1 }), []);
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`x${at}\n`, at]));
  assert.is(others(many).length, 6);
  assert.match(others(many)[4] as string, /^"x5\\n": expected one of the keys .*, found "x5\\n"$/);
  assert.is(others(many)[5], '... and 2 more');
  assert.match(
    errorText(new WeirError('CONFIG_INVALID', 'a: b', { others: ['c: d', 'e: f'] })),
    /^weir: CONFIG_INVALID: a: b; correct .*\n {2}c: d\n {2}e: f\n$/,
  );

  assert.match(
    problem({ one: 1, two: 2, limits: { three: 3 }, data: 4 }),
    /^one: .* found "one" \(and 3 more\)$/,
  );
  assert.match(
    problem({ filters: { a: { from: ['x'] }, b: { from: ['y'] } } }),
    /^filters\.a\.from: .* \(and 1 more\)$/,
  );
});

test('a size is told in the largest unit that is exact', () => {
  for (const text of ['1B', '1023B', '1KiB', '1025B', '64KiB', '2752KiB', '96MiB', '1GiB', '1025MiB'])
    assert.is(sizeText(readSize(text) as number), text);
  assert.is(sizeText(0), '0B');
});

test('keys that JavaScript gives a meaning are neither dropped nor accepted', () => {
  for (const key of ['__proto__', 'constructor', 'prototype', 'toString']) {
    const whole = { sources: SOURCES, filters: FILTERS };
    const inWhole = JSON.stringify(whole).replace('{', `{"${key}":1,`);
    assert.match(
      refusalOf(() => parseConfig(JSON.parse(inWhole), 'weir.json', FACTS)),
      new RegExp(`^weir\\.json: ${key}: expected one of the keys`),
    );
    if (key === 'prototype') continue; // a name like any other
    const asName = JSON.stringify(whole).replace('"ssh-auth"', `"${key}"`);
    assert.match(
      refusalOf(() => parseConfig(JSON.parse(asName), 'weir.json', FACTS)),
      new RegExp(`^weir\\.json: filters\\.${key}: expected a name`),
    );
  }
  const named = parse({ filters: { prototype: { from: ['auth'] } } });
  assert.equal(
    named.filters.map(({ instance }) => instance),
    ['prototype'],
  );
});

test('a password in a URL is never printed', async () => {
  const secret = 'h0rse';
  const long = 'x'.repeat(80);
  const urls = [
    `ws://user:${secret}@h`,
    `WS://user:${secret}@h`,
    `nats://user:${secret}/x@h:4222`,
    `nats://user:${secret}@x@h:99999`,
    `nats://user:x@${secret}@h:99999`,
    `nats://${long}:${secret}@h:99999`,
    `nats://user:${secret}"@h:99999`,
    `nats://user:${secret}`,
    `nats://user:x#${secret}@h`,
    `user:${secret}@h`,
    `nats://user:a\n${secret}@h`,
  ];
  for (const url of urls) {
    const parts = [
      { nats: { servers: [url] } },
      { nats: { servers: url } },
      { nats: { servers: { url } } },
      { nats: { servers: [[url]] } },
      { nats: url },
      { nats: { [url]: 1 } },
      { [url]: 1 },
      { sources: { [url]: {} } },
      { limits: { memory: { [url]: url } } },
      { filters: { x: { from: [url] } } },
    ];
    for (const part of parts) assert.not.match(problem(part), new RegExp(secret), JSON.stringify(part));
  }
  const folder = await temporaryFolder();
  const file = join(folder.path, 'weir.json');
  await writeFile(file, `{"nats": {"servers": ["nats://user:"${secret}@h"]}}`);
  assert.not.match(
    refusalOf(() => loadConfig(file)),
    new RegExp(secret.slice(1)),
  );
  await folder.remove();
});

test('what was found is shown short and on one line, whatever it is', () => {
  assert.match(
    problem({ data: ['x'.repeat(500)] }),
    /^data: expected a path, found \["x{58}\.\.\. \(a list\)$/,
  );
  assert.match(problem({ 'a\nb\u001b[31m\u202e\u2028': 1 }), /^"a\\nb\\u001b\[31m\\u202e\\u2028": expected/);
  assert.ok(problem({ ['k'.repeat(10_000)]: 1 }).length < 300);
  const line = refusalOf(() => parseConfig([], 'odd\nname', FACTS));
  assert.match(line, /^odd\\u000aname: expected/);

  let deep: unknown = 'end';
  for (let depth = 0; depth < 100_000; depth++) deep = depth % 2 ? { a: deep } : [deep];
  assert.match(problem({ data: deep }), /^data: expected a path, found \{"a":\[\{/);
  assert.match(
    problem({ filters: { x: { from: ['auth'], config: { deep } } } }),
    /^filters\.x\.config: expected/,
  );
  const endless: Record<string, unknown> = {};
  endless.self = endless;
  assert.match(problem({ data: endless }), /^data: expected a path, found \{"self":\{"self"/);
  assert.match(problem({ data: 10n }), /^data: expected a path, found 10 \(a bigint\)$/);
});

test('files that are not JSON are refused with line and column', async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'weir.json');
  const cases: readonly (readonly [string, string])[] = [
    ['', 'its end too early, at line 1, column 1'],
    ['{\n  "a": [1,\n', 'its end too early, at line 3, column 1'],
    ['{\n  "a": 1\n  "b": 2\n}', 'a mistake at line 3, column 3: "\\""'],
    ['{ "a": 1, }', 'a mistake at line 1, column 11: "}"'],
    ['[1, 2,]', 'a mistake at line 1, column 7: "]"'],
    ['{\n  // no\n}', 'a mistake at line 2, column 3: "/"'],
    ["{ 'a': 1 }", 'a mistake at line 1, column 3: "\'"'],
    ['{ "a": tru }', 'a mistake at line 1, column 8: "t"'],
    ['{ "a": 01 }', 'a mistake at line 1, column 9: "1"'],
    ['{ "a" 1 }', 'a mistake at line 1, column 7: "1"'],
    ['{ "a": "no end }', 'a mistake at line 1, column 8: "\\""'],
    ['{ "a": "\\x" }', 'a mistake at line 1, column 8: "\\""'],
    ['{} {}', 'a mistake at line 1, column 4: "{"'],
    ['[}', 'a mistake at line 1, column 2: "}"'],
    ['😀', 'a mistake at line 1, column 1: "😀"'],
    ['{"a": \u0000}', 'a mistake at line 1, column 7: "\\u0000"'],
  ];
  for (const [content, expected] of cases) {
    await writeFile(file, content);
    assert.is(
      refusalOf(() => loadConfig(file)),
      `${file}: expected JSON, found ${expected}`,
    );
  }
  await writeFile(file, Buffer.from([0x7b, 0xff, 0x7d]));
  assert.match(
    refusalOf(() => loadConfig(file)),
    /expected JSON in UTF-8, found bytes that are not UTF-8$/,
  );
  await writeFile(file, `\ufeff${RIGHT}`);
  assert.is(loadConfig(file).appliance, 'fw-01', 'a byte order mark is no mistake');
  await folder.remove();
});

test('a mistake is told where it is, in a long file too', async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'weir.json');
  const lines = JSON.stringify(JSON.parse(RIGHT), null, 1).split('\n');
  for (let at = 0; at < lines.length; at++) {
    await writeFile(file, [...lines.slice(0, at), '#', ...lines.slice(at)].join('\n'));
    assert.match(
      refusalOf(() => loadConfig(file)),
      new RegExp(`a mistake at line ${at + 1}, column 1: "#"$`),
    );
    await writeFile(file, lines.slice(0, at).join('\n'));
    assert.match(
      refusalOf(() => loadConfig(file)),
      /found its end too early/,
    );
  }
  for (const long of [`"${'\\n'.repeat(400_000)}`, `"${'x'.repeat(900_000)}`, '['.repeat(900_000)]) {
    await writeFile(file, long);
    assert.match(
      refusalOf(() => loadConfig(file)),
      /at line 1, column/,
    );
  }
  await folder.remove();
});

test('a file that cannot be read, or is too long, is refused', async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'weir.json');
  const unreadable = () => refusalOf(() => loadConfig(file), 'CONFIG_UNREADABLE');
  assert.match(unreadable(), /weir\.json: expected a readable file, found ENOENT/);
  await mkdir(file);
  assert.match(unreadable(), /expected a readable file, found EISDIR/);
  await folder.remove();
  await mkdir(folder.path);
  await writeFile(file, RIGHT + ' '.repeat(CONFIG_BYTES_MAX - RIGHT.length));
  assert.is(loadConfig(file).appliance, 'fw-01');
  await writeFile(file, RIGHT + ' '.repeat(CONFIG_BYTES_MAX - RIGHT.length + 1));
  assert.match(unreadable(), /expected a file of up to 1048576 bytes, found a longer one/);
  assert.match(
    refusalOf(() => loadConfig('/dev/zero'), 'CONFIG_UNREADABLE'),
    /found a longer one/,
  );
  await folder.remove();
});

test.run();
