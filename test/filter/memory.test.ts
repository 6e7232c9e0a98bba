/**
 * What a host has resident stays the same over any number of faults and swaps: each leaves nothing behind.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryCursor } from '../../host/author/drive.js';
import { createEngine, type Engine } from '../../host/engine.js';
import { admit } from '../../host/filter/admit.js';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { type InstalledFilter, loadFilter } from '../../host/filter/library.js';
import { buildTestFilter, type TestFilter } from '../runtime/testfilter.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const MiB = 2 ** 20;
const KINDS = ['trap', 'spin', 'deep', 'abort'];
const FAULTS = 600;
const SWAPS = 40;
const INPUT_BYTES = 4 * MiB;
/** Ten times what a batch takes; an endless loop uses it up each time that its batch is cut. */
const FUEL = 500_000;
/** Far less than one thing for each of them would take: a snapshot has 200 KiB, the memory of a version more than 4 MiB. */
const HEAP_GROWTH_MAX = 1 * MiB;
const RESIDENT_GROWTH_MAX = 48 * MiB;
/** Versions that a host knows: the one that runs, the one before it, and how the last good one is started. */
const KEPT_MAX = 3;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const memory = suite<{ built: TestFilter; loaded: InstalledFilter }>('memory');
memory.before(async (context) => {
  context.built = await buildTestFilter('stumbling');
  context.loaded = loadFilter('stumbling', context.built.folder);
});
memory.after(({ built }) => built.remove());

interface Host {
  readonly engine: Engine;
  /** What has happened to the filter. */
  readonly told: Record<string, number>;
  run(lines: readonly string[]): void;
}

function hostOf(filter: FilterInstance): Host {
  const cursor = memoryCursor();
  const told: Record<string, number> = {};
  const engine = createEngine({
    appliance: 'a',
    batchBytes: 8_192,
    filters: [{ instance: 'f', filter, format: 'cbor', cursors: new Map([['s', cursor]]) }],
    send: () => {},
    onFilterEvent(_instance, { kind }) {
      told[kind] = (told[kind] ?? 0) + 1;
    },
  });
  return {
    engine,
    told,
    run(lines) {
      cursor.put(Buffer.from(lines.map((line) => `${line}\n`).join('')));
      while (engine.turn(NOW_MS));
    },
  };
}

/** As a host reads it anew: from bytes of its own, compiled for itself; and all of its memory was touched. */
function version({ manifest, module }: InstalledFilter, number: number, made: Made[] = []): FilterInstance {
  const memory = { ...manifest.memory, input: INPUT_BYTES };
  const memoryBytes = manifest.memoryBytes + INPUT_BYTES;
  const filter = startFilter({
    manifest: { ...manifest, version: `${number}.0.0`, memory, memoryBytes, fuel: FUEL },
    module: Uint8Array.from(module),
    config: {},
    zones: [],
    compile(name, bytes) {
      const compiled = admit(name, bytes);
      made.push(new WeakRef(compiled));
      return compiled;
    },
  });
  filter.input.fill(0);
  made.push(new WeakRef(filter.input.buffer));
  return filter;
}

/** A compiled module, or a memory. */
type Made = WeakRef<object>;

interface Held {
  readonly heap: number;
  readonly resident: number;
}

/** What is held once everything that nobody holds is gone. */
async function held(): Promise<Held> {
  for (let round = 0; round < 4; round++) {
    await breathe();
    collect();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

function isFlat(before: Held, after: Held, what: string): void {
  const grown = (key: keyof Held) => after[key] - before[key];
  const found = `${what}: ${(grown('heap') / MiB).toFixed(1)} MiB of heap, ${(grown('resident') / MiB).toFixed(1)} resident`;
  console.log(`\nnote: ${found}`);
  assert.ok(grown('heap') < HEAP_GROWTH_MAX, found);
  assert.ok(grown('resident') < RESIDENT_GROWTH_MAX, found);
}

let line = 0;
const lines = (todo: string) =>
  Array.from(
    { length: 100 },
    (_, at) => `t=${NOW_MS} n=${line++} k=${line % 50}${at === 50 ? ` do=${todo}` : ''}`,
  );

memory('faults leave nothing behind', async ({ loaded }) => {
  const host = hostOf(version(loaded, 1));
  const faults = (count: number) => {
    for (let at = 0; at < count; at++) host.run(lines(KINDS[at % KINDS.length] as string));
  };
  faults(FAULTS / 4);
  const before = await held();
  faults(FAULTS);
  isFlat(before, await held(), `${FAULTS} faults`);
  assert.equal(host.told, { fault: FAULTS + FAULTS / 4 });
});

memory('swaps leave nothing behind, and neither do versions that gave way again', async ({ loaded }) => {
  const host = hostOf(version(loaded, 1));
  const made: Made[] = [];
  let number = 1;
  const swaps = (count: number) => {
    for (let at = 0; at < count; at++) {
      host.engine.swap('f', version(loaded, ++number, made), NOW_MS, { flushes: at % 3 === 0 });
      host.run(lines(at % 2 ? 'trap' : 'nothing'));
    }
  };
  swaps(SWAPS / 2);
  const before = await held();
  swaps(SWAPS);
  isFlat(before, await held(), `${SWAPS} swaps`);
  assert.ok((host.told.returned ?? 0) >= SWAPS / 2, `${host.told.returned} came back`);
  const kept = made.filter((one) => one.deref() !== undefined).length;
  assert.ok(kept <= 2 * KEPT_MAX, `${kept} modules and memories of ${made.length} are kept`);
});

memory.run();
