/**
 * The JetStream stream that keeps events and dead letters: found, or created with limits.
 */
import { randomBytes } from 'node:crypto';
import { AckPolicy, type JetStreamManager, type MsgHdrs, nanos, NatsError, type StreamConfig } from 'nats';
import type { LastMessage } from './broker.js';
import { oneLine, WeirError } from './errors.js';
import { STREAM_AGE_MS_MAX, STREAM_BYTES_CHOICES, STREAM_DUPLICATES_MS } from './limits.js';
import { DEAD_WILDCARD, EVENTS_WILDCARD, STREAM_NAME } from './wire.js';

/** A stream that takes the events. */
export interface KnownStream {
  readonly name: string;
  /** Each of its replicas answers what it holds: `allow_direct`. */
  readonly isDirect: boolean;
  /** It is known to have one replica, which no other can be ahead of. */
  readonly hasOneReplica: boolean;
}

/** What is supposed where the host may not look. */
export const OWN_STREAM: KnownStream = { name: STREAM_NAME, isDirect: true, hasOneReplica: false };

/**
 * Leaves a stream that takes the events as it is; creates one with limits where there is none. Throws BROKER_REFUSED where this user
 * may not look, which says nothing against the stream.
 */
export async function ensureStream(
  manager: JetStreamManager,
  reason: (error: unknown) => string,
): Promise<KnownStream> {
  try {
    const found = await findStream(manager, STREAM_NAME).catch(tellForbidden);
    if (found) return found;
    let problem: unknown;
    for (const max_bytes of STREAM_BYTES_CHOICES) {
      problem = await manager.streams.add({ ...STREAM, max_bytes }).catch((error: unknown) => error);
      if (!TOO_LARGE.includes(apiCode(problem))) break;
    }
    if (apiCode(problem) === OVERLAP) return await otherStream(manager);
    if (problem instanceof Error) throw problem;
    return { ...OWN_STREAM, hasOneReplica: true };
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
export const NOT_FOUND = 10_059;
const [OVERLAP, NO_MESSAGE] = [10_065, 10_037];
/** The second one does not say which: another message for the subject is on its way. */
const WRONG_LAST_SEQUENCE = [10_071, 10_164];
/** It could not be written: the disk, or a limit of the stream, which the text alone tells apart. */
const STORE_FAILED = 10_077;
const TOO_LARGE = [10_002, 10_023, 10_047, 10_122];

function tellForbidden(error: unknown): never {
  if (!(error instanceof NatsError && error.isPermissionError())) throw error;
  throw new WeirError(
    'BROKER_REFUSED',
    `stream ${STREAM_NAME}: no permission to look at it: ${oneLine(error)}`,
  );
}

function streamRefused(problem: string): WeirError {
  return new WeirError('STREAM_REFUSED', `stream ${STREAM_NAME}: ${problem}`);
}

export function apiCode(error: unknown): number {
  return (error instanceof NatsError && error.api_error?.err_code) || 0;
}

/** The stream of this name. Throws STREAM_REFUSED when it does not take all events. */
async function findStream(manager: JetStreamManager, name: string): Promise<KnownStream | undefined> {
  try {
    const { config } = await manager.streams.info(name);
    if (isOfOlderHost(config)) await addDeadLetters(manager, config);
    if (config.subjects?.some((subject) => TAKES_EVENTS.test(subject)))
      return { name, isDirect: config.allow_direct, hasOneReplica: config.num_replicas === 1 };
    const found = config.subjects?.join(', ') || 'no subjects';
    throw streamRefused(`expected stream ${name} to take ${EVENTS_WILDCARD}, found ${found}`);
  } catch (error) {
    if (apiCode(error) === NOT_FOUND) return undefined;
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
async function otherStream(manager: JetStreamManager): Promise<KnownStream> {
  const name = await manager.streams.find(EVENTS_WILDCARD).catch(() => undefined);
  const found = name === undefined ? undefined : await findStream(manager, name);
  if (found) return found;
  throw streamRefused(`several other streams take parts of ${EVENTS_WILDCARD}`);
}

/** Who is asked: any replica needs the least rights, and may lag behind; the leader knows what it refuses. */
export type Answering = 'any replica' | 'leader';

/** The last message on a subject of a stream. */
export async function lastMessage(
  manager: JetStreamManager,
  stream: KnownStream,
  subject: string,
  answering: Answering,
): Promise<LastMessage | undefined> {
  const reader = stream.isDirect && answering === 'any replica' ? directOf(manager) : manager.streams;
  try {
    const { header, seq } = await reader.getMessage(stream.name, { last_by_subj: subject });
    return { headers: plainHeaders(header), sequence: seq };
  } catch (error) {
    if (isNoMessage(error)) return undefined;
    throw error;
  }
}

/** Asks any replica; the client's interface does not name it, its class does. */
export function directOf(manager: JetStreamManager): Pick<JetStreamManager['streams'], 'getMessage'> {
  return (manager as JetStreamManager & { direct: ReturnType<typeof directOf> }).direct;
}

export function isNoMessage(error: unknown): boolean {
  return error instanceof NatsError && (apiCode(error) === NO_MESSAGE || error.code === '404');
}

/** The broker's disk does not take it: it is gone, full, or may not be written. */
export function isStoreFailed(error: NatsError): boolean {
  return apiCode(error) === STORE_FAILED && !isFull(error);
}

/** A stream that lets go of nothing has as much as it may. */
export function isFull(error: NatsError): boolean {
  return apiCode(error) === STORE_FAILED && error.api_error?.description.startsWith('maximum ') === true;
}

/** The place of the first message; of an empty stream, that of the next one. */
export async function firstPlace(manager: JetStreamManager, { name }: KnownStream): Promise<number> {
  const { state } = await manager.streams.info(name);
  return state.first_seq;
}

/** What time it is there: JetStream says of a consumer when it was made, and of nothing else that it does at once. It is forgotten soon. */
export async function clockOf(manager: JetStreamManager, stream: string): Promise<number> {
  const { created } = await manager.consumers.add(stream, {
    name: `weir-clock-${randomBytes(8).toString('hex')}`,
    ack_policy: AckPolicy.None,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(1_000),
  });
  // A text, whatever the client's type says.
  return Date.parse(String(created));
}

/** The subject does not end in the place that a message was to follow. */
export class Misplaced extends WeirError {
  /** The place in which it ends; 0 when the subject is empty, undefined when the broker does not say. */
  readonly end: number | undefined;

  constructor(subject: string, follows: number, end: number | undefined) {
    if (end !== undefined && end < follows)
      super('STREAM_BEHIND', `${subject}: expected a message in place ${follows}, found it to end at ${end}`);
    else super('STREAM_MOVED', `${subject}: expected nobody else to write there, found a later message`);
    this.end = end;
  }
}

/** What a refusal to store a message behind place `follows` says; nothing when it was refused for another reason. */
export function misplaced(error: unknown, subject: string, follows: number): Misplaced | undefined {
  if (!WRONG_LAST_SEQUENCE.includes(apiCode(error))) return undefined;
  const [, end] = /: (\d+)$/.exec((error as NatsError).api_error?.description ?? '') ?? [];
  return new Misplaced(subject, follows, end === undefined ? undefined : Number(end));
}

/** Of a header with several values, the first one. */
export function plainHeaders(headers: MsgHdrs | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries([...(headers ?? [])].map(([name, [value]]) => [name, value ?? '']));
}
