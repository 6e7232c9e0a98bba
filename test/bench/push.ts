/**
 * What a fleet costs: from a push to a filter that runs on a host, to verify and judge a bundle, an appliance that has nothing to do; and
 * a rollout to ten thousand appliances, by their questions to one broker.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { admitBeside } from '../../host/filter/prepare.js';
import { unpackBundle } from '../../host/fleet/bundle.js';
import { bundleFilter } from '../../host/fleet/gather.js';
import { createTrust } from '../../host/fleet/trust.js';
import { projectIn } from '../../host/author/project.js';
import { setTimeout as pause } from 'node:timers/promises';
import { ANNOUNCE_GAP_MS, APPLIANCES_A_SECOND, FLEET_POLL_MS_DEFAULT } from '../../host/fleetlimits.js';
import { ROOT } from '../command.js';
import { runs, startFleet } from '../fleet/fleet.js';
import { createWorld, NOW_MS } from '../fleet/world.js';
import type { Row } from './run.js';

const PUSHES = 20;
const VERIFIES = 20;
const LOOKS = 200;
/** How often it is looked whether a push has come to run. */
const LOOK_MS = 2;
/** The largest of the shipped ones: 39 KiB of module. */
const FILTER = 'audit-exec';

export async function pushJob(): Promise<Row> {
  const fleet = await startFleet();
  const times: number[] = [];
  try {
    const host = fleet.host('fw');
    await fleet.push();
    await fleet.has('fw', 'it runs', runs('1.0.0'));
    for (let push = 1; push <= PUSHES; push++) {
      const version = `1.0.${push}`;
      // Announcements that come closer together wait for each other.
      await pause(ANNOUNCE_GAP_MS);
      const startMs = performance.now();
      await fleet.push({ version });
      // Its status says so within a second.
      while (!host.output().includes(`-> stumbling@${version}+`)) await pause(LOOK_MS);
      times.push(performance.now() - startMs);
    }
  } finally {
    await fleet.stop();
  }
  const { verifyMs, idleMs } = await verifying();
  times.sort((one, other) => one - other);
  const median = times[Math.floor(times.length / 2)] as number;
  const idle = (idleMs / FLEET_POLL_MS_DEFAULT) * 100;
  return {
    job: 'a push: signed, published, verified, tried on the device, swapped in',
    weir: `${median.toFixed(0)} ms median of ${PUSHES}`,
    ratios: `a bundle of ${FILTER} verified and judged in ${verifyMs.toFixed(0)} ms; a look that finds nothing ${idleMs.toFixed(2)} ms, ${idle.toFixed(4)} % of the time`,
    target: '300 ms; 50 ms; 0.1 %',
  };
}

/** Median times to take over and judge a bundle, and to see that there is nothing new. */
async function verifying(): Promise<{ verifyMs: number; idleMs: number }> {
  const bundle = await bundleFilter(projectIn(ROOT), FILTER, () => {});
  const world = await createWorld();
  await world.push({ 'filters/x.bundle': bundle });
  const times: number[] = [];
  for (let at = 0; at < VERIFIES; at++) {
    const folder = mkdtempSync(join(tmpdir(), 'weir-trust-'));
    const startMs = performance.now();
    const update = await createTrust(folder, world.anchor).update(
      world.repository.fetch,
      NOW_MS,
      'filters/x.bundle',
    );
    const { manifest, module } = unpackBundle((await update?.target('filters/x.bundle')) as Buffer);
    await admitBeside(manifest.name, module);
    update?.commit();
    times.push(performance.now() - startMs);
    rmSync(folder, { recursive: true });
  }
  const folder = mkdtempSync(join(tmpdir(), 'weir-trust-'));
  const trust = createTrust(folder, world.anchor);
  const first = await trust.update(world.repository.fetch, NOW_MS, 'filters/x.bundle');
  await first?.target('filters/x.bundle');
  first?.commit();
  const before = process.cpuUsage();
  for (let look = 0; look < LOOKS; look++)
    if (await trust.update(world.repository.fetch, NOW_MS, 'filters/x.bundle'))
      throw new Error('something is new');
  const { user, system } = process.cpuUsage(before);
  rmSync(folder, { recursive: true });
  times.sort((one, other) => one - other);
  return { verifyMs: times[times.length / 2] as number, idleMs: (user + system) / 1_000 / LOOKS };
}

const APPLIANCES = 10_000;
/** Each stands for a part of the appliances. */
const CONNECTIONS = 50;

/** Every appliance asks for what an update takes, over the time that an announcement gives them. */
export async function rolloutJob(): Promise<Row> {
  const fleet = await startFleet();
  try {
    await fleet.push();
    const release = await fleet.push({ version: '1.1.0' });
    const paths = pathsOf(fleet.world.repository.files.keys(), release.bundle);
    const connections = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => connect({ servers: fleet.server.url })),
    );
    let [requests, bytes] = [0, 0];
    const startMs = performance.now();
    const spreadMs = (APPLIANCES / APPLIANCES_A_SECOND) * 1_000;
    const appliance = async (number: number) => {
      const connection = connections[number % CONNECTIONS] as NatsConnection;
      // Spread evenly; a random spread is a little more uneven.
      await new Promise((resolve) => setTimeout(resolve, (number / APPLIANCES) * spreadMs));
      for (const path of paths) {
        const subject = `$JS.API.DIRECT.GET.KV_WEIR_REPO.$KV.WEIR_REPO.${path}`;
        const { data } = await connection.request(subject, '', { timeout: 60_000 });
        requests++;
        bytes += data.length;
      }
    };
    await Promise.all(Array.from({ length: APPLIANCES }, (_, number) => appliance(number)));
    const seconds = (performance.now() - startMs) / 1_000;
    for (const connection of connections) await connection.close();
    return {
      job: `a rollout to ${APPLIANCES} appliances by their questions to one broker`,
      weir: `${seconds.toFixed(1)} s`,
      ratios: `${requests} requests, ${(bytes / 1e6).toFixed(0)} MB, over ${(spreadMs / 1_000).toFixed(0)} s`,
      target: 'that it is known',
    };
  } finally {
    await fleet.stop();
  }
}

/** What an appliance that has the versions before asks for. */
function pathsOf(files: Iterable<string>, bundle: string): string[] {
  const all = [...files];
  const newest = (role: string) => {
    const numbers = all.flatMap(
      (path) => new RegExp(`^metadata/(\\d+)\\.${role}\\.json$`).exec(path)?.[1] ?? [],
    );
    return `metadata/${Math.max(...numbers.map(Number))}.${role}.json`;
  };
  const targets = all.filter((path) => path.endsWith(`.${bundle.slice(bundle.lastIndexOf('/') + 1)}`));
  const assignments = all.filter((path) => path.startsWith('targets/assignments/')).slice(-1);
  return [
    'metadata/2.root.json',
    'metadata/timestamp.json',
    newest('snapshot'),
    newest('targets'),
    ...assignments,
    ...targets,
  ];
}
