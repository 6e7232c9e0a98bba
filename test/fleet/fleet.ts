/**
 * A fleet for tests: a real broker with a repository, filters in several versions, and hosts as processes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import { driveFilter } from '../../host/author/drive.js';
import { type Broker, connectBroker } from '../../host/broker.js';
import { parseManifest } from '../../host/filter/manifest.js';
import {
  type Assignment,
  assignmentBytes,
  assignmentPath,
  type Release,
} from '../../host/fleet/assignment.js';
import { bundlePath, packBundle, unpackBundle } from '../../host/fleet/bundle.js';
import { announce, openRepository } from '../../host/fleet/repository.js';
import { newRollout, pushed } from '../../host/fleet/rollout.js';
import type { WireRecord } from '../../host/wire.js';
import { AUDIT_STREAM, auditSubject, STATUS_STREAM, statusSubject } from '../../host/wire.js';
import { readStream, recordsOf, startTestBroker, type TestBroker } from '../broker.js';
import { type Appliance, createAppliance } from '../chaos/appliance.js';
import { temporaryFolder, until, WAIT_MS } from '../help.js';
import { compiledModule, ROOT } from '../runtime/testfilter.js';
import { createWorld, type World } from './world.js';

export const GROUP = 'edge';

export interface Fleet {
  readonly server: TestBroker;
  readonly broker: Broker;
  readonly world: World;
  readonly folder: string;
  /** Brings what the world's repository holds to the broker, the timestamp last, and tells all hosts. */
  publish(): Promise<void>;
  /** Pushes a version of the test filter to the group. */
  push(options?: PushOptions): Promise<Release>;
  /** The assignment that was pushed last. */
  assignment(): Assignment | undefined;
  host(appliance: string, config?: object): Appliance;
  append(appliance: string, ...todo: string[]): void;
  /** The last status of an appliance, while it is alive or after. */
  status(appliance: string): Promise<Status | undefined>;
  /** Waits until the last status of an appliance is like this. */
  has(appliance: string, what: string, isSo: (status: Status) => boolean): Promise<Status>;
  audit(appliance: string): Promise<{ action: string; [more: string]: unknown }[]>;
  kept(appliance: string): Promise<WireRecord[]>;
  stop(): Promise<void>;
}

export interface Status {
  readonly ts: number;
  readonly filters: Readonly<Record<string, WireRecord>>;
  readonly fleet: {
    readonly serial: number;
    readonly stale: string | null;
    readonly error: string | null;
    readonly attempted: Readonly<Record<string, { version: string; state: string; reason: string }>>;
    readonly audit: { readonly seq: number; readonly digest: string };
  };
}

export interface PushOptions {
  readonly version?: string;
  readonly percent?: number;
  readonly config?: object;
  readonly from?: readonly string[];
  readonly instance?: string;
  /** What its sample is said to give; what it gives, unless told otherwise. */
  readonly expected?: string;
  readonly group?: string;
}

const SAMPLE = 't=1769860800000 n=5 k=x\nt=1769860801000 n=6 k=y\n';

/** A bundle of the test filter `stumbling` in a version. */
export async function stumblingBundle({ version = '1.0.0', expected }: PushOptions = {}): Promise<Buffer> {
  const source = join(ROOT, 'test/filters/stumbling');
  const module = readFileSync(await compiledModule(source));
  const manifest = {
    ...JSON.parse(readFileSync(join(source, 'filter.json'), 'utf8')),
    version,
    retention: 'Nothing is kept.',
    owner: 'Tests',
  };
  const loaded = { module, manifest: parseManifest(manifest, 'filter.json') };
  const found = expected ?? driveFilter(loaded).feed(Buffer.from(SAMPLE)).end().text();
  const samples = new Map([
    ['a.log', Buffer.from(SAMPLE)],
    ['a.log.expected', Buffer.from(found)],
  ]);
  const parts = {
    module,
    manifest: Buffer.from(JSON.stringify(manifest)),
    samples,
    licence: Buffer.from('As you like.\n'),
  };
  return Buffer.from(packBundle(parts));
}

export async function startFleet(): Promise<Fleet> {
  const server = await startTestBroker();
  const broker = await connectBroker({
    servers: [server.url],
    name: 'operator',
    wait: 'fail-fast',
    notice: () => {},
  });
  await broker.ensureFleetStreams();
  const world = await createWorld();
  const { path: folder, remove } = await temporaryFolder();
  writeFileSync(join(folder, 'root.json'), world.anchor);
  const hosts = new Map<string, Appliance>();
  let assignment: Assignment | undefined;
  let line = 0;

  async function publish(): Promise<void> {
    const repository = openRepository(broker);
    const files = [...world.repository.files].sort(([one]) => (one.endsWith('timestamp.json') ? 1 : -1));
    for (const [path, { bytes }] of files) {
      const found = await repository.get(path, bytes.length);
      if (!found || !Buffer.from(found.bytes).equals(bytes))
        await repository.put(path, bytes, found?.revision ?? 0);
    }
    announce(broker, 1);
    await broker.flush();
  }

  const value = async (stream: string, subject: string) => {
    const found = await broker.value(stream, subject);
    return found && (JSON.parse(Buffer.from(found.bytes).toString('utf8')) as unknown);
  };
  const status = (appliance: string) =>
    value(STATUS_STREAM, statusSubject(appliance)) as Promise<Status | undefined>;

  await publish();
  return {
    server,
    broker,
    world,
    folder,
    publish,
    assignment: () => assignment,
    async push(options = {}) {
      const { percent = 100, config, from = ['log'], instance = 'stumbling', group = GROUP } = options;
      const bytes = await stumblingBundle(options);
      const { label } = unpackBundle(bytes);
      const release: Release = {
        version: label,
        bundle: bundlePath(label),
        from,
        ...(config ? { config } : {}),
        percent,
        rollout: newRollout(),
        reason: 'a test',
        by: 'tests',
        at: `${new Date().toISOString().slice(0, 19)}Z`,
      };
      assignment = pushed(assignment, group, instance, release);
      await world.push({
        [release.bundle]: bytes,
        [assignmentPath(group)]: assignmentBytes(assignment),
      });
      await publish();
      return release;
    },
    host(appliance, config = {}) {
      const at = join(folder, appliance);
      mkdirSync(at);
      writeFileSync(join(at, 'app.log'), '');
      const host = createAppliance(at, {
        appliance,
        nats: { servers: [server.url] },
        sources: { log: { file: 'app.log' } },
        fleet: { group: GROUP, root: join(folder, 'root.json') },
        ...config,
      });
      hosts.set(appliance, host);
      host.start();
      return host;
    },
    append(appliance, ...todo) {
      const text = todo
        .map((what) => `t=${1_769_860_800_000 + line} n=${line++ * 5} k=x do=${what}\n`)
        .join('');
      writeFileSync(join(folder, appliance, 'app.log'), text, { flag: 'a' });
    },
    status,
    async has(appliance, what, isSo) {
      const check = async () => {
        const found = await status(appliance);
        return found?.fleet !== undefined && isSo(found);
      };
      await until(check, WAIT_MS, `${appliance}: ${what}: ${hosts.get(appliance)?.output()}`).catch(
        async (error) => {
          throw new Error(
            `${error.message}\n${JSON.stringify(await status(appliance))}\n${hosts.get(appliance)?.output()}`,
          );
        },
      );
      return (await status(appliance)) as Status;
    },
    async audit(appliance) {
      const found: { action: string }[] = [];
      await broker.read({ stream: AUDIT_STREAM, subject: auditSubject(appliance) }, ({ body }) => {
        found.push(JSON.parse(Buffer.from(body).toString('utf8')));
      });
      return found;
    },
    kept: async (appliance) =>
      recordsOf(await readStream(server.url, `weir.ev.${appliance}.stumbling.kept`).catch(() => [])),
    async stop() {
      for (const host of hosts.values()) await host.kill();
      await broker.close();
      await server.stop();
      await remove();
    },
  };
}

/** True of a status in which the test filter runs in this version. */
export const runs =
  (version: string, instance = 'stumbling') =>
  (status: Status) =>
    String(status.filters[instance]?.running ?? '').startsWith(`stumbling@${version}+`);

/** A suite of which each test has a fleet of its own, and the name of a host that is not there yet. */
export function suiteOfFleet(name: string) {
  const fleets = suite<{ fleet: Fleet; id: string }>(name);
  let number = 0;
  fleets.before.each(async (context) => {
    context.fleet = await startFleet();
    context.id = `fw-${++number}`;
  });
  fleets.after.each(async ({ fleet }) => fleet.stop());
  return fleets;
}
