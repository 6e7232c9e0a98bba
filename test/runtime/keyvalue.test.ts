/**
 * The reader of key=value: firewalls' lines, the edges of its grammar, generated lines against a plain parser, and
 * hostile ones.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { seeded } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';
import { ROOT } from './testfilter.js';
import { type Below, pick, surviveRubbish, word } from './rubbish.js';

const CORPUS = join(ROOT, '../shared/corpus/firewall');

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter('keyvalue-fields');
});
test.after(() => filter.remove());

/** The fields a, b, c, or those that are named, of one line. */
function read(line: string, fields: readonly string[] = ['a', 'b', 'c']): WireRecord {
  const { valid, ...found } = filter.readOne(line, { config: { fields } });
  assert.is(valid, true, line);
  return found;
}

test('a line of a Sophos firewall gives its fields, behind its priority', () => {
  const line =
    '<30>device="SFW" date=2026-01-31 time=10:00:00 timezone="CET" device_name="XG-135 2" log_id=062910617701 ' +
    'log_component="GUI" user_name="admin" usergroupname="" src_ip=192.0.2.7 message="User \\"admin\\" failed"';
  assert.equal(
    read(line, ['device', 'device_name', 'user_name', 'usergroupname', 'src_ip', 'message', 'dst_ip']),
    {
      device: 'SFW',
      device_name: 'XG-135 2',
      user_name: 'admin',
      usergroupname: '',
      src_ip: '192.0.2.7',
      message: 'User "admin" failed',
    },
  );
});

test('fields are found behind a syslog header, in the line and in its message', () => {
  const line =
    '<189>Jan 31 10:00:00 fw-01 date=2026-01-31 devname="fw-01" type="event" user="N/A" remip=192.0.2.1';
  const fields = ['date', 'type', 'user', 'remip'];
  const expected = { date: '2026-01-31', type: 'event', user: 'N/A', remip: '192.0.2.1' };
  assert.equal(read(line, fields), expected);
  const { valid, ...found } = filter.readOne(line, { config: { fields, syslog: true } });
  assert.is(valid, true);
  assert.equal(found, expected);
});

test('netfilter: empty values, words without a value, and the outer packet before the one inside', () => {
  const line =
    'Jan 31 10:00:00 fw kernel: [1.5] DROP IN=eth0 OUT= MAC=00:08:a2 SRC=192.0.2.1 DST=192.0.2.2 LEN=88 DF ' +
    'PROTO=ICMP TYPE=3 [SRC=192.0.2.2 DST=203.0.113.66 LEN=60 PROTO=UDP SPT=53 ]';
  assert.equal(read(line, ['IN', 'OUT', 'SRC', 'DST', 'LEN', 'DF', 'SPT']), {
    IN: 'eth0',
    OUT: '',
    SRC: '192.0.2.1',
    DST: '192.0.2.2',
    LEN: '88',
    SPT: '53',
  });
});

const EDGES: readonly (readonly [string, WireRecord])[] = [
  ['a=1', { a: '1' }],
  ['a=', { a: '' }],
  ['a=""', { a: '' }],
  ['a= b=2', { a: '', b: '2' }],
  ['a="1"b=2', { a: '1', b: '2' }],
  ['a="1",b="2";c="3"', { a: '1', b: '2', c: '3' }],
  ['a=1,b=2;c=3', { a: '1', b: '2', c: '3' }],
  ['a=1, b=2; c=3;', { a: '1', b: '2', c: '3' }],
  ['a=1\tb=2\tc=3', { a: '1', b: '2', c: '3' }],
  ['a=80,443 b=x;y', { a: '80,443', b: 'x;y' }],
  ['a=80,443,b=2', { a: '80,443', b: '2' }],
  ['a=,,b=2', { a: ',', b: '2' }],
  ['a=x,=y b=2', { a: 'x,=y', b: '2' }],
  ['a=x=y b=2', { a: 'x=y', b: '2' }],
  ['a=http://h/?b=1&c=2', { a: 'http://h/?b=1&c=2' }],
  ['a="b=1 c=2" b=3', { a: 'b=1 c=2', b: '3' }],
  ['a="no end b=2', { a: 'no end b=2' }],
  ['a="', { a: '' }],
  ['a="\\', { a: '\\' }],
  ['a="x\\"', { a: 'x"' }],
  ['a="x\\\\" b=2', { a: 'x\\', b: '2' }],
  ['a="C:\\new\\temp" b=2', { a: 'C:\\new\\temp', b: '2' }],
  ['a=x"y b=2', { a: 'x"y', b: '2' }],
  ['a=x="b=1 b=2"', { a: 'x="b=1', b: '2"' }],
  ['a=1 a=2 b="" b=3', { a: '1', b: '' }],
  ['aa=1 xa=2 -a=3 x.a=4 a=5', { a: '5' }],
  ['a =1 b= 2', { b: '' }],
  ['=a=1 b=2', { b: '2' }],
  ['"a"=1 b=2', { b: '2' }],
  ['(a=1 [a=2 b=3', { b: '3' }],
  ['<1>a=1', { a: '1' }],
  ['<191>a=1', { a: '1' }],
  ['<1911>a=1 b=2', { b: '2' }],
  ['<>a=1 b=2', { b: '2' }],
  ['<1x>a=1 b=2', { b: '2' }],
  ['a="\u00fc" b=\u00fc', { a: '\u00fc', b: '\u00fc' }],
];

test('the edges of the grammar are as its file says', () => {
  for (const [line, expected] of EDGES) assert.equal(read(line), expected, line);
});

test('keys hold dots, hyphens and underscores, and may be long', () => {
  const keys = ['x', 'ab', 'id.orig_h', 'dst-host', '_', 'a'.repeat(8), 'a'.repeat(9), `b${'a'.repeat(9)}`];
  const expected = Object.fromEntries(keys.map((name, index) => [name, String(index)]));
  assert.equal(read(keys.map((name, index) => `${name}=${index}`).join(' '), keys), expected);
});

test('a line without a pair is malformed', () => {
  for (const line of ['no pair', '=', '=x', 'a', '"a=1', ' = ', 'a"b=c', '<30>', '"', '\\', ',;']) {
    assert.equal(filter.readOne(line, { config: { fields: ['a'] } }), { valid: false }, line);
  }
});

test('nothing behind the line counts: not its neighbour, not a quote, not a key', () => {
  const lines = ['x="no end', 'a=2 b="1"', 'b=', '"3"', 'a', '=4 b=5'];
  assert.equal(filter.read(lines, { config: { fields: ['a', 'b', 'x'] } }), [
    { valid: true, x: 'no end' },
    { valid: true, a: '2', b: '1' },
    { valid: true, b: '' },
    { valid: false },
    { valid: false },
    { valid: true, b: '5' },
  ]);
});

const KEY = String.raw`[^\p{Cc} ,;="]+=`;
const WANTED_KEY = new RegExp(`^${KEY}`, 'u');
const QUOTED = /^"((?:[^"\\]|\\.)*\\?)("?)/;
const PLAIN = new RegExp(String.raw`^(?:[^\p{Cc} ,;]|[,;](?![\p{Cc} ]|$|${KEY}))*`, 'u');

/** The same grammar by regular expressions: what the fast reader is compared with. */
function plainParse(line: string): Map<string, string> | undefined {
  const found = new Map<string, string>();
  const text = line.replace(/^<\d{1,3}>/, '');
  let isKeyStart = true;
  for (let at = 0; at < text.length; ) {
    const key = isKeyStart ? WANTED_KEY.exec(text.slice(at))?.[0] : undefined;
    if (key === undefined) {
      isKeyStart = /[\p{Cc} ,;]/u.test(text.charAt(at));
      at++;
      continue;
    }
    const rest = text.slice(at + key.length);
    const quoted = QUOTED.exec(rest);
    const value = quoted?.[1]?.replace(/\\(["\\])/g, '$1') ?? (PLAIN.exec(rest)?.[0] as string);
    at += key.length + (quoted?.[0].length ?? 0);
    isKeyStart = quoted !== null;
    if (!found.has(key.slice(0, -1))) found.set(key.slice(0, -1), value);
  }
  return found.size ? found : undefined;
}

const KEYS = ['a', 'b', 'ab', 'src_ip', 'dst.host', 'user-name', 'message_text', 'x'];

function generated(below: Below): string {
  const quoted = () => `"${word('ab =,;\\"', 0, 30, below).replace(/["\\]/g, '\\$&')}"`;
  const plain = () => word('ab1.:/=-"', 0, 12, below).replace(/^"/, '');
  const separators = [' ', ' ', ' ', '  ', '\t', ',', ', ', ';', ' word '];
  let line = pick(['', '', '<30>', 'Jan 31 10:00:00 fw-01 ', '<30>x '], below);
  for (let pairs = 1 + below(30); pairs > 0; pairs--) {
    line += `${pick(KEYS, below)}=${below(2) ? quoted() : plain()}${pick(separators, below)}`;
  }
  return line;
}

test('generated lines, valid and not, give what a plain parser finds', () => {
  const seed = 20_260_131;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const lines = Array.from({ length: 4_000 }, (_, index) => {
    const line = generated(below);
    const at = below(line.length);
    return index % 2
      ? line
      : `${line.slice(0, at)}${word('a=",; \\', 0, 4, below)}${line.slice(at + below(3))}`;
  }).filter((line) => line !== '');
  for (const fields of [KEYS, ['src_ip', 'message_text']]) {
    const found = filter.read(lines, { config: { fields } });
    lines.forEach((line, index) => {
      const pairs = plainParse(line);
      const wanted = [...(pairs ?? [])].filter(([name]) => fields.includes(name));
      const { valid, ...seen } = found[index] as WireRecord;
      assert.is(valid, pairs !== undefined, line);
      assert.equal(seen, Object.fromEntries(wanted), line);
    });
  }
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const below = seeded(7);
  surviveRubbish(filter, {
    seed: 20_260_201,
    bases: [...EDGES.map(([line]) => line), ...Array.from({ length: 50 }, () => generated(below))],
    rounds: 4_000,
    good: '<30>a="1 \\" 2" b=3 c=',
    expected: { valid: true, a: '1 " 2', b: '3', c: '' },
    options: { config: { fields: ['a', 'b', 'c'] } },
  });
});

test('a value of a megabyte is cut to what a record holds, and costs no more than its length', () => {
  const million = 1_000_000;
  const fillers = ['x', '\\', '\\"', '=', 'a=', '"', ',', ',a', ' =', ';a=,'].map((part) =>
    part.repeat(million / part.length),
  );
  const startMs = performance.now();
  for (const filler of fillers) {
    for (const line of [`b="${filler}`, `b=${filler}`]) {
      const found = filter.read([line, 'a=1'], {
        config: { fields: ['a', 'b', 'zz'] },
        batchBytes: 2 * 1_048_576,
      });
      assert.equal(found[1], { valid: true, a: '1' });
      assert.ok(String(found[0]?.b).length <= 32_768);
    }
  }
  assert.ok(performance.now() - startMs < 15_000, `${performance.now() - startMs} ms`);
});

/** Every pair of a line of Fortinet or netfilter, by a regular expression. */
function pairsOf(line: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const [, name, quoted, plain] of line.matchAll(
    /(?:^|[\s>])([\w.-]+)=(?:"((?:[^"\\]|\\.)*)"?|([^\s"]*))/g,
  )) {
    if (!pairs.has(name as string))
      pairs.set(name as string, quoted?.replace(/\\(["\\])/g, '$1') ?? plain ?? '');
  }
  return pairs;
}

function firewallLines(): string[] {
  const crowdsec = readdirSync(join(CORPUS, 'crowdsec'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /(?:fortinet|iptables)[^/]*\.log$/.test(path))
    .flatMap((path) => readFileSync(join(CORPUS, 'crowdsec', path), 'utf8').split('\n'));
  const sc4s = ['fortinet_ngfw', 'fortinet_web'].flatMap((name) =>
    readFileSync(join(CORPUS, 'sc4s', `${name}.jsonl`), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      // The octet count of a TCP stream, which the host's framing takes away.
      .map((line) => (JSON.parse(line) as { message: string }).message.replace(/^\d+ </, '<')),
  );
  return [...crowdsec, ...sc4s].filter((line) => /\b[A-Za-z]\w*=/.test(line) && !line.includes('\n'));
}

test('lines of real firewalls give every pair that a regular expression finds', () => {
  if (!existsSync(CORPUS)) {
    console.log(`\nnote: skipped, there are no logs in ${CORPUS}`);
    return;
  }
  const all = firewallLines();
  const lines = all.filter((line) => !line.includes("='"));
  const names = [...new Set(lines.flatMap((line) => [...pairsOf(line).keys()]))];
  let pairs = 0;
  for (let from = 0; from < names.length; from += 64) {
    const fields = names.slice(from, from + 64);
    filter.read(lines, { config: { fields } }).forEach((found, index) => {
      const { valid, ...seen } = found;
      const expected = [...pairsOf(lines[index] as string)].filter(([name]) => fields.includes(name));
      assert.is(valid, true, lines[index]);
      assert.equal(seen, Object.fromEntries(expected), lines[index]);
      pairs += expected.length;
    });
  }
  console.log(`\nnote: ${pairs} pairs of ${lines.length} lines agree`);
  console.log(
    `note: ${all.length - lines.length} lines have values in single quotes, which are no quotes here`,
  );
  assert.ok(lines.length > 20);
});

test.run();
