/**
 * Inboxes over restarts: every event is read once, whoever was killed or stopped, and what is lost is counted or told.
 */
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../help.js';
import { arrive, filled, open, saved, SMALL } from './keeping.js';
import { readText } from './reading.js';

const restart = suite<{ folder: string; path: string; other: string }>('inbox');
restart.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.path = join(context.folder, 's.ring');
  context.other = join(context.folder, 'other.ring');
});
restart.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

restart(
  'what was not read before a kill is read after it, once and before what is new',
  async ({ path, other }) => {
    const first = open(path);
    const [one, two] = [first.inbox.cursor(), first.inbox.cursor()];
    await arrive(first.inbox, ['aaa', 'bbb', 'ccc']);
    assert.is(readText(one), 'aaa\nbbb\nccc\n');
    two.read(Buffer.alloc(4));
    two.advance(4);
    const places = [saved(one.position()), saved(two.position())];
    copyFileSync(path, other);
    first.inbox.end();
    const second = open(other);
    const [oneAgain, twoAgain] = [second.inbox.cursor(places[0]), second.inbox.cursor(places[1])];
    await arrive(second.inbox, ['ddd']);
    assert.equal([readText(oneAgain), readText(twoAgain)], ['ddd\n', 'bbb\nccc\nddd\n']);
    assert.is(readText(second.inbox.cursor()), 'aaa\nbbb\nccc\nddd\n', 'a new filter reads all that is held');
    assert.equal([first.notices, second.notices], [[], []]);
    assert.is(statSync(path).mode & 0o777, 0o600);
    assert.is(statSync(path).size, 8192 + SMALL.capacityBytes);
    second.inbox.end();
  },
);

restart(
  'what a filter has not read at an orderly stop is not lost, what it leaves before is',
  async ({ path }) => {
    const first = open(path);
    const [takenOut, stays] = [first.inbox.cursor(), first.inbox.cursor()];
    await arrive(first.inbox, ['aaa', 'bbb']);
    takenOut.close();
    assert.is(takenOut.lostEvents(), 2);
    await arrive(first.inbox, ['ccc']);
    first.inbox.end();
    stays.close();
    assert.is(stays.lostEvents(), 0);
    const { inbox } = open(path);
    const again = inbox.cursor(saved(takenOut.position()));
    assert.equal([readText(again), again.lostEvents()], ['ccc\n', 2]);
    assert.equal(again.countsBefore, { lostEvents: 2, cutEvents: 0 });
    assert.is(readText(inbox.cursor(saved(stays.position()))), 'aaa\nbbb\nccc\n');
    inbox.end();
  },
);

restart('a place of a read is found again by a later process, unless it was dropped', async ({ path }) => {
  const first = open(path);
  await arrive(first.inbox, ['one', 'two', 'three']);
  const cursor = first.inbox.cursor();
  readText(cursor);
  first.inbox.end();
  const { inbox } = open(path);
  const again = inbox.cursor(saved(cursor.position()));
  const bytes = Buffer.alloc(4);
  assert.ok(again.readAt({ offset: 4 }, bytes));
  assert.is(bytes.toString(), 'two\n');
  for (const offset of [14, 12, -1, 0.5, Number.NaN, 1e300, 2 ** 53, '4' as never])
    assert.not(again.readAt({ offset }, bytes), `${offset}`);
  again.goTo({ offset: 4 }, false);
  assert.is(readText(again), 'two\nthree\n');
  await arrive(inbox, ['x'.repeat(20), 'y'.repeat(20), 'z'.repeat(20)]);
  again.goTo({ offset: 4 }, true);
  assert.is(readText(again).length, 63, 'no part of an event is skipped');
  again.goTo({ offset: 1e300 }, true);
  assert.is(readText(again), '');
  inbox.end();
});

restart('a place ahead of the file does not hide what comes later', async ({ path }) => {
  const first = open(path);
  const cursor = first.inbox.cursor();
  await arrive(first.inbox, ['aaa']);
  const old = readFileSync(path);
  await arrive(first.inbox, ['bbb', 'ccc']);
  readText(cursor);
  const place = saved(cursor.position());
  first.inbox.end();
  // What a loss of power leaves of a file that was not synced.
  writeFileSync(path, old);
  const second = open(path);
  const again = second.inbox.cursor(place);
  assert.is(readText(again), '', 'it has read what there is');
  await arrive(second.inbox, ['a long event', 'another']);
  second.inbox.end();
  const third = open(path);
  assert.is(readText(third.inbox.cursor(saved(again.position()))), 'a long event\nanother\n');
  assert.equal(third.notices, []);
  assert.is(readText(third.inbox.cursor(place)), 'aaa\na long event\nanother\n', 'rather twice than never');
  assert.match(third.notices.join(), /its inbox is not the one of the last run .* not counted/);
  third.inbox.end();
});

restart('an emptied tmpfs is told, unless all had been read when the source ended', async ({ path }) => {
  const first = open(path);
  const [behind, done] = [first.inbox.cursor(), first.inbox.cursor()];
  await arrive(first.inbox, ['a'.repeat(21), 'bbb']);
  readText(done);
  first.inbox.end();
  for (const [cursor, expected] of [
    [done, []],
    [behind, ['source s: its inbox is not the one of the last run']],
  ] as const) {
    rmSync(path);
    const { inbox, notices } = open(path);
    const again = inbox.cursor(saved(cursor.position()));
    assert.equal(
      notices.map((line) => line.split(' (')[0]),
      expected,
    );
    await arrive(inbox, ['c'.repeat(21), 'ddd']);
    assert.is(again.cutEvents(), 2, 'counts go on');
    assert.is(readText(again), `${'c'.repeat(20)}\nddd\n`);
    inbox.end();
  }
});

restart('saved places that make no sense are told, and cost no more than reading again', async ({ path }) => {
  const { place } = await filled(path);
  const good = place as Record<string, unknown>;
  const damaged: unknown[] = [
    null,
    7,
    'rubbish',
    [],
    {},
    ...['offset', 'line', 'lostEvents', 'cutEvents', 'ringCutEvents'].flatMap((key) =>
      [-1, 0.5, 1e300, '1', null].map((value) => ({ ...good, [key]: value })),
    ),
    { ...good, ring: '../../etc/passwd' },
    { ...good, skipping: 1 },
    { ...good, ended: undefined },
    { ...good, line: 1e9 },
    { ...good, offset: 0, line: 29 },
  ];
  const { inbox, notices } = open(path);
  const all = readText(inbox.cursor());
  for (const position of damaged) {
    const cursor = inbox.cursor(position);
    assert.equal([readText(cursor), cursor.lostEvents()], [all, 0], JSON.stringify(position));
  }
  assert.is(notices.length, 1);
  assert.match(notices[0] as string, /the saved places in its inbox are not understood/);
  for (let offset = 0; offset < 300; offset += 1) {
    const text = readText(inbox.cursor({ ...good, offset, line: 10 + Math.floor(offset / 1e6) }));
    assert.ok(all.endsWith(text), `offset ${offset}`);
  }
  inbox.end();
});

restart.run();
