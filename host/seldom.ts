/**
 * Trouble that goes on is told once in a while.
 */
import { NOTICE_EVERY_MS } from './limits.js';

/** The first line of trouble, and the next one only when `NOTICE_EVERY_MS` has gone by. */
export function seldom(notice: (line: string) => void): (line: string) => void {
  let quietUntilMs = 0;
  return (line) => {
    if (performance.now() < quietUntilMs) return;
    quietUntilMs = performance.now() + NOTICE_EVERY_MS;
    notice(line);
  };
}
