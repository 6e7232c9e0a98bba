/**
 * Files that are whole whatever happens: written beside, made safe, renamed.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Replaces a file by other bytes, or not at all; with `isSafe` the new ones outlive a loss of power when this returns. */
export function replaceFile(path: string, bytes: string | Uint8Array, isSafe: boolean): void {
  const beside = `${path}.new`;
  writeFileSync(beside, bytes, { mode: 0o600, flush: isSafe });
  renameSync(beside, path);
  if (isSafe) syncFolder(dirname(path));
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
