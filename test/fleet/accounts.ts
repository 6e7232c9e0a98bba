/**
 * A broker with the configuration of a fleet: two appliances, an operator, the fleet's streams, and what each of them sees.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type JetStreamManager, nkeyAuthenticator, type NatsConnection, type NatsError } from 'nats';
import { type Broker, type BrokerOptions, connectBroker } from '../../host/broker.js';
import { natsConfig, type NatsConfigOptions } from '../../host/fleet/natsconfig.js';
import { createSeed, publicKeyOf } from '../../host/fleet/nkeys.js';
import { inboxPrefix } from '../../host/wire.js';
import { startTestServer, type TestBroker } from '../broker.js';

/** What only its owner and operators may read. */
export const SECRET = 'of the other appliance';
export const USERS = ['mine', 'other', 'operator'] as const;
export type User = (typeof USERS)[number];

export interface World {
  readonly server: TestBroker;
  /** Path of the seed of a user. */
  seedOf(user: User): string;
  /** A plain client of NATS, as an attacker has one. */
  login(user: User, options?: { readonly servers?: string }): Promise<NatsConnection>;
  /** The host's own connection. */
  open(user: User, options?: Partial<BrokerOptions>): Promise<Broker>;
  readonly operator: NatsConnection;
  readonly manager: JetStreamManager;
  stop(): Promise<void>;
}

/** Starts it with the streams of the fleet; `change` makes another configuration of the one that the fleet has. */
export async function startWorld(
  change: (config: string) => string = (config) => config,
  tls?: NatsConfigOptions['tls'],
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-fleet-'));
  const seeds = Object.fromEntries(USERS.map((user) => [user, createSeed()])) as Record<User, string>;
  const publicKey = (user: User) => publicKeyOf(seeds[user]) as string;
  const seedOf = (user: User) => join(folder, `${user}.nk`);
  for (const user of USERS) writeFileSync(seedOf(user), `${seeds[user]}\n`, { mode: 0o600 });
  const server = await startTestServer((storeDir) => {
    const text = natsConfig({
      appliances: (['mine', 'other'] as const).map((id) => ({ id, publicKey: publicKey(id) })),
      operators: [{ name: 'operator', publicKey: publicKey('operator') }],
      listen: '127.0.0.1:4222',
      storeDir,
      ...(tls === undefined ? {} : { tls }),
    });
    return change(text.replace(/^listen: .*$/m, ''));
  });
  const files = tls?.ca === undefined ? {} : { tls: { ca: tls.ca, cert: tls.cert, key: tls.key } };
  const open: World['open'] = (user, options) =>
    connectBroker({
      servers: [server.url],
      nkey: seedOf(user),
      ...(user === 'operator' ? {} : { inboxPrefix: inboxPrefix(user) }),
      ...files,
      name: user,
      wait: 'fail-fast',
      notice: () => {},
      ...options,
    });
  const login: World['login'] = (user, { servers = server.url } = {}) =>
    connect({
      servers,
      authenticator: nkeyAuthenticator(Buffer.from(seeds[user])),
      ...(user === 'operator' ? {} : { inboxPrefix: inboxPrefix(user) }),
      // The client does not name an address to Node by itself.
      ...(tls?.ca === undefined
        ? {}
        : { tls: { caFile: tls.ca, certFile: tls.cert, keyFile: tls.key, host: '127.0.0.1' } as object }),
      reconnect: false,
    });
  const maker = await open('operator');
  await maker.ensureFleetStreams();
  await maker.close();
  const operator = await login('operator');
  const manager = await operator.jetstreamManager();
  await fill(operator);
  return {
    server,
    seedOf,
    login,
    open,
    operator,
    manager,
    async stop() {
      await operator.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Something of the other appliance on each subject, and a file in the repository. */
async function fill(operator: NatsConnection): Promise<void> {
  const subjects = ['weir.ev.other.f.s', 'weir.dead.other.f', 'weir.status.other', 'weir.audit.other'];
  for (const subject of [...subjects, 'weir.fleet.audit'])
    await operator.jetstream().publish(subject, SECRET);
  await operator.jetstream().publish('$KV.WEIR_REPO.file', 'signed');
}

/** Everything that is kept, but for what bears the name `mine`: what an attacker must not change. */
export async function keptOfOthers({ manager }: World): Promise<unknown> {
  const kept: Record<string, unknown> = {};
  for await (const { config } of manager.streams.list()) {
    const { state } = await manager.streams.info(config.name, { subjects_filter: '>' });
    const subjects = Object.entries(state.subjects ?? {}).filter(([subject]) => !/\.mine\b/.test(subject));
    const consumers = await manager.consumers.list(config.name).next();
    const messages = await Promise.all(
      subjects.map(async ([subject, count]) => {
        const message = await manager.streams.getMessage(config.name, { last_by_subj: subject });
        return [subject, count, message.seq, message.string()];
      }),
    );
    kept[config.name] = {
      config,
      messages: messages.sort(),
      first: state.first_seq,
      consumers: consumers.length,
    };
  }
  return kept;
}

/** What comes to a connection on a subject, as text with its subject. */
export function listen(connection: NatsConnection, subject: string, queue?: string): string[] {
  const heard: string[] = [];
  connection.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) =>
      heard.push(error ? `refused: ${error.code}` : `${message.subject}: ${message.string()}`),
  });
  return heard;
}

/** What comes of a request: the text of the answer, or the code of an error. */
export async function asked(
  connection: NatsConnection,
  subject: string,
  body: string | object = '',
  timeout = 2_000,
): Promise<string> {
  try {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await connection.request(subject, text, { timeout });
    return `${answer.headers?.code || ''} ${answer.string()}`.trim();
  } catch (error) {
    return (error as NatsError).code;
  }
}

/** Until what was sent has had its effect, also between accounts. */
export async function settle(...connections: readonly NatsConnection[]): Promise<void> {
  for (const connection of connections) await connection.flush();
  await pause(50);
  for (const connection of connections) await connection.flush();
}
