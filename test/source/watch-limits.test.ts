/**
 * The limits of the watch source: what they cost is told, and nothing is held up or left behind.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { createSource } from '../../host/source/create.js';
import { WATCH_ENTRIES_MAX } from '../../host/limits.js';
import { createWatchSource } from '../../host/source/watch.js';
import { until } from '../help.js';
import { readText } from './reading.js';
import { type Event, watching, watchSuite } from './watching.js';

const CAPTURE = fileURLToPath(new URL('../../../../shared/corpus/inotify/capture1.log', import.meta.url));

const watch = watchSuite('watch limits');

watch(
  'a full table of entries is told of; changes still are, and nothing is told again and again',
  async (context) => {
    const { root } = context;
    for (let at = 0; at < 30; at++) writeFileSync(join(root, `${at}`), '');
    const { told, notices, events } = await watching(context, { entriesMax: 20, rescanMs: 5 });
    assert.match(notices.join(), /more than 20 entries: the rest of the trees is not fully seen$/);
    writeFileSync(join(root, 'new'), '');
    await told('create new');
    for (const first of [0, 15]) {
      const names = Array.from({ length: 15 }, (_, at) => String(first + at));
      for (const name of names) rmSync(join(root, name));
      await told(...names.map((name) => `delete ${name}`));
    }
    // What gets room in the table is told as new, once.
    assert.ok(events.length >= 31 && events.length <= 41, `${events.length}`);
  },
);

watch('two watch sources of one host remember half of the entries each', async ({ root, sources }) => {
  for (let at = 0; at < WATCH_ENTRIES_MAX / 2; at++) writeFileSync(join(root, `${at}`), '');
  const noticesAmong = async (watches: number) => {
    const source = createSource({ name: 'w', kind: 'watch', roots: [root] }, false, watches);
    sources.push(source);
    const notices: string[] = [];
    source.onNotice((line) => notices.push(line));
    await source.open();
    return notices;
  };
  assert.equal(await noticesAmong(1), []);
  // The root is an entry, too.
  assert.equal(await noticesAmong(2), [
    `source w: more than ${WATCH_ENTRIES_MAX / 2} entries: the rest of the trees is not fully seen`,
  ]);
});

watch('directories over the limit are still looked at from time to time', async (context) => {
  const { root } = context;
  for (const name of ['a', 'b', 'c']) mkdirSync(join(root, name));
  const { told, notices } = await watching(context, { directoriesMax: 2, rescanMs: 30 });
  assert.match(
    notices.join(),
    /more than 2 directories: .*\/b and others are only looked at; looked at every 30 ms/,
  );
  for (const name of ['a', 'b', 'c']) writeFileSync(join(root, name, 'file'), '');
  await told('create a/file', 'create b/file', 'create c/file');
});

watch(
  'more changes at once than can be remembered are found by looking at everything again',
  async (context) => {
    const { root } = context;
    const { told, notices } = await watching(context, { entriesMax: 20 });
    for (let at = 0; at < 60; at++) writeFileSync(join(root, `${at}`), '');
    for (let at = 0; at < 50; at++) rmSync(join(root, `${at}`));
    await told('create 50', 'create 59');
    assert.match(notices.join(), /more than 20 changes at once/);
  },
);

watch('what is only looked for, and has gone with its folder, did not come and go', async (context) => {
  const { root, folder } = context;
  const { source, told, events } = await watching(context);
  source.onData(() => {
    if (existsSync(join(root, 'd'))) renameSync(join(root, 'd'), join(folder, 'd'));
  });
  mkdirSync(join(folder, 'd'));
  writeFileSync(join(folder, 'd/file'), '');
  renameSync(join(folder, 'd'), join(root, 'd'));
  await told('create d', 'delete d');
  writeFileSync(join(root, 'after'), '');
  await told('create after');
  assert.is(events.length, 3, JSON.stringify(events));
});

watch('a file that is found gone before inotify tells of it is deleted once', async (context) => {
  const { root } = context;
  writeFileSync(join(root, 'file'), '');
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const { told, events } = await watching(context, { settleMs: 100 });
  const open = timers();
  appendFileSync(join(root, 'file'), 'x');
  await until(() => timers() > open, 5000, 'the change is seen');
  // Timers come before events: when this is over, the file is looked at, and only then the deletion is heard of.
  const endMs = performance.now() + 110;
  while (performance.now() < endMs);
  rmSync(join(root, 'file'));
  await told('delete file');
  writeFileSync(join(root, 'after'), '');
  await told('create after');
  assert.is(events.length, 2, JSON.stringify(events));
});

watch(
  'what finds no room in the inbox pushes out the oldest events, and each is counted',
  async (context) => {
    const { root } = context;
    const { source, cursor } = await watching(context, {
      inbox: { capacityBytes: 2000, eventBytesMax: 500 },
    });
    let told = 0;
    source.onData(() => told++);
    for (let at = 0; at < 100; at++) writeFileSync(join(root, `file-${at}`), '');
    await until(() => told === 100, 10_000, 'a hundred events');
    const left = readText(cursor).trim().split('\n').length;
    assert.ok(left > 5 && left < 50);
    assert.is(cursor.lostEvents(), 100 - left);
  },
);

watch(
  'close tells what was pending, ends every watch and timer, and can be called at any time',
  async (context) => {
    const { root } = context;
    mkdirSync(join(root, 'a/b'), { recursive: true });
    const busy = () => process.getActiveResourcesInfo().filter((name) => /FSEvent|Timeout/.test(name)).length;
    await until(() => busy() === 0, 5000, 'the watches of other tests are gone');
    const { source, cursor } = await watching(context, { settleMs: 1_000_000 });
    const open = busy();
    assert.is(open, 4, 'three watches and the clock of rescans');
    writeFileSync(join(root, 'a/b/file'), '');
    await until(() => busy() > open, 5000, 'the change is seen');
    await source.close();
    assert.match(readText(cursor), /"op":"create","path":"[^"]*\/a\/b\/file"/);
    assert.ok(cursor.ended());
    await source.close();
    await until(() => busy() === 0, 5000, 'nothing is left running');

    const early = createWatchSource('w', [root]);
    const opening = early.open();
    await early.close();
    await opening;
    await until(() => busy() === 0, 5000, 'nothing is left running of what never began');
  },
);

watch(
  'a tree of many entries is learned, looked at again and told without holding others up',
  async (context) => {
    const { root } = context;
    for (let at = 0; at < 5000; at++) {
      if (at % 200 === 0) mkdirSync(join(root, `${at / 200}`));
      writeFileSync(join(root, `${Math.floor(at / 200)}/${at}`), '');
    }
    let longestMs = 0;
    let lastMs = performance.now();
    const clock = setInterval(() => {
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
    }, 1);
    const { source } = await watching(context, { rescanMs: 200 });
    let told = 0;
    source.onData(() => told++);
    writeFileSync(join(root, '5/new'), '');
    await until(() => told === 1, 5000, 'the new file');
    renameSync(join(root, '7'), join(root, 'seven'));
    await until(() => told === 2, 5000, 'the rename');
    renameSync(root, `${root}.away`);
    await until(() => told === 5029, 20_000, 'everything is gone').catch(() => {});
    clearInterval(clock);
    assert.is(told, 2 + 1 + 25 + 5001);
    console.log(`note: with 5,026 entries others waited for ${longestMs.toFixed(0)} ms at most`);
  },
);

watch('a path that is longer than Linux takes costs nothing', async (context) => {
  const { root } = context;
  const name = 'n'.repeat(240);
  const script = 'cd "$1"; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do mkdir $2; cd $2; done';
  execFileSync('sh', ['-c', script, 'sh', root, name]);
  const { told } = await watching(context);
  execFileSync('sh', [
    '-c',
    `${script.replaceAll('mkdir $2; ', '')}; mkdir $2; chmod 700 $2`,
    'sh',
    root,
    name,
  ]);
  writeFileSync(join(root, 'after'), '');
  await told('create after');
  // Node cannot remove it.
  execFileSync('rm', ['-rf', join(root, name)]);
});

watch('the operations of a recorded session, done again, leave what was told', async (context) => {
  if (!existsSync(CAPTURE)) {
    console.log('note: shared/corpus is not beside this folder: the inotify capture is not replayed');
    return;
  }
  const { root } = context;
  const { take } = await watching(context);
  const there = new Set<string>();
  for (const [folder, name, flags] of captured(readFileSync(CAPTURE, 'utf8'))) {
    const path = join(root, folder, name);
    if (/CREATE|MOVED_TO/.test(flags)) {
      mkdirSync(join(root, folder), { recursive: true });
      if (/ISDIR/.test(flags)) mkdirSync(path, { recursive: true });
      else writeFileSync(path, '');
      there.add(path);
    } else if (flags === 'MODIFY' && there.has(path)) appendFileSync(path, 'x');
    else if (/DELETE|MOVED_FROM/.test(flags)) rmSync(path, { recursive: true, force: true });
  }
  const found = execFileSync('find', [root, '-mindepth', '1', '-print0'], { encoding: 'utf8' });
  const expected = found.split('\0').slice(0, -1).sort();
  assert.ok(expected.length > 20);
  await until(() => remaining(take()).join() === expected.join(), 5000, 'all of it').catch(() => {});
  assert.equal(remaining(take()), expected);
});

/** What is there according to the events, when nothing was there before. */
function remaining(events: readonly Event[]): string[] {
  const there = new Set<string>();
  for (const { op, path, from } of events) {
    if (from !== undefined) there.delete(from);
    if (op === 'delete') there.delete(path);
    else there.add(path);
  }
  return [...there].sort();
}

/** Folder, name and flags of each line; names may hold the separator and line ends. */
function captured(text: string): [folder: string, name: string, flags: string][] {
  return [...text.matchAll(/^\d+\|\/srv\/ino_w1\/([^|]*)\|([\s\S]*?)\|([A-Z_,]+)$/gm)]
    .filter(([, , name]) => name !== '')
    .map(([, folder, name, flags]) => [folder as string, name as string, flags as string]);
}

watch.run();
