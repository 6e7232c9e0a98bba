/**
 * Faults of a filter whose work is kept on a disk: stopped or killed, and taken out, it has told every event once, but for those at
 * fault.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, type TemporaryFolder } from './help.js';
import { endLives, live, type Living, memoryBroker } from './inprocess.js';
import { buildTestFilter, type TestFilter } from './runtime/testfilter.js';

interface Context extends Living {
  built: TestFilter;
  root: TemporaryFolder;
}
const faults = suite<Context>('faults');
faults.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
});
faults.after(({ built }) => built.remove());
faults.before.each(async (context) => {
  context.root = await temporaryFolder();
  const { path } = context.root;
  cpSync(context.built.folder, join(path, 'filters'), { recursive: true });
  Object.assign(context, { log: join(path, 'app.log'), data: join(path, 'data'), broker: memoryBroker() });
  Object.assign(context, { filter: { filter: 'stumbling' }, filterDir: join(path, 'filters') });
});
faults.after.each(async ({ root }) => {
  await endLives();
  await root.remove();
});
const NOON = Date.parse('2026-01-31T12:00:00Z');
const LINES = 300;

/** More than the input region of the filter. */
const LONG = ` ${'='.repeat(100_000)}`;

/** Lines with the numbers from one to another: one in `every` is at fault, every third of these with `behind`; all others give a record. */
function append({ log }: Living, from: number, to: number, every: number, behind = ''): void {
  const fault = (at: number) =>
    at % every === every - 1 ? ` do=trap${at % (3 * every) < every ? behind : ''}` : '';
  const line = (at: number) => `t=${NOON + at} n=${at * 5} k=x${fault(at)}\n`;
  const text = Array.from({ length: to - from }, (_, at) => line(from + at)).join('');
  writeFileSync(log, text, { flag: 'a' });
}

function setFaults({ filterDir = '' }: Living, faults: number): void {
  const path = join(filterDir, 'stumbling/filter.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), faults }));
}

const told = ({ broker }: Living) => broker.records('kept').map(({ n }) => (n as number) / 5);

/** The numbers of lines that are not at fault. */
function good(every: number): number[] {
  return Array.from({ length: LINES }, (_, at) => at).filter((at) => at % every !== every - 1);
}

faults(
  'killed at any step of a recovery, it has told each event once, and remembers all of them',
  async (context) => {
    const EVERY = 100;
    append(context, 0, LINES, EVERY);
    let isOver = false;
    for (let turns = 1; !isOver; turns++) {
      const { path } = await temporaryFolder();
      const own = { ...context, broker: memoryBroker(), data: join(path, 'data') };
      const first = await live(own);
      for (let turn = 0; turn < turns; turn++) isOver = !first.engine.turn(NOON);
      first.engine.cut();
      await first.published();
      await first.kill();
      const second = await live(own);
      await second.stop();
      assert.equal([first.notices, second.notices], [[], []], `${turns} turns`);
      assert.equal(told(own), good(EVERY), `${turns} turns`);
      const { explained, unexplained } = own.broker.verify();
      assert.equal([explained.map(({ what, count }) => [what, count]), unexplained], [[['dead', 3]], 0]);
      rmSync(path, { recursive: true });
    }
  },
);

faults(
  'a filter that is taken out again and again loses nothing of a file, stopped or killed',
  async (context) => {
    const EVERY = 20;
    setFaults(context, 1);
    append(context, 0, LINES, EVERY, LONG);
    for (let number = 0, isOut = true; isOut; number++) {
      const life = await live(context);
      life.read();
      isOut = life.engine.slot('f')?.isOut() === true;
      // Lines that come while it is out wait as well; the last one has no end yet.
      if (number === 0) append(context, LINES, LINES + 1, EVERY);
      if (number === 1) writeFileSync(context.log, 'do=trap', { flag: 'a' });
      if (number % 2 === 0) await life.stop();
      else await life.published().then(life.kill);
      assert.equal(life.notices, [], `life ${number}`);
    }
    const last = await live(context);
    last.engine.closeWindows(NOON);
    await last.stop();
    assert.equal(told(context), [...good(EVERY), LINES]);
    const sums = context.broker.records('sums').map(({ count }) => count as number);
    assert.is(
      sums.reduce((sum, count) => sum + count, 0),
      LINES + 1 - 15,
      'what was open when it was taken out is told once',
    );
    const ledgers = context.broker.records('ledger');
    assert.ok(ledgers.some(({ taken_out }) => taken_out === true));
    const { explained, unexplained, ledgers: books } = context.broker.verify();
    assert.equal(
      [explained.map(({ what, count }) => [what, count]), unexplained],
      [
        [
          // Each time at once, and once more where the host was stopped.
          ['taken_out', 7 + 4],
          ['dead', 15],
        ],
        0,
      ],
    );
    assert.is(books[0]?.in, LINES + 1 - 15);
  },
);

faults(
  'killed at any step, rows that are at fault are left out alone, and told as lost once',
  async (context) => {
    const keys = ['key-0', 'trap', 'key-1', 'abort', 'key-2'];
    const line = (minute: number, key: string) => `t=${NOON + minute * 60_000} n=1 k=${key}\n`;
    // Every minute closes the one before; the first row that is at fault has 2 events, the other one 4.
    const minutes = [0, 2, 4].flatMap((minute) => keys.map((key, at) => line(minute, key).repeat(at + 1)));
    writeFileSync(context.log, minutes.join('') + line(6, 'key-3').repeat(50));
    const filter = { filter: 'stumbling', config: { rows: 1 } };
    let isOver = false;
    let steps = 0;
    for (; !isOver; steps++) {
      const { path } = await temporaryFolder();
      const own = { ...context, filter, broker: memoryBroker(), data: join(path, 'data') };
      const first = await live(own);
      for (let turn = 0; turn <= steps; turn++) isOver = !first.engine.turn(NOON);
      // Where there is something to tell, what was done is written with it.
      first.engine.cut();
      await first.published();
      await first.kill();
      const second = await live(own);
      second.read();
      await second.stop();
      assert.equal([first.notices, second.notices], [[], []], `${steps} steps`);
      assert.equal(
        own.broker.records('sums').map(({ k, count }) => [k, count]),
        [0, 2, 4].flatMap(() => [
          ['key-0', 1],
          ['key-1', 3],
          ['key-2', 5],
        ]),
        `${steps} steps`,
      );
      const { explained, unexplained } = own.broker.verify();
      assert.equal(
        [explained.map(({ what, count }) => [what, count]), unexplained],
        [[['lost', 3 * (2 + 4)]], 0],
        `${steps} steps`,
      );
      rmSync(path, { recursive: true });
    }
    assert.ok(steps > 20, `${steps} steps`);
  },
);

faults.run();
