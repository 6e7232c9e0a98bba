/**
 * What is offered is stored: in order within a subject, once, and all of it, whatever happens on the way.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from 'nats';
import { type Broker, connectBroker, type Stored } from '../host/broker.js';
import { WeirError } from '../host/errors.js';
import { IN_FLIGHT_MAX, OPTIONAL_ATTEMPTS, QUEUE_MESSAGES_MAX, SPOOL_BYTES_DEFAULT } from '../host/limits.js';
import { createPublisher, type Publisher } from '../host/publish.js';
import { HEADER, type Message } from '../host/wire.js';
import { brokerAvailable, readStream, startTestBroker } from './broker.js';
import { until } from './help.js';
import { createRandom } from './source/reading.js';

const WAIT_MS = 30_000;

function message(subject: string, number: number, bodyBytes = 1): Message {
  const id = `${subject}/${number}`;
  return { subject, headers: { [HEADER.messageId]: id }, body: Buffer.alloc(bodyBytes) };
}

type PublisherBroker = Parameters<typeof createPublisher>[0]['broker'];

interface Attempt {
  readonly message: Message;
  readonly id: string;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: Error) => void;
}

/** A broker that leaves each attempt to `onAttempt`, and stores without duplicates. */
function fakeBroker(onAttempt: (attempt: Attempt) => void) {
  const stored = new Map<string, string[]>();
  let isConnected = true;
  let isCounted = 0;
  let tellConnected = () => {};
  const broker: PublisherBroker = {
    connected: () => isConnected,
    onConnected(listener) {
      tellConnected = listener;
      if (isConnected) listener();
    },
    publish: (sent) =>
      new Promise((resolve, reject) =>
        onAttempt({ message: sent, id: sent.headers[HEADER.messageId] as string, resolve, reject }),
      ),
    async ensureStream() {
      isCounted++;
    },
  };
  return {
    broker,
    stored,
    streamsAsked: () => isCounted,
    /** As JetStream does: a message whose id it holds is left out. */
    store({ message: { subject }, id }: Attempt): Stored {
      const ids = stored.get(subject) ?? [];
      stored.set(subject, ids);
      const duplicate = ids.includes(id);
      if (!duplicate) ids.push(id);
      return { duplicate, sequence: ids.length };
    },
    setConnected(value: boolean) {
      isConnected = value;
      if (value) tellConnected();
    },
  };
}

function silentPublisher(broker: PublisherBroker, notices: string[] = []): Publisher {
  return createPublisher({ broker, notice: (line) => notices.push(line), retryMs: 1 });
}

test('messages that may be dropped hold nothing up where the broker refuses them', async () => {
  const notices: string[] = [];
  const tries: string[] = [];
  const fake = fakeBroker((attempt) => {
    tries.push(attempt.id);
    if (attempt.message.isOptional) attempt.reject(new WeirError('STREAM_REFUSED', 'no stream takes it'));
    else attempt.resolve(fake.store(attempt));
  });
  const publisher = createPublisher({ broker: fake.broker, notice: (line) => notices.push(line) });
  for (let number = 1; number <= 1_000; number++)
    publisher.offer({ ...message('dead', number), isOptional: true });
  publisher.offer(message('events', 1));
  assert.is(await publisher.drain(WAIT_MS / 3), 0);
  assert.is(tries.filter((id) => id === 'dead/1').length, OPTIONAL_ATTEMPTS);
  assert.is(tries.length, OPTIONAL_ATTEMPTS + 1_000);
  assert.equal([...fake.stored.keys()], ['events']);
  assert.is(notices.length, 1);
  publisher.stop();
});

test('with random refusals, lost acknowledgements, late copies and lost connections nothing is lost or out of order', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.log(`seed ${seed}`);
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
        fake.store(attempt);
        attempt.reject(new Error('no answer in time'));
      } else if (fate === 2) {
        // Given up on, and stored all the same, some time later.
        attempt.reject(new Error('no answer in time'));
        setTimeout(() => fake.store(attempt), random(4));
      } else attempt.resolve(fake.store(attempt));
    }, random(3));
  });
  const publisher = silentPublisher(fake.broker);
  const offered = new Map<string, string[]>();
  for (let at = 1; at <= 2_000; at++) {
    const subject = `weir.ev.a.b.${random(7)}`;
    offered.set(subject, [...(offered.get(subject) ?? []), `${subject}/${at}`]);
    publisher.offer(message(subject, at));
    if (random(40) === 0) await new Promise((resolve) => setTimeout(resolve, random(4)));
    if (random(200) === 0) {
      // A connection that is lost takes some of what is in flight along, and stores the rest.
      fake.setConnected(false);
      for (const attempt of held) {
        if (random(2) === 0) fake.store(attempt);
        attempt.reject(new Error('the connection was lost'));
      }
      held.clear();
      setTimeout(() => fake.setConnected(true), random(10));
    }
  }
  assert.is(await publisher.drain(WAIT_MS), 0);
  assert.equal([...fake.stored].sort(), [...offered].sort());
  assert.is(publisher.acknowledged(), 2_000);
  assert.ok(publisher.statistics().retries > 100, 'the faults happened');
  assert.is(publisher.statistics().bytes, 2_000);
  publisher.stop();
});

test('one message of a subject is in flight, and many subjects are', async () => {
  const attempts: Attempt[] = [];
  const fake = fakeBroker((attempt) => attempts.push(attempt));
  const publisher = silentPublisher(fake.broker);
  const subjects = Array.from({ length: IN_FLIGHT_MAX + 10 }, (_, at) => `weir.ev.a.b.${at}`);
  for (const number of [1, 2]) for (const subject of subjects) publisher.offer(message(subject, number));
  await until(() => attempts.length > 0, WAIT_MS, 'the first attempts');
  assert.equal(
    attempts.map(({ id }) => id),
    subjects.slice(0, IN_FLIGHT_MAX).map((subject) => `${subject}/1`),
  );
  // Those that have not had a turn come before the second message of the first.
  const first = attempts.splice(0) as [Attempt, ...Attempt[]];
  first[0].resolve(fake.store(first[0]));
  await until(() => attempts.length > 0, WAIT_MS, 'the next attempt');
  assert.is(attempts[0]?.id, `${subjects[IN_FLIGHT_MAX]}/1`);
  publisher.stop();
});

test('a refused subject holds up itself alone, without haste, and is told of once', async () => {
  const notices: string[] = [];
  let refusals = 0;
  const fake = fakeBroker((attempt) => {
    if (!attempt.message.subject.endsWith('refused')) return attempt.resolve(fake.store(attempt));
    refusals++;
    attempt.reject(new Error('the message is larger than the broker takes (max_payload)'));
  });
  const publisher = createPublisher({
    broker: fake.broker,
    notice: (line) => notices.push(line),
    retryMs: 20,
  });
  publisher.offer(message('weir.ev.a.b.taken', 1));
  publisher.offer(message('weir.ev.a.b.refused', 2));
  let isStored = false;
  void publisher.whenAcknowledged(2).then(() => {
    isStored = true;
  });
  for (let at = 3; at <= 500; at++) publisher.offer(message('weir.ev.a.b.taken', at));
  await until(() => publisher.statistics().messages === 499, WAIT_MS, 'all of the other subject');
  assert.is(publisher.acknowledged(), 1, 'counted up to the first that is not stored');
  assert.is(publisher.offered(), 500);
  assert.is(await publisher.drain(500), 1);
  // 20 ms and twice as much each time, half of it at least: in half a second no more than 7.
  assert.ok(refusals >= 2 && refusals <= 7, `${refusals} attempts`);
  assert.is(isStored, false);
  assert.is(notices.length, 1);
  assert.match(notices[0] as string, /^broker: the message is larger .* messages? waits?$/);
  publisher.stop();
});

test('the queue is full by bytes and by number, and tells when there is space', async () => {
  const attempts: Attempt[] = [];
  const fake = fakeBroker((attempt) => attempts.push(attempt));
  for (const [bodyBytes, count] of [
    [1 << 20, SPOOL_BYTES_DEFAULT >> 20],
    [0, QUEUE_MESSAGES_MAX],
  ] as const) {
    const publisher = silentPublisher(fake.broker);
    let spaces = 0;
    publisher.onSpace(() => spaces++);
    for (let at = 1; at < count; at++) publisher.offer(message('weir.ev.a.b.c', at, bodyBytes));
    assert.is(publisher.full(), false);
    publisher.offer(message('weir.ev.a.b.c', count, bodyBytes));
    assert.is(publisher.full(), true);
    await until(() => attempts.length > 0, WAIT_MS, 'an attempt');
    assert.is(spaces, 0);
    const attempt = attempts.pop() as Attempt;
    attempt.resolve(fake.store(attempt));
    await until(() => spaces > 0, WAIT_MS, 'space');
    assert.is(publisher.full(), false);
    publisher.stop();
    attempts.length = 0;
  }
});

test('when no stream takes a subject, one is asked for before the next attempt', async () => {
  let isRefusing = true;
  const fake = fakeBroker((attempt) => {
    if (isRefusing) attempt.reject(new WeirError('STREAM_REFUSED', 'no stream takes it'));
    else attempt.resolve(fake.store(attempt));
  });
  const publisher = silentPublisher(fake.broker);
  publisher.offer(message('weir.ev.a.b.c', 1));
  await until(() => fake.streamsAsked() >= 3, WAIT_MS, 'asked again');
  isRefusing = false;
  assert.is(await publisher.drain(WAIT_MS), 0);
  publisher.stop();
});

test('a stream that may not be looked at is published to all the same', async () => {
  const fake = fakeBroker((attempt) => attempt.resolve(fake.store(attempt)));
  const notices: string[] = [];
  const ensureStream = () =>
    Promise.reject(new WeirError('STREAM_REFUSED', 'stream WEIR: not for this user'));
  const publisher = silentPublisher({ ...fake.broker, ensureStream }, notices);
  publisher.offer(message('weir.ev.a.b.c', 1));
  assert.is(await publisher.drain(WAIT_MS), 0);
  assert.match(notices.join(), /STREAM_REFUSED: stream WEIR: not for this user/);
  publisher.stop();
});

test('what a stopped publisher had in flight starts nothing any more', async () => {
  const attempts: Attempt[] = [];
  const fake = fakeBroker((attempt) => attempts.push(attempt));
  const notices: string[] = [];
  const publisher = silentPublisher(fake.broker, notices);
  publisher.offer(message('weir.ev.a.b.c', 1));
  publisher.offer(message('weir.ev.a.b.d', 2));
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
  const connected = (url: string, notices: string[] = []): Promise<Broker> =>
    connectBroker({
      servers: [url],
      name: 'publish',
      wait: 'in-background',
      notice: (line) => notices.push(line),
    });

  const storedIds = async (url: string) => {
    const ids = new Map<string, string[]>();
    for (const { subject, headers } of await readStream(url, 'weir.ev.>')) {
      ids.set(subject, [...(ids.get(subject) ?? []), headers[HEADER.messageId] as string]);
    }
    return ids;
  };

  const expectedIds = (subjects: readonly string[], count: number) =>
    subjects.map((subject) => [subject, Array.from({ length: count }, (_, at) => `${subject}/${at + 1}`)]);

  test('a broker that is killed again and again while messages are published has them all, in order, once', async () => {
    const server = await startTestBroker();
    const notices: string[] = [];
    const broker = await connected(server.url, notices);
    const publisher = createPublisher({ broker, notice: (line) => notices.push(line) });
    const subjects = ['weir.ev.a.b.c', 'weir.ev.a.b.d', 'weir.ev.a.b.e'];
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      for (let at = 1; at <= 300; at++)
        for (const subject of subjects) publisher.offer(message(subject, round * 300 + at, 2_000));
      const some = publisher.acknowledged() + 100;
      await until(() => publisher.acknowledged() >= some, WAIT_MS, 'some are stored');
      await server.kill();
      await until(() => !broker.connected(), WAIT_MS, 'the loss is noticed');
      await server.restart();
    }
    assert.is(await publisher.drain(WAIT_MS), 0);
    assert.equal([...(await storedIds(server.url))].sort(), expectedIds(subjects, rounds * 300));
    assert.is(notices.filter((line) => /^broker: lost nats:/.test(line)).length, rounds, notices.join('\n'));
    publisher.stop();
    await broker.close();
    await server.stop();
  });

  test('a broker that is away at the start gets everything once it is there', async () => {
    const server = await startTestBroker();
    await server.kill();
    const broker = await connected(server.url);
    const publisher = createPublisher({ broker, notice: () => {} });
    for (let at = 1; at <= 100; at++) publisher.offer(message('weir.ev.a.b.c', at));
    assert.is(await publisher.drain(100), 100);
    await server.restart();
    assert.is(await publisher.drain(WAIT_MS), 0);
    assert.equal([...(await storedIds(server.url))], expectedIds(['weir.ev.a.b.c'], 100));
    publisher.stop();
    await broker.close();
    await server.stop();
  });

  test('a stream that is taken away is created again, and what was not stored goes there', async () => {
    const server = await startTestBroker();
    const broker = await connected(server.url);
    const publisher = createPublisher({ broker, notice: () => {} });
    publisher.offer(message('weir.ev.a.b.c', 1));
    assert.is(await publisher.drain(WAIT_MS), 0);
    const operator = await connect({ servers: server.url });
    await (await operator.jetstreamManager()).streams.delete('WEIR');
    await operator.close();
    publisher.offer(message('weir.ev.a.b.c', 2));
    assert.is(await publisher.drain(WAIT_MS), 0);
    assert.equal([...(await storedIds(server.url))], [['weir.ev.a.b.c', ['weir.ev.a.b.c/2']]]);
    publisher.stop();
    await broker.close();
    await server.stop();
  });
}

test.run();
