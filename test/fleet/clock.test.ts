/**
 * Operators whose clock is wrong: nothing is signed by it.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { composeEdition, writeEdition } from '../../host/fleet/edition.js';
import { filePaths, removeFile } from '../../host/fleet/repository.js';
import { CLOCK_MS_MAX } from '../../host/fleetlimits.js';
import { brokerAvailable, startTestBroker } from '../broker.js';
import { errorOf } from '../connecting.js';
import { type Said, said } from '../command.js';
import { followers, releaseOf, startFleet, statusOf } from './operators.js';
import { audit, done, fleetArgs, fleetInMemory, initialisedFleet, open, push, taken } from './fleets.js';

const YEAR_MS = 365 * 86_400_000;
const WRONG: readonly [string, number][] = [
  ['ahead', YEAR_MS],
  ['behind', -YEAR_MS],
];

/** Runs a command, in a process that finds the clock so far ahead. */
async function withClock(aheadMs: number, args: readonly string[]): Promise<Said> {
  const moved = `
    const Right = Date;
    globalThis.Date = class extends Right {
      constructor(...of) { super(...(of.length ? of : [Date.now()])); }
      static now() { return Right.now() + ${aheadMs}; }
    };`;
  process.env.NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(moved)}`;
  try {
    return await said(args);
  } finally {
    delete process.env.NODE_OPTIONS;
  }
}

const clocks = suite('the clock of an operator');

clocks('one that is wrong makes no fleet', async () => {
  const server = await startTestBroker();
  const fleet = join(server.store, 'fleet');
  process.env.WEIR_PASSPHRASE = 'correct horse battery';
  try {
    for (const [what, aheadMs] of WRONG) {
      const args = ['fleet', 'init', '--server', server.url, '--fleet', fleet, '--yes'];
      const { code, err } = await withClock(aheadMs, args);
      assert.is(code, 1, what);
      assert.match(err, /CLOCK_WRONG: clock: expected 20\S+Z, as the broker says, found 20\S+Z here/, what);
      assert.not(existsSync(fleet), what);
    }
  } finally {
    await server.stop();
  }
});

clocks('one that is wrong publishes nothing, proposes nothing and restores nothing', async () => {
  const fleet = await initialisedFleet();
  const proposal = join(fleet.path, 'proposal.json');
  try {
    const [paths, entries] = [await filePaths(fleet.broker), await audit(fleet)];
    const keys = () => readdirSync(join(fleet.fleet, 'keys'));
    const before = keys();
    for (const [what, aheadMs] of WRONG) {
      for (const args of [
        ['refresh'],
        ['keys', 'rotate', 'targets'],
        ['keys', 'renew', 'targets', '--propose', proposal],
      ])
        assert.match((await withClock(aheadMs, fleetArgs(fleet, args))).err, /CLOCK_WRONG/, what);
      assert.not(existsSync(proposal), what);
      assert.equal(keys(), before, what);
    }
    await removeFile(fleet.broker, 'metadata/timestamp.json');
    for (const [what, aheadMs] of WRONG)
      assert.match((await withClock(aheadMs, fleetArgs(fleet, ['restore']))).err, /CLOCK_WRONG/, what);
    await done(fleet, 'restore');
    assert.equal((await filePaths(fleet.broker)).length, paths.length + 1, 'another snapshot');
    assert.is((await audit(fleet)).length, entries.length + 1);
  } finally {
    await fleet.stop();
  }
});

clocks(
  'a little is allowed; what was signed by one that was ahead is signed anew by a right one',
  async () => {
    const { fleet, ring } = await fleetInMemory();
    try {
      const operator = () => open(fleet, fleet.broker, ring);
      const off = (ms: number) => () => Date.now() + ms;
      for (const [at, ms] of [CLOCK_MS_MAX, -CLOCK_MS_MAX].entries())
        await push({ ...(await operator()), now: off(ms * 0.9) }, ring, at + 1);
      for (const ms of [CLOCK_MS_MAX, -CLOCK_MS_MAX]) {
        const late = push({ ...(await operator()), now: off(ms * 1.1) }, ring, 3);
        assert.is((await errorOf(late)).code, 'CLOCK_WRONG');
      }
      const { repository, state } = await operator();
      await writeEdition(repository, await composeEdition(repository, state, ring, Date.now() + YEAR_MS, {}));
      await push(await operator(), ring, 3);
      assert.is(JSON.parse((await taken(fleet)) as string).serial, 3);
      const { timestamp } = (await operator()).state;
      assert.ok(Date.parse(timestamp.signed.expires) < Date.now() + YEAR_MS / 2);
    } finally {
      await fleet.stop();
    }
  },
);

clocks('who is silent is told by the clock of the broker', async () => {
  const fleet = await startFleet();
  try {
    const release = releaseOf('1.0.0', { percent: 0 });
    await fleet.assign('edge', { f: { release } });
    await fleet.say('fw', statusOf('fw', undefined));
    const minutes = 10 * 60_000;
    for (const ms of [minutes, -minutes]) {
      const { code, out } = await withClock(ms, fleet.args('status'));
      assert.is(code, 0, out);
    }
    const fakes = await followers(fleet, ['fw'], {});
    const auto = ['promote', 'f', '--group', 'edge', '--auto', '--soak', '0s'];
    const { code, err } = await withClock(minutes, fleet.args(...auto));
    await fakes.stop();
    assert.is(code, 0, err);
  } finally {
    await fleet.stop();
  }
});

if (brokerAvailable()) clocks.run();
