/**
 * Rotation storms: a hundred rotations of each kind, while two readers of a source follow, save their places, are killed and start
 * again, all at random moments, and one of them gives its place up and takes it again. Each reads every line once and in order, where
 * what was read since the last save is read again.
 *
 * The writer is quiet between a copy and the truncation, and nothing that goes for good is unread at a kill: nobody could find
 * that. `WEIR_STORM_ROUNDS=100` goes on for as many rounds, each with a seed of its own.
 */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nextBatch } from '../../host/batch.js';
import type { Cursor, Position } from '../../host/source/source.js';
import { temporaryFolder, until } from '../help.js';
import { nextTick, QUICK, type Reader, read } from './following.js';
import { createRandom, pieces } from './reading.js';

const ROTATIONS = 100;
/** Rotated files that are kept; before one goes, it was read and saved. */
const KEPT = 4;
const ROUNDS = Number(process.env.WEIR_STORM_ROUNDS ?? 1);

type Random = (below: number) => number;

interface Rotation {
  readonly name: string;
  /** What the reader is to read, in a folder. */
  readonly pattern: string;
  /** Rotations in a row after which all that was not read and saved before them is still there. */
  readonly unreadMax: number;
  /** Makes the first file. */
  readonly begin: (log: string) => void;
  readonly rotate: (log: string, count: number) => void;
}

/** `log.1` to `log.2`, and so on; the last one goes. */
function moveOn(log: string): void {
  for (let at = KEPT; at >= 1; at--)
    if (existsSync(`${log}.${at}`)) renameSync(`${log}.${at}`, `${log}.${at + 1}`);
  rmSync(`${log}.${KEPT + 1}`, { force: true });
}

function target(log: string, count: number): string {
  return log.replace('.log', `-${20260101 + count}.log`);
}

const create = (log: string) => writeFileSync(log, '');

const ROTATIONS_OF_EACH_KIND: readonly Rotation[] = [
  {
    name: 'rename, all kept',
    pattern: 'app.log',
    unreadMax: 20,
    begin: create,
    rotate(log, count) {
      renameSync(log, `${log}-${20260101 + count}`);
      create(log);
    },
  },
  {
    name: 'rename chain, the new file comes with its first line',
    pattern: 'app.log',
    unreadMax: KEPT,
    begin: create,
    rotate(log) {
      moveOn(log);
      renameSync(log, `${log}.1`);
    },
  },
  {
    name: 'rename chain, all names read',
    pattern: 'app.log*',
    unreadMax: KEPT,
    begin: create,
    rotate(log) {
      moveOn(log);
      renameSync(log, `${log}.1`);
      create(log);
    },
  },
  ...['app.log', 'app.log*'].map((pattern) => ({
    name: `copy and truncate, ${pattern}`,
    pattern,
    unreadMax: KEPT,
    begin: create,
    rotate(log: string) {
      moveOn(log);
      copyFileSync(log, `${log}.1`);
      truncateSync(log);
    },
  })),
  {
    name: 'delete and recreate',
    pattern: 'app.log',
    unreadMax: 0,
    begin: create,
    rotate(log) {
      rmSync(log);
      create(log);
    },
  },
  {
    name: 'a link that is switched',
    pattern: 'app.log',
    unreadMax: 0,
    begin(log) {
      create(target(log, 0));
      symlinkSync(target(log, 0), log);
    },
    rotate(log, count) {
      create(target(log, count));
      symlinkSync(target(log, count), `${log}.new`);
      renameSync(`${log}.new`, log);
    },
  },
];

/** Compares without printing thousands of lines. */
function assertSame(lines: readonly string[], written: readonly string[]): void {
  const at = written.findIndex((line, index) => lines[index] !== line);
  if (at < 0 && lines.length === written.length) return;
  const seen = lines.slice(at, at + 3).join(', ');
  assert.unreachable(
    `${lines.length} lines read, ${written.length} written; for ${written[at]} found ${seen}`,
  );
}

/** What one filter reads of the source, and what its host has on the disk of it. */
interface Follower {
  cursor: Cursor;
  readonly lines: string[];
  saved: { readonly position: Position; readonly lines: number } | undefined;
}

async function storm(folder: string, kind: Rotation, random: Random): Promise<number> {
  const log = join(folder, 'app.log');
  const written: string[] = [];
  const region = Buffer.alloc(4096);
  let rotations = 0;
  let unread = 0;
  let kills = 0;
  kind.begin(log);
  let reader: Reader = await read([join(folder, kind.pattern)]);
  const [first, leaving] = [reader.cursor, reader.source.cursor()].map(
    (cursor): Follower => ({ cursor, lines: [], saved: undefined }),
  ) as [Follower, Follower];
  const both = [first, leaving];
  let hasLeft = false;

  function write(): void {
    const added = Array.from(
      { length: 1 + random(30) },
      (_, at) => `line ${written.length + at} ${'x'.repeat(random(60))}`,
    );
    written.push(...added);
    for (const piece of pieces(Buffer.from(`${added.join('\n')}\n`), random, 300)) appendFileSync(log, piece);
  }

  function take({ cursor, lines }: Follower, batches: number): void {
    for (let at = 0; at < batches; at++) {
      const batch = nextBatch(cursor, region, 512);
      if (batch.kind === 'none') return;
      if (batch.kind === 'events') lines.push(...region.toString('latin1', 0, batch.bytes - 1).split('\n'));
    }
  }

  function save(): void {
    for (const one of both)
      one.saved = { position: JSON.parse(JSON.stringify(one.cursor.position())), lines: one.lines.length };
  }

  function leaveOrComeBack(): void {
    if (hasLeft) leaving.cursor.reopen();
    else leaving.cursor.close();
    hasLeft = !hasLeft;
  }

  async function kill(): Promise<void> {
    await reader.source.close();
    kills += 1;
    for (const one of both) one.lines.length = one.saved?.lines ?? 0;
    for (let times = random(3); times > 0; times--) {
      if (random(2)) write();
      if (random(2) && unread < kind.unreadMax) rotate();
    }
    reader = await read([join(folder, kind.pattern)], QUICK, first.saved?.position);
    first.cursor = reader.cursor;
    leaving.cursor = reader.source.cursor(leaving.saved?.position);
    hasLeft = false;
  }

  function rotate(): void {
    rotations += 1;
    unread += 1;
    kind.rotate(log, rotations);
    nextTick(log);
    write();
  }

  async function catchUp(): Promise<void> {
    if (hasLeft) leaveOrComeBack();
    const isThrough = () => {
      for (const one of both) take(one, 1000);
      return both.every(({ lines }) => lines.length >= written.length);
    };
    await until(isThrough, 5000, 'all lines').catch(() => {});
    for (const { lines } of both) assertSame(lines, written);
    save();
    unread = 0;
  }

  /** Until the source has looked at everything a few times. */
  async function watch(): Promise<void> {
    const endMs = performance.now() + random(12);
    await until(() => performance.now() > endMs, 1000, 'some looks');
  }

  try {
    save();
    while (rotations < ROTATIONS) {
      const choice = random(18);
      if (choice < 4) write();
      else if (choice < 6) take(first, random(4));
      else if (choice < 7) take(hasLeft ? first : leaving, random(4));
      else if (choice < 8) await watch();
      else if (choice < 10) save();
      else if (choice < 11) await kill();
      else if (choice < 13) leaveOrComeBack();
      else {
        if (unread >= kind.unreadMax) await catchUp();
        // The file is open: what is written to it before it goes is read, as long as the reader lives.
        if (kind.unreadMax === 0) write();
        rotate();
        if (kind.unreadMax === 0) await catchUp();
      }
    }
    await catchUp();
  } finally {
    await reader.source.close();
  }
  return kills;
}

const storms = suite<{ folder: string }>('storm');
storms.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
storms.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

for (const kind of ROTATIONS_OF_EACH_KIND) {
  storms(`every line once in ${ROTATIONS} rotations by ${kind.name}, with kills`, async ({ folder }) => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = round === 0 ? 1 : Math.trunc(Math.random() * 1e9);
      console.log(`note: ${kind.name}: seed ${seed}`);
      const below = join(folder, String(round));
      mkdirSync(below);
      assert.ok((await storm(below, kind, createRandom(seed))) > 0, 'it was killed');
    }
  });
}

storms.run();
