/**
 * `weir fleet promote` with a broker: what it says of a part that has it already; with `--auto` what it publishes, gives back and leaves to others, and where it goes on.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { isIncluded } from '../../host/fleet/assignment.js';
import { brokerAvailable } from '../broker.js';
import { said, weir } from '../command.js';
import { until, WAIT_MS } from '../help.js';
import { fleetSuite, followers, NAMES, releaseOf, spread } from './operators.js';

const before = releaseOf('1.0.0');

const command = fleetSuite('weir fleet promote');

const AUTO = ['promote', 'f', '--group', 'edge', '--auto', '--soak', '0s', '--step-time', '20s'];

command(
  'where the part has it already, JSON says as the text does that nothing was changed',
  async ({ fleet }) => {
    await fleet.assign('edge', { f: { release: spread(), before } });
    const promote = async (...more: string[]) => {
      const said = await fleet.weirFleet('promote', 'f', '--group', 'edge', '--percent', '50', ...more);
      assert.is(said.code, 0, said.err);
      return said.out;
    };
    const [first, second] = [JSON.parse(await promote('--json')), JSON.parse(await promote('--json'))];
    assert.equal([first.changed, second.changed], [true, false]);
    assert.is(second.serial, first.serial);
    assert.is(await promote(), 'f: 50 % of edge have it already, nothing was changed\n');
  },
);

command('ten appliances that are well: all of the group runs it', async ({ fleet }) => {
  const release = spread();
  await fleet.assign('edge', { f: { release, before } });
  const fakes = await followers(fleet, NAMES, {});
  const { code, out, err } = await fleet.weirFleet(...AUTO, '--reason', 'no faults', '--ticket', 'T-7');
  await fakes.stop();
  assert.equal([code, out], [0, 'f: for all of edge\n'], err);
  assert.equal(
    fakes.told.slice(1),
    ['1', '10', '50', '100'].map((percent) => `${release.version} ${percent}`),
  );
  assert.is((await fleet.weirFleet('status')).code, 0);
  const audit = JSON.parse((await fleet.weirFleet('audit', '--verify', '--json')).out);
  const promotions = audit.entries.map(({ entry }: { entry: Record<string, unknown> }) => entry).slice(-4);
  assert.equal(
    promotions.map(({ action, percent, reason, ticket }: Record<string, unknown>) => [
      action,
      percent,
      reason,
      ticket,
    ]),
    [1, 10, 50, 100].map((percent) => ['promoted', percent, 'no faults', 'T-7']),
  );
  assert.equal(
    audit.chains.map(({ wrong }: { wrong: number }) => wrong),
    [0],
  );
});

command('one of them gives it up: the group goes back, and it is told which and why', async ({ fleet }) => {
  const release = spread();
  await fleet.assign('edge', { f: { release, before } });
  const [bad = ''] = NAMES.filter((name) => isIncluded(name, { ...release, percent: 10 }));
  const fakes = await followers(fleet, NAMES, { [bad]: release.version });
  const { code, out } = await fleet.weirFleet(...AUTO);
  await fakes.stop();
  assert.is(code, 1);
  assert.is(
    out,
    `f: given back at 10 % of edge: ${bad}: returned: a fault\\u001b[2J; ${before.version} for all again\n`,
  );
  const found = (await fleet.assigned('edge'))?.filters.f;
  assert.equal(
    [found?.release.version, found?.release.percent, found?.release.reason, found?.before],
    [before.version, 100, `automatic: ${bad}: returned: a fault\\u001b[2J`, undefined],
  );
  const audit = await fleet.weirFleet('audit', '--verify');
  assert.is(audit.code, 0, audit.out);
  assert.match(
    audit.out,
    /operator ann #\d+ rolled back f f@1\.1\.0\S+ -> f@1\.0\.0\S+ .*"automatic: fw-\d: returned: /,
  );
});

command(
  'killed in the middle, it goes on from there, also in the hands of another operator',
  async ({ fleet }) => {
    const release = spread();
    await fleet.assign('edge', { f: { release, before } });
    const fakes = await followers(fleet, NAMES, {});
    const other = join(fleet.path, 'other');
    cpSync(fleet.folder.path, other, { recursive: true });
    const login = [
      '--server',
      fleet.server.url,
      '--yes',
      '--passphrase-file',
      join(fleet.path, 'passphrase'),
    ];
    const auto = ['fleet', 'promote', 'f', '--group', 'edge', '--auto', ...login, '--fleet'];
    const first = weir([...auto, fleet.folder.path, '--soak', '1h']);
    await until(() => first.err().includes('10 %: run by all appliances'), WAIT_MS, 'the part of 10 %');
    first.child.kill('SIGKILL');
    await first.exited;
    const { code, out, err } = await said([...auto, other, '--soak', '0s'], undefined, WAIT_MS);
    await fakes.stop();
    assert.equal([code, out], [0, 'f: for all of edge\n'], err);
    assert.match(err, 'weir: 10 % of edge have it already: going on from there\n');
    assert.equal(
      fakes.told.slice(1),
      ['1', '10', '50', '100'].map((percent) => `${release.version} ${percent}`),
    );
  },
);

command('another operator rolls back meanwhile: it stops with that, and blames nobody', async ({ fleet }) => {
  const release = spread({ percent: 10 });
  await fleet.assign('edge', { f: { release, before } });
  const fakes = await followers(fleet, NAMES, {});
  const auto = weir(fleet.args('promote', 'f', '--group', 'edge', '--auto', '--soak', '1h', '--json'));
  await until(() => auto.err().includes('10 %: run by all appliances'), WAIT_MS, 'the part of 10 %');
  const back = ['rollback', 'f', '--group', 'edge', '--reason', 'no', '--ticket', 'T-8'];
  assert.is((await fleet.weirFleet(...back)).code, 0);
  assert.is(await auto.exited, 1);
  await fakes.stop();
  const { outcome, percent, why } = JSON.parse(auto.out());
  assert.equal([outcome, percent], ['overtaken', 10]);
  const has = `edge has another release of f since \\S+: ${before.version.replace('+', '\\+')} for 100 %, by ann, ticket T-8`;
  assert.match(why, new RegExp(`^${has}: nothing is promoted any more$`));
  const { release: now } = (await fleet.assigned('edge'))?.filters.f ?? {};
  assert.equal([now?.version, now?.percent], [before.version, 100]);
});

command(
  'promoted by another operator meanwhile, it says by whom, and goes on from there',
  async ({ fleet }) => {
    await fleet.assign('edge', { f: { release: spread({ percent: 10 }), before } });
    const fakes = await followers(fleet, NAMES, {});
    const auto = weir(fleet.args('promote', 'f', '--group', 'edge', '--auto', '--soak', '1h'));
    await until(() => auto.err().includes('10 %: run by all appliances'), WAIT_MS, 'the part of 10 %');
    const other = ['promote', 'f', '--group', 'edge', '--percent', '50', '--ticket', 'T-5'];
    assert.is((await fleet.weirFleet(...other)).code, 0);
    await until(() => auto.err().includes('50 %: run by all appliances'), WAIT_MS, 'the part of 50 %');
    auto.child.kill('SIGKILL');
    await auto.exited;
    await fakes.stop();
    const line = 'weir: promoted to 50 % of edge meanwhile, by ann, ticket T-5: going on from there\n';
    assert.match(auto.err(), line);
  },
);

command('two at once both end well, and take each step in its order', async ({ fleet }) => {
  await fleet.assign('edge', { f: { release: spread(), before } });
  const fakes = await followers(fleet, NAMES, {});
  const theirs = join(fleet.path, 'other');
  cpSync(fleet.folder.path, theirs, { recursive: true });
  const both = [fleet.args(...AUTO), [...fleet.args(...AUTO), '--fleet', theirs]].map((args) => weir(args));
  for (const one of both) assert.is(await one.exited, 0, one.err());
  await fakes.stop();
  const audit = JSON.parse((await fleet.weirFleet('audit', '--verify', '--json')).out);
  const entries = audit.entries.map(({ entry }: { entry: Record<string, unknown> }) => entry);
  const promoted = entries.filter(({ action }: { action: string }) => action === 'promoted');
  // What both publish in the same second is the same file, byte for byte: then each has his entry.
  const steps = new Set(promoted.map(({ percent }: { percent: number }) => percent));
  assert.equal([...steps], [1, 10, 50, 100]);
});

command('without a release before it nobody runs it then', async ({ fleet }) => {
  const release = spread({ percent: 10 });
  await fleet.assign('edge', { f: { release } });
  const [bad = ''] = NAMES.filter((name) => isIncluded(name, release));
  const fakes = await followers(fleet, NAMES, { [bad]: release.version });
  const { code, out } = await fleet.weirFleet(...AUTO, '--json');
  await fakes.stop();
  assert.is(code, 1);
  const { outcome, percent } = JSON.parse(out);
  assert.equal([outcome, percent], ['returned', 10]);
  assert.is((await fleet.assigned('edge'))?.filters.f?.release.percent, 0);
});

if (brokerAvailable()) command.run();
