/**
 * The syslog reader on headers of all three forms, malformed lines and hostile ones.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { seeded } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter();
});
test.after(() => filter.remove());

/** Without the marks that every valid line with a priority has. */
function essence({ facility: _facility, severity: _severity, ...fields }: WireRecord): WireRecord {
  return fields;
}

const at = (time: string) => Date.parse(time);

const READ: readonly (readonly [string, WireRecord])[] = [
  [
    '<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - failed for lonvick',
    {
      priority: 34,
      version: 1,
      time: at('2003-10-11T22:14:15.003Z'),
      host: 'mymachine.example.com',
      program: 'su',
      message_id: 'ID47',
      message: 'failed for lonvick',
    },
  ],
  ['<191>999 - - - - - -', { priority: 191, version: 999 }],
  ['<0>1 - - - 7 - - ', { priority: 0, version: 1, pid: '7' }],
  [
    '<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 p 8710 - [a@1 x="1\\]" y=""][b] ]["',
    {
      priority: 165,
      version: 1,
      time: at('2003-08-24T05:14:15.000-07:00'),
      host: '192.0.2.1',
      host_is_address: true,
      program: 'p',
      pid: '8710',
      structured_data: '[a@1 x="1\\]" y=""][b]',
      message: ']["',
    },
  ],
  [
    '<38>Jan 30 09:05:06 fw-01 sshd-session[4711]: Failed <13>Feb  1 00:00:00 evil sshd[1]: Accepted',
    {
      priority: 38,
      time: at('2026-01-30T09:05:06Z'),
      host: 'fw-01',
      program: 'sshd-session',
      pid: '4711',
      message: 'Failed <13>Feb  1 00:00:00 evil sshd[1]: Accepted',
    },
  ],
  [
    'Jan  2 09:05:06 fw-01 /usr/sbin/cron[12]: (root) CMD (true)',
    {
      time: at('2026-01-02T09:05:06Z'),
      host: 'fw-01',
      program: '/usr/sbin/cron',
      pid: '12',
      message: '(root) CMD (true)',
    },
  ],
  ['Jan 2 09:05:06 h (sd-pam):', { time: at('2026-01-02T09:05:06Z'), host: 'h', program: '(sd-pam)' }],
  [
    'Jan 02 09:05:06.250 h com.apple.xpc[7] <Info>: up',
    {
      time: at('2026-01-02T09:05:06.250Z'),
      host: 'h',
      program: 'com.apple.xpc',
      pid: '7',
      message: '<Info>: up',
    },
  ],
  [
    '2026-01-02T09:05:06.689651+02:00 mono postfix/smtpd[34256]: connect',
    {
      time: at('2026-01-02T07:05:06.689Z'),
      host: 'mono',
      program: 'postfix/smtpd',
      pid: '34256',
      message: 'connect',
    },
  ],
  [
    '<14>2026-01-02T09:05:06Z h su: hello',
    { priority: 14, time: at('2026-01-02T09:05:06Z'), host: 'h', program: 'su', message: 'hello' },
  ],
  // No tag: all of it is the message.
  [
    '<13>Jan  5 17:32:18 10.0.0.99 Use the BFG!',
    {
      priority: 13,
      time: at('2026-01-05T17:32:18Z'),
      host: '10.0.0.99',
      host_is_address: true,
      message: 'Use the BFG!',
    },
  ],
  ['Jan  5 17:32:18 h a[b c]: d', { time: at('2026-01-05T17:32:18Z'), host: 'h', message: 'a[b c]: d' }],
  ['Jan  5 17:32:18 h', { time: at('2026-01-05T17:32:18Z'), host: 'h' }],
  [
    'Jan  5 17:32:18 kernel: [1.5] up',
    { time: at('2026-01-05T17:32:18Z'), program: 'kernel', message: '[1.5] up' },
  ],
  [
    'Jan  5 17:32:18  su[7]: no',
    { time: at('2026-01-05T17:32:18Z'), program: 'su', pid: '7', message: 'no' },
  ],
  ['Jan  5 17:32:18: --- MARK ---', { time: at('2026-01-05T17:32:18Z'), message: '--- MARK ---' }],
  [
    '<189>Jan  5 17:32:18 2001:db8::1: %SYS-5-CONFIG_I: x',
    {
      priority: 189,
      time: at('2026-01-05T17:32:18Z'),
      host: '2001:db8::1',
      host_is_address: true,
      program: '%SYS-5-CONFIG_I',
      message: 'x',
    },
  ],
  // A year of its own.
  [
    '<166>Jan  2 2006 15:04:05 asa : %ASA',
    { priority: 166, time: at('2006-01-02T15:04:05Z'), host: 'asa', message: ': %ASA' },
  ],
  [
    '2006 Jan  2 15:04:05 h p: m',
    { time: at('2006-01-02T15:04:05Z'), host: 'h', program: 'p', message: 'm' },
  ],
  [
    'Jan  2 15:04:05 2006 h p: m',
    { time: at('2006-01-02T15:04:05Z'), host: 'h', program: 'p', message: 'm' },
  ],
  [
    'Jan  2 15:04:05 1984 p: m',
    { time: at('2026-01-02T15:04:05Z'), host: '1984', program: 'p', message: 'm' },
  ],
  [
    'Jan  2 15:04:05 h h p[7]: h m',
    { time: at('2026-01-02T15:04:05Z'), host: 'h', program: 'p', pid: '7', message: 'h m' },
  ],
  // Spaces behind the priority.
  [
    '<34>  Jan  2 15:04:05 h p: m',
    { priority: 34, time: at('2026-01-02T15:04:05Z'), host: 'h', program: 'p', message: 'm' },
  ],
];

const CONFIGURED = { program: '%SYS-5-CONFIG_I', message: 'Configured from console by ann' };
const ROUTER = { host: 'rt-01', time: at('2026-01-31T10:00:00Z'), ...CONFIGURED };
const { host: _host, ...NAMELESS } = ROUTER;
const { time: _time, ...TIMELESS } = ROUTER;
const SAID = '%SYS-5-CONFIG_I: Configured from console by ann';

/** What routers, switches and firewalls of Cisco write behind `<189>`. */
const CISCO: readonly (readonly [string, WireRecord])[] = [
  [`77: rt-01: 021: Jan 31 10:00:00: ${SAID}`, ROUTER],
  [`77: rt-01: *Jan 31 10:00:00: ${SAID}`, ROUTER],
  [`core-rt-01: Jan 31 10:00:00: ${SAID}`, { ...ROUTER, host: 'core-rt-01' }],
  [`rt-01: .Jan 31 10:00:00.250 CET: ${SAID}`, { ...ROUTER, time: at('2026-01-31T10:00:00.250Z') }],
  [`rt-01: 2026 Jan 31 10:00:00 CEST: ${SAID}`, ROUTER],
  [`rt-01: *spamApTask1: Jan 31 10:00:00: ${SAID}`, ROUTER],
  [`Jan 31 10:00:00 rt-01 ${SAID}`, ROUTER],
  [`Jan 31 10:00:00 rt-01 : ${SAID}`, ROUTER],
  [`77: rt-01 RP/0/RP1/CPU0:Jan 31 10:00:00 : ${SAID}`, ROUTER],
  [`77: Jan 31 10:00:00 UTC: ${SAID}`, NAMELESS],
  [`Jan 31 10:00:00 UTC: ${SAID}`, NAMELESS],
  [`:Jan 31 10:00:00 UTC: ${SAID}`, NAMELESS],
  [`: 2026 Jan 31 10:00:00 EST: ${SAID}`, NAMELESS],
  [`Jan 31 10:00:00: ${SAID}`, NAMELESS],
  [`rt-01: 00:01:01: ${SAID}`, TIMELESS],
  [
    'RP/0/RP1/CPU0:Jan 31 10:00:00: config[65]: %MGBL-SYS-5-CONFIG_I : done',
    {
      time: at('2026-01-31T10:00:00Z'),
      program: 'config',
      pid: '65',
      message: '%MGBL-SYS-5-CONFIG_I : done',
    },
  ],
];

test('headers of Cisco give host, time and mnemonic, whichever of them they have', () => {
  const found = filter.read(CISCO.map(([line]) => `<189>${line}`));
  CISCO.forEach(([line, expected], index) => {
    assert.equal(essence(found[index] ?? {}), { valid: true, priority: 189, ...expected }, line);
  });
});

test('headers of RFC 5424, RFC 3164 and rsyslog files are read into their fields', () => {
  const found = filter.read(READ.map(([line]) => line));
  READ.forEach(([line, expected], index) => {
    assert.equal(essence(found[index] ?? {}), { valid: true, ...expected }, line);
  });
});

const MALFORMED: readonly string[] = [
  '<192>1 - - - - - -',
  '<01>1 - - - - - -',
  '<>1 - - - - - -',
  '<1 1 - - - - - -',
  '<1>01 - - - - - -',
  '<1>0 - - - - - -',
  '<1>1000 - - - - - -',
  '<1>1',
  '<1>1 ',
  '<1>1 - - - - -',
  '<1>1 - - - - - ',
  '<1>1 -  - - - -',
  `<1>1 - ${'h'.repeat(256)} - - - -`,
  `<1>1 - - ${'p'.repeat(49)} - - -`,
  `<1>1 - - - ${'i'.repeat(129)} - -`,
  `<1>1 - - - - ${'m'.repeat(33)} -`,
  '<1>1 - h\u00e9 - - - -',
  '<1>1 2003-10-11t22:14:15Z - - - - -',
  '<1>1 2003-10-11T22:14:15z - - - - -',
  '<1>1 2003-10-11T22:14:15 - - - - -',
  '<1>1 2003-10-11T22:14:15.123 - - - - -',
  '<1>1 2003-10-11T22:14:15.1234567Z - - - - -',
  '<1>1 2003-10-11T22:14:15.Z - - - - -',
  '<1>1 2003-10-11T22:14:60Z - - - - -',
  '<1>1 2003-10-11T24:00:00Z - - - - -',
  '<1>1 2003-02-29T22:14:15Z - - - - -',
  '<1>1 2003-10-11T22:14:15+24:00 - - - - -',
  '<1>1 - - - - - -x',
  '<1>1 - - - - - []',
  '<1>1 - - - - - [a ]',
  '<1>1 - - - - - [a b]',
  '<1>1 - - - - - [a b=c]',
  '<1>1 - - - - - [a b="c]',
  '<1>1 - - - - - [a b="]"]',
  '<1>1 - - - - - [a b="c\\"]',
  '<1>1 - - - - - [a b="c"]x',
  '<1>1 - - - - - [a][b][a]',
  `<1>1 - - - - - [${'i'.repeat(33)}]`,
  '<13>no time at all',
  'no time at all',
  'Jan  5 17:32:18',
  'Jan  5 17:32:18 ',
  'Jan 32 17:32:18 h p: m',
  'Feb 30 17:32:18 h p: m',
  'Jan  0 17:32:18 h p: m',
  'Jan  5 25:32:18 h p: m',
  'Jan  5 17:32:18h p: m',
  '<13>x: Jan  5 17:32:18 h p: m',
  '<13>x: y: 100 % of it: z',
  '<13>a: b: c: d: e: f: g: Jan  5 17:32:18: %SYS-5-CONFIG_I: m',
  '<13>%SYS-5-CONFIG_I: m',
  'rt-01: Jan  5 17:32:18: %SYS-5-CONFIG_I: m',
  ' Jan  5 17:32:18 h p: m',
  'jan  5 17:32:18 h p: m',
  '2026-01-02T09:05:06Zh p: m',
];

test('what breaks the grammar is malformed', () => {
  const found = filter.read(MALFORMED);
  MALFORMED.forEach((line, index) => {
    assert.is(found[index]?.valid, false, line);
  });
});

test('fields before a fault stay set', () => {
  assert.equal(essence(filter.readOne('<34>1 2003-10-11T22:14:15Z host su 1 ID [broken')), {
    valid: false,
    priority: 34,
    version: 1,
    time: at('2003-10-11T22:14:15Z'),
    host: 'host',
    program: 'su',
    pid: '1',
    message_id: 'ID',
  });
});

test('a line takes nothing from the line before it', () => {
  assert.equal(filter.read(['<34>1 2003-10-11T22:14:15Z host su 1 ID [a] m', '<1>1 - - - - - -'])[1], {
    valid: true,
    priority: 1,
    facility: 0,
    severity: 1,
    version: 1,
  });
});

test('values of structured data are found by id and name, as they were sent', () => {
  const params = ['a/x', 'a/y', 'b@1/x', 'a/z', 'c/x', 'none/x'];
  const line = '<1>1 - - - - - [a x="1" y="\\"\\\\\\]\\n" x="2"][b@1 x=""][c] x="3"';
  const found = filter.readOne(line, { config: { params } });
  assert.is(found.valid, true);
  assert.equal(
    params.map((name) => found[name]),
    ['1', '\\"\\\\\\]\\n', '', undefined, undefined, undefined],
  );
});

test('a byte order mark stays in the message and makes it UTF-8', () => {
  const head = Buffer.from('<1>1 - - - - - - ');
  const mark = Buffer.from([0xef, 0xbb, 0xbf]);
  const lines = [Buffer.from('κόσμε'), Buffer.from([0xc1]), Buffer.from([0xf8, 0x88])].flatMap((text) => [
    Buffer.concat([head, mark, text]),
    Buffer.concat([head, text]),
  ]);
  const input = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
  assert.equal(
    filter.read(input).map(({ valid }) => valid),
    [true, true, false, true, false, true],
  );
  const { bytes } = filter.run(Buffer.concat([head, mark, Buffer.from('a\n')]));
  assert.ok(bytes.includes(Buffer.concat([mark, Buffer.from('a')])));
});

test('values of structured data must be UTF-8', () => {
  const line = Buffer.concat([
    Buffer.from('<1>1 - - - - - [a b="'),
    Buffer.from([0xc1]),
    Buffer.from('"]\n'),
  ]);
  assert.is(filter.read(line)[0]?.valid, false);
});

test('a newline inside a message, written as #012, is text', () => {
  assert.is(
    filter.readOne('<1>1 - - - - - - first#012<2>1 - - - - - - second').message,
    'first#012<2>1 - - - - - - second',
  );
  assert.is(filter.readOne('<1>1 - - - - - -#012\t\t<2>1 - - - - - -').valid, false);
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const seed = 20_260_131;
  console.log(`note: seed ${seed}`);
  const below = seeded(seed);
  const bases = [...READ.map(([line]) => line), ...CISCO.map(([line]) => `<189>${line}`), ...MALFORMED].map(
    (line) => Buffer.from(line),
  );
  const parts: Buffer[] = [];
  const rounds = 4_000;
  for (let round = 0; round < rounds; round++) {
    parts.push(
      hostile(bases, below),
      Buffer.from(`\n<13>Jan  5 17:32:18 sentinel check[${round}]: line ${round}\n`),
    );
  }
  const input = Buffer.concat(parts);
  for (const batchBytes of [4_096, 65_536]) {
    const sentinels = filter.read(input, { batchBytes }).filter(({ host }) => host === 'sentinel');
    assert.is(sentinels.length, rounds);
    sentinels.forEach((fields, round) => {
      assert.is(fields.pid, String(round));
      assert.is(fields.message, `line ${round}`);
    });
  }
});

/** A line cut short, with flipped bits, repeated, or of any bytes; never with a newline inside. */
function hostile(bases: readonly Buffer[], below: (limit: number) => number): Buffer {
  const base = bases[below(bases.length)] as Buffer;
  const line = Buffer.from(base);
  const kind = below(4);
  if (kind === 0) return line.subarray(0, below(line.length + 1));
  if (kind === 1) for (let flips = 1 + below(4); flips > 0; flips--) line[below(line.length)] = below(256);
  const bytes =
    kind === 2
      ? Buffer.concat(Array.from({ length: 1 + below(5) }, () => line.subarray(below(line.length))))
      : kind === 3
        ? Buffer.from(Array.from({ length: below(200) }, () => below(256)))
        : line;
  for (let index = 0; index < bytes.length; index++) if (bytes[index] === 10) bytes[index] = 0;
  return bytes;
}

test('a line full of elements or of brackets costs no more than its length', () => {
  const line = (filler: string) => `<1>1 - - - - - ${filler.repeat(8_000)} m`;
  const startMs = performance.now();
  const ids = Array.from({ length: 8_000 }, (_, id) => `[${id}]`).join('');
  const found = filter.read([
    `<1>1 - - - - - ${ids} m`,
    line('['),
    line('[a]'),
    line('[a b="\\'),
    `Jan  5 17:32:18 h ${'['.repeat(30_000)}`,
  ]);
  assert.equal(
    found.map(({ valid }) => valid),
    [true, false, false, false, true],
  );
  assert.ok(performance.now() - startMs < 2_000);
});

test.run();
