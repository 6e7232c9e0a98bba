/**
 * The commands, for tests: what they print and how they end, as processes, of which none is left behind, or in the test's own.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { weir as command } from '../host/cli/weir.js';
import { WAIT_MS } from './help.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MAIN = join(ROOT, 'dist/host/cli/main.js');

export interface Running {
  readonly child: ChildProcess;
  out(): string;
  err(): string;
  readonly exited: Promise<number | null>;
}

const running = new Set<Running>();

/** Ends what a test that failed has left behind, with the brokers that it has started. */
export async function endAll(): Promise<void> {
  for (const { child, exited } of running) {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), WAIT_MS);
    await exited;
    clearTimeout(timer);
  }
}

export function weir(args: readonly string[], folder = ROOT, stdin: 'ignore' | 'pipe' = 'ignore'): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: [stdin, 'pipe', 'pipe'] });
  const text = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => (text.out += chunk));
  child.stderr?.on('data', (chunk) => (text.err += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const started = { child, out: () => text.out, err: () => text.err, exited };
  running.add(started);
  void exited.then(() => running.delete(started));
  return started;
}

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** What it has printed as JSON, one value a line. */
  records(): ReturnType<typeof JSON.parse>[];
}

/** Runs a command to its end, which must come, in a process of its own. */
export async function said(args: readonly string[], folder?: string, waitMs = WAIT_MS): Promise<Said> {
  const { child, exited, out, err } = weir(args, folder);
  const timer = setTimeout(() => child.kill('SIGKILL'), waitMs);
  const code = await exited;
  clearTimeout(timer);
  return saidOf(code, out(), err());
}

function saidOf(code: number | null, out: string, err: string): Said {
  const lines = () => out.trim().split('\n');
  return { code, out, err, records: () => lines().map((line) => JSON.parse(line)) };
}

/** What a command that runs in this process has printed, each its own: two may run at once. */
const printed = new AsyncLocalStorage<{ out: string; err: string }>();
let isKept = false;
let runningHere = 0;

/** From now on what a command in this process prints is kept, and what all else prints goes where it went. */
function keepPrinted(): void {
  if (isKept) return;
  isKept = true;
  for (const [stream, name] of [
    [process.stdout, 'out'],
    [process.stderr, 'err'],
  ] as const) {
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    Object.assign(stream, {
      write(chunk: string | Uint8Array, ...more: unknown[]) {
        const kept = printed.getStore();
        if (!kept) return write(chunk, ...more);
        kept[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
        for (const done of more) if (typeof done === 'function') done();
        return true;
      },
    });
  }
}

/**
 * Runs a command to its end in this process, for tests of what a command says and does: to start a process takes longer than most
 * commands do. Two at once are in the same folder, as a process is.
 */
export async function saidHere(args: readonly string[], folder = ROOT, waitMs = WAIT_MS): Promise<Said> {
  keepPrinted();
  const kept = { out: '', err: '' };
  if (runningHere++ === 0) process.chdir(folder);
  else assert.is(process.cwd(), resolve(folder), 'commands at once are in one folder');
  const stop = new AbortController();
  const late = pause(waitMs, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`not within ${waitMs} ms: weir ${args.join(' ')}\n${kept.err}`);
  });
  try {
    const code = await Promise.race([printed.run(kept, () => command(args)), late]);
    return saidOf(code, kept.out, kept.err);
  } finally {
    stop.abort();
    if (--runningHere === 0) process.chdir(ROOT);
  }
}
