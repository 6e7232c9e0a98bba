/**
 * Audit events that are open together, against a plain model: which records become one event, and in which order
 * events are told, when many are open, one is too many, and time passes.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, seeded, stream } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';
import { type Below, pick } from './rubbish.js';

const START_MS = 1_769_853_600_000;

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter('audit-joined');
});
test.after(() => filter.remove());

interface AuditRecord {
  readonly node: string;
  readonly serial: number;
  readonly ms: number;
  readonly type: 'CWD' | 'EOE' | 'PROCTITLE';
}

function lineOf({ node, serial, ms, type }: AuditRecord): string {
  const seconds = (START_MS + ms) / 1_000;
  return `${node && `node=${node} `}type=${type} msg=audit(${seconds.toFixed(3)}:${serial}): cwd="/"`;
}

/** Node, serial and number of records of each event, in the order in which they are told. */
type Told = readonly [node: string, serial: number, records: number];

/** One list of all events that are open, searched from its beginning. */
function modelled(records: readonly AuditRecord[], capacity: number, timeoutMs: number) {
  const told: Told[] = [];
  let open: { first: AuditRecord; records: number }[] = [];
  let tooMany = 0;
  /** Tells, oldest first, and forgets. */
  const tell = (isOver: (event: (typeof open)[number]) => boolean) => {
    for (const { first, records: size } of open.filter(isOver)) told.push([first.node, first.serial, size]);
    open = open.filter((event) => !isOver(event));
  };
  let nowMs = Number.NEGATIVE_INFINITY;
  for (const record of records) {
    nowMs = record.ms;
    let event = open.find(
      ({ first }) => first.node === record.node && first.serial === record.serial && first.ms === record.ms,
    );
    const isOver = new Set<unknown>();
    if (!event && record.type !== 'EOE') {
      if (open.length >= capacity) {
        isOver.add(open[0]);
        tooMany++;
      }
      event = { first: record, records: 0 };
      open.push(event);
    }
    if (event && record.type !== 'EOE') event.records++;
    if (event && record.type !== 'CWD') isOver.add(event);
    tell((each) => isOver.has(each) || each.first.ms + timeoutMs <= nowMs);
  }
  tell(() => true);
  return { told, tooMany };
}

/** Up to `most` events at a time get records in any order; some never end, some get more after their end. */
function generated(events: number, most: number, stepMs: number, below: Below): AuditRecord[] {
  const records: AuditRecord[] = [];
  const open: AuditRecord[] = [];
  let ms = 0;
  for (let begun = 0; begun < events || open.length > 0; ) {
    if (begun < events && open.length < most && below(3)) {
      ms += below(stepMs + 1);
      // Neighbours, some on another node, some with a serial or a time that another event has.
      const serial = below(20) ? 1 + begun : 1 + below(events);
      open.push({ node: pick(['', 'a', 'b'], below), serial, ms, type: 'CWD' });
      begun++;
    }
    if (open.length === 0) continue;
    const at = below(open.length);
    const event = open[at] as AuditRecord;
    const type = below(4) ? 'CWD' : pick(['EOE', 'PROCTITLE'] as const, below);
    records.push({ ...event, type });
    if (type === 'CWD' ? below(40) === 0 : below(5)) open.splice(at, 1);
  }
  return records;
}

const SIZES: readonly (readonly [capacity: number, most: number, stepMs: number])[] = [
  [1, 3, 1],
  [2, 2, 200],
  [7, 12, 10],
  [100, 100, 0],
  [300, 310, 5],
  [1024, 1000, 1],
];

test('records of up to a thousand open events are joined and told as a plain model has it', () => {
  const seed = 20_260_209;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  for (const [capacity, most, stepMs] of SIZES) {
    const records = generated(3_000, most, stepMs, below);
    const expected = modelled(records, capacity, 2_000);
    const lines = records.map(lineOf);
    for (const batchBytes of [4_096, 65_536]) {
      const config = { capacity: String(capacity), bytes: '1024', timeout: '2000' };
      const result = filter.run(lines, { config, batchBytes });
      assert.ok(ledgerAddsUp(result));
      assert.is(result.ledger.overflowed, expected.tooMany);
      const told = stream(result, 'fields').map(({ node = '', serial, records: size }) => [
        node,
        serial,
        size,
      ]);
      assert.equal(told, expected.told, `${capacity} open events`);
    }
  }
});

test('names of types and nodes are kept up to 255 bytes, and what stands behind them is whole', () => {
  const stamp = 'msg=audit(1769853600.000:7): cwd="/a"';
  const config = { capacity: '1', bytes: '65536', timeout: '2000' };
  const of = (line: string) => {
    const [{ node, type, cwd } = {}, ...others] = stream(filter.run([line], { config }), 'fields');
    return [node, type, cwd, others.length];
  };
  for (const bytes of [255, 256, 70_000]) {
    assert.equal(of(`node=${'n'.repeat(bytes)} type=CWD ${stamp}`), ['n'.repeat(255), 'CWD', '/a', 0]);
    assert.equal(of(`type=${'A'.repeat(bytes)} ${stamp}`), [undefined, 'A'.repeat(255), '/a', 0]);
  }
});

test('a record costs the same beside a thousand open events as alone', () => {
  const event = (serial: number, ms: number): AuditRecord[] =>
    (['CWD', 'CWD', 'EOE'] as const).map((type) => ({ node: '', serial, ms, type }));
  const others = Array.from({ length: 1_000 }, (_, at) =>
    lineOf({ node: 'n', serial: 1 + at, ms: 0, type: 'CWD' }),
  );
  // Two at a time, so that no record belongs to the event of the record before it.
  const pairs = Array.from({ length: 4_000 }, (_, at) => {
    const [a, b] = [event(2 * at + 1, 1), event(2 * at + 2, 1)];
    return a.flatMap((record, index) => [lineOf(record), lineOf(b[index] as AuditRecord)]);
  }).flat();
  const config = { capacity: '1024', bytes: '1024', timeout: '1000000' };
  const fuelOf = (before: readonly string[]) =>
    filter.run([...before, ...pairs], { config }).fuel - filter.run(before, { config }).fuel;
  const [alone, beside] = [fuelOf([]), fuelOf(others)];
  console.log(`\nnote: beside a thousand it costs ${(beside / alone).toFixed(3)} times as much`);
  assert.ok(beside < 1.1 * alone, `${alone} fuel alone, ${beside} beside a thousand`);
});

test.run();
