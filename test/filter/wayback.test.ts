/**
 * A version that is at fault on probation gives way to the one before, which may count in other windows, or decide otherwise: each event
 * is told by one of the two.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';
import { engineOf, fifths, keptNumbers, lines, NOW_MS, version } from './swapping.js';

const back = suite<{ built: TestFilter; loaded: InstalledFilter }>('the way back');
back.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
  context.loaded = loadFilter('stumbling', context.built.folder);
});
back.after(({ built }) => built.remove());

for (const [before, after] of [
  [60_000, 600_000],
  [600_000, 10_000],
] as const)
  back(
    `a version with windows of ${after} ms goes back to one of ${before}: each event is told once`,
    (context) => {
      const told = engineOf(version(context.loaded, '1.0.0', { window_ms: before }), 512);
      told.run(lines(0, 2_000));
      told.engine.swap('f', version(context.loaded, '2.0.0', { window_ms: after }), NOW_MS, {
        flushes: true,
      });
      told.run(lines(2_000, 8_000));
      told.run(lines(8_000, 9_000, [8_500]));
      told.end();
      assert.equal(
        told.events.map(({ kind }) => kind),
        ['returned', 'fault'],
      );
      assert.is(
        Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
        8_999,
      );
      assert.equal(
        keptNumbers(told),
        fifths(9_000).filter((n) => n !== 8_500),
      );
      const [ledger] = told.ledgers;
      assert.equal([ledger?.in, ledger?.lost, ledger?.dead], [8_999, {}, { s: 1 }]);
    },
  );

for (const [before, after] of [
  [0, 1],
  [1, 0],
] as const)
  back(
    `a version that ${after ? 'emits' : 'counts'} goes back to one that does not: each event is told once`,
    (context) => {
      const told = engineOf(version(context.loaded, '1.0.0', { emits: before }), 512);
      told.run(lines(0, 1_000));
      // The same tables, so what was counted is taken over.
      const next = version(context.loaded, '2.0.0', { emits: after });
      assert.equal(told.engine.swap('f', next, NOW_MS, { flushes: false }), []);
      told.run(lines(1_000, 3_000));
      told.run(lines(3_000, 3_500, [3_200]));
      told.end();
      assert.equal(
        told.events.map(({ kind }) => kind),
        ['returned', 'fault'],
      );
      const sum = Object.values(told.sums()).reduce((all, n) => all + n, 0);
      // The new version has 1,000 to 3,199, the old one all else but 3,200; of what is counted every fifth is kept as well.
      const expected = after ? [1_000 + 299, 200 + 2_200 + 59] : [2_200, 1_000 + 440 + 299];
      assert.equal([sum, keptNumbers(told).length], expected);
      const [ledger] = told.ledgers;
      assert.equal([ledger?.in, ledger?.lost, ledger?.dead], [3_499, {}, { s: 1 }]);
    },
  );

back('one that cannot tell all of its windows when it goes back leaves them to the one before', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0'), 512);
  told.run(lines(0, 1_000));
  told.engine.swap('f', version(context.loaded, '2.0.0', { is: 'mute' }), NOW_MS, { flushes: false });
  told.run(lines(1_000, 1_100));
  told.run(lines(1_100, 1_200, [1_150]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned', 'fault'],
  );
  assert.is(
    Object.values(told.sums()).reduce((all, n) => all + n, 0),
    1_199,
  );
  assert.equal(told.ledgers[0]?.lost, {});
  assert.not(told.records.some(({ partial }) => partial === true));
});

back(
  'one that cannot tell its windows when it goes back loses them, and the other tells none twice',
  (context) => {
    const told = engineOf(version(context.loaded, '1.0.0', { window_ms: 600_000 }));
    told.run(lines(0, 100));
    const next = version(context.loaded, '2.0.0', { window_ms: 300_000, is: 'mute' });
    told.engine.swap('f', next, NOW_MS, { flushes: true });
    told.run(lines(100, 300));
    told.run(lines(300, 400, [350]));
    told.end();
    assert.equal(
      told.events.map(({ kind }) => kind).filter((kind) => kind !== 'fault'),
      ['returned'],
    );
    const [ledger] = told.ledgers;
    const sum = Object.values(told.sums()).reduce((all, n) => all + n, 0);
    const lost = Object.values(ledger?.lost as object).reduce((all, n) => all + n, 0);
    assert.equal([ledger?.in, sum + lost], [399, 399]);
    assert.ok(lost >= 200 && lost < 300, `${lost} lost`);
  },
);

back.run();
