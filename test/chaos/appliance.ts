/**
 * What the chaos tests share: a host as a process that can be killed, its input, and what subscribers read back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CPU_SHARE_MAX } from '../../host/limits.js';
import { unpackBody } from '../../host/pack.js';
import { readStream, type StoredMessage } from '../broker.js';
import { until } from '../help.js';
import { saidHere } from '../command.js';

const WEIR = fileURLToPath(new URL('../../../bin/weir', import.meta.url));

/** A cluster takes 4 to 9 s for an election, which may fail. */
const LEADER_MS_MAX = 60_000;

/** A test that fails leaves nothing running. */
const appliances = new Set<() => void>();
process.once('exit', () => {
  for (const kill of appliances) kill();
});

export interface Appliance {
  readonly folder: string;
  /** What all runs have said. */
  output(): string;
  start(...args: string[]): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  /** Waits for it to end by itself. */
  ended(): Promise<number | null>;
  /** The last start has got so far that it reads. */
  isReading(): boolean;
  readonly pid: () => number;
}

export function createAppliance(folder: string, config: object): Appliance {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'weir.json'),
    JSON.stringify({ data: 'data', limits: { cpu: CPU_SHARE_MAX, memory: '400MiB' }, ...config }),
  );
  let child: ChildProcess | undefined;
  let exited: Promise<number | null> = Promise.resolve(null);
  let output = '';
  let startedAt = 0;
  appliances.add(() => child?.kill('SIGKILL'));
  return {
    folder,
    output: () => output,
    start(...args) {
      output = output.slice(-100_000);
      startedAt = output.length;
      const started = spawn(WEIR, ['run', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (output += chunk));
      exited = new Promise((resolve) =>
        started.once('close', (code) => {
          if (child === started) child = undefined;
          resolve(code);
        }),
      );
      child = started;
    },
    async kill() {
      child?.kill('SIGKILL');
      await exited;
    },
    async stop() {
      child?.kill('SIGTERM');
      return exited;
    },
    ended: () => exited,
    isReading: () => output.lastIndexOf(': reading ') > startedAt,
    pid: () => child?.pid ?? 0,
  };
}

/** What a subscriber makes of a subject's messages. */
export interface ReadBack {
  readonly messages: number;
  readonly records: number;
  /** The records of all messages, one behind the other. */
  readonly bytes: Buffer;
  /** Epochs and numbers, in the order of the broker. */
  readonly ids: readonly string[];
  readonly headers: readonly StoredMessage['headers'][];
}

/** Reads as soon as there is a leader to ask. */
export async function eventually<T>(read: () => Promise<T>): Promise<T> {
  let found: T | undefined;
  const tried = async () => {
    found = await read().catch(() => undefined);
    return found !== undefined;
  };
  await until(tried, LEADER_MS_MAX, 'the broker answers');
  return found as T;
}

/** Reads the streams of an appliance back, by `<filter>.<stream>`. */
export async function readBack(url: string, appliance: string): Promise<Map<string, ReadBack>> {
  const found = new Map<
    string,
    { bodies: Buffer[]; ids: string[]; headers: StoredMessage['headers'][]; records: number }
  >();
  for (const { subject, headers, body } of await readStream(url, `weir.ev.${appliance}.>`)) {
    const name = subject.split('.').slice(3).join('.');
    const stream = found.get(name) ?? { bodies: [], ids: [], headers: [], records: 0 };
    found.set(name, stream);
    stream.bodies.push(unpackBody(headers, body));
    stream.headers.push(headers);
    stream.ids.push((headers['Nats-Msg-Id'] ?? '').split('/').pop() ?? '');
    stream.records += Number(headers['Weir-Records']);
  }
  return new Map(
    [...found].map(([name, { bodies, ids, headers, records }]) => [
      name,
      { messages: bodies.length, records, bytes: Buffer.concat(bodies), ids, headers },
    ]),
  );
}

/** The first difference between two readings, the ledgers' times aside; nothing when subscribers cannot tell them apart. */
export function difference(
  found: ReadonlyMap<string, ReadBack>,
  expected: ReadonlyMap<string, ReadBack>,
): string | undefined {
  for (const [name, wanted] of expected) {
    if (name.endsWith('.ledger')) continue;
    const got = found.get(name);
    if (!got) return `${name}: nothing of ${wanted.records} records`;
    if (!got.bytes.equals(wanted.bytes)) {
      const at = got.bytes.findIndex((byte, index) => byte !== wanted.bytes[index]);
      return `${name}: ${got.records} records of ${wanted.records}, ${got.bytes.length} bytes of ${wanted.bytes.length}, other from byte ${at} on`;
    }
  }
  const unexpected = [...found.keys()].find((name) => !expected.has(name));
  return unexpected && `${unexpected}: expected no such stream`;
}

/** A hole, a duplicate, or an order in the numbers of a stream that is not that of one writer; nothing when there is none. */
export function misnumbered(found: ReadonlyMap<string, ReadBack>): string | undefined {
  for (const [name, { ids }] of found) {
    let before = { epoch: '', number: 0 };
    for (const id of ids) {
      const [epoch = '', digits] = id.split('-');
      const number = Number(digits);
      if (number !== (epoch === before.epoch ? before.number + 1 : 1))
        return `${name}: ${id} follows ${before.epoch}-${before.number}`;
      before = { epoch, number };
    }
  }
  return undefined;
}

const VERIFY_MS_MAX = 120_000;

/** What `weir verify` cannot explain of an appliance; nothing when it finds all explained. */
export async function unproven(url: string, appliance: string): Promise<string | undefined> {
  const args = ['verify', `weir.*.${appliance}.>`, '--server', url];
  const { code, out, err } = await saidHere(args, undefined, VERIFY_MS_MAX);
  return code === 0 ? undefined : `weir verify ends with ${code}: ${out}${err}`;
}
