/**
 * A filter's unit tests, in a process of their own: what they print is kept, and a test that hangs or ends early
 * never passes.
 */
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UNIT_TESTS_MS_MAX } from '../limits.js';
import { ownFrame } from './failures.js';
import type { Project } from './project.js';

export type UnitTests =
  | { readonly kind: 'none' }
  | { readonly kind: 'passed'; readonly tests: number }
  | { readonly kind: 'failed'; readonly lines: readonly string[] };

const HOOKS = new URL('./hooks.js', import.meta.url).href;

/** Runs the unit tests of a filter of the project. */
export async function runUnitTests(
  { sources, built }: Project,
  name: string,
  folder: string,
): Promise<UnitTests> {
  const script = ['filter.test.js', 'filter.test.mjs']
    .map((file) => join(sources, name, file))
    .find((path) => existsSync(path));
  if (script !== undefined) return runScript(script, folder);
  const source = join(sources, name, 'filter.test.ts');
  if (!existsSync(source)) return { kind: 'none' };
  const compiled = join(built, name, 'filter.test.js');
  if (isNewer(compiled, source)) return runScript(compiled, folder);
  // Node strips types since 22.18.
  if ('typescript' in process.features && process.features.typescript) return runScript(source, folder);
  const expected = `expected ${compiled}, newer than ${source}, or Node 22.18`;
  return { kind: 'failed', lines: [`${expected}; compile it with tsc, or write filter.test.mjs`] };
}

function isNewer(path: string, source: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.mtimeMs >= statSync(source).mtimeMs;
}

function runScript(script: string, folder: string): Promise<UnitTests> {
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', HOOKS, script], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), UNIT_TESTS_MS_MAX);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve(read(output, code === 0, signal === 'SIGKILL'));
    });
  });
}

/** uvu's summary; a process that ends without one has failed. */
function read(output: string, isDone: boolean, isLate: boolean): UnitTests {
  const number = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
  const tests = number('Total') - number('Skipped');
  if (isDone && tests > 0 && tests === number('Passed')) return { kind: 'passed', tests };
  const why = isLate
    ? [`expected an end within ${UNIT_TESTS_MS_MAX / 1000} s, found none`]
    : tests === 0
      ? ['expected tests, found none that ran; a file ends with "test.run()"']
      : [];
  return { kind: 'failed', lines: [...why, ...linesOf(output, tests > 0)] };
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
