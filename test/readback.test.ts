/**
 * Reading a stream back, with a real `nats-server`: with few rights, large messages, and a broker that goes away.
 */
import { connect, type JetStreamManager } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Broker } from '../host/broker.js';
import { READ_ROUNDS_MAX, READ_STALL_MS } from '../host/limits.js';
import { type KeptMessage, type ReadOptions, readStream } from '../host/readback.js';
import { brokerAvailable, startTestBroker, type TestBroker } from './broker.js';
import { errorOf, open, SECRET } from './connecting.js';
import { until, WAIT_MS } from './help.js';

const INFO = '$JS.API.STREAM.INFO.WEIR';
const CREATE = '$JS.API.CONSUMER.CREATE.WEIR';
const NEXT = '$JS.API.CONSUMER.MSG.NEXT.WEIR.>';
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  all: ['>'],
  reader: [INFO, `${CREATE}.>`, NEXT],
  ofOne: [INFO, `${CREATE}.*.weir.ev.a.>`, NEXT],
  withoutInfo: [`${CREATE}.>`, NEXT],
  withoutCreate: [INFO, NEXT],
  withoutNext: [INFO, `${CREATE}.>`],
};

const reading = suite<{ broker: TestBroker; login: (user: string) => Promise<Broker> }>(
  'reading a stream back',
);
reading.before.each(async (context) => {
  const users = Object.entries(RIGHTS).map(
    ([user, publish]) =>
      `{ user: ${user}, password: ${SECRET}, permissions: { publish: ${JSON.stringify(publish)}, subscribe: "_INBOX.>" } }`,
  );
  context.broker = await startTestBroker(`authorization { users: [ ${users.join('\n')} ] }`);
  const urlOf = (user: string) => context.broker.url.replace('//', `//${user}:${SECRET}@`);
  context.login = (user) => open(urlOf(user));
});
reading.after.each(async ({ broker }) => broker.stop());

/** Stores messages of so many bytes on subjects of `a` and `b` in turn. */
async function fill({ url }: TestBroker, messages: number, bytes = 10): Promise<void> {
  const connection = await connect({ servers: url, user: 'all', pass: SECRET });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'WEIR', subjects: ['weir.ev.>', 'weir.dead.>'] });
  for (let at = 0; at < messages; at++) {
    connection.publish(`weir.ev.${at % 2 === 0 ? 'a' : 'b'}.f.s`, Buffer.alloc(bytes, at));
    if (at % 50 === 0) await connection.flush();
  }
  const stored = async () => (await manager.streams.info('WEIR')).state.messages;
  await until(async () => (await stored()) === messages, WAIT_MS, 'all are stored');
  await connection.close();
}

async function readAll(broker: Broker, options: Partial<ReadOptions> = {}): Promise<KeptMessage[]> {
  const found: KeptMessage[] = [];
  await broker.read({ stream: 'WEIR', ...options }, (message) => found.push(message));
  return found;
}

reading('takes three rights, which may be for some subjects only', async ({ broker, login }) => {
  await fill(broker, 10);
  const reader = await login('reader');
  assert.equal(
    (await readAll(reader)).map(({ sequence }) => sequence),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  await reader.close();
  const ofOne = await login('ofOne');
  assert.is((await readAll(ofOne, { subject: 'weir.ev.a.>' })).length, 5);
  const refused = await errorOf(readAll(ofOne, { subject: 'weir.ev.b.>' }));
  assert.match(refused.message, /^broker: stream WEIR: .*CREATE\.WEIR\.weir-\w+\.weir\.ev\.b\.>/);
  await ofOne.close();
});

reading('of that name which is not there is an error of its own', async ({ login }) => {
  const reader = await login('all');
  assert.is((await errorOf(readAll(reader))).code, 'STREAM_MISSING');
  await reader.close();
});

reading('says at once which right is missing', async ({ broker, login }) => {
  await fill(broker, 10);
  for (const [user, right] of [
    ['withoutInfo', /STREAM\.INFO\.WEIR/],
    ['withoutCreate', /CONSUMER\.CREATE\.WEIR/],
    ['withoutNext', /CONSUMER\.MSG\.NEXT\.WEIR/],
  ] as const) {
    const reader = await login(user);
    const startedMs = performance.now();
    const error = await errorOf(readAll(reader));
    assert.is(error.code, 'BROKER_REFUSED');
    assert.match(error.message, right);
    assert.ok(performance.now() - startedMs < READ_STALL_MS);
    await reader.close();
  }
});

reading('selects by any pattern, whether the broker can or not', async ({ broker, login }) => {
  await fill(broker, 10);
  const reader = await login('all');
  for (const [subject, messages] of [
    ['>', 10],
    ['weir.>', 10],
    ['weir.*.a.>', 5],
    ['*.*.*.*.s', 10],
    ['weir.*.a.f', 0],
    ['weir.*.a.f.s', 5],
    ['weir.*.a.f.s.>', 0],
    ['other.*.a.>', 0],
  ] as const)
    assert.is((await readAll(reader, { subject })).length, messages, subject);
  await reader.close();
});

reading('goes to the end that there was, however fast others write', async ({ broker, login }) => {
  await fill(broker, 100);
  const reader = await login('all');
  const writer = await login('all');
  let read = 0;
  const { last } = await reader.read({ stream: 'WEIR' }, () => {
    read++;
    for (let more = 0; more < 20; more++)
      writer.say({ subject: 'weir.ev.a.f.s', headers: {}, body: Buffer.from('more') });
  });
  assert.equal([read, last], [100, 100]);
  for (const one of [reader, writer]) await one.close();
});

/** Reads a stream of last values, the two of "a" and "b" at first, where `between` runs each time after its end was asked for. */
async function readLastValues(
  { url }: TestBroker,
  between: (say: (name: string) => Promise<void>, round: number) => Promise<void>,
): Promise<string[]> {
  const connection = await connect({ servers: url, user: 'all', pass: SECRET });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'LAST', subjects: ['last.*'], max_msgs_per_subject: 1 });
  let version = 0;
  const say = async (name: string) => {
    await connection.jetstream().publish(`last.${name}`, `${version++}`);
  };
  for (const name of ['a', 'b']) await say(name);
  let round = 0;
  const add: JetStreamManager['consumers']['add'] = async (...args) => {
    await between(say, round++);
    return manager.consumers.add(...args);
  };
  const slow = {
    ...manager,
    streams: manager.streams,
    consumers: Object.assign(Object.create(manager.consumers), { add }),
  };
  const found: string[] = [];
  try {
    const options = { stream: 'LAST', reason: String };
    await readStream(connection, slow, options, ({ subject, body }) =>
      found.push(`${subject} ${Buffer.from(body)}`),
    );
    return found;
  } finally {
    await connection.close();
  }
}

reading('of last values misses nobody who writes anew meanwhile', async ({ broker }) => {
  const found = await readLastValues(broker, async (say, round) => {
    if (round === 0) await say('a');
    if (round <= 1) await say('b');
  });
  // The second look is for "b" as well, which is written once more during it.
  assert.equal(found, ['last.a 2', 'last.b 4']);
});

reading('of last values ends with an error where one of them is never found', async ({ broker }) => {
  let rounds = 0;
  const error = await errorOf(
    readLastValues(broker, async (say) => {
      rounds++;
      await say('b');
    }),
  );
  assert.equal([error.code, rounds], ['STREAM_BUSY', READ_ROUNDS_MAX]);
});

reading('takes large messages slowly, and the broker does not mind', async ({ broker, login }) => {
  // Together more than a broker holds for one connection.
  await fill(broker, 120, 700_000);
  const reader = await login('reader');
  let read = 0;
  await reader.read({ stream: 'WEIR' }, ({ body }) => {
    assert.is(body[0], read);
    read++;
    const untilMs = performance.now() + 5;
    while (performance.now() < untilMs);
  });
  assert.is(read, 120);
  await reader.close();
});

reading('ends with an error when the broker goes away, or the reader throws', async ({ broker, login }) => {
  await fill(broker, 2_000, 20_000);
  const reader = await login('all');
  const thrown = await errorOf(
    reader.read({ stream: 'WEIR' }, () => {
      throw new Error('enough');
    }),
  );
  assert.is(thrown.message, 'enough');
  let killed: Promise<void> | undefined;
  const error = await errorOf(
    reader.read({ stream: 'WEIR' }, () => {
      killed ??= broker.kill();
    }),
  );
  assert.is(error.code, 'BROKER_UNREACHABLE');
  await killed;
  await reader.close();
  await broker.restart();
});

if (brokerAvailable()) reading.run();
