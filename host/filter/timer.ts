/**
 * Processor time of something that blocks everything else. A machine that sleeps or is busy with others makes it take longer, not
 * more, so the clock alone would be unfair; processor time is asked for only where the clock says that it may be much.
 */

/** What is over by then cannot have waited for much: the clock will do. */
const SHORT_MS = 1;

/** Answers a function that tells the processor time since now in milliseconds, of all threads of the process. */
export function startTimer(): () => number {
  const startMs = performance.now();
  const before = process.cpuUsage();
  return () => {
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs < SHORT_MS) return elapsedMs;
    const { user, system } = process.cpuUsage(before);
    return Math.min((user + system) / 1_000, elapsedMs);
  };
}
