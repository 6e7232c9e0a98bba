/**
 * Files that are whole whatever happens: written beside, made safe, renamed.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sha256Of } from './digest.js';

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
