/**
 * An operator's folder is written by one command at a time: what he has seen, the copy, and what is being published belong together.
 *
 *     <fleet>/lock             process id and start time, while a command reads the repository into the folder or publishes
 *
 * Nobody holds it while he is asked something, or looks at appliances: then another command may publish, and who was built on what was
 * before is told (REPOSITORY_MOVED).
 */
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode, WeirError } from '../errors.js';
import { FOLDER_WAIT_MS } from '../fleetlimits.js';
import { writing } from './folderwrite.js';
import { isRunning, textOf, thisProcess } from '../processes.js';

const LOOK_MS = 50;

/** Does something alone in a folder, when others are done there. Throws FLEET_IN_USE or FLEET_UNWRITABLE. */
export async function alone<T>(folder: string, work: () => Promise<T>, waitMs = FOLDER_WAIT_MS): Promise<T> {
  const sinceMs = performance.now();
  for (;;) {
    const done = await aloneNow(folder, work);
    if (done) return done.value;
    if (performance.now() - sinceMs >= waitMs) break;
    await sleep(LOOK_MS);
  }
  const [pid] = textOf(join(folder, 'lock')).split(/\s/);
  const problem = `expected to be alone there within ${waitMs / 1_000} s, found process ${pid || 'unknown'}`;
  throw new WeirError('FLEET_IN_USE', `${folder}: ${problem}`);
}

/** The same at once; nothing where another command is at work there. Throws FLEET_UNWRITABLE. */
export async function aloneNow<T>(
  folder: string,
  work: () => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const path = join(folder, 'lock');
  if (!writing(path, () => take(path))) return undefined;
  try {
    return { value: await work() };
  } finally {
    if (textOf(path) === thisProcess()) rmSync(path, { force: true });
  }
}

/** Another command is at work there. */
export function isTaken(folder: string): boolean {
  return isRunning(textOf(join(folder, 'lock')));
}

function take(path: string): boolean {
  const owner = textOf(path);
  if (isRunning(owner)) return false;
  const sinceMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (sinceMs !== undefined) {
    // Whoever has just made it has not written yet who he is.
    if (owner === '' && Date.now() - sinceMs < FOLDER_WAIT_MS) return false;
    if (!removeStale(path, owner)) return false;
  }
  try {
    writeFileSync(path, thisProcess(), { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    // It may be there without what it says, where there is no room.
    rmSync(path, { force: true });
    throw error;
  }
}

/** Removes the file of a process that has ended; false where another command has been faster, which keeps what it has. */
function removeStale(path: string, owner: string): boolean {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  const isStale = textOf(aside) === owner;
  if (isStale) rmSync(aside, { force: true });
  else renameSync(aside, path);
  return isStale;
}
