/**
 * What a spool holds is stored: in order within a stream, once, and all of it, whatever happens on the way.
 */
import { cpSync, rmSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from 'nats';
import { type Broker, connectBroker, type LastMessage } from '../host/broker.js';
import { WeirError } from '../host/errors.js';
import { IN_FLIGHT_MAX, OPTIONAL_ATTEMPTS } from '../host/limits.js';
import { createPublisher } from '../host/publish.js';
import { HEADER, type Message } from '../host/wire.js';
import { brokerAvailable, startTestBroker } from './broker.js';
import { type Attempt, fakeBroker, numbers, settle, setUp } from './fakebroker.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';
import { createRandom } from './source/reading.js';
import { createTestSpool, storedIds, subjectOf } from './spooling.js';

test('messages that may be dropped hold nothing up where the broker refuses them', async () => {
  const tries: string[] = [];
  const fake = fakeBroker((attempt) => {
    tries.push(attempt.id);
    if (attempt.message.isOptional) attempt.reject(new WeirError('STREAM_REFUSED', 'no stream takes it'));
    else settle(fake, attempt);
  });
  const { publisher, spool, notices } = setUp(fake.broker);
  for (let number = 1; number <= 300; number++) spool.offer('dead', { isOptional: true });
  spool.offer('events');
  assert.ok(await publisher.drain(WAIT_MS / 3));
  assert.is(tries.filter((id) => id.startsWith('dead/')).length, OPTIONAL_ATTEMPTS + 299);
  assert.equal([...fake.stored], [[subjectOf('events'), ['events/1']]]);
  assert.is(notices.length, 1);
  publisher.stop();
});

test('with random refusals, lost acknowledgements, late copies, lost connections and replicas that lag nothing is lost or out of order', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.log(`note: seed ${seed}`);
  const random = createRandom(seed);
  const held = new Set<Attempt>();
  const fake = fakeBroker((attempt) => {
    held.add(attempt);
    setTimeout(() => {
      if (!held.delete(attempt)) return;
      const fate = random(10);
      // Refused, though the next one may well be taken; or stored, and the acknowledgement is lost.
      if (fate === 0) attempt.reject(new Error('refused'));
      else if (fate === 1) {
        settle(fake, { ...attempt, resolve: () => attempt.reject(new Error('no answer in time')) });
      } else if (fate === 2) {
        // Given up on, and stored all the same, some time later, if it still fits there.
        attempt.reject(new Error('no answer in time'));
        setTimeout(() => settle(fake, { ...attempt, resolve() {}, reject() {} }), random(4));
      } else settle(fake, attempt);
    }, random(3));
  });
  fake.replicate();
  // Two that get as far as the leader now and then, and one that is the leader.
  const replicas = [fake.replica(), fake.replica()];
  fake.answerWith(() => replicas[random(3)] ?? fake.replica());
  const { publisher, spool } = setUp(fake.broker);
  const offered = new Map<string, number>();
  for (let at = 1; at <= 1_500; at++) {
    if (random(10) === 0) replicas[random(2)] = fake.replica();
    const stream = `s${random(7)}`;
    offered.set(stream, (offered.get(stream) ?? 0) + 1);
    spool.offer(stream);
    if (random(40) === 0) await new Promise((resolve) => setTimeout(resolve, random(4)));
    if (random(200) === 0) {
      // A connection that is lost takes some of what is in flight along, and stores the rest.
      fake.setConnected(false);
      for (const attempt of held) {
        if (random(2) === 0) settle(fake, { ...attempt, resolve() {}, reject() {} });
        attempt.reject(new Error('the connection was lost'));
      }
      held.clear();
      setTimeout(() => fake.setConnected(true), random(10));
    }
  }
  assert.ok(await publisher.drain(WAIT_MS));
  const expected = [...offered].map(([stream, count]) => [subjectOf(stream), numbers(stream, count)]);
  assert.equal([...fake.stored].sort(), expected.sort());
  assert.ok(publisher.statistics().retries > 50, 'the faults happened');
  assert.equal(spool.notices, [], 'nothing was taken for lost');
  publisher.stop();
});

test('one message of a stream is in flight, and many streams are', async () => {
  const attempts: Attempt[] = [];
  const fake = fakeBroker((attempt) => attempts.push(attempt));
  const { publisher, spool } = setUp(fake.broker);
  const streams = Array.from({ length: IN_FLIGHT_MAX + 10 }, (_, at) => `s${at}`);
  for (const _ of [1, 2]) for (const stream of streams) spool.offer(stream);
  await until(() => attempts.length >= IN_FLIGHT_MAX, WAIT_MS, 'the first attempts');
  assert.is(new Set(attempts.map(({ id }) => id)).size, IN_FLIGHT_MAX);
  assert.ok(attempts.every(({ id }) => id.endsWith('/1')));
  publisher.stop();
});

test('a refused stream holds up itself alone, without haste, and is told of once', async () => {
  let refusals = 0;
  const fake = fakeBroker((attempt) => {
    if (!attempt.message.subject.endsWith('refused')) return settle(fake, attempt);
    refusals++;
    attempt.reject(new Error('the message is larger than the broker takes (max_payload)'));
  });
  const { publisher, spool, notices } = setUp(fake.broker, { retryMs: 20 });
  spool.offer('taken');
  spool.offer('refused');
  for (let at = 3; at <= 500; at++) spool.offer('taken');
  await until(() => publisher.statistics().messages === 499, WAIT_MS, 'all of the other stream');
  assert.not(await publisher.drain(500));
  // 20 ms and twice as much each time, half of it at least: in half a second no more than 7.
  assert.ok(refusals >= 2 && refusals <= 7, `${refusals} attempts`);
  assert.is(notices.length, 1);
  assert.match(notices[0] as string, /^broker: the message is larger .* messages wait on the disk$/);
  publisher.stop();
});

test('a backlog is read as it is sent: what is held in memory has a limit', async () => {
  const attempts: Attempt[] = [];
  const fake = fakeBroker((attempt) => attempts.push(attempt));
  const spool = createTestSpool({ bytesMax: 100_000 });
  for (let at = 0; at < 50; at++) spool.offer('s', { bodyBytes: 30_000 });
  const courier = spool.courier();
  let loaded = 0;
  for (const line of courier.load()) loaded += line.held.length;
  assert.is(loaded, 4);
  courier.close();
  const publisher = createPublisher({ broker: fake.broker, ownSubjects: '>', notice() {} });
  publisher.add(spool.courier());
  for (let at = 0; at < 50; at++) {
    await until(() => attempts.length > 0, WAIT_MS, 'an attempt');
    settle(fake, attempts.pop() as Attempt);
  }
  assert.ok(await publisher.drain(WAIT_MS));
  assert.equal(fake.stored.get(subjectOf('s')), numbers('s', 50));
  publisher.stop();
});

test('a courier that starts anew goes on behind what the broker has, whatever was acknowledged', async () => {
  const fake = fakeBroker((attempt) => settle(fake, attempt));
  const { publisher, spool } = setUp(fake.broker);
  for (let at = 1; at <= 20; at++) spool.offer('s');
  assert.ok(await publisher.drain(WAIT_MS));
  publisher.stop();
  // Nothing was written down of it, as after a kill.
  for (let at = 21; at <= 30; at++) spool.offer('s');
  const next = createPublisher({ broker: fake.broker, ownSubjects: 'weir.ev.a.>', notice() {} });
  next.add(spool.courier());
  assert.ok(await next.drain(WAIT_MS));
  assert.equal(fake.stored.get(subjectOf('s')), numbers('s', 30));
  next.stop();
});

test('a broker that has lost what it had gets again what the spool still holds, and is told of what is gone', async () => {
  const fake = fakeBroker((attempt) => settle(fake, attempt));
  const { publisher, spool } = setUp(fake.broker);
  for (let at = 1; at <= 20; at++) spool.offer('s', { bodyBytes: 200_000 });
  assert.ok(await publisher.drain(WAIT_MS));
  spool.spool.release(12);
  const gone = (spool.spool.first() - 1) / 2;
  assert.ok(gone > 0 && gone <= 6);
  fake.setConnected(false);
  fake.wipe();
  fake.setConnected(true);
  spool.offer('s');
  assert.ok(await publisher.drain(WAIT_MS));
  const stored = fake.stored.get(subjectOf('s')) ?? [];
  assert.equal(stored, numbers('s', 21 - gone), 'a new epoch begins with the first that is left');
  const { headers } = (await fake.broker.last(subjectOf('s'), 'leader')) as LastMessage;
  assert.is(headers[HEADER.seq], String(21 - gone));
  assert.match(spool.notices.join('\n'), new RegExp(`b\\.s: ${gone} messages are gone \\(store-lost\\)`));
  publisher.stop();
});

test('another writer under the same name does not get in between: another epoch begins behind it', async () => {
  const seen: Message[] = [];
  const fake = fakeBroker((attempt) => {
    seen.push(attempt.message);
    settle(fake, attempt);
  });
  const { publisher, spool } = setUp(fake.broker);
  spool.offer('s');
  assert.ok(await publisher.drain(WAIT_MS));
  const other = setUp(fake.broker);
  other.spool.offer('s');
  assert.ok(await other.publisher.drain(WAIT_MS));
  spool.offer('s');
  assert.ok(await publisher.drain(WAIT_MS));
  assert.equal(fake.stored.get(subjectOf('s')), ['s/1', 's/1', 's/1']);
  const begins = seen.map(({ headers }) => headers[HEADER.epoch]);
  assert.equal(begins.filter(Boolean).slice(-1), ['other-writer']);
  for (const one of [publisher, other.publisher]) one.stop();
});

test('when no stream takes a subject, one is asked for before the next attempt', async () => {
  let isRefusing = true;
  const fake = fakeBroker((attempt) => {
    if (isRefusing) attempt.reject(new WeirError('STREAM_REFUSED', 'no stream takes it'));
    else settle(fake, attempt);
  });
  const { publisher, spool } = setUp(fake.broker);
  spool.offer('s');
  await until(() => fake.streamsAsked() >= 3, WAIT_MS, 'asked again');
  isRefusing = false;
  assert.ok(await publisher.drain(WAIT_MS));
  publisher.stop();
});

test('a stream that may not be looked at is published to all the same', async () => {
  const fake = fakeBroker((attempt) => settle(fake, attempt));
  const ensureStream = () =>
    Promise.reject(new WeirError('STREAM_REFUSED', 'stream WEIR: not for this user'));
  const last = () => Promise.reject(new WeirError('BROKER_REFUSED', 'no permission'));
  const { publisher, spool, notices } = setUp({ ...fake.broker, ensureStream, last });
  spool.offer('s');
  spool.offer('s');
  assert.ok(await publisher.drain(WAIT_MS));
  assert.match(notices.join(), /STREAM_REFUSED: stream WEIR: not for this user/);
  publisher.stop();
});

test('what a stopped publisher had in flight starts nothing any more', async () => {
  const attempts: Attempt[] = [];
  const fake = fakeBroker((attempt) => attempts.push(attempt));
  const { publisher, spool, notices } = setUp(fake.broker);
  spool.offer('s');
  spool.offer('t');
  await until(() => attempts.length === 2, WAIT_MS, 'two attempts');
  publisher.stop();
  attempts[0]?.reject(new Error('refused'));
  attempts[1]?.resolve({ duplicate: false, sequence: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  fake.setConnected(true);
  assert.is(attempts.length, 2);
  assert.equal(notices, []);
});

if (brokerAvailable()) {
  const connected = (url: string, notices: string[] = []): Promise<Broker> => {
    const notice = (line: string) => notices.push(line);
    return connectBroker({ servers: [url], name: 'publish', wait: 'in-background', notice });
  };

  const expectedIds = (streams: readonly string[], count: number) =>
    streams.map((stream) => [subjectOf(stream), numbers(stream, count)]);

  test('a broker that is killed again and again while messages are published has them all, in order, once', async () => {
    const server = await startTestBroker();
    const notices: string[] = [];
    const broker = await connected(server.url, notices);
    const { publisher, spool } = setUp(broker, { retryMs: 250 });
    const streams = ['c', 'd', 'e'];
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      for (let at = 1; at <= 300; at++)
        for (const stream of streams) spool.offer(stream, { bodyBytes: 2_000 });
      const some = publisher.statistics().messages + 100;
      await until(() => publisher.statistics().messages >= some, WAIT_MS, 'some are stored');
      await server.kill();
      await until(() => !broker.connected(), WAIT_MS, 'the loss is noticed');
      await server.restart();
    }
    assert.ok(await publisher.drain(WAIT_MS));
    assert.equal(await storedIds(server.url), expectedIds(streams, rounds * 300));
    assert.is(notices.filter((line) => /^broker: lost nats:/.test(line)).length, rounds, notices.join('\n'));
    publisher.stop();
    await broker.close();
    await server.stop();
  });

  test('a broker that is away at the start gets everything once it is there', async () => {
    const server = await startTestBroker();
    await server.kill();
    const broker = await connected(server.url);
    const { publisher, spool } = setUp(broker);
    for (let at = 1; at <= 100; at++) spool.offer('c');
    assert.not(await publisher.drain(100));
    await server.restart();
    assert.ok(await publisher.drain(WAIT_MS));
    assert.equal(await storedIds(server.url), expectedIds(['c'], 100));
    publisher.stop();
    await broker.close();
    await server.stop();
  });

  for (const isRestarted of [false, true])
    test(`what a broker forgot with its power is sent again, of quiet streams too${isRestarted ? ', by the next host' : ''}`, async () => {
      const server = await startTestBroker();
      const before = await temporaryFolder();
      const broker = await connected(server.url);
      const { publisher, spool } = setUp(broker);
      const streams = ['c', 'd', 'e'];
      const offer = async (last: string) => {
        for (let at = 1; at <= 10; at++) for (const stream of streams) spool.offer(stream);
        spool.offer(last);
        assert.ok(await publisher.drain(WAIT_MS));
        await server.kill();
      };
      await offer('f');
      cpSync(server.store, before.path, { recursive: true });
      await server.restart();
      // Nothing of the last stream is left at all.
      await offer('g');
      rmSync(server.store, { recursive: true });
      cpSync(before.path, server.store, { recursive: true });
      if (isRestarted) {
        publisher.stop();
        spool.save();
      }
      const next = isRestarted ? createPublisher({ broker, ownSubjects: '>', notice() {} }) : undefined;
      next?.add(spool.courier());
      await server.restart();
      const isThere = async () => (await storedIds(server.url)).flatMap(([, ids]) => ids).length === 62;
      await until(isThere, WAIT_MS, 'all of it');
      assert.equal(await storedIds(server.url), [
        ...expectedIds(streams, 20),
        ...['f', 'g'].map((stream) => [subjectOf(stream), [`${stream}/1`]]),
      ]);
      for (const one of [publisher, next]) one?.stop();
      await broker.close();
      await server.stop();
      await before.remove();
    });

  test('a stream that is taken away is created again, and gets again what the spool still holds', async () => {
    const server = await startTestBroker();
    const broker = await connected(server.url);
    const { publisher, spool } = setUp(broker);
    spool.offer('c');
    assert.ok(await publisher.drain(WAIT_MS));
    const operator = await connect({ servers: server.url });
    await (await operator.jetstreamManager()).streams.delete('WEIR');
    await operator.close();
    spool.offer('c');
    assert.ok(await publisher.drain(WAIT_MS));
    assert.equal(await storedIds(server.url), expectedIds(['c'], 2));
    publisher.stop();
    await broker.close();
    await server.stop();
  });
}

test.run();
