/**
 * `tripwire`: a new kind of line or a new program is told once, and one program cannot hide the others.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, type RunResult, runFilter, seeded, stream } from '../../test/filter.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const KINDS_MAX = 256;
const PLACES = 4096;

function run(input: readonly string[] | Uint8Array, batchBytes = 65_536): RunResult {
  const result = runFilter('tripwire', input, { batchBytes });
  assert.ok(ledgerAddsUp(result));
  return result;
}

const says = (message: string, program = 'app') => `Jan 30 10:00:00 fw-01 ${program}[7]: ${message}`;

/** The kinds that a filter tells for these messages. */
function kindsOf(...messages: readonly string[]): unknown[] {
  return stream(run(messages.map((message) => says(message))), 'new').map(({ kind }) => kind);
}

test('of the sample the programs are told, each kind once, and what the intruder left', () => {
  const news = stream(run(readFileSync(join(ROOT, 'filters/tripwire/samples/staging.log'))), 'new');
  assert.equal(
    news.map(({ program, new_program, kind }) => [program, new_program, kind]),
    [
      ['cron', true, '(root) CMD (/usr/lib/sa/sa# # #)'],
      ['dhcpd', true, 'DHCPREQUEST for # from # via eth#'],
      ['dhcpd', false, 'DHCPACK on # to # via eth#'],
      ['httpd', true, 'request # took # ms from #'],
      ['cron', false, '(root) CMD (/tmp/.x/run # #)'],
      ['dhcpd-helper', true, 'listening on # port #'],
    ],
  );
  assert.equal(news.at(-1), {
    ts: Date.parse('2026-01-30T10:02:09Z'),
    host: 'fw-01',
    program: 'dhcpd-helper',
    new_program: true,
    kind: 'listening on # port #',
  });
});

test('lines that differ only in numbers, addresses, hex, UUIDs and quoted parts are of one kind', () => {
  const same: readonly (readonly string[])[] = [
    ['port 22', 'port 60000'],
    ['from 10.0.0.1', 'from 203.0.113.250', 'from 2001:db8::1', 'from ::1', 'from fe80::1:2:3'],
    ['from 10.0.0.1.', 'from ::1.'],
    ['from 10.0.0.1:', 'from 2001:db8::1:2:'],
    ['mac 52:54:00:12:34:56', 'mac aa:bb:cc:dd:ee:ff'],
    ['id deadbeefcafe', 'id 0123456789ab', 'id 0x1f', 'id 4f2a', 'id 7'],
    ['x 6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'x ffffffff-ffff-ffff-ffff-ffffffffffff'],
    ['key SHA256:Kl8kPGZrTiz7g2FO', 'key SHA256:x0y1Z2a3B4c5D6e7'],
    ['exe="/bin/ls" a', 'exe="/tmp/evil \\"x\\"" a', 'exe="" a'],
    ["op='add user' ok", "op='rm' ok"],
    ['a  b\tc', 'a b c'],
  ];
  for (const messages of same) assert.is(kindsOf(...messages).length, 1, messages[0]);
});

test('letters outside of quotes, and the keys of JSON, make a kind of their own', () => {
  const different: readonly (readonly string[])[] = [
    ['run /tmp/evil1', 'run /tmp/good1', 'run /usr/evil1'],
    ["can't open", "can't close"],
    ['eth0 up', 'wan0 up'],
    ['{"op":"a"}', '{"op":"a","path":"b"}', '{"op" :"a"}'],
    ['face', 'cafe', 'dead: beef', 'bad-add'],
    ['a', 'a ', ' a'],
  ];
  for (const messages of different) assert.is(kindsOf(...messages).length, messages.length, messages[0]);
});

test('a line that is no syslog has its own kind, without a program', () => {
  const result = run(['{"a":1}', '{"a":2}', 'plain', '{"a":"x"}']);
  assert.equal(
    stream(result, 'new').map(({ program, kind }) => [program, kind]),
    [
      [null, '{"a":#}'],
      [null, 'plain'],
      [null, '{"a":""}'],
    ],
  );
});

test('a kind is cut at 256 bytes; what differs behind them is the same kind', () => {
  const [kind, ...others] = kindsOf(`${'z'.repeat(255)}bc`, `${'z'.repeat(255)}bd`);
  assert.is(kind, `${'z'.repeat(255)}b`);
  assert.equal(others, []);
});

const word = (at: number) => String(at).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] as string);

test('a program that is made to say ever new things is told to overflow, once, and hides no other', () => {
  const flood = Array.from({ length: 2 * KINDS_MAX }, (_, at) => says(`user ${word(at)}`, 'sshd'));
  const result = run([...flood, says('hello', 'cron'), says('user zzz', 'sshd'), says('bye', 'cron')]);
  const news = stream(result, 'new');
  assert.is(news.filter(({ program }) => program === 'sshd').length, KINDS_MAX + 1);
  assert.is(news.filter(({ overflow }) => overflow === true).length, 1);
  assert.equal(
    news.filter(({ program }) => program === 'cron').map(({ kind }) => kind),
    ['hello', 'bye'],
  );
  assert.is(result.ledger.kept + result.ledger.aggregated, flood.length + 3);
});

test('when all places are taken each program says so once', () => {
  const perProgram = KINDS_MAX - 6;
  const programs = Math.ceil((PLACES + 500) / perProgram);
  const lines: string[] = [];
  for (let at = 0; at < programs * perProgram; at++) lines.push(says(word(at), `p${word(at % programs)}`));
  const news = stream(run(lines), 'new');
  assert.is(news.filter(({ overflow }) => overflow === undefined).length, PLACES);
  assert.is(news.filter(({ overflow }) => overflow === true).length, programs);
});

test('hostile lines are of some kind, and output does not depend on batches', () => {
  const seed = 20_261_125;
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const parts = [
    '"',
    "'",
    '\\',
    ':',
    '::',
    '1.2.3.4',
    '-',
    '.',
    'abc',
    '0x',
    ' ',
    '\t',
    '\0',
    'é',
    '\x80',
    '\r',
  ];
  const lines = Array.from({ length: 2_000 }, () =>
    Array.from({ length: random(40) }, () => parts[random(parts.length)]).join(''),
  );
  const input = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
  const whole = run(input);
  assert.is(whole.ledger.in, lines.length);
  for (const batchBytes of [64, 4096])
    assert.equal(run(input, batchBytes).bytes, whole.bytes, `seed ${seed}`);
});

test.run();
