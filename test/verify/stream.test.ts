/**
 * `weir verify` on streams that something is wrong with: each thing is found, at its place, and what can be explained is not taken
 * for wrong.
 */
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerAvailable, startTestBroker, type TestBroker } from '../broker.js';
import { saidHere } from '../command.js';
import { EPOCH, ledgerRecord, make, OTHER_EPOCH } from './made.js';

const stream = suite<{ broker: TestBroker }>('a stream');
stream.before(async (context) => {
  context.broker = await startTestBroker();
});
stream.after(async ({ broker }) => broker.stop());

stream('that is right is complete, and told in a table', async ({ broker }) => {
  const { put, connection, stream: name } = await make(broker);
  for (const number of [1, 2, 3]) await put('s', number, { records: [{ ts: 1 }, { ts: 2 }], events: 10 });
  const lost = { syslog: 4 };
  await put('ledger', 1, {
    records: [ledgerRecord({ in: 28, kept: 6, discarded: 22, lost, dead: { a: 1 } })],
    events: 30,
  });
  const { code, out } = await saidHere(['verify', '--server', broker.url, '--stream', name]);
  assert.is(code, 0);
  assert.is(
    out,
    `APPLIANCE  FILTER  STREAM  MESSAGES  RECORDS  EVENTS  LOST  HOLES  DUPLICATES  UNEXPLAINED
a1         f       ledger         1        1      30     0      0           0            0
a1         f       s              3        6      30     0      0           0            0

Ledgers
  a1.f: in 28 = kept 6 + aggregated 0 + discarded 22 + malformed 0; lost 4, cut 0, dead 1, shed 0; 1 event not told yet

Explained
  a1.f: 4 events of syslog lost before it had read them, or from its state
  a1.f: 1 event of a left out, because it was at fault there

T1 of places 1 to 4: 2 streams, 4 messages, 7 records; complete: all is explained
`,
  );
  await connection.close();
});

stream('from which a message was removed has a hole, at its place', async ({ broker }) => {
  const { put, manager, stream: name, verify, connection } = await make(broker);
  for (let number = 1; number <= 5; number++) await put('s', number);
  for (let number = 1, follows = 0; number <= 5; number++) follows = await put('t', number, { follows });
  await manager.streams.deleteMessage(name, 3);
  await manager.streams.deleteMessage(name, 8);
  await manager.streams.deleteMessage(name, 9);
  const { report, found } = await verify();
  assert.equal(found, [
    `4 hole: message 3 of epoch ${EPOCH}, behind place 2: missing`,
    `10 hole: messages 3 to 4 of epoch ${EPOCH}, behind place 7: removed, because the next one followed place 9`,
  ]);
  assert.equal(
    report.streams.map(({ holes, messages }) => [holes, messages]),
    [
      [1, 4],
      [2, 3],
    ],
  );
  await connection.close();
});

stream('of which the last message of an epoch was removed shows it by the places', async ({ broker }) => {
  const { put, manager, stream: name, verify, connection } = await make(broker);
  const first = await put('s', 1, { follows: 0 });
  const second = await put('s', 2, { follows: first });
  await put('s', 1, { epoch: OTHER_EPOCH, follows: second, headers: { 'Weir-Epoch': 'restored' } });
  assert.equal((await verify()).explained, ['s 1 epoch restored', 's 1 repeated restored']);
  await manager.streams.deleteMessage(name, second);
  const { found } = await verify();
  assert.equal(found, [
    '3 hole: at least one message, behind place 1: removed, because the next one followed place 2',
  ]);
  await connection.close();
});

stream(
  'with a number that was never stored has a hole, and the broker had checked that',
  async ({ broker }) => {
    const { put, verify, connection } = await make(broker);
    const first = await put('s', 1, { follows: 0 });
    await put('s', 3, { follows: first });
    const { found } = await verify();
    assert.equal(found, [`2 hole: message 2 of epoch ${EPOCH}, behind place 1: never stored`]);
    await connection.close();
  },
);

stream('with a message twice, or late, says which; it counts once', async ({ broker }) => {
  const { put, putAgain, verify, connection } = await make(broker);
  for (const number of [1, 2, 3]) await put('twice', number);
  await putAgain('twice', 2);
  for (const number of [1, 3, 2, 4]) await put('late', number);
  for (const number of [2, 1, 3]) await put('swapped', number);
  const { report, found } = await verify();
  assert.equal(found, [
    `4 duplicate: message 2 of epoch ${EPOCH} is there again`,
    `7 order: message 2 of epoch ${EPOCH} comes late`,
    `10 order: message 1 of epoch ${EPOCH} comes late`,
  ]);
  assert.equal(
    report.streams.map(({ stream: of, messages, records, holes, duplicates, unexplained }) => [
      of,
      messages,
      records,
      holes,
      duplicates,
      unexplained,
    ]),
    [
      ['late', 4, 4, 0, 0, 1],
      ['swapped', 3, 3, 0, 0, 1],
      ['twice', 4, 3, 0, 1, 1],
    ],
  );
  await connection.close();
});

stream(
  'with another epoch counts what is gone by its reason, and all of it is explained',
  async ({ broker }) => {
    const { put, putAgain, verify, connection } = await make(broker);
    const begins = (epoch: string, why: string, lost?: string) =>
      put('s', 1, { epoch, headers: { 'Weir-Epoch': why, 'Weir-Lost': lost } });
    await begins(EPOCH, 'started');
    await put('s', 2);
    await begins(OTHER_EPOCH, 'spool-damaged', '12');
    await put('s', 2, { epoch: OTHER_EPOCH });
    await begins('00000000000000aa', 'other-writer');
    await begins('00000000000000bb', 'spool-damaged', '1');
    const { code, report, explained } = await verify();
    assert.is(code, 0);
    assert.equal(explained, ['s 2 epoch spool-damaged', 's 13 gone spool-damaged', 's 1 epoch other-writer']);
    assert.is(report.streams[0]?.lost, 13);
    await put('s', 3, { epoch: OTHER_EPOCH });
    await putAgain('s', 2, { epoch: OTHER_EPOCH });
    await put('s', 2, { epoch: '00000000000000cc' });
    assert.equal((await verify()).found, [
      `7 order: message 3 of epoch ${OTHER_EPOCH} comes after another epoch has begun`,
      `8 duplicate: message 2 of epoch ${OTHER_EPOCH} is there again`,
      '9 hole: message 1 of epoch 00000000000000cc, behind place 8: missing',
    ]);
    await connection.close();
  },
);

stream('with headers that lie is told header by header', async ({ broker }) => {
  const { put, verify, connection } = await make(broker);
  const lies: readonly (readonly [string, string | undefined, string])[] = [
    ['Nats-Msg-Id', undefined, 'expected a%/f/s0/<epoch>-<number>, found ""'],
    [
      'Nats-Msg-Id',
      'b/f/s1/0123456789abcdef-1',
      'expected a%/f/s1/<epoch>-<number>, found "b/f/s1/0123456789abcdef-1"',
    ],
    ['Weir-Seq', '2', 'expected 1, found "2"'],
    ['Weir-Appliance', 'b', 'expected a%, found "b"'],
    ['Weir-Stream', 's0', 'expected s4, found "s0"'],
    ['Weir-Filter', 'f', 'expected name@version+hash, found "f"'],
    ['Weir-Records', '-1', 'expected a number from 1, found "-1"'],
    ['Weir-Events', '1e3', 'expected a number from 0, found "1e3"'],
    [
      'Weir-Epoch',
      undefined,
      'expected one of started, store-lost, spool-damaged, restored, other-writer, refused, found none',
    ],
    [
      'Weir-Epoch',
      'because',
      'expected one of started, store-lost, spool-damaged, restored, other-writer, refused, found "because"',
    ],
    ['Weir-Lost', '0', 'expected a number from 1, found "0"'],
  ];
  for (const [at, [header, value]] of lies.entries())
    await put(`s${at}`, 1, { headers: { [header]: value } });
  const { report, found } = await verify();
  const expected = lies.map(
    ([header, , text], at) =>
      `${at + 1} header: ${header}: ${text.replace('a%', report.streams[0]?.appliance ?? '')}`,
  );
  assert.equal(found, expected);
  await put('s2', 2, { headers: { 'Weir-Epoch': 'started' } });
  await put('s3', 2, { headers: { 'Weir-Lost': '5' } });
  const texts = (await verify()).found.join('\n');
  assert.match(texts, /12 header: Weir-Epoch: expected none but on message 1, found "started"/);
  assert.match(texts, /13 header: Weir-Lost: expected none but on message 1, found "5"/);
  await connection.close();
});

stream('with bodies that are cut, or hold other records than they say', async ({ broker }) => {
  const { put, verify, connection } = await make(broker);
  const whole = gzipSync(Buffer.from([0xa1, 0x61, 0x61, 0x01]));
  await put('s', 1, { body: whole.subarray(0, whole.length - 9) });
  await put('s', 2, { body: whole, headers: { 'Weir-Records': '2' } });
  await put('s', 3, {
    body: Buffer.from('{"ts":1}\n{"ts":2}\n'),
    headers: { 'Content-Type': 'application/x-ndjson', 'Content-Encoding': undefined },
  });
  await put('s', 4, { headers: { 'Content-Type': 'text/html' } });
  await put('s', 5, { body: gzipSync(Buffer.from([0xd8, 0x1c])) });
  const { found, report } = await verify();
  assert.equal(
    found.map((line) => line.replace(/(decoded: ).*/, '$1')),
    [
      '1 body: cannot be decoded: ',
      '2 records: expected 2 records, as its header says, found 1',
      '3 records: expected 1 records, as its header says, found 2',
      '4 body: cannot be decoded: ',
      '5 body: cannot be decoded: ',
    ],
  );
  assert.is(report.unexplained, 5);
  await connection.close();
});

if (brokerAvailable()) stream.run();
