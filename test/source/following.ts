/**
 * What the tests of the file source share: a filter that follows files, as the engine does it, and looks at
 * descriptors.
 */
import { readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { nextBatch } from '../../host/batch.js';
import { createFileSource, type FileSourceOptions } from '../../host/source/file.js';
import type { Cursor, Position, Source } from '../../host/source/source.js';
import { until } from '../help.js';
import { noticesOf } from './reading.js';

export const QUICK: FileSourceOptions = { untilEof: false, pollMs: 3, rescanMs: 6, settledMs: 40 };
export const TO_THE_END: FileSourceOptions = { untilEof: true };
/** Nothing is looked at after the start, unless a file is gone. */
export const SLOW: FileSourceOptions = { ...QUICK, pollMs: 1_000_000 };

export interface Reader {
  readonly source: Source;
  readonly cursor: Cursor;
  readonly notices: string[];
  /** Every line so far. */
  readonly lines: string[];
  /** Takes what is there now. */
  take(): string[];
  /** Waits for as many lines, and says whether they are these. */
  sees(...expected: string[]): Promise<void>;
}

/** The whole events that a cursor has now. */
export function eventsOf(cursor: Cursor, regionBytes = 1 << 16): string[] {
  const region = Buffer.alloc(regionBytes);
  const lines: string[] = [];
  for (;;) {
    const batch = nextBatch(cursor, region, 1 << 14);
    if (batch.kind === 'none') return lines;
    if (batch.kind === 'events') lines.push(...region.toString('latin1', 0, batch.bytes - 1).split('\n'));
  }
}

export function readerOf(source: Source, saved?: Position): Reader {
  const notices = noticesOf(source);
  const cursor = source.cursor(saved);
  const lines: string[] = [];
  function take(): string[] {
    lines.push(...eventsOf(cursor));
    return lines;
  }
  return {
    source,
    cursor,
    notices,
    lines,
    take,
    async sees(...expected) {
      await until(() => take().length >= expected.length, 10_000, `${expected}; found ${lines}`).catch(
        () => {},
      );
      assert.equal(lines, expected);
    },
  };
}

/** Waits until what is written now has a later time than all that was written before; some clocks of files tick slowly. */
export function nextTick(log: string): void {
  const probe = join(dirname(log), 'probe');
  writeFileSync(probe, '');
  const { mtimeMs } = statSync(probe);
  do writeFileSync(probe, '');
  while (statSync(probe).mtimeMs <= mtimeMs);
}

/** Opens a source at these patterns and reads it; `saved` as JSON brings it back. */
export async function read(
  patterns: readonly string[],
  options: FileSourceOptions = QUICK,
  saved?: Position,
): Promise<Reader> {
  const source = createFileSource('logs', patterns, options);
  const notices = noticesOf(source);
  await source.open();
  const reader = readerOf(source, saved);
  reader.notices.unshift(...notices);
  return reader;
}

/** Closes it, and answers its position as it comes back from a file. */
export async function closed({ source, cursor }: Reader): Promise<Position> {
  await source.close();
  return JSON.parse(JSON.stringify(cursor.position()));
}

/** Files below a folder that this process has open; a deleted one still counts. */
export function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.startsWith(`${folder}/`))
    .sort();
}

/** A run that has read these lines, and its position. */
export async function runOf(pattern: string, ...lines: string[]): Promise<Position> {
  const reader = await read([pattern]);
  await reader.sees(...lines);
  const saved = await closed(reader);
  nextTick(pattern.replace('*', ''));
  return saved;
}

/** What a run reads that goes on from there; and its notices. */
export async function after(
  saved: Position,
  pattern: string,
): Promise<{ lines: string[]; notices: string[] }> {
  const reader = await read([pattern], TO_THE_END, saved);
  const lines = [...reader.take()];
  await closed(reader);
  return { lines, notices: reader.notices };
}
