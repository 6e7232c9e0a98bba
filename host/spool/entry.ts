/**
 * An entry of the spool, as it lies in a segment:
 *
 *     salt u32 | crc u32 | length u32 | kind u32 | number u64 | payload
 *
 * little-endian; the CRC-32 is of all that follows it. The salt is the segment's: bytes of a payload that look like an entry
 * are not one, whoever wrote the events. What is read is hostile input, like anything from a disk.
 */
import { crc32 } from 'node:zlib';
import { ENTRY_BYTES_MAX } from '../limits.js';

export type EntryKind = 'message' | 'commit';

export interface Entry {
  readonly kind: EntryKind;
  /** From 1, one more than the entry before it. */
  readonly number: number;
  readonly payload: Buffer;
}

export const ENTRY_HEADER_BYTES = 24;
const KINDS: readonly EntryKind[] = ['message', 'commit'];

/** The header of an entry; the payload, in parts, is written behind it. */
export function entryHeader(
  salt: number,
  kind: EntryKind,
  number: number,
  payload: readonly Uint8Array[],
): Buffer {
  const header = Buffer.allocUnsafe(ENTRY_HEADER_BYTES);
  header.writeUInt32LE(salt, 0);
  header.writeUInt32LE(
    payload.reduce((sum, part) => sum + part.length, 0),
    8,
  );
  header.writeUInt32LE(KINDS.indexOf(kind), 12);
  header.writeBigUInt64LE(BigInt(number), 16);
  let crc = crc32(header.subarray(8));
  for (const part of payload) crc = crc32(part, crc);
  header.writeUInt32LE(crc, 4);
  return header;
}

/** What a header says, before its payload is known to be whole. */
export interface EntryHead {
  readonly kind: EntryKind;
  readonly number: number;
  readonly length: number;
  readonly crc: number;
}

/** Reads a header; nothing when it cannot be one. */
export function readHead(header: Buffer, salt: number): EntryHead | undefined {
  if (header.length < ENTRY_HEADER_BYTES || header.readUInt32LE(0) !== salt) return undefined;
  const length = header.readUInt32LE(8);
  const kind = KINDS[header.readUInt32LE(12)];
  const number = Number(header.readBigUInt64LE(16));
  if (kind === undefined || length > ENTRY_BYTES_MAX || !Number.isSafeInteger(number)) return undefined;
  return { kind, number, length, crc: header.readUInt32LE(4) };
}

/** True when header and payload belong together. */
export function isWhole(header: Buffer, { crc, length }: EntryHead, payload: Buffer): boolean {
  if (payload.length !== length) return false;
  return crc32(payload, crc32(header.subarray(8, ENTRY_HEADER_BYTES))) === crc;
}
