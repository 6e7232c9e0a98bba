/**
 * A fleet for tests of what operators see: a broker with a repository that was made by `weir fleet init`, assignments, and appliances
 * that say what the test wants.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Broker } from '../../host/broker.js';
import { type Assignment, chosen, isIncluded, type Release } from '../../host/fleet/assignment.js';
import { appendEntry, type AuditEntry, type AuditHead, headOf } from '../../host/fleet/audit.js';
import type { KeyRing } from '../../host/fleet/edition.js';
import { type FleetFolder, openFleetFolder } from '../../host/fleet/folder.js';
import {
  draftChange,
  filesOf,
  type Operator,
  openOperator,
  publish,
  readAssignment,
} from '../../host/fleet/operator.js';
import { openRepository } from '../../host/fleet/repository.js';
import { newRollout } from '../../host/fleet/rollout.js';
import { loadState } from '../../host/fleet/state.js';
import { ANNOUNCE_SUBJECT, auditSubject, statusSubject } from '../../host/wire.js';
import { startTestBroker, type TestBroker } from '../broker.js';
import { endAll, type Said, saidHere } from '../command.js';
import { open } from '../connecting.js';
import { type TemporaryFolder, temporaryFolder } from '../help.js';

const PASSPHRASE = 'a passphrase of tests';

export interface TestFleet {
  readonly server: TestBroker;
  readonly folder: FleetFolder;
  readonly broker: Broker;
  readonly ring: KeyRing;
  /** A folder that goes with it. */
  readonly path: string;
  /** What stands behind `weir` for `weir fleet ...` as its operator. */
  args(...args: string[]): string[];
  /** Runs that. */
  weirFleet(...args: string[]): Promise<Said>;
  /** Runs `weir push ...` of a shipped filter as its operator. */
  weirPush(...args: string[]): Promise<Said>;
  operator(): Promise<Operator>;
  /** Publishes what a group runs; bundles by their paths. */
  assign(
    group: string,
    filters: Assignment['filters'],
    bundles?: ReadonlyMap<string, Uint8Array>,
  ): Promise<Assignment>;
  assigned(group: string): Promise<Assignment | undefined>;
  /** Publishes a status of an appliance, or whatever else. */
  say(appliance: string, status: object | string | Uint8Array): Promise<void>;
  /** An appliance writes in its audit. */
  note(appliance: string, act: object): Promise<AuditHead>;
  stop(): Promise<void>;
}

/** Tests each of which has a fleet of its own. */
export function fleetSuite<More extends object = object>(title: string): Test<More & { fleet: TestFleet }> {
  const tests = suite<More & { fleet: TestFleet }>(title);
  tests.before.each(async (context) => {
    context.fleet = await startFleet();
  });
  tests.after.each(async ({ fleet }) => {
    await endAll();
    await fleet.stop();
  });
  return tests;
}

export async function startFleet(): Promise<TestFleet> {
  const temporary: TemporaryFolder = await temporaryFolder();
  const server = await startTestBroker();
  const path = join(temporary.path, 'fleet');
  const passphrase = join(temporary.path, 'passphrase');
  writeFileSync(passphrase, PASSPHRASE);
  const login = ['--fleet', path, '--server', server.url];
  const init = await saidHere([
    ...['fleet', 'init', ...login, '--operator', 'ann', '--yes', '--passphrase-file', passphrase],
  ]);
  assert.is(init.code, 0, init.err);
  const folder = openFleetFolder(path);
  const broker = await open(server.url);
  const ring = folder.ring(PASSPHRASE);
  const operator = () =>
    openOperator(
      folder,
      broker,
      () => {},
      async () => ring,
    );
  const argsOf = (...args: string[]) => {
    const changes = ['promote', 'rollback', 'remove', 'restore', 'publish', 'acknowledge'].includes(
      args[0] as string,
    );
    const keys = changes ? ['--yes', '--passphrase-file', passphrase] : [];
    return ['fleet', ...args, ...login, ...keys];
  };
  return {
    ...{ server, folder, broker, ring, path: temporary.path, operator, args: argsOf },
    weirFleet: (...args) => saidHere(argsOf(...args), undefined, 60_000),
    weirPush: (...args) =>
      saidHere(['push', ...args, ...login, '--yes', '--passphrase-file', passphrase], undefined, 60_000),
    async assign(group, filters, bundles = new Map()) {
      const one = await operator();
      const serial = ((await readAssignment(one, group))?.serial ?? 0) + 1;
      const next: Assignment = { format: 1, group, serial, filters };
      const missing = Object.values(filters).flatMap(({ release, before }) =>
        before ? [release, before] : [release],
      );
      const files = new Map(missing.map(({ bundle }) => [bundle, Buffer.from(bundle)] as const));
      for (const [bundle, bytes] of bundles) files.set(bundle, Buffer.from(bytes));
      const [{ release } = { release: undefined }] = Object.values(filters);
      const targets = await draftChange(one, await filesOf(one, next, files));
      const after = missing.map(({ version }) => version).join(', ');
      await publish(one, ring, { targets }, { action: 'pushed', group, after, ...motiveOf(release) });
      return next;
    },
    async assigned(group) {
      const repository = openRepository(broker);
      const state = await loadState(repository, { root: folder.anchor, versions: {} });
      return readAssignment({ folder, broker, repository, state, now: Date.now }, group);
    },
    async say(appliance, status) {
      const body =
        status instanceof Uint8Array || typeof status === 'string' ? status : JSON.stringify(status);
      await broker.publish({ subject: statusSubject(appliance), headers: {}, body: Buffer.from(body) });
    },
    async note(appliance, act) {
      const entry = await appendEntry(broker, auditSubject(appliance), ({ seq, digest: prev }) => {
        const made = { seq: seq + 1, prev, ts: Date.now(), who: appliance, ...act } as AuditEntry;
        return made;
      });
      return headOf(JSON.stringify(entry));
    },
    async stop() {
      await broker.close();
      await server.stop();
      await temporary.remove();
    },
  };
}

function motiveOf(release: Release | undefined) {
  const { reason = 'a test', by = 'ann', at = '' } = release ?? {};
  return { reason, by, at };
}

/** A release of a filter `f`. */
export function releaseOf(version: string, part: Partial<Release> = {}): Release {
  const hash = version.replace(/\D/g, '').padEnd(12, 'a');
  return {
    version: `f@${version}+${hash}`,
    bundle: `filters/f-${version}-${hash}.bundle`,
    from: ['log'],
    percent: 100,
    rollout: newRollout(),
    reason: 'logins of the edge',
    by: 'ann',
    at: '2026-01-31T12:00:00Z',
    ...part,
  };
}

/** Names of appliances. */
export const NAMES = Array.from({ length: 10 }, (_, at) => `fw-${at}`);

/** A rollout that comes to nobody of these with 1 %, and to somebody with 10 and 50. */
export function spread(part: Partial<Release> = {}): Release {
  const count = (release: Release, percent: number) =>
    NAMES.filter((name) => isIncluded(name, { ...release, percent })).length;
  for (;;) {
    const release = releaseOf('1.1.0', { percent: 0, ...part });
    const [one, ten, half] = [count(release, 1), count(release, 10), count(release, 50)];
    if (one === 0 && ten > 0 && half > ten && half < NAMES.length) return release;
  }
}

/** A status as a host of a fleet says it, with filter `f` of this release. */
export function statusOf(
  appliance: string,
  running: Release | undefined,
  fleet: object = {},
  filter: object = {},
) {
  return {
    schema: 1,
    ts: Date.now(),
    appliance,
    uptime_ms: 1_000,
    filters: running
      ? { f: { running: running.version, state: 'runs', dead: 0, dead_letters: 0, ...filter } }
      : {},
    fleet: {
      group: 'edge',
      serial: 1,
      stale: null,
      error: null,
      metadata: {},
      runs: running ? { f: running.rollout } : {},
      attempted: {},
      audit: { seq: 0, digest: '' },
      ...fleet,
    },
  };
}

export const attemptOf = ({ version, rollout }: Release, state: string, reason: string) => ({
  f: { version, rollout, state, reason, ts: Date.now() },
});

/**
 * Appliances that do at each announcement what is assigned, and say so. `refuses`: those that have given a release up, by its version.
 */
export async function followers(
  fleet: TestFleet,
  names: readonly string[],
  refuses: Readonly<Record<string, string>>,
) {
  const told: string[] = [];
  async function follow(): Promise<void> {
    const assignment = await fleet.assigned('edge');
    const assigned = assignment?.filters.f;
    if (!assignment || !assigned) return;
    told.push(`${assigned.release.version} ${assigned.release.percent}`);
    for (const name of names) {
      const hasFailed = ({ version }: Release) => refuses[name] === version;
      const wanted = chosen(name, assigned, Date.now(), () => false);
      const runs = chosen(name, assigned, Date.now(), hasFailed);
      const attempted = wanted && hasFailed(wanted) ? attemptOf(wanted, 'returned', 'a fault\u001b[2J') : {};
      await fleet.say(name, statusOf(name, runs, { serial: assignment.serial, attempted }));
    }
  }
  let last = follow();
  const { unsubscribe } = fleet.broker.subscribe(ANNOUNCE_SUBJECT, () => {
    last = last.then(follow);
  });
  await last;
  return {
    told,
    stop() {
      unsubscribe();
      return last;
    },
  };
}
