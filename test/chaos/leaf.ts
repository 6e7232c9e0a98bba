/**
 * A site: a host at a leaf node without JetStream, whose link to the cluster goes through a proxy. The leaf node dies, the link is
 * cut and slow, the host is killed: subscribers at the cluster cannot tell.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ACK_TIMEOUT_MS } from '../../host/limits.js';
import { startTestServer, type TestBroker } from '../broker.js';
import { freePorts, temporaryFolder } from '../help.js';
import { createRandom } from '../source/reading.js';
import { DOMAIN, NODES, startTestCluster } from './cluster.js';
import { createGrowing, type Growing } from './growing.js';
import type { ScenarioResult } from './kills.js';
import { type Link, startProxy } from './proxy.js';

interface Site {
  readonly leaf: TestBroker;
  /** One in front of each node of the cluster. */
  readonly links: readonly Link[];
  readonly growing: Growing;
  readonly random: (below: number) => number;
}

type Fault = (site: Site) => Promise<void>;

const FAULTS = {
  async 'kill of the leaf node'({ leaf, random }) {
    await leaf.kill();
    await pause(random(2_000));
    await leaf.restart();
  },
  async 'cut of the link'({ links, random }) {
    for (const link of links) link.cut(true);
    await pause(random(3_000));
    for (const link of links) link.open();
  },
  /** In the middle of a message, or of acknowledgements. */
  async 'cuts of the link after some bytes'({ links, random }) {
    for (let cut = 0; cut < 3; cut++) {
      const direction = random(2) === 0 ? 'to server' : 'to client';
      const cuts = links.map((link) => link.cutAfter(direction, random(4_000)));
      await Promise.race([...cuts, pause(3_000)]);
    }
    for (const link of links) link.cut();
  },
  async 'slow link'({ links, random }) {
    for (const link of links) link.delay(random(1_000));
    await pause(2_000);
    for (const link of links) link.delay(0);
  },
  async 'kill of the host'({ growing }) {
    await growing.host.kill();
    await growing.start();
  },
  /** Everything arrives, but later than anybody waits for it. */
  async 'link that is slower than any patience'({ links }) {
    for (const link of links) link.delay(ACK_TIMEOUT_MS + 1_000);
    await pause(2 * ACK_TIMEOUT_MS);
    for (const link of links) link.delay(0);
  },
} satisfies Readonly<Record<string, Fault>>;

type FaultName = keyof typeof FAULTS;

/** Faults one after the other, in an order that repeats. */
export async function faultsOfALeaf(
  faults: number,
  seed: number,
  names = Object.keys(FAULTS) as FaultName[],
): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const closing: (() => Promise<unknown>)[] = [];
  const opened = <T>(what: T, close: (what: T) => Promise<unknown>): T => {
    closing.unshift(() => close(what));
    return what;
  };
  try {
    const folder = opened(await temporaryFolder(), (one) => one.remove());
    const ports = await freePorts(NODES);
    const cluster = opened(await startTestCluster((node) => leafPort(ports[node])), (one) => one.stop());
    const links = await Promise.all(ports.map(startProxy));
    for (const link of links) opened(link, (one) => one.stop());
    const leaf = opened(await startLeaf(links), (one) => one.stop());
    const nats = { servers: [leaf.url], domain: DOMAIN };
    const growing = opened(createGrowing(folder.path, nats, random), (one) => one.stop());
    await growing.start();
    for (let fault = 0; fault < faults; fault++) {
      await pause(500 + random(1_000));
      await FAULTS[names[fault % names.length] as FaultName]({ leaf, links, growing, random });
    }
    await pause(500);
    const { messages, differences } = await growing.finish(cluster.urls[0] as string);
    return { scenario: `faults of a leaf, seed ${seed}`, runs: 1, faults, messages, differences };
  } finally {
    for (const close of closing) await close();
  }
}

/** Without advertising, or the leaf node would find its way around the proxy. */
function leafPort(port: number | undefined): string {
  return `leafnodes { listen: "127.0.0.1:${port}", no_advertise: true }`;
}

function startLeaf(links: readonly Link[]): Promise<TestBroker> {
  const urls = links.map(({ port }) => `"nats://127.0.0.1:${port}"`).join(', ');
  return startTestServer(() => `server_name: leaf\nleafnodes { remotes: [ { urls: [ ${urls} ] } ] }`);
}
