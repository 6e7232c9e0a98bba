/**
 * Processor time of something that blocks everything else. A machine that sleeps or is busy with others makes it take longer, not
 * more, so the clock alone would be unfair; processor time is asked for only where the clock says that it may be much.
 *
 * To ask for it takes longer than some calls of a filter, so a start goes by what was asked for at most SHORT_MS before: what the
 * process may have used between the two is taken off.
 */

/** What is over by then cannot have waited for much: the clock will do. */
const SHORT_MS = 1;

let asked = { atMs: Number.NEGATIVE_INFINITY, used: process.cpuUsage() };

/** Answers a function that tells the processor time since now in milliseconds, of all threads of the process. */
export function startTimer(): () => number {
  const startMs = performance.now();
  if (startMs - asked.atMs > SHORT_MS) asked = { atMs: startMs, used: process.cpuUsage() };
  const { atMs, used } = asked;
  return () => {
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs < SHORT_MS) return elapsedMs;
    const { user, system } = process.cpuUsage(used);
    return Math.min(Math.max((user + system) / 1_000 - (startMs - atMs), 0), elapsedMs);
  };
}
