/**
 * The test helper: a filter driven by hand, with a clock that is the test's own.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../host/author/testing.js';
import { ROOT } from '../command.js';

const MINUTE = Date.parse('2026-01-31T10:00:00Z');
const line = (clock: string) =>
  `Jan 31 ${clock} fw sshd[7]: Failed password for ann from 10.0.0.1 port 22 ssh2`;

test('the clock closes windows as on the appliance: once they are over and nothing came for 5 s', async () => {
  const filter = await load('ssh-auth', { project: ROOT, now: MINUTE });
  const sources = () => filter.records('sources').length;
  filter.feed([line('10:00:01'), line('10:00:02')]);
  assert.is(filter.records('logins').length, 2);
  assert.is(sources(), 0);
  filter.feed([line('10:00:03')], { now: MINUTE + 70_000 }).tick(MINUTE + 74_999);
  assert.is(sources(), 0, 'the window is over, but its source is not quiet');
  filter.tick('2026-01-31T10:01:15.000Z');
  assert.equal(filter.records('sources'), [
    { ts: MINUTE, window_ms: 60_000, src_ip: '10.0.0.1', failures: 3, successes: 0, users: 1 },
  ]);
  filter.feed([line('10:01:01')]).end();
  assert.is(sources(), 2, 'the end closes what is open');
});

test('records come by stream or all together, bytes go in as they are, the ledger counts', async () => {
  const filter = await load('ssh-auth', { project: ROOT });
  filter.feed(Buffer.from(`${line('10:00:01')}\r\nnothing\n${line('10:00:02')}`)).end();
  assert.equal(
    filter.records().map(({ stream }) => stream),
    ['logins', 'logins', 'sources'],
  );
  assert.is(filter.text().split('\n').length, 4);
  assert.is(filter.records('logins')[0]?.stream, undefined);
  const { in: events, kept, discarded } = filter.ledger();
  assert.equal([events, kept, discarded], [3, 2, 1]);
});

test('config, zone and mistakes are told', async () => {
  const zoned = await load('ssh-auth', { project: ROOT, timezone: 'Europe/Berlin' });
  assert.is(zoned.feed([line('10:00:00')]).records('logins')[0]?.ts, MINUTE - 3_600_000);
  const refused = await load('json-select', { project: ROOT, config: { wher: [] } }).catch((error) => error);
  assert.is(refused.code, 'FILTER_CONFIG');
  assert.throws(() => zoned.tick('noon'), /expected a time such as "2026-01-31T12:00:00Z" .*, found noon/);
});

test('a slip in a call is told, not done', async () => {
  const wrong = (options: object) =>
    load('ssh-auth', { project: ROOT, ...options }).then(
      () => 'no error',
      (error) => String(error),
    );
  assert.is(
    await wrong({ cofnig: {} }),
    'TypeError: load: expected one of the keys config, timezone, now, batchBytes, project, found "cofnig" (did you mean config?)',
  );
  assert.match(
    await wrong({ batchBytes: 3 }),
    /^TypeError: load: batchBytes: expected a whole number from 64 to 16777216, found 3/,
  );
  const filter = await load('ssh-auth', { project: ROOT, now: MINUTE });
  assert.throws(
    () => filter.records('login'),
    /^records: expected a stream of the manifest \(logins, sources, ledger\), found "login" /,
  );
  for (const input of ['a line', [7], undefined])
    assert.throws(
      () => filter.feed(input as never),
      /^feed: expected a list of lines, as feed\(\[line\]\), or a Buffer, found /,
    );
  assert.throws(() => filter.feed([], { at: 1 } as never), /^feed: expected one of the keys now, found "at"/);
  filter.feed([line('10:00:01')], { now: MINUTE + 60_000 }).feed([], { now: MINUTE });
  assert.throws(
    () => filter.tick(MINUTE - 1),
    /^tick: expected a time from 2026-01-31T10:00:00\.000Z on, which the clock shows, found 17/,
  );
  filter.tick(MINUTE).end().end();
  assert.throws(
    () => filter.feed([]),
    /^feed: expected no more calls after end\(\), which closed all windows$/,
  );
  assert.throws(() => filter.tick(MINUTE), /^tick: expected no more calls after end/);
});

test.run();
