/**
 * What many tests need: waiting for a condition, a folder that goes away, and free ports.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
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
