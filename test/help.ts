/**
 * What many tests need: waiting for a condition, a folder that goes away, and free ports.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * How long a test waits for what has to come. Only one that fails waits so long: there are machines on which a process takes five times
 * as long to start as on others.
 */
export const WAIT_MS = 60_000;
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 50;
/** The next look comes after this part of the time that was waited: what takes long is asked for less often, and seen hardly later. */
const LOOK_PART = 0.05;

/** Waits until `condition` holds; fails by name when it does not within `deadlineMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  what: string,
): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - startMs;
    if (waitedMs > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await pause(Math.min(Math.max(waitedMs * LOOK_PART, LOOK_MS_MIN), LOOK_MS_MAX));
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

/** The variable of the environment that names the folder below. */
export const MODULES_FOLDER = 'WEIR_TEST_MODULES';

/** Where modules that tests have compiled are kept from run to run. */
export function modulesFolder(): string {
  return process.env[MODULES_FOLDER] ?? join(tmpdir(), 'weir-test-filters');
}

/** Ports that nothing uses now; all are taken at once so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}
