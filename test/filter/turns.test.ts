/**
 * A call that takes long is made in turns: others go on between them, and nothing of it is to be seen before it is done.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryCursor } from '../../host/author/drive.js';
import { createEngine, type Engine } from '../../host/engine.js';
import { startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import type { Slot } from '../../host/filter/slot.js';
import { directOutbox } from '../../host/outbox.js';
import { unpack } from '../../host/pack.js';
import { HEADER, type Message, type WireRecord } from '../../host/wire.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
/** A window that is over, all events of it late by the clock of the host. */
const LATER_MS = NOW_MS + 3_600_000;
const KEYS = 8_000;

/** A filter with a full window, and another one beside it that reads on. */
function twoFilters() {
  const loaded = loadFilter('json-select');
  const start = (config: unknown) => startFilter({ ...loaded, config, zones: [] });
  const full = memoryCursor();
  const beside = memoryCursor();
  const commits: boolean[] = [];
  const sent: { readonly subject: string; readonly records: WireRecord[] }[] = [];
  const steady = { ms: 0 };
  function send({ subject, headers, body }: Message): void {
    const records: WireRecord[] = [];
    unpack(headers, body, (record) => records.push(record));
    sent.push({ subject, records });
  }
  const slot = (instance: string) => engine.slot(instance) as Slot;
  const engine: Engine = createEngine({
    appliance: 'a',
    batchBytes: 65_536,
    filters: [
      {
        instance: 'full',
        filter: start({ count_by: ['user'] }),
        format: 'cbor',
        outbox: { ...directOutbox(send), commit: () => commits.push(slot('full').isMidCall()) },
        cursors: new Map([['one', full]]),
      },
      {
        instance: 'beside',
        filter: start({ where: [{ field: 'user', equals: 'bob' }] }),
        format: 'cbor',
        cursors: new Map([['two', beside]]),
      },
    ],
    steadyMs: () => steady.ms,
    send,
    onFilterEvent(_instance, event) {
      throw event;
    },
  });
  for (let at = 0; at < KEYS; at++) full.put(Buffer.from(`{"ts":${NOW_MS},"user":"user-${at}"}\n`));
  while (engine.turn(NOW_MS));
  steady.ms += 60_000;
  const feeds = { feedFull: full.put, feedBeside: beside.put };
  return { engine, sent, commits, full: slot('full'), beside: slot('beside'), start, ...feeds };
}

const counted = (sent: ReturnType<typeof twoFilters>['sent']) =>
  sent.filter(({ subject }) => subject === 'weir.ev.a.full.counts').flatMap(({ records }) => records);

test('while a large window is told, other filters read on', () => {
  const { engine, sent, full, beside, feedBeside } = twoFilters();
  engine.tick(LATER_MS);
  let turns = 0;
  for (; full.isMidCall(); turns++) {
    feedBeside(Buffer.from(`{"ts":${LATER_MS},"user":"bob"}\n`));
    assert.ok(engine.turn(LATER_MS));
    assert.is(beside.eventsIn(), turns + 1, 'an event in each turn');
  }
  // To make it, and to hand over what it has emitted.
  assert.ok(turns > 60, `${turns} turns`);
  const { fuelUsed, dearestTurn } = full.filter();
  assert.ok(dearestTurn() > 0 && dearestTurn() < fuelUsed() / 5, `${dearestTurn()} of ${fuelUsed()}`);
  engine.cut();
  assert.equal(
    counted(sent).map(({ user, count }) => [user, count]),
    Array.from({ length: KEYS }, (_, at) => [`user-${at}`, 1]),
  );
});

test('nothing of a call is to be seen before all of it is done', () => {
  const { engine, sent, commits, full } = twoFilters();
  engine.tick(LATER_MS);
  while (full.isMidCall()) {
    const before = counted(sent).length;
    engine.cut();
    assert.is(counted(sent).length, before, 'no message is cut in the middle');
    engine.turn(LATER_MS);
  }
  engine.cut();
  assert.is(counted(sent).length, KEYS);
  assert.not(commits.includes(true), 'nothing is written to the disk in the middle');
});

test('the events of a call count for the same messages however its turns are made', () => {
  const loaded = loadFilter('json-select');
  const lines = Buffer.from(`{"user":"bob","pad":"${'x'.repeat(200)}"}\n`.repeat(20_000));
  const told = (goOn: (engine: Engine) => void) => {
    const config = { where: [{ field: 'user', equals: 'bob' }] };
    const cursor = memoryCursor(lines);
    const events: unknown[] = [];
    const engine = createEngine({
      appliance: 'a',
      batchBytes: lines.length,
      filters: [
        {
          instance: 'f',
          filter: startFilter({ ...loaded, config, zones: [] }),
          format: 'cbor',
          cursors: new Map([['s', cursor]]),
        },
      ],
      send: ({ headers }) => void events.push(headers[HEADER.events]),
      onFilterEvent(_instance, event) {
        throw event;
      },
    });
    for (let isBusy = true; isBusy; goOn(engine)) isBusy = engine.turn(NOW_MS);
    engine.cut();
    return events;
  };
  const inTurns = told(() => {});
  assert.ok(inTurns.length > 2, `${inTurns.length} messages`);
  assert.equal(
    told((engine) => engine.finish(Number.POSITIVE_INFINITY)),
    inTurns,
  );
});

test('before a swap open windows are told in turns, and nothing is read between them and the swap', async () => {
  const { engine, sent, full, beside, feedBeside, feedFull, start } = twoFilters();
  const next = start({ count_by: ['host'] });
  assert.equal(engine.missing('full', next), ['counts']);
  feedFull(Buffer.from(`{"ts":${NOW_MS},"host":"a"}\n`));
  const told = engine.tellOpen('full', NOW_MS);
  let turns = 0;
  let isOver = false;
  told.finally(() => {
    isOver = true;
  });
  for (; !isOver; turns++) {
    feedBeside(Buffer.from(`{"ts":${NOW_MS},"user":"bob"}\n`));
    engine.turn(NOW_MS);
    assert.is(beside.eventsIn(), turns + 1, 'an event in each turn');
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(turns > 30, `${turns} turns`);
  assert.is(await told, undefined);
  assert.is(full.eventsIn(), KEYS, 'what came meanwhile waits');
  engine.swap('full', next, NOW_MS, { flushes: true });
  engine.release('full');
  while (engine.turn(NOW_MS));
  engine.finish(Number.POSITIVE_INFINITY);
  engine.closeWindows(NOW_MS);
  engine.cut();
  assert.equal(
    counted(sent).map(({ user, host, partial }) => [user ?? host, partial]),
    [...Array.from({ length: KEYS }, (_, at) => [`user-${at}`, true]), ['a', undefined]],
  );
});

test('a filter in the middle of a call is not replaced', () => {
  const { engine, full } = twoFilters();
  const { startAgain } = full.filter();
  engine.tick(LATER_MS);
  assert.ok(full.isMidCall());
  assert.throws(
    () => engine.swap('full', startAgain(), LATER_MS, { flushes: false }),
    /^filter full: it is in the middle of something/,
  );
  engine.finish(Number.POSITIVE_INFINITY);
  assert.not(full.isBusy());
  assert.equal(engine.swap('full', startAgain(), LATER_MS, { flushes: false }), []);
});

test.run();
