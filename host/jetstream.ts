/**
 * The JetStream stream that keeps events and dead letters: found, or created with limits.
 */
import { type JetStreamManager, nanos, NatsError, type StreamConfig } from 'nats';
import { WeirError } from './errors.js';
import { STREAM_AGE_MS_MAX, STREAM_BYTES_CHOICES, STREAM_DUPLICATES_MS } from './limits.js';
import { DEAD_WILDCARD, EVENTS_WILDCARD, STREAM_NAME } from './wire.js';

/** Leaves a stream that takes the events as it is; creates one with limits where there is none. */
export async function ensureStream(
  manager: JetStreamManager,
  reason: (error: unknown) => string,
): Promise<void> {
  try {
    if (await hasStream(manager, STREAM_NAME)) return;
    let problem: unknown;
    for (const max_bytes of STREAM_BYTES_CHOICES) {
      problem = await manager.streams.add({ ...STREAM, max_bytes }).catch((error: unknown) => error);
      if (!TOO_LARGE.includes(apiCode(problem))) break;
    }
    if (apiCode(problem) === OVERLAP) await needOtherStream(manager);
    else if (problem instanceof Error) throw problem;
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw streamRefused(`cannot be looked at or created: ${reason(error)}`);
  }
}

/** Storage in files and dropping the oldest message are what JetStream does unless told otherwise. */
const STREAM = {
  name: STREAM_NAME,
  subjects: [EVENTS_WILDCARD, DEAD_WILDCARD],
  max_age: nanos(STREAM_AGE_MS_MAX),
  duplicate_window: nanos(STREAM_DUPLICATES_MS),
  allow_direct: true,
};
/** The patterns of NATS that take all of these subjects. */
const TAKES_EVENTS = /^(>|(weir|\*)\.>|(weir|\*)\.(ev|\*)\.>)$/;
/** JetStream's own numbers of errors. */
const [NOT_FOUND, OVERLAP] = [10_059, 10_065];
const TOO_LARGE = [10_002, 10_023, 10_047, 10_122];

function streamRefused(problem: string): WeirError {
  return new WeirError('STREAM_REFUSED', `stream ${STREAM_NAME}: ${problem}`);
}

function apiCode(error: unknown): number {
  return (error instanceof NatsError && error.api_error?.err_code) || 0;
}

/** Whether there is a stream of this name. Throws STREAM_REFUSED when it does not take all events. */
async function hasStream(manager: JetStreamManager, name: string): Promise<boolean> {
  try {
    const { config } = await manager.streams.info(name);
    if (isOfOlderHost(config)) await addDeadLetters(manager, config);
    if (config.subjects?.some((subject) => TAKES_EVENTS.test(subject))) return true;
    const found = config.subjects?.join(', ') || 'no subjects';
    throw streamRefused(`expected stream ${name} to take ${EVENTS_WILDCARD}, found ${found}`);
  } catch (error) {
    if (apiCode(error) === NOT_FOUND) return false;
    throw error;
  }
}

/** Hosts before this one created the stream without dead letters. */
function isOfOlderHost({ name, subjects = [] }: StreamConfig): boolean {
  return name === STREAM_NAME && subjects.length === 1 && subjects[0] === EVENTS_WILDCARD;
}

/** Where this user may not, an operator has to; until then dead letters are only counted. */
async function addDeadLetters(manager: JetStreamManager, config: StreamConfig): Promise<void> {
  await manager.streams.update(STREAM_NAME, { ...config, subjects: STREAM.subjects }).catch(() => {});
}

/** A stream of another name has these subjects: good, if it has all of them. */
async function needOtherStream(manager: JetStreamManager): Promise<void> {
  const name = await manager.streams.find(EVENTS_WILDCARD).catch(() => undefined);
  if (name !== undefined && (await hasStream(manager, name))) return;
  throw streamRefused(`several other streams take parts of ${EVENTS_WILDCARD}`);
}
