/**
 * A repository that is damaged, has gone back, or is gone: operators go on as far as they can, and write it anew from their copy.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import type { Assignment } from '../../host/fleet/assignment.js';
import { pathsOf } from '../../host/fleet/copy.js';
import { firstEdition, type KeyRing, signRole } from '../../host/fleet/edition.js';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { filesOf, publish, readAssignment } from '../../host/fleet/operator.js';
import { bytesOf, newRoot, storedPath } from '../../host/fleet/metadata.js';
import { prune } from '../../host/fleet/prune.js';
import { PRUNE_MS_MIN } from '../../host/fleetlimits.js';
import { filePaths, removeFile, storedFile } from '../../host/fleet/repository.js';
import { type Damage, findDamage, repair } from '../../host/fleet/restore.js';
import { withKeys } from '../../host/fleet/roles.js';
import { createTrust } from '../../host/fleet/trust.js';
import { brokerAvailable } from '../broker.js';
import { errorOf } from '../connecting.js';
import {
  done,
  type Fleet,
  fleetInMemory,
  initialisedFleet,
  open,
  push,
  refused,
  taken,
  weirFleet,
} from './fleets.js';
import { releaseOf } from './operators.js';
import { ringOf, testKey } from './world.js';

interface Context extends Fleet {
  /** Publishes serial `n` of the group. */
  next(serial: number): Promise<void>;
  /** Paths of all that is published. */
  paths(): Promise<string[]>;
  write(path: string, bytes: Uint8Array | string): Promise<void>;
  read(path: string): Promise<string>;
  /** As `weir fleet restore` does. */
  restore(): Promise<Damage>;
  /** Another key for a role. */
  rotate(role: 'targets' | 'snapshot'): Promise<void>;
}

const restores = suite<Context>('a repository that is damaged');
restores.before.each(async (context) => {
  const { fleet, ring: first } = await fleetInMemory();
  const { broker } = fleet;
  const others = { targets: testKey('other targets'), snapshot: testKey('other snapshot') };
  const ring: KeyRing = {
    open: (ids) => [...first.open(ids), ...ringOf(...Object.values(others)).open(ids)],
  };
  const folder = () => openFleetFolder(fleet.fleet);
  const operator = () => open(fleet, broker, ring);
  Object.assign(context, fleet, {
    next: async (serial: number) => push(await operator(), ring, serial),
    paths: async () => [...pathsOf((await operator()).state)],
    write: (path: string, bytes: Uint8Array | string) =>
      broker.publish({ subject: `$KV.WEIR_REPO.${path}`, headers: {}, body: Buffer.from(bytes) }),
    read: async (path: string) => Buffer.from((await storedFile(broker, path))?.bytes ?? []).toString(),
    async restore() {
      await broker.ensureFleetStreams();
      const damage = await findDamage(broker, folder());
      await repair(folder(), broker, damage, ring, Date.now());
      return damage;
    },
    async rotate(role: 'targets' | 'snapshot') {
      const one = await operator();
      const change = await withKeys(one, role, { keys: [others[role]], threshold: 1 });
      await publish(one, ring, change, { action: 'keys rotated' });
    },
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
    await context.rotate('snapshot');
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
    const { files } = await context.restore();
    assert.equal(pathsIn(files), [...whole.keys()].sort());
    for (const [path, before] of whole) assert.is(await context.read(path), before, path);
    assert.is(await freshly(context), 2);

    for (const path of paths) await removeFile(broker, path);
    await assertRefused(freshly(context), 'all of it');
    const gone = await context.restore();
    assert.equal(
      [pathsIn(gone.files), gone.wrongRoot, gone.missing, gone.isAnew],
      [[...paths].sort(), undefined, [], false],
    );
    assert.is(await freshly(context), 2);
    assert.equal((await context.restore()).files, []);
  },
);

const pathsIn = (files: Damage['files']) => files.map(({ path }) => path).sort();

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
      ['{"signed":{"version":1,"expires":"2099-01-31T12:00:00Z"}}', /.*kind timestamp.*weir fleet restore/],
      ['', /timestamp\.json: expected an object/],
      [old.replace(/"version": \d+/, '"version": 99999'), /timestamp\.json: /],
      [old, /timestamp: expected version \d+ or later, found 2/],
    ];
    let serial = 2;
    for (const [text, reason] of cases) {
      await context.write('metadata/timestamp.json', text);
      assert.match(String(await errorOf(context.next(9))), reason);
      assert.is((await context.restore()).isAnew, true);
      // An appliance that has seen more than that goes on, and so does the next push.
      for (const take of [taken(context).then(serialOf), freshly(context)]) assert.is(await take, serial);
      await context.next(++serial);
      assert.is(serialOf(await taken(context)), serial);
    }
  },
);

restores('a root that nobody has signed is taken away', async (context) => {
  await context.write('metadata/2.root.json', await context.read('metadata/1.root.json'));
  assert.match(String(await errorOf(context.next(9))), /2\.root\.json: /);
  const { wrongRoot, files } = await context.restore();
  assert.equal([wrongRoot, files], ['metadata/2.root.json', []]);
  assert.is(await freshly(context), 1);
  // What was taken away leaves its place to another one.
  await context.rotate('targets');
  assert.is(await freshly(context), 1);
});

restores('nothing is written over another fleet, which a mistyped broker may have', async (context) => {
  const role = (name: string) => ({ keys: [testKey(`${name} of others`)] as const, threshold: 1 });
  const [root, targets, snapshot, timestamp] = [
    role('root'),
    role('targets'),
    role('snapshot'),
    role('timestamp'),
  ];
  const other = newRoot({ root, targets, snapshot, timestamp }, 1, Date.now());
  signRole(other, 'root', other, ringOf(...root.keys));
  await context.write('metadata/1.root.json', bytesOf(other));
  const { code, problem } = (await errorOf(context.restore())) as WeirError;
  assert.is(code, 'FLEET_EXISTS');
  assert.match(problem, 'found another one by its metadata/1.root.json');
  // Whoever reads is told the same, and not that it is damaged.
  const theirs = ringOf(...[root, targets, snapshot, timestamp].flatMap(({ keys }) => keys));
  const own = new Map<string, string>();
  for (const { path, bytes } of firstEdition(other, theirs, Date.now())) {
    own.set(path, await context.read(path));
    await context.write(path, bytes);
  }
  const status = await weirFleet(context, 'refresh');
  assert.match(status.err, /^weir: FLEET_EXISTS: repository: expected that of the fleet of this folder, /);
  for (const [path, text] of own) await context.write(path, text);
  await context.write('metadata/1.root.json', '{"signed":{}}');
  assert.equal(pathsIn((await context.restore()).files), ['metadata/1.root.json']);
});

restores('a broker that is new gets all of it', async (context) => {
  await context.rotate('targets');
  assert.is(serialOf(await taken(context)), 1);
  const connection = await connect({ servers: [context.server.url] });
  const manager = await connection.jetstreamManager();
  for (const name of ['KV_WEIR_REPO', 'WEIR_STATUS', 'WEIR_AUDIT', 'WEIR_FLEET'])
    await manager.streams.delete(name);
  await connection.close();
  assert.is((await errorOf(context.next(2))).code, 'STREAM_SILENT');
  const { files, isAnew } = await context.restore();
  assert.ok(isAnew && pathsIn(files).includes('metadata/2.root.json'));
  for (const take of [taken(context).then(serialOf), freshly(context)]) assert.is(await take, 1);
  await context.next(2);
  assert.is(serialOf(await taken(context)), 2);
});

restores('what nothing names any more is taken out when it is old, and nothing else is', async (context) => {
  const { broker, fleet } = context;
  const sleeper = createTrust(join(context.path, 'sleeper'), readFileSync(join(fleet, 'root.json')));
  for (const serial of [2, 3]) await context.next(serial);
  await context.rotate('targets');
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

restores('an assignment that appliances would refuse is not signed', async (context) => {
  const operator = await open(context, context.broker);
  for (const part of [{ ticket: '' }, { reason: ' ' }, { from: ['a.b'] }, { by: 'x'.repeat(501) }]) {
    const assignment: Assignment = {
      format: 1,
      group: 'edge',
      serial: 2,
      filters: { f: { release: releaseOf('1.0.0', part) } },
    };
    assert.is(
      (await errorOf(filesOf(operator, assignment))).code,
      'ASSIGNMENT_REFUSED',
      JSON.stringify(part),
    );
  }
});

restores('what is neither there nor in the copy is told', async (context) => {
  const { fleet, broker } = context;
  const target = (await context.paths()).find((path) => path.startsWith('targets/')) as string;
  rmSync(join(fleet, 'copy'), { recursive: true });
  await removeFile(broker, target);
  assert.equal((await context.restore()).missing, [target]);
  rmSync(join(fleet, 'copy'), { recursive: true });
  await removeFile(broker, 'metadata/timestamp.json');
  assert.is((await errorOf(context.restore())).code, 'COPY_MISSING');
});

const command = suite('weir fleet restore');

command('what an operator sees', async () => {
  const context = await initialisedFleet();
  try {
    const { broker, fleet } = context;
    const path = 'metadata/1.targets.json';
    await broker.publish({ subject: `$KV.WEIR_REPO.${path}`, headers: {}, body: Buffer.from('{}') });
    const renewed = await weirFleet(context, 'refresh');
    assert.is(renewed.code, 1, renewed.err);
    assert.match(renewed.err, `${path} is damaged in the repository; "weir fleet restore" writes it anew\n`);
    assert.match(renewed.err, `fleet: ${path}: is damaged\n`);
    assert.is(await done(context, 'restore'), 'restored: 1 files\n');
    await removeFile(broker, 'metadata/timestamp.json');
    await refused(context, /REPOSITORY_DAMAGED: repository: expected metadata\/timestamp\.json/, 'refresh');
    const found = JSON.parse(await done(context, 'restore', '--json'));
    assert.equal(found, { restored: [], removed: null, missing: [], anew: true });
    assert.is(await done(context, 'restore'), 'the repository is as it should be\n');
    const target = 'metadata/1.root.json';
    await removeFile(broker, target);
    rmSync(join(fleet, 'copy', target));
    assert.is(await done(context, 'restore'), 'restored: 1 files\n', 'the root of trust is here anyway');
  } finally {
    await context.stop();
  }
});

if (brokerAvailable()) {
  restores.run();
  command.run();
}
