/**
 * The reader of audit records: heads, fields, encodings, prefixes, generated records against a plain parser, and
 * hostile lines.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { seeded } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';
import { ROOT } from './testfilter.js';
import { type Below, pick, surviveRubbish, word } from './rubbish.js';

const CORPUS = join(ROOT, '../shared/corpus/audit');
const STAMP = 'msg=audit(1769853600.123:89):';
const HEAD = { valid: true, _time: 1_769_853_600_123, _serial: 89 };
const FIELDS = [
  'a0',
  'a1',
  'exe',
  'comm',
  'cwd',
  'name',
  'acct',
  'key',
  'op',
  'res',
  'uid',
  'UID',
  'hostname',
  'proctitle',
];

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter('audit-fields');
});
test.after(() => filter.remove());

const read = (line: string, fields: readonly string[] = FIELDS) =>
  filter.readOne(line, { config: { fields } });

/** The fields of a record of this type with this body. */
function fieldsOf(type: string, body: string): WireRecord {
  const { valid, _type, _number, _time, _serial, ...fields } = read(`type=${type} ${STAMP} ${body}`);
  assert.is(valid, true, body);
  return fields;
}

test('a record gives its type, time, serial and fields', () => {
  const line = `type=SYSCALL ${STAMP} arch=c000003e a0=2D6C a1=1b uid=0 comm="ls" exe=2F746D702F6120622F6C73 key=(null)`;
  assert.equal(read(line), {
    ...HEAD,
    _type: 'SYSCALL',
    _number: 1300,
    a0: '2D6C',
    a1: '1b',
    uid: '0',
    comm: 'ls',
    exe: '/tmp/a b/ls',
  });
});

test('digits without quotes are decoded for the names that are encoded, with quotes for none', () => {
  assert.equal(fieldsOf('EXECVE', 'argc=2 a0="6C73" a1=2D6C20C3BC'), { a0: '6C73', a1: '-l \u00fc' });
  assert.equal(fieldsOf('SYSCALL', 'a0=6C73 uid=1000 hostname=ABCD'), {
    a0: '6C73',
    uid: '1000',
    hostname: 'ABCD',
  });
  assert.equal(fieldsOf('PATH', 'name=2F6120 comm=6c73 acct=4'), { name: '/a ', comm: '6c73', acct: '4' });
  assert.equal(fieldsOf('PROCTITLE', 'proctitle=6C73002D6C'), { proctitle: 'ls -l' });
  assert.equal(fieldsOf('CWD', ' cwd="/home/a\\"'), { cwd: '/home/a\\' });
});

test('an encoded name cannot forge a field', () => {
  const forged = Buffer.from('x" uid=0 exe="/bin/true').toString('hex').toUpperCase();
  assert.equal(fieldsOf('SYSCALL', `comm=${forged} uid=1000 exe="/bin/sh"`), {
    comm: 'x" uid=0 exe="/bin/true',
    uid: '1000',
    exe: '/bin/sh',
  });
});

/** What stands between a group and the pairs that auditd adds: some transports drop it. */
for (const [name, between] of [
  ['', '\x1d'],
  [', without the byte between them', ''],
] as const) {
  test(`pairs inside of msg and those that auditd adds are found${name}`, () => {
    const body = `pid=7 uid=0 msg='op=login acct="root" exe="/usr/sbin/sshd" hostname=? res=success'${between}UID="root" AUID="unset"`;
    assert.equal(fieldsOf('USER_LOGIN', body), {
      uid: '0',
      op: 'login',
      acct: 'root',
      exe: '/usr/sbin/sshd',
      res: 'success',
      UID: 'root',
    });
    assert.equal(fieldsOf('USER_CMD', `msg='cwd="/root" name=6C res=failed'${between}UID="a b"`), {
      cwd: '/root',
      name: 'l',
      res: 'failed',
      UID: 'a b',
    });
    assert.equal(
      fieldsOf(
        'USER_AUTH',
        `msg='PAM: auth acct=o'neil : exe="/bin/su" (hostname=h, res=success)'${between}UID="root"`,
      ),
      {
        acct: "o'neil",
        exe: '/bin/su',
        hostname: 'h',
        res: 'success',
        UID: 'root',
      },
    );
    assert.equal(fieldsOf('USER_ACCT', `msg='op=x hostname=?'${between}UID="root"`), {
      op: 'x',
      UID: 'root',
    });
    assert.equal(fieldsOf('USER_ACCT', `msg='op=o'neil's'${between}UID="root"`), {
      op: "o'neil's",
      UID: 'root',
    });
    assert.equal(fieldsOf('ADD_USER', `msg='op=x name=2F61'${between}UID="root"`), {
      op: 'x',
      name: '/a',
      UID: 'root',
    });
  });
}

test('a group ends at an apostrophe, not inside of a value', () => {
  assert.equal(fieldsOf('USER_AUTH', `msg='PAM: acct=o'neil : (hostname=h, res=success)'`), {
    acct: "o'neil",
    hostname: 'h',
    res: 'success',
  });
  assert.equal(fieldsOf('USER_ACCT', `op=a'b,c=d'e acct=x'=y=z hostname=''=z`), {
    op: "a'b",
    acct: "x'=y=z",
    hostname: "''=z",
  });
});

test('no value is told for ? and (null); of a repeated name the first counts', () => {
  assert.equal(fieldsOf('USER_ERR', `hostname=? acct="?" key=(null) uid=1 uid=2 name= op="" comm=(none)`), {
    uid: '1',
    name: '',
    op: '',
    comm: '(none)',
  });
});

const TYPES: readonly (readonly [string, string, number])[] = [
  ['SYSCALL', 'SYSCALL', 1300],
  ['1300', 'SYSCALL', 1300],
  ['UNKNOWN[1327]', 'PROCTITLE', 1327],
  ['UNKNOWN[1399]', 'UNKNOWN[1399]', 1399],
  ['1399', '1399', 1399],
  ['USER_LOGIN', 'USER_LOGIN', 1112],
  ['EOE', 'EOE', 1320],
  ['NEW_TYPE', 'NEW_TYPE', 0],
];

test('types are told by name and by number', () => {
  for (const [written, type, number] of TYPES) {
    assert.equal(read(`type=${written} ${STAMP} `), { ...HEAD, _type: type, _number: number }, written);
  }
});

const PREFIXED: readonly (readonly [string, WireRecord])[] = [
  [`node=fw-01 type=EOE ${STAMP}`, { _node: 'fw-01' }],
  [`<13>Jan 31 10:00:00 fw-01 audispd: node=fw-01 type=EOE ${STAMP}`, { _node: 'fw-01' }],
  [`Jan 31 10:00:00 fw-01 audisp-syslog[7]: type=EOE ${STAMP}`, {}],
  [`Jan 31 10:00:00 fw-01 audit[1]: type=EOE ${STAMP}`, {}],
  ['Jan 31 10:00:00 fw-01 kernel: audit: type=1320 audit(1769853600.123:89): ', {}],
  ['<5>Jan 31 10:00:00 fw-01 kernel: [   12.345678] audit: type=1320 audit(1769853600.123:89):', {}],
  ['Jan 31 10:00:00 fw-01 kernel: [12.5] type=1320 audit(1769853600.123:89):', {}],
];

test('records behind a node and behind a syslog header are read', () => {
  for (const [line, expected] of PREFIXED) {
    assert.equal(read(line), { ...HEAD, _type: 'EOE', _number: 1320, ...expected }, line);
  }
});

test('journald leaves out time and serial: the time is that of the header', () => {
  const line = `Jan 31 10:00:00 fw-01 audit[1]: USER_LOGIN pid=1 uid=0 msg='op=login acct="root" res=success'`;
  assert.equal(read(line), {
    valid: true,
    _type: 'USER_LOGIN',
    _number: 1112,
    _time: Date.parse('2026-01-31T10:00:00Z'),
    uid: '0',
    op: 'login',
    acct: 'root',
    res: 'success',
  });
});

const REFUSED: readonly string[] = [
  'type=SYSCALL',
  'type=SYSCALL msg=',
  'type=SYSCALL msg=audit(',
  'type=SYSCALL msg=audit(1769853600.123:89',
  'type=SYSCALL msg=audit(1769853600.123:): a=1',
  'type=SYSCALL msg=audit(1769853600:89): a=1',
  'type=SYSCALL msg=audit(1769853600.:89): a=1',
  'type=SYSCALL msg=audit(01/31/26 10:00:00.123:89): a=1',
  'type=SYSCALL msg=audit(-1.123:89): a=1',
  `type= ${STAMP} a=1`,
  `type=bad-type ${STAMP} a=1`,
  `TYPE=SYSCALL ${STAMP} a=1`,
  `node=x ${STAMP}`,
  'node=x SYSCALL a=1',
  ` type=SYSCALL ${STAMP}`,
  STAMP,
  'Jan 31 10:00:00 fw-01 audit[1]: started',
];

test('what is no record is malformed', () => {
  for (const line of REFUSED) assert.is(read(line).valid, false, line);
});

test('what another program logs is never a record', () => {
  for (const program of ['sshd[7]', 'logger', 'kernelx', 'myaudit']) {
    const line = `Jan 31 10:00:00 fw-01 ${program}: type=USER_LOGIN ${STAMP} uid=0`;
    assert.is(read(line).valid, false, line);
  }
  assert.is(read(`Jan 31 10:00:00 fw-01 kernel: usb: type=USER_LOGIN ${STAMP} uid=0`).valid, false);
});

test('a record takes nothing from the line before it or behind it', () => {
  const lines = [
    `node=n type=EXECVE ${STAMP} a0="open`,
    `type=CWD ${STAMP}`,
    `uid=1`,
    `type=PATH ${STAMP} name=`,
    '4142',
  ];
  const found = filter.read(lines, { config: { fields: FIELDS } });
  assert.equal(found[0], { ...HEAD, _node: 'n', _type: 'EXECVE', _number: 1309, a0: 'open' });
  assert.equal(found[1], { ...HEAD, _type: 'CWD', _number: 1307 });
  assert.equal(found[3], { ...HEAD, _type: 'PATH', _number: 1302, name: '' });
  assert.is(found[2]?.valid || found[4]?.valid, false);
});

/** How the kernel writes a text that a program chose. */
function written(text: string): string {
  return /[^!#-~]/.test(text) ? Buffer.from(text).toString('hex').toUpperCase() : `"${text}"`;
}

const TEXTS = ['exe', 'comm', 'cwd', 'name', 'acct', 'key', 'proctitle'];
const PLAIN = ['uid', 'hostname', 'op', 'res'];

/** A record as the kernel or a program writes it, and what it says. */
function generated(below: Below): { line: string; expected: WireRecord } {
  const [, type, number] = pick(TYPES.slice(0, 2), below);
  const expected: WireRecord = { ...HEAD, _type: type, _number: number };
  const pairs: string[] = [];
  for (let count = below(20); count > 0; count--) {
    const isText = below(2) === 0;
    const name = pick(isText ? TEXTS : PLAIN, below);
    const value = isText ? word('ab=\'"() \u00fc/\\,', 1, 20, below) : word('ab0/:.-', 1, 12, below);
    pairs.push(`${name}=${isText ? written(value) : value}`);
    expected[name] ??= value;
  }
  const inner = pairs.splice(below(pairs.length + 1));
  const group = inner.length ? ` msg='${inner.join(' ')}'\x1dUID="root"` : '';
  if (inner.length) expected.UID = 'root';
  return { line: `type=${type} ${STAMP} ${pairs.join(' ')}${group}`, expected };
}

test('generated records give what was put into them', () => {
  const seed = 20_260_131;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const records = Array.from({ length: 4_000 }, () => generated(below));
  const found = filter.read(
    records.map(({ line }) => line),
    { config: { fields: FIELDS } },
  );
  records.forEach(({ line, expected }, index) => {
    assert.equal(found[index], expected, line);
  });
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const below = seeded(5);
  surviveRubbish(filter, {
    seed: 20_260_205,
    bases: [
      ...PREFIXED.map(([line]) => line),
      ...REFUSED,
      ...Array.from({ length: 60 }, () => generated(below).line),
    ],
    rounds: 4_000,
    good: `type=CWD ${STAMP} cwd=2F20`,
    expected: { ...HEAD, _type: 'CWD', _number: 1307, cwd: '/ ' },
    options: { config: { fields: FIELDS } },
  });
});

test('a field of a megabyte costs no more than its length', () => {
  const startMs = performance.now();
  for (const part of ['x', '41', "'", '(', '=', ' a=', '"', '\x1d', ',a']) {
    const filler = part.repeat(1_000_000 / part.length);
    const lines = ['exe=', 'exe="', "msg='op="].map((start) => `type=CWD ${STAMP} ${start}${filler}`);
    lines.push(`type=${filler}`, `node=${filler}`, `type=CWD ${STAMP} uid=1`);
    const found = filter.read(lines, { config: { fields: FIELDS }, batchBytes: 2 * 1_048_576 });
    assert.equal(found.at(-1), { ...HEAD, _type: 'CWD', _number: 1307, uid: '1' });
  }
  assert.ok(performance.now() - startMs < 15_000, `${performance.now() - startMs} ms`);
});

interface Golden {
  readonly '@timestamp': string;
  readonly record_type: string;
  readonly sequence: number;
  readonly raw_msg: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** Fields that go-libaudit tells as they stand, or decoded; it makes others out of numbers. */
const COMPARED = [
  'comm exe cwd name acct proctitle cmd pid ppid uid gid euid tty op hostname addr terminal items',
  'item argc inode nametype a0 a1 a2 a3 a4 unit id grantors dev mode ouid ogid list family table',
  'ver format kernel rport laddr lport cipher direction spid suid fp old-level new-level',
].flatMap((names) => names.split(' '));
/** Where we read differently, and why. */
const SOCKET_ADDRESS = 'saddr is binary, and stays as it stands';
const DIFFERENT: ReadonlyMap<string, string> = new Map([
  ['sockaddr addr', SOCKET_ADDRESS],
  ['sockaddr family', SOCKET_ADDRESS],
]);

test('records of go-libaudit give the fields of its golden files', () => {
  const folder = join(CORPUS, 'go-libaudit/auparse');
  if (!existsSync(folder)) {
    console.log(`\nnote: skipped, there are no records in ${folder}`);
    return;
  }
  let heads = 0;
  let agreed = 0;
  const other = new Map<string, string>();
  for (const name of ['audit-rhel6', 'audit-rhel7', 'audit-ubuntu14', 'test2']) {
    const golden = JSON.parse(readFileSync(join(folder, `${name}.log.golden`), 'utf8')) as (Golden | null)[];
    // A line that is no record has no entry.
    for (const record of golden.filter((entry) => entry !== null)) {
      const { '@timestamp': at, record_type: type, sequence, raw_msg: raw, data = {} } = record;
      const line = `type=${type.toUpperCase()} msg=${raw}`;
      const found = read(line, COMPARED);
      assert.is(found.valid, true, line);
      assert.is(found._time, Date.parse(at), line);
      assert.is(found._serial, sequence, line);
      heads++;
      for (const field of COMPARED) {
        if (data[field] === undefined && found[field] === undefined) continue;
        if (data[field] === found[field]) agreed++;
        else other.set(`${type} ${field}`, `${found[field]}, not ${data[field]}`);
      }
    }
  }
  console.log(`\nnote: ${heads} heads and ${agreed} fields of go-libaudit agree, ${other.size} differ`);
  for (const [field, values] of other)
    console.log(`note: differs: ${field}: ${values}: ${DIFFERENT.get(field)}`);
  assert.equal([...other.keys()].sort(), [...DIFFERENT.keys()].sort());
});

test.run();
