/**
 * What an appliance accepts, and what it refuses, whoever owns the broker: each test is an attack, and what was trusted stays.
 */
import { readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { bytesOf, readRoot, readTimestamp, signWith } from '../../host/fleet/metadata.js';
import { createTrust } from '../../host/fleet/trust.js';
import { change, DAY_MS, PATH, refused, trustingSuite, updated } from './trusting.js';
import { createWorld, memoryRepository, NOW_MS, testKey } from './world.js';

const trusting = trustingSuite('trust');

trusting('takes what is new, and asks for little when nothing is', async (context) => {
  const { world, trust } = context;
  world.repository.fetched.length = 0;
  assert.is(await updated(context), 'same');
  assert.equal(world.repository.fetched, ['metadata/2.root.json', 'metadata/timestamp.json']);
  await world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  assert.is(trust.target(PATH)?.toString(), 'second');
  await world.push({ [PATH]: undefined });
  assert.is(await updated(context), undefined);
  assert.is(trust.target(PATH), undefined);
});

trusting('goes on without network and clock', async (context) => {
  const again = createTrust(context.folder, context.world.anchor);
  assert.is(again.target(PATH)?.toString(), 'first');
  assert.equal(again.trusted(), context.trust.trusted());
});

trusting('a root of trust of another fleet is seen, and changes nothing', async (context) => {
  const { world, folder, trust } = context;
  const rootOf = (version: number) =>
    world.repository.files.get(`metadata/${version}.root.json`)?.bytes as Buffer;
  const other = await createWorld();
  const opened = (anchor: Uint8Array) => createTrust(folder, anchor);
  assert.is(trust.isOtherFleet, false);
  assert.is(opened(other.anchor).isOtherFleet, true);
  const misled = { ...context, trust: opened(other.anchor) };
  await world.push({ [PATH]: 'second' });
  assert.is(await updated(misled), 'second', 'the fleet that is trusted goes on');
  assert.is(opened(other.anchor).isOtherFleet, true);
  assert.is(opened(world.anchor).isOtherFleet, false);

  // The root of the same fleet, in any version, also behind keys that have all been replaced.
  for (let version = 2; version <= 4; version++) {
    await world.rotate({ root: [testKey(`root-${version}`)] });
    if (version === 2) assert.is(opened(rootOf(2)).isOtherFleet, false, 'before it is known');
    assert.is(await updated({ ...context, trust: opened(world.anchor) }), 'second');
    assert.is(opened(world.anchor).isOtherFleet, false);
    assert.is(opened(rootOf(version)).isOtherFleet, false);
  }
  assert.is(opened(other.anchor).isOtherFleet, true);
  rmSync(folder, { recursive: true });
  await other.push({ [PATH]: 'of the other' });
  assert.is(await updated({ folder, world: other, trust: opened(other.anchor) }), 'of the other');
});

trusting('a key that nobody has named', async (context) => {
  await context.world.push({ [PATH]: 'evil' }, { signers: [testKey('mallory')] });
  await refused(context, /METADATA_REFUSED .*targets was signed by 0\/1 keys/);
});

trusting('no signature at all', async (context) => {
  await context.world.push({ [PATH]: 'evil' }, { signers: [] });
  await refused(context, /METADATA_REFUSED .*targets was signed by 0\/1 keys/);
});

trusting('a key that was revoked', async (context) => {
  const old = context.world.keys.targets;
  await context.world.rotate({ targets: [testKey('targets-2')] });
  await context.world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  await context.world.push({ [PATH]: 'evil' }, { signers: old });
  await refused(context, /METADATA_REFUSED .*signed by 0\/1 keys/);
});

trusting('one signature where two are asked for', async (context) => {
  const two = [testKey('one'), testKey('two')];
  await context.world.rotate({ targets: two }, { targets: 2 });
  await context.world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  await context.world.push({ [PATH]: 'evil' }, { signers: two.slice(1) });
  await refused(context, /METADATA_REFUSED .*signed by 1\/2 keys/);
});

trusting('one key under two ids is not two', async (context) => {
  const { world } = context;
  const [key] = world.keys.targets;
  if (!key) throw new Error('no key');
  await world.rotate({ targets: [key, testKey('other')] }, { targets: 2 });
  const path = 'metadata/2.root.json';
  const root = JSON.parse((world.repository.files.get(path)?.bytes ?? '').toString());
  const [first, second] = root.signed.roles.targets.keyids;
  root.signed.keys[second] = root.signed.keys[first];
  const signed = readRoot(Buffer.from(JSON.stringify({ signed: root.signed, signatures: [] })));
  for (const signer of world.keys.root) signWith(signed, signer);
  world.repository.set(path, bytesOf(signed));
  await refused(context, /METADATA_REFUSED 2\.root\.json: targets: one key stands there under two ids/);
});

trusting('a team outside of its prefix', async (context) => {
  const team = [testKey('team')];
  const { world } = context;
  const delegate = { name: 'team', paths: ['filters/net-*'], keys: team };
  await world.push({}, { delegate });
  await world.push(
    { 'filters/net-flow.bundle': 'theirs', [PATH]: 'evil', 'filters/ssh.bundle': 'evil' },
    { role: 'team', signers: team },
  );
  const take = async (path: string) => {
    const update = await context.trust.update(world.repository.fetch, NOW_MS, `${path} once`);
    return (await update?.target(path))?.toString();
  };
  assert.is(await take('filters/net-flow.bundle'), 'theirs');
  assert.is(await take(PATH), 'first');
  assert.is(await take('filters/ssh.bundle'), undefined);
  assert.is(await take('filters/net-flow/x.bundle'), undefined);
});

trusting('a target of which one byte is another', async (context) => {
  const { world } = context;
  await world.push({ [PATH]: 'second' });
  const stored = [...world.repository.files.keys()]
    .filter((path) => path.startsWith('targets/'))
    .at(-1) as string;
  change(world, stored, 'second', 'sekond');
  await refused(context, /METADATA_REFUSED .*expected what was signed, found other bytes/);
  world.repository.set(stored, Buffer.from('second and more'));
  await refused(context, /METADATA_REFUSED .*expected what was signed, found other bytes/);
  world.repository.files.delete(stored);
  await refused(context, /METADATA_REFUSED .*it is signed, but not there/);
});

trusting('metadata older than what was known', async (context) => {
  const { world } = context;
  const old = world.repository.copy();
  await world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  for (const [path, { bytes }] of old) world.repository.set(path, bytes);
  await refused(context, /METADATA_STALE .*version 2 is less than current version 3/);
});

trusting('older metadata, after the files that would tell are torn', async (context) => {
  const { world, folder } = context;
  const old = world.repository.copy();
  await world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  for (const [path, { bytes }] of old) world.repository.set(path, bytes);
  for (const file of readdirSync(join(folder, 'trusted'))) truncateSync(join(folder, 'trusted', file), 7);
  context.trust = createTrust(folder, world.anchor);
  await refused(context, /METADATA_STALE .*expected version 3 or later, found 2/);
});

trusting(
  'every file of what is trusted, cut at any length, costs a fetch and nothing else',
  async (context) => {
    const { world, folder } = context;
    await world.push({ [PATH]: 'second' });
    assert.is(await updated(context), 'second');
    const trusted = join(folder, 'trusted');
    for (const file of readdirSync(trusted)) {
      const whole = readFileSync(join(trusted, file));
      for (let length = 0; length < whole.length; length += 97) {
        writeFileSync(join(trusted, file), whole.subarray(0, length));
        const again = createTrust(folder, world.anchor);
        const update = await again.update(world.repository.fetch, NOW_MS, PATH);
        assert.is((await update?.target(PATH))?.toString(), 'second', `${file} cut at ${length}`);
      }
      writeFileSync(join(trusted, file), whole);
    }
  },
);

trusting('a high-water mark that is damaged, alone and with what is trusted', async (context) => {
  const { world, folder } = context;
  const old = world.repository.copy();
  await world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  for (const [path, { bytes }] of old) world.repository.set(path, bytes);
  writeFileSync(join(folder, 'highwater'), 'x');
  context.trust = createTrust(folder, world.anchor);
  await refused(context, /METADATA_STALE/);
  truncateSync(join(folder, 'trusted/index.json'), 3);
  writeFileSync(join(folder, 'highwater'), 'x');
  context.trust = createTrust(folder, world.anchor);
  await refused(context, /METADATA_REFUSED .*highwater: expected the versions that were trusted/);
});

trusting('an expired timestamp, and one that is renewed', async (context) => {
  await refused(context, /METADATA_STALE .*expired/, { nowMs: NOW_MS + 8 * DAY_MS });
  await context.world.push({}, { nowMs: NOW_MS + 8 * DAY_MS });
  assert.is(await updated(context, { nowMs: NOW_MS + 9 * DAY_MS }), 'first');
});

trusting('a clock that is set back a year does not bring back what has expired', async (context) => {
  const { world } = context;
  const old = world.repository.copy();
  await world.push({ [PATH]: 'second' }, { nowMs: NOW_MS + 6 * DAY_MS });
  assert.is(await updated(context, { nowMs: NOW_MS + 6 * DAY_MS }), 'second');
  rmSync(join(context.folder, 'trusted'));
  for (const [path, { bytes }] of old) world.repository.set(path, bytes);
  context.trust = createTrust(context.folder, world.anchor);
  await refused(context, /METADATA_STALE/, { nowMs: NOW_MS - 365 * DAY_MS });
});

trusting('a clock in the far future does not make everything expired for ever', async (context) => {
  await refused(context, /METADATA_STALE/, { nowMs: NOW_MS + 9_999 * DAY_MS });
  await context.world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
});

trusting('a snapshot and targets of different times', async (context) => {
  const { world } = context;
  await world.push({ [PATH]: 'second' });
  const state = await world.state();
  const { version } = state.targets.get('targets')?.signed ?? { version: 0 };
  const before = world.repository.files.get(`metadata/${version - 1}.targets.json`)?.bytes as Buffer;
  world.repository.set(`metadata/${version}.targets.json`, before);
  await refused(context, /METADATA_REFUSED/);
});

trusting('a root that takes a key away is not forgotten where the rest is held back', async (context) => {
  const { world } = context;
  const before = world.repository.copy();
  await world.rotate({ timestamp: [testKey('timestamp-2')] });
  const root = world.repository.files.get('metadata/2.root.json') as { bytes: Buffer };
  for (const [path, { bytes }] of before) world.repository.set(path, bytes);
  await refused(context, /METADATA_REFUSED .*timestamp was signed by 0\/1 keys/);
  world.repository.files.delete('metadata/2.root.json');
  await world.push({ [PATH]: 'evil' }, { signers: world.keys.targets }).catch(() => {});
  await refused(
    { ...context, trust: createTrust(context.folder, world.anchor) },
    /METADATA_STALE root: expected version 2 or later, found 1/,
    { path: 'another' },
  );
  world.repository.set('metadata/2.root.json', root.bytes);
});

trusting('three roots slept through, and one that leaves a step out', async (context) => {
  const { world } = context;
  await world.rotate({ root: [testKey('root-2')] });
  await world.rotate({ root: [testKey('root-3')], timestamp: [testKey('timestamp-2')] });
  await world.rotate({ root: [testKey('root-4')], snapshot: [testKey('snapshot-2')] });
  await world.push({ [PATH]: 'second' });
  const third = world.repository.files.get('metadata/3.root.json') as { bytes: Buffer };
  world.repository.set(
    'metadata/3.root.json',
    world.repository.files.get('metadata/4.root.json')?.bytes as Buffer,
  );
  await refused(context, /METADATA_REFUSED/);
  world.repository.set('metadata/3.root.json', third.bytes);
  assert.is(await updated(context), 'second');
  assert.is(context.trust.trusted()?.versions.root, 4);
});

trusting(
  'versions that a stolen timestamp key has driven up, after another key is named',
  async (context) => {
    const { world } = context;
    const [stolen] = world.keys.timestamp;
    const before = world.repository.files.get('metadata/timestamp.json') as { bytes: Buffer };
    const { signed } = JSON.parse(before.bytes.toString());
    const text = JSON.stringify({ signed: { ...signed, version: 1_000_000 }, signatures: [] });
    const driven = readTimestamp(Buffer.from(text));
    if (stolen) signWith(driven, stolen);
    world.repository.set('metadata/timestamp.json', bytesOf(driven));
    assert.is(await updated(context), 'first');
    world.repository.set('metadata/timestamp.json', before.bytes);
    await world.rotate({ timestamp: [testKey('timestamp-2')] });
    await world.push({ [PATH]: 'second' });
    assert.is(await updated(context), 'second');
  },
);

trusting('a root of trust that is none', async ({ folder, world }) => {
  const damaged = world.anchor.toString().replace('"threshold": 1', '"threshold": 2');
  for (const [bytes, reason] of [
    ['', /expected an object/],
    [damaged, /signed by 0\/2 keys|signed by/],
    ['{"signed":{},"signatures":[]}', /expected a version/],
  ] as const) {
    assert.throws(
      () => createTrust(`${folder}-2`, Buffer.from(bytes)),
      (error: Error) => {
        assert.match(error.message, reason);
        return true;
      },
    );
  }
});

trusting('another fleet in the place of this one', async (context) => {
  const other = await createWorld();
  await other.push({ [PATH]: 'theirs' });
  for (const [path, { bytes }] of other.repository.files) context.world.repository.set(path, bytes);
  await refused(context, /METADATA_REFUSED/);
});

trusting('a repository that is empty, or does not answer', async (context) => {
  const { trust } = context;
  const empty = memoryRepository();
  let problem: unknown;
  await trust.update(empty.fetch, NOW_MS, 'other').catch((error) => {
    problem = error;
  });
  assert.match(String(problem), /timestamp\.json is not there/);
  await trust
    .update(() => Promise.reject(new Error('away')), NOW_MS, PATH)
    .catch((error) => {
      problem = error;
    });
  assert.match(String(problem), /away/);
  assert.is(trust.target(PATH)?.toString(), 'first');
});

trusting('a kill at any step of taking over what is new leaves the old or the new', async (context) => {
  const { world, folder } = context;
  await world.push({ [PATH]: 'second' });
  assert.is(await updated(context), 'second');
  // What the steps between two renames leave behind.
  const link = join(folder, 'trusted');
  renameSync(link, join(folder, 'kept'));
  renameSync(join(folder, 'kept'), link);
  for (const rest of ['staging', 'trusted-99', 'trusted.new']) writeFileSync(join(folder, rest), 'x');
  rmSync(join(folder, 'staging'));
  context.trust = createTrust(folder, world.anchor);
  await world.push({ [PATH]: 'third' });
  assert.is(await updated(context), 'third');
});

trusting.run();
