/**
 * The broker: with `jetstream.ts` the one place that speaks to NATS. It logs in, keeps a connection, publishes to JetStream,
 * and subscribes.
 *
 * A broker that is away costs nothing but time: connecting goes on with growing, jittered delays for as long as the
 * host runs. What it refuses (credentials, permissions, the stream) is told as an error of ours. Nothing waits
 * without an end. No secret is ever in a message. What arrives is hostile input and is handed on as bytes.
 *
 * Each connection is a new one: the client's own way of reconnecting keeps what was published while it was away and
 * the credentials of the start, and here the publisher holds the messages, and files may have changed since.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  connect,
  type ConnectionOptions,
  headers as createHeaders,
  type JetStreamManager,
  type MsgHdrs,
  type NatsConnection,
  NatsError,
  type Subscription,
  type TlsOptions,
} from 'nats';
import { type CredentialFiles, readCredentials } from './credentials.js';
import { lastRevision, lastValue, purgeSubject, subjectsOf, type Value, roomIn } from './bucket.js';
import { oneLine, WeirError } from './errors.js';
import { ACK_TIMEOUT_MS, CONNECT_MS_MAX, PING_MS } from './limits.js';
import { RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';
import {
  type Answering,
  clockOf,
  ensureStream,
  firstPlace,
  isFull,
  isStoreFailed,
  lastMessage,
  misplaced,
  OWN_STREAM,
  plainHeaders,
} from './jetstream.js';
import { ensureFleetStreams } from './fleetstreams.js';
import { type Kept, type KeptMessage, type ReadOptions, readStream } from './readback.js';
import { seldom } from './seldom.js';
import { parseServer, type Server } from './servers.js';
import type { Message } from './wire.js';

export interface BrokerOptions extends CredentialFiles {
  /** URLs, with or without user and password, or a token. Tried from a random one on. */
  readonly servers: readonly string[];
  /** JetStream domain of the stream, where it is not that of the server: behind a leaf node. */
  readonly domain?: string;
  /** Name of the connection, as the broker's own tools show it. */
  readonly name: string;
  /** Where answers come, so that a user needs no right to those of others; absent: `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Whether a broker that is away at first is waited for in the background or is an error. */
  readonly wait: 'in-background' | 'fail-fast';
  readonly notice: (line: string) => void;
}

/** Of a header with several values, the first one. */
export type MessageHandler = (
  subject: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
) => void;

/** What JetStream says of a message that it holds. */
export interface Stored {
  /** The stream held a message of the same id already; this one was left out. */
  readonly duplicate: boolean;
  readonly sequence: number;
}

/** A message that the stream holds. */
export interface LastMessage {
  readonly headers: Readonly<Record<string, string>>;
  /** Its place in the stream. */
  readonly sequence: number;
}

export interface Broker {
  connected(): boolean;
  /** Calls the listener each time a connection stands; at once where one does. */
  onConnected(listener: () => void): void;
  /**
   * Resolves when JetStream holds the message, as the one behind that in place `follows` of the stream, 0 for the first of its
   * subject; rejects when it has not said so in time, whatever the reason: with STREAM_REFUSED when no stream takes
   * the subject, with STREAM_FULL when it has no room, with BROKER_STORE when the broker's disk does not take it, with `Misplaced` when another message is the last one there.
   */
  publish(message: Message, follows?: number): Promise<Stored>;
  /** The last message that the stream holds on a subject, which may be a pattern. */
  last(subject: string, answering: Answering): Promise<LastMessage | undefined>;
  /** The last value that a stream holds on a subject; nothing when there is none. The stream must allow direct gets. */
  value(stream: string, subject: string): Promise<Value | undefined>;
  /** Its place in the stream, also where it was deleted; 0 when there is none. */
  revision(stream: string, subject: string): Promise<number>;
  /** All subjects on which a stream holds messages. */
  subjects(stream: string): Promise<string[]>;
  /** What time it is at the broker, which is asked in the name of a stream. */
  clockMs(stream: string): Promise<number>;
  /** How many bytes a stream takes before it is full. Throws STREAM_SILENT where there is none. */
  room(stream: string): Promise<number>;
  /** Takes everything on a subject out of a stream, and its room with it. */
  purge(stream: string, subject: string): Promise<void>;
  /** The place of the first message that the stream still holds. */
  first(): Promise<number>;
  /** Calls `each` for what a stream holds, in its order. Throws STREAM_MISSING, BROKER_REFUSED or BROKER_UNREACHABLE. */
  read(options: ReadOptions, each: (message: KeptMessage) => void): Promise<Kept>;
  /** The stream is known to have one replica, so that its leader knows all that was ever stored. */
  hasOneReplica(): boolean;
  /** Sends a message that nobody keeps; forgotten while there is no connection. */
  say(message: Message): void;
  /**
   * Makes sure that a stream takes the events. Throws STREAM_REFUSED when it does not and may not be created, BROKER_REFUSED when
   * this user may not look.
   */
  ensureStream(): Promise<void>;
  /** Makes the streams of a fleet, with an operator's rights. Throws STREAM_REFUSED, FLEET_STREAM for one that is otherwise, or BROKER_STORE. */
  ensureFleetStreams(): Promise<void>;
  /** Listens on this connection and on all that follow it. */
  subscribe(subject: string, each: MessageHandler): { unsubscribe(): void };
  /** Resolves when the broker has seen everything sent so far, after `ACK_TIMEOUT_MS` at the latest. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Connects. Throws CREDENTIALS_UNREADABLE, BROKER_REFUSED, or BROKER_UNREACHABLE when it is not to wait. */
export async function connectBroker(options: BrokerOptions): Promise<Broker> {
  const servers = options.servers.map(parseServer);
  const shown = servers.map((server) => server.shown).join(', ');
  const trouble = seldom(options.notice);
  const closing = new AbortController();
  const subscriptions = new Set<{ listen(connection: NatsConnection): void }>();
  const { domain } = options;
  const settings = { checkAPI: false, timeout: ACK_TIMEOUT_MS, ...(domain === undefined ? {} : { domain }) };
  let connection: NatsConnection | undefined;
  let stream = OWN_STREAM;
  let attempts = 0;
  const listeners: (() => void)[] = [];

  async function open(): Promise<void> {
    const opened = await dial(servers, options, closing.signal);
    if (closing.signal.aborted) return opened.close();
    const sinceMs = performance.now();
    connection = opened;
    for (const subscription of subscriptions) subscription.listen(opened);
    void opened.closed().then((error) => {
      connection = undefined;
      if (closing.signal.aborted) return;
      // A broker that takes a connection only to drop it is not asked more and more often.
      if (performance.now() - sinceMs > RECONNECT_MS_MAX) attempts = 0;
      options.notice(`broker: lost ${shown}${error ? ` (${reason(error)})` : ''}; connecting again`);
      void keepTrying();
    });
    for (const listener of listeners) listener();
  }

  async function keepTrying(): Promise<void> {
    while (!closing.signal.aborted && connection === undefined) {
      try {
        await pause(backoffMs(attempts++), undefined, { signal: closing.signal });
        await open();
        if (connection) options.notice(`broker: connected to ${shown}`);
      } catch (error) {
        if (error instanceof WeirError) trouble(error.message);
      }
    }
  }

  try {
    await open();
  } catch (error) {
    if (error instanceof WeirError) throw error;
    const problem = `broker: ${shown}: ${reason(error)}`;
    if (options.wait === 'fail-fast') throw new WeirError('BROKER_UNREACHABLE', problem);
    options.notice(`${problem}; messages wait for it`);
    void keepTrying();
  }

  // A copy, because the client changes it.
  const manager = () => connected().jetstreamManager({ ...settings });

  async function asking<T>(
    from: string,
    what: string,
    ask: (to: JetStreamManager) => Promise<T>,
  ): Promise<T> {
    try {
      return await ask(await manager());
    } catch (error) {
      throw readProblem(what, from, error);
    }
  }

  function connected(): NatsConnection {
    if (!connection) throw new WeirError('BROKER_UNREACHABLE', `broker: ${shown}: not connected`);
    return connection;
  }

  return {
    connected: () => connection !== undefined,
    onConnected(listener) {
      listeners.push(listener);
      if (connection) listener();
    },
    say({ subject, headers, body }) {
      connection?.publish(subject, body, { headers: natsHeaders(headers) });
    },
    async publish({ subject, headers, body }, follows) {
      const jetstream = connected().jetstream({ timeout: ACK_TIMEOUT_MS });
      const expect = follows === undefined ? {} : { expect: { lastSubjectSequence: follows } };
      try {
        const sent = { headers: natsHeaders(headers), ...expect };
        const { duplicate, seq } = await jetstream.publish(subject, body, sent);
        // However short the connection lasts: it serves.
        attempts = 0;
        return { duplicate, sequence: seq };
      } catch (error) {
        throw misplaced(error, subject, follows ?? 0) ?? publishProblem(subject, error);
      }
    },
    last: (subject, answering) =>
      asking(stream.name, subject, (to) => lastMessage(to, stream, subject, answering)),
    value: (stream, subject) => asking(stream, subject, (to) => lastValue(to, stream, subject)),
    revision: (stream, subject) => asking(stream, subject, (to) => lastRevision(to, stream, subject)),
    subjects: (stream) => asking(stream, stream, (to) => subjectsOf(to, stream)),
    clockMs: (stream) => asking(stream, stream, (to) => clockOf(to, stream)),
    room: (stream) => asking(stream, stream, (to) => roomIn(to, stream)),
    purge: (stream, subject) => asking(stream, subject, (to) => purgeSubject(to, stream, subject)),
    first: () => asking(stream.name, stream.name, (to) => firstPlace(to, stream)),
    async read(options, each) {
      return readStream(connected(), await manager(), { ...options, reason }, each);
    },
    hasOneReplica: () => stream.hasOneReplica,
    async ensureStream() {
      stream = await ensureStream(await manager(), reason);
    },
    async ensureFleetStreams() {
      stream = await ensureStream(await manager(), reason);
      await ensureFleetStreams(await manager(), reason);
    },
    subscribe(subject, each) {
      const subscription = subscriptionTo(subject, each, trouble);
      subscriptions.add(subscription);
      if (connection) subscription.listen(connection);
      return {
        unsubscribe() {
          subscriptions.delete(subscription);
          subscription.end();
        },
      };
    },
    async flush() {
      await Promise.race([connected().flush(), pause(ACK_TIMEOUT_MS, undefined, { ref: false })]);
    },
    async close() {
      closing.abort();
      await connection?.close();
    },
  };
}

function natsHeaders(headers: Message['headers']): MsgHdrs {
  const fields = createHeaders();
  for (const [name, value] of Object.entries(headers)) fields.set(name, value);
  return fields;
}

/** One attempt at every server, from a random one on. A refusal is worth more than a server that is away. */
async function dial(servers: readonly Server[], options: BrokerOptions, signal: AbortSignal) {
  const settings = connectionOptions(options);
  const first = randomInt(servers.length);
  let problem: unknown;
  for (let at = 0; at < servers.length; at++) {
    const server = servers[(first + at) % servers.length] as Server;
    try {
      await greeting(server, signal);
      return await connect({
        ...server.settings,
        ...settings,
        ...tlsFor(server, settings),
        servers: server.shown,
      });
    } catch (error) {
      if (!(problem instanceof WeirError)) problem = refusal(server, error) ?? error;
    }
  }
  throw problem;
}

/** The client names a host only that is no address, and Node then takes the certificate of "localhost" for one. */
function tlsFor(
  { host, settings }: Server,
  { tls = settings.tls }: Pick<ConnectionOptions, 'tls'>,
): Pick<ConnectionOptions, 'tls'> {
  return tls ? { tls: { ...tls, host } as TlsOptions } : {};
}

/**
 * Waits for the first bytes that a NATS server sends of its own accord. The client never lets go of a socket on
 * which nothing comes, so that a broker that hangs would cost a descriptor with each attempt.
 */
async function greeting({ host, port }: Server, signal: AbortSignal): Promise<void> {
  const socket = createConnection({ host, port });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS_MAX)]);
  try {
    const [first] = (await once(socket, 'data', { signal: limit })) as [Buffer];
    if (!first.toString('latin1').startsWith('INFO '))
      throw new Error('what answers there is no NATS broker');
  } finally {
    socket.destroy();
  }
}

/** Reads the files anew for each attempt: an operator may have replaced them. */
function connectionOptions({ name, inboxPrefix, ...files }: BrokerOptions): ConnectionOptions {
  return {
    name,
    ...readCredentials(files),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    timeout: CONNECT_MS_MAX,
    reconnect: false,
    pingInterval: PING_MS,
    noAsyncTraces: true,
  };
}

/** Exponential, with up to half of it random, so that a fleet does not come back all at once. */
function backoffMs(attempts: number): number {
  const whole = Math.min(RECONNECT_MS_MIN * 2 ** Math.min(attempts, 16), RECONNECT_MS_MAX);
  return Math.ceil(whole / 2) + randomInt(Math.ceil(whole / 2));
}

function refusal({ shown }: Server, error: unknown): WeirError | undefined {
  if (!(error instanceof NatsError && error.isAuthError())) return undefined;
  return new WeirError('BROKER_REFUSED', `broker: ${shown} refuses the credentials: ${reason(error)}`);
}

/** The client's codes in words. */
const REASONS: Readonly<Record<string, string>> = {
  '503': 'JetStream is not enabled on this broker (nats-server -js), or is in another domain (nats.domain)',
  ABORT_ERR: 'no answer in time',
  ECONNREFUSED: 'nothing listens there',
  MAX_PAYLOAD_EXCEEDED: 'the message is larger than the broker takes (max_payload)',
  SERVER_OPT_NA: 'the broker has no TLS',
  TIMEOUT: 'no answer in time',
};

function reason(error: unknown): string {
  if (error instanceof NatsError && error.api_error) return error.api_error.description;
  return REASONS[String((error as { code?: unknown } | null)?.code)] ?? oneLine(error);
}

function publishProblem(subject: string, error: unknown): Error {
  if (!(error instanceof NatsError)) return error as Error;
  if (isStoreFailed(error))
    return new WeirError('BROKER_STORE', `${subject}: the broker cannot write its store: ${reason(error)}`);
  if (isFull(error))
    return new WeirError('STREAM_FULL', `${subject}: its stream takes no more: ${reason(error)}`);
  if (error.code === '503') return new WeirError('STREAM_REFUSED', `no stream takes ${subject}`);
  if (error.isPermissionError()) return new WeirError('BROKER_REFUSED', `no permission for ${subject}`);
  return new Error(`${subject}: ${reason(error)}`);
}

/** Between accounts nobody says that nobody answers, so that a stream that is missing shows only so. */
function readProblem(subject: string, stream: string, error: unknown): Error {
  if (!(error instanceof NatsError && error.code === 'TIMEOUT')) return publishProblem(subject, error);
  return new WeirError('STREAM_SILENT', `${subject}: no answer in time from stream ${stream}`);
}

function subscriptionTo(subject: string, each: MessageHandler, trouble: (line: string) => void) {
  let live: Subscription | undefined;
  return {
    listen(connection: NatsConnection): void {
      live = connection.subscribe(subject, {
        callback(error, { subject: found, headers, data }) {
          try {
            if (error) throw error;
            each(found, plainHeaders(headers), data);
          } catch (problem) {
            trouble(`broker: ${subject}: ${oneLine(problem)}`);
          }
        },
      });
    },
    end: () => live?.unsubscribe(),
  };
}
