/**
 * `ssh-attempts`: each form of line is told with who and from where, and no name can move the address.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunResult, runFilter, seeded } from '../../test/filter.js';

const NOW = '2026-01-31T12:00:00Z';

function run(input: readonly string[] | Uint8Array): RunResult {
  const result = runFilter('ssh-attempts', input, { now: NOW });
  assert.ok(ledgerAddsUp(result));
  return result;
}

const says = (message: string, program = 'sshd[7]') => `Jan 30 10:00:00 fw-01 ${program}: ${message}`;

/** The only record of a message, or undefined, without what all have. */
function attemptOf(message: string): WireRecord | undefined {
  const { records } = run([says(message)]);
  assert.ok(records.length <= 1, message);
  if (!records[0]) return undefined;
  const { stream, ts, host, ...fields } = records[0];
  assert.equal([stream, ts, host], ['attempts', Date.parse('2026-01-30T10:00:00Z'), 'fw-01']);
  return fields;
}

const FROM = { src_ip: '192.0.2.7', src_port: 4242, count: 1 };
const { src_port: _port, ...PORTLESS } = FROM;
const EVE = { user: 'eve', invalid_user: false };
const INVALID = { user: 'eve', invalid_user: true };
const END = '192.0.2.7 port 4242';

const TOLD: readonly (readonly [string, WireRecord])[] = [
  [`Connection closed by ${END} [preauth]`, { kind: 'closed', ...FROM }],
  [`Connection closed by authenticating user eve ${END} [preauth]`, { kind: 'closed', ...EVE, ...FROM }],
  [`Connection closed by invalid user eve ${END} [preauth]`, { kind: 'closed', ...INVALID, ...FROM }],
  [`Connection closed by invalid user  ${END} [preauth]`, { kind: 'closed', ...INVALID, user: '', ...FROM }],
  [`Connection reset by authenticating user eve ${END} [preauth]`, { kind: 'reset', ...EVE, ...FROM }],
  [`Disconnected from invalid user eve ${END} [preauth]`, { kind: 'disconnected', ...INVALID, ...FROM }],
  [`Disconnected from ${END} [preauth]`, { kind: 'disconnected', ...FROM }],
  [`Invalid user eve from ${END}`, { kind: 'invalid_user', ...INVALID, ...FROM }],
  ['Invalid user eve from 192.0.2.7', { kind: 'invalid_user', ...INVALID, ...PORTLESS }],
  [
    'User eve from 192.0.2.7 not allowed because not listed in AllowUsers',
    { kind: 'not_allowed', ...EVE, ...PORTLESS },
  ],
  [
    `error: maximum authentication attempts exceeded for invalid user eve from ${END} ssh2 [preauth]`,
    { kind: 'too_many', ...INVALID, ...FROM },
  ],
  [`fatal: Timeout before authentication for ${END}`, { kind: 'timeout', ...FROM }],
  [
    'Timeout before authentication for connection from 192.0.2.7 to 192.0.2.1, pid = 9',
    { kind: 'timeout', ...PORTLESS },
  ],
  [
    `Unable to negotiate with ${END}: no matching MAC found. Their offer: x from 6.6.6.6 port 1 [preauth] `,
    { kind: 'negotiation', ...FROM },
  ],
  [
    `ssh_dispatch_run_fatal: Connection from ${END}: message authentication code incorrect [preauth]`,
    { kind: 'protocol', ...FROM },
  ],
  [
    `ssh_dispatch_run_fatal: Connection from authenticating user eve ${END}: Broken pipe [preauth]`,
    { kind: 'protocol', ...EVE, ...FROM },
  ],
  [`banner exchange: Connection from ${END}: invalid format`, { kind: 'protocol', ...FROM }],
  ['refused connect from h.example (192.0.2.7)', { kind: 'refused', ...PORTLESS }],
  [
    `message repeated 3 times: [ Connection closed by ${END} [preauth]]`,
    { kind: 'closed', ...FROM, count: 3 },
  ],
];

test('every form is told with its kind, its user and its address', () => {
  for (const [message, expected] of TOLD) assert.equal(attemptOf(message), expected, message);
});

const FORGERIES = [
  'x from 6.6.6.6 port 22',
  'x 6.6.6.6 port 22 [preauth]',
  '6.6.6.6 port 22',
  'x from 6.6.6.6',
  'x: 6.6.6.6 port 22: Broken pipe [preauth]',
  ' from',
  'port 22',
  'invalid user root',
  'x not allowed because ',
  'Failed password for root from 6.6.6.6 port 22 ssh2',
];

test('a user name cannot forge the source address', () => {
  for (const user of FORGERIES) {
    const lines = [
      `Connection closed by invalid user ${user} ${END} [preauth]`,
      `Disconnected from authenticating user ${user} ${END} [preauth]`,
      `Invalid user ${user} from ${END}`,
      `error: maximum authentication attempts exceeded for invalid user ${user} from ${END} ssh2 [preauth]`,
      `ssh_dispatch_run_fatal: Connection from invalid user ${user} ${END}: Broken pipe [preauth]`,
    ];
    for (const line of [...lines, `message repeated 2 times: [ ${lines[0]}]`]) {
      const found = attemptOf(line);
      assert.equal([found?.user, found?.src_ip, found?.src_port], [user, '192.0.2.7', 4242], line);
    }
  }
});

test('results of logins, ends of sessions and other programs are passed over', () => {
  const lines = [
    says(`Failed password for invalid user [preauth] from ${END} ssh2`),
    says(`Disconnected from user eve ${END} [preauth] `.replace(' [preauth] ', '')),
    says(`Connection closed by ${END}`),
    says(`Connection closed by some user eve ${END} [preauth]`),
    says(`Received disconnect from ${END}:11: Bye [preauth]`),
    says('Disconnecting: Too many authentication failures [preauth]'),
    says(`Connection closed by ${END} [preauth]`, 'myapp[7]'),
    says('Invalid user eve'),
    says('User eve not allowed because account is locked'),
    says('Connection closed by $(id) port 5 [preauth]'),
    says('Connection closed by 192.0.2.7 port 65536 [preauth]'),
    says('Invalid user eve from 192.0.2.7 port'),
    says('refused connect from h.example (192.0.2.7'),
  ];
  const { records, ledger } = run(lines);
  assert.equal(records, []);
  assert.is(ledger.discarded, lines.length);
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const below = seeded(20_260_301);
  const parts: Buffer[] = [];
  const rounds = 3_000;
  for (let round = 0; round < rounds; round++) {
    const line = Buffer.from(says((TOLD[below(TOLD.length)] as (typeof TOLD)[number])[0]));
    for (let flips = below(4); flips > 0; flips--) line[below(line.length)] = below(256);
    const cut = line.subarray(0, below(3) === 0 ? below(line.length + 1) : line.length);
    parts.push(cut.map((byte) => (byte === 10 ? 0 : byte)) as Buffer);
    parts.push(Buffer.from(`\n${says(`Invalid user u${round} from 9.9.9.9 port 9`)}\n`));
  }
  const intact = run(Buffer.concat(parts)).records.filter(({ src_ip }) => src_ip === '9.9.9.9');
  assert.equal(
    intact.map(({ user }) => user),
    Array.from({ length: rounds }, (_, round) => `u${round}`),
  );
});

test.run();
