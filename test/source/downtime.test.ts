/**
 * What rotation does while the host is down: all that was not read is found, in order, and nothing is read twice.
 */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, until } from '../help.js';
import { after, closed, nextTick, openBelow, QUICK, read, readerOf, runOf } from './following.js';

const down = suite<{ folder: string; log: string }>('downtime');
down.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.log = join(context.folder, 'auth.log');
});
down.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Longer than what is sampled of a file. */
const LONG = 'banner '.repeat(100).trim();
const FIRST = 'the first line, which no other file has';

down(
  'several rotations, of files that were there and of those that came, each in its turn',
  async ({ log }) => {
    writeFileSync(`${log}.1`, 'before the first start\n');
    nextTick(log);
    writeFileSync(log, 'one\n');
    const saved = await runOf(log, 'one');
    appendFileSync(log, 'two\n');
    renameSync(`${log}.1`, `${log}.4`);
    renameSync(log, `${log}.3`);
    writeFileSync(`${log}.2`, 'three\n');
    nextTick(log);
    writeFileSync(`${log}.1`, 'four\nfive\n');
    writeFileSync(log, 'six\n');
    const { lines, notices } = await after(saved, log);
    assert.equal(lines, ['two', 'three', 'four', 'five', 'six']);
    assert.equal(notices, []);
  },
);

down('names with dates, and a path at which nothing is yet', async ({ log }) => {
  writeFileSync(log, 'one\n');
  const saved = await runOf(log, 'one');
  appendFileSync(log, 'two\n');
  renameSync(log, `${log}-20260130`);
  writeFileSync(`${log}-20260131`, 'three\n');
  writeFileSync(`${log}.bak`, 'not a rotated name\n');
  writeFileSync(`${log}2`, 'another log\n');
  const reader = await read([log], QUICK, saved);
  await reader.sees('two', 'three');
  writeFileSync(log, 'four\n');
  await reader.sees('two', 'three', 'four');
  await closed(reader);
});

down('a copy beside it, of what was read, is not taken for a file that came', async ({ log }) => {
  writeFileSync(log, `${LONG}\none\n`);
  const saved = await runOf(log, LONG, 'one');
  copyFileSync(log, `${log}.20260131`);
  appendFileSync(log, 'two\n');
  renameSync(log, `${log}.1`);
  writeFileSync(log, 'three\n');
  assert.equal((await after(saved, log)).lines, ['two', 'three']);
});

for (const [what, head] of [
  ['a short file', ''],
  ['a long one', `${LONG}\n`],
] as const) {
  down(`copy and truncate of ${what}: the rest from the copy, then the new lines`, async ({ log }) => {
    writeFileSync(log, `${head}${FIRST}\n`);
    const first = await read([log]);
    await until(() => first.take().includes(FIRST), 5000, 'the first run');
    const saved = await closed(first);
    nextTick(log);
    appendFileSync(log, 'two\n');
    copyFileSync(log, `${log}.2`);
    truncateSync(log);
    appendFileSync(log, 'three\n');
    nextTick(log);
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    // Longer than what was read, and it may begin alike.
    appendFileSync(log, `${head}four\n${'x\n'.repeat(1000)}`);
    const { lines } = await after(saved, log);
    assert.equal(
      lines.filter((line) => line !== 'x' && line !== LONG),
      ['two', 'three', 'four'],
    );
    assert.is(lines.filter((line) => line === 'x').length, 1000);
    assert.is(lines.filter((line) => line === LONG).length, head ? 1 : 0);
  });
}

down('older files that begin alike are not taken for the copy', async ({ log }) => {
  for (const at of [3, 2]) {
    writeFileSync(`${log}.${at}`, `log opened\nold ${at}\n`);
    nextTick(log);
  }
  writeFileSync(log, 'log opened\n');
  const saved = await runOf(log, 'log opened');
  appendFileSync(log, 'one\n');
  copyFileSync(log, `${log}.1`);
  writeFileSync(log, 'log opened\ntwo\n');
  nextTick(log);
  renameSync(`${log}.1`, `${log}.2`);
  copyFileSync(log, `${log}.1`);
  writeFileSync(log, 'three\n');
  assert.equal((await after(saved, log)).lines, ['one', 'log opened', 'two', 'three']);
});

down('written, copied and truncated, where it was empty before', async ({ log }) => {
  writeFileSync(log, '');
  const saved = await runOf(log);
  appendFileSync(log, 'one\n');
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
  appendFileSync(log, 'two\n');
  assert.equal((await after(saved, log)).lines, ['one', 'two']);
});

down('a pattern that names the copies, too', async ({ log }) => {
  writeFileSync(log, 'one\n');
  const saved = await runOf(`${log}*`, 'one');
  appendFileSync(log, 'two\n');
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
  nextTick(log);
  appendFileSync(log, 'three\n');
  assert.equal((await after(saved, `${log}*`)).lines, ['two', 'three']);
});

down('an inode that a rotated empty file had is another file now', async ({ log }) => {
  writeFileSync(log, '');
  const saved = (await runOf(log)) as object[];
  renameSync(log, `${log}.2`);
  writeFileSync(`${log}.1`, 'one\n');
  nextTick(log);
  writeFileSync(`${log}.2`, 'two\n');
  const reused = saved.map((place) => ({ ...place, id: idOf(`${log}.2`) }));
  rmSync(`${log}.2`);
  writeFileSync(`${log}.2`, 'zero\n');
  writeFileSync(log, 'three\n');
  assert.equal((await after(reused, log)).lines, ['one', 'zero', 'three']);
});

function idOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

down('a link whose target was rotated elsewhere', async ({ folder, log }) => {
  const real = join(folder, 'data', 'app.log');
  mkdirSync(join(folder, 'data'));
  writeFileSync(real, 'one\n');
  symlinkSync(real, log);
  const saved = await runOf(log, 'one');
  appendFileSync(real, 'two\n');
  renameSync(real, `${real}.2`);
  writeFileSync(`${real}.1`, 'three\n');
  assert.equal((await after(saved, log)).lines, ['two', 'three'], 'the link leads nowhere');
  writeFileSync(real, 'four\n');
  assert.equal((await after(saved, log)).lines, ['two', 'three', 'four']);
});

down('a link that was switched: what it led to before is read to its end', async ({ folder, log }) => {
  const [first, second] = [join(folder, 'app-20260131.log'), join(folder, 'app-20260201.log')];
  writeFileSync(first, 'one\n');
  symlinkSync(first, log);
  const saved = await runOf(log, 'one');
  appendFileSync(first, 'two\n');
  writeFileSync(second, 'three\n');
  rmSync(log);
  symlinkSync(second, log);
  assert.equal((await after(saved, log)).lines, ['two', 'three']);
});

down(
  'a link among the rotated names is not followed: the config does not name it',
  async ({ folder, log }) => {
    writeFileSync(log, 'one\n');
    const saved = await runOf(log, 'one');
    renameSync(log, `${log}.2`);
    writeFileSync(join(folder, 'secret'), 'secret\n');
    symlinkSync(join(folder, 'secret'), `${log}.1`);
    writeFileSync(log, 'two\n');
    assert.equal((await after(saved, log)).lines, ['two']);
  },
);

down('a folder on another disk, with other numbers: what it holds is known', async ({ log }) => {
  writeFileSync(log, `${LONG}\none\n`);
  const saved = (await runOf(log, LONG, 'one')) as object[];
  copyFileSync(log, `${log}.new`);
  renameSync(`${log}.new`, log);
  appendFileSync(log, 'two\n');
  assert.equal((await after(saved, log)).lines, ['two']);
  const rebooted = saved.map((place) => ({ ...place, id: `7:${statSync(log).ino}` }));
  renameSync(log, `${log}.1`);
  writeFileSync(log, 'three\n');
  assert.equal((await after(rebooted, log)).lines, ['two', 'three']);
});

down('a folder that comes after the start is known, whatever was saved meanwhile', async ({ folder }) => {
  const log = join(folder, 'mount', 'auth.log');
  mkdirSync(join(folder, 'mount'));
  writeFileSync(log, 'one\n');
  let saved = await runOf(log, 'one');
  appendFileSync(log, 'two\n');
  renameSync(log, `${log}.1`);
  writeFileSync(log, 'three\n');
  renameSync(join(folder, 'mount'), join(folder, 'away'));
  saved = await closed(await read([log], QUICK, saved));
  const reader = await read([log], QUICK, saved);
  renameSync(join(folder, 'away'), join(folder, 'mount'));
  await reader.sees('two', 'three');
  await closed(reader);
});

down(
  'a filter that is new does not read what is read to its end for another one',
  async ({ folder, log }) => {
    writeFileSync(log, 'one\n');
    const saved = await runOf(log, 'one');
    appendFileSync(log, 'two\n');
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'three\n');
    for (const order of ['new last', 'new first']) {
      const reader = await read([log], QUICK, order === 'new last' ? saved : undefined);
      const second = readerOf(reader.source, order === 'new last' ? undefined : saved);
      const [old, fresh] = order === 'new last' ? [reader, second] : [second, reader];
      await old.sees('two', 'three');
      await fresh.sees('three');
      await until(() => openBelow(folder).join() === log, 5000, 'the rotated file is closed');
      await closed(reader);
    }
  },
);

down('a place that was read is found again: renamed, copied, with another device number', async ({ log }) => {
  const rename = () => renameSync(log, `${log}.1`);
  const copy = () => {
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
  };
  for (const [rotate, device] of [
    [rename, undefined],
    [copy, undefined],
    [rename, '7'],
    [copy, '7'],
  ] as const) {
    writeFileSync(log, 'one\ntwo\n');
    const reader = await read([log]);
    const rebooted = (value: unknown) =>
      JSON.parse(JSON.stringify(value).replace(/"\d+:(?=\d)/g, device ? `"${device}:` : '$&'));
    const saved = rebooted(reader.cursor.position());
    await reader.sees('one', 'two');
    const place = rebooted(reader.cursor.lastPlace());
    await closed(reader);
    nextTick(log);
    appendFileSync(log, 'three\n');
    rotate();
    appendFileSync(log, 'four, and more than was there before\n');
    const again = await read([log], QUICK, saved);
    const bytes = Buffer.alloc(4);
    assert.ok(again.cursor.readAt({ ...place, offset: 4 }, bytes));
    assert.is(bytes.toString(), 'two\n');
    again.cursor.goTo({ ...place, offset: 4 }, false);
    await again.sees('two', 'three', 'four, and more than was there before');
    await closed(again);
    for (const path of [log, `${log}.1`]) rmSync(path);
  }
});

down(
  'a place in a file that came after the last save is found again, under its rotated name',
  async ({ log }) => {
    writeFileSync(log, 'one\n');
    const saved = await runOf(log, 'one');
    const reader = await read([log], QUICK, saved);
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'two\nthree\n');
    await reader.sees('two', 'three');
    const place = reader.cursor.lastPlace();
    await closed(reader);
    nextTick(log);
    renameSync(`${log}.1`, `${log}.2`);
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'four and more\n');
    const again = await read([log], QUICK, saved);
    const bytes = Buffer.alloc(6);
    assert.ok(again.cursor.readAt({ ...place, offset: 4 }, bytes));
    assert.is(bytes.toString(), 'three\n');
    assert.not(again.cursor.readAt({ ...place, offset: 9 }, bytes), 'past its end');
    again.cursor.goTo({ ...place, offset: 4 }, false);
    await again.sees('three', 'four and more');
    await closed(again);
  },
);

down.run();
