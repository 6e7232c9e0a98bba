/**
 * The prefilter, against a plain search: whichever way it takes for a number of literals, only lines that hold one
 * reach the filter, and every line is counted.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, seeded } from '../filter.js';
import { buildTestFilter } from './testfilter.js';

const SEED = 20_260_204;
const ROUNDS = 300;
process.stdout.write(`note: seed ${SEED}\n`);

const filter = await buildTestFilter('select-literals');

/** Few letters, so that literals almost match everywhere. */
function word(next: (below: number) => number, bytes: number): string {
  return Array.from({ length: bytes }, () => 'ab_"'[next(4)]).join('');
}

test('a line reaches the filter when it holds one of the literals, whatever their number', () => {
  const next = seeded(SEED);
  let kept = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const literals = Array.from({ length: 1 + next(12) }, () => {
      const bytes = next(20) ? 2 + next(10) : 2 + next(254);
      return word(next, bytes);
    });
    const lines = Array.from({ length: 1 + next(60) }, () => {
      const line = word(next, next(90));
      const planted = next(3) ? '' : (literals[next(literals.length)] as string);
      return next(2) ? line + planted : planted + line;
    });
    const result = filter.run(lines, { config: { literals } });
    const expected = lines.filter((line) => literals.some((literal) => line.includes(literal)));
    assert.equal(
      result.records.map(({ line }) => line),
      expected,
      `round ${round}: ${JSON.stringify(literals)}`,
    );
    assert.ok(ledgerAddsUp(result));
    assert.is(result.ledger.in, lines.length);
    kept += expected.length;
  }
  assert.ok(kept > ROUNDS);
});

test.after(() => filter.remove());
test.run();
