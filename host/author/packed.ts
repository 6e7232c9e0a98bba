/**
 * Compressed files, which are no lines: known by the bytes with which they begin, whatever they are called.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** What compressed files begin with (RFC 1952; RFC 8878; the formats of xz and bzip2). No line of a log does. */
const MAGIC: Readonly<Record<string, string>> = {
  gzip: '\x1f\x8b',
  zstd: '\x28\xb5\x2f\xfd',
  xz: '\xfd7zXZ\0',
  bzip2: 'BZh91AY&SY',
};
const MAGIC_BYTES_MAX = 10;

/** The program that has compressed a file, by the bytes with which it begins; what cannot be read is told later. */
export function packedAs(path: string): string | undefined {
  const start = Buffer.alloc(MAGIC_BYTES_MAX);
  try {
    const file = openSync(path, 'r');
    try {
      readSync(file, start, 0, start.length, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  return Object.keys(MAGIC).find((program) => start.toString('latin1').startsWith(MAGIC[program] as string));
}
