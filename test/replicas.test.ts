/**
 * Reads may be answered by a replica that lags behind, or that was the leader once: nothing is taken for lost because of them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LastMessage } from '../host/broker.js';
import { WeirError } from '../host/errors.js';
import { MISPLACED_ATTEMPTS } from '../host/limits.js';
import { HEADER, type Message } from '../host/wire.js';
import { type Attempt, fakeBroker, numbers, settle, setUp, setUpAgain } from './fakebroker.js';
import { until, WAIT_MS } from './help.js';
import { subjectOf } from './spooling.js';

/** A few of them fill a segment of the spool, so that it can go. */
const BODY_BYTES = 200_000;

/** A publisher with messages stored of which the spool has let go, and a replica that stopped within them. */
async function withLaggingReplica(lag: number, of: number, options = {}) {
  const sent: Message[] = [];
  const fake = fakeBroker((attempt) => {
    sent.push(attempt.message);
    settle(fake, attempt);
  });
  fake.replicate();
  const { publisher, spool, notices } = setUp(fake.broker, options);
  let replica = fake.replica();
  for (let at = 1; at <= of; at++) {
    spool.offer('s', { bodyBytes: BODY_BYTES });
    assert.ok(await publisher.drain(WAIT_MS));
    if (at === of - lag) replica = fake.replica();
  }
  spool.spool.release(spool.spool.last());
  assert.is(spool.spool.first(), spool.spool.last() + 1, 'what the replica lacks is in no spool any more');
  const reconnect = () => {
    fake.setConnected(false);
    fake.setConnected(true);
  };
  const isOver = async () => {
    assert.ok(await publisher.drain(WAIT_MS));
    publisher.stop();
  };
  const epochs = () =>
    new Set(sent.map(({ headers }) => headers[HEADER.messageId]?.split('/')[3]?.slice(0, 16)));
  return { fake, replica, publisher, spool, notices, reconnect, isOver, epochs };
}

for (const lag of [1, 12]) {
  test(`a replica that is ${lag} of 12 messages behind changes nothing`, async () => {
    const { fake, replica, spool, notices, reconnect, isOver, epochs } = await withLaggingReplica(lag, 12);
    fake.answerWith(() => replica);
    reconnect();
    for (let at = 13; at <= 15; at++) spool.offer('s');
    await isOver();
    assert.equal(fake.stored.get(subjectOf('s')), numbers('s', 15));
    assert.is(epochs().size, 1);
    assert.equal([...spool.notices, ...notices], []);
  });
}

test('a message whose acknowledgement was lost is found when the replica has caught up, not sent again', async () => {
  let isLost = false;
  let refusals = 0;
  const fake = fakeBroker((attempt: Attempt) => {
    if (!isLost) return settle(fake, attempt);
    try {
      fake.store(attempt);
      attempt.reject(new Error('no answer in time'));
    } catch (error) {
      refusals++;
      attempt.reject(error as Error);
    }
  });
  fake.replicate();
  fake.forgetsIds = true;
  const { publisher, spool, notices } = setUp(fake.broker, { retryMs: 20 });
  spool.offer('s');
  assert.ok(await publisher.drain(WAIT_MS));
  const replica = fake.replica();
  fake.answerWith(() => replica);
  isLost = true;
  spool.offer('s');
  await until(() => refusals === 2, WAIT_MS, 'it was asked and tried again');
  fake.answerWithLeader();
  assert.ok(await publisher.drain(WAIT_MS));
  assert.equal(fake.stored.get(subjectOf('s')), numbers('s', 2));
  assert.not.match(notices.join(), /STREAM_MOVED|STREAM_BEHIND/);
  publisher.stop();
});

test('a replicated stream has to insist on a loss, before it is told as one', async () => {
  const doubtMs = 300;
  const { fake, spool, notices, isOver } = await withLaggingReplica(1, 12, { retryMs: 20, doubtMs });
  fake.wipe();
  fake.answerWithLeader();
  const sinceMs = performance.now();
  spool.offer('s');
  await isOver();
  assert.ok(performance.now() - sinceMs >= doubtMs);
  assert.equal(fake.stored.get(subjectOf('s')), ['s/1'], 'it begins a new epoch');
  assert.match(spool.notices.join('\n'), /has lost 12 messages .*\n.*: 12 messages are gone \(store-lost\)/);
  assert.match(notices.join('\n'), /STREAM_BEHIND: .*expected a message in place 12, found it to end at 0/);
});

test('what a loss seemed to be is forgotten with the next message that is stored', async () => {
  const { fake, replica, spool, notices, isOver, epochs } = await withLaggingReplica(5, 12, {
    retryMs: 5,
    doubtMs: WAIT_MS,
  });
  // A leader that was cut off refuses by what it has, as long as nobody tells it better.
  let refusals = MISPLACED_ATTEMPTS - 1;
  const { publish } = fake.broker;
  Object.assign(fake.broker, {
    publish: (message: Message, follows?: number) => {
      if (refusals-- <= 0) return publish(message, follows);
      const behind = fakeBroker((attempt) => settle(behind, attempt));
      return behind.broker.publish(message, follows);
    },
  });
  fake.answerWith(() => replica);
  for (let at = 13; at <= 15; at++) spool.offer('s');
  await isOver();
  assert.equal(fake.stored.get(subjectOf('s')), numbers('s', 15));
  assert.is(epochs().size, 1);
  assert.equal([...spool.notices, ...notices], []);
});

for (const mayLook of [true, false]) {
  test(`messages that were dropped after their time are not lost (the host ${mayLook ? 'may' : 'may not'} look)`, async () => {
    const { fake, spool, notices, reconnect, isOver, epochs, publisher } = await withLaggingReplica(1, 12);
    if (!mayLook) {
      const first = () => Promise.reject(new WeirError('BROKER_REFUSED', 'no permission'));
      Object.assign(fake.broker, { first });
    }
    fake.letGo();
    if (!mayLook) {
      // Then something later shows it.
      spool.offer('other');
      assert.ok(await publisher.drain(WAIT_MS));
    }
    spool.offer('s');
    assert.ok(await publisher.drain(WAIT_MS));
    reconnect();
    spool.offer('s');
    await isOver();
    assert.equal(fake.stored.get(subjectOf('s')), numbers('s', 14));
    assert.is(((await fake.broker.last(subjectOf('s'), 'leader')) as LastMessage).headers[HEADER.seq], '14');
    if (mayLook) assert.is(epochs().size, 1);
    assert.equal([...spool.notices, ...notices], []);
  });
}

for (const isKilled of [false, true])
  test(`a stream that comes late to a new store has lost what it had, too${isKilled ? ', also after a kill' : ''}`, async () => {
    const fake = fakeBroker((attempt) => settle(fake, attempt));
    // As an appliance with the least rights.
    const forbidden = () => Promise.reject(new WeirError('BROKER_REFUSED', 'no permission'));
    const { last } = fake.broker;
    Object.assign(fake.broker, {
      first: forbidden,
      last: (subject: string, who: 'any replica' | 'leader') =>
        who === 'leader' ? forbidden() : last(subject, who),
    });
    const options = { retryMs: 5, doubtMs: 50 };
    let { publisher, spool } = setUp(fake.broker, options);
    for (let at = 1; at <= 3; at++) spool.offer('seldom');
    for (let at = 1; at <= 5; at++) spool.offer('often');
    assert.ok(await publisher.drain(WAIT_MS));
    // Of the one nothing is in the spool any more, of the other all that comes from now on.
    for (let at = 0; at < 12; at++) spool.offer('often', { bodyBytes: BODY_BYTES });
    assert.ok(await publisher.drain(WAIT_MS));
    spool.save();
    spool.spool.release(spool.spool.last());
    fake.setConnected(false);
    fake.wipe();
    fake.setConnected(true);
    for (let at = 0; at < 30; at++) spool.offer('often');
    assert.ok(await publisher.drain(WAIT_MS));
    assert.ok((fake.stored.get(subjectOf('often')) ?? []).length > 20, 'more than there were places before');
    if (isKilled) {
      publisher.stop();
      ({ publisher, spool } = setUpAgain(fake.broker, spool, options));
    }
    spool.offer('seldom');
    publisher.wake();
    assert.ok(await publisher.drain(WAIT_MS));
    publisher.stop();
    const { headers } = (await last(subjectOf('seldom'), 'leader')) as LastMessage;
    assert.equal(
      [headers[HEADER.seq], headers[HEADER.epoch], headers[HEADER.lost]],
      ['1', 'store-lost', '3'],
      spool.notices.join('\n'),
    );
  });

test.run();
