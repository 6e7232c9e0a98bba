/**
 * A segment of the spool: one file of entries, written at its end only.
 *
 * Its name has the number of its first entry and its salt, so that a damaged byte in it costs one entry and no more.
 */
import { randomInt } from 'node:crypto';
import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { naming, noSpace } from '../durable.js';
import { ENTRY_BYTES_MAX } from '../limits.js';
import { type Entry, ENTRY_HEADER_BYTES, isWhole, readHead } from './entry.js';

export interface SegmentName {
  /** Number of its first entry. */
  readonly first: number;
  readonly salt: number;
  readonly path: string;
}

const NAME = /^([0-9a-f]{14})-([0-9a-f]{8})\.seg$/;

/** What a file name of the folder says; nothing when it is no segment's. */
export function segmentName(folder: string, file: string): SegmentName | undefined {
  const [, first, salt] = NAME.exec(file) ?? [];
  if (first === undefined || salt === undefined) return undefined;
  return { first: Number.parseInt(first, 16), salt: Number.parseInt(salt, 16), path: join(folder, file) };
}

export function newSegmentName(folder: string, first: number): SegmentName {
  const salt = randomInt(2 ** 32);
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return { first, salt, path: join(folder, `${hex(first, 14)}-${hex(salt, 8)}.seg`) };
}

/** One at a time, synchronously, so one is enough for all readers. */
const scratch = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + ENTRY_BYTES_MAX);

/** Where an entry was found. */
export interface Found {
  readonly entry: Entry;
  /** Where the next one begins. */
  readonly end: number;
}

/** Reading of one segment. */
export interface SegmentReader {
  /**
   * The first whole entry at `at` or behind it whose number is over `after`; `isSkipped` says whether bytes had to be passed over.
   * Nothing when there is none. The payload is good until the next call; with `copies` for good.
   */
  next(at: number, after: number): (Found & { readonly isSkipped: boolean }) | undefined;
  close(): void;
}

export function readSegment({ path, salt }: SegmentName): SegmentReader {
  const fd = openSync(path, 'r');
  const needle = Buffer.alloc(4);
  needle.writeUInt32LE(salt);

  function entryAt(at: number, after: number): Found | undefined {
    const header = scratch.subarray(0, readSync(fd, scratch, 0, ENTRY_HEADER_BYTES, at));
    const head = readHead(header, salt);
    if (!head || head.number <= after) return undefined;
    const { kind, number, length } = head;
    const bytes = readSync(fd, scratch, ENTRY_HEADER_BYTES, length, at + ENTRY_HEADER_BYTES);
    const payload = scratch.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + bytes);
    if (!isWhole(header, head, payload)) return undefined;
    return { entry: { kind, number, payload }, end: at + ENTRY_HEADER_BYTES + length };
  }

  /** Where the salt stands next, from `from` on. */
  function candidate(from: number): number | undefined {
    for (let at = from; ; ) {
      const bytes = readSync(fd, scratch, 0, scratch.length, at);
      const found = scratch.subarray(0, bytes).indexOf(needle);
      if (found >= 0) return at + found;
      if (bytes < scratch.length) return undefined;
      at += bytes - needle.length + 1;
    }
  }

  return {
    next(at, after) {
      const found = entryAt(at, after);
      if (found) return { ...found, isSkipped: false };
      for (let other = candidate(at + 1); other !== undefined; other = candidate(other + 1)) {
        const behind = entryAt(other, after);
        if (behind) return { ...behind, isSkipped: true };
      }
      return undefined;
    },
    close: () => closeSync(fd),
  };
}

/** Writing at the end of one segment. */
export interface SegmentWriter {
  bytes(): number;
  /** Writes all of it, or throws the system's error and leaves the file as it was. */
  append(parts: readonly Uint8Array[]): void;
  sync(): Promise<void>;
  close(): void;
}

const syncFile = promisify(fdatasync);

/** Opens a segment for writing at `end`, the end of its last whole entry; what lies behind it is cut off. */
export function writeSegment({ path }: SegmentName, end = 0): SegmentWriter {
  const fd = openSync(path, end === 0 ? 'w+' : 'r+', 0o600);
  let bytes = end;
  if (fstatSync(fd).size > end) ftruncateSync(fd, end);
  return {
    bytes: () => bytes,
    append(parts) {
      const total = parts.reduce((sum, part) => sum + part.length, 0);
      try {
        naming(path, () => {
          // Less than all of it, and no error: the disk is full, or a limit of file sizes is reached.
          if (writevSync(fd, [...parts], bytes) < total) throw noSpace();
        });
      } catch (error) {
        ftruncateSync(fd, bytes);
        throw error;
      }
      bytes += total;
    },
    sync: () => syncFile(fd),
    close: () => closeSync(fd),
  };
}
