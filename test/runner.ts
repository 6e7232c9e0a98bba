/**
 * Runs one test file in a process of its own, with a folder of its own for all that is temporary.
 *
 * A file that exits without uvu's summary, or does not end in time, counts as failed: a test that hangs or ends early never
 * passes. It leaves neither processes nor folders behind, also when it is stopped, by the limit or because the runner is.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODULES_FOLDER, modulesFolder } from './help.js';

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
  /** It ran into the limit. */
  readonly isLate: boolean;
  readonly output: string;
}

/** Folders of the files that run. */
const running = new Set<string>();
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** What is started while others are being killed is found in the next round. */
const ROUNDS_MAX = 20;

/** From now on nothing is left behind when a signal ends this process. */
export function stopOnSignals(): void {
  for (const [signal, number] of Object.entries(SIGNALS))
    process.on(signal, () => {
      for (const temporary of running) endAllOf(temporary);
      process.exit(128 + number);
    });
}

export function runFile(path: string, limitMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const temporary = mkdtempSync(join(tmpdir(), 'weir-'));
    running.add(temporary);
    const child = spawn(process.execPath, ['--enable-source-maps', path], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: temporary, [MODULES_FOLDER]: modulesFolder() },
    });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      endAllOf(temporary);
    }, limitMs);
    const startMs = performance.now();
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => {
      clearTimeout(timer);
      running.delete(temporary);
      endAllOf(temporary);
      const seconds = (performance.now() - startMs) / 1000;
      resolve({ ...read(output, code), seconds, isLate, output });
    });
  });
}

/** Ends every process that has this folder for what is temporary, also those that left their group, as brokers do, and removes it. */
function endAllOf(temporary: string): void {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const found = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && belongsTo(pid, temporary));
    if (found.length === 0) break;
    for (const pid of found) kill(Number(pid));
  }
  rmSync(temporary, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

function belongsTo(pid: string, temporary: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return environment.some((each) => `${each}/`.startsWith(`TMPDIR=${temporary}/`));
  } catch {
    // It has ended meanwhile, or is another user's.
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** uvu's summary; a process that failed without one counts as one failure. */
function read(output: string, code: number | null): { readonly passed: number; readonly failed: number } {
  const total = Number(/Total:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const passed = Number(/Passed:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const skipped = Number(/Skipped:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const failed = total - passed - skipped;
  return { passed, failed: code === 0 && total > 0 ? failed : Math.max(failed, 1) };
}
