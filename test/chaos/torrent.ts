/**
 * Messages as fast as a publisher takes them, without a host around it: more of them are on their way when harm is done than a
 * host that reads a file ever has. In the end each stream has all of them, in order and once.
 */
import { type Broker, connectBroker } from '../../host/broker.js';
import { createPublisher } from '../../host/publish.js';
import { createTestSpool, storedIds, subjectOf } from '../spooling.js';
import { eventually } from './appliance.js';

const STREAMS = ['c', 'd', 'e', 'f'];
const BODY_BYTES_MAX = 5_000;
/** Entries of the spool that may wait, two for each message. */
const WAITING_MAX = 400;
const DRAIN_MS_MAX = 60_000;

export interface Torrent {
  readonly broker: Broker;
  /** A message of each stream every so often. */
  start(everyMs: number): void;
  pause(): void;
  /** Waits until all is stored; what of that is not as it should be. */
  finish(url: string): Promise<{ readonly messages: number; readonly differences: string[] }>;
  stop(): Promise<void>;
}

export async function createTorrent(
  servers: readonly string[],
  random: (below: number) => number,
): Promise<Torrent> {
  const notice = () => {};
  const broker = await connectBroker({ servers, name: 'torrent', wait: 'in-background', notice });
  const publisher = createPublisher({ broker, ownSubjects: subjectOf('>'), notice });
  const spool = createTestSpool({ publisher: () => publisher });
  const courier = spool.courier();
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  publisher.add(courier);
  // As the host does: what is stored does not stay in the spool, so that it cannot come to the rescue.
  publisher.onStored(() => {
    if (!spool.spool.isReleasable(courier.settled())) return;
    courier.save(false);
    spool.spool.release(courier.settled());
  });

  function offer(): void {
    if (spool.spool.last() - courier.settled() > WAITING_MAX) return;
    for (const stream of STREAMS) spool.offer(stream, { bodyBytes: 1 + random(BODY_BYTES_MAX) });
    count++;
  }

  return {
    broker,
    start(everyMs) {
      clearInterval(timer);
      timer = setInterval(offer, everyMs);
    },
    pause: () => clearInterval(timer),
    async finish(url) {
      clearInterval(timer);
      const isDrained = await publisher.drain(DRAIN_MS_MAX);
      const found = new Map(await eventually(() => storedIds(url)));
      const differences = STREAMS.flatMap((stream) =>
        misplacedIn(stream, found.get(subjectOf(stream)), count),
      );
      if (!isDrained) differences.push('messages wait in the end');
      return { messages: count * STREAMS.length, differences: [...differences, ...spool.notices] };
    },
    async stop() {
      clearInterval(timer);
      publisher.stop();
      await broker.close();
      spool.remove();
    },
  };
}

function misplacedIn(stream: string, ids: readonly string[] = [], count: number): string[] {
  const wrong = ids.findIndex((id, index) => id !== `${stream}/${index + 1}`);
  return [
    ...(wrong >= 0 ? [`${stream}: ${ids[wrong]} follows ${ids[wrong - 1]}`] : []),
    ...(ids.length !== count ? [`${stream}: ${ids.length} messages of ${count}`] : []),
  ];
}
