/**
 * The commands as processes, for tests: what they print, how they end, and that none is left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MAIN = join(ROOT, 'dist/host/cli/main.js');
/** Whatever a command does, it has done it by then. */
export const WAIT_MS = 15_000;

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

/** Runs a command to its end, which must come. */
export async function said(args: readonly string[], folder?: string, waitMs = WAIT_MS) {
  const { child, exited, out, err } = weir(args, folder);
  const timer = setTimeout(() => child.kill('SIGKILL'), waitMs);
  const code = await exited;
  clearTimeout(timer);
  return {
    code,
    out: out(),
    err: err(),
    records: () =>
      out()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
  };
}
