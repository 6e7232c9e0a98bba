/**
 * The streams of a fleet, as an operator makes them.
 */
import { connect, type StreamConfig } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerAvailable, startTestBroker } from '../broker.js';
import { said } from '../command.js';
import { errorOf, open } from '../connecting.js';
import { startWorld } from './accounts.js';

const streams = suite('streams of a fleet');

streams('they are made once, and one with more room is left as it is', async () => {
  const world = await startWorld();
  const configOf = async (name: string) => (await world.manager.streams.info(name)).config;
  const before = await configOf('WEIR_AUDIT');
  assert.equal(before.subjects, ['weir.audit.*', 'weir.fleet.audit']);
  assert.equal(
    [before.deny_delete, before.deny_purge, before.discard, before.max_age],
    [true, true, 'new', 0],
  );
  const { subjects, max_msgs_per_subject, allow_direct } = await configOf('KV_WEIR_REPO');
  assert.equal([subjects, max_msgs_per_subject, allow_direct], [['$KV.WEIR_REPO.>'], 1, true]);
  await world.manager.streams.update('WEIR_AUDIT', { max_bytes: 2 * before.max_bytes });
  const again = await said([
    'fleet',
    'streams',
    '--server',
    world.server.url,
    '--nkey',
    world.seedOf('operator'),
  ]);
  assert.is(again.code, 0, again.err);
  assert.is(again.out, 'the streams are there: WEIR, KV_WEIR_REPO, WEIR_STATUS, WEIR_AUDIT\n');
  assert.is((await configOf('WEIR_AUDIT')).max_bytes, 2 * before.max_bytes);
  const refused = await said([
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
      { name: 'WEIR_AUDIT', subjects: ['weir.audit.*', 'weir.fleet.audit'], discard: 'new' as never },
      /stream WEIR_AUDIT: expected deny_delete to be true, found false/,
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

if (brokerAvailable()) streams.run();
