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

test('a field may be called like a pattern, and without names nothing is hidden', () => {
  assert.is(createRedaction(['a.b']).hide('a.b=1x axb=2'), 'a.b=a.b-1 axb=2');
  assert.is(createRedaction(['user']).hide('10.0.0.1'), '10.0.0.1');
});

test.run();
