/**
 * Faults: the event that is at fault is left out and told, everything else is as if it had not been, whatever the source and
 * however events were batched.
 */
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../../host/author/junk.js';
import { memoryCursor } from '../../host/author/drive.js';
import { createEngine, type Engine, type FilterEvent } from '../../host/engine.js';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import type { Manifest } from '../../host/filter/manifest.js';
import { FUEL_DEFAULT } from '../../host/limits.js';
import { unpack } from '../../host/pack.js';
import { createFileSource } from '../../host/source/file.js';
import { filterEventText } from '../../host/status.js';
import { createInbox } from '../../host/source/inbox.js';
import type { Cursor, Position } from '../../host/source/source.js';
import type { Message, WireRecord } from '../../host/wire.js';
import { temporaryFolder, until } from '../help.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const KINDS = ['trap', 'spin', 'deep', 'abort'] as const;

const recovery = suite<{ built: TestFilter; loaded: InstalledFilter }>('recovery');
recovery.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
  context.loaded = loadFilter('stumbling', context.built.folder);
});
recovery.after(({ built }) => built.remove());

/** `count` lines over some minutes; `whatFor` says what a line is to do. */
function linesOf(count: number, whatFor: (at: number) => string | undefined): string[] {
  return Array.from({ length: count }, (_, at) => {
    const what = whatFor(at);
    const todo = what === undefined ? '' : ` do=${what}`;
    return `t=${NOW_MS + at * 50} n=${at} k=key-${(at * 7) % 23}${todo}`;
  });
}

interface Outcome {
  readonly records: readonly WireRecord[];
  readonly dead: readonly WireRecord[];
  readonly ledger: WireRecord;
  readonly events: readonly FilterEvent[];
}

interface Options {
  readonly batchBytes?: number;
  readonly changes?: Partial<Manifest>;
  readonly callMsMax?: number;
  readonly wrap?: (filter: FilterInstance) => FilterInstance;
}

interface Told {
  readonly engine: Engine;
  outcome(): Outcome;
}

/** One filter in an engine of its own, and what it tells. */
function engineOf(
  { manifest, module }: InstalledFilter,
  cursors: Readonly<Record<string, Cursor>>,
  { batchBytes = 65_536, changes = {}, callMsMax, wrap = (same) => same }: Options = {},
): Told {
  const records: WireRecord[] = [];
  const dead: WireRecord[] = [];
  const events: FilterEvent[] = [];
  const ledgers: WireRecord[] = [];
  const filter = startFilter({
    manifest: { ...manifest, ...changes },
    module,
    config: {},
    zones: [],
    ...(callMsMax === undefined ? {} : { callMsMax }),
  });
  const engine = createEngine({
    appliance: 'a',
    batchBytes,
    filters: [
      { instance: 'f', filter: wrap(filter), format: 'cbor', cursors: new Map(Object.entries(cursors)) },
    ],
    send({ subject, headers, body }: Message) {
      const isDead = subject === 'weir.dead.a.f';
      unpack(headers, body, (record) => {
        if (isDead) dead.push(record);
        else if (subject.endsWith('.ledger')) ledgers.push(record);
        else records.push({ stream: subject.split('.').at(-1), ...record });
      });
    },
    onFilterEvent: (_instance, event) => events.push(event),
  });
  return {
    engine,
    outcome() {
      engine.closeWindows(NOW_MS);
      engine.closeLedgers(NOW_MS);
      engine.cut();
      // Messages of different streams are cut at different times.
      const inOrder = records.sort((one, other) => String(one.stream).localeCompare(String(other.stream)));
      return { records: inOrder, dead, ledger: ledgers.reduce(added), events };
    },
  };
}

/** Two records of a ledger as one. */
function added(one: WireRecord, more: WireRecord): WireRecord {
  const sums = (a: WireRecord, b: WireRecord): WireRecord =>
    Object.fromEntries(
      [...new Set([...Object.keys(a), ...Object.keys(b)])].map((name) => {
        const [x, y] = [a[name] ?? b[name], b[name] ?? a[name]];
        if (a[name] === undefined || b[name] === undefined || typeof x === 'boolean') return [name, x || y];
        return [name, typeof x === 'number' ? x + (y as number) : sums(x as WireRecord, y as WireRecord)];
      }),
    );
  return sums(one, more);
}

function runLines(loaded: InstalledFilter, lines: readonly string[], options: Options = {}): Outcome {
  const told = engineOf(loaded, { s: memoryCursor(Buffer.from(`${lines.join('\n')}\n`)) }, options);
  while (told.engine.turn(NOW_MS));
  return told.outcome();
}

const counted = ({ ledger }: Outcome) => {
  const { lost: _, cut: __, dead: ___, ts: ____, window_ms: _____, ...counters } = ledger;
  return counters;
};

recovery(
  'one line in 10,000 traps: all others are there, and the dead letters are those lines',
  (context) => {
    const lines = linesOf(100_000, (at) => (at % 10_000 === 4_321 ? KINDS[(at / 10_000) & 3] : undefined));
    const bad = lines.filter((text) => text.includes('do='));
    const found = runLines(context.loaded, lines);
    const wanted = runLines(
      context.loaded,
      lines.filter((text) => !text.includes('do=')),
    );
    assert.is(bad.length, 10);
    assert.equal(
      found.dead.map(({ line }) => line),
      bad,
    );
    assert.equal(found.records, wanted.records);
    assert.equal(counted(found), counted(wanted));
    assert.equal(found.ledger.dead, { s: 10 });
    assert.equal(found.ledger.lost, {});
    assert.equal(
      found.dead.map(({ kind }) => kind),
      bad.map(
        (text) =>
          ({ trap: 'trap', spin: 'fuel', deep: 'stack', abort: 'abort' })[text.split('do=')[1] as 'trap'],
      ),
    );
  },
);

recovery('neither what is left out nor what is emitted depends on how events are batched', (context) => {
  const seed = 20_261_126;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const lines = linesOf(4_000, () => (below(150) === 0 ? KINDS[below(KINDS.length)] : undefined));
  const [first, ...others] = [256, 1_000, 7_777, 65_536].map((batchBytes) =>
    runLines(context.loaded, lines, { batchBytes }),
  );
  assert.ok((first as Outcome).dead.length > 10);
  for (const other of others) {
    assert.equal(other.records, (first as Outcome).records);
    assert.equal(other.dead, (first as Outcome).dead);
    assert.equal(other.ledger, (first as Outcome).ledger);
  }
});

recovery('a batch that needs more fuel than an event may take is cut, and nobody is at fault', (context) => {
  const lines = linesOf(5_000, () => undefined);
  const plenty = runLines(context.loaded, lines);
  const scarce = runLines(context.loaded, lines, { changes: { fuel: 200_000 } });
  assert.equal(scarce.records, plenty.records);
  assert.equal(scarce.ledger, plenty.ledger);
  assert.equal(scarce.events, []);
});

recovery('an event may use more for its bytes, alone, and is not at fault in any batch', (context) => {
  const lines = linesOf(600, (at) => (at === 400 ? 'spin' : undefined));
  // It takes 1.3 million; those before it and behind it, in the same batch, 100,000 and more.
  lines[200] = `${lines[200]} ${'='.repeat(20_000)}`;
  const plenty = runLines(context.loaded, lines, { changes: { fuel: 5_000_000 } });
  assert.equal(
    plenty.dead.map(({ kind, line }) => [kind, line]),
    [['fuel', lines[400]]],
  );
  for (const batchBytes of [64, 4_096, 65_536]) {
    const scarce = runLines(context.loaded, lines, { batchBytes, changes: { fuel: 100_000 } });
    assert.equal(scarce.records, plenty.records);
    assert.equal(scarce.ledger, plenty.ledger);
    assert.is(scarce.dead.length, 1);
  }
});

recovery(
  'more faults than are forgiven take the filter out, and what is left is counted as lost',
  (context) => {
    const lines = linesOf(1_000, (at) => (at >= 100 && at < 110 ? 'trap' : undefined));
    const found = runLines(context.loaded, lines, { changes: { faults: 3 } });
    assert.is(found.dead.length, 4, 'with the event that was too much');
    assert.equal(
      found.events.map(({ kind }) => kind),
      ['fault', 'fault', 'fault', 'fault', 'out'],
    );
    assert.equal(found.ledger.dead, { s: 4 });
    assert.is(found.ledger.in, 100);
    assert.equal(found.ledger.lost, { s: 896 });
    assert.is(found.ledger.taken_out, true);
    const sums = found.records.filter(({ stream }) => stream === 'sums');
    assert.is(
      sums.reduce((sum, { count }) => sum + (count as number), 0),
      100,
      'what it had counted is told',
    );
    assert.ok(sums.every(({ partial }) => partial === true));
  },
);

recovery(
  'what takes too much time within its fuel is not searched for, and takes the filter out at once',
  (context) => {
    const lines = linesOf(1_000, (at) => (at === 600 ? 'spin' : undefined));
    const found = runLines(context.loaded, lines, { changes: { fuel: 1_000_000_000 }, callMsMax: 50 });
    assert.equal(
      found.events.map(({ kind }) => kind),
      ['fault', 'out'],
    );
    assert.match(
      filterEventText(found.events[1] as FilterEvent),
      /^taken out \(never forgiven\): FILTER_FAULT: .* took \d+ ms of processor time for one call/,
    );
    assert.equal([found.ledger.in, found.ledger.dead, found.ledger.lost], [600, { s: 1 }, { s: 399 }]);
  },
);

recovery(
  'what a slow call of a file had in hand is there for the version that comes after it',
  async (context) => {
    const { path, remove } = await temporaryFolder();
    const file = join(path, 'a.log');
    const lines = linesOf(1_000, (at) => (at === 600 ? 'spin' : undefined));
    writeFileSync(file, `${lines.join('\n')}\n`);
    const read = async (saved: Position, options: Options) => {
      const source = createFileSource('s', [file], { untilEof: true });
      await source.open();
      const cursor = source.cursor(saved);
      const told = engineOf(context.loaded, { s: cursor }, { batchBytes: 8_192, ...options });
      while (told.engine.turn(NOW_MS));
      const { ledger } = told.outcome();
      await source.close();
      return { ledger, position: cursor.position() };
    };
    // A batch of several that never ends takes at least 3 ms, and is not cut.
    const slow = await read(undefined, { callMsMax: 2, changes: { fuel: 1_000_000_000 } });
    assert.equal([slow.ledger.taken_out, slow.ledger.lost, slow.ledger.dead], [true, {}, {}]);
    assert.ok((slow.ledger.in as number) <= 600);
    const next = await read(slow.position, {});
    assert.equal([next.ledger.lost, next.ledger.dead], [{}, { s: 1 }]);
    assert.is((slow.ledger.in as number) + (next.ledger.in as number), 999);
    await remove();
  },
);

recovery(
  'what a manifest allows beyond 12 million is for an event alone: a batch is held up no longer',
  (context) => {
    const calls: { readonly isAlone: boolean; readonly fuel: number }[] = [];
    const noting = (filter: FilterInstance): FilterInstance => ({
      ...filter,
      *run(bytes, ...rest) {
        const before = filter.fuelUsed();
        try {
          yield* filter.run(bytes, ...rest);
        } finally {
          const isAlone = filter.input.indexOf(10) === bytes - 1;
          calls.push({ isAlone, fuel: filter.fuelUsed() - before });
        }
      },
    });
    const lines = linesOf(1_000, (at) => (at === 600 ? 'spin' : undefined));
    const fuel = 10 * FUEL_DEFAULT;
    const found = runLines(context.loaded, lines, { changes: { fuel }, wrap: noting });
    const most = (isAlone: boolean) =>
      Math.max(...calls.filter((call) => call.isAlone === isAlone).map((call) => call.fuel));
    // What goes below zero is the last stretch.
    assert.ok(most(false) < FUEL_DEFAULT + 1_000, `${most(false)} in a batch`);
    assert.ok(most(true) >= fuel, `${most(true)} for an event`);
    assert.is(found.dead.length, 1);
    assert.equal([found.ledger.in, found.ledger.dead, found.ledger.lost], [999, { s: 1 }, {}]);
  },
);

recovery('faults far apart are forgiven', (context) => {
  const lines = linesOf(60_000, (at) => (at % 6_000 === 1 ? 'trap' : undefined));
  const found = runLines(context.loaded, lines, { batchBytes: 1_024, changes: { faults: 3 } });
  assert.is(found.dead.length, 10);
  assert.is(found.ledger.in, 59_990);
});

recovery('from a bounded inbox that waits, and from files that grow, the same', async (context) => {
  const lines = linesOf(30_000, (at) => (at % 3_000 === 2_999 ? 'trap' : undefined));
  const wanted = runLines(context.loaded, lines);
  const inbox = createInbox({ capacityBytes: 65_536, eventBytesMax: 1_024 });
  const fromInbox = engineOf(context.loaded, { s: inbox.cursor() }, { batchBytes: 8_192 });
  let sent = 0;
  do {
    for (; sent < lines.length && inbox.freeBytes() > inbox.eventBytesMax; sent++)
      inbox.append(Buffer.from(lines[sent] as string));
  } while (fromInbox.engine.turn(NOW_MS) || sent < lines.length);
  const { path, remove } = await temporaryFolder();
  const file = join(path, 'a.log');
  writeFileSync(file, '');
  appendFileSync(file, lines.join('\n'));
  const source = createFileSource('s', [file], { untilEof: true });
  await source.open();
  const fromFile = engineOf(context.loaded, { s: source.cursor() }, { batchBytes: 4_096 });
  while (fromFile.engine.turn(NOW_MS));
  for (const found of [fromInbox.outcome(), fromFile.outcome()]) {
    assert.equal(found.ledger, wanted.ledger);
    assert.equal(found.dead, wanted.dead);
    assert.equal(found.records, wanted.records);
  }
  await source.close();
  await remove();
});

recovery(
  'a file that is written anew before it can be read again loses what was counted since, told once',
  async (context) => {
    const { path, remove } = await temporaryFolder();
    const file = join(path, 'a.log');
    const lines = linesOf(1_000, (at) => (at === 999 ? 'trap' : undefined));
    writeFileSync(file, `${lines.join('\n')}\n`);
    const source = createFileSource('s', [file], { untilEof: true });
    await source.open();
    const told = engineOf(context.loaded, { s: source.cursor() }, { batchBytes: 8_192 });
    while (!told.engine.slot('f')?.isRecovering()) told.engine.turn(NOW_MS);
    truncateSync(file, 0);
    while (told.engine.turn(NOW_MS));
    const { ledger, events } = told.outcome();
    assert.equal(
      events.map(({ kind }) => kind),
      ['fault'],
    );
    const { in: seen, lost } = ledger as { in: number; lost: { s: number } };
    assert.is(seen, 999);
    assert.ok(lost.s > 500 && lost.s < 800, `what went into the state, and was not kept: ${lost.s}`);
    await source.close();
    await remove();
  },
);

recovery('events in hand are there whatever becomes of their file meanwhile', async (context) => {
  const { path, remove } = await temporaryFolder();
  const file = join(path, 'a.log');
  const before = linesOf(1_000, (at) => (at === 500 ? 'trap' : undefined));
  const after = linesOf(1_500, () => undefined);
  writeFileSync(file, `${before.join('\n')}\n`);
  const source = createFileSource('s', [file], { untilEof: false, pollMs: 5 });
  await source.open();
  const told = engineOf(context.loaded, { s: source.cursor() });
  while (!told.engine.slot('f')?.isRecovering()) assert.ok(told.engine.turn(NOW_MS));
  truncateSync(file, 0);
  appendFileSync(file, `written=anew ${after.join('\n')}\n`);
  const isRead = () => {
    while (told.engine.turn(NOW_MS));
    return told.engine.slot('f')?.eventsIn() === 2_499;
  };
  await until(isRead, 10_000, 'all events of both are read');
  const { ledger } = told.outcome();
  assert.equal([ledger.in, ledger.dead, ledger.lost], [2_499, { s: 1 }, {}]);
  await source.close();
  await remove();
});

recovery('events in hand are there whatever else comes into their inbox meanwhile', (context) => {
  const inbox = createInbox({ capacityBytes: 65_536, eventBytesMax: 1_024 });
  const told = engineOf(context.loaded, { s: inbox.cursor() });
  const lines = linesOf(2_000, (at) => (at === 500 ? 'trap' : undefined));
  const append = (from: number, to: number) => {
    for (const line of lines.slice(from, to)) inbox.append(Buffer.from(line));
  };
  append(0, 1_000);
  while (!told.engine.slot('f')?.isRecovering()) assert.ok(told.engine.turn(NOW_MS));
  append(1_000, 2_000);
  while (told.engine.turn(NOW_MS));
  const { ledger } = told.outcome();
  assert.equal([ledger.in, ledger.dead, ledger.lost], [1_999, { s: 1 }, {}]);
});

recovery.run();
