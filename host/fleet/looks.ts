/**
 * When an agent looks for what is new: when it is told that there is something, when a connection to the broker stands, and now and then by
 * itself. Each time by chance within some time, so that a fleet does not come all at once.
 */
import { randomInt } from 'node:crypto';
import { ANNOUNCE_GAP_MS } from '../fleetlimits.js';

export interface Looks {
  start(): void;
  stop(): void;
  /** Looks now; who comes while it does waits for that. */
  now(): Promise<void>;
  /** Looks within so long, but no more often than each `ANNOUNCE_GAP_MS`; once more where it looks just now. */
  soon(spreadMs: number): void;
}

/** `lookOnce` answers after how long it is to be done again. */
export function createLooks(lookOnce: () => Promise<number>): Looks {
  let isStarted = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let againAtMs = Number.POSITIVE_INFINITY;
  let soonAtMs = Number.POSITIVE_INFINITY;

  async function look(): Promise<void> {
    lookedAtMs = performance.now();
    soonAtMs = Number.POSITIVE_INFINITY;
    const againMs = await lookOnce();
    // Up to a fifth is random.
    againAtMs = performance.now() + againMs + randomInt(Math.ceil(againMs / 5) + 1);
  }

  function now(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined;
      plan();
    });
    return looking;
  }

  /** While it looks nothing is planned: that is done behind it. */
  function plan(): void {
    clearTimeout(timer);
    if (!isStarted || looking) return;
    const inMs = Math.max(0, Math.min(againAtMs, soonAtMs) - performance.now());
    timer = setTimeout(() => void now(), inMs);
  }

  return {
    start() {
      isStarted = true;
    },
    stop() {
      isStarted = false;
      clearTimeout(timer);
    },
    now,
    soon(spreadMs) {
      soonAtMs =
        Math.max(lookedAtMs + ANNOUNCE_GAP_MS, performance.now()) + randomInt(Math.ceil(spreadMs) + 1);
      plan();
    },
  };
}
