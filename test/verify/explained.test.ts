/**
 * What `weir verify` takes for explained, and what it does not: what streams let go, what was not asked for, and ledgers.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VERIFIED_FINDINGS_MAX, VERIFIED_GAPS_MAX, VERIFIED_SUBJECTS_MAX } from '../../host/limits.js';
import { brokerAvailable, startTestBroker, type TestBroker } from '../broker.js';
import { saidHere } from '../command.js';
import { until } from '../help.js';
import { EPOCH, ledgerRecord, make, OTHER_EPOCH } from './made.js';

const explained = suite<{ broker: TestBroker }>('what is explained');
explained.before(async (context) => {
  context.broker = await startTestBroker();
});
explained.after(async ({ broker }) => broker.stop());

explained('what the stream has let go at its beginning is told, and is no hole', async ({ broker }) => {
  const { put, manager, stream, verify, connection } = await make(broker);
  let follows = 0;
  for (let number = 1; number <= 4; number++) follows = await put('known', number, { follows });
  for (let number = 1; number <= 4; number++) await put('blind', number);
  await put('late', 7);
  assert.equal((await verify()).found, [
    `9 hole: messages 1 to 6 of epoch ${EPOCH}, before the first one: missing`,
  ]);
  await manager.streams.purge(stream, { seq: 3 });
  const one = await verify();
  assert.equal(one.explained, ['known 2 older retention', 'late 6 older retention']);
  await manager.streams.purge(stream, { seq: 7 });
  assert.equal((await verify()).explained, ['blind 2 older retention', 'late 6 older retention']);
  await connection.close();
});

explained(
  'what was removed behind the beginning is a hole, also where it was the oldest of its subject',
  async ({ broker }) => {
    const { put, manager, stream, verify, connection } = await make(broker);
    await put('other', 1);
    const first = await put('s', 1, { follows: 0 });
    await put('s', 2, { follows: first });
    await manager.streams.deleteMessage(stream, first);
    assert.equal((await verify()).found, [
      `3 hole: message 1 of epoch ${EPOCH}, before the first one: removed, because the next one followed place 2`,
    ]);
    await connection.close();
  },
);

explained('a stream that keeps few messages of a subject has let the others go', async ({ broker }) => {
  const { put, verify, connection } = await make(broker, { max_msgs_per_subject: 2 });
  await put('other', 1);
  let follows = 0;
  for (let number = 1; number <= 5; number++) follows = await put('s', number, { follows });
  const found = await verify();
  assert.equal([found.code, found.explained], [0, ['s 3 older max_msgs_per_subject']]);
  await connection.close();
});

explained('what is older than --since was not asked for', async ({ broker }) => {
  const { put, manager, stream, verify, connection } = await make(broker);
  let follows = 0;
  for (let number = 1; number <= 3; number++) follows = await put('s', number, { follows });
  const { timestamp } = await manager.streams.getMessage(stream, { seq: 3 });
  // The clock of the broker goes on between two messages; the command takes milliseconds.
  await until(() => Date.now() > Date.parse(timestamp), 1_000, 'a millisecond');
  const since = new Date(Date.now()).toISOString();
  for (let number = 4; number <= 5; number++) follows = await put('s', number, { follows });
  const found = await verify('--since', since);
  assert.equal([found.code, found.explained, found.report.messages], [0, ['s 3 older since'], 2]);
  assert.is((await verify('--since', '1h')).report.messages, 5);
  const future = await verify('--since', '2100-01-01T00:00:00Z');
  assert.equal([future.code, future.report.messages], [0, 0]);
  await connection.close();
});

explained(
  'SUBJECT chooses, with dead letters where it has them; nothing there is not complete',
  async ({ broker }) => {
    const { put, verify, connection } = await make(broker);
    await put('s', 1);
    await put('t', 2);
    const body = Buffer.from('{"ts":1}\n');
    const headers = { 'Content-Type': 'application/x-ndjson', 'Content-Encoding': undefined };
    await put('dead', 1, { body, headers });
    const { report } = await verify();
    const [{ appliance = '' } = {}] = report.streams;
    const streams = async (...args: string[]) =>
      (await verify(...args)).report.streams.map(({ stream, unexplained }) => `${stream} ${unexplained}`);
    assert.equal(await streams(), ['dead 0', 's 0', 't 1']);
    assert.equal(await streams(`weir.ev.${appliance}.*.s`), ['s 0']);
    assert.equal(await streams(`weir.*.${appliance}.>`), ['dead 0', 's 0', 't 1']);
    assert.equal(await streams(`weir.dead.${appliance}.f`), ['dead 0']);
    const nothing = await verify(`weir.ev.${appliance}.nobody.>`);
    assert.equal([nothing.code, nothing.found], [1, ['0 subject: expected messages there, found none']]);
    await connection.close();
  },
);

explained('an empty stream is complete, and one that is not there is an error', async ({ broker }) => {
  const { stream, connection, verify } = await make(broker);
  assert.is((await verify()).code, 0);
  const told = await saidHere(['verify', '--server', broker.url, '--stream', stream]);
  assert.is(told.out, `${stream}: 0 streams, 0 messages, 0 records; complete: all is explained\n`);
  const { code, out, err } = await saidHere(['verify', '--server', broker.url]);
  assert.equal(
    [code, out, err],
    [
      1,
      '',
      'weir: STREAM_MISSING: stream WEIR: expected it on this broker, found no such stream; name another one with --stream; "weir run" makes WEIR where there is none\n',
    ],
  );
  await connection.close();
});

explained('a ledger has to add up, and to tell of the events that its messages count', async ({ broker }) => {
  const { put, verify, connection } = await make(broker);
  const tell = (number: number, events: number, ...records: object[]) =>
    put('ledger', number, { events, records: records.map(ledgerRecord) });
  await tell(1, 12, { in: 10, kept: 10 });
  await tell(2, 5, { in: 4, discarded: 4 }, { in: 3, aggregated: 3 });
  await tell(3, 0, { shed: { s: 3 }, cut: { a: 1 } });
  const good = await verify();
  assert.equal([good.code, good.explained], [0, ['ledger 1 cut a', 'ledger 3 shed s']]);
  assert.equal([good.report.ledgers[0]?.in, good.report.ledgers[0]?.not_told], [17, 0]);
  // More than was counted, then less than was not told before.
  await tell(4, 5, { in: 6, kept: 6 });
  await tell(5, 0, { in: 6, kept: 6 });
  await tell(6, 9, { in: 4, kept: 4 });
  await tell(7, 0, { in: 4, kept: 4 });
  await tell(8, 1, { in: 2, kept: 1 });
  await tell(9, 1, { in: -1, kept: -1 });
  await tell(10, 1, { lost: { a: 'x' } });
  const { found } = await verify();
  assert.equal(
    found.map((line) => line.replace(/:.*?(found|expected in)/, ': $1')),
    [
      '4 ledger: found such of 6',
      '7 ledger: found such of 4',
      '8 ledger: expected in = kept + aggregated + discarded + malformed, found 2 = 1 + 0 + 0 + 0',
      '9 ledger: found -1',
      '10 ledger: found {"a":"x"}',
    ],
  );
  await connection.close();
});

explained(
  'an epoch that does not know what is out may tell it again, so many messages at most',
  async ({ broker }) => {
    const { put, verify, connection, stream } = await make(broker);
    const begins = (epoch: string, why: string) => ({ epoch, headers: { 'Weir-Epoch': why } });
    for (let number = 1; number <= 3; number++) await put('s', number);
    await put('s', 1, begins(OTHER_EPOCH, 'restored'));
    await put('s', 2, { epoch: OTHER_EPOCH });
    // The same goes on behind a damaged message, and is no more than what was there before.
    await put('s', 1, begins('a'.repeat(16), 'spool-damaged'));
    await put('s', 2, { epoch: 'a'.repeat(16) });
    await put('t', 1, begins(EPOCH, 'restored'));
    for (let number = 1; number <= 2; number++)
      await put('ledger', 1, { epoch: String(number).repeat(16), events: 0, records: [ledgerRecord()] });
    const found = await verify();
    assert.equal(found.explained, [
      'ledger 1 epoch started',
      'ledger 1 repeated started',
      's 1 epoch restored',
      's 3 repeated restored',
      's 1 epoch spool-damaged',
      't 1 epoch restored',
    ]);
    assert.equal([found.code, found.report.ledgers[0]?.not_told_unknown], [0, 'epoch']);
    const { out } = await saidHere(['verify', '--server', broker.url, '--stream', stream]);
    assert.match(out, /f\.s: up to 3 messages may tell again what was told before, .* \(restored\)/);
    assert.match(out, /; another epoch began, so what is not told yet is not known/);
    await connection.close();
  },
);

explained('a ledger whose beginning is gone has to be possible', async ({ broker }) => {
  const { put, manager, stream, verify, connection } = await make(broker);
  const tell = (number: number, events: number, count: number) =>
    put('ledger', number, { events, records: [ledgerRecord({ in: count, kept: count })] });
  await tell(1, 100, 90);
  await tell(2, 20, 30);
  await tell(3, 0, 0);
  await manager.streams.purge(stream, { seq: 2 });
  const found = await verify();
  const [{ not_told, not_told_unknown } = {}] = found.report.ledgers;
  assert.equal([found.code, not_told, not_told_unknown], [0, null, 'older']);
  // Of 20 events and up to 30 before them at least 21 are not told any more.
  await tell(4, 0, 31);
  assert.is((await verify()).code, 1);
  await connection.close();
});

explained(
  'what is on no subject of a host is told, as is what is too much to be remembered',
  async ({ broker }) => {
    const { connection, put, verify, manager, stream } = await make(broker);
    await put('s', 1);
    const { subjects = [] } = (await manager.streams.info(stream)).config;
    const prefix = subjects[0]?.replace('.>', '') ?? '';
    for (let number = 0; number < VERIFIED_FINDINGS_MAX + 2; number++)
      connection.publish(`${prefix}.f.s.${number}`);
    await put('gaps', 1);
    for (let number = 3; number < 2 * VERIFIED_GAPS_MAX + 10; number += 2) await put('gaps', number);
    const { report, found } = await verify();
    const missing = VERIFIED_GAPS_MAX + 4;
    assert.is(report.unexplained, VERIFIED_FINDINGS_MAX + 2 + missing);
    assert.is(found.length, 2 * VERIFIED_FINDINGS_MAX);
    assert.is(report.findings_left_out, 2 + (VERIFIED_GAPS_MAX - VERIFIED_FINDINGS_MAX) + 1);
    assert.match(
      found[0] ?? '',
      /^2 subject: expected weir\.ev\.<appliance>\.<filter>\.<stream> or weir\.dead/,
    );
    await connection.close();
  },
);

explained('more subjects than can be remembered are not complete', async ({ broker }) => {
  const { connection, verify, manager, stream } = await make(broker);
  const { subjects = [] } = (await manager.streams.info(stream)).config;
  const prefix = subjects[0]?.replace('.>', '') ?? '';
  for (let number = 0; number < VERIFIED_SUBJECTS_MAX + 3; number++)
    connection.publish(`${prefix}.f.s${number}`);
  const stored = async () => (await manager.streams.info(stream)).state.messages;
  await until(async () => (await stored()) === VERIFIED_SUBJECTS_MAX + 3, 30_000, 'all are stored');
  const { code, report, found } = await verify();
  assert.is(code, 1);
  assert.is(report.streams.length, VERIFIED_SUBJECTS_MAX);
  assert.match(
    found[0] ?? '',
    /^0 subject: expected at most 10000 subjects, found more; 3 messages were not looked at/,
  );
  await connection.close();
});

explained('a filter that was taken out is named beside what was lost by it', async ({ broker }) => {
  const { put, verify, connection, stream } = await make(broker);
  const out = (part: object) => ledgerRecord({ taken_out: true, ...part });
  const records = [ledgerRecord({ in: 4, discarded: 4 }), out({ lost: { syslog: 2 } })];
  await put('ledger', 1, { records: [...records, out({})], events: 4 });
  const { report, ...found } = await verify();
  assert.equal([found.code, found.explained], [0, ['ledger 2 taken_out faults', 'ledger 2 lost syslog']]);
  assert.is(report.ledgers[0]?.taken_out, 2);
  const { out: text } = await saidHere(['verify', '--server', broker.url, '--stream', stream]);
  assert.match(text, /\.f: taken out by faults, in 2 records of its ledger: what it did not read/);
  await connection.close();
});

if (brokerAvailable()) explained.run();
