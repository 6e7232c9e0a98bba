/**
 * A filter that breaks the rules while it runs is taken out with one line that says why, and never to the cost of
 * another filter.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type EngineFilter } from '../../host/engine.js';
import { oneLine } from '../../host/errors.js';
import { finish } from '../../host/filter/calls.js';
import { type FilterInstance, type RecordSink, startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { unpack } from '../../host/pack.js';
import { createInbox } from '../../host/source/inbox.js';
import type { Message } from '../../host/wire.js';
import { memoryCursor } from '../../host/author/drive.js';
import {
  aborts,
  assemble,
  batch,
  CONSUMED,
  EMITTED,
  emits,
  HONEST,
  LEDGER,
  load,
  NOW_MS,
  OUTPUT,
  type Parts,
  recursion,
  refuses,
  says,
  writes,
} from './hostile.js';

/** 2^60 calls, 60 of them inside each other. */
const TREE = `(func $tree (param $depth i32) (if (local.get $depth) (then
  (call $tree (i32.sub (local.get $depth) (i32.const 1)))
  (call $tree (i32.sub (local.get $depth) (i32.const 1))))))`;

const FAULTS: readonly (readonly [string, Parts, RegExp])[] = [
  ['a trap', { batch: batch('unreachable') }, /stopped: unreachable/],
  [
    'a division by zero',
    { batch: batch('(i32.div_u (i32.const 1) (i32.const 0))') },
    /stopped: divide by zero/,
  ],
  [
    'endless recursion',
    { more: recursion, batch: batch('(call $deep (i32.const 0)) (i32.const 0)') },
    /Maximum call/,
  ],
  ['an endless loop', { batch: batch('(loop (br 0)) (i32.const 0)') }, /used up its fuel of \d+;/],
  [
    'an endless loop of much work',
    {
      batch: batch('(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br 0)) (i32.const 0)'),
    },
    /used up its fuel/,
  ],
  [
    'an endless loop behind a table of branches',
    { batch: batch('(loop $on (block $out (br_table $out $on (i32.const 0))) (br $on)) (i32.const 0)') },
    /used up its fuel/,
  ],
  [
    'an endless loop of copies over themselves',
    {
      batch: batch('(loop (memory.copy (i32.const 1) (i32.const 0) (i32.const 65535)) (br 0)) (i32.const 0)'),
    },
    /used up its fuel/,
  ],
  [
    'calls without end, never deep',
    { more: TREE, batch: batch('(call $tree (i32.const 60)) (i32.const 0)') },
    /used up its fuel/,
  ],
  [
    'endless recursion through the table',
    {
      more: '(table 1 1 funcref) (elem (i32.const 0) $self) (func $self (call_indirect (i32.const 0)))',
      batch: batch('(call $self) (i32.const 0)'),
    },
    /Maximum call/,
  ],
  [
    'more output than its region',
    { batch: writes({ [EMITTED]: 4_097 }) },
    /emitted 4097 bytes into a region of 4096/,
  ],
  ['output without end', { batch: writes({ [EMITTED]: -1 }) }, /emitted 4294967295 bytes/],
  ['a record past what it emitted', { batch: emits(9, 0, 16) }, /a record outside its output/],
  ['a record of 4 GiB', { batch: emits(-1, 0, 4_096) }, /a record outside its output/],
  ...[-4, -8, -9, -12, 0x7fff_fff8].map((bytes): [string, Parts, RegExp] => [
    `a record whose end is ${bytes} away`,
    { batch: emits(bytes, 0, 4_096) },
    /a record outside its output/,
  ]),
  ['a record of nothing', { batch: emits(0, 0, 8) }, /a record outside its output/],
  ['half a frame', { batch: emits(1, 0, 4) }, /a record outside its output/],
  [
    'half a frame at the very end',
    { batch: writes({ [OUTPUT]: 4_084, [EMITTED]: 4_096 }) },
    /outside its output/,
  ],
  ['a stream that it has not', { batch: emits(4, 1, 12) }, /a record outside its output/],
  ['a stream far away', { batch: emits(4, -1, 12) }, /a record outside its output/],
  ['more consumed than there was', { batch: writes({ [CONSUMED]: 3 }) }, /consumed 3 bytes of 2/],
  ['less than nothing consumed', { batch: writes({ [CONSUMED]: -1 }) }, /consumed 4294967295 bytes of 2/],
  ['done with bytes left', { batch: writes({ [CONSUMED]: 1 }) }, /answered 0 with 1 bytes left/],
  ['an answer of 7', { batch: writes({}, 7) }, /answered 7 with 0 bytes left/],
  ['an answer of -1', { batch: writes({}, -1) }, /answered -1 with 0 bytes left/],
  ['again and again', { batch: writes({ [CONSUMED]: 0 }, 1) }, /asked for more than 10000 turns in one call/],
  [
    'a record again and again',
    { batch: writes({ [CONSUMED]: 0, [OUTPUT]: 4, [EMITTED]: 12 }, 1) },
    /asked for more than 10000 turns/,
  ],
  ['counters that do not add up', { batch: writes({ [LEDGER]: 1 }) }, /its counters do not add up/],
  ['counters beyond counting', { batch: writes({ [LEDGER + 4]: -1, [LEDGER + 12]: -1 }) }, /do not add up/],
  ...[0, 3, -1, -2_147_483_648, 65_537].map((pointer): [string, Parts, RegExp] => [
    `last words at ${pointer}`,
    { batch: aborts(pointer) },
    /filter hostile: aborted; correct the filter/,
  ]),
  ['last words at the end of memory', { batch: aborts(65_536) }, /filter hostile: ; correct the filter/],
  [
    'last words without end',
    { batch: aborts(700), data: `${HONEST.data} ${says('\\ff\\ff\\ff\\ffx\\00')}` },
    /filter hostile: x\\u0000\\u0000/,
  ],
  [
    'last words that steer a terminal',
    {
      batch: aborts(700),
      data: `${HONEST.data} ${says('\\08\\00\\00\\00\\1b\\00\\0a\\00\\2e\\20\\28\\20')}`,
    },
    /filter hostile: \\u001b\\u000a\\u202e\\u2028; correct the filter/,
  ],
];

test('a filter that breaks the rules while it runs is at fault, in one line', () => {
  for (const [what, parts, expected] of FAULTS) {
    const filter = load(assemble(parts));
    filter.input.write('x\n');
    refuses(() => finish(filter.run(2, NOW_MS, false, () => {})), 'FILTER_FAULT', expected, what);
    assert.is(filter.ledger().in, 0, what);
  }
});

test('a tick that breaks the rules is at fault as well', () => {
  const tick = (body: string) => `(func (export "weir_tick") (param i64 i32) (result i32) ${body})`;
  for (const [body, expected] of [
    ['unreachable', /stopped: unreachable/],
    ['(i32.const 2)', /answered 2 with 0 bytes left/],
    ['(i32.const 1)', /asked for more than 10000 turns/],
    ['(i32.store (i32.const 1080) (i32.const 1)) (i32.const 0)', /consumed 1 bytes of 0/],
  ] as const) {
    const filter = load(assemble({ tick: tick(body) }));
    refuses(() => finish(filter.tick(NOW_MS, () => {})), 'FILTER_FAULT', expected, body);
    refuses(() => finish(filter.closeWindows(NOW_MS, () => {})), 'FILTER_FAULT', expected, body);
  }
});

test('a filter that never ends starting is refused', () => {
  const start = HONEST.start.replace(/\)$/, '(loop (br 0)))');
  assert.is.not(start, HONEST.start);
  refuses(
    () => load(assemble({ start })),
    'FILTER_FAULT',
    /weir_start used up the fuel of 100000000 for starting/,
    'starting',
  );
});

test('a filter that overwrites its map moves no region of the host', () => {
  const stores = [1_040, 1_048, 1_056, 1_060, 1_064, 1_068].map(
    (at) => `(i32.store (i32.const ${at}) (i32.const -3))`,
  );
  const start = HONEST.start.replace('(i32.store', `${stores.join(' ')} (i32.store`);
  const filter = load(assemble({ start, batch: emits(4, 0, 12) }));
  assert.is(filter.input.byteOffset, 12_288);
  const places: number[] = [];
  finish(filter.run(2, NOW_MS, false, (_stream, output, from) => places.push(output.byteOffset + from)));
  assert.equal(places, [OUTPUT + 8]);
});

test('records that overlap are one, and lie in the output', () => {
  // The second frame lies in the first one's record, and is never looked at: its stream does not exist.
  const stores = { [OUTPUT]: 16, [OUTPUT + 4]: 0, [OUTPUT + 12]: -1, [OUTPUT + 16]: 7, [EMITTED]: 24 };
  const filter = load(assemble({ batch: writes(stores) }));
  const found: number[][] = [];
  const sink: RecordSink = (stream, output, start, end) =>
    void found.push([stream, output.byteOffset + start, output.byteOffset + end]);
  finish(filter.run(2, NOW_MS, false, sink));
  assert.equal(found, [[0, OUTPUT + 8, OUTPUT + 24]]);
});

const LINES = 4_000;
const line = (at: number) => `{"n":${at},"pad":"${'x'.repeat(200)}"}`;

/** A shipped filter that keeps the number of each line. */
function startNumbers(): FilterInstance {
  const { manifest, module } = loadFilter('json-select');
  const config = { where: [{ field: 'pad', starts_with: 'x' }], keep: ['n'] };
  return startFilter({ manifest, module, config, zones: [] });
}

interface Told {
  readonly numbers: number[];
  readonly faults: string[];
}

/** Sends every line through one inbox to the hostile filter and to the shipped one, as fast as they read. */
function runBoth(hostile: FilterInstance, format: 'cbor' | 'ndjson'): Told {
  const inbox = createInbox({ capacityBytes: 65_536, eventBytesMax: 1_024 });
  const entry = (instance: string, filter: FilterInstance): Omit<EngineFilter, 'outbox'> => ({
    instance,
    filter,
    format,
    cursors: new Map([['inbox', inbox.cursor()]]),
  });
  const told: Told = { numbers: [], faults: [] };
  const engine = createEngine({
    appliance: 'test',
    batchBytes: 4_096,
    filters: [entry('hostile', hostile), entry('numbers', startNumbers())],
    send({ headers, body, subject }: Message) {
      if (subject.endsWith('.numbers.selected'))
        unpack(headers, body, ({ n }) => told.numbers.push(n as number));
    },
    onFilterEvent(instance, event) {
      if (event.kind === 'out') told.faults.push(`${instance}: ${oneLine(event.error)}`);
    },
  });
  let sent = 0;
  do {
    for (; sent < LINES && inbox.freeBytes() > inbox.eventBytesMax; sent++)
      inbox.append(Buffer.from(line(sent)));
    engine.cut();
  } while (engine.turn(NOW_MS));
  engine.tick(NOW_MS);
  engine.closeWindows(NOW_MS);
  engine.cut();
  return told;
}

test('a filter at fault is taken out once, and the others go on with every event', () => {
  const everyLine = Array.from({ length: LINES }, (_, at) => at);
  for (const [what, parts] of FAULTS.filter(([fault]) => !fault.startsWith('last words'))) {
    const { numbers, faults } = runBoth(load(assemble(parts)), 'cbor');
    assert.is(faults.length, 1, what);
    assert.match(faults.join(), /^hostile: FILTER_FAULT: filter hostile: /, what);
    assert.equal(numbers, everyLine, what);
  }
});

test('records that are no CBOR take out their filter, also where they are first read in a message', () => {
  const emitsRubbish = `(i32.store (i32.const ${CONSUMED}) (local.get $bytes))
    (i32.store (i32.const ${OUTPUT}) (i32.const 1)) (i32.store8 (i32.const ${OUTPUT + 8}) (i32.const 0xbf))
    (i32.store (i32.const ${EMITTED}) (i32.const 12))`;
  const thenTraps = `(if (i32.load (i32.const 800)) (then unreachable)) (i32.store (i32.const 800) (i32.const 1))`;
  for (const [body, expected] of [
    [`${emitsRubbish} (i32.const 0)`, /hostile: expected records in CBOR, found /],
    [`${thenTraps} ${emitsRubbish} (i32.const 1)`, /hostile: stopped: unreachable/],
  ] as const) {
    const { numbers, faults } = runBoth(load(assemble({ batch: batch(body) })), 'ndjson');
    assert.is(faults.length, 1, faults.join());
    assert.match(faults.join(), expected);
    assert.is(numbers.length, LINES);
  }
});

test('what was emitted before the fault is still sent', () => {
  // A record {} for the first event, a trap for all others.
  const once = batch(`(if (i32.load (i32.const 800)) (then unreachable))
    (i32.store (i32.const 800) (i32.const 1)) (i32.store (i32.const 1080) (local.get $bytes))
    (i32.store (i32.const ${OUTPUT}) (i32.const 1)) (i32.store8 (i32.const ${OUTPUT + 8}) (i32.const 0xa0))
    (i32.store (i32.const ${EMITTED}) (i32.const 12)) (i32.const 0)`);
  const messages: Message[] = [];
  const faults: string[] = [];
  const engine = createEngine({
    appliance: 'test',
    batchBytes: 64,
    filters: [
      {
        instance: 'hostile',
        filter: load(assemble({ batch: once })),
        format: 'ndjson',
        cursors: new Map([['memory', memoryCursor(Buffer.from(`${'x'.repeat(40)}\n`.repeat(9)))]]),
      },
    ],
    send: (message) => messages.push(message),
    onFilterEvent(_instance, event) {
      if (event.kind === 'out') faults.push(oneLine(event.error));
    },
  });
  while (engine.turn(NOW_MS));
  engine.cut();
  assert.is(faults.length, 1);
  assert.ok(engine.ended(['memory']));
  assert.equal(
    messages.map(({ subject, headers }) => [subject, headers['Weir-Records']]),
    [
      ...Array.from({ length: 4 }, () => ['weir.dead.test.hostile', '1']),
      ['weir.ev.test.hostile.out', '1'],
      ['weir.ev.test.hostile.ledger', '1'],
    ],
  );
});

test.run();
