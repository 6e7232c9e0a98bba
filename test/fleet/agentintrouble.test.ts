/**
 * Hosts of a fleet as processes that are killed, whose files are damaged, or whose broker is away or has lost its disk: what runs goes on.
 */
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import * as assert from 'uvu/assert';
import { AUDIT_STREAM } from '../../host/wire.js';
import { brokerAvailable } from '../broker.js';
import { until, WAIT_MS } from '../help.js';
import { runs, suiteOfFleet } from './fleet.js';

const agents = suiteOfFleet('the agent of a fleet in trouble');

agents('goes on without the broker, also after a kill', async ({ fleet, id }) => {
  const host = fleet.host(id);
  await fleet.push();
  await fleet.has(id, 'it runs', runs('1.0.0'));
  await fleet.server.kill();
  await host.kill();
  host.start();
  await until(() => host.isReading() && host.output().includes('filters stumbling'), WAIT_MS, 'it reads');
  await fleet.server.restart();
  fleet.append(id, 'nothing');
  await until(async () => (await fleet.kept(id)).length === 1, WAIT_MS, 'the event');
});

agents(
  'brings its audit to a broker that has lost its disk, also while that is up',
  async ({ fleet, id }) => {
    const host = fleet.host(id);
    await fleet.push();
    await fleet.has(id, 'it runs', runs('1.0.0'));
    // A look at a broker that has lost the repository may add one.
    const first = async () => (await fleet.audit(id)).slice(0, 3);
    const isSent = async () => (await first()).length === 3;
    await until(isSent, WAIT_MS, 'its audit');
    const before = await first();
    await fleet.server.kill();
    rmSync(fleet.server.store, { recursive: true });
    await fleet.server.restart();
    await until(() => host.output().includes('fleet: audit: '), WAIT_MS, 'it finds no stream');
    await until(() => fleet.broker.connected(), WAIT_MS, 'the operator is connected');
    await fleet.broker.ensureFleetStreams();
    await until(isSent, WAIT_MS, 'its audit again');
    assert.equal(await first(), before);
    // The connection lasts, and only a look tells.
    const connection = await connect({ servers: fleet.server.url });
    await (await connection.jetstreamManager()).streams.delete(AUDIT_STREAM);
    await connection.close();
    await fleet.broker.ensureFleetStreams();
    await fleet.publish();
    await until(isSent, WAIT_MS, 'its audit once more');
    assert.equal(await first(), before);
  },
);

/** Ends the process as a SIGKILL does right behind the moment at which it trusts an update, before anything of that was tried. */
const KILLED_BEHIND_COMMIT = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { renameSync } = fs;
fs.renameSync = (from, to) => {
  renameSync(from, to);
  if (String(from).endsWith('trusted.new')) process.kill(process.pid, 'SIGKILL');
};
syncBuiltinESMExports();
`;

agents(
  'what was trusted and not tried yet when it was killed is tried before it runs',
  async ({ fleet, id }) => {
    const host = fleet.host(id);
    await fleet.push();
    await fleet.has(id, 'it runs', runs('1.0.0'));
    const trusted = () => readFileSync(join(host.folder, 'data/fleet/trust/trusted/index.json'), 'utf8');
    for (const [version, expected] of [
      ['2.0.0', { expected: 'something else\n' }],
      ['3.0.0', {}],
    ] as const) {
      assert.is(await host.stop(), 0, host.output());
      process.env.NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(KILLED_BEHIND_COMMIT)}`;
      host.start();
      delete process.env.NODE_OPTIONS;
      await fleet.push({ version, ...expected });
      await host.ended();
      assert.match(trusted(), `stumbling-${version}`);
      host.start();
      if (version === '3.0.0') {
        await fleet.has(id, 'the good one runs', runs('3.0.0'));
        continue;
      }
      const { fleet: own, filters } = await fleet.has(
        id,
        'it is refused',
        (found) => found.fleet.attempted.stumbling !== undefined,
      );
      assert.match(own.attempted.stumbling?.reason ?? '', /SELF_TEST_FAILED/);
      assert.match(String(filters.stumbling?.running), /@1\.0\.0\+/);
      assert.not.match(host.output(), 'filters stumbling@2.0.0');
    }
  },
);

agents('what is trusted and damaged on the disk is told, and fetched again', async ({ fleet, id }) => {
  const host = fleet.host(id);
  await fleet.push();
  await fleet.has(id, 'it runs', runs('1.0.0'));
  assert.is(await host.stop(), 0, host.output());
  writeFileSync(join(fleet.folder, id, 'data/fleet/trust/trusted/index.json'), '{}');
  host.start();
  await until(
    () => host.output().includes('fleet: what was trusted is damaged on the disk'),
    WAIT_MS,
    'it is told',
  );
  await until(
    async () => (await fleet.audit(id)).some(({ action }) => action === 'trust damaged'),
    WAIT_MS,
    'the audit has it',
  );
  assert.is(await host.stop(), 0, host.output());
});

agents(
  'damaged files of its own cost a fetch, or an older release, never the host',
  async ({ fleet, id }) => {
    const host = fleet.host(id);
    await fleet.push();
    await fleet.has(id, 'it runs', runs('1.0.0'));
    for (const damage of [
      () => truncateSync(join(host.folder, 'data/fleet/trust/trusted/index.json'), 5),
      () => {
        const targets = join(host.folder, 'data/fleet/trust/targets');
        for (const name of readdirSync(targets)) writeFileSync(join(targets, name), 'x');
      },
      () => writeFileSync(join(host.folder, 'data/fleet/attempts.json'), '{"x'),
      () => truncateSync(join(host.folder, 'data/fleet/audit.jsonl'), 7),
    ]) {
      await host.kill();
      damage();
      host.start();
      await fleet.has(id, 'it runs again', runs('1.0.0'));
      await until(() => host.output().split('filters stumbling').length > 1, WAIT_MS, 'it says so');
    }
  },
);

if (brokerAvailable()) agents.run();
