/**
 * The last value on a subject of a stream, as in a key-value bucket, which is a stream with one message a subject.
 *
 * One direct get, which any replica answers and which is all the right that an appliance has. Who replaces the value names the one that he
 * knows, by its place in the stream: of two who write at once one is told.
 */
import { type JetStreamManager, NatsError } from 'nats';
import { WeirError } from './errors.js';
import { apiCode, directOf, isNoMessage, NOT_FOUND } from './jetstream.js';

export interface Value {
  readonly bytes: Uint8Array;
  /** Its place in the stream. */
  readonly revision: number;
  /** When the broker had it. */
  readonly storedMs: number;
}

/** Nothing when there is none, or it was deleted. */
export async function lastValue(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<Value | undefined> {
  const last = await lastMessage(manager, stream, subject);
  if (!last || last.isDeletion) return undefined;
  const { bytes, revision, storedMs } = last;
  return { bytes, revision, storedMs };
}

/** The place of the last message on a subject, also where that says that the value was deleted; 0 when there is none. */
export async function lastRevision(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<number> {
  return (await lastMessage(manager, stream, subject))?.revision ?? 0;
}

/** All subjects on which a stream holds messages. */
export async function subjectsOf(manager: JetStreamManager, stream: string): Promise<string[]> {
  const { state } = await manager.streams.info(stream, { subjects_filter: '>' });
  return Object.keys(state.subjects ?? {});
}

/** How many bytes a stream takes before it is full. Throws STREAM_SILENT where there is none. */
export async function roomIn(manager: JetStreamManager, stream: string): Promise<number> {
  const { config, state } = await manager.streams.info(stream).catch((error: unknown) => {
    if (apiCode(error) !== NOT_FOUND) throw error;
    throw new WeirError('STREAM_SILENT', `stream ${stream}: expected one, found none`);
  });
  return config.max_bytes < 0 ? Number.POSITIVE_INFINITY : config.max_bytes - state.bytes;
}

/** Takes everything on a subject out of a stream, and its room with it. */
export async function purgeSubject(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<void> {
  await manager.streams.purge(stream, { filter: subject });
}

async function lastMessage(manager: JetStreamManager, stream: string, subject: string) {
  try {
    const { data, seq, header, time } = await directOf(manager).getMessage(stream, { last_by_subj: subject });
    const isDeletion = header.get('KV-Operation') !== '';
    return { bytes: data, revision: seq, storedMs: time.getTime(), isDeletion };
  } catch (error) {
    if (error instanceof NatsError && isNoMessage(error)) return undefined;
    throw error;
  }
}
