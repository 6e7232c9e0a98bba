import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, runFilter, stream } from '../../test/filter.js';

const sample = readFileSync(new URL('../../../filters/files/samples/intrusion.ndjson', import.meta.url));
const MINUTE = Date.parse('2026-01-01T00:00:00Z');
const event = (fields: object) =>
  JSON.stringify({ ts: MINUTE, type: 'file', mode: '0644', uid: 0, gid: 0, ...fields });

test('each new or changed executable is told at once, with all that is known of it', () => {
  const result = runFilter('files', sample);
  assert.equal(
    stream(result, 'changes').filter(({ executable }) => executable),
    [
      {
        ts: 1767225606000,
        op: 'create',
        path: '/etc/cron.d/.update',
        size: 412,
        mode: '0755',
        uid: 0,
        gid: 0,
        executable: true,
      },
      {
        ts: 1767225607000,
        op: 'rename',
        path: '/usr/local/bin/sshd',
        from: '/tmp/.x/payload',
        size: 904112,
        mode: '0755',
        uid: 0,
        gid: 0,
        executable: true,
      },
    ],
  );
});

test('operations are counted by directory and minute', () => {
  const counted = stream(runFilter('files', sample), 'changes').filter(({ dir }) => dir !== undefined);
  const row = (minute: number, dir: string, counts: [number, number, number, number]) => ({
    ts: MINUTE + minute * 60_000,
    window_ms: 60_000,
    dir,
    created: counts[0],
    modified: counts[1],
    deleted: counts[2],
    renamed: counts[3],
  });
  assert.equal(counted, [
    row(0, '/etc', [0, 1, 0, 0]),
    row(0, '/etc/cron.d', [2, 0, 1, 0]),
    row(0, '/usr/local/bin', [0, 0, 0, 1]),
    row(1, '/etc', [1, 1, 0, 0]),
  ]);
});

test('any one of the three execute permissions makes an executable, a directory never is one', () => {
  const executables = (mode: string, type: string) =>
    stream(runFilter('files', [event({ op: 'modify', path: '/a', mode, type })]), 'changes').filter(
      ({ executable }) => executable,
    ).length;
  for (const mode of ['0100', '0010', '0001', '0755', '4755']) assert.is(executables(mode, 'file'), 1, mode);
  for (const mode of ['0644', '0600', '4644', '1666', '']) assert.is(executables(mode, 'file'), 0, mode);
  assert.is(executables('0755', 'directory'), 0);
});

test('a path may hold quotes, newlines and slashes only', () => {
  const result = runFilter('files', [
    event({ op: 'create', path: '/tmp/a "b"\n{c}/tool', mode: '0755' }),
    event({ op: 'create', path: '/tool' }),
  ]);
  const changes = stream(result, 'changes');
  assert.is(changes[0]?.path, '/tmp/a "b"\n{c}/tool');
  assert.equal(
    changes.slice(1).map(({ dir }) => dir),
    ['/tmp/a "b"\n{c}', '/'],
  );
  assert.ok(ledgerAddsUp(result));
});

test('an unknown operation, and an event without a path, is malformed', () => {
  const result = runFilter('files', [
    event({ op: 'explode', path: '/a' }),
    '{}',
    'junk',
    event({ op: 'create', path: '' }),
    event({ op: 'create', path: '/a' }),
  ]);
  assert.is(result.ledger.malformed, 4);
  assert.is(result.ledger.aggregated, 1);
});

test.run();
