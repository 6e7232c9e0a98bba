/**
 * A row of a window that is at fault is left out alone: what else is due is told, the events that made it due are processed, and the
 * ledger has the events that had gone into the row.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { driveFilter, memoryCursor } from '../../host/author/drive.js';
import { createEngine, type FilterEvent } from '../../host/engine.js';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import { SPARED_MAX } from '../../host/limits.js';
import { unpack } from '../../host/pack.js';
import { filterEventText } from '../../host/status.js';
import type { WireRecord } from '../../host/wire.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const MINUTE_MS = 60_000;
const LATER_MS = NOW_MS + 10 * MINUTE_MS;

const rows = suite<{ built: TestFilter; loaded: InstalledFilter }>('rows at fault');
rows.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
  context.loaded = loadFilter('stumbling', context.built.folder);
});
rows.after(({ built }) => built.remove());

const line = (minute: number, key: string) => `t=${NOW_MS + minute * MINUTE_MS} n=1 k=${key}\n`;
/** As many events of each key as its place in the list says. */
const linesOf = (minute: number, keys: readonly string[]) =>
  keys.map((key, at) => line(minute, key).repeat(at + 1)).join('');
const someKeys = (count: number) => Array.from({ length: count }, (_, at) => `key-${at}`);

interface Options {
  readonly faults?: number;
  readonly config?: object;
  readonly batchBytes?: number;
}

/** Rows of these keys are at fault, or not. */
const STUMBLES = { rows: 1 };
const WHOLE = { rows: 0 };

function engineOf({ manifest, module }: InstalledFilter, options: Options = {}) {
  const { faults = 3, config = STUMBLES, batchBytes = 65_536 } = options;
  const cursor = memoryCursor();
  const records: WireRecord[] = [];
  const dead: WireRecord[] = [];
  const ledgers: WireRecord[] = [];
  const events: FilterEvent[] = [];
  const start = (own: unknown): FilterInstance =>
    startFilter({ manifest: { ...manifest, faults }, module, config: own, zones: [] });
  const engine = createEngine({
    appliance: 'a',
    batchBytes,
    filters: [{ instance: 'f', filter: start(config), format: 'cbor', cursors: new Map([['s', cursor]]) }],
    send({ subject, headers, body }) {
      const isDead = subject.startsWith('weir.dead.');
      unpack(headers, body, (record) => {
        if (isDead) dead.push(record);
        else if (subject.endsWith('.ledger')) ledgers.push(record);
        else if (!subject.endsWith('.kept')) records.push(record);
      });
    },
    onFilterEvent: (_instance, event) => events.push(event),
  });
  const settle = (nowMs: number) => {
    while (engine.turn(nowMs));
  };
  return {
    ...{ engine, events, start },
    feed(text: string) {
      cursor.put(Buffer.from(text));
      settle(NOW_MS);
    },
    tick(nowMs = LATER_MS) {
      engine.tick(nowMs);
      settle(nowMs);
    },
    found() {
      engine.closeLedgers(NOW_MS);
      engine.cut();
      const sum = (of: (record: WireRecord) => unknown) =>
        ledgers.reduce((all, record) => all + Number(of(record) ?? 0), 0);
      const bySource = (name: string) => sum((record) => (record[name] as WireRecord).s);
      return {
        ...{ records, dead },
        counts: Object.fromEntries(records.map(({ k, count }) => [k, count])),
        lost: bySource('lost'),
        deadEvents: bySource('dead'),
        in: sum((record) => record.in),
        isOut: ledgers.at(-1)?.taken_out === true,
      };
    },
  };
}

const kinds = (events: readonly FilterEvent[]) => events.map(({ kind }) => kind);
const countsOf = (keys: readonly string[], without: readonly string[]) =>
  Object.fromEntries(keys.flatMap((key, at) => (without.includes(key) ? [] : [[key, at + 1]])));

for (const what of ['trap', 'spin', 'deep', 'abort', 'open']) {
  rows(`${what}: the row alone is left out, and told with its events`, ({ loaded }) => {
    const keys = [...someKeys(20), what, ...someKeys(40).slice(20)];
    const { feed, tick, events, found } = engineOf(loaded);
    feed(linesOf(0, keys));
    tick();
    assert.equal(kinds(events), ['fault']);
    assert.match(
      filterEventText(events[0] as FilterEvent),
      /^at fault at a row of a window, or an audit event, which is left out, and with it 21 events: /,
    );
    const { counts, lost, deadEvents, isOut, dead } = found();
    assert.equal(counts, countsOf(keys, [what]));
    assert.equal([lost, deadEvents, isOut], [21, 0, false]);
    assert.equal(
      dead.map(({ source, lost }) => [source, lost]),
      [[undefined, 21]],
    );
  });
}

rows('events that make it due are no part of it, however they are batched', ({ loaded }) => {
  const keys = [...someKeys(5), 'trap', 'key-5'];
  const events = linesOf(0, keys) + linesOf(5, someKeys(30));
  for (const batchBytes of [64, 4096, 65_536]) {
    const told = engineOf(loaded, { batchBytes });
    told.feed(events);
    told.tick();
    const { records, lost, deadEvents, in: all } = told.found();
    assert.equal(kinds(told.events), ['fault']);
    assert.equal([lost, deadEvents, all], [6, 0, events.split('\n').length - 1]);
    const plain = engineOf(loaded, { config: WHOLE });
    plain.feed(events);
    plain.tick();
    assert.equal(
      records,
      plain.found().records.filter(({ k }) => k !== 'trap'),
      'as one to which nothing happens, in the same order',
    );
  }
});

rows('several in one window are left out one by one', ({ loaded }) => {
  const keys = ['trap', ...someKeys(3), 'abort', 'key-3', 'deep'];
  const { feed, tick, events, found } = engineOf(loaded);
  feed(linesOf(0, keys));
  tick();
  assert.equal(kinds(events), ['fault', 'fault', 'fault']);
  const { counts, lost, dead } = found();
  assert.equal(counts, countsOf(keys, ['trap', 'abort', 'deep']));
  assert.equal([lost, dead.map((letter) => letter.lost)], [1 + 5 + 7, [1, 5, 7]]);
});

rows(
  'calls with more of them than are forgiven end the filter, which tells the others as partial',
  ({ loaded }) => {
    const keys = ['trap', ...someKeys(3), 'abort', 'key-3'];
    const { feed, tick, events, found } = engineOf(loaded, { faults: 1 });
    feed(linesOf(0, keys));
    tick(NOW_MS + 3 * MINUTE_MS);
    assert.equal(kinds(events), ['fault', 'fault'], 'one call');
    feed(linesOf(4, keys));
    tick();
    assert.equal(kinds(events), ['fault', 'fault', 'fault', 'fault', 'out']);
    const { records, counts, lost, isOut } = found();
    assert.equal([counts, isOut], [countsOf(keys, ['trap', 'abort']), true]);
    assert.equal(
      records.map(({ partial }) => partial === true),
      [false, false, false, false, true, true, true, true],
    );
    assert.is(lost, 2 * (1 + 5));
  },
);

rows(
  'more than are left out of one call end it, and nothing is told behind the last of them',
  ({ loaded }) => {
    const many = Array.from({ length: SPARED_MAX + 10 }, (_, at) => `trap-${at}`);
    const { feed, tick, events, found } = engineOf(loaded, { faults: 100 });
    feed([...many, 'key-0'].map((key) => line(0, key)).join('') + line(0, 'key-1').repeat(2));
    tick();
    assert.is(kinds(events).at(-1), 'out');
    const { records, lost, dead } = found();
    assert.equal(records, []);
    assert.is(lost, many.length + 1 + 2, 'with all that stands behind them, once');
    assert.is(dead.length, SPARED_MAX + 1);
    assert.is(dead.at(-1)?.lost, 10 + 1 + 2);
  },
);

rows('an event that makes one too many due is not dead: it was not looked at', ({ loaded }) => {
  const { feed, events, found } = engineOf(loaded, { faults: 0 });
  feed(linesOf(0, ['trap', 'key-0']) + linesOf(5, ['key-1']));
  assert.is(kinds(events).at(-1), 'out');
  const { counts, deadEvents, lost } = found();
  // Of what is no file the event that was not looked at is lost, too.
  assert.equal([counts, deadEvents, lost], [{ 'key-0': 2 }, 0, 1 + 1]);
});

rows('a row that finds too little fuel left by others has a turn of its own', ({ loaded }) => {
  // More than are left out of one call, so that none of these turns counts for that.
  const keys = Array.from({ length: SPARED_MAX + 5 }, (_, at) => `heavy-${at}`);
  const { feed, tick, events, found } = engineOf(loaded);
  feed(linesOf(0, keys));
  tick();
  const { counts, lost } = found();
  assert.equal([kinds(events), counts, lost], [[], countsOf(keys, []), 0]);
});

rows('at the end of all input, too', ({ loaded }) => {
  const keys = ['key-0', 'trap', 'key-1'];
  const { engine, feed, events, found } = engineOf(loaded);
  feed(linesOf(0, keys));
  engine.closeWindows(NOW_MS);
  const { counts, records, lost } = found();
  assert.equal([kinds(events), counts, lost], [['fault'], countsOf(keys, ['trap']), 2]);
  assert.ok(records.every(({ partial }) => partial !== true));
});

rows('what was done since a snapshot is made again without the same row', ({ loaded }) => {
  const { feed, tick, events, found } = engineOf(loaded);
  feed(linesOf(0, ['key-0', 'trap', 'key-1']));
  tick(NOW_MS + 3 * MINUTE_MS);
  feed(linesOf(4, ['key-0', 'key-1']));
  // An event at fault puts the filter back to before all of that.
  feed(`t=${NOW_MS + 4 * MINUTE_MS} n=1 k=key-0 do=trap\n`);
  tick();
  assert.equal(kinds(events), ['fault', 'fault']);
  const { records, lost, deadEvents } = found();
  assert.equal(
    records.map(({ k, count }) => [k, count]),
    [
      ['key-0', 1],
      ['key-1', 3],
      ['key-0', 1],
      ['key-1', 2],
    ],
  );
  assert.equal([lost, deadEvents], [2, 1]);
});

rows('a version that comes back bears what the one on probation could not', ({ loaded }) => {
  const { engine, feed, tick, events, start, found } = engineOf(loaded, { config: WHOLE });
  feed(linesOf(0, ['key-0', 'trap']));
  engine.swap('f', start(STUMBLES), NOW_MS, { flushes: false });
  tick();
  assert.equal(kinds(events), ['returned']);
  const { counts, lost } = found();
  assert.equal([counts, lost], [{ 'key-0': 1, trap: 2 }, 0]);
});

rows('one that comes back, and is at fault at a row itself, leaves out that row alone', ({ loaded }) => {
  const { engine, feed, tick, events, start, found } = engineOf(loaded);
  feed(linesOf(0, ['key-0', 'trap', 'key-1']));
  engine.swap('f', start(WHOLE), NOW_MS, { flushes: false });
  // It makes the rows due, and the new version tells them, so what the old one makes of the same is no loss.
  feed(linesOf(4, ['key-2']));
  feed(`t=${NOW_MS + 4 * MINUTE_MS} n=1 k=key-2 do=trap\n`);
  assert.equal(kinds(events), ['returned', 'fault']);
  tick();
  const { counts, lost, deadEvents } = found();
  assert.equal([counts, lost, deadEvents], [{ 'key-0': 1, trap: 2, 'key-1': 3, 'key-2': 1 }, 0, 1]);
});

rows('before a swap: dear rows are told in turns, one at fault is left out', async ({ loaded }) => {
  const keys = ['key-0', 'heavy-1', 'heavy-2', 'heavy-3', 'trap', 'key-1'];
  const { engine, feed, events, start, found } = engineOf(loaded);
  feed(linesOf(0, keys));
  assert.is(await engine.tellOpen('f', NOW_MS), undefined);
  engine.swap('f', start({ capacity: 17 }), NOW_MS, { flushes: false });
  engine.release('f');
  assert.equal(kinds(events), ['fault']);
  const { counts, records, lost } = found();
  assert.equal([counts, lost], [countsOf(keys, ['trap']), 5]);
  assert.ok(records.every(({ partial }) => partial === true));
});

rows('of audit events, too', async () => {
  const built = await buildTestFilter('audit-joined');
  const config = { capacity: '8', bytes: '4096', timeout: '2000', trap: 3 };
  const { feed, events, found } = engineOf(loadFilter('audit-joined', built.folder), { config });
  await built.remove();
  const record = (serial: number, type: string) =>
    `type=${type} msg=audit(1769853600.000:${serial}): pid=${serial}\n`;
  const serials = [1, 2, 3, 4, 5];
  feed(
    serials
      .map((serial) => record(serial, 'SYSCALL') + record(serial, 'CWD') + record(serial, 'EOE'))
      .join(''),
  );
  assert.equal(kinds(events), ['fault']);
  const { records, lost, deadEvents, in: all } = found();
  assert.equal(
    records.map(({ serial, lost }) => [serial, lost]),
    [1, 2, 4, 5].map((serial) => [serial, 0]),
    'none of the serials is missing',
  );
  assert.equal([lost, deadEvents, all], [2, 0, 15]);
});

rows('its author is told which one it is, and the line of his own that it came to', ({ loaded }) => {
  const driven = () => driveFilter(loaded, { config: STUMBLES, now: NOW_MS });
  const text = linesOf(0, ['fine', 'abort', 'good']);
  const told =
    /: it was told to \(filter\.ts:\d+\), at number 2 of what was due, with 2 events in it; correct the filter$/;
  assert.throws(() => driven().feed(Buffer.from(text)).end(), told);
  assert.throws(() => driven().feed(Buffer.from(text + line(9, 'next'))), told);
  const many = linesOf(0, [...someKeys(1), 'open']);
  assert.throws(
    () => driven().feed(Buffer.from(many)).end(),
    /expected open, fields, close \(stream kept\), at number 2 of what was due, with 2 events in it; /,
  );
});

rows.run();
