/**
 * The file of an inbox: what is in it when its process is killed at any byte, and what happens when it was damaged.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { INBOX_DEFAULTS } from '../../host/source/inbox.js';
import type { Position } from '../../host/source/source.js';
import { refusalOf } from '../configs.js';
import { temporaryFolder } from '../help.js';
import { arrive, failWrites, filled, killAfter, lostAt, open, saved } from './keeping.js';
import { createRandom, readText } from './reading.js';

const HEADER_BYTES = 8192;
const SLOTS = [0, 4096];
const CRC_AT = 72;
const NUMBERS_AT = 16;

const ring = suite<{ folder: string; path: string; other: string }>('ring file');
ring.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.path = join(context.folder, 's.ring');
  context.other = join(context.folder, 'other.ring');
});
ring.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

interface Life {
  /** All that was appended. */
  readonly lines: readonly string[];
  /** Lines that were in the file after the last write that was whole. */
  readonly kept: number;
  /** A place that was saved, and the number of its line. */
  readonly place: Position;
  readonly line: number;
  readonly writtenBytes: number;
}

/** One process that appends and reads, the same way for the same seed, until it is killed. */
async function live(path: string, seed: number, bytesMax: number): Promise<Life> {
  const random = createRandom(seed);
  const { inbox } = open(path);
  const cursor = inbox.cursor();
  const kill = killAfter(bytesMax);
  const lines: string[] = [];
  let [kept, line, place] = [0, 0, saved(cursor.position())];
  for (let turn = 0; turn < 8; turn += 1) {
    const events = Array.from({ length: 1 + random(5) }, (_, at) =>
      `${lines.length + at}.`.padEnd(random(20), '.'),
    );
    lines.push(...events);
    await arrive(inbox, events);
    if (!kill.isKilled()) kept = lines.length;
    if (random(4) > 0) continue;
    readText(cursor);
    const position = saved(cursor.position());
    if (!kill.isKilled()) [line, place] = [lines.length, position];
  }
  kill.undo();
  return { lines, kept, place, line, writtenBytes: kill.written() };
}

ring(
  'a kill within any write leaves whole events, all that were written, and exact counts',
  async ({ path, other }) => {
    const seeds = [1, Date.now() % 1_000_000];
    console.log(`note: seeds ${seeds}`);
    for (const seed of seeds) {
      const { writtenBytes } = await live(path, seed, Number.POSITIVE_INFINITY);
      rmSync(path);
      assert.ok(writtenBytes > 1_000, `${writtenBytes}`);
      for (let bytes = 0; bytes <= writtenBytes; bytes += 1) {
        const where = `seed ${seed}, killed after ${bytes} bytes`;
        const { lines, kept, place, line } = await live(path, seed, bytes);
        copyFileSync(path, other);
        rmSync(path);
        const { inbox, notices } = open(other);
        const cursor = inbox.cursor(place);
        const read = readText(cursor).split('\n').slice(0, -1);
        const all = readText(inbox.cursor()).split('\n').slice(0, -1);
        const from = all[0] === undefined ? 0 : lines.indexOf(all[0]);
        assert.equal(all, lines.slice(from, from + all.length), where);
        const end = line + cursor.lostEvents() - lostAt(place) + read.length;
        assert.ok(end >= kept, `${where}: ${end} of ${kept} lines`);
        assert.equal(read, lines.slice(end - read.length, end), where);
        assert.equal(notices, [], where);
        inbox.end();
      }
    }
  },
);

ring('a header with any byte flipped falls back to the one before', async ({ path, other }) => {
  const { lines, place } = await filled(path);
  const whole = readFileSync(path);
  const seen = new Set<string>();
  for (const slot of SLOTS) {
    for (let at = slot; at < slot + CRC_AT + 4; at += 1) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      writeFileSync(other, flipped);
      const { inbox, notices } = open(other);
      const cursor = inbox.cursor(place);
      const read = readText(cursor).split('\n').slice(0, -1);
      assert.equal(notices, [], `byte ${at}`);
      const end = 10 + cursor.lostEvents() - lostAt(place) + read.length;
      assert.ok(end === 30 || end === 26, `byte ${at}: ${end}`);
      assert.equal(read, lines.slice(end - read.length, end), `byte ${at}`);
      seen.add(`${slot} ${end}`);
      inbox.end();
    }
  }
  assert.equal([...seen].map((text) => text.split(' ')[1]).sort(), ['26', '30']);
});

ring(
  'of a file that was cut or changed the events that nobody had read are counted',
  async ({ path, other }) => {
    const { place } = await filled(path);
    const size = statSync(path).size;
    const spoil: [what: string, spoil: () => void][] = [
      ...[HEADER_BYTES, HEADER_BYTES + 1, size - 1].map(
        (bytes) => [`cut to ${bytes}`, () => truncateSync(other, bytes)] as [string, () => void],
      ),
      ['longer', () => writeFileSync(other, Buffer.concat([readFileSync(path), Buffer.alloc(1)]))],
      [
        'other bytes',
        () =>
          writeFileSync(
            other,
            Buffer.concat([readFileSync(path).subarray(0, HEADER_BYTES), Buffer.alloc(64)]),
          ),
      ],
    ];
    for (const [what, change] of spoil) {
      copyFileSync(path, other);
      change();
      const { inbox, notices } = open(other);
      const cursor = inbox.cursor(place);
      assert.is(cursor.lostEvents() - lostAt(place), 20, what);
      assert.match(
        notices.join(),
        /^source s: .*other\.ring: expected an inbox, found .*; the 8 events that it held are lost$/,
      );
      await arrive(inbox, ['new']);
      assert.is(readText(cursor), 'new\n', what);
      inbox.end();
      assert.is(statSync(other).size, size);
      const next = open(other);
      assert.equal([readText(next.inbox.cursor()), next.notices], ['new\n', []], 'it is whole again');
      next.inbox.end();
    }
  },
);

ring('a file that is no inbox is made anew, and that nothing is counted is told', async ({ path, other }) => {
  const { place } = await filled(path);
  const others: [what: string, make: () => void][] = [
    ['empty', () => writeFileSync(other, '')],
    ['half a header', () => writeFileSync(other, readFileSync(path).subarray(0, 50))],
    ['text', () => writeFileSync(other, 'x'.repeat(9_000))],
    ['zeros', () => writeFileSync(other, Buffer.alloc(statSync(path).size))],
    ['a pipe', () => spawnSync('mkfifo', [other])],
    ['a link to a file', () => symlinkSync(path, other)],
    ['a link to nothing', () => symlinkSync(join(other, 'nothing'), other)],
  ];
  if (process.geteuid?.() === 0)
    others.push([
      "another user's",
      () => {
        copyFileSync(path, other);
        chownSync(other, 1, 1);
      },
    ]);
  const before = readFileSync(path);
  for (const [what, make] of others) {
    make();
    const { inbox, notices } = open(other);
    const cursor = inbox.cursor(place);
    inbox.cursor(place);
    assert.is(notices.length, 2, `${what}: ${notices}`);
    assert.match(
      notices[0] as string,
      /expected an inbox, found .*; it was made anew, and what it held is not counted/,
      what,
    );
    assert.match(notices[1] as string, /its inbox is not the one of the last run/, what);
    assert.is(cursor.lostEvents(), lostAt(place), what);
    await arrive(inbox, ['new']);
    assert.is(readText(cursor), 'new\n', what);
    inbox.end();
    rmSync(other);
  }
  assert.equal(readFileSync(path), before, 'no link was followed');
  assert.not(existsSync(`${other}.new`));
});

/** A slot with a right checksum, whatever its numbers are. */
function forged(slot: Buffer, numbers: readonly number[]): Buffer {
  const copy = Buffer.from(slot);
  numbers.forEach((number, at) => {
    copy.writeDoubleLE(number, NUMBERS_AT + 8 * at);
  });
  copy.writeUInt32LE(crc32(copy.subarray(0, CRC_AT)), CRC_AT);
  return copy;
}

ring('numbers that cannot be are not believed, and random bytes neither', async ({ path, other }) => {
  await filled(path);
  const whole = readFileSync(path);
  const slot = whole.subarray(0, CRC_AT + 4);
  const seed = Date.now() % 1_000_000;
  console.log(`note: seed ${seed}`);
  const random = createRandom(seed);
  const odd = [
    0,
    1,
    9,
    30,
    64,
    65,
    240,
    -1,
    0.5,
    2 ** 32,
    2 ** 52,
    2 ** 53,
    1e300,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ];
  const numbers = Array.from({ length: 7 }, (_, at) => slot.readDoubleLE(NUMBERS_AT + 8 * at));
  for (let round = 0; round < 3_000; round += 1) {
    const bytes = Buffer.from(whole);
    if (round % 3 > 0) {
      const changed = numbers.map((number) => (random(3) ? number : (odd[random(odd.length)] as number)));
      for (const at of SLOTS) forged(slot, changed).copy(bytes, at);
    } else
      for (let flips = random(20); flips >= 0; flips -= 1)
        bytes[random(2) ? random(80) : random(bytes.length)] = random(256);
    writeFileSync(other, bytes);
    const { inbox } = open(other);
    const text = readText(inbox.cursor());
    assert.ok(text === '' || text.endsWith('\n'), `round ${round}`);
    await arrive(inbox, ['new']);
    assert.ok(readText(inbox.cursor()).endsWith('new\n'), `round ${round}`);
    inbox.end();
    rmSync(other);
  }
});

ring('without room for the whole file there is none, and the host says so', async ({ path, folder }) => {
  const failing = failWrites('ENOSPC');
  const refused = refusalOf(() => open(path, INBOX_DEFAULTS), 'INBOX_UNWRITABLE');
  failing.end();
  assert.is(
    refused,
    `${path}: expected to make an inbox of 4202496 bytes, found ENOSPC: it does not work, write`,
  );
  assert.not(existsSync(`${path}.new`));
  assert.match(
    refusalOf(() => open(join(folder, 'missing', 's.ring')), 'INBOX_UNWRITABLE'),
    /missing\/s\.ring: expected to make an inbox of 8256 bytes, found ENOENT: no such file/,
  );
  mkdirSync(path);
  assert.match(
    refusalOf(() => open(path), 'INBOX_UNWRITABLE'),
    /s\.ring: expected .*, found EISDIR/,
  );
});

ring('a disk that fails for a while costs nothing as long as the process lives', async ({ path, other }) => {
  const { inbox, notices } = open(path);
  const cursor = inbox.cursor();
  await arrive(inbox, ['aaa']);
  const failing = failWrites('EIO');
  for (let at = 0; at < 20; at += 1) await arrive(inbox, [`event ${at}`]);
  assert.is(readText(cursor).split('\n').at(-2), 'event 19');
  failing.end();
  assert.is(notices.length, 1);
  assert.match(
    notices[0] as string,
    /^source s: its inbox cannot be written, what comes is kept in memory only: EIO/,
  );
  await arrive(inbox, ['bbb']);
  copyFileSync(path, other);
  const next = open(other);
  assert.is(readText(next.inbox.cursor()).split('\n').slice(-4).join(), 'event 18,event 19,bbb,');
  const again = next.inbox.cursor(saved(cursor.position()));
  assert.equal([readText(again), again.lostEvents()], ['bbb\n', cursor.lostEvents()]);
  for (const { inbox: one } of [{ inbox }, next]) one.end();
});

ring.run();
