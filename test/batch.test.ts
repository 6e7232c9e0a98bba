/**
 * Batches out of files: an over-long line costs its own end, never a byte of what another file or the next run holds,
 * and a reader that has given up holds nothing.
 */
import { appendFileSync, readdirSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nextBatch } from '../host/batch.js';
import { createFileSource } from '../host/source/file.js';
import type { Cursor, Source } from '../host/source/source.js';
import { type TemporaryFolder, temporaryFolder, until } from './help.js';

const REGION_BYTES = 64;
const LONG = 'x'.repeat(3 * REGION_BYTES);

/** Every event that is there now; those that were cut end in `~`. */
function take(cursor: Cursor): string[] {
  const region = Buffer.alloc(REGION_BYTES);
  const events: string[] = [];
  for (let batch = nextBatch(cursor, region, 16); batch.kind !== 'none'; ) {
    if (batch.kind === 'events') {
      const lines = region.toString('latin1', 0, batch.bytes - 1).split('\n');
      events.push(...lines.map((line) => (line.startsWith('xx') ? 'x...' : line)));
      if (batch.isTruncated) events.push(`${events.pop()}~`);
    }
    batch = nextBatch(cursor, region, 16);
  }
  return events;
}

const opened: Source[] = [];

async function open(paths: readonly string[], untilEof: boolean): Promise<Source> {
  const source = createFileSource('logs', paths, { untilEof, pollMs: 5, settledMs: 20 });
  opened.push(source);
  await source.open();
  return source;
}

const batches = suite<{ folder: TemporaryFolder; a: string; b: string }>('batches');
batches.before.each(async (context) => {
  context.folder = await temporaryFolder();
  context.a = join(context.folder.path, 'a.log');
  context.b = join(context.folder.path, 'b.log');
});
batches.after.each(async ({ folder }) => {
  for (const source of opened.splice(0)) await source.close();
  await folder.remove();
});

batches('other files are whole while the end of a long line is not written yet', async ({ a, b }) => {
  writeFileSync(a, `first of a\n${LONG}`);
  writeFileSync(b, 'first of b\nsecond of b\n');
  const source = await open([a, b], false);
  const cursor = source.cursor();
  assert.equal(take(cursor), ['first of a', 'x...~', 'first of b', 'second of b']);
  const events: string[] = [];
  source.onData(() => events.push(...take(cursor)));
  appendFileSync(b, 'third of b\n');
  await until(() => events.length === 1, 10_000, 'the next line of b');
  appendFileSync(a, 'the end\nsecond of a\n');
  await until(() => events.length === 2, 10_000, 'the next line of a');
  assert.equal(events, ['third of b', 'second of a']);
});

batches('after a restart the end of a long line is still passed over', async ({ a }) => {
  writeFileSync(a, LONG);
  const before = await open([a], false);
  const cursor = before.cursor();
  assert.equal(take(cursor), ['x...~']);
  const saved = JSON.parse(JSON.stringify(cursor.position()));
  appendFileSync(a, 'the end\nnext\n');
  const after = await open([a], true);
  assert.equal(take(after.cursor(saved)), ['next']);
});

batches('a long last line without LF ends with its file, however long it is', async ({ a, b }) => {
  for (let bytes = REGION_BYTES - 2; bytes < 5 * REGION_BYTES; bytes++) {
    writeFileSync(a, 'x'.repeat(bytes));
    writeFileSync(b, 'of b\n');
    const cursor = (await open([a, b], true)).cursor();
    assert.equal(take(cursor), [bytes < REGION_BYTES ? 'x...' : 'x...~', 'of b'], `${bytes} bytes`);
    assert.ok(cursor.ended(), `${bytes} bytes`);
  }
});

batches('a reader that has given up keeps no rotated file open', async ({ a }) => {
  writeFileSync(a, 'one\n');
  const source = await open([a], false);
  const [reader, other] = [source.cursor(), source.cursor()];
  assert.equal(take(reader), ['one']);
  other.close();
  renameSync(a, `${a}.1`);
  await until(() => !openFiles().includes(`${a}.1`), 10_000, 'the file is closed');
});

/** Paths of what this process has open. */
function openFiles(): string[] {
  const folder = '/proc/self/fd';
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd))];
    } catch {
      return [];
    }
  });
}

batches.run();
