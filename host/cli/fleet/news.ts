/**
 * When a command that goes on reads the repository anew: soon after somebody has said that there is something new, which anybody who may
 * may do often, and now and then without that, because it may be lost.
 */
import type { Broker } from '../../broker.js';
import { ANNOUNCE_GAP_MS } from '../../fleetlimits.js';
import { ANNOUNCE_SUBJECT } from '../../wire.js';

/** How often the repository is read without an announcement. */
const READ_MS = 10_000;

export interface News {
  /** It was announced since the last reading. */
  isNew(): boolean;
  /** It is time to read. */
  isDue(): boolean;
  /** It is read from now on. */
  reading(): void;
  close(): void;
}

export function watchNews(broker: Pick<Broker, 'subscribe'>): News {
  let isNew = false;
  let readAtMs = performance.now();
  const subscription = broker.subscribe(ANNOUNCE_SUBJECT, () => {
    isNew = true;
  });
  return {
    isNew: () => isNew,
    isDue: () => performance.now() > readAtMs + (isNew ? ANNOUNCE_GAP_MS : READ_MS),
    reading() {
      isNew = false;
      readAtMs = performance.now();
    },
    close: () => subscription.unsubscribe(),
  };
}
