/**
 * Reading on after a restart: positions, what happened while nobody watched, and whole lives of files by chance.
 */
import {
  appendFileSync,
  copyFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, until } from '../help.js';
import {
  closed,
  eventsOf,
  nextTick,
  openBelow,
  QUICK,
  read,
  readerOf,
  SLOW,
  TO_THE_END,
} from './following.js';
import { createRandom, pieces } from './reading.js';

const restart = suite<{ folder: string; log: string }>('restart');
restart.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.log = join(context.folder, 'app.log');
});
restart.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

restart(
  'after close every descriptor is free, nothing is read, and the position is still known',
  async ({ folder, log }) => {
    writeFileSync(log, 'one\n');
    const reader = await read([join(folder, '*')]);
    await reader.sees('one');
    appendFileSync(log, 'two\n');
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'three\n');
    await until(() => openBelow(folder).length === 2, 5000, 'both are open');
    const saved = (await closed(reader)) as { offset: number }[];
    assert.equal(openBelow(folder), []);
    assert.equal(reader.take(), ['one']);
    assert.equal(
      saved.map(({ offset }) => offset),
      [4, 0],
    );
    await reader.source.close();
  },
);

restart(
  'after a restart reading goes on where it was, over a rotation while nobody watched',
  async ({ folder, log }) => {
    writeFileSync(`${log}.0`, 'an older one that nobody asked for\n');
    writeFileSync(log, 'one\ntw');
    const first = await read([log]);
    await first.sees('one');
    const saved = await closed(first);
    appendFileSync(log, 'o\nthree\n');
    const second = await read([log], QUICK, saved);
    await second.sees('two', 'three');
    const savedAgain = await closed(second);
    appendFileSync(log, 'four\n');
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'five\n');
    const third = await read([log], QUICK, savedAgain);
    await third.sees('four', 'five');
    await until(() => openBelow(folder).length === 1, 5000, 'the rotated file is closed');
    assert.equal(third.notices, []);
    await closed(third);
  },
);

restart('several rotations while nobody watched are read in their order', async ({ log }) => {
  writeFileSync(log, 'one\n');
  const first = await read([log], SLOW);
  const saved = (await closed(first)) as object[];
  renameSync(log, `${log}.2`);
  writeFileSync(log, 'two\n');
  const second = await read([log], SLOW);
  const savedLater = (await closed(second)) as object[];
  renameSync(log, `${log}.1`);
  writeFileSync(log, 'three\n');
  const third = await read([log], TO_THE_END, [...saved, ...savedLater]);
  assert.equal(third.take(), ['one', 'two', 'three']);
  await closed(third);
});

restart(
  'another file in the same place is read from its beginning, even with the same inode',
  async ({ log }) => {
    for (const replace of [
      () => writeFileSync(log, 'new-1\nnew-2\nnew-3\n'),
      () => {
        rmSync(log);
        writeFileSync(log, 'new-1\nnew-2\nnew-3\n');
      },
    ]) {
      writeFileSync(log, 'old-1\nold-2\n');
      const first = await read([log]);
      await first.sees('old-1', 'old-2');
      const saved = await closed(first);
      replace();
      const id = `${statSync(log).dev}:${statSync(log).ino}`;
      const second = await read(
        [log],
        QUICK,
        (saved as object[]).map((place) => ({ ...place, id })),
      );
      await second.sees('new-1', 'new-2', 'new-3');
      assert.match(second.notices.join(), /app\.log: is another file than before/);
      await closed(second);
    }
  },
);

restart(
  'the device number may change with a boot, and numbers may be larger than a double is exact',
  async ({ log }) => {
    writeFileSync(log, 'one\n');
    const first = await read([log]);
    await first.sees('one');
    const saved = (await closed(first)) as { id: string }[];
    appendFileSync(log, 'two\n');
    const moved = saved.map((place) => ({ ...place, id: place.id.replace(/^\d+/, '18446744073709551615') }));
    const second = await read([log], TO_THE_END, moved);
    assert.equal(second.take(), ['two']);
    assert.equal(second.notices, []);
    await closed(second);
  },
);

restart(
  'a position that makes no sense is told of, and every file is read from its beginning',
  async ({ log }) => {
    writeFileSync(log, 'one\n');
    const first = await read([log]);
    await first.sees('one');
    const [place] = (await closed(first)) as [{ path: string; id: string; offset: number }];
    const damaged: unknown[] = [
      null,
      'rubbish',
      { length: 1 },
      [null],
      [{ ...place, offset: -1 }],
      [{ ...place, offset: 1e300 }],
      [{ ...place, offset: '4' }],
      [{ ...place, id: '../../etc' }],
      [{ ...place, id: `${'9'.repeat(1000)}:1` }],
      [{ ...place, skipping: 1 }],
      [{ ...place, knownAs: 'rubbish' }],
      [{ ...place, size: -1 }],
      [{ ...place, offset: 5 }],
      [{ ...place, digest: null }],
      [{ ...place, seenMs: '0' }],
      [{ ...place, path: ['/'] }],
      [{ ...place, path: 'x'.repeat(5000) }],
      Array.from({ length: 10_000 }, () => place),
    ];
    for (const saved of damaged) {
      const reader = await read([log], TO_THE_END, saved);
      assert.equal(reader.take(), ['one'], JSON.stringify(saved).slice(0, 100));
      assert.match(reader.notices.join(), /the saved positions are not understood/);
      await closed(reader);
    }
    for (const lie of [
      { ...place, size: 5, offset: 5 },
      { ...place, size: Number.MAX_SAFE_INTEGER, digest: 'aa' },
      { ...place, digest: 'aa' },
    ]) {
      const reader = await read([log], TO_THE_END, [lie]);
      assert.equal(reader.take(), ['one'], JSON.stringify(lie));
      await closed(reader);
    }
  },
);

restart('a position cannot make a file be read that the config does not name', async ({ folder, log }) => {
  const secret = join(folder, 'secret');
  writeFileSync(secret, 'secret\n');
  writeFileSync(log, 'one\n');
  const first = await read([secret], SLOW);
  const saved = (await closed(first)) as object[];
  const named = await read([log], TO_THE_END, saved);
  assert.equal(named.take(), ['one']);
  await closed(named);
  const elsewhere = await read(
    [log],
    TO_THE_END,
    saved.map((place) => ({ ...place, path: log })),
  );
  assert.equal(elsewhere.take(), ['one']);
  assert.equal(openBelow(folder), [log]);
  await closed(elsewhere);
});

restart('a rotated file is not kept for a filter that was taken out', async ({ folder, log }) => {
  writeFileSync(log, 'one\n');
  const reader = await read([log]);
  const dead = reader.source.cursor();
  await reader.sees('one');
  rmSync(log);
  dead.close();
  await until(() => openBelow(folder).length === 0, 5000, 'it is closed');
  await closed(reader);
});

let rotations = 1;
for (const [how, rotate] of [
  ['renamed', (log: string) => renameSync(log, `${log}.${rotations++}`)],
  [
    'copied and truncated',
    (log: string) => {
      copyFileSync(log, `${log}.${rotations++}`);
      truncateSync(log);
    },
  ],
] as const)
  restart(
    `a place that was given up is where it was, though its file was ${how} since`,
    async ({ folder, log }) => {
      writeFileSync(log, 'one\n');
      const reader = await read([log]);
      await reader.sees('one');
      const leaving = readerOf(reader.source);
      await leaving.sees('one');
      appendFileSync(log, 'two\n');
      leaving.cursor.close();
      await reader.sees('one', 'two');
      nextTick(log);
      rotate(log);
      appendFileSync(log, 'three\n');
      await reader.sees('one', 'two', 'three');
      await until(() => openBelow(folder).join() === log, 5000, 'the rotated one is closed');
      await closed(reader);
      const saved = JSON.parse(JSON.stringify(leaving.cursor.position()));
      const again = await read([log], TO_THE_END, saved);
      assert.equal(again.take(), ['two', 'three']);
      await closed(again);
    },
  );

/** One file's life: what is done to it, and its lines in order. */
function createWriter(log: string, random: (below: number) => number) {
  const lines: string[] = [];
  let rotations = 0;
  return {
    lines,
    append(most: number) {
      const added = Array.from(
        { length: 1 + random(most) },
        (_, at) => `line ${lines.length + at} ${'x'.repeat(random(40))}`,
      );
      lines.push(...added);
      const bytes = Buffer.from(`${added.join('\n')}\n`);
      for (const piece of pieces(bytes, random, 200)) appendFileSync(log, piece);
    },
    rename() {
      rotations += 1;
      renameSync(log, `${log}.${rotations}`);
      writeFileSync(log, '');
    },
    copyAndTruncate() {
      rotations += 1;
      copyFileSync(log, `${log}.${rotations}`);
      truncateSync(log, 0);
    },
  };
}

restart(
  'whatever is appended, rotated and restarted, every line is read once and in order',
  async ({ folder }) => {
    const seeds = [1, 2, 3, 4, 5, 6, Date.now() % 1_000_000];
    for (const seed of seeds) {
      console.log(`note: seed ${seed}`);
      const random = createRandom(seed);
      const log = join(folder, `${seed}.log`);
      writeFileSync(log, '');
      const writer = createWriter(log, random);
      let reader = await read([log]);
      const lines: string[] = [];
      const catchUp = async () => {
        await until(
          () => lines.push(...eventsOf(reader.cursor)) >= writer.lines.length,
          10_000,
          `seed ${seed}`,
        ).catch(() => {});
        assert.equal(lines, writer.lines, `seed ${seed}`);
      };
      const isOpen = () => openBelow(folder).includes(log);
      for (let step = 0; step < 80; step++) {
        const choice = random(12);
        if (choice === 6 || choice === 8) await until(isOpen, 5000, 'the first look at the file');
        if (choice < 6) writer.append(30);
        else if (choice === 6) writer.rename();
        else if (choice === 7) {
          await catchUp();
          writer.copyAndTruncate();
          // Before the next look; it is found by how the file begins.
          writer.append(30);
          await catchUp();
        } else if (choice === 8) {
          const saved = await closed(reader);
          if (random(2)) writer.append(30);
          if (random(2)) writer.rename();
          if (random(2)) writer.append(30);
          reader = await read([log], QUICK, saved);
        } else if (choice === 9) await catchUp();
        else lines.push(...eventsOf(reader.cursor));
      }
      await catchUp();
      await closed(reader);
    }
  },
);

restart(
  'a place is found again by a later run, in a file that was rotated meanwhile, too',
  async ({ log }) => {
    writeFileSync(log, 'one\ntwo\nthree\n');
    const before = await read([log]);
    const saved = JSON.parse(JSON.stringify(before.cursor.position()));
    await before.sees('one', 'two', 'three');
    const place = JSON.parse(JSON.stringify(before.cursor.lastPlace()));
    await closed(before);
    renameSync(log, `${log}.1`);
    writeFileSync(log, 'four\n');
    const after = await read([log], QUICK, saved);
    const bytes = Buffer.alloc(4);
    assert.ok(after.cursor.readAt({ ...place, offset: 4 }, bytes));
    assert.is(bytes.toString(), 'two\n');
    assert.not(after.cursor.readAt({ ...place, offset: 12 }, bytes), 'past its end');
    assert.not(after.cursor.readAt({ ...place, file: '1:1' }, bytes), 'another file');
    after.cursor.goTo({ ...place, offset: 8 }, false);
    await after.sees('three', 'four');
    await closed(after);
  },
);

restart.run();
