import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, runFilter, stream } from '../../test/filter.js';

const sample = readFileSync(new URL('../../../filters/processes/samples/implant.ndjson', import.meta.url));
const MINUTE = Date.parse('2026-01-01T00:00:00Z');
const events = sample.toString().trimEnd().split('\n');
const start = (fields: object) =>
  JSON.stringify({ ts: MINUTE, op: 'start', pid: 7, exe: '/bin/a', ...fields });

test('each process is one record with all that is known of it, in the order in which they were seen', () => {
  const { records, ledger } = runFilter('processes', sample);
  const starts = records
    .filter((record) => record.stream === 'starts')
    .map(({ stream: _, ...record }) => record);
  assert.equal(
    starts,
    events.map((line) => JSON.parse(line)),
  );
  assert.is(ledger.kept, 6);
});

test('executables are counted by minute, also those that are ignored', () => {
  const row = (minute: number, exe: string, count: number) => ({
    ts: MINUTE + minute * 60_000,
    window_ms: 60_000,
    exe,
    count,
  });
  const counts = [
    row(0, '/usr/sbin/cron', 1),
    row(0, '/usr/bin/run-parts', 1),
    row(0, '/usr/bin/dash', 1),
    row(0, '/tmp/.x/payload', 1),
    row(0, '/usr/bin/pkexec', 1),
    row(1, '/usr/sbin/cron', 1),
  ];
  assert.equal(stream(runFilter('processes', sample), 'counts'), counts);
  const ignore = ['/usr/sbin/cron', '/usr/bin/run-parts', '/tmp/.x/payload', '/usr/bin/das'];
  const result = runFilter('processes', sample, { config: { ignore } });
  assert.equal(stream(result, 'counts'), counts);
  assert.equal(
    stream(result, 'starts').map(({ exe }) => exe),
    ['/usr/bin/dash', '/tmp/.x/payload', '/usr/bin/pkexec'],
    'what runs a deleted file is told whatever its name',
  );
  assert.equal([result.ledger.kept, result.ledger.aggregated], [3, 3]);
  assert.ok(ledgerAddsUp(result));
});

test('an executable that could not be read is one group, and never ignored', () => {
  const lines = [start({ exe: null, comm: 'a' }), start({ exe: null, comm: 'b' }), start({ exe: 'null' })];
  const result = runFilter('processes', lines, { config: { ignore: ['null'] } });
  assert.equal(
    stream(result, 'counts').map(({ exe, count }) => [exe, count]),
    [
      [null, 2],
      ['null', 1],
    ],
  );
  assert.equal(
    stream(result, 'starts').map(({ exe, comm }) => [exe, comm]),
    [
      [null, 'a'],
      [null, 'b'],
    ],
  );
});

test('names keep every byte that text can hold', () => {
  const fields = { comm: ') S 1 (', cmdline: 'sh -c a\\x20b "ü€😀"', parent_comm: 'a\nb', exe_hex: '61ff' };
  const [record] = stream(runFilter('processes', [start(fields)]), 'starts');
  for (const [field, value] of Object.entries(fields)) assert.is(record?.[field], value, field);
});

test('more executables than the table holds are counted together, and the sum is exact', () => {
  const lines = Array.from({ length: 3_000 }, (_, at) => start({ exe: `/opt/${at}` }));
  const counts = stream(runFilter('processes', lines, { config: { ignore: [] } }), 'counts');
  assert.is(counts.length, 2_049);
  assert.is(counts.filter(({ overflow }) => overflow).length, 1);
  assert.is(
    counts.reduce((sum, { count }) => sum + (count as number), 0),
    3_000,
  );
});

test('an event of another source is malformed', () => {
  const lines = ['junk', '{}', start({ op: 'stop' }), start({ pid: undefined }), start({})];
  const result = runFilter('processes', lines);
  assert.equal([result.ledger.malformed, result.ledger.kept], [4, 1]);
});

test('a config that cannot work is refused with its path', () => {
  const refused = (config: object, expected: RegExp) =>
    assert.throws(
      () => runFilter('processes', [], { config }),
      ({ message }: Error) => expected.test(message),
    );
  refused({ ignored: [] }, /config: expected only ignore; found "ignored"/);
  refused({ ignore: '/bin/a' }, /config\.ignore: expected a list, found "\/bin\/a"/);
  refused({ ignore: [1] }, /config\.ignore\[0\]: expected a string, found 1/);
  refused({ ignore: Array(65).fill('/bin/a') }, /config\.ignore: expected up to 64 strings/);
});

test.run();
