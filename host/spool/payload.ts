/**
 * What entries of the spool hold: a message, or what was done to a filter since the entry before.
 *
 * A message is its head as JSON, the length of that before it, and its body. What is read back is hostile input.
 */
import type { Message } from '../wire.js';
import type { NewEntry } from './spool.js';
import type { Entry } from './entry.js';

/** A message as the spool keeps it: it gets its number on the wire when it is published. */
export interface SpooledMessage extends Message {
  readonly stream: string;
  /** In its stream, from 1, since the data folder was made. */
  readonly seq: number;
  readonly records: number;
  readonly events: number;
}

export function messageEntry({ body, ...head }: SpooledMessage): NewEntry {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(json.length);
  return { kind: 'message', payload: [length, json, body] };
}

/** The message of an entry, with a body of its own; nothing when it cannot be understood. */
export function readMessage({ payload }: Entry): SpooledMessage | undefined {
  const head = readMessageHead(payload);
  return head && { ...head, body: Buffer.from(payload.subarray(4 + payload.readUInt32LE(0))) };
}

/** All of it but the body. */
export function readMessageHead(payload: Buffer): Omit<SpooledMessage, 'body'> | undefined {
  if (payload.length < 4 || payload.length - 4 < payload.readUInt32LE(0)) return undefined;
  const head = readJson(payload.subarray(4, 4 + payload.readUInt32LE(0))) as SpooledMessage | undefined;
  const isGood =
    typeof head?.subject === 'string' &&
    typeof head.stream === 'string' &&
    typeof head.headers === 'object' &&
    [head.seq, head.records, head.events].every(Number.isSafeInteger);
  return isGood ? head : undefined;
}

export function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch {
    return undefined;
  }
}
