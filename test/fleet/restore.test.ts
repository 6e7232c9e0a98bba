/**
 * A repository that is damaged, has gone back, or is gone: operators go on as far as they can, and write it anew from their copy.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { pathsOf } from '../../host/fleet/copy.js';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { readAssignment } from '../../host/fleet/operator.js';
import { storedPath } from '../../host/fleet/metadata.js';
import { prune } from '../../host/fleet/prune.js';
import { PRUNE_MS_MIN } from '../../host/fleetlimits.js';
import { filePaths, removeFile, storedFile } from '../../host/fleet/repository.js';
import { createTrust } from '../../host/fleet/trust.js';
import { brokerAvailable } from '../broker.js';
import {
  done,
  type Fleet,
  initialisedFleet,
  open,
  PASSPHRASE,
  push,
  refused,
  taken,
  weirFleet,
} from './fleets.js';

interface Context extends Fleet {
  /** Publishes serial `n` of the group. */
  next(serial: number): Promise<void>;
  /** Paths of all that is published. */
  paths(): Promise<string[]>;
  write(path: string, bytes: Uint8Array | string): Promise<void>;
  read(path: string): Promise<string>;
}

const restores = suite<Context>('weir fleet restore');
restores.before.each(async (context) => {
  const fleet = await initialisedFleet();
  const { broker } = fleet;
  Object.assign(context, fleet, {
    next: async (serial: number) =>
      push(await open(fleet, broker), openFleetFolder(fleet.fleet).ring(PASSPHRASE), serial),
    paths: async () => [...pathsOf((await open(fleet, broker)).state)],
    write: (path: string, bytes: Uint8Array | string) =>
      broker.publish({ subject: `$KV.WEIR_REPO.${path}`, headers: {}, body: Buffer.from(bytes) }),
    read: async (path: string) => Buffer.from((await storedFile(broker, path))?.bytes ?? []).toString(),
  });
  await context.next(1);
});
restores.after.each((context) => context.stop());

let fresh = 0;

/** The serial that an appliance takes which has nothing but the root of trust. */
async function freshly(context: Context): Promise<number> {
  const trust = createTrust(
    join(context.path, `trust-${++fresh}`),
    readFileSync(join(context.fleet, 'root.json')),
  );
  return serialOf(await taken({ ...context, trust }));
}

function serialOf(text: string | undefined): number {
  return JSON.parse(text ?? '{}').serial;
}

restores(
  'each file that is damaged or gone: an operator goes on, is told, and writes it anew',
  async (context) => {
    const { broker } = context;
    await context.next(2);
    await done(context, 'keys', 'rotate', 'snapshot');
    const paths = (await context.paths()).filter((path) => path !== 'metadata/timestamp.json');
    assert.is(paths.length, 5, paths.join(' '));
    const whole = new Map<string, string>();
    for (const path of paths.filter((one) => !one.endsWith('root.json'))) {
      const before = await context.read(path);
      whole.set(path, before);
      await context.write(path, before.replace(/[0-9a-f](?=[^0-9a-f]*$)/, 'x'));
      await assertRefused(freshly(context), path);
      assert.is((await readAssignment(await open(context, broker), 'edge'))?.serial, 2, path);
    }
    const renewed = await weirFleet(context, 'refresh');
    assert.is(renewed.code, 0, renewed.err);
    for (const path of whole.keys()) assert.match(renewed.err, `${path}: is damaged\n`);
    const { restored } = JSON.parse(await done(context, 'restore', '--json'));
    assert.equal(restored.sort(), [...whole.keys()].sort());
    for (const [path, before] of whole) assert.is(await context.read(path), before, path);
    assert.is(await freshly(context), 2);

    for (const path of paths) await removeFile(broker, path);
    await assertRefused(freshly(context), 'all of it');
    const gone = JSON.parse(await done(context, 'restore', '--json'));
    assert.equal(
      [gone.restored.sort(), gone.removed, gone.missing, gone.anew],
      [[...paths].sort(), null, [], false],
    );
    assert.is(await freshly(context), 2);
    assert.is(await done(context, 'restore'), 'the repository is as it should be\n');
  },
);

async function assertRefused(work: Promise<unknown>, what: string): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: WeirError) => thrown,
  );
  assert.is(error?.code, 'METADATA_REFUSED', what);
}

restores(
  'what says what is the latest is damaged, or from last week: the copy is published anew',
  async (context) => {
    const old = await context.read('metadata/timestamp.json');
    await context.next(2);
    assert.is(serialOf(await taken(context)), 2);
    const cases: readonly [string, RegExp][] = [
      [
        '{"signed":{"version":1,"expires":"2099-01-31T12:00:00Z"}}',
        /REPOSITORY_DAMAGED: .*kind timestamp.*weir fleet restore/,
      ],
      ['', /REPOSITORY_DAMAGED: timestamp\.json: expected an object/],
      [old.replace(/"version": \d+/, '"version": 99999'), /REPOSITORY_DAMAGED: timestamp\.json: /],
      [old, /REPOSITORY_DAMAGED: timestamp: expected version \d+ or later, found 2/],
    ];
    let serial = 2;
    for (const [text, reason] of cases) {
      await context.write('metadata/timestamp.json', text);
      await refused(context, reason, 'refresh');
      const { anew } = JSON.parse(await done(context, 'restore', '--json'));
      assert.is(anew, true);
      // An appliance that has seen more than that goes on, and so does the next push.
      for (const take of [taken(context).then(serialOf), freshly(context)]) assert.is(await take, serial);
      await context.next(++serial);
      assert.is(serialOf(await taken(context)), serial);
    }
  },
);

restores('a root that nobody has signed is taken away', async (context) => {
  await context.write('metadata/2.root.json', await context.read('metadata/1.root.json'));
  await refused(context, /REPOSITORY_DAMAGED: 2\.root\.json: /, 'refresh');
  const { removed, restored } = JSON.parse(await done(context, 'restore', '--json'));
  assert.equal([removed, restored], ['metadata/2.root.json', []]);
  assert.is(await freshly(context), 1);
  // What was taken away leaves its place to another one.
  await done(context, 'keys', 'rotate', 'targets');
  assert.is(await freshly(context), 1);
});

restores('a broker that is new gets all of it', async (context) => {
  await done(context, 'keys', 'rotate', 'targets');
  assert.is(serialOf(await taken(context)), 1);
  const connection = await connect({ servers: [context.server.url] });
  const manager = await connection.jetstreamManager();
  for (const name of ['KV_WEIR_REPO', 'WEIR_STATUS', 'WEIR_AUDIT']) await manager.streams.delete(name);
  await connection.close();
  const { restored, anew } = JSON.parse(await done(context, 'restore', '--json'));
  assert.ok(anew && restored.includes('metadata/2.root.json'));
  for (const take of [taken(context).then(serialOf), freshly(context)]) assert.is(await take, 1);
  await context.next(2);
  assert.is(serialOf(await taken(context)), 2);
});

restores('what nothing names any more is taken out when it is old, and nothing else is', async (context) => {
  const { broker, fleet } = context;
  const sleeper = createTrust(join(context.path, 'sleeper'), readFileSync(join(fleet, 'root.json')));
  for (const serial of [2, 3]) await context.next(serial);
  await done(context, 'keys', 'rotate', 'targets');
  await context.next(4);
  const load = async () => (await open(context, broker)).state;
  const dayMs = PRUNE_MS_MIN + 60_000;
  const before = await filePaths(broker);
  assert.is(await prune(broker, load, Date.now()), 0);
  assert.equal(await filePaths(broker), before);
  const named = await context.paths();
  const gone = before.filter((path) => !named.includes(path));
  assert.ok(gone.length > 6, gone.join(' '));
  assert.is(await prune(broker, load, Date.now() + dayMs), gone.length);
  assert.equal((await filePaths(broker)).sort(), named.sort());
  assert.is(serialOf(await taken({ ...context, trust: sleeper })), 4);
  assert.is(await prune(broker, load, Date.now() + dayMs), 0);

  // Somebody publishes again what is taken out just then.
  await context.next(3);
  const old = (await load()).targets.get('targets');
  await context.next(4);
  let looks = 0;
  const other = async () => {
    const state = await load();
    if (++looks === 1 || !old) return state;
    return { ...state, targets: new Map([...state.targets, ['targets', old]]) };
  };
  const count = (await filePaths(broker)).length;
  const pruned = await prune(broker, other, Date.now() + dayMs);
  assert.is((await filePaths(broker)).length, count - pruned);
  for (const { path, hashes } of Object.values(old?.signed.targets ?? {}))
    assert.ok(await storedFile(broker, storedPath(path, hashes.sha256 as string)), path);
});

restores('what is neither there nor in the copy is told', async (context) => {
  const { fleet, broker } = context;
  const target = (await context.paths()).find((path) => path.startsWith('targets/')) as string;
  rmSync(join(fleet, 'copy'), { recursive: true });
  await removeFile(broker, target);
  const { code, err, out } = await weirFleet(context, 'restore');
  assert.equal([code, out], [1, '']);
  assert.match(err, `${target}: is not there as it was signed, and this folder has no copy\n`);
  rmSync(join(fleet, 'copy'), { recursive: true });
  await removeFile(broker, 'metadata/timestamp.json');
  await refused(context, /COPY_MISSING: expected a copy of what was published/, 'restore');
});

if (brokerAvailable()) restores.run();
