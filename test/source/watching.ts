/**
 * What the tests of the watch source share: a source that watches, and its events read as short lines.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Cursor, Source } from '../../host/source/source.js';
import { createWatchSource, type WatchOptions } from '../../host/source/watch.js';
import { temporaryFolder, until } from '../help.js';
import { noticesOf, readText } from './reading.js';

export interface Event {
  readonly ts: number;
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly [field: string]: unknown;
}

export interface Watching {
  readonly source: Source;
  readonly cursor: Cursor;
  readonly notices: string[];
  readonly events: Event[];
  /** Takes what has been told by now, and answers all events so far. */
  take(): Event[];
  /** Waits until this, relative to the root, has been told, and answers all that was told since the last call. */
  told(...expected: string[]): Promise<Event[]>;
}

/** Tests that each have a folder to watch, and whose sources are closed after them. */
export function watchSuite(name: string) {
  const watch = suite<{ root: string; folder: string; sources: Source[] }>(name);
  watch.before.each(async (context) => {
    context.folder = (await temporaryFolder()).path;
    context.root = join(context.folder, 'root');
    context.sources = [];
    mkdirSync(context.root);
  });
  watch.after.each(async ({ folder, sources }) => {
    for (const source of sources) await source.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return watch;
}

/** `op path`, or `rename from > path`. */
function inShort(root: string, { op, path, from }: Event): string {
  const short = (full: string) => relative(root, full) || '.';
  return from === undefined ? `${op} ${short(path)}` : `${op} ${short(from)} > ${short(path)}`;
}

export async function watching(
  { root, sources }: { root: string; sources: Source[] },
  options: WatchOptions = {},
  roots: readonly string[] = [root],
): Promise<Watching> {
  const source = createWatchSource('w', roots, { settleMs: 20, ...options });
  sources.push(source);
  const notices = noticesOf(source);
  const cursor = source.cursor();
  await source.open();
  const events: Event[] = [];
  let before = 0;
  function take(): Event[] {
    const lines = Buffer.from(readText(cursor), 'latin1').toString().split('\n').slice(0, -1);
    for (const line of lines) events.push(JSON.parse(line) as Event);
    return events;
  }
  return {
    source,
    cursor,
    notices,
    events,
    take,
    async told(...expected) {
      const news = () =>
        take()
          .slice(before)
          .map((event) => inShort(root, event));
      const hasAll = () => {
        const found = new Set(news());
        return expected.every((one) => found.has(one));
      };
      await until(hasAll, 10_000, expected.join()).catch(() => {});
      assert.ok(hasAll(), `expected ${expected}; told ${news()}`);
      const since = events.slice(before);
      before = events.length;
      return since;
    },
  };
}
