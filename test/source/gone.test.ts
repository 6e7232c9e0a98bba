/**
 * What is told of a file that is nowhere when the host starts again: what is known to be lost, and what nobody knows.
 */
import { appendFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, until } from '../help.js';
import { after, closed, read, runOf } from './following.js';

const gone = suite<{ folder: string; log: string }>('gone');
gone.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.log = join(context.folder, 'auth.log');
});
gone.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

gone('what was compressed is told, with its bytes where they can be known', async ({ log }) => {
  for (const [name, bytes, told] of [
    ['1.gz', gzipSync('one\ntwo\nthree\n'), 'auth.log: the last 10 bytes of it are compressed now'],
    ['gz', gzipSync('one\ntwo\n'), 'auth.log: the last 4 bytes of it are compressed now'],
    ['1.xz', Buffer.from('?'), 'auth.log: what was not read of it is compressed now'],
    ['1.gz', gzipSync('one\n'), undefined],
  ] as const) {
    writeFileSync(log, 'one\n');
    const saved = await runOf(log, 'one');
    rmSync(log);
    writeFileSync(`${log}.${name}`, bytes);
    writeFileSync(log, 'four\n');
    const { lines, notices } = await after(saved, log);
    assert.equal(lines, ['four']);
    assert.is(notices.length, told ? 1 : 0);
    if (told)
      assert.ok(
        notices[0]?.includes(`${told}, and cannot be read, or not again (auth.log.${name})`),
        notices[0],
      );
    rmSync(`${log}.${name}`);
  }
});

gone(
  'of a file that is gone and was read to its end nobody knows whether it was written to',
  async ({ log }) => {
    for (const replace of [() => truncateSync(log), () => rmSync(log)]) {
      writeFileSync(log, 'one\ntwo\n');
      const saved = await runOf(log, 'one', 'two');
      appendFileSync(log, 'three\n');
      replace();
      appendFileSync(log, 'four\n');
      const { lines, notices } = await after(saved, log);
      assert.equal(lines, ['four']);
      assert.match(
        notices.join(),
        /auth\.log: is another file than before, read from its beginning; whether more had been written to the one before is not known/,
      );
    }
  },
);

gone('what a killed run had read since its place was saved is not told as if it had not', async ({ log }) => {
  writeFileSync(log, 'one\ntwo\n');
  const reader = await read([log]);
  const saved = JSON.parse(JSON.stringify(reader.cursor.position()));
  await reader.sees('one', 'two');
  await closed(reader);
  rmSync(log);
  writeFileSync(log, 'three\n');
  const { notices } = await after(saved, log);
  assert.match(notices.join(), /; 8 bytes at least of the one before cannot be read, or not again$/);
});

gone('what was deleted is told, with the bytes that are known to have been unread', async ({ log }) => {
  writeFileSync(log, 'one\ntwo\n');
  const reader = await read([log]);
  await reader.sees('one', 'two');
  appendFileSync(log, 'three\n');
  await until(() => reader.cursor.read(Buffer.alloc(9)).bytes === 6, 5000, 'a look at it');
  const saved = await closed(reader);
  rmSync(log);
  writeFileSync(log, 'four\n');
  const { lines, notices } = await after(saved, log);
  assert.equal(lines, ['four']);
  assert.match(
    notices.join(),
    /auth\.log: is another file than before, .*; 6 bytes at least of the one before cannot be read/,
  );
});

gone.run();
