/**
 * Where the inboxes of a host lie: in a folder of its own on a tmpfs, which outlives a host that is killed and wears no
 * flash, else in the data folder.
 *
 *     <"inboxes" of the config, or /run, or /dev/shm>/weir-<uid>-<hash of the data folder>/<source>.ring
 *     <data>/inbox/<source>.ring
 *
 * Anybody may make a folder in /dev/shm: what is no folder, is another user's, or is open to others is not used. A data
 * folder is for one host at a time, so a ring has one writer; its inode is part of the hash, for containers in which
 * different folders have the same path. Rings that no source of the config uses any more are removed.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { type Stats, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder } from '../durable.js';
import { oneLine, WeirError } from '../errors.js';

const TMPFS_PLACES = ['/run', '/dev/shm'];
/** statfs(2) */
const TMPFS_MAGIC = 0x01021994;
const RING_FILE = /^([\w-]+)\.ring(\.new)?$/;

export interface InboxFolderOptions {
  readonly dataFolder: string;
  /** The folder in which the config wants it. */
  readonly inboxes?: string | undefined;
  /** Where it may lie when the config says nothing, the best place first. */
  readonly places?: readonly string[];
  /** The sources of the config that have an inbox. */
  readonly sources: readonly string[];
  readonly print: (line: string) => void;
}

/** Makes and checks the folder, and answers which file is a source's. Throws INBOX_UNWRITABLE. */
export function openInboxFolder(options: InboxFolderOptions): (source: string) => string {
  const { dataFolder, inboxes, places = TMPFS_PLACES.filter(isTmpfs), sources, print } = options;
  const own = ownName(dataFolder);
  const usual = [...places.map((place) => join(place, own)), join(dataFolder, 'inbox')];
  const wanted = inboxes === undefined ? usual : [join(inboxes, own)];
  const folder = sources.length > 0 ? firstUsable(wanted, print) : '';
  for (const known of new Set([...usual, ...wanted])) {
    if (problemOf(known) !== undefined) continue;
    removeRings(known, known === folder ? sources : []);
  }
  return (source) => join(folder, `${source}.ring`);
}

function firstUsable(folders: readonly string[], print: (line: string) => void): string {
  let last = '';
  for (const folder of folders) {
    const refused = make(folder);
    const problem = refused ?? problemOf(folder);
    if (problem === undefined) return folder;
    last = `${folder}: expected a folder for this user alone, found ${problem}`;
    // That this user may make none here is no surprise; that there is one which is not its own is.
    if (refused === undefined && folders.length > 1) print(`inboxes: ${last}; it is not used`);
  }
  throw new WeirError('INBOX_UNWRITABLE', `inboxes: ${last}`);
}

/** Answers why it cannot be made; nothing when something is there. */
function make(folder: string): string | undefined {
  try {
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
    return undefined;
  } catch (error) {
    return lstatOf(folder) ? undefined : oneLine(error);
  }
}

/** What is wrong with a folder; nothing when it is this user's own, and for no other. */
function problemOf(folder: string): string | undefined {
  const stat = lstatOf(folder);
  if (!stat?.isDirectory()) return 'no folder';
  if (stat.uid !== process.geteuid?.()) return `one of user ${stat.uid}`;
  const mode = stat.mode & 0o777;
  return mode === 0o700 ? undefined : `one with mode ${mode.toString(8).padStart(4, '0')}`;
}

function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Leaves what it cannot remove: that is in nobody's way. */
function removeRings(folder: string, kept: readonly string[]): void {
  const quietly = (remove: () => void) => {
    try {
      remove();
    } catch {
      // It is no file, or the disk is read-only; of a folder: something that is not ours is in it.
    }
  };
  quietly(() => {
    for (const file of readdirSync(folder)) {
      const [, source, isUnfinished] = RING_FILE.exec(file) ?? [];
      if (source === undefined || (kept.includes(source) && !isUnfinished)) continue;
      quietly(() => rmSync(join(folder, file)));
    }
  });
  if (kept.length === 0) quietly(() => rmdirSync(folder));
}

function ownName(dataFolder: string): string {
  const path = realpathSync(dataFolder);
  const hash = createHash('sha256')
    .update(`${statSync(path).ino} ${path}`)
    .digest('hex');
  return `weir-${process.geteuid?.()}-${hash.slice(0, 16)}`;
}

function isTmpfs(path: string): boolean {
  try {
    return statfsSync(path).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}
