/**
 * Processor time of something that blocks everything else. A machine that sleeps or is busy with others makes it take longer, not
 * more, so the clock alone would be unfair; processor time is asked for only where the clock says that it may be much.
 */

export interface Timer {
  /** Processor time since the start in milliseconds, of all threads of the process; 0 where less than `atLeastMs` have gone by. */
  usedMs(atLeastMs: number): number;
}

export function startTimer(): Timer {
  const startMs = performance.now();
  const before = process.cpuUsage();
  return {
    usedMs(atLeastMs) {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs < atLeastMs) return 0;
      const { user, system } = process.cpuUsage(before);
      return Math.min((user + system) / 1_000, elapsedMs);
    },
  };
}
