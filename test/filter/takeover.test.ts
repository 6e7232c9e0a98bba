/**
 * A filter that takes over what another one remembers goes on as if it had seen all events itself: for each shipped filter
 * and each collection of the library, cut anywhere, with the new one's memory at other addresses.
 */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../../host/author/junk.js';
import { readSamples } from '../../host/author/samples.js';
import { type InstalledFilter, installedFilters, loadFilter } from '../../host/filter/library.js';
import { takeOver } from '../../host/filter/state.js';
import type { DriveOptions } from '../../host/author/drive.js';
import type { WireRecord } from '../../host/wire.js';
import { buildTestFilter, ROOT, type TestFilter } from '../runtime/testfilter.js';
import { type Fed, ledgerOf, moved, recordsOf, start } from './handover.js';
import {
  auditLines,
  auditOptions,
  jsonLines,
  jsonOptions,
  singleAuditLines,
  toolRuns,
} from './handoverevents.js';

const SEED = 20_261_126;
const CUTS = 2;

let tools: TestFilter;
let joined: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  tools = await buildTestFilter('sketch-tools');
  joined = await buildTestFilter('audit-joined');
});
test.after(async () => {
  await tools.remove();
  await joined.remove();
});

/** Where to cut so many lines: somewhere, and at both ends. */
function cuts(lines: number): number[] {
  const below = seeded(SEED + lines);
  return [0, lines, ...Array.from({ length: CUTS }, () => below(lines + 1))];
}

/** Another filter at other addresses, which has taken over everything from this one. */
function successorOf(old: Fed, filter: InstalledFilter, options: DriveOptions): Fed {
  const next = start(moved(filter), options);
  const { taken, missing } = takeOver(old.filter, next.filter);
  assert.equal(missing, []);
  assert.is(taken.length, old.filter.collections.length);
  return next;
}

function goesOn(filter: InstalledFilter, lines: readonly string[], options: DriveOptions): void {
  const whole = start(filter, options).feed(lines);
  const state = Buffer.from(whole.filter.state);
  whole.end();
  for (const cut of cuts(lines.length)) {
    const what = `${filter.manifest.name} ${JSON.stringify(options)} cut at ${cut} of ${lines.length}`;
    const old = start(filter, options).feed(lines.slice(0, cut));
    const next = successorOf(old, filter, options).feed(lines.slice(cut));
    assert.ok(next.filter.state.equals(state), `${what}: another state`);
    next.end();
    assert.equal(recordsOf(old, next), whole.records(), what);
    assert.equal(ledgerOf(old, next), ledgerOf(whole), what);
  }
}

function samplesOf(name: string): { lines: string[]; settings: DriveOptions }[] {
  return readSamples(join(ROOT, 'filters', name)).map(({ bytes, settings }) => ({
    lines: bytes.toString('latin1').trimEnd().split('\n'),
    settings,
  }));
}

test('each shipped filter goes on from what another instance of it remembers', () => {
  for (const name of installedFilters()) {
    const samples = samplesOf(name);
    assert.ok(samples.length > 0, name);
    for (const { lines, settings } of samples) goesOn(loadFilter(name), lines, settings);
  }
});

test('windows of NDJSON go on across the cut', () => {
  goesOn(loadFilter('json-select'), jsonLines(SEED), jsonOptions);
});

test('each collection of the library goes on', () => {
  const filter = loadFilter('sketch-tools', tools.folder);
  for (const { config, lines } of toolRuns(SEED)) goesOn(filter, lines, { config });
});

test('audit events go on of which only some records have come', () => {
  goesOn(loadFilter('audit-joined', joined.folder), auditLines(SEED), auditOptions);
});

/** Numbers that do not add up: what differs, and how far off. */
const NO_SUMS = 'ts window_ms serial lost users estimate error argc arguments pid uid'.split(' ');

type Sums = readonly (readonly [place: string, totals: Readonly<Record<string, number>>])[];

/** Sums of the numbers of all records of one window and key; a record that has none counts as one. */
function sums(records: readonly WireRecord[], by: readonly string[]): Sums {
  const totals = new Map<string, Record<string, number>>();
  for (const record of records) {
    const place = JSON.stringify(by.map((name) => record[name] ?? null));
    const total = totals.get(place) ?? {};
    totals.set(place, total);
    const numbers = Object.entries(record).filter(
      (field): field is [string, number] =>
        typeof field[1] === 'number' && !NO_SUMS.includes(field[0]) && !by.includes(field[0]),
    );
    for (const [name, value] of numbers.length > 0 ? numbers : ([['count', 1]] as const))
      total[name] = (total[name] ?? 0) + value;
  }
  return [...totals].sort(([one], [two]) => (one < two ? -1 : 1));
}

/** What is told with a flush in between adds up: by one filter, by one that takes over, and by one that knows nothing. */
function addsUp(
  filter: InstalledFilter,
  lines: readonly string[],
  options: DriveOptions,
  by: readonly string[],
): void {
  const whole = start(filter, options).feed(lines).end();
  const expected = sums(whole.records(), by);
  let partial = 0;
  for (const cut of cuts(lines.length)) {
    const what = `${filter.manifest.name} ${JSON.stringify(options)} flushed at ${cut} of ${lines.length}`;
    const [before, after] = [lines.slice(0, cut), lines.slice(cut)];
    const one = start(filter, options).feed(before);
    const old = start(filter, options).feed(before).flush();
    partial += old.records().length - one.records().length;
    const next = successorOf(old, filter, options).feed(after).end();
    const fresh = start(filter, options).feed(after).end();
    const flushed = old.records().slice(one.records().length);
    assert.ok(
      flushed.every((record) => record.partial === true),
      what,
    );
    one.flush().feed(after).end();
    assert.is(one.records().filter((record) => record.partial === true).length, flushed.length, what);
    assert.equal(sums(one.records(), by), expected, `${what}: goes on`);
    assert.equal(sums(recordsOf(old, next), by), expected, `${what}: taken over`);
    assert.equal(sums(recordsOf(old, fresh), by), expected, `${what}: a new one`);
    assert.is(one.filter.ledger().late, whole.filter.ledger().late, what);
    assert.is(one.filter.ledger().in, lines.length, what);
    assert.equal(ledgerOf(old, next), one.filter.ledger(), what);
  }
  assert.ok(partial > 0, `${filter.manifest.name}: nothing was open`);
}

test('what a flush tells and what comes after it add up, for each shipped filter with windows', () => {
  const keys = {
    files: ['stream', 'ts', 'dir'],
    'fw-admin': ['stream', 'ts', 'type', 'subtype'],
    processes: ['stream', 'ts', 'exe'],
    'ssh-auth': ['stream', 'ts', 'src_ip'],
  };
  for (const [name, by] of Object.entries(keys))
    for (const { lines, settings } of samplesOf(name)) addsUp(loadFilter(name), lines, settings, by);
  addsUp(loadFilter('audit-exec'), singleAuditLines(SEED), {}, ['stream', 'ts', 'type']);
  addsUp(loadFilter('json-select'), jsonLines(SEED), jsonOptions, ['stream', 'ts', 'user', 'level']);
});

test('what a flush tells and what comes after it add up, for each collection that has windows', () => {
  const filter = loadFilter('sketch-tools', tools.folder);
  for (const { config, lines, by } of toolRuns(SEED)) if (by) addsUp(filter, lines, { config }, by);
  addsUp(loadFilter('audit-joined', joined.folder), auditLines(SEED), auditOptions, ['serial']);
});

test('a record that fits its room fits with what a flush adds to it', () => {
  const { manifest, module } = loadFilter('sketch-tools', tools.folder);
  const config = { tool: 'hopping' };
  const found = { fits: 0, isLeftOut: 0 };
  for (let output = 96; output <= 224; output += 32) {
    const small = { manifest: { ...manifest, memory: { ...manifest.memory, output } }, module };
    for (let length = 0; length <= 13; length++) {
      const line = `1000 ${'k'.repeat(length)}`;
      const [whole, partial] = [start(small, { config }).feed([line]), start(small, { config }).feed([line])];
      whole.end();
      partial.flush();
      assert.equal(
        partial.records(),
        whole.records().map((record) => ({ ...record, partial: true })),
        `${length} bytes into ${output}`,
      );
      found[whole.records().length > 0 ? 'fits' : 'isLeftOut']++;
    }
  }
  assert.ok(found.fits > 0 && found.isLeftOut > 0, JSON.stringify(found));
});

test.run();
