/**
 * Files that are known again at the next start by what they are and hold, also where others look like them or they are rotated meanwhile.
 */
import { appendFileSync, copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../help.js';
import { closed, nextTick, QUICK, read } from './following.js';

const down = suite<{ folder: string; log: string }>('known again');
down.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.log = join(context.folder, 'auth.log');
});
down.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

down(
  'a file that was renamed is known from one that begins alike and has taken its place',
  async ({ log }) => {
    const lines = 'the same line all the time\n'.repeat(40);
    writeFileSync(log, lines);
    const reader = await read([log]);
    await reader.sees(...lines.trimEnd().split('\n'));
    const saved = reader.cursor.position();
    await closed(reader);
    nextTick(log);
    appendFileSync(log, 'and its rest\n');
    renameSync(log, `${log}.1`);
    writeFileSync(log, lines);
    const again = await read([log], QUICK, saved);
    await again.sees('and its rest', ...lines.trimEnd().split('\n'));
    await closed(again);
  },
);

down('a place in a file that is copied and truncated while the host starts', async ({ log }) => {
  for (const written of ['', 'x', 'four, and more than was there before\n']) {
    writeFileSync(log, 'one\ntwo\n');
    const reader = await read([log]);
    const saved = reader.cursor.position();
    await reader.sees('one', 'two');
    const place = reader.cursor.lastPlace();
    await closed(reader);
    const again = await read([log], QUICK, saved);
    // Between two looks: nothing has noticed.
    copyFileSync(log, `${log}.1`);
    writeFileSync(log, written);
    const bytes = Buffer.alloc(4);
    assert.ok(again.cursor.readAt({ ...place, offset: 4 }, bytes), written);
    assert.is(bytes.toString(), 'two\n');
    again.cursor.goTo({ ...place, offset: 8 }, false);
    appendFileSync(log, ' five\n');
    await again.sees(...`${written} five`.split('\n'));
    await closed(again);
    for (const path of [log, `${log}.1`]) rmSync(path);
  }
});

down('a place in a file that was still short, in the copy of what it became', async ({ log }) => {
  const first = 'the first one, long enough to be known by what it holds\n'.repeat(20);
  writeFileSync(log, first);
  const begin = await read([log]);
  await begin.sees(...first.trimEnd().split('\n'));
  const saved = await closed(begin);
  nextTick(log);
  const reader = await read([log], QUICK, saved);
  copyFileSync(log, `${log}.1`);
  writeFileSync(log, '');
  nextTick(log);
  appendFileSync(log, 'two\n');
  await reader.sees('two');
  const place = reader.cursor.lastPlace();
  await closed(reader);
  nextTick(log);
  appendFileSync(log, 'three\n');
  copyFileSync(log, `${log}.2`);
  writeFileSync(log, 'four\n');
  const again = await read([log], QUICK, saved);
  const bytes = Buffer.alloc(4);
  assert.ok(again.cursor.readAt({ ...place, offset: 0 }, bytes));
  assert.is(bytes.toString(), 'two\n');
  again.cursor.goTo({ ...place, offset: 4 }, false);
  await again.sees('three', 'four');
  await closed(again);
});

/** Line one is copied away, line two renamed away, and line three stays. */
function writeAndRotateTwice(log: string): void {
  nextTick(log);
  appendFileSync(log, 'one\n');
  copyFileSync(log, `${log}.1`);
  writeFileSync(log, '');
  nextTick(log);
  appendFileSync(log, 'two\n');
  renameSync(log, `${log}.2`);
  writeFileSync(log, 'three\n');
}

down('what was made of a file that was empty comes before what it got after that', async ({ log }) => {
  writeFileSync(log, '');
  const reader = await read([log]);
  const saved = reader.cursor.position();
  await closed(reader);
  writeAndRotateTwice(log);
  const again = await read([log], QUICK, saved);
  await again.sees('one', 'two', 'three');
  await closed(again);
});

down('the same between two looks', async ({ log }) => {
  writeFileSync(log, '');
  const reader = await read([log]);
  writeAndRotateTwice(log);
  await reader.sees('one', 'two', 'three');
  await closed(reader);
});

down.run();
