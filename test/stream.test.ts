/**
 * The JetStream stream that takes the events: created when it may be, left as it is, or refused clearly.
 */
import { connect, type JetStreamManager } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STREAM_BYTES_CHOICES, STREAM_DUPLICATES_MS } from '../host/limits.js';
import { brokerAvailable, startTestBroker } from './broker.js';
import { errorOf, message, open } from './connecting.js';

const stream = suite('stream');

async function administer<T>(url: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: url });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

stream('the stream is created with limits, once, and one that exists is left as it is', async () => {
  const server = await startTestBroker();
  const brokers = await Promise.all([open(server.url), open(server.url)]);
  await Promise.all(brokers.map((broker) => broker.ensureStream()));
  const { config } = await administer(server.url, (manager) => manager.streams.info('WEIR'));
  assert.equal(config.subjects, ['weir.ev.>', 'weir.dead.>']);
  assert.is(config.storage, 'file');
  assert.is(config.retention, 'limits');
  assert.is(config.discard, 'old');
  assert.is(config.max_bytes, STREAM_BYTES_CHOICES[0]);
  assert.is(config.max_age, 7 * 24 * 3_600e9);
  assert.is(config.duplicate_window, STREAM_DUPLICATES_MS * 1e6);
  assert.is(config.allow_direct, true);

  await administer(server.url, (manager) => manager.streams.update('WEIR', { max_bytes: 12_345_678 }));
  await brokers[0]?.ensureStream();
  const kept = await administer(server.url, (manager) => manager.streams.info('WEIR'));
  assert.is(kept.config.max_bytes, 12_345_678);
  for (const broker of brokers) await broker.close();
  await server.stop();
});

stream('an operator may have a stream of another shape, if it takes all events', async () => {
  const server = await startTestBroker();
  const broker = await open(server.url);
  const cases: [name: string, subjects: string[], refused?: RegExp][] = [
    ['WEIR', ['weir.>', 'other']],
    ['WEIR', ['weir.*.>']],
    ['EVENTS', ['other', 'weir.ev.>']],
    [
      'WEIR',
      ['weir.ev.fw.>'],
      /stream WEIR: expected stream WEIR to take weir\.ev\.>, found weir\.ev\.fw\.>/,
    ],
    ['WEIR', ['weir.status.>'], /expected stream WEIR to take weir\.ev\.>/],
    ['EVENTS', ['weir.ev.*.a.>'], /expected stream EVENTS to take weir\.ev\.>/],
  ];
  for (const [name, subjects, refused] of cases) {
    await administer(server.url, (manager) => manager.streams.add({ name, subjects }));
    if (refused) {
      const error = await errorOf(broker.ensureStream());
      assert.is(error.code, 'STREAM_REFUSED');
      assert.match(error.message, refused);
    } else await broker.ensureStream();
    await administer(server.url, (manager) => manager.streams.delete(name));
  }
  await broker.close();
  await server.stop();
});

stream('an account or a store that has less gets a smaller stream, or a refusal that says so', async () => {
  const account = (file: string) =>
    `accounts { A { jetstream: { max_mem: 0, max_file: ${file} }, users: [ { user: "a", password: "a" } ] } }`;
  for (const [file, expected] of [
    ['300MB', STREAM_BYTES_CHOICES[1]],
    ['100MB', STREAM_BYTES_CHOICES[2]],
    ['1MB', undefined],
  ] as const) {
    const server = await startTestBroker(account(file));
    const broker = await open(server.url.replace('//', '//a:a@'));
    if (expected === undefined) {
      const error = await errorOf(broker.ensureStream());
      assert.is(error.code, 'STREAM_REFUSED');
      assert.match(error.message, 'insufficient storage resources available; let an operator create');
    } else {
      await broker.ensureStream();
      const connection = await connect({ servers: server.url, user: 'a', pass: 'a' });
      const { config } = await (await connection.jetstreamManager()).streams.info('WEIR');
      assert.is(config.max_bytes, expected);
      await connection.close();
    }
    await broker.close();
    await server.stop();
  }
});

stream(
  'without JetStream, or without the permission, the stream is refused at once and clearly',
  async () => {
    const users = (permissions: string) =>
      `users: [ { user: "a", password: "a", permissions: { ${permissions} } } ]`;
    const cases: [config: string, expected: RegExp, code?: string][] = [
      ['jetstream: false', /JetStream is not enabled on this broker/],
      [`accounts { A { ${users('')} } }`, /JetStream not enabled for account/],
      [
        `authorization { ${users('publish: { deny: "$JS.API.>" }')} }`,
        /stream WEIR: no permission to look at it: .*Permissions Violation for Publish to "\$JS\.API\.STREAM\.INFO\.WEIR"/,
        'BROKER_REFUSED',
      ],
      [
        `authorization { ${users('publish: { deny: "$JS.API.STREAM.CREATE.>" }')} }`,
        /Permissions Violation for Publish to "\$JS\.API\.STREAM\.CREATE\.WEIR"/,
      ],
    ];
    for (const [config, expected, code = 'STREAM_REFUSED'] of cases) {
      const server = await startTestBroker(config);
      const broker = await open(server.url.replace('//', '//a:a@'));
      const startedMs = performance.now();
      const error = await errorOf(broker.ensureStream());
      assert.is(error.code, code, config);
      assert.match(error.message, expected);
      if (code === 'STREAM_REFUSED')
        assert.match(error.message, 'grant this user $JS.API.STREAM.CREATE.WEIR');
      assert.ok(performance.now() - startedMs < 2_000, 'at once');
      await broker.close();
      await server.stop();
    }
  },
);

stream('the rights that the README names are enough where the stream is there', async () => {
  const allowed = [
    'weir.*.a.>',
    ...['STREAM.INFO.WEIR', 'STREAM.MSG.GET.WEIR', 'DIRECT.GET.WEIR.>'].map((name) => `$JS.API.${name}`),
  ];
  const user = (name: string, permissions = '') => `{ user: "${name}", password: "a", ${permissions} }`;
  const least = `permissions: { publish: ${JSON.stringify(allowed)}, subscribe: "_INBOX.>" }`;
  const server = await startTestBroker(`authorization { users: [ ${user('o')}, ${user('h', least)} ] }`);
  const as = (name: string) => server.url.replace('//', `//${name}:a@`);
  const operator = await open(as('o'));
  await operator.ensureStream();
  const broker = await open(as('h'));
  await broker.ensureStream();
  assert.equal(await broker.publish(message(1), 0), { duplicate: false, sequence: 1 });
  for (const who of ['any replica', 'leader'] as const) {
    for (const subject of ['weir.ev.a.b.c', 'weir.ev.a.>'])
      assert.is((await broker.last(subject, who))?.sequence, 1);
    assert.is(await broker.last('weir.ev.a.b.d', who), undefined);
  }
  assert.is(await broker.first(), 1);
  assert.is((await errorOf(broker.publish(message(2), 0))).code, 'STREAM_MOVED');
  assert.is((await errorOf(broker.publish(message(2, 'weir.ev.other.b.c')))).code, 'BROKER_REFUSED');
  for (const one of [operator, broker]) await one.close();
  await server.stop();
});

stream('a subject that the user may not publish to is told as that', async () => {
  const server = await startTestBroker(
    'authorization { users: [ { user: "a", password: "a", permissions: { publish: { deny: "weir.ev.b.>" } } } ] }',
  );
  const broker = await open(server.url.replace('//', '//a:a@'));
  await broker.ensureStream();
  const error = await errorOf(broker.publish(message(1, 'weir.ev.b.x.y')));
  assert.is(error.code, 'BROKER_REFUSED');
  assert.match(error.message, 'no permission for weir.ev.b.x.y');
  await broker.close();
  await server.stop();
});

if (brokerAvailable()) stream.run();
