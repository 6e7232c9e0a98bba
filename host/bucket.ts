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
  try {
    const { data, seq, header } = await directOf(manager).getMessage(stream, { last_by_subj: subject });
    return header.get('KV-Operation') === '' ? { bytes: data, revision: seq } : undefined;
  } catch (error) {
    if (error instanceof NatsError && isNoMessage(error)) return undefined;
    throw error;
  }
}
