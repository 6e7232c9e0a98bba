/**
 * A connection to the broker that is cut in the middle of what it carries, again and again: of a message on its way, or of an
 * acknowledgement, so that nobody knows whether the message is stored.
 */
import { startTestBroker } from '../broker.js';
import { until, WAIT_MS } from '../help.js';
import { createRandom } from '../source/reading.js';
import type { ScenarioResult } from './kills.js';
import { startProxy } from './proxy.js';
import { createTorrent } from './torrent.js';

/** Of the bytes until a cut: tens of messages, or as many acknowledgements. */
const BYTES_MAX = { 'to server': 100_000, 'to client': 6_000 } as const;
/** Of a connection that never gets as far as a message, which the host takes more and more time to try again. */
const GREETING_BYTES = 4_000;
const EVERY_MS = 2;

export async function cutsOfTheConnection(cuts: number, seed: number): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const server = await startTestBroker();
  const proxy = await startProxy(server.port);
  const torrent = await createTorrent([`nats://127.0.0.1:${proxy.port}`], random);
  try {
    for (let at = 0; at < cuts; at++) {
      await until(() => torrent.broker.connected(), WAIT_MS, 'connected again');
      const direction = random(2) === 0 ? 'to server' : 'to client';
      const from = random(5) > 0 ? GREETING_BYTES : 0;
      const cut = proxy.cutAfter(direction, from + random(BYTES_MAX[direction]));
      const limit = setTimeout(() => proxy.cut(), WAIT_MS);
      torrent.start(EVERY_MS);
      await cut;
      torrent.pause();
      clearTimeout(limit);
    }
    const { messages, differences } = await torrent.finish(server.url);
    return { scenario: `cuts of the connection, seed ${seed}`, runs: 1, faults: cuts, messages, differences };
  } finally {
    await torrent.stop();
    await proxy.stop();
    await server.stop();
  }
}
