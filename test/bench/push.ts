/**
 * What a fleet costs: from a push to a filter that runs on a host, to verify and judge a bundle, an appliance that has nothing to do; and
 * a rollout to ten thousand appliances, by their questions to one broker.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { createAdmission } from '../../host/filter/prepare.js';
import { packArchive, unpackArchive } from '../../host/fleet/archive.js';
import { unpackBundle } from '../../host/fleet/bundle.js';
import { assignmentBytes, assignmentPath } from '../../host/fleet/assignment.js';
import { bundleFilter } from '../../host/fleet/gather.js';
import { createTrust, type Fetch } from '../../host/fleet/trust.js';
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
  const { wholeMs, judgeMs, idleMs } = await verifying();
  const idle = (idleMs / FLEET_POLL_MS_DEFAULT) * 100;
  return {
    job: 'a push: signed, published, verified, tried on the device, swapped in',
    weir: `${median(times).toFixed(0)} ms median of ${PUSHES}`,
    ratios: `a bundle of ${FILTER}, from its bytes to the verdict ${judgeMs.toFixed(0)} ms, where each answer took ${ANSWER_MS} ms; from new metadata, with all of it in memory, so that nothing hides the start of the thread, ${wholeMs.toFixed(0)} ms; a look that finds nothing ${idleMs.toFixed(2)} ms, ${idle.toFixed(4)} % of the time`,
    target: '300 ms; 50 ms; 0.1 %',
  };
}

/**
 * Median times to take over and judge a bundle, in the order of the agent: metadata verified, the thread for modules started, the assignment and
 * the bundle fetched, verified, unpacked and kept on the disk, its module judged, metered and compiled in that thread. From when it is known that
 * there is something new, with a repository in memory; and from when the bundle is there, where each answer takes `ANSWER_MS`, in which
 * the thread starts. Then to see that there is nothing new.
 */
async function verifying(): Promise<{ wholeMs: number; judgeMs: number; idleMs: number }> {
  const bundle = await bundleFilter(projectIn(ROOT), FILTER, () => {});
  const world = await createWorld();
  const folder = mkdtempSync(join(tmpdir(), 'weir-trust-'));
  const trust = createTrust(folder, world.anchor);
  let version = 0;
  let arrivedMs = 0;

  async function take(answerMs: number): Promise<{ startMs: number; endMs: number }> {
    const assignment = assignmentBytes({ format: 1, group: 'edge', serial: ++version, filters: {} });
    await world.push({ [ASSIGNMENT]: assignment, [PATH]: changed(bundle, version) });
    const fetch: Fetch = async (path, bytesMax) => {
      if (answerMs > 0) await pause(answerMs);
      arrivedMs = performance.now();
      return world.repository.fetch(path, bytesMax);
    };
    const admission = createAdmission();
    const startMs = performance.now();
    const found = await trust.update(fetch, NOW_MS, ASSIGNMENT);
    admission.begin();
    await found?.target(ASSIGNMENT);
    const { manifest, module } = unpackBundle((await found?.target(PATH)) as Buffer);
    found?.commit();
    await admission.admit(manifest.name, module);
    const endMs = performance.now();
    admission.end();
    return { startMs, endMs };
  }

  const whole: number[] = [];
  const judged: number[] = [];
  for (let at = 0; at < VERIFIES; at++) {
    const { startMs, endMs } = await take(0);
    whole.push(endMs - startMs);
    judged.push((await take(ANSWER_MS)).endMs - arrivedMs);
  }
  const before = process.cpuUsage();
  for (let look = 0; look < LOOKS; look++)
    if (await trust.update(world.repository.fetch, NOW_MS, ASSIGNMENT)) throw new Error('something is new');
  const { user, system } = process.cpuUsage(before);
  rmSync(folder, { recursive: true });
  return { wholeMs: median(whole), judgeMs: median(judged), idleMs: (user + system) / 1_000 / LOOKS };
}

function median(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] as number;
}

/** As over a network between places that are not far from each other. */
const ANSWER_MS = 20;
const ASSIGNMENT = assignmentPath('edge');
const PATH = 'filters/x.bundle';

/** With another module each time, by a custom section: V8 keeps what it has compiled of the same bytes. */
function changed(bundle: Uint8Array, version: number): Uint8Array {
  const files = new Map(unpackArchive(bundle, 'bundle'));
  const module = files.get('filter.wasm') as Uint8Array;
  files.set('filter.wasm', Buffer.concat([module, Buffer.from([0, 3, 1, 0x76, version])]));
  return packArchive(files, 'bundle');
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
