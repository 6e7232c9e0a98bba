/**
 * Three `nats-server`s that make up a JetStream cluster, on loopback, and what an operator does to it.
 *
 * The nodes have to know each other's ports before they start, so free ones are looked for; where somebody else was
 * faster, all of it is done again.
 */
import { connect, type JetStreamManager, type StreamInfo } from 'nats';
import { DEAD_WILDCARD, EVENTS_WILDCARD, STREAM_NAME } from '../../host/wire.js';
import { startTestServer, type TestBroker } from '../broker.js';
import { freePorts, until } from '../help.js';

export const NODES = 3;
/** As hosts behind a leaf node have to name it. */
export const DOMAIN = 'hub';
const ATTEMPTS = 5;
/** An election takes 4 to 9 s, and may fail. */
const LEADER_MS_MAX = 60_000;
const REQUEST_MS = 1_000;

export interface TestCluster {
  readonly nodes: readonly TestBroker[];
  readonly urls: readonly string[];
  /** Which node leads the stream; undefined while none does. */
  leader(): Promise<number | undefined>;
  /** Waits until the stream has a leader and so many replicas that are up to date. */
  isWhole(replicas?: number): Promise<void>;
  /** The leader gives up its place. */
  stepDown(): Promise<void>;
  stop(): Promise<void>;
}

/** `configure` adds to the configuration of a node; the stream is there, with three replicas. */
export async function startTestCluster(configure: (node: number) => string = () => ''): Promise<TestCluster> {
  const nodes = await startNodes(configure);
  const urls = nodes.map(({ url }) => url);
  const cluster: TestCluster = {
    nodes,
    urls,
    async leader() {
      const { cluster: state } = (await streamInfo(urls)) ?? {};
      const at = nodes.findIndex((_, node) => nodeName(node) === state?.leader);
      return at < 0 ? undefined : at;
    },
    async isWhole(replicas = NODES) {
      await until(async () => currentOf(await streamInfo(urls)) >= replicas, LEADER_MS_MAX, 'all replicas');
    },
    async stepDown() {
      await administer(urls, (manager) => stepDown(manager));
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
  try {
    await until(() => administer(urls, addStream), LEADER_MS_MAX, 'the stream');
    await cluster.isWhole();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

const nodeName = (node: number) => `n${node}`;

async function startNodes(configure: (node: number) => string): Promise<TestBroker[]> {
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(NODES);
    const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
    const started = await Promise.allSettled(
      ports.map((port, node) =>
        startTestServer((store) =>
          [
            `server_name: ${nodeName(node)}`,
            `jetstream { store_dir: "${store}", domain: ${DOMAIN} }`,
            `cluster { name: weir, listen: "127.0.0.1:${port}", routes: [ ${routes} ] }`,
            configure(node),
          ].join('\n'),
        ),
      ),
    );
    const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (nodes.length === NODES) return nodes;
    await Promise.all(nodes.map((node) => node.stop()));
    if (attempt === ATTEMPTS) throw new Error(`no cluster could be started in ${ATTEMPTS} attempts`);
  }
}

/** Does something as an operator, by any node that is up; false when it fails. */
async function administer(
  urls: readonly string[],
  work: (manager: JetStreamManager) => Promise<unknown>,
): Promise<boolean> {
  try {
    const connection = await connect({ servers: [...urls], reconnect: false, timeout: REQUEST_MS });
    try {
      await work(await connection.jetstreamManager({ checkAPI: false, timeout: REQUEST_MS }));
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

async function addStream(manager: JetStreamManager): Promise<void> {
  const subjects = [EVENTS_WILDCARD, DEAD_WILDCARD];
  await manager.streams.add({
    name: STREAM_NAME,
    subjects,
    num_replicas: NODES,
    allow_direct: true,
    max_bytes: 1 << 28,
  });
}

/** As the leader tells it; undefined when there is none. */
async function streamInfo(urls: readonly string[]): Promise<StreamInfo | undefined> {
  let info: StreamInfo | undefined;
  await administer(urls, async (manager) => {
    info = await manager.streams.info(STREAM_NAME);
  });
  return info?.cluster?.leader ? info : undefined;
}

function currentOf(info: StreamInfo | undefined): number {
  const followers = info?.cluster?.replicas ?? [];
  return info ? 1 + followers.filter(({ current, offline }) => current && offline !== true).length : 0;
}

async function stepDown(manager: JetStreamManager): Promise<void> {
  const { nc } = manager as JetStreamManager & {
    nc: { request(subject: string, data: Uint8Array, options: { timeout: number }): Promise<unknown> };
  };
  await nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAM_NAME}`, new Uint8Array(), {
    timeout: REQUEST_MS,
  });
}
