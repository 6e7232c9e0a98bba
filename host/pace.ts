/**
 * Pace: the host's own share of the processor. It reads slower instead of burning the box.
 *
 * A token bucket in milliseconds of processor time: it fills with the share of each millisecond that goes by, holds
 * at most `PACE_BURST_MS`, and what the whole process has used (compression and garbage collection included)
 * is taken out. While it is empty the engine rests. The debt of one turn is a batch a lane, so the share holds over
 * a second, not over a millisecond.
 */
import { PACE_BURST_MS, PACE_REST_MS_MAX } from './limits.js';

export interface Pace {
  /** Milliseconds to rest before the next turn; 0 while the process is within its share. */
  restMs(): number;
}

/** What the pace is measured with; for tests. */
export interface PaceClock {
  readonly nowMs: () => number;
  /** Processor time of the process so far. */
  readonly usedMs: () => number;
}

const PROCESS: PaceClock = {
  nowMs: () => performance.now(),
  usedMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

/** `share` is in cores: 0.25 is a quarter of one. */
export function createPace(share: number, { nowMs, usedMs }: PaceClock = PROCESS): Pace {
  let tokensMs = PACE_BURST_MS;
  let lastNowMs = nowMs();
  let lastUsedMs = usedMs();
  return {
    restMs() {
      const [now, used] = [nowMs(), usedMs()];
      tokensMs = Math.min(tokensMs + (now - lastNowMs) * share - (used - lastUsedMs), PACE_BURST_MS);
      lastNowMs = now;
      lastUsedMs = used;
      return tokensMs >= 0 ? 0 : Math.min(Math.ceil(-tokensMs / share), PACE_REST_MS_MAX);
    },
  };
}
