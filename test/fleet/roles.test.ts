/**
 * Keys of roles that change, and roles for a part of the paths: what appliances take and refuse then, also those that slept meanwhile.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import { needAllSigned, signChange } from '../../host/fleet/change.js';
import { type Change, composeEdition, type Edition, writeEdition } from '../../host/fleet/edition.js';
import type { SigningKey } from '../../host/fleet/keys.js';
import { type RoleKeys, TOP_LEVEL, type TopLevel } from '../../host/fleet/metadata.js';
import {
  delegated,
  type Drafter,
  needWhole,
  renewed,
  roleOf,
  undelegated,
  withKeys,
} from '../../host/fleet/roles.js';
import { loadState } from '../../host/fleet/state.js';
import { createTrust, type Trust } from '../../host/fleet/trust.js';
import { temporaryFolder } from '../help.js';
import { createWorld, NOW_MS, ringOf, testKey, type World } from './world.js';

const PATH = 'assignments/edge.json';

interface Context {
  world: World;
  /** An appliance that sleeps from the first edition on. */
  trust: Trust;
  remove: () => Promise<void>;
}

const roles = suite<Context>('roles');
roles.before.each(async (context) => {
  const { path, remove } = await temporaryFolder();
  context.world = await createWorld();
  context.trust = createTrust(path, context.world.anchor);
  context.remove = remove;
  await context.world.push({ [PATH]: 'first', 'filters/net-a.bundle': 'net', 'filters/ssh-a.bundle': 'ssh' });
  assert.is(await taken(context), 'first');
});
roles.after.each(({ remove }) => remove());

async function taken(
  { trust, world }: Pick<Context, 'trust' | 'world'>,
  path = PATH,
): Promise<string | undefined> {
  const update = await trust.update(world.repository.fetch, NOW_MS, path);
  if (!update) return trust.target(path)?.toString();
  const bytes = await update.target(path);
  update.commit();
  return bytes?.toString();
}

async function codeOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'done',
    (error) => (error instanceof WeirError ? `${error.code}: ${error.problem}` : String(error)),
  );
}

const drafter = async ({ repository, state }: World): Promise<Drafter> => ({
  repository,
  state: await state(),
  now: () => NOW_MS,
});

const ringOfAll = (world: World, more: readonly SigningKey[] = []) =>
  ringOf(...Object.values(world.keys).flat(), ...more);

/** Signs a change with the world's keys and others, and composes what publishes it. */
async function signed(world: World, change: Change, more: readonly SigningKey[] = []): Promise<Edition> {
  const state = await world.state();
  signChange(state, change, ringOfAll(world, more));
  needAllSigned(state, change);
  return composeEdition(world.repository, state, ringOfAll(world, more), NOW_MS, change);
}

async function publish(world: World, change: Change, more: readonly SigningKey[] = []): Promise<void> {
  await writeEdition(world.repository, await signed(world, change, more));
}

/** The role's keys, and these instead of or beside them. */
async function give(world: World, role: TopLevel, keys: SigningKey[], threshold = 1): Promise<void> {
  await publish(world, await withKeys(await drafter(world), role, { keys, threshold }), keys);
  world.keys = { ...world.keys, [role]: keys };
}

for (const role of TOP_LEVEL)
  roles(`other keys for ${role}, and what is pushed then`, async (context) => {
    const { world } = context;
    const [old] = world.keys[role];
    await give(world, role, [testKey(`${role}-2`)]);
    assert.is(await taken(context), 'first');
    await world.push({ [PATH]: 'second' });
    assert.is(await taken(context), 'second');
    assert.not.ok(roleOf(await world.state(), role).ids.includes(old?.id as string));
  });

roles('an appliance that slept through a root of each kind takes what is last', async (context) => {
  const { world } = context;
  for (const role of [...TOP_LEVEL, 'root', 'timestamp'] as const)
    await give(world, role, [testKey(`${role}-new`)]);
  await world.push({ [PATH]: 'second' });
  assert.is(await taken(context), 'second');
  assert.is(context.trust.trusted()?.versions.root, 7);
});

roles('a key more makes nobody sign anew; a threshold that is not reached does', async ({ world }) => {
  const [one] = world.keys.targets as [SigningKey];
  const two = testKey('two');
  const change = await withKeys(await drafter(world), 'targets', { keys: [one, two], threshold: 1 });
  assert.equal(change.targets, []);
  const both = await withKeys(await drafter(world), 'targets', { keys: [one, two], threshold: 2 });
  assert.is(both.targets?.length, 1);
  assert.match(
    await codeOf(signed(world, both)),
    /^SIGNATURES_MISSING: targets: expected 2 signatures, found 1/,
  );
  await publish(world, both, [two]);
});

roles('a lost key, one of two, is revoked by the other one', async (context) => {
  const { world } = context;
  const [one] = world.keys.root as [SigningKey];
  await give(world, 'root', [one, testKey('lost')]);
  world.keys.root = [one];
  await give(world, 'root', [one]);
  await world.push({ [PATH]: 'second' });
  assert.is(await taken(context), 'second');
});

roles('the keys before have to sign a root, not only its own', async ({ world }) => {
  const thief = testKey('thief');
  const change = await withKeys(await drafter(world), 'root', { keys: [thief], threshold: 1 });
  world.keys = { ...world.keys, root: [thief] };
  assert.match(
    await codeOf(signed(world, change)),
    /^SIGNATURES_MISSING: root before: expected 1 signatures, found 0/,
  );
});

roles('what nobody could sign for is refused', async ({ world }) => {
  const operator = await drafter(world);
  const [key] = world.keys.targets as [SigningKey];
  const refused = (role: string, next: RoleKeys) => codeOf(withKeys(operator, role, next));
  assert.match(
    await refused('targets', { keys: [], threshold: 1 }),
    /^KEYS_REFUSED: role targets: expected a key/,
  );
  assert.match(
    await refused('targets', { keys: [key], threshold: 2 }),
    /^KEYS_REFUSED: role targets: expected a threshold from 1 to its 1 keys, found 2/,
  );
  assert.match(await refused('targets', { keys: [key], threshold: 0 }), /expected a threshold/);
  assert.match(await refused('targets', { keys: [key, key], threshold: 1 }), /expected each key once/);
  const many = Array.from({ length: 65 }, (_, at) => testKey(`k${at}`));
  assert.match(await refused('targets', { keys: many, threshold: 1 }), /expected up to 64 keys/);
  assert.match(
    await refused('nobody', { keys: [key], threshold: 1 }),
    /^KEYS_REFUSED: expected a role \(root, targets, snapshot, timestamp\), found nobody/,
  );
});

roles('a team signs what has its prefix; all else is as it was', async (context) => {
  const { world } = context;
  const team = testKey('team');
  const change = await delegated(await drafter(world), {
    name: 'net',
    paths: ['filters/net-*'],
    keys: [team],
    threshold: 1,
  });
  assert.equal(
    change.targets?.map(({ role, metadata }) => [role, Object.keys(metadata.signed.targets).sort()]),
    [
      ['targets', [PATH, 'filters/ssh-a.bundle']],
      ['net', ['filters/net-a.bundle']],
    ],
  );
  assert.match(await codeOf(signed(world, change)), /^SIGNATURES_MISSING: net: expected 1/);
  await publish(world, change, [team]);
  assert.is(await taken(context, 'filters/net-a.bundle'), 'net');
  await world.push(
    { 'filters/net-b.bundle': 'b', 'filters/ssh-a.bundle': 'evil' },
    { role: 'net', signers: [team] },
  );
  assert.is(await taken(context, 'filters/net-b.bundle'), 'b');
  assert.is(await taken(context, 'filters/ssh-a.bundle'), 'ssh');

  // What the team has listed outside of its prefix goes to nobody.
  await publish(world, await undelegated(await drafter(world), 'net'));
  assert.is(await taken(context, 'filters/net-b.bundle'), 'b');
  assert.is(await taken(context, 'filters/ssh-a.bundle'), 'ssh');
  const listed = (await world.state()).targets.get('targets')?.signed.targets ?? {};
  assert.equal(Object.keys(listed).sort(), [
    PATH,
    'filters/net-a.bundle',
    'filters/net-b.bundle',
    'filters/ssh-a.bundle',
  ]);

  // A role of the same name goes on with its numbers: appliances remember them.
  const again = await delegated(await drafter(world), {
    name: 'net',
    paths: ['filters/net-*'],
    keys: [team],
    threshold: 1,
  });
  await publish(world, again, [team]);
  assert.is(again.targets?.[1]?.metadata.signed.version, 3);
  assert.is(await taken(context, 'filters/net-b.bundle'), 'b');
});

roles("a delegated role's keys change, and its place among the others does not", async (context) => {
  const { world } = context;
  const [one, two, three] = [testKey('one'), testKey('two'), testKey('three')] as const;
  for (const [name, paths] of [
    ['net', 'filters/net-*'],
    ['rest', 'filters/*'],
  ] as const) {
    const change = await delegated(await drafter(world), { name, paths: [paths], keys: [one], threshold: 1 });
    await publish(world, change, [one]);
  }
  const change = await withKeys(await drafter(world), 'net', { keys: [two, three], threshold: 2 });
  assert.equal(
    change.targets?.map(({ role }) => role),
    ['targets', 'net'],
  );
  assert.match(
    await codeOf(signed(world, change, [two])),
    /^SIGNATURES_MISSING: net: expected 2 signatures, found 1/,
  );
  await publish(world, change, [two, three]);
  assert.is(await taken(context, 'filters/net-a.bundle'), 'net');
  assert.is(await taken(context, 'filters/ssh-a.bundle'), 'ssh');
  await world.push({ 'filters/net-a.bundle': 'evil' }, { role: 'net', signers: [one] }).catch(() => {});
  assert.match(
    await codeOf(taken(context, 'filters/net-a.bundle once')),
    /METADATA_REFUSED.*net was signed by 0\/2/,
  );
});

roles('roles that could not work are refused', async ({ world }) => {
  const team = testKey('team');
  const ask = async (name: string, ...paths: string[]) =>
    codeOf(delegated(await drafter(world), { name, paths, keys: [team], threshold: 1 }));
  assert.match(await ask('targets', 'filters/*'), /KEYS_REFUSED: expected a name/);
  assert.match(await ask('a.b', 'filters/*'), /expected a name/);
  assert.match(await ask('toString', 'filters/*'), /expected a name/);
  for (const path of [
    '*',
    'filters/',
    'metadata/x',
    'filters/a/b',
    'filters/{a,b}',
    'filters/[ab]',
    '../filters/a',
  ])
    assert.match(await ask('net', path), /expected a pattern such as filters\/net-\*/, path);
  await publish(
    world,
    await delegated(await drafter(world), {
      name: 'net',
      paths: ['filters/net-*'],
      keys: [team],
      threshold: 1,
    }),
    [team],
  );
  assert.match(await ask('net', 'filters/other-*'), /there is one of this name/);
  assert.match(await ask('flow', 'filters/net-flow-*'), /role net has it already, and is asked first/);
  assert.match(
    await codeOf(undelegated(await drafter(world), 'other')),
    /expected a delegated role \(net\), found other/,
  );
});

roles('a role is renewed before it expires', async (context) => {
  const { world } = context;
  for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
    const versions = () =>
      world.state().then(({ root, targets, snapshot, timestamp }) => ({
        root: root.signed.version,
        targets: targets.get('targets')?.signed.version,
        snapshot: snapshot.signed.version,
        timestamp: timestamp.signed.version,
      }));
    const before = (await versions())[role as TopLevel] as number;
    await publish(world, await renewed(await drafter(world), role));
    assert.is((await versions())[role as TopLevel], before + 1, role);
    assert.is(await taken(context), 'first');
  }
});

roles(
  'a rotation that was interrupted at any step is completed by renewing what is left',
  async (context) => {
    const { world } = context;
    const old = world.repository.copy();
    const keys = Object.fromEntries(TOP_LEVEL.map((role) => [role, world.keys[role]])) as World['keys'];
    const fresh = [testKey('targets-2')];
    const change = await withKeys(await drafter(world), 'targets', { keys: fresh, threshold: 1 });
    const edition = await signed(world, change, fresh);
    for (let steps = 1; steps < edition.length; steps++) {
      world.repository.files.clear();
      for (const [path, { bytes }] of old) world.repository.set(path, bytes);
      await writeEdition(world.repository, edition.slice(0, steps));
      world.keys = { ...keys, targets: fresh };
      const state = await world.state();
      assert.equal(state.halfRotated, ['targets']);
      assert.throws(
        () => needWhole(state),
        /ROTATION_UNFINISHED|targets: expected signatures of the keys that root 2 names/,
      );
      assert.match(
        await codeOf(withKeys(await drafter(world), 'snapshot', { keys: [testKey('s')], threshold: 1 })),
        /^ROTATION_UNFINISHED: targets/,
      );
      await publish(world, await renewed(await drafter(world), 'targets'));
      assert.equal((await world.state()).halfRotated, []);
      await world.push({ [PATH]: 'second' });
      const { path, remove } = await temporaryFolder();
      assert.is(
        await taken({ trust: createTrust(path, world.anchor), world }),
        'second',
        `after ${steps} steps`,
      );
      await remove();
    }
  },
);

roles('of two operators at once the second is told, and no root of his is there', async (context) => {
  const { world } = context;
  const fresh = [testKey('targets-2')];
  const change = await withKeys(await drafter(world), 'targets', { keys: fresh, threshold: 1 });
  const edition = await signed(world, change, fresh);
  await world.push({ [PATH]: 'theirs' });
  assert.match(await codeOf(writeEdition(world.repository, edition)), /^REPOSITORY_MOVED/);
  assert.not.ok(world.repository.files.has('metadata/2.root.json'));
  assert.is(await taken(context), 'theirs');
});

roles('what was signed with keys of two roots ago can be renewed, too', async ({ world }) => {
  const before = world.repository.copy();
  await give(world, 'timestamp', [testKey('timestamp-2')]);
  await give(world, 'root', [testKey('root-2')]);
  const roots = ['metadata/2.root.json', 'metadata/3.root.json'].map(
    (path) => [path, world.repository.files.get(path)?.bytes as Buffer] as const,
  );
  world.repository.files.clear();
  for (const [path, { bytes }] of before) world.repository.set(path, bytes);
  for (const [path, bytes] of roots) world.repository.set(path, bytes);
  const state = await loadState(world.repository, { root: world.anchor, versions: {} });
  assert.equal(state.halfRotated, ['timestamp']);
  await publish(world, await renewed(await drafter(world), 'timestamp'));
  assert.equal((await world.state()).halfRotated, []);
});

roles.run();
