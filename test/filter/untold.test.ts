/**
 * Windows that cannot be told: what was counted in them is lost with the filter, and the ledger says so.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryCursor } from '../../host/author/drive.js';
import { createEngine, type FilterEvent } from '../../host/engine.js';
import { startFilter } from '../../host/filter/instance.js';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import { FUEL_MAX } from '../../host/limits.js';
import { unpack } from '../../host/pack.js';
import type { WireRecord } from '../../host/wire.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const MINUTE_MS = 60_000;
/** A row of every window takes more time than any call may. */
const KEYS = ['a', 'b', 'spin', 'c'];
const CALL_MS_MAX = 50;

const untold = suite<{ built: TestFilter; loaded: InstalledFilter }>('windows that cannot be told');
untold.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
  context.loaded = loadFilter('stumbling', context.built.folder);
});
untold.after(({ built }) => built.remove());

const line = (minute: number, at: number) =>
  `t=${NOW_MS + minute * MINUTE_MS} n=${at} k=${KEYS[at % KEYS.length]}\n`;
const lines = (minute: number, count: number) =>
  Buffer.from(Array.from({ length: count }, (_, at) => line(minute, at)).join(''));

/** A filter whose windows cannot be told, or can. */
function engineOf({ manifest, module }: InstalledFilter, sources: readonly string[], isMute = true) {
  const cursors = new Map(sources.map((name) => [name, memoryCursor()]));
  const steady = { ms: 0 };
  const ledgers: WireRecord[] = [];
  const events: FilterEvent[] = [];
  const start = (config: unknown) =>
    startFilter({
      ...{ module, config, zones: [], callMsMax: CALL_MS_MAX },
      manifest: { ...manifest, fuel: FUEL_MAX },
    });
  const engine = createEngine({
    appliance: 'a',
    batchBytes: 65_536,
    filters: [{ instance: 'f', filter: start(isMute ? { rows: 1 } : {}), format: 'cbor', cursors }],
    steadyMs: () => steady.ms,
    send({ subject, headers, body }) {
      if (subject.endsWith('.ledger')) unpack(headers, body, (record) => ledgers.push(record));
    },
    onFilterEvent: (_instance, event) => events.push(event),
  });
  const feed = (source: string, bytes: Uint8Array) => {
    cursors.get(source)?.put(bytes);
    while (engine.turn(NOW_MS));
  };
  const tick = (nowMs: number) => {
    steady.ms += MINUTE_MS;
    engine.tick(nowMs);
    while (engine.turn(nowMs));
  };
  return {
    ...{ engine, feed, tick, events, start, ledgers },
    ledger() {
      engine.closeLedgers(NOW_MS);
      engine.cut();
      const sum = (of: (record: WireRecord) => unknown) =>
        ledgers.reduce((all, record) => all + Number(of(record) ?? 0), 0);
      const lost = (source: string) => sum((record) => (record.lost as WireRecord)[source]);
      return {
        aggregated: sum((record) => record.aggregated),
        lost,
        isOut: ledgers.at(-1)?.taken_out === true,
      };
    },
  };
}

untold('at the end of all input: the filter is out, and what it had counted is lost', ({ loaded }) => {
  const { engine, feed, events, ledger } = engineOf(loaded, ['s']);
  feed('s', lines(0, 300));
  engine.closeWindows(NOW_MS);
  assert.equal(
    events.map(({ kind }) => kind),
    ['out'],
  );
  const { lost, isOut } = ledger();
  assert.equal([lost('s'), isOut], [300 - 60, true], 'all but those of which a record was kept');
});

untold('by a tick: the ledger tells at once that the filter is out, and what is lost', ({ loaded }) => {
  const { feed, tick, events, ledger, ledgers } = engineOf(loaded, ['s']);
  feed('s', lines(0, 300));
  tick(NOW_MS + 10 * MINUTE_MS);
  assert.equal(
    events.map(({ kind }) => kind),
    ['out'],
  );
  assert.equal([ledgers.at(-1)?.taken_out, ledgers.at(-1)?.lost], [true, { s: 240 }], 'told at once');
  assert.match(String((events[0] as { error: unknown }).error), /ms of processor time for one call/);
  const { lost, isOut } = ledger();
  assert.equal([lost('s'), isOut], [240, true]);
});

untold('of several sources it is not known which', ({ loaded }) => {
  const { engine, feed, ledger } = engineOf(loaded, ['s', 'z']);
  feed('s', lines(0, 100));
  feed('z', lines(0, 100));
  engine.closeWindows(NOW_MS);
  const { lost } = ledger();
  assert.equal([lost('s'), lost('z'), lost('*')], [0, 0, 160]);
});

untold('windows that were told before are not lost', ({ loaded }) => {
  const { engine, feed, tick, ledger, start } = engineOf(loaded, ['s'], false);
  feed('s', lines(0, 300));
  tick(NOW_MS + 2 * MINUTE_MS);
  feed('s', lines(3, 50));
  // The same tables, so what it remembers goes on in one that cannot tell it.
  engine.swap('f', start({ rows: 1 }), NOW_MS, { flushes: false, keeps: false });
  engine.closeWindows(NOW_MS);
  const { lost, isOut } = ledger();
  assert.equal([lost('s'), isOut], [50, true]);
});

untold.run();
