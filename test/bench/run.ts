/**
 * `npm run bench`: every job in one process beside the same job in plain Node, with equal results checked.
 *
 * Each job runs once to warm up and then three times; the best time counts, on every side. `npm run bench -- NAME...`
 * runs some jobs only. Speeds are of this machine at this time: compare the ratios.
 */
import { statSync } from 'node:fs';
import { arch, cpus } from 'node:os';
import { startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { BATCH_BYTES_DEFAULT } from '../../host/limits.js';
import { nextBatch } from '../../host/batch.js';
import { createFileSource } from '../../host/source/file.js';
import { CONTENT_CBOR, decodeRecords } from '../../host/wire.js';
import { benchFile, SEED } from './data.js';
import { countSimple, loginsSimple, readOnly, selectSimple, selectTuned } from './plain.js';
import { publishJob } from './publish.js';
import { memoryJob } from './memory.js';
import { SELECT } from './select.js';

const REPEATS = 3;
const WINDOW_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 1, 1);

export interface Row {
  readonly job: string;
  readonly weir: string;
  readonly ratios: string;
  readonly target: string;
}

/** Best time in seconds, and what the job answered. */
export type Best = typeof best;

async function best<T>(job: () => T | Promise<T>): Promise<{ seconds: number; result: T }> {
  let result = await job();
  let seconds = Number.POSITIVE_INFINITY;
  for (let at = 0; at < REPEATS; at++) {
    const start = process.hrtime.bigint();
    result = await job();
    seconds = Math.min(seconds, Number(process.hrtime.bigint() - start) / 1e9);
  }
  return { seconds, result };
}

/** A file through a filter to records, as the engine does it; the records' bytes go to `each`. */
async function weirJob(
  filterName: string,
  config: unknown,
  path: string,
  each: (stream: number, output: Uint8Array, start: number, end: number) => void,
): Promise<void> {
  const { manifest, module } = loadFilter(filterName);
  const filter = startFilter({ manifest, module, config, zones: [] });
  const source = createFileSource('bench', [path], { untilEof: true });
  await source.open();
  const cursor = source.cursor();
  for (;;) {
    const batch = nextBatch(cursor, filter.input, BATCH_BYTES_DEFAULT);
    if (batch.kind === 'none') break;
    if (batch.kind === 'events') filter.run(batch.bytes, NOW_MS, batch.isTruncated, each);
  }
  filter.closeWindows(NOW_MS, each);
  await source.close();
}

function check(job: string, found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${job}: the sides do not agree: ${one} and ${other}`);
}

function rate(path: string, seconds: number): string {
  return `${(statSync(path).size / 1e9 / seconds).toFixed(2)} GB/s`;
}

function ratio(seconds: number, weirSeconds: number): string {
  return `${(seconds / weirSeconds).toFixed(1)}x`;
}

async function selectJob(): Promise<Row> {
  const path = benchFile('ndjson');
  const weir = await best(async () => {
    let records = 0;
    await weirJob('json-select', SELECT, path, () => records++);
    return records;
  });
  const simple = await best(() => {
    let records = 0;
    selectSimple(path, () => records++);
    return records;
  });
  const tuned = await best(() => {
    let records = 0;
    selectTuned(path, () => records++);
    return records;
  });
  const read = await best(() => readOnly(path));
  check('select', [weir.result, weir.result], [simple.result, tuned.result]);
  const ofReading = `${((100 * read.seconds) / weir.seconds).toFixed(0)} % of the rate of reading the file`;
  return {
    job: `select ${((weir.result / 1e6) * 100).toFixed(1)} % of NDJSON on two fields`,
    weir: rate(path, weir.seconds),
    ratios: `${ratio(simple.seconds, weir.seconds)} simple, ${ratio(tuned.seconds, weir.seconds)} tuned, ${ofReading}`,
    target: '15x simple, 2x tuned',
  };
}

async function countJob(): Promise<Row> {
  const path = benchFile('ndjson');
  const weir = await best(async () => {
    const counts = new Map<string, number>();
    await weirJob(
      'json-select',
      { count_by: ['program', 'host'], window: '1h' },
      path,
      (_stream, output, start, end) =>
        decodeRecords(output.subarray(start, end), CONTENT_CBOR, ({ ts, program, host, count }) => {
          counts.set(`${ts} ${program} ${host}`, count as number);
        }),
    );
    return counts;
  });
  const simple = await best(() => countSimple(path, WINDOW_MS));
  check('count', [...weir.result].sort(), [...simple.result].sort());
  return {
    job: 'count every NDJSON event by two fields and hour',
    weir: rate(path, weir.seconds),
    ratios: `${ratio(simple.seconds, weir.seconds)} simple`,
    target: '6x simple',
  };
}

async function syslogJob(): Promise<Row> {
  const path = benchFile('syslog');
  const weir = await best(async () => {
    const found = { success: 0, failure: 0 };
    await weirJob('ssh-auth', {}, path, (stream, output, start, end) => {
      if (stream !== 0) return;
      decodeRecords(output.subarray(start, end), CONTENT_CBOR, ({ outcome }) => {
        found[outcome as keyof typeof found]++;
      });
    });
    return found;
  });
  const simple = await best(() => loginsSimple(path));
  check('syslog', weir.result, simple.result);
  return {
    job: 'select sshd logins from syslog (ssh-auth, records decoded)',
    weir: rate(path, weir.seconds),
    ratios: `${ratio(simple.seconds, weir.seconds)} simple (one regular expression a line, no windows)`,
    target: 'none',
  };
}

const JOBS: Readonly<Record<string, () => Promise<Row>>> = {
  select: selectJob,
  count: countJob,
  syslog: syslogJob,
  publish: () => publishJob(best),
  memory: memoryJob,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(JOBS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `bench: expected some of ${Object.keys(JOBS).join(', ')}, found ${unknown.join(', ')}\n`,
  );
  process.exit(2);
}
const processor = cpus()[0]?.model ?? arch();
process.stdout.write(`${processor}, ${cpus().length} cores, Node ${process.versions.node}, seed ${SEED}\n\n`);
process.stdout.write('| job | weir | against plain Node | target |\n| --- | --- | --- | --- |\n');
for (const [name, job] of Object.entries(JOBS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const row = await job();
  process.stdout.write(`| ${row.job} | ${row.weir} | ${row.ratios} | ${row.target} |\n`);
}
