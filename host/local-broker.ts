/**
 * A broker of the host's own, for a first run: the `nats-server` on PATH, on loopback, with JetStream in the data
 * folder.
 *
 * It takes only clients that have the password, which is made anew at each start and stands in files that only this
 * user can read, never on a command line. One that dies is started again at the same port. It ends with the host;
 * one that a killed host has left behind is ended at the next start, one whose host still runs is left alone.
 * Storage and log are bounded.
 *
 *     <data>/broker.json           the URL with the password, while the host runs: "weir tap" reads it
 *     <data>/broker/               mode 0700: configuration, log, pid and port of nats-server, and jetstream/
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, chmodSync, constants, readdirSync } from 'node:fs';
import { readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeFolder, naming, takesNothing } from './durable.js';
import { oneLine, WeirError } from './errors.js';
import { BROKER_LOG_BYTES_MAX, BROKER_LOG_LOOK_MS, BROKER_START_MS_MAX } from './limits.js';
import { BROKER_STOP_MS_MAX, BROKER_STORE_BYTES_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';
import { seldom } from './seldom.js';

export interface LocalBroker {
  /** It runs; else it is started as soon as its disk has room. */
  readonly isStarted: boolean;
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
const POLL_MS = 20;
/** Its configuration, log, pid, ports, and the first file of its store. */
const BROKER_START_BYTES = 64 * 1024;

/**
 * Starts the broker and waits until it listens. Throws BROKER_MISSING, BROKER_UNREACHABLE, DATA_IN_USE or
 * DATA_UNWRITABLE.
 */
export async function startLocalBroker(options: LocalBrokerOptions): Promise<LocalBroker> {
  try {
    return await startBroker(options);
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw new WeirError('DATA_UNWRITABLE', `data: ${options.dataFolder}: ${oneLine(error)}`);
  }
}

async function startBroker({ dataFolder, notice }: LocalBrokerOptions): Promise<LocalBroker> {
  const binary = findOnPath('nats-server');
  if (binary === undefined) throw new WeirError('BROKER_MISSING', 'no nats-server on PATH');
  const folder = resolve(dataFolder, 'broker');
  await endLeftBehind(folder);
  const password = randomBytes(24).toString('base64url');
  const stopping = new AbortController();
  const tellTrouble = seldom(notice);
  let running = await launch(binary, folder, -1, password).catch((error) => {
    if (!takesNothing(error) && !isFull(dataFolder)) throw error;
    tellTrouble(`broker: ${oneLine(error)}; it is started as soon as there is room`);
    return undefined;
  });
  const port = running?.port ?? (await freePort());
  const url = `nats://${USER}:${password}@127.0.0.1:${port}`;
  const addressFile = join(dataFolder, 'broker.json');
  let isAddressTold = false;

  function tellAddress(): void {
    if (isAddressTold) return;
    try {
      writePrivate(addressFile, `${JSON.stringify({ url })}\n`);
      isAddressTold = true;
    } catch (error) {
      if (!takesNothing(error)) throw error;
      tellTrouble(`broker: ${oneLine(error)}; until there is room "weir tap" does not find it`);
    }
  }

  try {
    tellAddress();
  } catch (error) {
    if (running) await end(running);
    throw error;
  }

  function look(): void {
    removeOldLogs(folder);
    tellAddress();
  }
  const looking = setInterval(look, BROKER_LOG_LOOK_MS).unref();

  /** Starts it again whenever it ends on its own. */
  async function keep(): Promise<void> {
    let delayMs = RECONNECT_MS_MIN;
    for (;;) {
      const startedMs = performance.now();
      const how = await running?.ended;
      if (stopping.signal.aborted) return;
      if (performance.now() - startedMs > RECONNECT_MS_MAX) delayMs = RECONNECT_MS_MIN;
      if (how !== undefined) notice(`broker: nats-server ended (${how}); starting it again`);
      for (let isUp = false; !isUp; delayMs = Math.min(delayMs * 2, RECONNECT_MS_MAX)) {
        await pause(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
        if (stopping.signal.aborted) return;
        isUp = await launchAgain();
      }
    }
  }

  async function launchAgain(): Promise<boolean> {
    try {
      running = await launch(binary as string, folder, port, password);
      if (stopping.signal.aborted) await end(running);
      tellAddress();
      return true;
    } catch (error) {
      tellTrouble(`broker: ${oneLine(error)}`);
      return false;
    }
  }

  const kept = keep();
  return {
    isStarted: running !== undefined,
    url,
    shownUrl: `nats://127.0.0.1:${port}`,
    async stop() {
      stopping.abort();
      clearInterval(looking);
      if (running) await end(running);
      await kept;
      try {
        rmSync(addressFile, { force: true });
      } catch {
        // On a disk that became read-only it stays; nothing listens there.
      }
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  /** Resolves with the exit code or the signal. */
  readonly ended: Promise<string>;
}

/** Port -1: any free one, which the broker then writes into its ports file. */
async function launch(binary: string, folder: string, port: number, password: string): Promise<Running> {
  makeFolder(folder);
  chmodSync(folder, 0o700);
  for (const name of readdirSync(folder)) if (name.endsWith('.ports')) rmSync(join(folder, name));
  const config = configFile(folder);
  const log = join(folder, LOG);
  writePrivate(config, brokerConfig(folder, port, password));
  writeFileSync(log, '', { flag: 'a', mode: 0o600 });
  removeOldLogs(folder);
  // In a process group of its own: Ctrl-C in a terminal is for the host, which needs its broker to the last message.
  const child = spawn(binary, ['-c', config], { stdio: 'ignore', detached: true });
  const killWithHost = () => child.kill('SIGKILL');
  process.once('exit', killWithHost);
  let isUp = true;
  const ended = new Promise<string>((tell) => {
    child.once('error', (error) => tell(error.message));
    child.once('exit', (code, signal) => tell(signal ?? `exit code ${code}`));
  }).finally(() => {
    isUp = false;
    process.off('exit', killWithHost);
  });
  const deadlineMs = performance.now() + BROKER_START_MS_MAX;
  while (isUp && performance.now() < deadlineMs) {
    const found = listeningPort(join(folder, `nats-server_${child.pid}.ports`));
    if (found !== undefined) return { child, port: found, ended };
    await Promise.race([pause(POLL_MS), ended]);
  }
  const why = isUp
    ? `not ready after ${BROKER_START_MS_MAX} ms`
    : (lastTrouble(log, child.pid) ?? (await ended));
  child.kill('SIGKILL');
  throw new WeirError('BROKER_UNREACHABLE', `nats-server does not start: ${why}; its log is ${log}`);
}

const LOG = 'nats-server.log';
const WRITTEN_BY = /^# Written at each start by weir, process (\d+)\.$/m;

function configFile(folder: string): string {
  return join(folder, 'nats-server.conf');
}

function brokerConfig(folder: string, port: number, password: string): string {
  const quoted = (value: string) => JSON.stringify(value);
  return `# Written at each start by weir, process ${process.pid}.
listen: "127.0.0.1:${port}"
ports_file_dir: ${quoted(folder)}
pid_file: ${quoted(join(folder, 'nats-server.pid'))}
log_file: ${quoted(join(folder, LOG))}
logfile_size_limit: ${BROKER_LOG_BYTES_MAX}
authorization { user: ${quoted(USER)}, password: ${quoted(password)} }
jetstream {
  store_dir: ${quoted(join(folder, 'jetstream'))}
  max_memory_store: 0
  max_file_store: ${BROKER_STORE_BYTES_MAX}
}
`;
}

/** Less room than nats-server needs for the files that tell of it. */
function isFull(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < BROKER_START_BYTES;
}

/** A port that nothing uses now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

/** A new file that only this user can read, whatever stood there before. */
function writePrivate(path: string, text: string): void {
  rmSync(path, { force: true });
  naming(path, () => writeFileSync(path, text, { mode: 0o600, flag: 'wx' }));
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

/** Keeps the newest log that nats-server has put aside. */
function removeOldLogs(folder: string): void {
  try {
    const asides = readdirSync(folder).filter((name) => name.startsWith(`${LOG}.`));
    for (const name of asides.sort().slice(0, -1)) rmSync(join(folder, name), { force: true });
  } catch {
    // A folder that someone took away holds no logs.
  }
}

/** The last error of this process in the log. */
function lastTrouble(log: string, pid: number | undefined): string | undefined {
  const lines = textOf(log)
    .split('\n')
    .filter((line) => line.startsWith(`[${pid}]`));
  return lines.findLast((line) => /\[(FTL|ERR)\]/.test(line))?.replace(/^.*\[(FTL|ERR)\] /, '');
}

function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });
}

/** Ends the broker of a host that was killed: only a process that runs with our own config file. */
async function endLeftBehind(folder: string): Promise<void> {
  const pid = Number(textOf(join(folder, 'nats-server.pid')));
  const isOurs = () => textOf(`/proc/${pid}/cmdline`).split('\0').includes(configFile(folder));
  if (!Number.isInteger(pid) || pid <= 1 || !isOurs()) return;
  const host = WRITTEN_BY.exec(textOf(configFile(folder)))?.[1];
  // proc(5): the parent is the second field after the name, which is in parentheses. Orphans get another parent.
  const parent = textOf(`/proc/${pid}/stat`).replace(/^.*\)/s, '').trim().split(' ')[1];
  if (host !== undefined && parent === host) {
    throw new WeirError('DATA_IN_USE', `process ${host} runs a broker in ${folder}`);
  }
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadlineMs = performance.now() + BROKER_STOP_MS_MAX;
    if (isOurs()) process.kill(pid, signal);
    while (isOurs() && performance.now() < deadlineMs) await pause(POLL_MS);
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function end({ child, ended }: Running): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), BROKER_STOP_MS_MAX);
  await ended;
  clearTimeout(timer);
}
