/**
 * A broker of the host's own, for a first run: the `nats-server` on PATH, on loopback, with JetStream in the data
 * folder.
 *
 * It takes only clients that have the password, which is made anew at each start and stands in files that only this
 * user can read. It ends with the host; one that a killed host has left behind is ended at the next start, and one
 * that dies is started again at the same port.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine, WeirError } from './errors.js';
import { BROKER_LOG_BYTES_MAX, BROKER_START_MS_MAX, BROKER_STORE_BYTES_MAX } from './limits.js';
import { RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';

export interface LocalBroker {
  /** With user and password. */
  readonly url: string;
  readonly shownUrl: string;
  stop(): Promise<void>;
}

export interface LocalBrokerOptions {
  readonly dataFolder: string;
  readonly notice: (line: string) => void;
}

const USER = 'weir';
const STOP_MS_MAX = 5_000;
const POLL_MS = 20;

/** Starts the broker and waits until it listens. Throws BROKER_MISSING or BROKER_UNREACHABLE. */
export async function startLocalBroker({ dataFolder, notice }: LocalBrokerOptions): Promise<LocalBroker> {
  const binary = findOnPath('nats-server');
  if (binary === undefined) throw new WeirError('BROKER_MISSING', 'no nats-server on PATH');
  const folder = join(dataFolder, 'broker');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await endLeftBehind(folder);
  const password = randomBytes(24).toString('base64url');
  let child = await launch(binary, folder, -1, password);
  const { port } = child;
  const url = `nats://${USER}:${password}@127.0.0.1:${port}`;
  const addressFile = join(dataFolder, 'broker.json');
  writeFileSync(addressFile, `${JSON.stringify({ url })}\n`, { mode: 0o600 });
  let isStopping = false;

  /** Starts it again whenever it ends on its own. */
  async function keep(): Promise<void> {
    for (let delayMs = RECONNECT_MS_MIN; ; delayMs = Math.min(delayMs * 2, RECONNECT_MS_MAX)) {
      const startedMs = Date.now();
      const code = await child.ended;
      if (isStopping) return;
      if (Date.now() - startedMs > RECONNECT_MS_MAX) delayMs = RECONNECT_MS_MIN;
      notice(`broker: nats-server ended (${code}); starting it again in ${delayMs} ms`);
      await sleep(delayMs);
      if (isStopping) return;
      const again = await launch(binary as string, folder, port, password).catch((error) => {
        notice(`broker: ${oneLine(error)}`);
        return undefined;
      });
      if (again) child = again;
    }
  }

  const kept = keep();
  return {
    url,
    shownUrl: `nats://127.0.0.1:${port}`,
    async stop() {
      isStopping = true;
      await end(child.process, child.ended);
      await kept;
      rmSync(addressFile, { force: true });
    },
  };
}

interface Launched {
  readonly process: ChildProcess;
  readonly port: number;
  /** Resolves with the exit code or the signal. */
  readonly ended: Promise<string>;
}

/** Port -1: any free one, which the broker then writes into its ports file. */
async function launch(binary: string, folder: string, port: number, password: string): Promise<Launched> {
  for (const name of readdirSync(folder).filter((found) => found.endsWith('.ports')))
    rmSync(join(folder, name));
  const config = join(folder, 'nats-server.conf');
  writeFileSync(config, brokerConfig(folder, port, password), { mode: 0o600 });
  const child = spawn(binary, ['-c', config], { stdio: 'ignore', detached: false });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  let why: string | undefined;
  void ended.then((reason) => {
    why = reason;
  });
  const deadline = Date.now() + BROKER_START_MS_MAX;
  while (why === undefined && Date.now() < deadline) {
    const found = listeningPort(join(folder, `nats-server_${child.pid}.ports`));
    if (found !== undefined) return { process: child, port: found, ended };
    await Promise.race([sleep(POLL_MS), ended]);
  }
  child.kill('SIGKILL');
  const log = join(folder, 'nats-server.log');
  throw new WeirError(
    'BROKER_UNREACHABLE',
    `nats-server does not start (${why ?? `not ready after ${BROKER_START_MS_MAX} ms`}), see ${log}`,
  );
}

function brokerConfig(folder: string, port: number, password: string): string {
  const quoted = (value: string) => JSON.stringify(value);
  return `# Written by weir at each start.
listen: "127.0.0.1:${port}"
ports_file_dir: ${quoted(folder)}
pid_file: ${quoted(join(folder, 'nats-server.pid'))}
log_file: ${quoted(join(folder, 'nats-server.log'))}
logfile_size_limit: ${BROKER_LOG_BYTES_MAX}
authorization { user: ${quoted(USER)}, password: ${quoted(password)} }
jetstream {
  store_dir: ${quoted(join(folder, 'jetstream'))}
  max_memory_store: 0
  max_file_store: ${BROKER_STORE_BYTES_MAX}
}
`;
}

function listeningPort(portsFile: string): number | undefined {
  try {
    const { nats } = JSON.parse(readFileSync(portsFile, 'utf8')) as { nats?: string[] };
    const port = Number(new URL(nats?.[0] ?? '').port);
    return port > 0 ? port : undefined;
  } catch {
    // Not written yet, or not whole.
    return undefined;
  }
}

function findOnPath(name: string): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return paths
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Ends the broker of a host that was killed: only a process that runs with our own config file. */
async function endLeftBehind(folder: string): Promise<void> {
  const config = join(folder, 'nats-server.conf');
  const isOurs = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(config);
    } catch {
      return false;
    }
  };
  let pid: number;
  try {
    pid = Number(readFileSync(join(folder, 'nats-server.pid'), 'utf8'));
  } catch {
    return;
  }
  if (!Number.isInteger(pid) || pid <= 1 || !isOurs(pid)) return;
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + STOP_MS_MAX;
  while (isOurs(pid) && Date.now() < deadline) await sleep(POLL_MS);
  if (isOurs(pid)) process.kill(pid, 'SIGKILL');
}

async function end(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await ended;
  clearTimeout(timer);
}
