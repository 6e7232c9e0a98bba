/**
 * The broker: the one place that speaks to NATS. It logs in, keeps the connection, publishes to JetStream, makes
 * sure that a stream takes the events, and subscribes.
 *
 * A broker that is away costs nothing but time: connecting goes on with growing, jittered delays for as long as the
 * host runs. What it refuses (credentials, permissions) is told as an error of ours. No secret is ever in a message.
 * What arrives is hostile input and is handed on as bytes.
 */
import { readFileSync } from 'node:fs';
import {
  connect,
  type ConnectionOptions,
  credsAuthenticator,
  headers as createHeaders,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  DiscardPolicy,
  StorageType,
} from 'nats';
import { oneLine, WeirError } from './errors.js';
import { ACK_TIMEOUT_MS, CONNECT_MS_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';
import { STREAM_AGE_MS_MAX, STREAM_BYTES_CHOICES, STREAM_DUPLICATES_MS } from './limits.js';
import { EVENTS_WILDCARD, type Message, STREAM_NAME } from './wire.js';

export interface BrokerOptions {
  readonly servers: readonly string[];
  /** Path of a NATS credentials file. */
  readonly creds?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Name of the connection, as the broker's own tools show it. */
  readonly name: string;
  /** Whether a broker that is away at first is waited for in the background or is an error. */
  readonly wait: 'in-background' | 'fail-fast';
  readonly notice: (line: string) => void;
}

export type MessageHandler = (
  subject: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
) => void;

export interface Broker {
  connected(): boolean;
  /** Calls the listener each time a connection stands. One listener. */
  onConnected(listener: () => void): void;
  /** Resolves when JetStream has stored the message; rejects when it has not said so, whatever the reason. */
  publish(message: Message): Promise<void>;
  /** Makes sure that a stream takes the events. Throws STREAM_REFUSED when it does not and may not be created. */
  ensureStream(): Promise<void>;
  subscribe(subject: string, each: MessageHandler): void;
  /** Resolves when the broker has seen everything sent so far. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Connects. Throws BROKER_REFUSED, or BROKER_UNREACHABLE when it is not to wait. */
export async function connectBroker(options: BrokerOptions): Promise<Broker> {
  const settings = connectionOptions(options);
  const shown = options.servers.map(withoutSecrets).join(', ');
  const outstanding = new Set<(error: Error) => void>();
  let connection: NatsConnection | undefined;
  let jetstream: JetStreamClient | undefined;
  let isConnected = false;
  let isClosed = false;
  let retry: NodeJS.Timeout | undefined;
  let tellConnected = () => {};

  async function attempt(): Promise<void> {
    connection = await connect(settings);
    if (isClosed) return connection.close();
    jetstream = connection.jetstream({ timeout: ACK_TIMEOUT_MS });
    isConnected = true;
    void follow(connection);
    tellConnected();
  }

  /** Tries until a connection stands; from then on the client itself reconnects. */
  function retryLater(attempts: number): void {
    retry = setTimeout(() => {
      attempt().catch((error) => {
        if (isRefusal(error)) options.notice(refusal(shown, error).message);
        if (!isClosed) retryLater(attempts + 1);
      });
    }, backoffMs(attempts));
  }

  async function follow(nats: NatsConnection): Promise<void> {
    for await (const { type, data } of nats.status()) {
      if (type === 'disconnect') {
        isConnected = false;
        for (const reject of outstanding) reject(new Error('the connection was lost'));
        if (!isClosed) options.notice(`broker: lost ${shown}; connecting again`);
      } else if (type === 'reconnect') {
        isConnected = true;
        options.notice(`broker: connected to ${shown} again`);
        tellConnected();
      } else if (type === 'error') options.notice(`broker: ${shown}: ${String(data).slice(0, 200)}`);
    }
  }

  try {
    await attempt();
  } catch (error) {
    if (isRefusal(error)) throw refusal(shown, error);
    if (options.wait === 'fail-fast') {
      throw new WeirError('BROKER_UNREACHABLE', `broker: ${shown}: ${oneLine(error)}`);
    }
    options.notice(`broker: ${shown} is not there yet (${oneLine(error)}); messages wait for it`);
    retryLater(0);
  }

  return {
    connected: () => isConnected,
    onConnected(listener) {
      tellConnected = listener;
      if (isConnected) listener();
    },
    publish(message) {
      const client = jetstream;
      if (!client || !isConnected) return Promise.reject(new Error('not connected'));
      return new Promise<void>((resolve, reject) => {
        outstanding.add(reject);
        client
          .publish(message.subject, message.body, { headers: toHeaders(message.headers) })
          .then(() => resolve(), reject)
          .finally(() => outstanding.delete(reject));
      });
    },
    async ensureStream() {
      if (!connection) throw new WeirError('BROKER_UNREACHABLE', `broker: ${shown}: not connected`);
      await ensureStream(await connection.jetstreamManager({ checkAPI: false, timeout: ACK_TIMEOUT_MS }));
    },
    subscribe(subject, each) {
      connection?.subscribe(subject, {
        callback(error, { subject: found, headers, data }) {
          if (error) options.notice(`broker: ${oneLine(error)}`);
          else
            each(
              found,
              Object.fromEntries([...(headers ?? [])].map(([key, [value]]) => [key, value ?? ''])),
              data,
            );
        },
      });
    },
    async flush() {
      await connection?.flush();
    },
    async close() {
      isClosed = true;
      isConnected = false;
      clearTimeout(retry);
      await connection?.close();
    },
  };
}

function connectionOptions(options: BrokerOptions): ConnectionOptions {
  const { servers, creds, tls, name } = options;
  return {
    servers: servers.map(withoutSecrets),
    ...loginOf(servers),
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(readCreds(creds)) }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(tls.ca === undefined ? {} : { caFile: tls.ca }),
            ...(tls.cert === undefined ? {} : { certFile: tls.cert }),
            ...(tls.key === undefined ? {} : { keyFile: tls.key }),
          },
        }),
    name,
    timeout: CONNECT_MS_MAX,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => backoffMs(Math.floor(Math.random() * 6)),
    // An operator may be changing the credentials; the connection is tried again like any other.
    ignoreAuthErrorAbort: true,
  };
}

/** User and password of a URL, which the client takes apart from the address. */
function loginOf(servers: readonly string[]): { user?: string; pass?: string } {
  const { username, password } = new URL(servers[0] as string);
  return username ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {};
}

function withoutSecrets(server: string): string {
  const url = new URL(server);
  url.username = '';
  url.password = '';
  return url.toString();
}

function readCreds(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new WeirError('BROKER_REFUSED', `nats.creds: ${path}: ${oneLine(error)}`);
  }
}

/** Exponential, with up to half of it random, so that a fleet does not come back all at once. */
function backoffMs(attempts: number): number {
  const whole = Math.min(RECONNECT_MS_MIN * 2 ** attempts, RECONNECT_MS_MAX);
  return whole / 2 + (Math.random() * whole) / 2;
}

function isRefusal(error: unknown): boolean {
  if (error instanceof WeirError) return error.code === 'BROKER_REFUSED';
  return error instanceof NatsError && (error.isAuthError() || error.code === 'BAD_CREDS');
}

function refusal(shown: string, error: unknown): WeirError {
  if (error instanceof WeirError) return error;
  return new WeirError('BROKER_REFUSED', `broker: ${shown} refuses the credentials: ${oneLine(error)}`);
}

function toHeaders(fields: Readonly<Record<string, string>>) {
  const made = createHeaders();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  return made;
}

/** Leaves a stream that takes the events as it is; creates one with limits where there is none. */
async function ensureStream(manager: JetStreamManager): Promise<void> {
  try {
    const { config } = await manager.streams.info(STREAM_NAME);
    if (config.subjects?.some((subject) => subject === EVENTS_WILDCARD || subject === 'weir.>')) return;
    throw new WeirError(
      'STREAM_REFUSED',
      `stream ${STREAM_NAME}: expected it to take ${EVENTS_WILDCARD}, found ${config.subjects?.join(', ')}`,
    );
  } catch (error) {
    if (error instanceof WeirError) throw error;
    if (!isNotFound(error)) throw streamRefused(error);
  }
  let problem: unknown;
  for (const bytes of STREAM_BYTES_CHOICES) {
    try {
      await manager.streams.add({
        name: STREAM_NAME,
        subjects: [EVENTS_WILDCARD],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.Old,
        max_bytes: bytes,
        max_age: nanos(STREAM_AGE_MS_MAX),
        duplicate_window: nanos(STREAM_DUPLICATES_MS),
        allow_direct: true,
      });
      return;
    } catch (error) {
      problem = error;
      // Less than the account has: a smaller stream may fit. Anything else stays refused.
      if (!/insufficient|resource|maximum bytes/i.test(oneLine(error))) break;
    }
  }
  throw streamRefused(problem);
}

function isNotFound(error: unknown): boolean {
  return (
    error instanceof NatsError && (error.api_error?.err_code === 10_059 || error.api_error?.code === 404)
  );
}

function streamRefused(error: unknown): WeirError {
  return new WeirError(
    'STREAM_REFUSED',
    `stream ${STREAM_NAME} cannot be looked at or created: ${oneLine(error)}`,
  );
}
