/**
 * The data folder: made where it is missing, checked, and taken by one host at a time.
 *
 * Two hosts with one set of positions would overwrite each other's places. The file that says whose the folder is
 * holds the process and the time at which it began, so that a host that was killed does not block the next one,
 * whatever process has its number by then.
 *
 * It is written in place and stays, blank, when the host ends: so a disk that has no room left takes it at the next start. Where
 * one does not all the same, the host runs without, because what it cannot write here it can write nowhere in the folder, and marks the
 * folder as soon as that works.
 *
 *     <data>/host.pid              process id and start time, while the host runs
 *     <data>/format                the form of what is kept there; another one is left alone
 */
import { accessSync, closeSync, constants, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, naming, replaceFile, takesNothing } from './durable.js';
import { oneLine, printable, WeirError } from './errors.js';
import { isRunning, textOf, thisProcess } from './processes.js';

/** Of the spool, the checkpoints and all else in the folder. */
const FORMAT = 1;

export interface DataFolder {
  /** The folder is marked as taken; else `mark` has to be called again. */
  isMarked(): boolean;
  /** Marks it, unless the disk takes nothing now. Throws DATA_IN_USE or DATA_UNWRITABLE. */
  mark(): void;
  giveBack(): void;
}

/** Takes the folder. Throws DATA_UNWRITABLE, DATA_IN_USE or DATA_VERSION. */
export function takeDataFolder(folder: string): DataFolder {
  const path = join(folder, 'host.pid');
  const self = thisProcess().trim();
  let isMarked = false;

  function mark(): void {
    coded(folder, () => {
      const owner = textOf(path);
      if (isRunning(owner))
        throw new WeirError('DATA_IN_USE', `data: process ${owner.split(' ')[0]} runs with ${folder}`);
      try {
        accessSync(folder, constants.W_OK | constants.X_OK);
        if (!existsSync(join(folder, 'format'))) replaceFile(join(folder, 'format'), `${FORMAT}\n`, false);
        writeMark(path, self);
        isMarked = true;
      } catch (error) {
        if (!takesNothing(error)) throw error;
      }
    });
  }

  coded(folder, () => {
    makeFolder(folder);
    checkOwner(folder);
    checkFormat(folder);
  });
  mark();
  return {
    isMarked: () => isMarked,
    mark,
    giveBack() {
      try {
        if (textOf(path).trim() === self) writeMark(path, '');
      } catch {
        // A process that has ended keeps nothing.
      }
    },
  };
}

/** With a code, where it is what a disk says that takes nothing. */
export function diskError(folder: string, error: unknown): unknown {
  return takesNothing(error) ? unwritable(folder, error) : error;
}

function unwritable(folder: string, error: unknown): WeirError {
  return new WeirError('DATA_UNWRITABLE', `data: ${folder}: ${oneLine(error)}`, { cause: error });
}

/** Gives what the system says a code. */
function coded<T>(folder: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof WeirError ? error : unwritable(folder, error);
  }
}

const MARK_CHARACTERS = 40;

/** Always as many bytes, in place: over what is there a disk that is full writes, too. */
function writeMark(path: string, text: string): void {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    naming(path, () => writeSync(fd, `${text.padEnd(MARK_CHARACTERS)}\n`, 0));
  } finally {
    closeSync(fd);
  }
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
}

/** The data folder, made where it is missing. Throws DATA_UNWRITABLE. */
export function makeDataFolder(folder: string): void {
  coded(folder, () => makeFolder(folder));
}
