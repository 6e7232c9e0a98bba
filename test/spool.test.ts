/**
 * The spool against a list in memory, and against what kills and disks do to files.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ENTRY_HEADER_BYTES } from '../host/spool/entry.js';
import { createSpool, type Spool, type SpoolReader } from '../host/spool/spool.js';
import { createSpoolSpace, type SyncPolicy } from '../host/spool/space.js';
import { temporaryFolder, until } from './help.js';
import { createRandom } from './source/reading.js';

const spools = suite<{ folder: string }>('spool');
spools.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
spools.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const open = (folder: string, segmentBytes = 200) => createSpool({ folder, segmentBytes });
const put = (spool: Spool, ...texts: string[]) =>
  spool.append(
    texts.map((text, at) => ({
      kind: at === texts.length - 1 ? 'commit' : 'message',
      payload: [Buffer.from(text)],
    })),
  );
const filesOf = (folder: string) =>
  readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));

function rest(reader: SpoolReader): [number, string][] {
  const found: [number, string][] = [];
  for (let entry = reader.next(); entry; entry = reader.next())
    found.push([entry.number, entry.payload.toString('latin1')]);
  return found;
}

function all(spool: Spool, after = 0): { entries: [number, string][]; damaged: number } {
  const reader = spool.read(after);
  const entries = rest(reader);
  reader.close();
  return { entries, damaged: reader.damaged() };
}

spools(
  'whatever is appended, released and opened anew: what was not released is there, in order',
  async ({ folder }) => {
    const seed = Number(process.env.SEED ?? Date.now() % 1e6);
    console.log(`note: seed ${seed}`);
    const random = createRandom(seed);
    for (let round = 0; round < 20; round++) {
      const path = join(folder, String(round));
      let spool = open(path);
      let reader = spool.read(0);
      const model: [number, string][] = [];
      let [released, readTo] = [0, 0];
      for (let step = 0; step < 200; step++) {
        const choice = random(10);
        if (choice < 5) {
          const texts = Array.from({ length: 1 + random(3) }, () => 'x'.repeat(random(90)));
          const first = put(spool, ...texts);
          for (const [at, text] of texts.entries()) model.push([first + at, text]);
          assert.is(spool.last(), model.length);
        } else if (choice < 7) {
          const found = rest(reader);
          assert.equal(found, model.slice(readTo), `seed ${seed}`);
          readTo = model.length;
        } else if (choice < 8) {
          released = Math.max(released, random(readTo + 1));
          spool.release(released);
          assert.ok(spool.first() <= released + 1);
        } else if (choice < 9) {
          const from = released + random(model.length - released + 1);
          assert.equal(all(spool, from).entries, model.slice(from), `seed ${seed}`);
        } else {
          // A kill: the file descriptors are all that is lost.
          reader.close();
          if (random(2)) await spool.close();
          spool = open(path);
          assert.is(spool.last(), model.length, `seed ${seed}`);
          reader = spool.read(readTo);
        }
      }
      spool.release(model.length);
      assert.ok(spool.bytes() < 100, `${spool.bytes()} bytes are left`);
      reader.close();
      await spool.close();
    }
  },
);

spools(
  'a tail that is torn at whatever length is cut off, and numbers go on behind it',
  async ({ folder }) => {
    const spool = open(folder, 10_000);
    put(spool, 'one', 'two');
    put(spool, 'three', 'four');
    await spool.close();
    const [path = ''] = filesOf(folder);
    const whole = readFileSync(path);
    // Also a whole entry without the commit behind it.
    const two = 2 * ENTRY_HEADER_BYTES + 6;
    for (let length = whole.length - 1; length >= two; length--) {
      writeFileSync(path, whole.subarray(0, length));
      const torn = open(folder, 10_000);
      assert.is(torn.last(), 2);
      assert.equal(rest(torn.read(0)), [
        [1, 'one'],
        [2, 'two'],
      ]);
      put(torn, '3');
      assert.equal(all(torn), {
        entries: [
          [1, 'one'],
          [2, 'two'],
          [3, '3'],
        ],
        damaged: 0,
      });
      await torn.close();
      writeFileSync(path, whole.subarray(0, length));
    }
  },
);

spools(
  'a new segment whose first append is torn is as if it had never been, for readers, too, and over restarts',
  async ({ folder }) => {
    const first = join(folder, 'first');
    const spool = open(first, 50);
    put(spool, 'one', 'two');
    put(spool, 'torn', 'off');
    await spool.close();
    const [, path = ''] = filesOf(first);
    const whole = readFileSync(path);
    for (let length = whole.length - 1; length >= 0; length--) {
      const copy = join(folder, String(length));
      cpSync(first, copy, { recursive: true });
      writeFileSync(join(copy, basename(path)), whole.subarray(0, length));
      const torn = open(copy, 50);
      const reader = torn.read(0);
      assert.is(rest(reader).length, 2);
      put(torn, '3', '4');
      assert.equal(rest(reader), [
        [3, '3'],
        [4, '4'],
      ]);
      await torn.close();
      const again = open(copy, 50);
      assert.is(again.last(), 4);
      assert.is(all(again).entries.length, 4);
      await again.close();
    }
  },
);

spools(
  'each byte that is damaged costs the entry it is in, which is counted, and no other',
  async ({ folder }) => {
    const texts = ['first', 'second', 'third', 'the fourth', 'fifth'];
    const spool = open(folder, 70);
    for (const text of texts) put(spool, text);
    await spool.close();
    const files = filesOf(folder);
    assert.ok(files.length > 1);
    for (const path of files) {
      const whole = readFileSync(path);
      for (let at = 0; at < whole.length; at++) {
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
        writeFileSync(path, flipped);
        const opened = open(folder, 70);
        const { entries, damaged } = all(opened);
        assert.is(entries.length, texts.length - 1, `byte ${at} of ${path}`);
        for (const [number, text] of entries) assert.is(text, texts[number - 1]);
        // The last one is as if it had never been written.
        assert.is(
          damaged,
          entries[entries.length - 1]?.[0] === texts.length ? 1 : 0,
          `byte ${at} of ${path}`,
        );
        await opened.close();
        writeFileSync(path, whole);
      }
    }
  },
);

spools('bytes of an entry that look like another one are not one', async ({ folder }) => {
  const spool = open(folder, 10_000);
  put(spool, 'secret');
  const [path = ''] = filesOf(folder);
  const inner = readFileSync(path);
  put(spool, inner.toString('latin1'), 'last');
  // The salt of an attacker is a guess; this one even knows it.
  const forged = Buffer.from(inner);
  forged.writeUInt32LE((inner.readUInt32LE(0) + 1) >>> 0, 0);
  put(spool, forged.toString('latin1'));
  assert.equal(
    all(spool).entries.map(([number]) => number),
    [1, 2, 3, 4],
  );
  await spool.close();
});

spools(
  'a file that is not its own it leaves alone, and what the folder has lost it does not number again',
  async ({ folder }) => {
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const spool = createSpool({ folder, segmentBytes: 100, numbersFrom: 41 });
    assert.is(put(spool, 'next'), 42);
    await spool.close();
    assert.is(readFileSync(join(folder, 'notes.txt'), 'utf8'), 'mine');
    for (const path of filesOf(folder))
      assert.is(statSync(path).mode & 0o077, path.endsWith('.seg') ? 0 : 0o044);
  },
);

const spaceOf = (folder: string, sync: SyncPolicy, onSafe = () => {}) =>
  createSpoolSpace({ dataFolder: folder, bytesMax: 1 << 20, freeBytes: 0, sync, notice() {}, onSafe });

spools('with "always" nothing may go out before it is safe; else at once', async ({ folder }) => {
  const entries = [{ kind: 'commit', payload: [Buffer.from('x')] }] as const;
  let safe = 0;
  const always = spaceOf(join(folder, 'always'), 'always', () => safe++);
  const spool = always.open('f', 0);
  always.append(spool, entries);
  assert.is(always.safe(spool), 0);
  await until(() => safe === 1, 5_000, 'it is safe');
  assert.is(always.safe(spool), 1);
  await always.close();
  for (const sync of ['none', 'interval'] as const) {
    const space = spaceOf(join(folder, sync), sync);
    const other = space.open('f', 0);
    space.append(other, entries);
    assert.is(space.safe(other), 1);
    await space.close();
  }
});

spools('what is to be kept for some time stays when it could go', async ({ folder }) => {
  const spool = open(folder, 50);
  for (let at = 0; at < 5; at++) put(spool, 'x'.repeat(50));
  spool.release(5, 60_000);
  assert.is(all(spool).entries.length, 5);
  for (const path of filesOf(folder)) utimesSync(path, 0, 0);
  spool.release(5, 60_000);
  // The last segment is written to.
  assert.is(all(spool).entries.length, 1);
  spool.release(5);
  assert.is(all(spool).entries.length, 0);
  await spool.close();
});

spools.run();
