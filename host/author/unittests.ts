/**
 * A filter's unit tests, in a process of their own: what they print is kept, and a test that hangs or ends early
 * never passes.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UNIT_TESTS_MS_MAX, UNIT_TESTS_TOLD_MS } from '../limits.js';
import { ownFrame, type ToldTest } from './failures.js';
import type { Project, Tell } from './project.js';

export type UnitTests =
  | { readonly kind: 'none' }
  | { readonly kind: 'passed'; readonly tests: number; readonly told: readonly ToldTest[] }
  | { readonly kind: 'failed'; readonly lines: readonly string[]; readonly told: readonly ToldTest[] };

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const HOOKS = new URL('./hooks.js', import.meta.url).href;

/** Runs the unit tests of a filter of the project, file by file. `tell` hears of one that takes long. */
export async function runUnitTests(
  { sources, built }: Project,
  name: string,
  folder: string,
  tell: Tell,
): Promise<UnitTests> {
  const found: [string, UnitTests][] = [];
  for (const file of testFiles(join(sources, name))) {
    const script = scriptOf(join(sources, name, file), join(built, name));
    const ran = typeof script === 'object' ? script : await runScript(script, folder, tell);
    found.push([file, ran]);
  }
  const failed = found.flatMap(([file, ran]) =>
    ran.kind === 'failed' ? [...(found.length > 1 ? [`${file}:`] : []), ...ran.lines] : [],
  );
  if (found.length === 0) return { kind: 'none' };
  const told = found.flatMap(([, ran]) => (ran.kind === 'none' ? [] : ran.told));
  if (failed.length > 0) return { kind: 'failed', lines: failed, told };
  const tests = found.reduce((sum, [, ran]) => sum + (ran.kind === 'passed' ? ran.tests : 0), 0);
  return { kind: 'passed', tests, told };
}

/** Files of tests; of those that differ in their ending only, as a source and what is compiled of it, the first. */
function testFiles(folder: string): string[] {
  const stems = new Map<string, string>();
  for (const ending of ['.test.js', '.test.mjs', '.test.ts'])
    for (const file of readdirSync(folder).filter((each) => each.endsWith(ending))) {
      const stem = file.slice(0, -ending.length);
      if (!stems.has(stem)) stems.set(stem, file);
    }
  return [...stems.values()].sort();
}

/** What Node runs of a file of tests, or why it cannot. */
function scriptOf(path: string, built: string): string | UnitTests {
  if (!path.endsWith('.ts')) return path;
  const compiled = join(built, basename(path).replace(/\.ts$/, '.js'));
  if (isNewer(compiled, path)) return compiled;
  // Node strips types since 22.18.
  if ('typescript' in process.features && process.features.typescript) return path;
  const expected = `expected ${compiled}, newer than ${path}, or Node 22.18`;
  return { kind: 'failed', lines: [`${expected}; compile it with tsc, or write filter.test.mjs`], told: [] };
}

function isNewer(path: string, source: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.mtimeMs >= statSync(source).mtimeMs;
}

function runScript(script: string, folder: string, tell: Tell): Promise<UnitTests> {
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', HOOKS, script], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), UNIT_TESTS_MS_MAX);
  const limit = `it is stopped after ${UNIT_TESTS_MS_MAX / 1000} s`;
  const late = setTimeout(() => tell(`weir: ${relative('', script)} runs; ${limit}\n`), UNIT_TESTS_TOLD_MS);
  // An endless one would go on for good without whoever has started it.
  const end = (signal: NodeJS.Signals) => {
    child.kill('SIGKILL');
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.once(signal, end);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const told: ToldTest[] = [];
  child.on('message', (message) => told.push(message as ToldTest));
  // What was sent last may come behind the end of the process.
  const disconnected = new Promise((resolve) => child.once('disconnect', resolve));
  return new Promise((resolve) => {
    child.on('close', async (code, signal) => {
      clearTimeout(timer);
      clearTimeout(late);
      for (const each of SIGNALS) process.off(each, end);
      await disconnected;
      resolve(read(output, code === 0, signal === 'SIGKILL', told));
    });
  });
}

/** uvu's summary; a process that ends without one has failed. */
function read(output: string, isDone: boolean, isLate: boolean, told: readonly ToldTest[]): UnitTests {
  const number = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
  const tests = number('Total') - number('Skipped');
  if (isDone && tests > 0 && tests === number('Passed')) return { kind: 'passed', tests, told };
  const why = isLate
    ? [`expected an end within ${UNIT_TESTS_MS_MAX / 1000} s, found none`]
    : tests === 0
      ? ['expected tests, found none that ran; a file ends with "test.run()"']
      : [];
  return { kind: 'failed', lines: [...why, ...linesOf(output, tests > 0)], told };
}

/** What the tests say, without uvu's progress and sums, and without frames that are not the author's. */
function linesOf(output: string, hasSums: boolean): string[] {
  const here = pathToFileURL(join(process.cwd(), '/')).href;
  const lines = output.split('\n').flatMap((line) => {
    if (/^\s+at /.test(line)) return ownFrame(line) ?? [];
    const isNoise =
      /^[^•✘]*(?:[•✘] )+\s*\(\d+ \/ \d+\)$|^Node\.js v[\d.]+$|^node:internal\/|^ {4}triggerUncaughtException\(/.test(
        line,
      );
    if (isNoise || (hasSums && /^ {2}(?:Total|Passed|Skipped|Duration): {2}/.test(line))) return [];
    return line
      .replace(/^ {3}FAIL {2}/, 'FAIL ')
      .replaceAll(here, '')
      .trimEnd();
  });
  const shown = lines.filter((line, at) => line !== '' || (at > 0 && lines[at - 1] !== ''));
  return shown.at(-1) === '' ? shown.slice(0, -1) : shown;
}
