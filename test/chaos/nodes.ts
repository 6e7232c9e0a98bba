/**
 * A JetStream cluster of three nodes that die and hand leadership over, while hosts publish to a stream of three replicas:
 * subscribers cannot tell.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { temporaryFolder } from '../help.js';
import { createRandom } from '../source/reading.js';
import { startTestCluster, type TestCluster } from './cluster.js';
import { createGrowing } from './growing.js';
import type { ScenarioResult } from './kills.js';
import { createTorrent } from './torrent.js';

const TORRENT_EVERY_MS = 20;

/** `during` waits for about so long. */
type Fault = (cluster: TestCluster, during: (ms: number) => Promise<void>) => Promise<void>;

/** SIGKILL of one node, which comes back after a while. */
const killOf =
  (node: number): Fault =>
  async ({ nodes }, during) => {
    await nodes[node]?.kill();
    await during(2_000);
    await nodes[node]?.restart();
  };

const FAULTS = {
  'kill of node 0': killOf(0),
  'kill of node 1': killOf(1),
  'kill of node 2': killOf(2),
  async 'kill of the leader'(cluster, during) {
    await killOf((await cluster.leader()) ?? 0)(cluster, during);
  },
  /** Without a majority nothing is stored. */
  async 'kill of two nodes'({ nodes }, during) {
    await Promise.all([nodes[0]?.kill(), nodes[1]?.kill()]);
    await during(3_000);
    await Promise.all([nodes[0]?.restart(), nodes[1]?.restart()]);
  },
  async 'step-down of the leader'(cluster, during) {
    await cluster.stepDown();
    await during(1_000);
  },
  /** Long enough for another one to be elected: it comes back in the belief that it still leads. */
  async 'freeze of the leader'(cluster, during) {
    const node = cluster.nodes[(await cluster.leader()) ?? 0];
    node?.pause();
    await during(12_000);
    node?.resume();
  },
} satisfies Readonly<Record<string, Fault>>;

type FaultName = keyof typeof FAULTS;

export const DEATHS: readonly FaultName[] = [
  'kill of the leader',
  'step-down of the leader',
  'kill of two nodes',
  'kill of node 0',
  'kill of node 1',
  'kill of node 2',
];
/** The replicas of nats-server 2.9.10 may differ from each other after this one, whoever publishes. */
export const FREEZES: readonly FaultName[] = ['freeze of the leader'];

/** Faults one after the other, each behind a cluster that is whole again. */
export async function faultsOfNodes(
  faults: number,
  seed: number,
  names: readonly FaultName[],
): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const during = (ms: number) => pause(ms / 2 + random(ms));
  const folder = await temporaryFolder();
  const cluster = await startTestCluster();
  const growing = createGrowing(folder.path, { servers: cluster.urls }, random);
  const torrent = await createTorrent(cluster.urls, createRandom(seed + 1));
  try {
    await growing.start();
    torrent.start(TORRENT_EVERY_MS);
    for (let fault = 0; fault < faults; fault++) {
      await during(500);
      await FAULTS[names[fault % names.length] as FaultName](cluster, during);
      await during(500);
      await cluster.isWhole();
    }
    const [url] = cluster.urls as [string];
    const results = [await torrent.finish(url), await growing.finish(url)];
    return {
      scenario: `faults of nodes (${names.slice(0, faults).join(', ')}), seed ${seed}`,
      runs: 1,
      faults,
      messages: results.reduce((sum, { messages }) => sum + messages, 0),
      differences: results.flatMap(({ differences }) => differences),
    };
  } finally {
    await torrent.stop();
    await growing.stop();
    await cluster.stop();
    await folder.remove();
  }
}
