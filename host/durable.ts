/**
 * Files that are whole whatever happens: written beside, made safe, renamed.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { sha256Of } from './digest.js';
import { systemCode } from './errors.js';

/** The disk takes nothing now: it is full, past a quota, or read-only. That may end, and until then whoever can waits. */
export function takesNothing(thrown: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS'].includes(systemCode(thrown));
}

/** For a write that took less than it was given, which is how a disk says first that it is full. */
export function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
}

/** Writes; what a disk says of it names the file, which the system's own error does not. */
export function naming<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (error instanceof Error && !error.message.includes(path)) error.message += ` '${path}'`;
    throw error;
  }
}

/** Replaces a file by other bytes, or not at all; with `isSafe` the new ones outlive a loss of power when this returns. */
export function replaceFile(path: string, bytes: string | Uint8Array, isSafe: boolean): void {
  const beside = `${path}.new`;
  try {
    naming(path, () => writeFileSync(beside, bytes, { mode: 0o600, flush: isSafe }));
  } catch (error) {
    // A part of it would take the room of what waits for some.
    if (takesNothing(error)) rmSync(beside, { force: true });
    throw error;
  }
  renameSync(beside, path);
  if (isSafe) syncFolder(dirname(path));
}

/** One folder after the other: `recursive` never returns where a parent takes no folders, as in /proc, and hides that a disk is read-only. */
export function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** Makes names in a folder safe: those that are new, and that others are gone. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } catch {
    // Some file systems cannot; then a rename is as safe as it gets.
  } finally {
    closeSync(fd);
  }
}

/** A JSON object, to which a digest of the rest of it is added: a changed digit would be another number. */
export function sealed(text: string): string {
  return `{"check":"${digestOf(text)}",${text.slice(1)}\n`;
}

/** What was sealed; nothing when it is not whole. */
export function unsealed(text: string): string | undefined {
  const [, check, rest] = /^\{"check":"([0-9a-f]{16})",(.*)\n$/s.exec(text) ?? [];
  return check === digestOf(`{${rest}`) ? `{${rest}` : undefined;
}

function digestOf(text: string): string {
  return sha256Of(text).slice(0, 16);
}
