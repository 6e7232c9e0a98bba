/**
 * The data folder: made where it is missing, checked, and taken by one host at a time.
 *
 * Two hosts with one set of positions would overwrite each other's places. The file that says whose the folder is
 * holds the process and the time at which it began, so that a host that was killed does not block the next one,
 * whatever process has its number by then.
 *
 *     <data>/host.pid              process id and start time, while the host runs
 *     <data>/format                the form of what is kept there; another one is left alone
 */
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceFile } from './durable.js';
import { oneLine, printable, WeirError } from './errors.js';
import { isRunning, textOf, thisProcess } from './processes.js';

/** Of the spool, the checkpoints and all else in the folder. */
const FORMAT = 1;

/** Takes the folder; answers what gives it back. Throws DATA_UNWRITABLE, DATA_IN_USE or DATA_VERSION. */
export function takeDataFolder(folder: string): () => void {
  const path = join(folder, 'host.pid');
  const self = thisProcess();
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
    const owner = textOf(path);
    if (isRunning(owner))
      throw new WeirError('DATA_IN_USE', `data: process ${owner.split(' ')[0]} runs with ${folder}`);
    checkOwner(folder);
    checkFormat(folder);
    rmSync(path, { force: true });
    writeFileSync(path, self, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw new WeirError('DATA_UNWRITABLE', `data: ${folder}: ${oneLine(error)}`);
  }
  return () => {
    if (textOf(path) === self) rmSync(path, { force: true });
  };
}

/** What somebody else may change is not for us to trust, nor theirs for us to overwrite. */
function checkOwner(folder: string): void {
  const [owner, self] = [statSync(folder).uid, process.getuid?.()];
  if (self === undefined || owner === self) return;
  const problem = `expected a folder of user ${self}, found one of user ${owner}`;
  throw new WeirError('DATA_UNWRITABLE', `data: ${folder}: ${problem}`);
}

function checkFormat(folder: string): void {
  const path = join(folder, 'format');
  const found = textOf(path).trim();
  if (found === String(FORMAT)) return;
  const isOlder = found === '' && existsSync(join(folder, 'positions.json'));
  if (found !== '' || isOlder) {
    const other = isOlder ? 'what an older one kept' : `format ${printable(found.slice(0, 20))}`;
    const problem = `expected what this version keeps (format ${FORMAT}), found ${other}`;
    throw new WeirError('DATA_VERSION', `data: ${folder}: ${problem}`);
  }
  replaceFile(path, `${FORMAT}\n`, false);
}

/** One folder after the other: `recursive` never returns where a parent takes no folders, as in /proc. */
export function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}
