/**
 * What operators write: in an order in which readers see the old or the new, with two operators at once, and interrupted anywhere.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import {
  composeEdition,
  draftTargets,
  type Edition,
  signRole,
  writeEdition,
} from '../../host/fleet/edition.js';
import { bytesOf, signWith, targetFile } from '../../host/fleet/metadata.js';
import { loadState, versionsIn } from '../../host/fleet/state.js';
import { createTrust } from '../../host/fleet/trust.js';
import { temporaryFolder } from '../help.js';
import { createWorld, NOW_MS, ringOf, testKey, type World } from './world.js';

const PATH = 'assignments/edge.json';

const editions = suite<{ world: World }>('editions');
editions.before.each(async (context) => {
  context.world = await createWorld();
  await context.world.push({ [PATH]: 'first' });
});

/** What publishes a content at the path, composed and not written. */
async function composed(world: World, content: string): Promise<Edition> {
  const { repository } = world;
  const state = await world.state();
  const bytes = Buffer.from(content);
  const metadata = await draftTargets(repository, state, 'targets', NOW_MS, (files) => {
    files[PATH] = targetFile(PATH, bytes);
  });
  for (const key of world.keys.targets) signWith(metadata, key);
  const contents = new Map([[PATH, bytes]]);
  const ring = ringOf(...Object.values(world.keys).flat());
  return composeEdition(repository, state, ring, NOW_MS, {
    targets: [{ role: 'targets', metadata, contents }],
  });
}

/** What an appliance reads that comes new. */
async function read(world: World): Promise<string | undefined> {
  const { path, remove } = await temporaryFolder();
  const update = await createTrust(path, world.anchor).update(world.repository.fetch, NOW_MS, PATH);
  const bytes = await update?.target(PATH);
  await remove();
  return bytes?.toString();
}

async function codeOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'done',
    (error) => (error instanceof WeirError ? error.code : String(error)),
  );
}

editions(
  'interrupted at any step: readers see the old until the last one, and it can be completed',
  async ({ world }) => {
    const edition = await composed(world, 'second');
    assert.is(edition.at(-1)?.path, 'metadata/timestamp.json');
    for (let steps = 0; steps < edition.length; steps++) {
      await writeEdition(world.repository, edition.slice(0, steps));
      assert.is(await read(world), 'first', `after ${steps} of ${edition.length}`);
    }
    await writeEdition(world.repository, edition);
    assert.is(await read(world), 'second');
    await writeEdition(world.repository, edition);
    assert.is(await read(world), 'second');
  },
);

editions('interrupted and forgotten: the next change leaves its numbers out', async ({ world }) => {
  const lost = await composed(world, 'lost');
  await writeEdition(world.repository, lost.slice(0, -1));
  await world.push({ [PATH]: 'third' });
  assert.is(await read(world), 'third');
  assert.is(await codeOf(writeEdition(world.repository, lost)), 'REPOSITORY_MOVED');
  assert.is(await read(world), 'third');
});

editions('of two operators at once one wins and the other is told', async ({ world }) => {
  const [mine, theirs] = [await composed(world, 'mine'), await composed(world, 'theirs')];
  for (let step = 0; step < mine.length; step++) {
    const wrote = await codeOf(writeEdition(world.repository, theirs.slice(0, step)));
    const answer = await codeOf(writeEdition(world.repository, mine));
    assert.ok([wrote, answer].includes('done'));
    assert.ok(['first', 'mine'].includes((await read(world)) as string));
  }
  assert.is(await codeOf(writeEdition(world.repository, theirs)), 'REPOSITORY_MOVED');
});

editions('too few signatures are not published', async ({ world }) => {
  const state = await world.state();
  const metadata = await draftTargets(world.repository, state, 'targets', NOW_MS, () => {});
  const count = signRole(state.root, 'targets', metadata, ringOf(testKey('mallory')));
  assert.equal(count, { signed: 0, threshold: 1 });
  const change = { targets: [{ role: 'targets', metadata, contents: new Map() }] };
  const none = composeEdition(world.repository, state, ringOf(), NOW_MS, change);
  assert.is(await codeOf(none), 'KEYS_MISSING');
});

editions('an operator does not build on what is older than he has seen', async ({ world }) => {
  const old = world.repository.copy();
  await world.push({ [PATH]: 'second' });
  const versions = versionsIn(await world.state());
  const load = () => codeOf(loadState(world.repository, { root: world.anchor, versions }));
  assert.is(await load(), 'done');
  for (const [path, { bytes }] of old) world.repository.set(path, bytes);
  assert.is(await load(), 'METADATA_STALE');
  world.repository.files.clear();
  assert.is(await load(), 'FLEET_MISSING');
});

editions('what has expired can be read, and renewed', async ({ world }) => {
  await world.push({}, { nowMs: NOW_MS - 400 * 86_400_000 });
  const state = await world.state();
  const ring = ringOf(...Object.values(world.keys).flat());
  assert.is(await codeOf(read(world)), 'METADATA_STALE');
  const metadata = await draftTargets(world.repository, state, 'targets', NOW_MS, () => {});
  signRole(state.root, 'targets', metadata, ring);
  const targets = [{ role: 'targets', metadata, contents: new Map() }];
  await writeEdition(
    world.repository,
    await composeEdition(world.repository, state, ring, NOW_MS, { targets }),
  );
  assert.is(await read(world), 'first');
});

editions('only the time is renewed where nothing else is', async ({ world }) => {
  const state = await world.state();
  const ring = ringOf(...world.keys.timestamp);
  const edition = await composeEdition(world.repository, state, ring, NOW_MS, {});
  assert.equal(
    edition.map(({ path }) => path),
    ['metadata/timestamp.json'],
  );
  await writeEdition(world.repository, edition);
  assert.is(await read(world), 'first');
});

editions('a rotation that was interrupted is seen, and what is left to sign', async ({ world }) => {
  const before = world.repository.copy();
  await world.rotate({ timestamp: [testKey('timestamp-2')], targets: [testKey('targets-2')] });
  const root = world.repository.files.get('metadata/2.root.json') as { bytes: Buffer };
  world.repository.files.clear();
  for (const [path, { bytes }] of before) world.repository.set(path, bytes);
  world.repository.set('metadata/2.root.json', root.bytes);
  const state = await world.state();
  assert.equal([...state.halfRotated].sort(), ['targets', 'timestamp']);
  assert.is(await codeOf(read(world)), 'METADATA_REFUSED');
  await world.push({ [PATH]: 'second' });
  assert.is(await read(world), 'second');
});

editions('metadata that was changed on the way', async ({ world }) => {
  const state = await world.state();
  for (const path of ['metadata/timestamp.json', `metadata/${state.snapshot.signed.version}.snapshot.json`]) {
    const whole = world.repository.files.get(path) as { bytes: Buffer };
    const text = whole.bytes.toString().replace(/"version": \d+/, '"version": 77');
    world.repository.set(path, Buffer.from(text));
    assert.is(await codeOf(world.state()), 'METADATA_REFUSED', path);
    world.repository.set(path, whole.bytes);
  }
  assert.ok(bytesOf(state.root).equals(world.anchor));
});

editions.run();
