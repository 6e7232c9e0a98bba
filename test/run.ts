/**
 * Runs every test file in a process of its own and ends with the line `N passed, N failed`.
 *
 * A file that exits without uvu's summary, or does not end in time, counts as failed: a test that hangs or ends
 * early never passes. Arguments choose files by a part of their path.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE_MS_MAX = 120_000;
/** Most of the time a test waits for a process or a broker, so there is one file more than processors. */
const FILES_AT_ONCE = Math.min(3, availableParallelism() + 1);
/** What others need, then the files that take longest: else a long one at the end is waited for alone. */
const FIRST = [
  'runtime/testfilter',
  'author/outside',
  'author/shipped',
  'test/cli.test',
  'test/run.test',
  'author/build',
  'wasm/mutations',
  'test/swapcommand',
  'author/check',
  'author/recipes',
  'runtime/sketches',
  'hostile-input',
  'filter/worstcase',
  'fleet/confined',
  'chaos/chaos',
  'chaos/cluster',
  'fleet/agent',
  'test/status.test',
  'test/resume',
  'fleet/seen',
  'test/torn',
  'fleet/fleetaudit',
  'fleet/keyscommand',
  'test/broker.test',
  'test/pace.test',
];

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

function testFiles(wanted: readonly string[]): string[] {
  const found = ['test', 'filters'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.test.js'))
      .map((path) => join(ROOT, folder, path)),
  );
  const place = (path: string) => FIRST.findIndex((part) => path.includes(part)) + 1 || FIRST.length + 1;
  return found
    .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .sort((one, other) => place(one) - place(other) || (one < other ? -1 : 1));
}

function runFile(path: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--enable-source-maps', path], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), FILE_MS_MAX);
    const startMs = performance.now();
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => {
      clearTimeout(timer);
      const outcome = read(output, code);
      const seen = `${outcome.failed ? 'FAIL' : 'ok  '} ${relative(ROOT, path)}: ${outcome.passed} passed in ${((performance.now() - startMs) / 1000).toFixed(1)} s`;
      process.stdout.write(`${seen}${outcome.failed ? `\n${output}` : notesOf(output)}\n`);
      resolve(outcome);
    });
  });
}

/** uvu's summary; a process that failed without one counts as one failure. */
function read(output: string, code: number | null): Outcome {
  const total = Number(/Total:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const passed = Number(/Passed:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const skipped = Number(/Skipped:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const failed = total - passed - skipped;
  return { passed, failed: code === 0 && total > 0 ? failed : Math.max(failed, 1) };
}

/** What a test says of itself in lines that begin with "note:". */
function notesOf(output: string): string {
  return output
    .split('\n')
    .filter((line) => line.startsWith('note:'))
    .map((line) => `\n       ${line}`)
    .join('');
}

const files = testFiles(process.argv.slice(2));
const outcomes: Outcome[] = [];
const queue = files.values();
async function work(): Promise<void> {
  for (const file of queue) outcomes.push(await runFile(file));
}
await Promise.all(Array.from({ length: FILES_AT_ONCE }, work));

const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0) + (files.length === 0 ? 1 : 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed ? 1 : 0;
