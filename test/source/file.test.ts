/**
 * Files as they grow, rotate, come and go: every line once, in the order of its file. What happens between two looks is in
 * `rotation.test.ts`, what happens while the host is down in `restart.test.ts` and `downtime.test.ts`.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nextBatch } from '../../host/batch.js';
import type { WeirError } from '../../host/errors.js';
import { createFileSource } from '../../host/source/file.js';
import { temporaryFolder, until } from '../help.js';
import { closed, eventsOf, openBelow, QUICK, read, readerOf, TO_THE_END } from './following.js';

const file = suite<{ folder: string; log: string }>('file');
file.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.log = join(context.folder, 'app.log');
});
file.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function openError(patterns: readonly string[]): Promise<WeirError> {
  const source = createFileSource('logs', patterns, TO_THE_END);
  try {
    await source.open();
  } catch (error) {
    return error as WeirError;
  } finally {
    await source.close();
  }
  return assert.unreachable('it opened') as never;
}

function dated(path: string, text: string, mtimeS: number): void {
  writeFileSync(path, text);
  utimesSync(path, mtimeS, mtimeS);
}

file('a list is read in its order, a pattern oldest first, each file once', async ({ folder }) => {
  dated(join(folder, 'b.log'), 'b\n', 100);
  dated(join(folder, 'a.log'), 'a\n', 200);
  dated(join(folder, 'c.log.1'), 'c\n', 50);
  dated(join(folder, 'z'), 'z\n', 300);
  const reader = await read([join(folder, 'z'), join(folder, '*.lo[g]*'), join(folder, 'a.log')], TO_THE_END);
  assert.equal(reader.take(), ['z', 'c', 'b', 'a']);
  assert.ok(reader.cursor.ended());
  await closed(reader);
});

file('compressed rotations are left out of patterns, but not when they are named', async ({ folder }) => {
  for (const name of ['a.log', 'a.log.2.gz', 'a.log.3.zst', 'gz'])
    writeFileSync(join(folder, name), `${name}\n`);
  const reader = await read([join(folder, '*')], TO_THE_END);
  assert.equal(reader.take().sort(), ['a.log', 'gz']);
  await closed(reader);
  const named = await read([join(folder, 'a.log.2.gz')], TO_THE_END);
  assert.equal(named.take(), ['a.log.2.gz']);
  await closed(named);
});

file('until the end: what is unterminated counts, what comes later does not', async ({ log }) => {
  writeFileSync(log, 'one\ntwo');
  const reader = await read([log], TO_THE_END);
  appendFileSync(log, ' and a half\nthree\n');
  assert.equal(reader.take(), ['one', 'two']);
  assert.ok(reader.cursor.ended());
  await closed(reader);
});

file('until the end: a file that shrinks meanwhile has its end where it is', async ({ log }) => {
  writeFileSync(log, 'one\ntwo\nthree\n');
  const reader = await read([log], TO_THE_END);
  truncateSync(log, 6);
  assert.equal(reader.take(), ['one', 'tw']);
  assert.ok(reader.cursor.ended());
  await closed(reader);
});

file('until the end: what is missing or no file is an error, before anything is read', async ({ folder }) => {
  const missing = await openError([join(folder, 'no.log')]);
  assert.is(missing.code, 'SOURCE_UNREADABLE');
  assert.match(missing.message, /source logs: \/.*no\.log: no such file/);
  writeFileSync(join(folder, 'a.log'), 'a\n');
  const directory = await openError([join(folder, 'a.log'), folder]);
  assert.is(directory.code, 'SOURCE_UNREADABLE');
  assert.match(directory.message, /not a regular file/);
  assert.equal(openBelow(folder), [], 'the file that was opened before');
});

file('lines written in pieces are events when they are complete, and not before', async ({ log }) => {
  writeFileSync(log, 'fir');
  const reader = await read([log]);
  assert.equal(reader.take(), []);
  appendFileSync(log, 'st\nsec');
  await reader.sees('first');
  appendFileSync(log, 'on');
  await until(() => reader.cursor.read(Buffer.alloc(9)).bytes === 5, 5000, 'the second piece');
  assert.equal(reader.take(), ['first']);
  appendFileSync(log, 'd\n');
  await reader.sees('first', 'second');
  await closed(reader);
});

file('a file that is not there yet is told of once, and read when it comes', async ({ folder }) => {
  const path = join(folder, 'later/app.log');
  const reader = await read([path]);
  assert.equal(reader.notices, [`source logs: ${path}: no such file yet; waiting for it`]);
  mkdirSync(join(folder, 'later'));
  writeFileSync(path, 'one\n');
  await reader.sees('one');
  assert.is(reader.notices.length, 1, 'told once');
  await closed(reader);
});

file('what is no regular file is told of, never opened, and holds nothing up', async ({ folder, log }) => {
  const fifo = join(folder, 'fifo.log');
  execFileSync('mkfifo', [fifo]);
  mkdirSync(join(folder, 'folder.log'));
  symlinkSync('/dev/zero', join(folder, 'zero.log'));
  symlinkSync('loop.log', join(folder, 'loop.log'));
  // Waits until somebody opens the FIFO to read it.
  const writer = spawn('sh', ['-c', 'exec 3>"$1"', 'sh', fifo]);
  writeFileSync(log, 'one\n');
  const reader = await read([join(folder, '*.log')]);
  await reader.sees('one');
  for (const name of ['fifo', 'zero']) {
    assert.ok(
      reader.notices.includes(`source logs: ${join(folder, name)}.log: not read: not a regular file`),
      name,
    );
  }
  assert.ok(reader.notices.some((line) => line.endsWith('loop.log: not read: ELOOP')));
  appendFileSync(log, 'two\n');
  await reader.sees('one', 'two');
  assert.is(writer.exitCode, null);
  writer.kill();
  assert.equal(openBelow(folder), [log]);
  await closed(reader);
});

file('rotation by rename: the old file to its very end, then the new one', async ({ folder, log }) => {
  writeFileSync(log, 'one\n');
  const reader = await read([log]);
  await reader.sees('one');
  appendFileSync(log, 'two\n');
  renameSync(log, `${log}.1`);
  appendFileSync(`${log}.1`, 'three\nfour');
  writeFileSync(log, 'six\n');
  await until(() => reader.take().includes('six'), 5000, 'the new file');
  appendFileSync(`${log}.1`, ' five\n');
  await reader.sees('one', 'two', 'three', 'six', 'four five');
  await until(() => openBelow(folder).join() === log, 5000, 'the old file is closed');
  assert.equal(reader.notices, []);
  await closed(reader);
});

file('an unfinished last line of a rotated file is an event once nobody writes any more', async ({ log }) => {
  writeFileSync(log, 'one\ntw');
  const reader = await read([log]);
  await reader.sees('one');
  renameSync(log, `${log}.1`);
  await reader.sees('one', 'tw');
  await closed(reader);
});

file(
  'a deleted file is read to its end, and the one that takes its place from its beginning',
  async ({ folder, log }) => {
    writeFileSync(log, 'one\n');
    const reader = await read([log]);
    await reader.sees('one');
    appendFileSync(log, 'two\n');
    rmSync(log);
    writeFileSync(log, 'three\nfour\n');
    await reader.sees('one', 'two', 'three', 'four');
    await until(() => openBelow(folder).length === 1, 5000, 'the deleted file is closed');
    await closed(reader);
  },
);

file('copy and truncate: read from the beginning, whether shorter, as long or longer', async ({ log }) => {
  for (const next of ['x\n', 'new-1\nnew-2\n', 'new-1\nnew-2\nnew-3\nnew-4\n']) {
    writeFileSync(log, 'old-1\nold-2\n');
    const reader = await read([log]);
    await reader.sees('old-1', 'old-2');
    copyFileSync(log, `${log}.1`);
    writeFileSync(log, next);
    await reader.sees('old-1', 'old-2', ...next.trim().split('\n'));
    assert.match(reader.notices.join(), /app\.log: was written anew; reading it from its beginning$/);
    await closed(reader);
  }
});

file(
  'a truncated file that has grown past what was read of it is still read from its beginning',
  async ({ log }) => {
    writeFileSync(log, `${'same beginning '.repeat(30)}\n${'old\n'.repeat(1000)}`);
    const source = createFileSource('logs', [log], QUICK);
    await source.open();
    const cursor = source.cursor();
    const region = Buffer.alloc(1000);
    assert.is(nextBatch(cursor, region, 1000).kind, 'events');
    writeFileSync(log, `${'same beginning '.repeat(30)}\n${'new\n'.repeat(500)}`);
    const lines: string[] = [];
    const count = (text: string) => lines.filter((line) => line === text).length;
    await until(
      () => lines.push(...eventsOf(cursor)) > 0 && count('new') >= 500,
      5000,
      'all new lines',
    ).catch(() => {});
    assert.is(count('new'), 500);
    await source.close();
  },
);

file('a link is read as what it points to, also when that changes', async ({ folder, log }) => {
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  writeFileSync(first, 'one\n');
  writeFileSync(second, 'two\n');
  symlinkSync(first, log);
  const reader = await read([log]);
  await reader.sees('one');
  symlinkSync(second, `${log}.new`);
  renameSync(`${log}.new`, log);
  await reader.sees('one', 'two');
  await until(() => openBelow(folder).join() === second, 5000, 'the first is closed');
  rmSync(log);
  symlinkSync(log, log);
  appendFileSync(second, 'three\n');
  appendFileSync(second, 'four\n');
  rmSync(log);
  symlinkSync(second, log);
  await reader.sees('one', 'two', 'three', 'four');
  await closed(reader);
});

file('a link that leads to itself for a while costs nothing', async ({ folder, log }) => {
  const target = join(folder, 'target');
  writeFileSync(target, 'one\n');
  symlinkSync(target, log);
  const reader = await read([log, join(folder, 'other')]);
  await reader.sees('one');
  symlinkSync(log, `${log}.new`);
  renameSync(`${log}.new`, log);
  writeFileSync(join(folder, 'other'), 'other\n');
  await reader.sees('one', 'other');
  appendFileSync(target, 'two\n');
  rmSync(log);
  symlinkSync(target, log);
  await reader.sees('one', 'other', 'two');
  await closed(reader);
});

file('a file that goes to another name of its pattern is not read again', async ({ folder, log }) => {
  writeFileSync(log, 'one\n');
  const reader = await read([`${log}*`]);
  await reader.sees('one');
  renameSync(log, `${log}.1`);
  appendFileSync(`${log}.1`, 'two\n');
  writeFileSync(log, 'three\n');
  await reader.sees('one', 'two', 'three');
  renameSync(`${log}.1`, `${log}.2`);
  renameSync(log, `${log}.1`);
  writeFileSync(log, 'four\n');
  await until(() => reader.take().includes('four'), 5000, 'four');
  // By now a file that was taken for rotated away would be settled, closed and found again.
  const sinceMs = performance.now();
  await until(() => performance.now() - sinceMs > 5 * (QUICK.settledMs ?? 0), 5000, 'all is settled');
  await reader.sees('one', 'two', 'three', 'four');
  assert.is(openBelow(folder).length, 3);
  await closed(reader);
});

file('two names of one file are one file', async ({ folder, log }) => {
  writeFileSync(log, 'one\n');
  linkSync(log, join(folder, 'link.log'));
  symlinkSync(log, join(folder, 'symlink.log'));
  const reader = await read([join(folder, '*.log')]);
  await reader.sees('one');
  rmSync(join(folder, 'app.log'));
  appendFileSync(join(folder, 'link.log'), 'two\n');
  await reader.sees('one', 'two');
  await closed(reader);
});

file('300 files that appear at once are all read, and none is left open afterwards', async ({ folder }) => {
  const reader = await read([join(folder, '*.log')]);
  const names = Array.from({ length: 300 }, (_, at) => String(at).padStart(3, '0'));
  for (const name of names) writeFileSync(join(folder, `${name}.log`), `${name}\n`);
  await until(() => reader.take().length >= 300, 10_000, '300 lines');
  assert.equal([...reader.lines].sort(), names);
  assert.is(openBelow(folder).length, 300);
  for (const name of names) rmSync(join(folder, `${name}.log`));
  await until(() => reader.take().length === 300 && !openBelow(folder).length, 10_000, 'all are closed');
  await closed(reader);
});

file(
  'two filters have places of their own, and a file is kept until both have read it',
  async ({ folder, log }) => {
    writeFileSync(log, 'one\n');
    const quick = await read([log]);
    const slow = readerOf(quick.source);
    await quick.sees('one');
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'two\n');
    await quick.sees('one', 'two');
    rmSync(`${log}.1`);
    appendFileSync(log, 'three\n');
    await quick.sees('one', 'two', 'three');
    await slow.sees('one', 'two', 'three');
    await until(() => openBelow(folder).length === 1, 5000, 'the old file is closed');
    await closed(quick);
  },
);

file('a file that grows as fast as it is read does not keep the others waiting', async ({ folder, log }) => {
  writeFileSync(log, 'busy\n'.repeat(1000));
  writeFileSync(join(folder, 'quiet.log'), 'quiet\n');
  const reader = await read([log, join(folder, 'quiet.log')]);
  const region = Buffer.alloc(1000);
  const hasQuiet = () => {
    appendFileSync(log, 'busy\n'.repeat(200));
    const batch = nextBatch(reader.cursor, region, 1000);
    return batch.kind === 'events' && region.toString('latin1', 0, batch.bytes) === 'quiet\n';
  };
  await until(hasQuiet, 5000, 'the quiet file has its turn');
  await closed(reader);
});

file('the rest of an over-long line is passed over in its own file only', async ({ folder, log }) => {
  const other = join(folder, 'other.log');
  writeFileSync(log, 'x'.repeat(150));
  writeFileSync(other, '');
  const reader = await read([log, other]);
  assert.equal(eventsOf(reader.cursor, 101), ['x'.repeat(100)]);
  appendFileSync(other, 'a\nb\n');
  const lines: string[] = [];
  const has = (count: number) => lines.push(...eventsOf(reader.cursor, 101)) >= count;
  await until(() => has(2), 5000, 'the other file');
  appendFileSync(log, 'xxx\nafter\n');
  await until(() => has(3), 5000, 'the next line');
  assert.equal(lines, ['a', 'b', 'after']);
  await closed(reader);
});

file('a look at 1000 files takes few milliseconds', async ({ folder }) => {
  for (let at = 0; at < 1000; at++) writeFileSync(join(folder, `${at}.log`), 'x\n');
  const reader = await read([join(folder, '*.log')], { ...QUICK, pollMs: 1 });
  await until(() => reader.take().length === 1000, 10_000, 'all lines');
  let polls = 0;
  reader.source.onData(() => polls++);
  const before = process.cpuUsage();
  await until(
    () => {
      appendFileSync(join(folder, '0.log'), 'x\n');
      reader.take();
      return polls >= 40;
    },
    20_000,
    'forty looks',
  );
  const { user, system } = process.cpuUsage(before);
  const msEach = (user + system) / 1000 / polls;
  assert.ok(msEach < 60, `${msEach} ms`);
  await closed(reader);
});

file.run();
