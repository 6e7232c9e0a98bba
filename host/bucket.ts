/**
 * The last value on a subject of a stream, as in a key-value bucket, which is a stream with one message a subject.
 *
 * One direct get, which any replica answers and which is all the right that an appliance has. Who replaces the value names the one that he
 * knows, by its place in the stream: of two who write at once one is told.
 */
import { type JetStreamManager, NatsError } from 'nats';
import { directOf, isNoMessage } from './jetstream.js';

export interface Value {
  readonly bytes: Uint8Array;
  /** Its place in the stream. */
  readonly revision: number;
}

/** Nothing when there is none, or it was deleted. */
export async function lastValue(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<Value | undefined> {
  const last = await lastMessage(manager, stream, subject);
  return last && !last.isDeletion ? { bytes: last.bytes, revision: last.revision } : undefined;
}

/** The place of the last message on a subject, also where that says that the value was deleted; 0 when there is none. */
export async function lastRevision(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<number> {
  return (await lastMessage(manager, stream, subject))?.revision ?? 0;
}

/** Headers of a message that deletes the value, as the key-value buckets of NATS have it. */
export const DELETION = { 'KV-Operation': 'DEL' } as const;

async function lastMessage(manager: JetStreamManager, stream: string, subject: string) {
  try {
    const { data, seq, header } = await directOf(manager).getMessage(stream, { last_by_subj: subject });
    return { bytes: data, revision: seq, isDeletion: header.get('KV-Operation') !== '' };
  } catch (error) {
    if (error instanceof NatsError && isNoMessage(error)) return undefined;
    throw error;
  }
}
