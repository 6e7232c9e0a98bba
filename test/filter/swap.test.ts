/**
 * Swaps: another version goes on between two batches, with the state, and nothing is lost or seen twice; one that is at
 * fault on probation gives way to the one before.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import { PROBATION_BATCHES } from '../../host/limits.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';
import { assemble, batch, CONSUMED, EMITTED, LEDGER, load, OUTPUT } from './hostile.js';
import { engineOf, fifths, keptNumbers, lines, NOW_MS, type Told, version } from './swapping.js';

const swap = suite<{ built: TestFilter; loaded: InstalledFilter }>('swap');
swap.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
  context.loaded = loadFilter('stumbling', context.built.folder);
});
swap.after(({ built }) => built.remove());

swap(
  '1,000 swaps while events flow: each event once, by one version, and totals as without a swap',
  (context) => {
    const count = 50_000;
    const plain = engineOf(version(context.loaded, '1.0.0'));
    plain.run(lines(0, count));
    plain.end();
    const swapped = engineOf(version(context.loaded, '1.0.0'));
    for (let round = 0; round < 1_000; round++) {
      swapped.run(lines(round * 50, round * 50 + 50));
      const missing = swapped.engine.swap('f', version(context.loaded, `1.0.${round + 1}`), NOW_MS, {
        flushes: false,
      });
      assert.equal(missing, []);
    }
    swapped.end();
    assert.equal(keptNumbers(swapped), fifths(count));
    const sums = ({ records }: Told) => records.filter(({ stream }) => stream === 'sums');
    assert.equal(sums(swapped), sums(plain));
    assert.equal(swapped.ledgers, plain.ledgers);
    assert.equal(
      swapped.seqs,
      swapped.seqs.map((_, at) => at + 1),
      'numbers without holes',
    );
    assert.equal(new Set(swapped.versions).size, 1_000);
  },
);

swap("a version that is at fault on probation gives way, and the event is the old one's", (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { stumbles: 0 }));
  told.run(lines(0, 1_000));
  told.engine.swap('f', version(context.loaded, '2.0.0', { stumbles: 1 }), NOW_MS, { flushes: false });
  told.run(lines(1_000, 5_000, [3_333]));
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned'],
  );
  told.run(lines(5_000, 6_000));
  told.end();
  assert.equal(keptNumbers(told), fifths(6_000));
  assert.is(
    Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
    6_000,
  );
  assert.equal(told.dead, []);
  const [ledger] = told.ledgers;
  assert.equal([ledger?.in, ledger?.lost, ledger?.dead], [6_000, {}, {}]);
  assert.equal([...new Set(told.versions)], ['1.0.0', '2.0.0', '1.0.0'].slice(0, 2));
  assert.is(told.versions.at(-1), '1.0.0');
});

swap('an event that neither version can bear is a dead letter of the old one', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0'));
  told.run(lines(0, 100));
  told.engine.swap('f', version(context.loaded, '2.0.0'), NOW_MS, { flushes: false });
  told.run(lines(100, 1_000, [555]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned', 'fault'],
  );
  assert.is(told.dead.length, 1);
  assert.is(told.ledgers[0]?.in, 999);
  assert.is(
    Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
    999,
  );
});

swap(
  'after probation it is the budget of faults that brings the version before back, with the state',
  (context) => {
    const told = engineOf(version(context.loaded, '1.0.0', { stumbles: 0 }), 256);
    told.engine.swap('f', version(context.loaded, '2.0.0', { stumbles: 1 }, 2), NOW_MS, { flushes: false });
    const enough = PROBATION_BATCHES * 8;
    told.run(lines(0, enough));
    assert.equal(
      told.events.map(({ kind }) => kind),
      ['approved'],
    );
    told.run(lines(enough, enough + 100, [enough + 10, enough + 11, enough + 12, enough + 13]));
    told.end();
    assert.equal(
      told.events.map(({ kind }) => kind),
      ['approved', 'fault', 'fault', 'returned'],
    );
    assert.is(told.ledgers[0]?.in, enough + 98);
    assert.is(
      Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
      enough + 98,
    );
    assert.is(told.versions.at(-1), '1.0.0');
  },
);

swap('what is declared otherwise is told before, as partial records, and totals stay', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { capacity: 64 }));
  told.run(lines(0, 2_345));
  const missing = told.engine.swap('f', version(context.loaded, '2.0.0', { capacity: 128 }), NOW_MS, {
    flushes: false,
  });
  assert.equal(missing, ['sums']);
  told.run(lines(2_345, 4_000));
  told.end();
  const partial = told.records.filter(({ partial: isPartial }) => isPartial === true);
  assert.is(partial.length, 23);
  const plain = engineOf(version(context.loaded, '1.0.0'));
  plain.run(lines(0, 4_000));
  plain.end();
  assert.equal(told.sums(), plain.sums());
});

swap('a version that cannot tell its open windows is not replaced', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { is: 'mute' }));
  told.run(lines(0, 500));
  const next = version(context.loaded, '2.0.0');
  assert.throws(() => told.engine.swap('f', next, NOW_MS, { flushes: true }), /stopped: unreachable/);
  told.run(lines(500, 1_000));
  told.engine.cut();
  assert.equal(keptNumbers(told), fifths(1_000));
  assert.equal([...new Set(told.versions)], ['1.0.0']);
  assert.equal(told.events, []);
});

swap('the version that comes back sees every event, also where it takes less at a time', (context) => {
  const { manifest, module } = context.loaded;
  const small = { ...manifest, memory: { ...manifest.memory, input: 4_096 }, faults: 100 };
  const config = { stumbles: 0 };
  const told = engineOf(startFilter({ manifest: small, module, config, zones: [] }), 65_536);
  told.engine.swap('f', version(context.loaded, '2.0.0', { stumbles: 1 }), NOW_MS, { flushes: false });
  told.run(lines(0, 3_000, [2_500]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned'],
  );
  assert.equal([told.ledgers[0]?.in, told.ledgers[0]?.malformed, told.ledgers[0]?.lost], [3_000, 0, {}]);
  assert.equal(keptNumbers(told), fifths(3_000));
  assert.is(
    Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
    3_000,
  );
});

swap('the version that comes back sees every event, also where it may use less fuel at a time', (context) => {
  const { manifest, module } = context.loaded;
  const scarce = { ...manifest, fuel: 100_000, faults: 100 };
  const told = engineOf(startFilter({ manifest: scarce, module, config: {}, zones: [] }), 65_536);
  told.engine.swap('f', version(context.loaded, '2.0.0', { stumbles: 0 }), NOW_MS, { flushes: false });
  // Both in the last minute, which the new version has not told.
  told.run(lines(0, 3_000, [2_451, 2_501]));
  told.engine.slot('f')?.spoil(new Error('unusable'));
  told.run([]);
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned'],
  );
  assert.equal([told.ledgers[0]?.in, told.ledgers[0]?.lost], [3_000, { s: 2 }], 'but those it cannot bear');
  assert.is(
    Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
    2_998,
  );
});

swap('one that comes back and can bear nothing is not searched for each event', (context) => {
  const bad = Array.from({ length: 3_000 }, (_, at) => at);
  const told = engineOf(version(context.loaded, '1.0.0', {}, 3), 65_536);
  told.engine.swap('f', version(context.loaded, '2.0.0', { stumbles: 0 }), NOW_MS, { flushes: false });
  told.run(lines(0, 3_000, bad));
  told.engine.slot('f')?.spoil(new Error('unusable'));
  let turns = 0;
  while (told.engine.turn(NOW_MS)) turns++;
  told.end();
  assert.ok(turns < 200, `${turns} turns`);
  assert.equal([told.ledgers[0]?.in, told.ledgers[0]?.lost], [3_000, { s: 2_400 }], 'the others were kept');
});

swap('what the version before has declared otherwise is told before it comes back', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { capacity: 64 }), 256);
  told.engine.swap('f', version(context.loaded, '2.0.0', { capacity: 128 }, 1), NOW_MS, { flushes: true });
  const enough = PROBATION_BATCHES * 8;
  told.run(lines(0, enough));
  told.run(lines(enough, enough + 100, [enough + 10, enough + 11]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['approved', 'fault', 'returned', 'fault'],
  );
  assert.is(
    Object.values(told.sums()).reduce((sum, n) => sum + n, 0),
    enough + 98,
  );
});

swap('behind two versions that were never approved the good one comes back', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { stumbles: 0 }), 256);
  told.engine.swap('f', version(context.loaded, '2.0.0', {}, 1), NOW_MS, { flushes: false });
  told.engine.swap('f', version(context.loaded, '3.0.0', {}, 1), NOW_MS, { flushes: false });
  told.run(lines(0, 200, [100, 101, 102, 103]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned', 'returned'],
  );
  assert.is(told.ledgers[0]?.in, 200, 'no event is left out where a good version can bear it');
  assert.equal(keptNumbers(told), fifths(200));
  assert.is(told.versions.at(-1), '1.0.0');
});

for (const untried of [3, 4])
  swap(`behind ${untried} versions that were never approved the good one comes back`, (context) => {
    const told = engineOf(version(context.loaded, '1.0.0', { stumbles: 0 }), 256);
    for (let n = 2; n < 2 + untried; n++)
      told.engine.swap('f', version(context.loaded, `${n}.0.0`, {}, 1), NOW_MS, { flushes: false });
    told.run(lines(0, 200, [100, 101, 102, 103]));
    told.end();
    assert.equal(
      told.events.map(({ kind }) => kind),
      ['returned', 'returned'],
    );
    assert.is(told.ledgers[0]?.in, 200);
    assert.is(told.versions.at(-1), '1.0.0');
  });

swap('one that came back without having been approved is not the good one', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { stumbles: 0 }), 256);
  told.engine.swap('f', version(context.loaded, '2.0.0', { stumbles: 0 }, 1), NOW_MS, { flushes: false });
  told.engine.swap('f', version(context.loaded, '3.0.0', {}, 1), NOW_MS, { flushes: false });
  told.run(lines(0, 100, [50]));
  told.engine.swap('f', version(context.loaded, '4.0.0', {}, 1), NOW_MS, { flushes: false });
  const enough = 100 + PROBATION_BATCHES * 8;
  told.run(lines(100, enough));
  told.run(lines(enough, enough + 100, [enough + 10, enough + 11]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned', 'approved', 'fault', 'returned'],
  );
  assert.is(told.versions.at(-1), '1.0.0');
});

swap('one that came back untried is on probation anew, and a good version once it has passed', (context) => {
  const told = engineOf(version(context.loaded, '1.0.0', { stumbles: 0 }), 256);
  told.engine.swap('f', version(context.loaded, '2.0.0', {}, 1), NOW_MS, { flushes: false });
  told.engine.swap('f', version(context.loaded, '3.0.0', { is: 'mute' }), NOW_MS, { flushes: false });
  told.run(lines(0, 100));
  told.engine.tick(NOW_MS + 120_000);
  while (told.engine.turn(NOW_MS));
  assert.is(told.engine.slot('f')?.isOnProbation(), true);
  const enough = 200 + PROBATION_BATCHES * 8;
  told.run(lines(100, enough));
  assert.is(told.engine.slot('f')?.isOnProbation(), false);
  told.run(lines(enough, enough + 100, [enough + 10, enough + 50]));
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned', 'approved', 'fault', 'returned'],
    'it has its budget of faults from then on',
  );
  assert.is(told.versions.at(-1), '1.0.0');
});

swap('what can start a version anew does not hold its memory', async (context) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let filter: FilterInstance | undefined = version(context.loaded, '1.0.0');
  const { startAgain } = filter;
  const memory = new WeakRef(filter.input.buffer);
  filter = undefined;
  for (let round = 0; round < 10 && memory.deref(); round++) {
    await breathe();
    collect();
  }
  assert.is(memory.deref(), undefined);
  assert.is(startAgain().manifest.version, '1.0.0');
});

swap('a version whose records are no CBOR gives way to the one before, where that shows in NDJSON', () => {
  // Keeps nothing, and answers what a filter must; the other one emits a byte that is no CBOR.
  const emits = (record: number) => {
    const frame = `(i32.store (i32.const ${OUTPUT}) (i32.const 1)) (i32.store8 (i32.const ${OUTPUT + 8}) (i32.const ${record}))`;
    const counts = [LEDGER, LEDGER + 24].map(
      (at) => `(i64.store (i32.const ${at}) (i64.add (i64.load (i32.const ${at})) (i64.const 1)))`,
    );
    return assemble({
      batch: batch(`(i32.store (i32.const ${CONSUMED}) (local.get $bytes)) ${frame} ${counts.join(' ')}
        (i32.store (i32.const ${EMITTED}) (i32.const 12)) (i32.const 0)`),
    });
  };
  const [good, bad] = [load(emits(0xa0)), load(emits(0xbf))];
  const told = engineOf(good, 2, 'ndjson');
  told.run(['x', 'x']);
  told.engine.swap('f', bad, NOW_MS, { flushes: false });
  told.run(['x', 'x', 'x']);
  told.engine.cut();
  told.run(['x']);
  told.end();
  assert.equal(
    told.events.map(({ kind }) => kind),
    ['returned'],
  );
  assert.is(told.records.length, 3, 'those of the bad one are gone');
  assert.is(told.ledgers[0]?.in, 6);
});

swap.run();
