/**
 * `weir/test`: what a filter's unit tests import.
 *
 *     import { assert, load, test } from 'weir/test';
 *
 *     test('a failed login is told', async () => {
 *       const filter = await load('my-filter', { config: {} });
 *       filter.feed(['a line', 'another'], { now: '2026-01-31T12:00:00Z' });
 *       filter.tick('2026-01-31T12:01:00Z');
 *       filter.end();
 *       assert.is(filter.records('logins').length, 1);
 *     });
 *     test.run();
 */
import * as uvu from 'uvu';
import { checkedCalls, checkLoadOptions } from './checked.js';
import { type DrivenFilter, type DriveOptions, driveFilter } from './drive.js';
import { readable } from './failures.js';
import { findFilter, projectIn } from './project.js';

export * as assert from 'uvu/assert';
export type { Ledger } from '../filter/abi.js';
export type { WireRecord } from '../wire.js';
export type { DrivenFilter, DriveOptions, Time } from './drive.js';

export interface LoadOptions extends DriveOptions {
  /** Folder of the project; default: the current one. */
  readonly project?: string;
}

/** A test by its name; "test.run()" ends the file. */
export const test = withReadable(uvu.test);

/** Tests of their own, with a context that their hooks fill. */
export function suite<T = Record<string, unknown>>(title?: string, context?: T): uvu.Test<T> {
  return withReadable(uvu.suite(title, context), title);
}

/** Starts a filter of the project, built first where its module is stale, or a shipped one. */
export async function load(name: string, options: LoadOptions = {}): Promise<DrivenFilter> {
  checkLoadOptions(options);
  const project = projectIn(options.project ?? process.cwd());
  const filter = await findFilter(project, name, (text) => process.stderr.write(text));
  return checkedCalls(driveFilter(filter, options), Object.keys(filter.manifest.streams), options.now);
}

function withReadable<T>(tests: uvu.Test<T>, title?: string): uvu.Test<T> {
  const told = (name: string, handler: uvu.Callback<T>) =>
    readable(title === undefined ? name : `${title} ${name}`, handler);
  const add = (name: string, handler: uvu.Callback<T>) => tests(name, told(name, handler));
  const only = (name: string, handler: uvu.Callback<T>) => tests.only(name, told(name, handler));
  return Object.assign(add, tests, { only });
}
