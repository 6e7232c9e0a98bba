/**
 * A fleet on a real broker, for tests: its folder, commands as operators type them, and an appliance.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Broker, connectBroker } from '../../host/broker.js';
import { WeirError } from '../../host/errors.js';
import { assignmentBytes } from '../../host/fleet/assignment.js';
import { type KeyRing, firstEdition, signRole } from '../../host/fleet/edition.js';
import { createFleetFolder, openFleetFolder } from '../../host/fleet/folder.js';
import { bytesOf, newRoot } from '../../host/fleet/metadata.js';
import {
  draftChange,
  type Operator,
  openOperator,
  publish,
  publishEdition,
} from '../../host/fleet/operator.js';
import { openRepository } from '../../host/fleet/repository.js';
import { createTrust, type Trust } from '../../host/fleet/trust.js';
import { FLEET_AUDIT_SUBJECT, FLEET_STREAM } from '../../host/wire.js';
import { startTestBroker, type TestBroker } from '../broker.js';
import { endAll, saidHere } from '../command.js';
import { temporaryFolder } from '../help.js';
import { ringOf, testKey } from './world.js';

export const PASSPHRASE = 'correct horse battery';
export const PATH = 'assignments/edge.json';

export interface Fleet {
  readonly server: TestBroker;
  readonly broker: Broker;
  /** A folder with `fleet` in it. */
  readonly path: string;
  readonly fleet: string;
  /** What an appliance trusts. */
  readonly trust: Trust;
  stop(): Promise<void>;
}

/** Tests that each have a fleet of their own, whose keys are in this process. */
export function suiteInMemory(title: string): Test<Fleet & { ring: KeyRing }> {
  const tests = suite<Fleet & { ring: KeyRing }>(title);
  tests.before.each(async (context) => {
    const { fleet, ring } = await fleetInMemory();
    Object.assign(context, fleet, { ring });
  });
  tests.after.each(({ stop }) => stop());
  return tests;
}

/** A fleet as `weir fleet init` makes it, of operator ann. */
export function initialisedFleet(): Promise<Fleet> {
  return startFleet(async (fleet, server) => {
    const args = ['--server', server.url, '--fleet', fleet, '--yes', '--operator', 'ann'];
    const { code, err } = await saidHere(['fleet', 'init', ...args]);
    assert.is(code, 0, err);
  });
}

/** A fleet whose keys are in this process, which costs no time; answers them with it. */
export async function fleetInMemory(): Promise<{ readonly fleet: Fleet; readonly ring: KeyRing }> {
  const [root, targets, snapshot, timestamp] = ['root', 'targets', 'snapshot', 'timestamp'].map((name) => ({
    keys: [testKey(name)] as const,
    threshold: 1,
  })) as [RoleOfOne, RoleOfOne, RoleOfOne, RoleOfOne];
  const roles = { root, targets, snapshot, timestamp };
  const ring = ringOf(...Object.values(roles).flatMap(({ keys }) => keys));
  const fleet = await startFleet(async (path, _server, broker) => {
    await broker.ensureFleetStreams();
    createFleetFolder(path, 'ann');
    const first = newRoot(roles, 1, Date.now());
    signRole(first, 'root', first, ring);
    const edition = firstEdition(first, ring, Date.now());
    await publishEdition(
      openFleetFolder(path, bytesOf(first)),
      broker,
      edition,
      { action: 'fleet made' },
      ring,
    );
  });
  return { fleet, ring };
}

type RoleOfOne = { readonly keys: readonly [ReturnType<typeof testKey>]; readonly threshold: number };

async function startFleet(
  make: (fleet: string, server: TestBroker, broker: Broker) => Promise<void>,
): Promise<Fleet> {
  process.env.WEIR_PASSPHRASE = PASSPHRASE;
  const { path, remove } = await temporaryFolder();
  const server = await startTestBroker();
  const fleet = join(path, 'fleet');
  const broker = await connectBroker({
    servers: [server.url],
    name: 'test',
    wait: 'fail-fast',
    notice: () => {},
  });
  await make(fleet, server, broker);
  const trust = createTrust(join(path, 'trust'), readFileSync(join(fleet, 'root.json')));
  return {
    server,
    broker,
    path,
    fleet,
    trust,
    async stop() {
      await endAll();
      await broker.close();
      await server.stop();
      await remove();
    },
  };
}

/** What stands behind `weir` for a command of the fleet. */
export function fleetArgs({ server, fleet }: Pick<Fleet, 'server' | 'fleet'>, args: readonly string[]) {
  const asksNothing = args[0] === 'refresh' || (args[0] === 'keys' && args[1] === 'list');
  const yes = asksNothing ? [] : ['--yes'];
  return ['fleet', ...args, '--server', server.url, '--fleet', fleet, ...yes];
}

/** A command of the fleet. */
export async function weirFleet(context: Pick<Fleet, 'server' | 'fleet'>, ...args: string[]) {
  return saidHere(fleetArgs(context, args));
}

export async function done(context: Pick<Fleet, 'server' | 'fleet'>, ...args: string[]): Promise<string> {
  const { code, out, err } = await weirFleet(context, ...args);
  assert.is(code, 0, `${args.join(' ')}: ${err}`);
  return out;
}

/** A command that is refused, with the code of its error. */
export async function refused(
  context: Pick<Fleet, 'server' | 'fleet'>,
  reason: RegExp,
  ...args: string[]
): Promise<void> {
  const { code, err, out } = await weirFleet(context, ...args);
  assert.is(code, 1, out);
  assert.match(err, reason);
}

/** What an appliance takes that follows from the root of trust. */
export async function taken(
  { trust, broker }: Pick<Fleet, 'trust' | 'broker'>,
  path = PATH,
): Promise<string | undefined> {
  const repository = openRepository(broker);
  const fetch = async (file: string, bytesMax: number) => (await repository.get(file, bytesMax))?.bytes;
  const update = await trust.update(fetch, Date.now(), path);
  if (!update) return trust.target(path)?.toString();
  const bytes = await update.target(path);
  update.commit();
  return bytes?.toString();
}

export const assignment = (serial: number) =>
  assignmentBytes({ format: 1, group: 'edge', serial, filters: {} });

/** A push without a filter, by an operator in this process. */
export async function push(operator: Operator, ring: KeyRing, serial: number): Promise<void> {
  const targets = await draftChange(operator, new Map([[PATH, assignment(serial)]]));
  await publish(operator, ring, { targets }, { action: 'pushed', serial });
}

export const open = ({ fleet }: Pick<Fleet, 'fleet'>, broker: Broker, ring?: KeyRing) => {
  const folder = openFleetFolder(fleet);
  return openOperator(
    folder,
    broker,
    () => {},
    async () => ring ?? folder.ring(PASSPHRASE),
  );
};

export async function audit({ broker }: Fleet): Promise<string[]> {
  const lines: string[] = [];
  await broker.read({ stream: FLEET_STREAM, subject: FLEET_AUDIT_SUBJECT }, ({ body }) => {
    lines.push(Buffer.from(body).toString());
  });
  return lines;
}

/** Parsed JSON, of whatever shape. */
export type Loose = ReturnType<typeof JSON.parse>;

export async function codeOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'done',
    (error) => (error instanceof WeirError ? `${error.code}: ${error.problem}` : String(error)),
  );
}

/** A broker that stores so many messages, and then is gone. */
export function cutAfter(broker: Broker, count: number): Broker {
  let left = count;
  const publish: Broker['publish'] = (...args) =>
    left-- > 0 ? broker.publish(...args) : Promise.reject(new Error('cut'));
  return { ...broker, publish };
}
