/**
 * What finds no room in a filter is counted, and the host says once what to change.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryCursor } from '../host/author/drive.js';
import { createEngine } from '../host/engine.js';
import { startFilter } from '../host/filter/instance.js';
import { loadFilter } from '../host/filter/library.js';
import { overflowText } from '../host/status.js';

const NOON = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;

test('a record that is larger than half of the output region is told once, with what to change', () => {
  const { manifest, module } = loadFilter('json-select');
  const memory = { ...manifest.memory, output: 4_096 };
  const small = { ...manifest, memory };
  const filter = startFilter({ manifest: small, module, config: { where: [] }, zones: [] });
  const cursor = memoryCursor();
  const told: string[] = [];
  const engine = createEngine({
    appliance: 'fw-01',
    batchBytes: 4_096,
    filters: [{ instance: 'f', filter, format: 'cbor', cursors: new Map([['s', cursor]]) }],
    onFilterEvent: () => {},
    onOverflow: (instance, found) => told.push(`${instance}: ${overflowText(found)}`),
  });
  for (const [minute, bytes] of [100, 1_900, 2_100, 2_100].entries()) {
    cursor.put(Buffer.from(`{"a":"${'x'.repeat(bytes)}"}\n`));
    while (engine.turn(NOON + minute * MINUTE));
    assert.is(told.length, minute < 3 ? 0 : 1, `minute ${minute}`);
  }
  engine.closeLedgers(NOON + 4 * MINUTE);
  assert.is(filter.ledger().overflowed, 2);
  assert.is(told.length, 1);
  assert.match(
    told[0] as string,
    /^f: something found no room in it, .*: a record of more than 2KiB, half of memory\.output in its filter\.json \(now 4KiB: raise it\)/,
  );
});

test.run();
