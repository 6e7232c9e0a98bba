/**
 * The streams of a fleet, as an operator makes them.
 */
import { rmSync } from 'node:fs';
import { connect, DiscardPolicy, type StreamConfig } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { brokerAvailable, startTestBroker } from '../broker.js';
import { saidHere } from '../command.js';
import { errorOf, open } from '../connecting.js';
import { startWorld } from './accounts.js';

const streams = suite('streams of a fleet');

streams('they are made once, and one with more room is left as it is', async () => {
  const world = await startWorld();
  const configOf = async (name: string) => (await world.manager.streams.info(name)).config;
  const before = await configOf('WEIR_AUDIT');
  assert.equal(before.subjects, ['weir.audit.*']);
  const operators = await configOf('WEIR_FLEET');
  assert.equal(operators.subjects, ['weir.fleet.audit']);
  for (const { deny_delete, deny_purge, discard, max_age } of [before, operators])
    assert.equal([deny_delete, deny_purge, discard, max_age], [true, true, 'new', 0]);
  const { subjects, max_msgs_per_subject, allow_direct } = await configOf('KV_WEIR_REPO');
  assert.equal([subjects, max_msgs_per_subject, allow_direct], [['$KV.WEIR_REPO.>'], 1, true]);
  await world.manager.streams.update('WEIR_AUDIT', { max_bytes: 2 * before.max_bytes });
  const again = await saidHere([
    'fleet',
    'streams',
    '--server',
    world.server.url,
    '--nkey',
    world.seedOf('operator'),
  ]);
  assert.is(again.code, 0, again.err);
  assert.is(again.out, 'the streams are there: WEIR, KV_WEIR_REPO, WEIR_STATUS, WEIR_AUDIT, WEIR_FLEET\n');
  assert.is((await configOf('WEIR_AUDIT')).max_bytes, 2 * before.max_bytes);
  const refused = await saidHere([
    'fleet',
    'streams',
    '--server',
    world.server.url,
    '--nkey',
    world.seedOf('mine'),
  ]);
  assert.is(refused.code, 1);
  assert.match(refused.err, 'BROKER_REFUSED');
  await world.stop();
});

streams('the status stream keeps the last word of each appliance', async () => {
  const world = await startWorld();
  const mine = await world.login('mine');
  for (const word of ['one', 'two', 'three']) mine.publish('weir.status.mine', word);
  await mine.flush();
  const { state } = await world.manager.streams.info('WEIR_STATUS', { subjects_filter: '>' });
  assert.equal(state.subjects, { 'weir.status.mine': 1, 'weir.status.other': 1 });
  const last = await world.manager.streams.getMessage('WEIR_STATUS', { last_by_subj: 'weir.status.mine' });
  assert.is(last.string(), 'three');
  await mine.close();
  await world.stop();
});

streams('one that lacks what a fleet rests on is refused by name', async () => {
  const server = await startTestBroker();
  const connection = await connect({ servers: server.url });
  const manager = await connection.jetstreamManager();
  const broker = await open(server.url);
  const lacking: [Partial<StreamConfig> & { name: string }, RegExp][] = [
    [
      { name: 'KV_WEIR_REPO', subjects: ['$KV.WEIR_REPO.>'], max_msgs_per_subject: 5 },
      /stream KV_WEIR_REPO: expected max_msgs_per_subject to be 1, found 5/,
    ],
    [{ name: 'WEIR_STATUS', subjects: ['weir.status.a'] }, /stream WEIR_STATUS: expected subjects to be/],
    [
      { name: 'WEIR_AUDIT', subjects: ['weir.audit.*'], discard: 'new' as never },
      /stream WEIR_AUDIT: expected deny_delete to be true, found false/,
    ],
    [
      { name: 'WEIR_AUDIT', subjects: ['weir.audit.*', 'weir.fleet.audit'] },
      /stream WEIR_AUDIT: expected subjects to be \["weir.audit.\*"\], found/,
    ],
  ];
  for (const [settings, expected] of lacking) {
    await manager.streams.delete(settings.name).catch(() => {});
    await manager.streams.add(settings);
    const error = await errorOf(broker.ensureFleetStreams());
    assert.is(error.code, 'FLEET_STREAM');
    assert.match(error.message, expected);
    await manager.streams.delete(settings.name);
  }
  await manager.streams.add({ name: 'TAKEN', subjects: ['weir.audit.>'] });
  const error = await errorOf(broker.ensureFleetStreams());
  assert.is(error.code, 'STREAM_REFUSED');
  assert.match(error.message, /stream WEIR_AUDIT: cannot be looked at or created: subjects overlap/);
  for (const one of [broker, connection]) await one.close();
  await server.stop();
});

streams(
  'a broker whose store was deleted under it is told of as that, and nobody is sent to make streams',
  async () => {
    const server = await startTestBroker();
    const broker = await open(server.url);
    await broker.ensureFleetStreams();
    const publish = (at: number, bytes = 500_000) =>
      broker.publish({
        subject: `$KV.WEIR_REPO.metadata/${at}.root.json`,
        headers: {},
        body: Buffer.alloc(bytes),
      });
    await publish(1, 10);
    rmSync(server.store, { recursive: true });
    const lost = await errorOf(broker.ensureFleetStreams());
    assert.is(lost.code, 'BROKER_STORE');
    assert.match(
      lost.message,
      /^stream KV_WEIR_REPO: expected the message in place 1, .*look at the disk of the broker/,
    );
    // What is open goes on being written; the next file cannot be made.
    let refused: WeirError | undefined;
    for (let at = 2; at < 100 && !refused; at++)
      await publish(at).catch((error) => {
        refused = error;
      });
    assert.is(refused?.code, 'BROKER_STORE');
    assert.match(refused?.message as string, /root\.json: the broker cannot write its store: .*no such file/);
    await broker.close();
    await server.stop();
  },
);

streams('a stream that is full is told as that, and is no lost store', async () => {
  const server = await startTestBroker();
  const broker = await open(server.url);
  const connection = await connect({ servers: server.url });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'FULL', subjects: ['full'], max_bytes: 100, discard: DiscardPolicy.New });
  const body = Buffer.alloc(100);
  const full = await errorOf(broker.publish({ subject: 'full', headers: {}, body }));
  assert.is(full.code, 'STREAM_FULL');
  assert.match(
    full.message,
    /^full: its stream takes no more: .*maximum bytes exceeded.*; raise its max_bytes/,
  );
  for (const one of [broker, connection]) await one.close();
  await server.stop();
});

if (brokerAvailable()) streams.run();
