/**
 * Versions of a filter while it recovers: a swap waits, and goes on from what runs then.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config, FilterConfig } from '../host/config.js';
import type { Engine } from '../host/engine.js';
import { createVersions, type Installed, loadEntry, type Versions } from '../host/versions.js';
import { oneLine } from '../host/errors.js';
import { CONTROL_CONNECTIONS_MAX } from '../host/limits.js';
import { SHIPPED_FILTERS } from '../host/filter/library.js';
import { temporaryFolder, until } from './help.js';

const versions = suite('versions');

const ENTRY: FilterConfig = {
  instance: 'f',
  filter: 'tripwire',
  from: ['s'],
  timezone: 'UTC',
  format: 'cbor',
  config: {},
};
const FIRST = loadEntry(ENTRY, undefined);

/** Versions over an engine that only says whether the filter recovers. */
function versionsOf() {
  const engine = { isBusy: false, isProven: true, asked: 0, flushes: [] as boolean[] };
  const fake = {
    isBusy() {
      engine.asked++;
      return engine.isBusy;
    },
    missing: () => [],
    tellOpen: async () => undefined,
    release() {},
    slot: () => ({ isOut: () => false, isOnProbation: () => !engine.isProven }),
    swap(_instance: string, _next: unknown, _nowMs: number, { flushes }: { flushes: boolean }) {
      engine.flushes.push(flushes);
      return [];
    },
  };
  const found = createVersions({
    engine: fake as unknown as Engine,
    installed: [FIRST],
    filterDir: undefined,
    now: () => 0,
    checkMemory: () => {},
    tell: () => {},
  });
  return { engine, versions: found };
}

/** A reload with this time zone, which is a part of what the state means. */
function reload(of: Versions, timezone: string, more: object = {}) {
  const entry = { ...FIRST.entry, timezone, ...more } as Installed['entry'];
  const config = { filters: [entry] } as unknown as Config;
  return of.reload(config, config);
}

versions('a swap that waits for a recovery leaves it the processor', async () => {
  const { engine, versions: found } = versionsOf();
  engine.isBusy = true;
  const swapped = reload(found, 'Europe/Berlin');
  await until(() => engine.asked > 0, 10_000, 'the swap waits');
  const before = engine.asked;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(engine.asked - before <= 20, `asked ${engine.asked - before} times in half a second`);
  engine.isBusy = false;
  assert.match((await swapped)[0] as string, /its config is another one/);
});

versions('a version that came back meanwhile is what the next one is compared with', async () => {
  const { engine, versions: found } = versionsOf();
  await reload(found, 'Europe/Berlin');
  engine.isBusy = true;
  const before = engine.asked;
  const swapped = reload(found, 'Europe/Berlin', { other: true });
  await until(() => engine.asked > before, 10_000, 'the swap waits');
  found.happened('f', 'returned', 'at fault');
  engine.isBusy = false;
  assert.match((await swapped)[0] as string, /its config is another one/);
  assert.equal(engine.flushes, [true, true]);
});

versions('what comes back is the version before, or the last one that was known to be good', async () => {
  const { engine, versions: found } = versionsOf();
  const line = async (timezone: string) => (await reload(found, timezone))[0];
  await line('Europe/Berlin');
  engine.isProven = false;
  await line('Europe/Paris');
  await line('Europe/Rome');
  found.happened('f', 'returned', 'at fault');
  assert.is(await line('Europe/Paris'), undefined, 'it runs');
  found.happened('f', 'returned', 'at fault');
  assert.is(await line('UTC'), undefined, 'the first one runs');
  await line('Europe/Berlin');
  await line('Europe/Paris');
  found.happened('f', 'approved', 'has passed');
  found.happened('f', 'returned', 'at fault');
  assert.match((await line('Europe/Berlin')) as string, /its config is another one/);
});

versions(
  'who waits for the end of a probation hears how it ended, and of one that takes its place',
  async () => {
    const { versions: found } = versionsOf();
    const passing = found.passed('f');
    found.happened('f', 'approved', 'has passed');
    assert.match(await passing, /^tripwire@\S+ has passed its probation$/);
    const failed = (promise: Promise<string>) => promise.catch((error: unknown) => oneLine(error));
    for (const kind of ['returned', 'out'] as const) {
      const failing = failed(found.passed('f'));
      found.happened('g', 'approved', 'has passed');
      found.happened('f', kind, 'it was at fault');
      assert.match(
        await failing,
        /^PROBATION_FAILED: filter f: expected tripwire@\S+ to pass its probation, .*: it was at fault;/,
      );
    }
    const replaced = failed(found.passed('f'));
    await reload(found, 'Europe/Berlin');
    assert.match(await replaced, /^PROBATION_FAILED: .* has taken its place;/);
    const waiting = Array.from({ length: CONTROL_CONNECTIONS_MAX }, () => found.passed('f'));
    assert.match(await failed(found.passed('f')), /^USAGE: filter f: expected up to 16 that wait/);
    found.happened('f', 'approved', 'has passed');
    await Promise.all(waiting);
  },
);

versions('what needs a restart is named until it is undone', async () => {
  const { versions: found } = versionsOf();
  const started = { appliance: 'a', filters: [FIRST.entry] } as unknown as Config;
  const other = {
    appliance: 'b',
    filters: [
      { ...FIRST.entry, from: ['t'] },
      { ...FIRST.entry, instance: 'g' },
    ],
  } as unknown as Config;
  const named = [
    'appliance: changed; it needs a restart',
    'filters.f.from or format: changed; it needs a restart',
    'filters.g: new; it needs a restart',
  ];
  assert.equal(await found.reload(other, started), named);
  assert.equal(await found.reload(other, started), named);
  assert.equal(await found.reload(started, started), []);
  assert.equal(await found.reload({ ...started, filters: [] }, started), [
    'filters.f: gone; it needs a restart',
  ]);
});

versions('what is no regular file is not read: it could have no end, or nobody who writes it', async () => {
  const { path, remove } = await temporaryFolder();
  const pipe = join(path, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const { versions: found } = versionsOf();
  const shipped = (file: string) => join(SHIPPED_FILTERS, 'tripwire', file);
  for (const [module, manifest] of [
    [pipe, shipped('filter.json')],
    ['/dev/zero', shipped('filter.json')],
    [shipped('filter.wasm'), pipe],
  ] as const) {
    const refused = await found.swapFiles('f', module, manifest).catch((error: unknown) => error);
    assert.match(oneLine(refused), /expected a regular file/);
  }
  await remove();
});

versions.run();
