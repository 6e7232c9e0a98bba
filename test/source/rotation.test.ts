/**
 * What rotation does between two looks of a source that runs, and what comes back. All that a test does without waiting is
 * between two looks.
 */
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nextBatch } from '../../host/batch.js';
import { temporaryFolder, until } from '../help.js';
import { closed, nextTick, openBelow, QUICK, type Reader, read } from './following.js';

const rotation = suite<{ folder: string; log: string }>('rotation');
rotation.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.log = join(context.folder, 'app.log');
});
rotation.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** A reader that has read the first line of a file. */
async function begun(log: string, pattern = log): Promise<Reader> {
  writeFileSync(log, 'one\n');
  const reader = await read([pattern]);
  await reader.sees('one');
  nextTick(log);
  return reader;
}

/** Until the source has had time to close what was rotated. */
async function settled(): Promise<void> {
  const endMs = performance.now() + 3 * (QUICK.settledMs ?? 0);
  await until(() => performance.now() > endMs, 5000, 'all is settled');
}

rotation(
  'several renames between two looks: what came and went is read in its turn',
  async ({ log, folder }) => {
    const reader = await begun(log);
    for (const line of ['two', 'three', 'four']) {
      renameSync(log, `${log}.${line}`);
      renameSync(`${log}.${line}`, `${log}-${20260100 + reader.lines.length + line.length}`);
      writeFileSync(log, `${line}\n`);
      nextTick(log);
    }
    await reader.sees('one', 'two', 'three', 'four');
    await until(() => openBelow(folder).join() === log, 5000, 'the rotated ones are closed');
    await settled();
    await reader.sees('one', 'two', 'three', 'four');
    assert.equal(reader.notices, []);
    await closed(reader);
  },
);

rotation(
  'a late line in a file that was closed long ago does not bring the file back',
  async ({ log, folder }) => {
    const reader = await begun(log);
    renameSync(log, `${log}.1`);
    writeFileSync(log, '');
    await until(() => openBelow(folder).join() === log, 5000, 'the rotated one is closed');
    nextTick(log);
    appendFileSync(`${log}.1`, 'late\n');
    appendFileSync(log, 'two\n');
    await reader.sees('one', 'two');
    renameSync(`${log}.1`, `${log}.2`);
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'three\n');
    await reader.sees('one', 'two', 'three');
    await settled();
    assert.is(reader.take().length, 3);
    await closed(reader);
  },
);

rotation('two truncations between two looks: the rest from the copies, in order', async ({ log }) => {
  const reader = await begun(log);
  appendFileSync(log, 'two\n');
  copyFileSync(log, `${log}.2`);
  truncateSync(log);
  appendFileSync(log, 'three\n');
  nextTick(log);
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
  appendFileSync(log, 'four, and more than there ever was in it\n');
  await reader.sees('one', 'two', 'three', 'four, and more than there ever was in it');
  await settled();
  assert.is(reader.take().length, 4);
  await closed(reader);
});

rotation(
  'a truncation without a copy tells the bytes that are known to have been unread',
  async ({ log }) => {
    const reader = await begun(log);
    appendFileSync(log, 'two\nthree\n');
    await until(() => reader.cursor.read(Buffer.alloc(20)).bytes === 10, 5000, 'a look at it');
    truncateSync(log);
    appendFileSync(log, 'four\n');
    await reader.sees('one', 'four');
    assert.equal(reader.notices, [
      `source logs: ${log}: was written anew before 10 bytes of it were read; reading it from its beginning`,
    ]);
    await closed(reader);
  },
);

rotation('a copy is not read again under a name that the pattern has', async ({ log }) => {
  const reader = await begun(log, `${log}*`);
  for (const line of ['two', 'three', 'four']) {
    appendFileSync(log, `${line}\n`);
    for (const [from, to] of [
      ['.2', '.3'],
      ['.1', '.2'],
    ] as const) {
      rmSync(`${log}${to}`, { force: true });
      linkOrNothing(`${log}${from}`, `${log}${to}`);
      rmSync(`${log}${from}`, { force: true });
    }
    copyFileSync(log, `${log}.1`);
    // The copy is there for a while before the truncation.
    await settled();
    truncateSync(log);
    nextTick(log);
    appendFileSync(log, `${line} again\n`);
    await until(() => reader.take().includes(`${line} again`), 5000, line);
  }
  await settled();
  await reader.sees('one', 'two', 'two again', 'three', 'three again', 'four', 'four again');
  await closed(reader);
});

function linkOrNothing(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // It is not there yet.
  }
}

rotation(
  'what was written anew between a look and a read is not mixed with what was before',
  async ({ log }) => {
    const lines = (word: string) => Array.from({ length: 500 }, (_, at) => `${word} ${at}`);
    writeFileSync(log, `${lines('old').join('\n')}\n`);
    const reader = await read([log]);
    const region = Buffer.alloc(1000);
    const first = nextBatch(reader.cursor, region, 1000);
    assert.is(first.kind, 'events');
    const begunWith =
      first.kind === 'events' ? region.toString('latin1', 0, first.bytes - 1).split('\n') : [];
    copyFileSync(log, `${log}.1`);
    writeFileSync(log, `${lines('new').join('\n')}\n`);
    await reader.sees(...lines('old').slice(begunWith.length), ...lines('new'));
    await closed(reader);
  },
);

rotation(
  'a file that begins alike, and is longer by the next look, is seen to be another',
  async ({ log }) => {
    const banner = `${'the same banner '.repeat(40)}\n`;
    writeFileSync(log, `${banner}${'old\n'.repeat(100)}`);
    const reader = await read([log]);
    await until(() => reader.take().length === 101, 5000, 'the old lines');
    writeFileSync(log, `${banner}${'new\n'.repeat(500)}`);
    await until(() => reader.take().length >= 602, 5000, 'the new lines');
    assert.is(reader.lines.filter((line) => line === 'new').length, 500);
    assert.match(reader.notices.join(), /was written anew; reading it from its beginning/);
    await closed(reader);
  },
);

rotation('a writer that overwrites its closing bracket appends', async ({ log }) => {
  const row = (at: number) => `{"at":${at},"text":"${'x'.repeat(40)}"},\n`;
  let text = `[\n${Array.from({ length: 20 }, (_, at) => row(at)).join('')}`;
  writeFileSync(log, `${text}]\n`);
  const reader = await read([log]);
  await until(() => reader.take().length === 22, 5000, 'the first lines');
  const fd = openSync(log, 'r+');
  for (let at = 20; at < 25; at++) {
    writeSync(fd, `${row(at)}]\n`, text.length);
    text += row(at);
    const wanted = reader.lines.length + 1;
    await until(() => reader.take().length >= wanted, 5000, 'another line');
  }
  closeSync(fd);
  assert.equal(reader.notices, []);
  assert.is(reader.lines.filter((line) => line === '[').length, 1);
  await closed(reader);
});

rotation('a folder that goes away and comes back is not read again', async ({ folder }) => {
  const log = join(folder, 'logs', 'app.log');
  mkdirSync(dirname(log));
  const reader = await begun(log);
  for (const line of ['two', 'three']) {
    renameSync(dirname(log), join(folder, 'away'));
    await until(() => openBelow(folder).length === 0, 5000, 'it is closed');
    appendFileSync(join(folder, 'away', 'app.log'), `${line}\n`);
    if (line === 'three') {
      renameSync(join(folder, 'away', 'app.log'), join(folder, 'away', 'app.log.1'));
      writeFileSync(join(folder, 'away', 'app.log'), 'four\n');
    }
    renameSync(join(folder, 'away'), dirname(log));
    await until(() => reader.take().includes(line), 5000, line);
  }
  await reader.sees('one', 'two', 'three', 'four');
  await closed(reader);
});

rotation('a folder that is deleted and made again has other files', async ({ folder }) => {
  const log = join(folder, 'logs', 'app.log');
  mkdirSync(dirname(log));
  const reader = await begun(log);
  rmSync(dirname(log), { recursive: true });
  await until(() => openBelow(folder).length === 0, 5000, 'it is closed');
  mkdirSync(dirname(log));
  writeFileSync(log, 'two\n');
  await reader.sees('one', 'two');
  await closed(reader);
});

rotation('a link to a file that is rotated, and to the rotated one', async ({ folder, log }) => {
  const reader = await begun(log, join(folder, '*.log'));
  symlinkSync(log, join(folder, 'latest.log'));
  appendFileSync(log, 'two\n');
  await reader.sees('one', 'two');
  renameSync(log, `${log}.1`);
  writeFileSync(log, 'three\n');
  rmSync(join(folder, 'latest.log'));
  symlinkSync(`${log}.1`, join(folder, 'latest.log'));
  appendFileSync(`${log}.1`, 'late\n');
  await until(() => reader.take().length >= 4, 5000, 'all');
  await settled();
  appendFileSync(`${log}.1`, 'later\n');
  await until(() => reader.take().includes('later'), 5000, 'later');
  assert.equal([...reader.lines].sort(), ['late', 'later', 'one', 'three', 'two']);
  await closed(reader);
});

rotation(
  'a rotated file that grows as fast as it is read does not keep the new one waiting',
  async ({ log }) => {
    writeFileSync(log, 'busy\n'.repeat(1000));
    const reader = await read([log]);
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'quiet\n');
    const region = Buffer.alloc(1000);
    const hasQuiet = () => {
      appendFileSync(`${log}.1`, 'busy\n'.repeat(200));
      const batch = nextBatch(reader.cursor, region, 1000);
      return batch.kind === 'events' && region.toString('latin1', 0, batch.bytes) === 'quiet\n';
    };
    await until(hasQuiet, 10_000, 'the new file has its turn');
    await closed(reader);
  },
);

rotation(
  'bytes that were kept to be read again are there after a truncation, in the copy',
  async ({ log }) => {
    writeFileSync(log, 'one\ntwo\n');
    const reader = await read([log]);
    await reader.sees('one', 'two');
    const readAgain = reader.cursor.keepLastRead();
    const place = reader.cursor.lastPlace();
    nextTick(log);
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    appendFileSync(log, 'three, which is longer\n');
    await reader.sees('one', 'two', 'three, which is longer');
    await settled();
    const bytes = Buffer.alloc(4);
    assert.ok(readAgain(4, bytes));
    assert.is(bytes.toString(), 'two\n');
    assert.ok(reader.cursor.readAt({ ...place, offset: 0 }, bytes));
    assert.is(bytes.toString(), 'one\n');
    await closed(reader);
  },
);

rotation.run();
