/**
 * `ssh-auth`: what it tells, and what an attacker who chooses his own name cannot make it tell.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import {
  ledgerAddsUp,
  type RunOptions,
  type RunResult,
  runFilter,
  seeded,
  stream,
} from '../../test/filter.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const REAL_LOG = join(ROOT, '../shared/corpus/ssh/elastic-examples/auth.log');
const MINUTE_MS = 60_000;

function run(input: readonly string[] | Uint8Array, options?: RunOptions): RunResult {
  const result = runFilter('ssh-auth', input, options);
  assert.ok(ledgerAddsUp(result));
  return result;
}

/** A line of sshd in the form of a log file. */
const says = (message: string, clock = '10:00:00', program = 'sshd[7]') =>
  `Jan 30 ${clock} fw-01 ${program}: ${message}`;

/** The login that one message of sshd is told as; `undefined` for none. */
function loginOf(message: string): WireRecord | undefined {
  const [login, ...others] = stream(run([says(message)]), 'logins');
  assert.is(others.length, 0);
  return login;
}

const sum = (records: readonly WireRecord[], field: string) =>
  records.reduce((total, record) => total + (record[field] as number), 0);

test('a config is refused, because this filter has no settings', () => {
  assert.throws(
    () => runFilter('ssh-auth', [], { config: { users: 1 } }),
    /config: expected no keys; found "users"/,
  );
  assert.equal(runFilter('ssh-auth', [], { config: {} }).records, []);
});

test('a refused password is told with who, from where, and on which host', () => {
  assert.equal(loginOf('Failed password for invalid user bob from 203.0.113.9 port 40022 ssh2'), {
    ts: Date.parse('2026-01-30T10:00:00Z'),
    outcome: 'failure',
    method: 'password',
    user: 'bob',
    invalid_user: true,
    src_ip: '203.0.113.9',
    src_port: 40_022,
    host: 'fw-01',
    count: 1,
  });
});

test('an accepted key is told without its fingerprint', () => {
  assert.equal(loginOf('Accepted publickey for ann from 2001:db8::7 port 1 ssh2: ED25519 SHA256:a+/b='), {
    ts: Date.parse('2026-01-30T10:00:00Z'),
    outcome: 'success',
    method: 'publickey',
    user: 'ann',
    invalid_user: false,
    src_ip: '2001:db8::7',
    src_port: 1,
    host: 'fw-01',
    count: 1,
  });
});

const TOLD: readonly (readonly [string, Partial<WireRecord>])[] = [
  [
    'Failed none for invalid user  from 1.2.3.4 port 5 ssh2',
    { method: 'none', user: '', invalid_user: true },
  ],
  ['Failed none for  from 1.2.3.4 port 5 ssh2', { user: '', invalid_user: false }],
  ['Failed password for illegal user bob from 1.2.3.4 port 5 ssh2', { user: 'bob', invalid_user: true }],
  ['Failed password for root from 1.2.3.4 port 5', { user: 'root' }],
  ['Failed rsa for root from 1.2.3.4 port 5 ssh1', { method: 'rsa' }],
  ['Failed password for root from 1.2.3.4 port 5 ssh2 [preauth]', { user: 'root' }],
  [
    'Failed keyboard-interactive/pam for root from 1.2.3.4 port 5 ssh2',
    { method: 'keyboard-interactive/pam' },
  ],
  ['Accepted gssapi-with-mic for ann from 1.2.3.4 port 5 ssh2: ann@EXAMPLE.COM', { user: 'ann' }],
  ['Accepted publickey for ann from 1.2.3.4 port 5 ssh2: RSA 4a:1b:2c', { user: 'ann' }],
  [
    'Accepted publickey for ann from 1.2.3.4 port 5 ssh2: RSA-CERT SHA256:a ID ann (serial 0) CA RSA SHA256:b',
    { user: 'ann' },
  ],
  [
    'Accepted hostbased for ann from 1.2.3.4 port 5 ssh2: RSA SHA256:a, client user "ann", client host "h"',
    { method: 'hostbased' },
  ],
  ['Failed password for a b c from 1.2.3.4 port 5 ssh2', { user: 'a b c' }],
  ['Failed password for Jürgen \u{1f511} from 1.2.3.4 port 5 ssh2', { user: 'Jürgen \u{1f511}' }],
  ['Failed password for "a\' from 1.2.3.4 port 5 ssh2', { user: '"a\'' }],
  ['Failed password for root from fe80::1%eth0 port 5 ssh2', { src_ip: 'fe80::1%eth0' }],
  ['Failed password for root from ::ffff:1.2.3.4 port 5 ssh2', { src_ip: '::ffff:1.2.3.4' }],
  ['Failed password for root from UNKNOWN port 65535 ssh2', { src_ip: 'UNKNOWN', src_port: 65_535 }],
];

test('every method, form and kind of address that sshd writes is read', () => {
  for (const [message, expected] of TOLD) {
    const found = loginOf(message) ?? {};
    assert.equal({ ...found, ...expected }, found, message);
    if (!('src_ip' in expected)) assert.equal([found.src_ip, found.src_port], ['1.2.3.4', 5], message);
  }
});

const FORGERIES = [
  'x from 6.6.6.6 port 22',
  'x from 6.6.6.6 port 22 ssh2',
  'x from 6.6.6.6 port 22 ssh2: RSA SHA256:AAAA',
  'x from 6.6.6.6 port 22 ssh2]',
  'x from 6.6.6.6 port 22 ssh2 [preauth]',
  ' from 6.6.6.6 port 22 ssh2',
  'from 6.6.6.6 port 22 ssh2',
  'x port 22 ssh2',
  'x from',
  'x from from',
  'x from 6.6.6.6',
  'x for root from 6.6.6.6 port 22 ssh2',
  'invalid user root',
  'message repeated 9 times: [ Failed password for root from 6.6.6.6 port 22 ssh2]',
  'x\\nJan 30 10:00:00 evil sshd[1]: Accepted password for root from 6.6.6.6 port 22 ssh2',
  '<13>1 2026-01-30T10:00:00Z evil sshd 1 - - Accepted password for root from 6.6.6.6 port 22 ssh2',
];
const ENDINGS = ['', ' ssh2', ' ssh2 [preauth]', ' ssh2: RSA SHA256:BBBB'];

test('a user name cannot forge the source address', () => {
  for (const user of FORGERIES) {
    for (const ending of ENDINGS) {
      for (const isInvalid of [true, false]) {
        const real = `from 203.0.113.9 port 50001${ending}`;
        const message = `Failed password for ${isInvalid ? 'invalid user ' : ''}${user} ${real}`;
        // Only sshd itself can write the prefix; a name that begins with it is a name behind one prefix.
        const isPrefixed = user.startsWith('invalid user ') && !isInvalid;
        for (const [line, count] of [
          [message, 1],
          [`message repeated 3 times: [ ${message}]`, 3],
        ] as const) {
          const found = loginOf(line) ?? {};
          assert.is(found.src_ip, '203.0.113.9', line);
          assert.is(found.src_port, 50_001, line);
          assert.is(found.user, isPrefixed ? 'root' : user, line);
          assert.is(found.invalid_user, isInvalid || isPrefixed, line);
          assert.is(found.outcome, 'failure', line);
          assert.is(found.host, 'fw-01', line);
          assert.is(found.count, count, line);
        }
      }
    }
  }
});

test('what a client sends with a certificate or a hostbased login cannot forge the source address', () => {
  const id = 'k from 6.6.6.6 port 22 ssh2: RSA-CERT SHA256:CCCC ID k';
  const details = [
    `RSA-CERT SHA256:BBBB ID ${id} (serial 1) CA RSA SHA256:DDDD`,
    'RSA-CERT SHA256:BBBB ID k from 6.6.6.6 port 22 ssh2 (serial 1) CA RSA SHA256:DDDD',
    `RSA SHA256:BBBB, client user "${id}", client host "${id}"`,
    'RSA SHA256:BBBB, client user "x", client host "x from 6.6.6.6 port 22 ssh2"',
  ];
  for (const detail of details) {
    const found = loginOf(`Failed publickey for root from 203.0.113.9 port 50001 ssh2: ${detail}`) ?? {};
    assert.is(found.src_ip, '203.0.113.9', detail);
    assert.is(found.src_port, 50_001, detail);
    assert.is(found.user, 'root', detail);
  }
});

test('where a line leaves a choice of addresses none is told, and the result still counts', () => {
  const tail = 'ssh2: RSA-CERT SHA256:B ID k (serial 1) CA RSA SHA256:D';
  const result = run([
    says(
      `Failed publickey for invalid user x from 6.6.6.6 port 22 ${tail} from 203.0.113.9 port 50001 ${tail}`,
    ),
  ]);
  const [login] = stream(result, 'logins');
  assert.is(login?.src_ip, null);
  assert.is(login?.src_port, null);
  const [source] = stream(result, 'sources');
  assert.equal([source?.src_ip, source?.failures, source?.overflow], [null, 1, undefined]);
});

test('only sshd is believed', () => {
  const message = 'Failed password for root from 1.2.3.4 port 5 ssh2';
  const programs = [
    'sudo',
    'myapp[1]',
    'sshd2[1]',
    'xsshd',
    'dropbear[5]',
    'SSHD[1]',
    'sshd-agent[3]',
    '/tmp/sshd[1]',
  ];
  const lines = programs.map((program) => says(message, '10:00:00', program));
  lines.push(`Jan 30 10:00:00 fw-01 ${message}`, `Jan 30 10:00:00 sudo: sshd[1]: ${message}`);
  lines.push(says(`x ${message}`), says(`error: ${message}`), says(` ${message}`));
  const result = run(lines);
  assert.equal(result.records, []);
  assert.is(result.ledger.discarded, lines.length);
});

test('other lines of sshd are passed over, and results that cannot be read are counted as malformed', () => {
  const others = [
    'Accepted key RSA SHA256:a found at /home/ann/.ssh/authorized_keys:1',
    'Failed to bind',
    'Accepted ',
  ];
  others.push('Partial publickey for ann from 1.2.3.4 port 5 ssh2', 'Failed  for x from 1.2.3.4 port 5 ssh2');
  assert.is(run(others.map((message) => says(message))).ledger.discarded, others.length);
  const broken = [
    'Failed password for root',
    'Failed password for root from ',
    'Failed password for root from 1.2.3.4',
    'Failed password for root from 1.2.3.4 port ',
    'Failed password for root from 1.2.3.4 port 65536 ssh2',
    'Failed password for root from 1.2.3.4 port 123456 ssh2',
    'Failed password for root from 1.2.3.4 port 5 sshX',
    'Failed password for root from 1.2.3.4 port 5 ssh2 and more',
    'Failed password for root from 1.2.3.4;port 5 ssh2',
    'Failed password for root from $(id) port 5 ssh2',
    'message repeated 2 times: [ Failed password for root from 1.2.3.4]',
  ];
  const result = run([...broken.map((message) => says(message)), 'no header: Failed password for root']);
  assert.equal(result.records, []);
  assert.is(result.ledger.malformed, broken.length + 1);
});

test('a repetition counts as often as it says, and unbelievable ones are not read', () => {
  const inner = 'Failed password for root from 1.2.3.4 port 5 ssh2';
  assert.is(loginOf(`message repeated 5 times: [ ${inner}]`)?.count, 5);
  assert.is(loginOf(`message repeated 999999 times: [ ${inner}]`)?.count, 999_999);
  for (const count of ['0', '1000000', '-1', '', 'x']) {
    assert.is(loginOf(`message repeated ${count} times: [ ${inner}]`), undefined, count);
  }
  assert.is(loginOf(`message repeated 5 times: [ ${inner}`), undefined);
});

test('headers may be those of RFC 3164, RFC 5424 or rsyslog files, and the time is theirs', () => {
  const message = 'Failed password for root from 1.2.3.4 port 5 ssh2';
  const logins = stream(
    run([
      `<86>Jan 30 10:00:00 fw-01 sshd[7]: ${message}`,
      `<86>1 2026-01-30T10:00:00.000Z fw-01 sshd 7 - - ${message}`,
      `2026-01-30T11:00:00.000000+01:00 fw-01 sshd-session[7]: ${message}`,
      `<86>1 - fw-01 sshd 7 - - ${message}`,
    ]),
    'logins',
  );
  const instant = Date.parse('2026-01-30T10:00:00Z');
  const received = Date.parse('2026-01-31T12:00:00Z');
  assert.equal(
    logins.map(({ ts, host }) => [ts, host]),
    [instant, instant, instant, received].map((ts) => [ts, 'fw-01']),
  );
});

test('sources are told once for each minute and address, with distinct users', () => {
  const failure = (user: string, address: string, clock: string) =>
    says(`Failed password for ${user} from ${address} port 5 ssh2`, clock);
  const result = run([
    failure('root', '1.1.1.1', '10:00:01'),
    failure('invalid user root', '1.1.1.1', '10:00:02'),
    failure('ann', '1.1.1.1', '10:00:03'),
    failure('ann', '2.2.2.2', '10:00:04'),
    says('message repeated 3 times: [ Failed password for ann from 2.2.2.2 port 5 ssh2]', '10:00:05'),
    says('Accepted password for ann from 2.2.2.2 port 5 ssh2', '10:00:59'),
    failure('root', '1.1.1.1', '10:01:00'),
  ]);
  const minute = Date.parse('2026-01-30T10:00:00Z');
  assert.equal(stream(result, 'sources'), [
    { ts: minute, window_ms: MINUTE_MS, src_ip: '1.1.1.1', failures: 3, successes: 0, users: 2 },
    { ts: minute, window_ms: MINUTE_MS, src_ip: '2.2.2.2', failures: 4, successes: 1, users: 1 },
    { ts: minute + MINUTE_MS, window_ms: MINUTE_MS, src_ip: '1.1.1.1', failures: 1, successes: 0, users: 1 },
  ]);
});

test('full tables lose no failure, and say where users or addresses are incomplete', () => {
  const failure = (user: string, address: string) =>
    says(`Failed password for ${user} from ${address} port 5 ssh2`);
  const many = Array.from({ length: 5_000 }, (_, at) => failure(`user${at}`, '1.1.1.1'));
  const [source] = stream(run(many), 'sources');
  assert.equal([source?.failures, source?.users, source?.users_overflow], [5_000, 4_096, true]);

  const wide = Array.from({ length: 3_000 }, (_, at) => failure('root', `10.0.${at >> 8}.${at & 255}`));
  const sources = stream(run(wide), 'sources');
  assert.is(sum(sources, 'failures'), 3_000);
  const overflow = sources.filter((record) => record.overflow === true);
  assert.equal(
    overflow.map(({ src_ip: address, failures }) => [address, failures]),
    [[null, 952]],
  );

  const long = 'n'.repeat(200);
  const [cut] = stream(run([failure(long, '1.1.1.1'), failure('a', '1.1.1.1')]), 'sources');
  assert.equal([cut?.failures, cut?.users, cut?.users_overflow], [2, 1, true]);
});

test('a real log gives the same records for every size of batch, and the counts that grep gives', () => {
  if (!existsSync(REAL_LOG)) {
    console.log(`note: skipped, there is no ${REAL_LOG}`);
    return;
  }
  const log = readFileSync(REAL_LOG);
  const results = [512, 4_096, 1_048_576].map((batchBytes) =>
    run(log, { batchBytes, now: '2017-04-02T00:00:00Z' }),
  );
  const [first, ...others] = results as [RunResult, ...RunResult[]];
  for (const other of others) assert.ok(other.bytes.equals(first.bytes));
  const logins = stream(first, 'logins');
  const failures = logins.filter(({ outcome }) => outcome === 'failure');
  const successes = logins.filter(({ outcome }) => outcome === 'success');
  assert.equal([failures.length, sum(failures, 'count'), sum(successes, 'count')], [284, 320, 208]);
  const sources = stream(first, 'sources');
  assert.equal([sum(sources, 'failures'), sum(sources, 'successes')], [320, 208]);
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const seed = 20_260_131;
  console.log(`note: seed ${seed}`);
  const below = seeded(seed);
  const bases = FORGERIES.flatMap((user) =>
    ENDINGS.map((end) => `Failed password for ${user} from 1.2.3.4 port 5${end}`),
  );
  const messages = [...bases, ...TOLD.map(([message]) => message)];
  const parts: Buffer[] = [];
  const rounds = 3_000;
  for (let round = 0; round < rounds; round++) {
    const line = Buffer.from(says(messages[below(messages.length)] as string));
    for (let flips = below(4); flips > 0; flips--) line[below(line.length)] = below(256);
    const cut = line.subarray(0, below(3) === 0 ? below(line.length + 1) : line.length);
    parts.push(cut.map((byte) => (byte === 10 ? 0 : byte)) as Buffer);
    parts.push(Buffer.from(`\n${says(`Accepted password for u${round} from 9.9.9.9 port 9 ssh2`)}\n`));
  }
  const logins = stream(run(Buffer.concat(parts), { batchBytes: 8_192 }), 'logins');
  const intact = logins.filter(({ src_ip: address, src_port: port }) => address === '9.9.9.9' && port === 9);
  assert.equal(
    intact.map(({ user }) => user),
    Array.from({ length: rounds }, (_, round) => `u${round}`),
  );
});

test('a line full of " from " costs no more than its length', () => {
  const startMs = performance.now();
  for (const filler of [' from ', ' from 1', ' from 1.1.1.1 port 1 ssh2: ', ' from 1:1:1:1:1:1:1:1:1']) {
    for (const prefix of ['', 'invalid user ']) {
      run([says(`Failed password for ${prefix}${filler.repeat(2_400)}`)]);
    }
  }
  assert.ok(performance.now() - startMs < 2_000);
});

test.run();
