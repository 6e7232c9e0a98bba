/**
 * `limits.records`: what goes through in each second is the same for the same input and times, and what does not is counted.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../host/engine.js';
import { startFilter } from '../host/filter/instance.js';
import { loadFilter } from '../host/filter/library.js';
import { unpack } from '../host/pack.js';
import { createInbox, INBOX_DEFAULTS } from '../host/source/inbox.js';
import type { WireRecord } from '../host/wire.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker } from './broker.js';
import { said } from './command.js';
import { temporaryFolder } from './help.js';

const NOON = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;

const sshLine = (at: number) =>
  `Jan 31 10:00:00 fw sshd[${at}]: Failed password for u${at} from 10.0.0.${at % 200} port 22 ssh2`;

/** An engine with ssh-auth, that is given the numbered lines at the times at which they come. */
function shedding(recordsMax: number | undefined, batchBytes = 4_096) {
  const records: Record<string, WireRecord[]> = { logins: [], sources: [], ledger: [] };
  const inbox = createInbox(INBOX_DEFAULTS);
  const engine = createEngine({
    appliance: 'fw-01',
    batchBytes,
    filters: [
      {
        instance: 'f',
        filter: startFilter({ ...loadFilter('ssh-auth'), config: {}, zones: [] }),
        format: 'cbor',
        cursors: new Map([['a', inbox.cursor()]]),
      },
    ],
    ...(recordsMax === undefined ? {} : { recordsMax }),
    send({ headers, body, subject }) {
      unpack(headers, body, (record) => records[subject.split('.').at(-1) as string]?.push(record));
    },
    onFilterEvent(_instance, event) {
      throw event;
    },
  });
  return {
    engine,
    read(nowMs: number, from: number, count: number) {
      for (let at = from; at < from + count; at++) inbox.append(Buffer.from(sshLine(at)));
      while (engine.turn(nowMs));
    },
    records() {
      engine.cut();
      return records;
    },
    users: () => records.logins?.map(({ user }) => Number(String(user).slice(1))),
  };
}

test('the first records of a stream in each second go through, the others are told in the ledger', () => {
  const { engine, read, records, users } = shedding(3);
  read(NOON + 100, 0, 5);
  read(NOON + 999, 5, 2);
  read(NOON + 1_000, 7, 4);
  read(NOON + 1_500, 11, 1);
  // The clock is set back: another second.
  read(NOON + 500, 12, 4);
  engine.tellLedgers(NOON + MINUTE);
  const { ledger } = records();
  assert.equal(users(), [0, 1, 2, 7, 8, 9, 12, 13, 14]);
  assert.equal(
    ledger?.map(({ in: events, kept, shed }) => [events, kept, shed]),
    [[16, 16, { logins: 7 }]],
  );
});

test('windows that close are shed by their own stream, and the ledger never', () => {
  const { engine, read, records } = shedding(2);
  read(NOON, 0, 6);
  engine.closeWindows(NOON);
  engine.tellLedgers(NOON + MINUTE);
  read(NOON + 2 * MINUTE, 6, 1);
  engine.closeLedgers(NOON + 2 * MINUTE);
  engine.closeLedgers(NOON + 2 * MINUTE);
  engine.closeLedgers(NOON + 2 * MINUTE);
  const { logins, sources, ledger } = records();
  assert.equal([logins?.length, sources?.length], [3, 2]);
  assert.equal(
    ledger?.map(({ shed }) => shed),
    [{ logins: 4, sources: 4 }, {}, {}, {}],
    'four in one second, and each tells only what is new',
  );
});

test('windows close in the second in which they are told to, and a minute that only sheds is told', () => {
  const { engine, read, records } = shedding(2);
  for (const atMs of [NOON, NOON + 1_000]) {
    read(NOON, 0, 6);
    engine.closeWindows(atMs);
  }
  assert.is(records().sources?.length, 4);
  read(NOON + 2_000, 0, 6);
  engine.tellLedgers(NOON + MINUTE);
  engine.closeWindows(NOON + MINUTE);
  engine.tellLedgers(NOON + 2 * MINUTE);
  assert.equal(
    records().ledger?.map(({ in: events, shed }) => [events, shed]),
    [
      [18, { logins: 4 + 6 + 4, sources: 8 }],
      [0, { sources: 4 }],
    ],
  );
});

test('how events are cut into batches changes nothing', () => {
  const outcomes = [256, 4_096, 100_000].map((batchBytes) => {
    const { engine, read, records } = shedding(40, batchBytes);
    for (let second = 0; second < 5; second++) read(NOON + second * 1_000, second * 100, 30 * second);
    engine.closeWindows(NOON + 5_000);
    engine.closeLedgers(NOON + 5_000);
    return records();
  });
  assert.equal(outcomes[1], outcomes[0]);
  assert.equal(outcomes[2], outcomes[0]);
  assert.is(outcomes[0]?.logins?.length, 30 + 3 * 40);
  // 190 addresses, whose windows all close at once.
  assert.equal(outcomes[0]?.ledger?.[0]?.shed, { logins: 20 + 50 + 80, sources: 190 - 40 });
});

test('without a limit everything goes through', () => {
  const { engine, read, records } = shedding(undefined);
  read(NOON, 0, 1_000);
  engine.closeLedgers(NOON);
  assert.is(records().logins?.length, 1_000);
  assert.equal(records().ledger?.[0]?.shed, {});
});

test('a host keeps to limits.records, and what it publishes and sheds is all that it kept', async () => {
  if (!brokerAvailable()) return;
  const broker = await startTestBroker();
  const { path: folder, remove } = await temporaryFolder();
  writeFileSync(
    join(folder, 'auth.log'),
    Array.from({ length: 500 }, (_, at) => `${sshLine(at)}\n`).join(''),
  );
  const config = {
    data: 'data',
    appliance: 'fw-shed',
    nats: { servers: [broker.url] },
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
    limits: { records: 200 },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  const { code, err } = await said(['run', '--until-eof', '--now', '2026-02-01T00:00:00Z'], folder);
  assert.is(code, 0, err);
  const recordsIn = async (stream: string) =>
    recordsOf(await readStream(broker.url, `weir.ev.fw-shed.ssh-auth.${stream}`));
  assert.equal(
    (await recordsIn('logins')).map(({ user }) => user),
    Array.from({ length: 200 }, (_, at) => `u${at}`),
  );
  const [ledger] = await recordsIn('ledger');
  assert.equal([ledger?.kept, ledger?.shed], [500, { logins: 300 }]);
  await broker.stop();
  await remove();
});

test.run();
