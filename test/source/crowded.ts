/**
 * A process of its own that follows more files than it may open: it tells what it has read, how many descriptors were left for
 * others, and what it has read once some files were removed. Run as `node crowded.js FOLDER`.
 */
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../help.js';
import { QUICK, read } from './following.js';

/** Opens whatever can be opened, and closes it again. */
function descriptorsLeft(): number {
  const opened: number[] = [];
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'));
  } catch {
    for (const fd of opened) closeSync(fd);
    return opened.length;
  }
}

const folder = process.argv[2] as string;
const reader = await read([join(folder, '*.log')], QUICK);
const first = reader.take().length;
const left = descriptorsLeft();
for (const name of readdirSync(folder).slice(0, 150)) rmSync(join(folder, name));
await until(() => reader.take().length > first, 10_000, 'a file that had no room before');
console.log(JSON.stringify({ first, left, notices: reader.notices }));
await reader.source.close();
