/**
 * Going back after a fault, where the filter does what it can to be another one then: the host bears it, and what it tells of the
 * events stays true.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryCursor } from '../../host/author/drive.js';
import { createEngine, type FilterEvent } from '../../host/engine.js';
import type { FilterInstance } from '../../host/filter/instance.js';
import { unpack } from '../../host/pack.js';
import type { WireRecord } from '../../host/wire.js';
import { assemble, batch, CONSUMED, EMITTED, LEDGER, load, NOW_MS, OUTPUT } from './hostile.js';

const back = suite('going back');

/** The filter in an engine of its own; `run` feeds lines and answers what became of it. */
function engineOf(filter: FilterInstance) {
  const cursor = memoryCursor();
  const events: FilterEvent[] = [];
  const ledgers: WireRecord[] = [];
  const records: WireRecord[] = [];
  const engine = createEngine({
    appliance: 'a',
    batchBytes: 4_096,
    filters: [{ instance: 'f', filter, format: 'cbor', cursors: new Map([['s', cursor]]) }],
    send({ subject, headers, body }) {
      const target = subject.endsWith('.ledger') ? ledgers : subject.startsWith('weir.ev.') ? records : [];
      unpack(headers, body, (record) => target.push(record));
    },
    onFilterEvent: (_instance, event) => events.push(event),
  });
  return {
    kinds: () => events.map(({ kind }) => kind),
    run(lines: string, nowMs = NOW_MS) {
      cursor.put(Buffer.from(lines));
      while (engine.turn(nowMs));
    },
    closed() {
      engine.closeWindows(NOW_MS);
      engine.cut();
      return records;
    },
    end() {
      engine.closeLedgers(NOW_MS + 120_000);
      engine.cut();
      return ledgers;
    },
  };
}

/** Traps at a line that begins with `x`, and before that writes a 1 to where the output is. */
const STUMBLES = `(i32.store (i32.const ${CONSUMED}) (local.get $bytes))
  (if (i32.eq (i32.load8_u (i32.add (i32.const 12288) (local.get $offset))) (i32.const 120))
    (then (i64.store (i32.const ${OUTPUT}) (i64.const 1)) unreachable))`;

back('what a call left in its output does not make a filter start otherwise', () => {
  const start = `(func (export "weir_start")
    (if (i32.load (i32.const ${OUTPUT})) (then unreachable))
    (i32.store (i32.const 1072) (i32.const 512)) (i32.store (i32.const 1076) (i32.const 1)))`;
  const told = engineOf(load(assemble({ start, batch: batch(`${STUMBLES} (i32.const 0)`) })));
  told.run('x\nx\n');
  assert.equal(told.kinds(), ['fault', 'fault']);
  assert.equal(told.end()[0]?.dead, { s: 2 });
});

back('one that cannot be put back is taken out, and its events are lost; the host goes on', () => {
  const honest = load(assemble({ batch: batch(`${STUMBLES} (i32.const 0)`) }));
  const told = engineOf({
    ...honest,
    restore() {
      throw new RangeError('Array buffer allocation failed');
    },
  });
  told.run('x\nb\nc\n');
  assert.equal(told.kinds(), ['out']);
  const [ledger] = told.end();
  assert.equal([ledger?.lost, ledger?.taken_out], [{ s: 3 }, true]);
});

back('one that counts less when it goes back changes nothing that was told', () => {
  // Two events a call, or none once the output holds a 1: for the same fuel.
  const counts = [LEDGER, LEDGER + 24].map(
    (at) => `(i64.store (i32.const ${at}) (i64.add (i64.load (i32.const ${at}))
      (i64.sub (i64.const 2) (i64.mul (i64.const 2) (i64.load (i32.const ${OUTPUT}))))))`,
  );
  const module = assemble({ batch: batch(`${STUMBLES} ${counts.join(' ')} (i32.const 0)`) });
  const told = engineOf(load(module));
  for (let round = 0; round < 5; round++) told.run('b\n');
  told.run('x\n', NOW_MS + 60_000);
  const ledgers = told.end();
  assert.is(
    ledgers.reduce((sum, record) => sum + (record.in as number), 0),
    10,
  );
  for (const record of ledgers) assert.ok((record.in as number) >= 0);
});

/** A tick that traps with one of these flags, and else emits the record `{"partial": true}` where that is asked for. */
function ticks(...bad: readonly number[]): string {
  const traps = bad.map(
    (flags) => `(if (i32.eq (local.get $flags) (i32.const ${flags})) (then unreachable))`,
  );
  return `(func (export "weir_tick") (param $now i64) (param $flags i32) (result i32)
    (i32.store (i32.const ${OUTPUT}) (i32.const 10)) (i32.store (i32.const ${OUTPUT + 4}) (i32.const 0))
    (i64.store (i32.const ${OUTPUT + 8}) (i64.const 0x${Buffer.from('\xa1gpartia', 'latin1').reverse().toString('hex')}))
    (i32.store16 (i32.const ${OUTPUT + 16}) (i32.const 0xf56c))
    (i32.store (i32.const ${CONSUMED}) (i32.const 0))
    (i32.store (i32.const ${EMITTED}) (select (i32.const 18) (i32.const 0) (i32.and (local.get $flags) (i32.const 2))))
    ${traps.join(' ')} (i32.const 0))`;
}

back('what a last call could not close is told as partial', () => {
  const told = engineOf(load(assemble({ tick: ticks(1) })));
  told.run('b\n');
  assert.equal(told.closed(), [{ partial: true }]);
  assert.equal(told.kinds(), ['fault']);
});

back('one that can tell nothing at the end is at fault once, and goes', () => {
  const told = engineOf(load(assemble({ tick: ticks(1, 3) })));
  told.run('b\n');
  assert.equal(told.closed(), []);
  assert.equal(told.kinds(), ['fault', 'out']);
});

back('one that says that it was telling something due, each time, gains nothing by it', () => {
  for (const due of [
    '(mut i32) (i32.const 1)',
    'i32 (i32.const 7)',
    'i64 (i64.const -1)',
    'f64 (f64.const nan)',
    'v128 (v128.const i64x2 1 1)',
  ]) {
    const more = `(global (export "weir_due") ${due}) (global (export "weir_left_out") i64 (i64.const -5))`;
    const told = engineOf(
      load(assemble({ more, batch: batch(`${STUMBLES} (i32.const 0)`), tick: ticks(0) })),
    );
    told.run('b\n');
    told.run('x\nb\n');
    assert.equal(told.kinds(), ['fault'], due);
    const [ledger] = told.end();
    assert.equal([ledger?.dead, ledger?.lost], [{ s: 1 }, {}], due);
  }
});

back(
  'what it says of events in something that it left out is believed up to the number of its events',
  () => {
    // At fault at something due, until it is told to leave out the first thing of the turn.
    const more = `(global $due (export "weir_due") (mut i32) (i32.const 1))
    (global (export "weir_left_out") i64 (i64.const 0x7fffffff))`;
    const counts = `(i64.store (i32.const ${LEDGER}) (i64.const 2)) (i64.store (i32.const ${LEDGER + 24}) (i64.const 2))`;
    const spared = batch(`(i32.store (i32.const ${CONSUMED}) (local.get $bytes))
    (if (i32.ne (local.get $flags) (i32.const 0x104)) (then (global.set $due (i32.const 1)) unreachable)) ${counts}
    (global.set $due (i32.const -1)) (i32.const 0)`);
    const told = engineOf(load(assemble({ more, batch: spared })));
    told.run('a\nb\n');
    assert.equal(told.kinds(), ['fault', 'fault']);
    const [ledger] = told.end();
    assert.equal([ledger?.in, ledger?.lost, ledger?.dead], [2, { s: 2 + 2 }, {}]);
  },
);

back.run();
