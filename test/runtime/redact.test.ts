/**
 * Redaction: the hash is SipHash-2-4, a mask keeps a network and nothing else, and no rule silently hides nothing.
 */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../host/config.js';
import type { WeirError } from '../../host/errors.js';
import { saidHere } from '../command.js';
import { type RunResult, runFilter, stream } from '../filter.js';

const KEY = '000102030405060708090a0b0c0d0e0f';

/** vectors_sip64 of the reference implementation (github.com/veorq/SipHash): the hash of 00, 01, ... of each length. */
const VECTORS = `
  310e0edd47db6f72 fd67dc93c539f874 5a4fa9d909806c0d 2d7efbd796666785 b7877127e09427cf 8da699cd64557618
  cee3fe586e46c9cb 37d1018bf50002ab 6224939a79f5f593 b0e4a90bdf82009e f3b9dd94c5bb5d7a a7ad6b22462fb3f4
  fbe50e86bc8f1e75 903d84c02756ea14 eef27a8e90ca23f7 e545be4961ca29a1 db9bc2577fcc2a3f 9447be2cf5e99a69
  9cd38d96f0b3c14b bd6179a71dc96dbb 98eea21af25cd6be c7673b2eb0cbf2d0 883ea3e395675393 c8ce5ccd8c030ca8
  94af49f6c650adb8 eab8858ade92e1bc f315bb5bb835d817 adcf6b0763612e2f a5c91da7acaa4dde 716595876650a2a6
  28ef495c53a387ad 42c341d8fa92d832 ce7cf2722f512771 e37859f94623f3a7 381205bb1ab0e012 ae97a10fd434e015
  b4a31508beff4d31 81396229f0907902 4d0cf49ee5d4dcca 5c73336a76d8bf9a d0a704536ba93e0e 925958fcd6420cad
  a915c29bc8067318 952b79f3bc0aa6d4 f21df2e41d4535f9 87577519048f53a9 10a56cf5dfcd9adb eb75095ccd986cd0
  51a9cb9ecba312e6 96afadfc2ce666c7 72fe52975a4364ee 5a1645b276d592a1 b274cb8ebf87870a 6f9bb4203de7b381
  eaecb2a30b22a87f 9924a43cc1315724 bd838d3aafbf8db7 0b1a2a3265d51aea 135079a3231ce660 932b2846e4d70666
  e1915f5cb1eca46c f325965ca16d629f 575ff28e60381be5 724506eb4c328a95`
  .split(/\s+/)
  .slice(1);

const lines = (...events: unknown[]) => events.map((event) => JSON.stringify(event));

function selected(redact: object, keep: readonly string[], ...events: unknown[]): RunResult {
  const where = [{ field: 'k', equals: 1 }];
  const config = { where, keep, redact, redact_key: KEY };
  return runFilter('json-select', lines(...events.map((event) => ({ ts: 5, k: 1, ...(event as object) }))), {
    config,
  });
}

function tokensOf(values: readonly unknown[]): unknown[] {
  const events = values.map((v) => ({ v }));
  return stream(selected({ v: 'hash' }, ['v'], ...events), 'selected').map(({ v }) => v);
}

function masksOf(values: readonly unknown[]): unknown[] {
  const events = values.map((v) => ({ v }));
  return stream(selected({ v: 'mask' }, ['v'], ...events), 'selected').map(({ v }) => v);
}

test('the hash is SipHash-2-4, as the reference implementation has it', () => {
  assert.is(VECTORS.length, 64);
  const inputs = VECTORS.map((_, length) => String.fromCharCode(...Array.from({ length }, (_, at) => at)));
  assert.equal(tokensOf(inputs), VECTORS);
});

test('the same value has the same token, another value or key another one', () => {
  const [ann, bob, again] = tokensOf(['ann', 'bob', 'ann']);
  assert.match(String(ann), /^[0-9a-f]{16}$/);
  assert.is(again, ann);
  assert.is.not(bob, ann);
  const config = { where: [{ field: 'v', equals: 'ann' }], keep: ['v'], redact: { v: 'hash' } };
  const under = (redact_key: string) =>
    stream(
      runFilter('json-select', lines({ v: 'ann' }), { config: { ...config, redact_key } }),
      'selected',
    )[0]?.v;
  assert.is(under(KEY), ann);
  assert.is(under(KEY.toUpperCase()), ann);
  assert.is.not(under(KEY.replace('0f', '1f')), ann);
  assert.is.not(under(KEY.replace('00', '10')), ann);
});

test('whatever kind of value it was, its token is a string, and a missing one has none', () => {
  const values = ['1', 1, true, null, { a: 'ann' }, ['ann'], undefined, ''];
  const tokens = tokensOf(values);
  assert.is(tokens[6], undefined);
  assert.is(tokens[0], tokens[1]);
  for (const token of tokens.filter((found) => found !== undefined))
    assert.match(String(token), /^[0-9a-f]{16}$/);
  assert.is(new Set(tokens).size, 7);
});

test('escapes make no difference to a token', () => {
  const config = { where: [{ field: 'k', equals: 1 }], keep: ['v'], redact: { v: 'hash' }, redact_key: KEY };
  const events = ['{"k":1,"v":"a\\u006en"}', '{"k":1,"v":"ann"}'];
  const [escaped, plain] = stream(runFilter('json-select', events, { config }), 'selected').map(({ v }) => v);
  assert.is(escaped, plain);
});

test('a mask keeps the network of an address, in one form, and nothing of anything else', () => {
  const networks: Record<string, string> = {
    '192.0.2.7': '192.0.2.0/24',
    '0.0.0.0': '0.0.0.0/24',
    '255.255.255.255': '255.255.255.0/24',
    '010.001.000.009': '***',
    '2001:db8:12:34::9': '2001:db8:12::/48',
    '2001:0DB8:0012:0034:0:0:0:9': '2001:db8:12::/48',
    '2001:db8::9': '2001:db8::/48',
    '2001::a:b:c:d:e:f': '2001:0:a::/48',
    '2001:db8::1:2:3:4:5': '2001:db8::/48',
    '1:2:3:4:5:6:7::': '1:2:3::/48',
    '::2:3:4:5:6:7:8': '0:2:3::/48',
    '2001:db8:1::': '2001:db8:1::/48',
    'fe80::1%eth0': 'fe80::/48',
    '::1': '::/48',
    '::': '::/48',
    '::ffff:192.0.2.7': '192.0.2.0/24',
    '::FFFF:c000:207': '192.0.2.0/24',
    '64:ff9b::192.0.2.33': '64:ff9b::/48',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff': 'ffff:ffff:ffff::/48',
    'ffff:1:2:3:4:5:192.0.2.33': 'ffff:1:2::/48',
  };
  assert.equal(masksOf(Object.keys(networks)), Object.values(networks));
  const others = [
    'ann',
    '',
    '192.0.2.7 ',
    '192.0.2',
    '192.0.2.256',
    'x192.0.2.7',
    1,
    null,
    true,
    { a: 1 },
    ':::',
    '1::2::3',
  ];
  assert.equal(
    masksOf(others),
    others.map(() => '***'),
  );
});

test('a field that is dropped is not in the record, others stay as they are', () => {
  const result = selected({ user: 'drop', src: 'mask' }, ['user', 'src', 'n'], {
    user: 'ann',
    src: '192.0.2.7',
    n: 7,
  });
  assert.equal(stream(result, 'selected'), [{ ts: 5_000, src: '192.0.2.0/24', n: 7 }]);
});

test('groups are those of the tokens, and a missing field is its own', () => {
  const config = { count_by: ['user', 'src'], redact: { user: 'hash', src: 'mask' }, redact_key: KEY };
  const events = lines(
    { ts: 5, user: 'ann', src: '192.0.2.7' },
    { ts: 5, user: 'bob', src: '192.0.2.7' },
    { ts: 5, user: 'ann', src: '192.0.2.8' },
    { ts: 5, user: 'ann' },
    { ts: 5, user: 7 },
    { ts: 5, user: '7' },
  );
  const [ann, bob, seven] = tokensOf(['ann', 'bob', 7]);
  assert.equal(
    stream(runFilter('json-select', events, { config }), 'counts').map(({ user, src, count }) => [
      user,
      src,
      count,
    ]),
    [
      [ann, '192.0.2.0/24', 2],
      [bob, '192.0.2.0/24', 1],
      [ann, null, 1],
      [seven, null, 2],
    ],
  );
});

test('no value that is to be hidden is in any byte that comes out', () => {
  const secrets = ['ann.secret', '198.51.100.77', 'deep-secret'];
  const [user, src, deep] = secrets;
  const config = {
    where: [{ field: 'user', starts_with: 'ann' }],
    keep: ['user', 'src', 'a.b', 'gone'],
    count_by: ['user', 'src'],
    redact: { user: 'hash', src: 'mask', 'a.b': 'hash', gone: 'drop' },
    redact_key: KEY,
  };
  const { bytes, records } = runFilter('json-select', lines({ user, src, a: { b: deep }, gone: deep }), {
    config,
  });
  assert.is(records.length, 2);
  for (const secret of secrets) assert.not.ok(bytes.includes(secret), secret);
  assert.not.ok(bytes.includes('198.51.100.7'));
});

const BASE = { where: [{ field: 'a', equals: 1 }], keep: ['a', 'b'] };
const REFUSED: readonly (readonly [object, string])[] = [
  [{ ...BASE, redact: { c: 'mask' } }, 'config.redact: expected only a, b; found "c"'],
  [{ ...BASE, redact: { a: 'hide' } }, 'config.redact.a: expected "hash", "mask" or "drop", found "hide"'],
  [{ ...BASE, redact: { a: null } }, 'config.redact.a: expected "hash", "mask" or "drop", found null'],
  [{ ...BASE, redact: ['a'] }, 'config.redact: expected an object, found ["a"]'],
  [{ ...BASE, redact: { a: 'hash' } }, 'config.redact_key: expected 32 hex digits, found nothing'],
  [{ ...BASE, redact_key: KEY }, 'config.redact_key: expected "redact" beside it, found nothing'],
  [
    { where: BASE.where, redact: { a: 'mask' } },
    'config.redact: expected "keep" beside it: lines hide nothing, found {"a":"mask"}',
  ],
  [
    { count_by: ['a'], redact: { a: 'drop' } },
    'config.redact.a: expected "hash" or "mask" for a field to group by, found "drop"',
  ],
  [
    { ...BASE, keep: ['ts', 'a'], redact: { ts: 'mask' } },
    'config.redact.ts: expected no rule: every record tells its time, found "mask"',
  ],
  [
    { ...BASE, keep: ['a', 'a.b'], redact: { 'a.b': 'mask' } },
    'config.redact: expected no field within another, found a.b in a',
  ],
  [
    { ...BASE, keep: ['a'], count_by: ['a.b'], redact: { a: 'mask' } },
    'config.redact: expected no field within another, found a.b in a',
  ],
];

function refusal(config: object): string {
  try {
    runFilter('json-select', [], { config });
  } catch (error) {
    assert.is((error as WeirError).code, 'FILTER_CONFIG');
    return (error as WeirError).problem.replace('filter json-select: ', '');
  }
  return 'taken';
}

test('a rule that would hide nothing stops the filter', () => {
  for (const [config, expected] of REFUSED) assert.is(refusal(config), expected);
});

test('no error shows the key, or what stands in its place', async () => {
  const secret = createHash('sha256').update('secret').digest('hex');
  const hashing = { ...BASE, redact: { a: 'hash' } };
  const wrong: [unknown, string][] = [
    [secret, 'another number of characters'],
    [`${secret.slice(0, 31)}g`, 'others'],
    [{ secret }, 'something else'],
    [[secret], 'something else'],
  ];
  for (const [redact_key, found] of wrong)
    assert.is(
      refusal({ ...hashing, redact_key }),
      `config.redact_key: expected 32 hex digits, found ${found}`,
    );
  assert.is(
    refusal({ redact_key: secret }),
    'config: expected "where", "count_by" or both, found something with a "redact_key"',
  );
  assert.match(
    refusal({ where: { redact_key: secret } }),
    /config\.where: expected a list, found something with/,
  );
  const misplaced = {
    filters: { a: { from: ['s'], config: [{ redact_key: secret }] } },
    sources: { s: { stdin: true } },
  };
  assert.throws(
    () => parseConfig(misplaced, 'weir.json'),
    ({ message }: Error) =>
      message.includes('[{"redact_key":"***"}]') && !message.includes(secret.slice(0, 8)),
  );
  for (const config of [
    { ...hashing, redact_key: secret, wher: 1 },
    { redact_key: secret, redact: 1 },
  ]) {
    const { code, err } = await saidHere([
      'replay',
      'json-select',
      'README.md',
      '--config-json',
      JSON.stringify(config),
    ]);
    assert.is(code, 1);
    assert.not.ok(err.includes(secret.slice(0, 8)), err);
  }
  const broken = ['replay', 'json-select', 'README.md', '--config-json', `{"redact_key":"${secret}"x}`];
  assert.not.ok((await saidHere(broken)).err.includes(secret.slice(-6)));
});

test.run();
