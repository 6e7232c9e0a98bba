/**
 * Inboxes with a file, for tests: opened in a small form, filled, and damaged on the way to the disk.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { setImmediate as turnEnd } from 'node:timers/promises';
import { createInbox, type Inbox } from '../../host/source/inbox.js';
import { createNotices } from '../../host/source/notices.js';
import type { Position } from '../../host/source/source.js';
import { readText } from './reading.js';

export const SMALL = { capacityBytes: 64, eventBytesMax: 20 };

export interface Opened {
  readonly inbox: Inbox;
  readonly notices: string[];
}

export function open(path: string, options = SMALL): Opened {
  const notices: string[] = [];
  const said = createNotices('s');
  said.onNotice((line) => notices.push(line));
  return { inbox: createInbox({ ...options, file: { path, notices: said } }), notices };
}

/** Appends what comes in one turn of the event loop. */
export async function arrive(inbox: Inbox, events: readonly string[]): Promise<void> {
  for (const event of events) inbox.append(Buffer.from(event));
  await turnEnd();
}

export const saved = (position: Position): Position => JSON.parse(JSON.stringify(position));

/** A file that has been written to several times, and the lines that came. */
export async function filled(path: string): Promise<{ lines: string[]; place: Position }> {
  const { inbox } = open(path);
  const cursor = inbox.cursor();
  const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`);
  await arrive(inbox, lines.slice(0, 10));
  readText(cursor);
  const place = saved(cursor.position());
  for (let at = 10; at < lines.length; at += 4) await arrive(inbox, lines.slice(at, at + 4));
  inbox.end();
  return { lines, place };
}

/** What the cursor had lost at the place. */
export function lostAt(place: Position): number {
  return (place as { lostEvents: number }).lostEvents;
}

/** Lets `writeSync` write so many bytes, and then nothing any more, as in a process that is killed within a write. */
export function killAfter(bytesMax: number): { isKilled(): boolean; written(): number; undo(): void } {
  const real = fs.writeSync;
  let written = 0;
  let isKilled = false;
  fs.writeSync = ((fd: number, bytes: Buffer, at: number, length: number, position: number) => {
    const taken = isKilled ? 0 : Math.min(length, bytesMax - written);
    if (taken > 0) real(fd, bytes, at, taken, position);
    written += taken;
    isKilled ||= taken < length;
    if (isKilled) throw new Error('killed');
    return length;
  }) as typeof fs.writeSync;
  syncBuiltinESMExports();
  return {
    isKilled: () => isKilled,
    written: () => written,
    undo() {
      fs.writeSync = real;
      syncBuiltinESMExports();
    },
  };
}

/** Lets every write fail until `end`. */
export function failWrites(code: string): { end(): void } {
  const real = fs.writeSync;
  fs.writeSync = () => {
    throw Object.assign(new Error(`${code}: it does not work, write`), { code });
  };
  syncBuiltinESMExports();
  return {
    end() {
      fs.writeSync = real;
      syncBuiltinESMExports();
    },
  };
}
