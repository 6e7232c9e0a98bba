/**
 * Reads a JetStream stream back, from its beginning to what was its end when that began.
 *
 * Of a stream that keeps one message a subject, what is written anew while it is read lies behind that end, and is gone from where it
 * was. So it is read on, to what is its end then, until all subjects that it holds have been read.
 *
 * The consumer belongs to this reading alone, is kept in the broker's memory, acknowledges nothing, and is forgotten when nobody
 * asks it any more. Messages come in the order of the stream, each once: a delivery that is missing, or a consumer that is gone,
 * means to go on behind the last one with another consumer. The client's own ordered consumer is not used: it asks again for a
 * quarter of an hour where it has no permission. No more than `READ_AHEAD_BYTES` are on their way: a broker drops a
 * connection for which too much waits.
 *
 * It takes the permission to publish on $JS.API.STREAM.INFO.<stream>, $JS.API.CONSUMER.CREATE.<stream>.> and
 * $JS.API.CONSUMER.MSG.NEXT.<stream>.>, and no other one.
 */
import { randomBytes } from 'node:crypto';
import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  nanos,
  type NatsConnection,
  NatsError,
} from 'nats';
import { WeirError } from './errors.js';
import { apiCode, NOT_FOUND, plainHeaders } from './jetstream.js';
import { READ_AHEAD_BYTES, READ_ATTEMPTS, READ_ROUNDS_MAX, READ_STALL_MS } from './limits.js';

export interface ReadOptions {
  readonly stream: string;
  /** A pattern; absent: all that the stream has. */
  readonly subject?: string;
  /** Begins with the first message that was stored at this time or later. */
  readonly sinceMs?: number;
}

/** A message of the stream, its place there, and when the broker has stored it. */
export interface KeptMessage {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly sequence: number;
  readonly storedMs: number;
}

/** What the stream held. */
export interface Kept {
  /** Place of its oldest message, when reading began and when it had ended: a stream may let messages go meanwhile. */
  readonly firstBefore: number;
  readonly firstAfter: number;
  /** Place of its last message when reading began, or went on to a later end. */
  readonly last: number;
  /** It keeps so many messages of each subject only; 0 when all. */
  readonly perSubjectMax: number;
}

type Start =
  | { readonly deliver_policy: DeliverPolicy.StartSequence; readonly opt_start_seq: number }
  | { readonly deliver_policy: DeliverPolicy.StartTime; readonly opt_start_time: string };

/**
 * Calls `each` for what the stream holds on a subject; of a stream of last values, for each subject at least once, the latest one last. `reason`
 * says in words what the client's errors mean.
 */
export async function readStream(
  connection: NatsConnection,
  manager: JetStreamManager,
  options: ReadOptions & { readonly reason: (error: unknown) => string },
  each: (message: KeptMessage) => void,
): Promise<Kept> {
  const { stream, subject, reason } = options;
  try {
    return await read(connection, manager, options, each);
  } catch (error) {
    if (apiCode(error) === NOT_FOUND) {
      const problem = `stream ${stream}: expected it on this broker, found no such stream`;
      throw new WeirError('STREAM_MISSING', problem);
    }
    // The broker cannot select by it; where it can, that is less to read, and a permission for less is enough.
    if (apiCode(error) === NO_SUBSET && subject !== undefined) {
      const { subject: pattern = '>', ...all } = options;
      return readStream(connection, manager, all, (message) => {
        if (isMatch(pattern, message.subject)) each(message);
      });
    }
    if (!(error instanceof NatsError)) throw error;
    const code = error.isPermissionError() ? 'BROKER_REFUSED' : 'BROKER_UNREACHABLE';
    throw new WeirError(code, `broker: stream ${stream}: ${reason(error)}`);
  }
}

/** JetStream's number of this error; later servers take the pattern. */
const NO_SUBSET = 10_093;

async function read(
  connection: NatsConnection,
  manager: JetStreamManager,
  options: ReadOptions,
  each: (message: KeptMessage) => void,
): Promise<Kept> {
  const { stream, subject, sinceMs } = options;
  const { state, config } = await manager.streams.info(stream);
  const perSubjectMax = Math.max(config.max_msgs_per_subject, 0);
  const readTo = createReader(connection, manager, options);
  const start = sinceMs === undefined ? from(state.first_seq) : since(sinceMs);
  let last = state.last_seq;
  if (perSubjectMax === 1 && sinceMs === undefined) last = await readLastValues();
  else if (state.messages > 0) await readTo(start, last, each);
  const after = await manager.streams.info(stream);
  return { firstBefore: state.first_seq, firstAfter: after.state.first_seq, last, perSubjectMax };

  /** Answers the place to which it has read. */
  async function readLastValues(): Promise<number> {
    const seen = new Set<string>();
    let through = state.first_seq - 1;
    for (let round = 0; round < READ_ROUNDS_MAX; round++) {
      const now = await manager.streams.info(stream, { subjects_filter: subject ?? '>' });
      if (Object.keys(now.state.subjects ?? {}).every((one) => seen.has(one))) return through;
      await readTo(from(through + 1), now.state.last_seq, (message) => {
        seen.add(message.subject);
        each(message);
      });
      through = now.state.last_seq;
    }
    const problem = `stream ${stream}: expected to find the last message of each subject, found others at each of ${READ_ROUNDS_MAX} looks`;
    throw new WeirError('STREAM_BUSY', problem);
  }
}

/** Reads from a place to another one; others may write there meanwhile. */
function createReader(
  connection: NatsConnection,
  manager: JetStreamManager,
  { stream, subject }: ReadOptions,
): (start: Start, last: number, each: (message: KeptMessage) => void) => Promise<void> {
  const gone = whenGone(connection);
  gone.catch(() => {});
  return async (begin, last, each) => {
    let start = begin;
    let attempts = 0;
    for (let isDone = false; !isDone; ) {
      if (attempts++ >= READ_ATTEMPTS)
        throw new WeirError('BROKER_UNREACHABLE', `broker: stream ${stream}: no answer in time`);
      const info = await manager.consumers.add(stream, consumerConfig(start, subject));
      if (info.num_pending === 0) break;
      const consumer = connection.jetstream().consumers.getPullConsumerFor(info);
      const through = await readOn(consumer, gone, (message) => {
        if (message.seq <= last) each(kept(message));
        isDone = message.seq >= last || message.info.pending === 0;
        return isDone;
      });
      if (through === 0) continue;
      start = from(through + 1);
      attempts = 0;
    }
  };
}

/** Rejects when the connection is lost, or the broker refuses to be asked for messages: nothing else would tell. */
async function whenGone(connection: NatsConnection): Promise<never> {
  for await (const { data, permissionContext } of connection.status()) {
    if (!permissionContext?.subject.startsWith('$JS.API.CONSUMER.MSG.NEXT')) continue;
    throw new WeirError('BROKER_REFUSED', `broker: ${data}: ${permissionContext.subject}`);
  }
  throw new WeirError('BROKER_UNREACHABLE', 'broker: the connection was lost');
}

function from(sequence: number): Start {
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(sequence, 1) };
}

function since(timeMs: number): Start {
  return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(timeMs).toISOString() };
}

function consumerConfig(start: Start, subject: string | undefined) {
  return {
    ...start,
    // With a name the broker asks for a permission that names the subject, too.
    name: `weir-${randomBytes(8).toString('hex')}`,
    ...(subject === undefined ? {} : { filter_subject: subject }),
    ack_policy: AckPolicy.None,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(3 * READ_STALL_MS),
  };
}

/** Takes messages until `take` says that it was the last one, or something is missing; answers the place of the last one, 0 when none came. */
async function readOn(
  consumer: Consumer,
  gone: Promise<never>,
  take: (message: JsMsg) => boolean,
): Promise<number> {
  let through = 0;
  let delivered = 0;
  let isOver = false;
  let end = (_error?: unknown) => {};
  const ended = new Promise<unknown>((resolve) => {
    end = resolve;
  });
  const stalled = setTimeout(() => end(), READ_STALL_MS);
  const callback = (message: JsMsg): void => {
    isOver ||= message.info.deliverySequence !== ++delivered;
    if (isOver) {
      end();
      return;
    }
    through = message.seq;
    stalled.refresh();
    try {
      isOver = take(message);
      if (isOver) end();
    } catch (error) {
      isOver = true;
      end(error);
    }
  };
  const limits = { max_bytes: READ_AHEAD_BYTES, expires: READ_STALL_MS, abort_on_missing_resource: true };
  const messages = await consumer.consume({ ...limits, callback });
  try {
    // Whatever it was that ended the messages: the next consumer shows whether it can be read on.
    const error = await Promise.race([ended, gone, messages.closed().then(() => undefined)]);
    if (error) throw error;
    return through;
  } finally {
    clearTimeout(stalled);
    await messages.close();
  }
}

/** Whether a subject is one of a pattern, as NATS says: `*` is one token, `>` all that follow. */
function isMatch(pattern: string, subject: string): boolean {
  const found = subject.split('.');
  const wanted = pattern.split('.');
  const isOpen = wanted[wanted.length - 1] === '>';
  if (isOpen ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((token, at) => token === '>' || token === '*' || token === found[at]);
}

function kept({ subject, headers, data, seq, info }: JsMsg): KeptMessage {
  const storedMs = Math.floor(info.timestampNanos / 1e6);
  return { subject, headers: plainHeaders(headers), body: data, sequence: seq, storedMs };
}
