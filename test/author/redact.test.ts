/**
 * Redaction: what is replaced, that it stays consistent, and that nothing else changes.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRedaction } from '../../host/author/redact.js';

test('the same address gets the same replacement, and another one another', () => {
  const { hide: redact } = createRedaction(['addresses']);
  assert.is(
    redact('Jan 31 10:00:00 fw sshd[7]: Failed password for ann from 203.0.113.9 port 22 ssh2'),
    'Jan 31 10:00:00 fw sshd[7]: Failed password for ann from 198.18.0.1 port 22 ssh2',
  );
  assert.is(
    redact('10.1.1.1:22 203.0.113.9, [2A00:1::9]:443.'),
    '198.18.0.2:22 198.18.0.1, [2001:db8::1]:443.',
  );
  assert.is(
    redact('src:2a00:1::9: ::ffff:10.1.1.1 fe80::1%eth0'),
    'src:2001:db8::1: 2001:db8::2 2001:db8::3%eth0',
  );
  assert.is(redact('mac:aa:BB:cc:dd:ee:ff aa-bb-cc-dd-ee-f0'), 'mac:00:00:5e:00:53:01 00:00:5e:00:53:02');
});

test('what is no address stays', () => {
  const { hide: redact } = createRedaction(['addresses']);
  for (const line of [
    'at 10:00:00 version 1.2.3, 300.1.1.1, 1.2.3.4.5, SHA256:3q2+7wAB::, 2026-01-31T12:00:00.000Z',
    '{"a" : 1.50, "b":[ 1e3 ], "big":12345678901234567890}',
    'not {json',
  ])
    assert.is(redact(line), line);
});

test('named fields are replaced in JSON at any depth, in JSON within a text, and in lines', () => {
  const { hide: redact } = createRedaction(['user', 'uid', 'addresses']);
  assert.is(
    redact('{"user":"ann","deep":[{"uid":1000,"user":"bob","to":"10.0.0.1"}],"u\\u0073er2":"x"}'),
    '{"user":"user-1","deep":[{"uid":1,"user":"user-2","to":"198.18.0.1"}],"user2":"x"}',
  );
  assert.is(redact('{"message":"{\\"user\\":\\"bob\\"}"}'), '{"message":"{\\"user\\":\\"user-2\\"}"}');
  assert.is(
    redact('<5>1 - fw app - - - {"user": "ann", "uid":7}'),
    '<5>1 - fw app - - - {"user": "user-1", "uid":2}',
  );
  assert.is(redact('msg="{\\"user\\":\\"bob\\"}" x'), 'msg="{\\"user\\":\\"user-2\\"}" x');
  assert.is(
    redact('user=ann uid=1000, user=\'bob\' user="c d" superuser=e'),
    'user=user-1 uid=1, user=\'user-2\' user="user-3" superuser=e',
  );
  assert.is(redact('{"user":{"first":"ann"},"uid":null}'), '{"user":"user-4","uid":null}');
});

test('a name is found in upper and in lower case, and written twice it is one name', () => {
  const { hide: redact, replaced } = createRedaction(['user', 'User', 'acct', 'Addresses']);
  assert.is(
    redact(`sudo: ann : USER=root ; User='Carl' user: root {"User":"ann"} 10.0.0.1`),
    `sudo: ann : USER=user-1 ; User='user-2' user: user-1 {"User":"user-3"} 198.18.0.1`,
  );
  assert.is(redact('{"USER":"root"}'), '{"USER":"user-1"}');
  assert.equal(
    [...replaced],
    [
      ['user', 5],
      ['acct', 0],
      ['Addresses', 1],
    ],
  );
});

test('nothing of a value is left, whatever stands in it', () => {
  const { hide: redact } = createRedaction(['user']);
  for (const [line, hidden] of [
    [`user=o'brien uid=0`, `user=user-1 uid=0`],
    [`user='o'brien' uid=0`, `user='user-1' uid=0`],
    [`msg='user=ann' res=1`, `msg='user=user-2' res=1`],
    [`x "user=CORP\\ann" \\"user=ann\\" y`, `x "user=user-3" \\"user=user-2\\" y`],
    [`user="Carl Mi`, `user="user-4`],
    [`{\\"user\\":\\"Carl Mi`, `{\\"user\\":\\"user-4`],
    [`user=[ann] user={`, `user=user-5 user=user-6`],
    [`user= , user=`, `user= , user=`],
    [
      `{"user":["mia","no]ah"]} {"user":12345} {"user" : {"a":{"b":1},"c":"}"},"d":1}`,
      `{"user":"user-7"} {"user":8} {"user" : "user-9","d":1}`,
    ],
    [`x {\\"user\\":[\\"mia\\"],\\"a\\":1}`, `x {\\"user\\":\\"user-10\\",\\"a\\":1}`],
    [`{"user":["mia", "no]ah"]}`, `{"user":"user-7"}`],
  ] as const)
    assert.is(redact(line), hidden);
});

test('an address is found as Cisco writes it, in a host name, and in a socket address of the kernel', () => {
  const { hide: redact, replaced } = createRedaction(['addresses']);
  assert.is(
    redact('0011.2233.4455 00:11:22:33:44:55, 0011.2233.44AA.'),
    '0000.5e00.5301 00:00:5e:00:53:01, 0000.5e00.5302.',
  );
  assert.is(
    redact('ip-10-77-20-248 10.77.20.248 ec2-10-77-20-249.example.com'),
    'ip-198-18-0-1 198.18.0.1 ec2-198-18-0-2.example.com',
  );
  const zeros = '0'.repeat(16);
  assert.is(
    redact(`saddr=020000350A4D14F8${zeros} {"saddr":"00020035080808080"}`),
    `saddr=02000035C6120001${zeros} {"saddr":"00020035C61200030"}`,
  );
  const [head, mail] = ['0A00003500000000', '2001067C0000000000000000000000'];
  assert.is(
    redact(`saddr=${head}${mail}0900000000 2001:67c::9 2001:067C:0::9`),
    `saddr=${head}20010DB800000000000000000000000100000000 2001:db8::1 2001:db8::1`,
  );
  assert.is(redact(`{"SADDR":"02000035080808080"}`), `{"SADDR":"02000035C61200030"}`);
  for (const other of [
    `saddr=01002F7661722F72756E`,
    `saddr=${head}${'0'.repeat(40)}`,
    'saddr=0200',
    'sha 0200003508080808',
    '2026-01-31 1-2-3-4-5 1-2-3-456 12345-1-2-3 0011.2233.4455.6677 1234.5678',
  ])
    assert.is(redact(other), other);
  assert.equal([...replaced], [['addresses', 12]]);
});

test('a field may be called like a pattern, and without names nothing is hidden', () => {
  assert.is(createRedaction(['a.b']).hide('a.b=1x axb=2'), 'a.b=a.b-1 axb=2');
  assert.is(createRedaction(['user']).hide('10.0.0.1'), '10.0.0.1');
});

test.run();
