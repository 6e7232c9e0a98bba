/**
 * Faults of a filter whose work is kept on a disk: killed at any moment, it has told every event once, but for those at fault.
 */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
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

/** Lines with the numbers from one to another, of which one in `every` is at fault; all others give a record. */
function append({ log }: Living, from: number, to: number, every: number): void {
  const line = (at: number) =>
    `t=${NOON + at} n=${at * 5} k=x${at % every === every - 1 ? ' do=trap' : ''}\n`;
  const text = Array.from({ length: to - from }, (_, at) => line(from + at)).join('');
  writeFileSync(log, text, { flag: 'a' });
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

faults.run();
