/**
 * Runs a job from a file to records on both sides, and checks that they find the same records.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { nextBatch } from '../../host/batch.js';
import { admit } from '../../host/filter/admit.js';
import { type FilterInstance, type RecordSink, startFilter } from '../../host/filter/instance.js';
import { batchCall } from '../../host/filter/journal.js';
import { loadFilter } from '../../host/filter/library.js';
import { createSlot } from '../../host/filter/slot.js';
import { BATCH_BYTES_DEFAULT } from '../../host/limits.js';
import { createFileSource } from '../../host/source/file.js';
import { CONTENT_CBOR, decodeRecords } from '../../host/wire.js';
import { buildTestFilter } from '../runtime/testfilter.js';
import { unmetered } from '../wasm/unmetered.js';
import { bestOf, ratio } from './best.js';
import { benchFile } from './data.js';
import type { FileJob } from './jobs.js';
import { type Fields, type PlainJob, readOnly } from './plain.js';
import type { Row } from './run.js';

const NOW_MS = Date.UTC(2026, 1, 1);
const SHIPPED = new Set(['json-select']);

export async function fileJob(job: FileJob): Promise<Row> {
  const path = benchFile(job.data);
  const built = SHIPPED.has(job.filter) ? undefined : await buildTestFilter(job.filter);
  const loaded = loadFilter(job.filter, built?.folder);
  // Started once, as on an appliance: what is measured is what they do to a file.
  const start = (compile = admit) => startFilter({ ...loaded, config: job.config, zones: [], compile });
  const [filter, plainFilter] = [start(), start(unmetered)];
  const expected = plainRecords(job, path, job.simple);
  check(`${job.job}, weir`, await weirRecords(job, path, filter), expected);
  if (job.tuned) check(`${job.job}, tuned`, plainRecords(job, path, job.tuned), expected);

  const plain = (run: PlainJob | undefined) => () => run?.(path, () => {});
  const seconds = await bestOf({
    weir: () => weirRun(filter, path, () => {}),
    simple: plain(job.simple),
    tuned: plain(job.tuned),
    unmetered: () => weirRun(plainFilter, path, () => {}),
    reading: () => readOnly(path),
  });
  await built?.remove();

  const ratios = [`${ratio(seconds.simple, seconds.weir)} simple`];
  if (job.tuned) ratios.push(`${ratio(seconds.tuned, seconds.weir)} tuned`);
  const share = ((100 * seconds.reading) / seconds.weir).toFixed(0);
  if (job.besideReading) ratios.push(`${share} % of the rate of reading the file`);
  const metering = 100 * (seconds.weir / seconds.unmetered - 1);
  ratios.push(`metering takes ${metering.toFixed(0)} % more`);
  return {
    job: job.job,
    weir: `${(statSync(path).size / 1e9 / seconds.weir).toFixed(2)} GB/s`,
    ratios: ratios.join(', '),
    target: job.target,
  };
}

/** A file through a filter to records, as the engine does it, snapshots included; the records' bytes go to `sink`. */
async function weirRun(filter: FilterInstance, path: string, sink: RecordSink): Promise<void> {
  const source = createFileSource('bench', [path], { untilEof: true });
  await source.open();
  const cursor = source.cursor();
  const slot = createSlot({ first: filter, sink, tell: fail });
  for (;;) {
    const batch = nextBatch(cursor, filter.input, BATCH_BYTES_DEFAULT);
    if (batch.kind === 'none') break;
    if (batch.kind === 'skipped') continue;
    slot.call(batchCall(cursor, batch, NOW_MS));
    while (slot.isBusy()) slot.step();
  }
  slot.call({ kind: 'close', nowMs: NOW_MS });
  while (slot.isBusy()) slot.step();
  await source.close();
}

function fail(event: unknown): never {
  throw event;
}

interface Found {
  readonly records: number;
  /** Of all records, whatever their order. */
  readonly digest: string;
}

async function weirRecords(job: FileJob, path: string, filter: FilterInstance): Promise<Found> {
  const found = collect(job);
  await weirRun(filter, path, (_stream, output, start, end) =>
    decodeRecords(output.subarray(start, end), CONTENT_CBOR, found.add),
  );
  return found.end();
}

function plainRecords(job: FileJob, path: string, run: PlainJob): Found {
  const found = collect(job);
  run(path, found.add);
  return found.end();
}

function collect({ fields }: FileJob) {
  const records: string[] = [];
  return {
    add: (record: Fields) => void records.push(JSON.stringify(fields.map((name) => record[name]))),
    end: (): Found => ({
      records: records.length,
      digest: createHash('sha256').update(records.sort().join('\n')).digest('hex'),
    }),
  };
}

function check(side: string, found: Found, expected: Found): void {
  if (found.records === 0 || found.digest !== expected.digest) {
    const [one, other] = [found, expected].map(({ records, digest }) => `${records} records ${digest}`);
    throw new Error(`${side}: expected ${other} as of simple Node, found ${one}`);
  }
}
