/**
 * A push to twenty hosts at once; a version that is at fault on five of them; and a broker that somebody has put in the place of ours.
 */
import * as assert from 'uvu/assert';
import { brokerAvailable } from '../broker.js';
import { until, WAIT_MS } from '../help.js';
import { runs, suiteOfFleet } from './fleet.js';

const HOSTS = 20;
const AT_FAULT = 5;
/** As many nodes as start here at once take their time. */
const ALL_MS_MAX = 60_000;

const many = suiteOfFleet('many hosts');

many(
  'all run what is pushed; those at fault go back by themselves, and nobody loses an event',
  async ({ fleet }) => {
    const ids = Array.from({ length: HOSTS }, (_, at) => `fw-${at}`);
    const allRun = async (which: readonly string[], version: string) => {
      const isRunning = async (id: string) => {
        const status = await fleet.status(id);
        return status !== undefined && runs(version)(status);
      };
      const check = async () => (await Promise.all(which.map(isRunning))).every(Boolean);
      await until(check, ALL_MS_MAX, `all run ${version}`);
    };
    await fleet.push();
    for (const id of ids) fleet.host(id);
    await allRun(ids, '1.0.0');
    for (const id of ids) fleet.append(id, 'nothing');
    const startMs = performance.now();
    await fleet.push({ version: '1.1.0' });
    await allRun(ids, '1.1.0');
    console.log(`note: ${HOSTS} hosts run a new version after ${Math.round(performance.now() - startMs)} ms`);
    await fleet.push({ version: '2.0.0' });
    await allRun(ids, '2.0.0');
    const [bad, good] = [ids.slice(0, AT_FAULT), ids.slice(AT_FAULT)];
    for (const id of bad) fleet.append(id, 'trap', 'nothing');
    for (const id of good) fleet.append(id, 'nothing', 'nothing');
    // 1.1.0 has not passed its own probation yet, and cannot bear the event either: the last good one is back.
    await allRun(bad, '1.0.0');
    for (const id of bad) {
      const status = await fleet.has(
        id,
        'what was tried',
        ({ fleet: own }) => own.attempted.stumbling !== undefined,
      );
      assert.is(status.fleet.attempted.stumbling?.state, 'returned');
    }
    await allRun(good, '2.0.0');
    for (const id of ids) {
      const expected = bad.includes(id) ? 2 : 3;
      await until(
        async () => (await fleet.kept(id)).length === expected,
        WAIT_MS,
        `${id}: ${expected} events`,
      );
    }
  },
);

many('a broker of somebody else, with all but the latest push, is seen as stale', async ({ fleet }) => {
  const host = fleet.host('fw');
  await fleet.push();
  await fleet.has('fw', 'it runs', runs('1.0.0'));
  const old = fleet.world.repository.copy();
  await fleet.push({ version: '1.1.0' });
  await fleet.has('fw', 'it runs', runs('1.1.0'));
  for (const [path, { bytes }] of old) fleet.world.repository.set(path, bytes);
  await fleet.publish();
  const status = await fleet.has('fw', 'stale', ({ fleet: own }) => own.stale !== null);
  assert.match(status.fleet.stale as string, /METADATA_STALE: .*(less than current version|or later)/);
  assert.ok(runs('1.1.0')(status));
  assert.is(await host.stop(), 0, host.output());
});

if (brokerAvailable()) many.run();
