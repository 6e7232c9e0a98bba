/**
 * A real `nats-server` for tests, on a free port of loopback, with a store of its own.
 *
 * Without the binary a test file skips itself, with a line that says so; in CI it fails instead.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, type NatsError, type SeqMsgRequest } from 'nats';
import { unpack } from '../host/pack.js';
import type { WireRecord } from '../host/wire.js';
import { until } from './help.js';

export interface TestBroker {
  readonly url: string;
  readonly port: number;
  /** Where its store lies. */
  readonly store: string;
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its connections, and does nothing until it is resumed. */
  pause(): void;
  resume(): void;
  /** Starts again at the same port with the same store. */
  restart(): Promise<void>;
}

export interface StoredMessage {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const READY_MS_MAX = 10_000;
/** The broker's code for a message that is not there. */
const NO_MESSAGE = 10_037;
/** A server that does not end on request must not hold a test up until that is killed. */
const STOP_MS_MAX = 5_000;

/** True when tests with a broker can run. Throws in CI when they cannot. */
export function brokerAvailable(): boolean {
  if (spawnSync('nats-server', ['--version']).status === 0) return true;
  if (process.env.CI) throw new Error('nats-server is not installed, and CI must not skip its tests');
  console.log('note: nats-server is not installed; tests with a broker are skipped');
  return false;
}

/** `config` is added to the server's configuration file. */
export function startTestBroker(config = ''): Promise<TestBroker> {
  return startTestServer((store) => `jetstream { store_dir: "${store}" }\n${config}`);
}

/** A server of any kind: `configure` writes its configuration, but for the address of clients; `store` is a folder for it. */
export async function startTestServer(configure: (store: string) => string): Promise<TestBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-broker-'));
  const file = join(folder, 'nats.conf');
  let port = -1;
  let child: ChildProcess;
  let isUp = false;
  let ended: Promise<unknown> = Promise.resolve();

  async function start(): Promise<void> {
    const text = configure(join(folder, 'store'));
    writeFileSync(file, `listen: "127.0.0.1:${port}"\nports_file_dir: "${folder}"\n${text}\n`);
    child = spawn('nats-server', ['-c', file], { stdio: 'ignore' });
    child.unref();
    isUp = true;
    ended = new Promise((resolve) => child.once('exit', resolve)).finally(() => {
      isUp = false;
    });
    const ports = join(folder, `nats-server_${child.pid}.ports`);
    await until(() => portIn(ports) !== undefined || !isUp, READY_MS_MAX, 'nats-server listens');
    if (!isUp) throw new Error('nats-server has ended: a port is taken, or its configuration is wrong');
    port = portIn(ports) as number;
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    child.ref();
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(late);
  }

  // A test that fails before it stops the broker neither hangs nor leaves it behind.
  const killWithTest = () => child.kill('SIGKILL');
  process.once('exit', killWithTest);
  const forget = () => {
    process.off('exit', killWithTest);
    rmSync(folder, { recursive: true, force: true });
  };
  await start().catch((error) => {
    killWithTest();
    forget();
    throw error;
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    store: join(folder, 'store'),
    async stop() {
      child.kill('SIGCONT');
      await end('SIGTERM');
      forget();
    },
    kill: () => end('SIGKILL'),
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    // Its port may be that of somebody's connection for a moment.
    restart: () =>
      until(
        () =>
          start().then(
            () => true,
            () => false,
          ),
        READY_MS_MAX,
        'nats-server starts again',
      ),
  };
}

function portIn(file: string): number | undefined {
  try {
    const { nats } = JSON.parse(readFileSync(file, 'utf8')) as { nats: string[] };
    return Number(new URL(nats[0] as string).port);
  } catch {
    return undefined;
  }
}

/** Every message of the stream WEIR on a subject, in the order of the stream. Throws where there is no such stream. */
export async function readStream(url: string, subject: string): Promise<StoredMessage[]> {
  const connection: NatsConnection = await connect({ servers: url });
  try {
    const { streams } = await connection.jetstreamManager();
    const found: StoredMessage[] = [];
    for (let from = 1; ; ) {
      // The broker looks for the next one: a stream holds the messages of other tests, too.
      const next: SeqMsgRequest = Object.assign({ seq: from }, { next_by_subj: subject });
      const stored = await streams.getMessage('WEIR', next).catch((error: NatsError) => {
        if (error.api_error?.err_code === NO_MESSAGE) return undefined;
        throw error;
      });
      if (!stored) return found;
      const headers = Object.fromEntries([...stored.header].map(([name, [value]]) => [name, value ?? '']));
      found.push({ subject: stored.subject, headers, body: stored.data });
      from = stored.seq + 1;
    }
  } finally {
    await connection.close();
  }
}

export function recordsOf(messages: readonly StoredMessage[]): WireRecord[] {
  const records: WireRecord[] = [];
  for (const { headers, body } of messages) unpack(headers, body, (record) => records.push(record));
  return records;
}
