/**
 * What the meter must not change, on every file of the corpus: each shipped filter reads all of them, one after the other,
 * so that its tables fill up as on an appliance.
 */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryCursor } from '../../host/author/drive.js';
import { nextBatch } from '../../host/batch.js';
import { admit } from '../../host/filter/admit.js';
import { finish } from '../../host/filter/calls.js';
import { startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { BATCH_BYTES_FIRST, FUEL_MAX } from '../../host/limits.js';
import { corpusFiles } from '../corpus.js';
import { unmetered } from './unmetered.js';

/** Of one file: a few are much longer, of one kind of line. */
const FILE_BYTES_MAX = 256 * 1024;
const SMALL_BATCH_BYTES = 4_096;
const NOW_MS = Date.UTC(2026, 1, 1);
/** A call, and with `select` the search that begins anew at each cut. */
const BATCH_FUEL_MAX = 3_000;
const STALE = ' sshd[1]: Failed password for \n{"user":"x"} type=EXECVE <13>1 Accepted [preauth]';

interface Subject {
  readonly filter: string;
  readonly config?: object;
  /** Whether it has a `select`. */
  readonly searches?: true;
}

const WHERE = [{ field: 'event_type', in: ['alert', 'dns', 'flow'] }];
const SUBJECTS: readonly Subject[] = [
  { filter: 'audit-exec' },
  { filter: 'files' },
  { filter: 'fw-admin' },
  { filter: 'json-select', config: { count_by: ['user'] } },
  { filter: 'json-select', config: { where: WHERE }, searches: true },
  { filter: 'processes' },
  { filter: 'ssh-attempts', searches: true },
  { filter: 'ssh-auth', searches: true },
  { filter: 'tripwire' },
];

const files = corpusFiles().map(({ path, read }) => ({ path, bytes: read().subarray(0, FILE_BYTES_MAX) }));

interface Way {
  readonly compile?: typeof admit;
  readonly batchBytes?: number;
  /** What fills the input before each file. */
  readonly stale?: string;
}

interface Outcome {
  readonly path: string;
  /** Of all records: stream, length and bytes, in order. */
  readonly records: string;
  readonly ledger: object;
  readonly fuel: number;
  readonly batches: number;
}

/** Runs a filter over every file, and closes its windows after each. */
function outcomes(
  { filter: name, config = {} }: Subject,
  { compile = admit, batchBytes = BATCH_BYTES_FIRST, stale = '' }: Way = {},
): Outcome[] {
  const { manifest, module } = loadFilter(name);
  // Batches are not cut here, so they are those that any filter can take at once.
  const filter = startFilter({
    manifest: { ...manifest, fuel: FUEL_MAX },
    module,
    config,
    zones: [],
    compile,
  });
  return files.map(({ path, bytes }) => {
    const records = createHash('sha256');
    const sink = (stream: number, output: Uint8Array, start: number, end: number) =>
      void records.update(`${stream} ${end - start} `).update(output.subarray(start, end));
    filter.input.fill(stale);
    const cursor = memoryCursor(bytes);
    const before = filter.fuelUsed();
    let batches = 0;
    for (;;) {
      const batch = nextBatch(cursor, filter.input, batchBytes);
      if (batch.kind === 'none') break;
      if (batch.kind === 'skipped') continue;
      finish(filter.run(batch.bytes, NOW_MS, batch.isTruncated, sink));
      batches++;
    }
    finish(filter.closeWindows(NOW_MS, sink));
    const fuel = filter.fuelUsed() - before;
    return { path, records: records.digest('hex'), ledger: filter.ledger(), fuel, batches };
  });
}

/** Two ways to run a filter, file by file. */
function* pairs(subject: Subject, one: Outcome[], other: Way): Generator<[Outcome, Outcome, string]> {
  const others = outcomes(subject, other);
  for (const [at, outcome] of one.entries())
    yield [outcome, others[at] as Outcome, `${subject.filter} on ${outcome.path}`];
}

test('each filter gives the same records and ledgers on every file, metered and not, and the same fuel again', () => {
  for (const subject of SUBJECTS) {
    const metered = outcomes(subject);
    assert.equal(outcomes(subject), metered, subject.filter);
    for (const [found, plain, what] of pairs(subject, metered, { compile: unmetered })) {
      assert.is(found.records, plain.records, what);
      assert.equal(found.ledger, plain.ledger, what);
      assert.ok(found.fuel > plain.fuel, what);
    }
  }
});

test('how a file is batched changes its fuel by a constant for each batch, with a search by less than 3,000', () => {
  for (const subject of SUBJECTS) {
    const perBatch = new Set<number>();
    for (const [whole, cut, what] of pairs(subject, outcomes(subject), { batchBytes: SMALL_BATCH_BYTES })) {
      assert.is(cut.records, whole.records, what);
      assert.equal(cut.ledger, whole.ledger, what);
      const more = cut.batches - whole.batches;
      if (more === 0) assert.is(cut.fuel, whole.fuel, what);
      else perBatch.add((cut.fuel - whole.fuel) / more);
    }
    if (files.length === 0) continue;
    const [least, most] = [Math.min(...perBatch), Math.max(...perBatch)];
    assert.ok(least > 0 && most < BATCH_FUEL_MAX, `${subject.filter}: ${least} to ${most} a batch`);
    if (!subject.searches) assert.is(least, most, subject.filter);
  }
});

test('bytes that lie behind a batch change nothing, not even the fuel', () => {
  for (const subject of SUBJECTS) {
    for (const [clean, found, what] of pairs(subject, outcomes(subject), { stale: STALE })) {
      assert.is(found.records, clean.records, what);
      assert.equal(found.ledger, clean.ledger, what);
      assert.is(found.fuel, clean.fuel, what);
    }
  }
});

test.run();
