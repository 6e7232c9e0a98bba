/**
 * Hosts of a fleet as processes: what they take, what they refuse, and what goes back by itself.
 */
import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { assignmentBytes, assignmentPath } from '../../host/fleet/assignment.js';
import { brokerAvailable } from '../broker.js';
import { unproven } from '../chaos/appliance.js';
import { until, WAIT_MS } from '../help.js';
import { type Fleet, GROUP, runs, suiteOfFleet } from './fleet.js';
import { createWorld, testKey } from './world.js';

const agents = suiteOfFleet('the agent of a fleet');

agents(
  'takes what is pushed, in versions that follow each other, and loses no event',
  async ({ fleet, id }) => {
    const host = fleet.host(id);
    await fleet.has(id, 'it runs without filters', ({ fleet: own }) => own.serial === 0);
    fleet.append(id, 'nothing', 'nothing');
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      await fleet.push({ version });
      await fleet.has(id, version, runs(version));
      fleet.append(id, 'nothing', 'nothing');
    }
    await until(async () => (await fleet.kept(id)).length === 8, WAIT_MS, 'all events');
    assert.equal(
      (await fleet.kept(id)).map(({ n }) => Number(n) / 5),
      [0, 1, 2, 3, 4, 5, 6, 7],
    );
    const audit = await fleet.audit(id);
    assert.equal(
      audit.slice(1).map(({ action, after }) => [action, after ? String(after).replace(/\+.*/, '') : after]),
      [
        ['assigned', '1'],
        ['added', 'stumbling@1.0.0'],
        ['assigned', '2'],
        ['swapped', 'stumbling@1.1.0'],
        ['assigned', '3'],
        ['swapped', 'stumbling@1.2.0'],
      ],
    );
    assert.equal(
      audit.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6, 7],
    );
    assert.is(await host.stop(), 0, host.output());
    assert.is(await unproven(fleet.server.url, id), undefined);
  },
);

agents(
  'a version that is at fault goes back by itself, and is not tried again until it is assigned anew',
  async ({ fleet, id }) => {
    const host = fleet.host(id);
    await fleet.push();
    await fleet.has(id, 'it runs', runs('1.0.0'));
    const bad = await fleet.push({ version: '2.0.0' });
    await fleet.has(id, 'it runs 2.0.0', runs('2.0.0'));
    fleet.append(id, 'nothing', 'trap', 'nothing');
    const status = await fleet.has(
      id,
      'it is back',
      (found) => runs('1.0.0')(found) && found.fleet.attempted.stumbling !== undefined,
    );
    const { version, state, reason } = status.fleet.attempted.stumbling ?? {};
    assert.equal([version, state], [bad.version, 'returned']);
    assert.match(reason as string, /FILTER_FAULT/);
    await host.kill();
    host.start();
    await fleet.has(id, 'still back', runs('1.0.0'));
    fleet.append(id, 'nothing');
    await until(async () => (await fleet.kept(id)).length === 3, WAIT_MS, 'all events but the one');
    await fleet.push({ version: '2.0.0' });
    await fleet.has(id, 'it is tried again', runs('2.0.0'));
    const isNoted = async () => (await fleet.audit(id)).some(({ action }) => action === 'returned');
    await until(isNoted, WAIT_MS, 'the audit');
  },
);

agents('a version that fails its own samples here is refused', async ({ fleet, id }) => {
  fleet.host(id);
  await fleet.push();
  await fleet.has(id, 'it runs', runs('1.0.0'));
  await fleet.push({ version: '2.0.0', expected: 'something else\n' });
  const { fleet: own, filters } = await fleet.has(
    id,
    'it is refused',
    (found) => found.fleet.attempted.stumbling !== undefined,
  );
  assert.is(own.attempted.stumbling?.state, 'refused');
  assert.match(own.attempted.stumbling?.reason ?? '', /SELF_TEST_FAILED/);
  assert.match(String(filters.stumbling?.running), /@1\.0\.0\+/);
});

agents(
  'a filter for a source that this machine has not, and one of a name of its own',
  async ({ fleet, id }) => {
    fleet.host(id, {
      filters: { mine: { filter: 'json-select', from: ['log'], config: { count_by: ['k'] } } },
    });
    await fleet.push({ from: ['nowhere'] });
    await fleet.push({ instance: 'mine' });
    const { fleet: own, filters } = await fleet.has(
      id,
      'both are refused',
      (found) => Object.keys(found.fleet.attempted).length === 2,
    );
    assert.match(
      own.attempted.stumbling?.reason ?? '',
      /SOURCE_INVALID: .*expected sources of this machine \(log\), found "nowhere".*; push it with --from/,
    );
    assert.match(own.attempted.mine?.reason ?? '', /the config of this machine has one of this name/);
    assert.equal(Object.keys(filters), ['mine']);
    assert.equal(Object.keys(filters), ['mine']);
  },
);

agents('another root of trust is in the audit, with what has stopped by it', async ({ fleet, id }) => {
  const host = fleet.host(id);
  const { version } = await fleet.push();
  await fleet.has(id, 'it runs', runs('1.0.0'));
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const before = `version 1, SHA-256 ${sha256(fleet.world.anchor)}`;
  // A mere start tells nothing.
  for (const again of [true, false]) {
    await host.stop();
    if (again) host.start();
    if (again) await until(() => host.isReading(), WAIT_MS, 'it reads');
  }
  const { anchor } = await createWorld();
  writeFileSync(join(fleet.folder, 'root.json'), anchor);
  rmSync(join(fleet.folder, id, 'data/fleet/trust'), { recursive: true });
  host.start();
  const wanted = [
    { action: 'root trusted', before: null, after: before },
    { action: 'assigned', group: GROUP, before: null, after: '1' },
    { action: 'added', filter: 'stumbling', before: null, after: version },
    { action: 'root trusted', before, after: `version 1, SHA-256 ${sha256(anchor)}` },
    { action: 'removed', filter: 'stumbling', before: version, after: null },
  ];
  const found = async () => (await fleet.audit(id)).slice(0, wanted.length);
  await until(async () => (await found()).length === wanted.length, WAIT_MS, 'it is in the audit');
  for (const [at, entry] of (await found()).entries())
    assert.equal({ ...entry, ...wanted[at] }, entry, JSON.stringify(entry));
  assert.match(host.output(), `fleet: trusts the root of version 1, SHA-256 ${sha256(anchor)}`);
});

agents('what is not signed for it changes nothing, and is told', async ({ fleet, id }) => {
  const { world } = fleet;
  fleet.host(id);
  await fleet.push();
  await fleet.has(id, 'it runs', runs('1.0.0'));
  const evil = { ...fleet.assignment(), serial: 99, filters: {} };
  const bytes = assignmentBytes(evil as Parameters<typeof assignmentBytes>[0]);
  await world.push({ [assignmentPath(GROUP)]: bytes }, { signers: [testKey('mallory')] });
  await fleet.publish();
  const status = await fleet.has(id, 'it says so', ({ fleet: own }) => own.stale !== null);
  assert.match(status.fleet.stale as string, /METADATA_REFUSED/);
  assert.ok(runs('1.0.0')(status));
  const refused = async () => (await fleet.audit(id)).find(({ action }) => action === 'update refused');
  await until(async () => (await refused()) !== undefined, WAIT_MS, 'the audit');
  assert.match(String((await refused())?.error), /METADATA_REFUSED/);
});

agents('an assignment for another group, and one that goes back', async ({ fleet, id }) => {
  const { world } = fleet;
  fleet.host(id);
  await fleet.push();
  await fleet.push({ version: '1.1.0' });
  await fleet.has(id, 'it runs', runs('1.1.0'));
  const good = fleet.assignment() as NonNullable<ReturnType<Fleet['assignment']>>;
  for (const [change, expected] of [
    [{ group: 'other' }, /group: expected edge, found "other"/],
    [{ serial: 1 }, /expected serial 2 or later, found 1/],
  ] as const) {
    await world.push({ [assignmentPath(GROUP)]: assignmentBytes({ ...good, ...change }) });
    await fleet.publish();
    const { fleet: own } = await fleet.has(id, 'it refuses', (found) =>
      expected.test(found.fleet.stale ?? ''),
    );
    assert.is(own.serial, 2);
  }
});

agents('a removed filter goes, what it had told stays', async ({ fleet, id }) => {
  const { world } = fleet;
  const host = fleet.host(id);
  await fleet.push();
  await fleet.push({ instance: 'second' });
  await fleet.has(id, 'both run', (found) => runs('1.0.0')(found) && runs('1.0.0', 'second')(found));
  fleet.append(id, 'nothing');
  await until(async () => (await fleet.kept(id)).length === 1, WAIT_MS, 'the event');
  const { stumbling, ...filters } = fleet.assignment()?.filters ?? {};
  assert.ok(stumbling);
  const next = { format: 1, group: GROUP, serial: 3, filters } as const;
  await world.push({ [assignmentPath(GROUP)]: assignmentBytes(next) });
  await fleet.publish();
  await fleet.has(
    id,
    'one is gone',
    (found) => found.filters.stumbling === undefined && runs('1.0.0', 'second')(found),
  );
  assert.is((await fleet.kept(id)).length, 1);
  assert.is(await host.stop(), 0, host.output());
});

if (brokerAvailable()) agents.run();
