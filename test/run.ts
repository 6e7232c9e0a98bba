/**
 * Runs every test file, each in a process of its own, and ends with the line `N passed, N failed`. Arguments choose files by a
 * part of their path.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Outcome, runFile, stopOnSignals } from './runner.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE_MS_MAX = 300_000;
/**
 * Two thirds of the time a test waits for a process, a broker or a clock, so there are three files for each processor. Fewer where a
 * process takes long to start: there tests do not wait, they work, and what they time would be late.
 */
const FILES_AT_ONCE = Math.min(6, (startMs() > 75 ? 1.5 : 3) * availableParallelism());
/** What others need, then the files that take longer than 15 s of those that run beside three others: else one at the end is waited for alone. */
const FIRST = [
  'runtime/testfilter',
  'chaos/chaos',
  'fleet/agent',
  'author/outside',
  'fleet/confined',
  'test/resume',
  'chaos/cluster',
  'test/fulldisk',
  'test/status.test',
  'chaos/disks',
  'author/shipped',
  'fleet/restore',
  'test/run.test',
  'fleet/many',
  'test/killed',
  'test/swapcommand',
  'fleet/unreadable',
  'fleet/seen',
  'test/torn',
  'author/check',
  'verify/host',
];

/** What it takes to start a process, at best: some 40 ms on most machines, 100 on those where memory is dear to touch. */
function startMs(): number {
  const times = Array.from({ length: 5 }, () => {
    const startedMs = performance.now();
    spawnSync(process.execPath, ['--eval', '0']);
    return performance.now() - startedMs;
  });
  return Math.min(...times);
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

async function runAndTell(path: string): Promise<Outcome> {
  const outcome = await runFile(path, FILE_MS_MAX);
  const { passed, failed, seconds, isLate, output } = outcome;
  const time = isLate ? `, stopped at the limit of ${FILE_MS_MAX / 1000} s` : ` in ${seconds.toFixed(1)} s`;
  const seen = `${failed ? 'FAIL' : 'ok  '} ${relative(ROOT, path)}: ${passed} passed${time}`;
  process.stdout.write(`${seen}${failed ? `\n${output}` : notesOf(output)}\n`);
  return outcome;
}

/** What a test says of itself in lines that begin with "note:". */
function notesOf(output: string): string {
  return output
    .split('\n')
    .filter((line) => line.startsWith('note:'))
    .map((line) => `\n       ${line}`)
    .join('');
}

stopOnSignals();
const files = testFiles(process.argv.slice(2));
const outcomes: Outcome[] = [];
const queue = files.values();
async function work(): Promise<void> {
  for (const file of queue) outcomes.push(await runAndTell(file));
}
await Promise.all(Array.from({ length: FILES_AT_ONCE }, work));

const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0) + (files.length === 0 ? 1 : 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed ? 1 : 0;
