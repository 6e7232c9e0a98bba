/**
 * Many files: all are followed, those that are quiet at a small cost, and descriptors are left for all else.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FILE_QUIET_LOOKS } from '../../host/limits.js';
import { temporaryFolder, until } from '../help.js';
import { closed, QUICK, read } from './following.js';

const many = suite<{ folder: string }>('manyfiles');
many.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
many.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

many('of 1000 quiet files each is looked at again, and none is forgotten', async ({ folder }) => {
  const paths = Array.from({ length: 1000 }, (_, at) => join(folder, `${at}.log`));
  for (const path of paths) writeFileSync(path, 'one\n');
  const startMs = performance.now();
  const reader = await read([join(folder, '*.log')], { ...QUICK, rescanMs: 1_000_000, quietMs: 0 });
  assert.is(reader.take().length, 1000);
  console.log(`note: 1000 files opened and read in ${Math.round(performance.now() - startMs)} ms`);
  for (const path of paths) appendFileSync(path, 'two\n');
  let looks = 0;
  reader.source.onData(() => looks++);
  await until(() => reader.take().length === 2000, 10_000, 'every second line');
  assert.ok(looks >= Math.floor(1000 / FILE_QUIET_LOOKS), `${looks} looks`);
  await closed(reader);
});

many('more files than may be open: the rest waits, is told, and descriptors are left', async ({ folder }) => {
  for (let at = 0; at < 300; at++) writeFileSync(join(folder, `${at}.log`), 'one\n');
  const crowded = fileURLToPath(new URL('crowded.js', import.meta.url));
  const command = 'ulimit -n 256 && exec "$0" "$@"';
  const told = execFileSync('sh', ['-c', command, process.execPath, crowded, folder], { encoding: 'utf8' });
  const { first, left, notices } = JSON.parse(told);
  assert.ok(first > 80 && first <= 128, `${first} read at first`);
  assert.ok(left >= 100, `${left} descriptors left`);
  assert.is(notices.length, 1);
  assert.match(notices[0], /files are open, which is all that this process may open.*; \d+ are not read/);
});

many.run();
