/**
 * What many tests need: waiting for a condition, and a folder that goes away.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 5;

/** Waits until `condition` holds; fails by name when it does not within `deadlineMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  what: string,
): Promise<void> {
  const givenUpMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > givenUpMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await pause(POLL_MS);
  }
}

export interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'weir-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
