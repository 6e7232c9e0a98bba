/**
 * What a unit test fails with, in a form for its author: what was expected and found as a diff of lines, and the
 * lines of his own files that led there. The test library's frames, Node's and weir's own are left out.
 */
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { lineDiff } from './linediff.js';

/** An assertion of the test library that failed. */
interface Assertion extends Error {
  readonly operator: string;
  readonly actual: unknown;
  readonly expects: unknown;
}

type Handler<T> = (context: T) => unknown;

const DIFFERS: ReadonlySet<string> = new Set(['is', 'equal', 'snapshot', 'fixture']);
/** Other assertions whose message does not say what was found. */
const SHOWN: ReadonlySet<string> = new Set(['ok', 'match', 'instance']);
const FRAMES_MAX = 5;
const SHOWN_CHARACTERS_MAX = 400;
/** Of a value on one line; longer ones get more lines. */
const LINE_CHARACTERS = 100;

const PACKAGE_FOLDER = fileURLToPath(new URL('../../..', import.meta.url));

/** One test, as its process tells it to the one that started it. */
export interface ToldTest {
  readonly name: string;
  readonly ms: number;
  /** Lines that say why it failed; none when it passed. */
  readonly problem: readonly string[];
}

/** The same test, which fails with an error for its author. `name` is what reports call it. */
export function readable<T>(name: string, handler: Handler<T>): (context: T) => Promise<void> {
  return async (context) => {
    const startMs = performance.now();
    const tell = (problem: readonly string[]) =>
      process.send?.({ name, ms: performance.now() - startMs, problem } satisfies ToldTest);
    try {
      await handler(context);
    } catch (thrown) {
      const error = forAuthor(thrown);
      tell([error.message, ...(error.details || '').split('\n').filter((line) => line !== '')]);
      throw error;
    }
    tell([]);
  };
}

/** A line of a stack trace as its author reads it; `undefined` for those of others. */
export function ownFrame(line: string): string | undefined {
  const [, location = '', place] = /^\s*at (?:.* \()?(.*?)((?::\d+){1,2})\)?$/.exec(line) ?? [];
  const path = location.startsWith('file:') ? fileURLToPath(location) : location;
  const isOthers =
    !path.startsWith('/') ||
    path.includes(`${sep}node_modules${sep}`) ||
    /^(dist\/)?host\//.test(relative(PACKAGE_FOLDER, path));
  return isOthers ? undefined : `    at ${relative('', path)}${place}`;
}

function forAuthor(thrown: unknown): Error & { readonly details: string | false } {
  const error = new Error(messageOf(thrown));
  const frames = thrown instanceof Error ? (thrown.stack ?? '').split('\n') : [];
  const own = frames.filter((frame) => ownFrame(frame) !== undefined).slice(0, FRAMES_MAX);
  error.stack = [error.name, ...own].join('\n');
  return Object.assign(error, { details: detailsOf(thrown) });
}

function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `expected an error where one is thrown, found ${shown(thrown)}`;
  const text = thrown.message.replace(/:$/, '');
  if (isAssertion(thrown)) return DIFFERS.has(thrown.operator) ? `${text}: - expected, + found` : text;
  return thrown.name === 'Error' || thrown.name === 'WeirError' ? text : `${thrown.name}: ${text}`;
}

function detailsOf(thrown: unknown): string | false {
  if (!isAssertion(thrown)) return false;
  const { operator, actual, expects } = thrown;
  if (SHOWN.has(operator)) return `found ${shown(actual)}`;
  if (!DIFFERS.has(operator)) return false;
  const lines = lineDiff(linesOf(expects), linesOf(actual));
  // Values can differ in what their text does not tell.
  return (lines.length > 0 ? lines : [`- ${shown(expects)}`, `+ ${shown(actual)}`]).join('\n');
}

function isAssertion(thrown: unknown): thrown is Assertion {
  return thrown instanceof Error && typeof (thrown as Partial<Assertion>).operator === 'string';
}

/** A value over as many lines as help to compare it: a list has a line for each item, or more. */
function linesOf(value: unknown): string {
  if (typeof value === 'string' && value.includes('\n')) return value;
  const options = { depth: 20, sorted: true, breakLength: LINE_CHARACTERS, maxArrayLength: null } as const;
  if (!Array.isArray(value)) return inspect(value, options);
  return ['[', ...value.map((item) => inspect(item, options).replace(/^/gm, '  ')), ']'].join('\n');
}

function shown(value: unknown): string {
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY }).slice(0, SHOWN_CHARACTERS_MAX);
}
