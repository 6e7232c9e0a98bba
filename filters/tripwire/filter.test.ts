/**
 * `tripwire`: a new kind of line or a new program is told once, words that vary hide no other kind, and what finds no room
 * goes on being told.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadFilter } from '../../host/filter/library.js';
import { takeOver } from '../../host/filter/state.js';
import type { WireRecord } from '../../host/wire.js';
import { moved, start } from '../../test/filter/handover.js';
import { ledgerAddsUp, type RunResult, runFilter, seeded, stream } from '../../test/filter.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const KINDS_MAX = 256;
const PLACES = 4096;
const PROGRAMS = 512;
/** Values of a word before its place varies. */
const VARIETY = 16;
const CONFIG = { varies_after: VARIETY };
/** Lines of a program that are told in an hour, of those that find no room. */
const TOLD_AN_HOUR = 8;

function run(input: readonly string[] | Uint8Array, batchBytes = 65_536): RunResult {
  const result = runFilter('tripwire', input, { batchBytes, config: CONFIG });
  assert.ok(ledgerAddsUp(result));
  return result;
}

const says = (message: string, program = 'app', hour = 10) =>
  `Jan 30 ${hour}:00:00 fw-01 ${program}[7]: ${message}`;
const many = (count: number, line: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => line(at));
const word = (at: number) => String(at).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] as string);
/** Two words that are others in each message: no place of one word can be found for them. */
const apart = (at: number) => `user ${word(at)} of ${word(at)}`;

const kindsIn = (records: readonly WireRecord[]) => records.map(({ kind }) => kind);
const isOverflow = ({ overflow }: WireRecord) => overflow === true;
const sum = (records: readonly WireRecord[], field: string) =>
  records.reduce((total, record) => total + Number(record[field] ?? 0), 0);

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

test('names that are guessed are told 16 times, their place once, and hide nothing', () => {
  const guess = (at: number) => says(`Invalid user ${word(at)} from 192.0.2.7 port 1`, 'sshd');
  const staging = ['subsystem request for backdoor by user root', 'exec of /tmp/implant succeeded'];
  const result = run([...many(300, guess), ...staging.map((message) => says(message, 'sshd', 11))]);
  const news = stream(result, 'new');
  assert.equal(kindsIn(news), [
    ...many(VARIETY, (at) => `Invalid user ${word(at)} from # port #`),
    'Invalid user * from # port #',
    ...staging,
  ]);
  assert.equal(news[VARIETY], {
    ts: Date.parse('2026-01-30T10:00:00Z'),
    host: 'fw-01',
    program: 'sshd',
    varies: true,
    kind: 'Invalid user * from # port #',
  });
  assert.is(result.ledger.kept, VARIETY + staging.length);
  assert.is(result.ledger.overflowed, 0);
});

test('kinds that vary take the room of one each, wherever the word stands', () => {
  const templates = many(KINDS_MAX - VARIETY, word);
  const messages = templates.flatMap((name, at) =>
    many(VARIETY + 1, (value) => [`${word(value)} ${name}`, `${name} ${word(value)} y`][at % 2] as string),
  );
  const { ledger, records } = run(messages.map((message) => says(message)));
  assert.is(records.length, templates.length * (VARIETY + 1));
  assert.is(ledger.kept, templates.length * VARIETY);
  assert.is(ledger.overflowed, 0);
});

test('a place varies for its own program and kind only, and a line cannot say that one does', () => {
  const varied = many(VARIETY, (at) => `port ${word(at)} up`);
  const others = ['port zzz down', 'link zzz up', 'port zzz zzz up', 'port up'];
  assert.equal(kindsOf(...varied, 'port zzz up', ...others), [...varied, 'port * up', ...others]);
  const news = stream(
    run([...varied, 'port zzz up'].map((text, at) => says(text, at % 2 ? 'a' : 'b'))),
    'new',
  );
  assert.is(news.length, VARIETY + 1);
});

test('several words of a program vary, each in its own kind; what a line calls `*` is none of them', () => {
  const ports = many(VARIETY, (at) => `port ${word(at)} up`);
  const guesses = many(VARIETY, (at) => `${word(at)} was guessed`);
  const known = ['port zzz up', 'zzz was guessed', 'port zzy up'];
  const stars = ['link * up', 'link zzz up', 'link zzy up'];
  assert.equal(kindsOf(...ports, ...guesses, ...known, ...stars), [
    ...ports,
    'port * up',
    ...guesses,
    '* was guessed',
    ...stars,
  ]);
});

test('kinds of another number of words are no values of a word', () => {
  const longer = many(2 * VARIETY, (at) => `port ${word(at)} ${word(at)} up`);
  const kinds = [...longer, 'port zzz up', 'port up'];
  assert.equal(kindsOf(...kinds), kinds);
});

test('words past the 32nd are no place', () => {
  const message = (before: number) => (at: number) => `${'x '.repeat(before)}${word(at)} y`;
  assert.is(kindsOf(...many(40, message(31))).length, VARIETY + 1);
  assert.is(kindsOf(...many(40, message(32))).length, 40);
});

test('a program that finds no room is told for ever: some lines an hour, and how many more', () => {
  const perHour = 300;
  const flood = [10, 11, 12].flatMap((hour) =>
    many(perHour, (at) => says(apart(hour * 1_000 + at), 'sshd', hour)),
  );
  const result = run([...flood, says('hello', 'cron', 13)]);
  const news = stream(result, 'new');
  const told = news.filter((record) => isOverflow(record) && 'kind' in record);
  const untold = news.filter((record) => 'untold' in record);
  const hours = [10, 11, 12].map((hour) => Date.parse(`2026-01-30T${hour}:00:00Z`));
  assert.equal(
    told.map(({ ts }) => ts),
    hours.flatMap((ts) => Array(TOLD_AN_HOUR).fill(ts)),
  );
  const lost = [perHour - KINDS_MAX, perHour, perHour].map((lines) => lines - TOLD_AN_HOUR);
  assert.equal(
    untold,
    hours.map((ts, at) => ({
      ts,
      window_ms: 3_600_000,
      program: 'sshd',
      overflow: true,
      untold: lost[at],
    })),
  );
  assert.is(result.ledger.overflowed, told.length + sum(untold, 'untold'));
  assert.equal(kindsIn(news.filter(({ program }) => program === 'cron')), ['hello']);
});

test('what was known stays known, and places are still found by those that were, when a program finds no room', () => {
  const guesses = many(VARIETY, (at) => `guess ${word(at)}`);
  const flood = many(KINDS_MAX, apart);
  const before = [...guesses, 'known', ...flood];
  const { ledger } = run([...before, 'known', 'guess zzz', 'guess zzy'].map((message) => says(message)));
  // The room of one is taken by the place, that of another one by what was known.
  assert.is(ledger.overflowed, 2);
});

test('untold lines are told while other lines come, without a quiet moment', () => {
  const flood = many(KINDS_MAX + TOLD_AN_HOUR + 5, (at) => says(apart(at)));
  const driven = runFilter('tripwire', [...flood, says(apart(0), 'app', 12)], { closeWindows: false });
  assert.is(sum(stream(driven, 'new'), 'untold'), 5);
});

test('an hour of which all was told has no record of its own', () => {
  const lines = many(KINDS_MAX + TOLD_AN_HOUR, (at) => says(apart(at)));
  assert.is(run(lines).records.length, lines.length);
});

test('two programs that find no room have each their own lines', () => {
  const names = ['sshd', 'httpd'];
  const flood = many(2 * (KINDS_MAX + 50), (at) => says(apart(at), names[at % 2]));
  const news = stream(run(flood), 'new').filter(isOverflow);
  for (const name of names) {
    const own = news.filter(({ program }) => program === name);
    assert.is(own.length, TOLD_AN_HOUR + 1, name);
    assert.is(sum(own, 'untold'), 50 - TOLD_AN_HOUR, name);
  }
});

test('when all places are taken each program goes on being told', () => {
  const perProgram = KINDS_MAX - 6;
  const programs = Math.ceil((PLACES + 500) / perProgram);
  const lines = many(programs * perProgram, (at) => says(apart(at), `p${word(at % programs)}`));
  const result = run(lines);
  const news = stream(result, 'new');
  const untold = sum(news, 'untold');
  assert.is(news.filter((record) => !isOverflow(record)).length, PLACES);
  assert.is(news.filter((record) => isOverflow(record) && 'kind' in record).length, programs * TOLD_AN_HOUR);
  assert.is(PLACES + programs * TOLD_AN_HOUR + untold, lines.length);
  assert.is(result.ledger.overflowed, lines.length - PLACES);
});

test('programs past the 512th share what is told in an hour', () => {
  const lines = many(PROGRAMS + 100, (at) => says('hello', `p${word(at)}`));
  const result = run([...lines, ...lines]);
  const news = stream(result, 'new');
  assert.is(news.filter(({ new_program }) => new_program === true).length, PROGRAMS);
  assert.is(news.filter((record) => isOverflow(record) && 'kind' in record).length, TOLD_AN_HOUR);
  assert.equal(
    news.filter((record) => 'untold' in record).map(({ program, untold }) => [program, untold]),
    [['*', 200 - TOLD_AN_HOUR]],
  );
  assert.is(result.ledger.overflowed, 200);
});

test('an hour has a bounded number of records, whatever one program says', () => {
  const seed = 20_261_127;
  console.log(`note: seed ${seed}`);
  const random = seeded(seed);
  const said = () => many(1 + random(4), () => word(random(40))).join(' ');
  const lines = [10, 11].flatMap((hour) => many(20_000, () => says(said(), 'app', hour)));
  const news = stream(run(lines), 'new').filter(({ ts }) => ts === Date.parse('2026-01-30T11:00:00Z'));
  assert.is(news.length, TOLD_AN_HOUR + 1);
});

test('a filter that takes over goes on: kinds, places and hours', () => {
  const messages = [
    ...many(VARIETY + 4, (at) => `guess ${word(at)}`),
    ...many(KINDS_MAX + 20, apart),
    'guess zzz',
    'something else',
  ];
  const lines = messages.map((message) => says(message));
  const filter = loadFilter('tripwire');
  const whole = start(filter, { config: CONFIG }).feed(lines).end().records();
  for (const cut of [3, VARIETY - 1, VARIETY, VARIETY + 100, VARIETY + KINDS_MAX + 8, lines.length - 2]) {
    const old = start(filter, { config: CONFIG }).feed(lines.slice(0, cut));
    const next = start(moved(filter), { config: CONFIG });
    assert.equal(takeOver(old.filter, next.filter).missing, []);
    next.feed(lines.slice(cut)).end();
    assert.equal([...old.records(), ...next.records()], whole, `cut at ${cut}`);
  }
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

test('places and hours do not depend on batches', () => {
  const lines = [10, 11].flatMap((hour) => [
    ...many(200, (at) => says(apart(hour * 1_000 + at), 'app', hour)),
    ...many(40, (at) => says(`guess ${word(at)}`, word(hour), hour)),
  ]);
  const whole = run(lines);
  assert.ok(whole.ledger.overflowed > TOLD_AN_HOUR);
  assert.equal(run(lines, 1).bytes, whole.bytes);
});

test.run();
