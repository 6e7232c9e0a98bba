/**
 * The memory budget: each term has an owner, the sum is refused before anything is read, and what is more is told.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { budgetOf, createWatermark, HEAP_BYTES, type Term } from '../host/budget.js';
import { type Config, defaultConfig } from '../host/config.js';
import { loadFilter } from '../host/filter/library.js';
import type { Manifest } from '../host/filter/manifest.js';
import { MEMORY_BYTES_DEFAULT, NOTICE_EVERY_MS, PROCESS_BYTES } from '../host/limits.js';
import { FACTS, parse, refusalOf } from './configs.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const UNBOUNDED = 4144 * MIB;

function manifestsOf({ filters }: Config): Map<string, Manifest> {
  return new Map(filters.map(({ instance, filter }) => [instance, loadFilter(filter).manifest]));
}

function bytesOf(terms: readonly Term[], owner: string): number | undefined {
  return terms.find((term) => term.owner === owner)?.bytes;
}

test('a filter is its memory, what is kept to recover, and a message a stream with the ledger', () => {
  const config = parse({});
  const manifest = {
    ...loadFilter('ssh-auth').manifest,
    streams: { one: '', two: '', three: '' },
    memory: { static: 1 * KIB, state: 2 * KIB, scratch: 4 * KIB, input: 8 * KIB, output: 16 * KIB },
    memoryBytes: 64 * KIB,
  };
  const termOf = (found: Manifest) =>
    bytesOf(budgetOf(config, new Map([['ssh-auth', found]]), HEAP_BYTES).terms, 'ssh-auth');
  assert.is(termOf(manifest), 64 * KIB + 15 * KIB + 4 * 256 * KIB);
  const large = { ...manifest, memory: { ...manifest.memory, output: MIB } };
  assert.is(termOf(large), 64 * KIB + 15 * KIB + 4 * MIB, 'a message holds at least one record');
});

test('every term is there once, with its owner, and they add up', () => {
  const config = parse({
    sources: {
      auth: { file: '/var/log/auth.log' },
      in: { stdin: true },
      udp: { syslog: { udp: '127.0.0.1:0' } },
      tcp: { syslog: { tcp: '127.0.0.1:0' } },
      etc: { watch: ['/etc'] },
      unused: { watch: ['/usr'] },
    },
    filters: {
      logins: { filter: 'ssh-auth', from: ['auth', 'in', 'udp', 'tcp'] },
      again: { filter: 'ssh-auth', from: ['auth', 'in'] },
      files: { from: ['etc'] },
    },
  });
  const manifests = manifestsOf(config);
  const { terms, sumBytes } = budgetOf(config, manifests, 50 * MIB);
  assert.equal(
    terms.map(({ owner }) => owner),
    'process,heap,logins,again,files,swap,source in,source udp,source tcp,source etc,queue'.split(','),
  );
  assert.is(bytesOf(terms, 'process'), PROCESS_BYTES);
  assert.is(bytesOf(terms, 'heap'), 50 * MIB);
  assert.is(bytesOf(terms, 'logins'), bytesOf(terms, 'again'));
  const { memory, memoryBytes } = manifests.get('files') as Manifest;
  const standing = memoryBytes + memory.static + memory.state + memory.scratch;
  assert.is(bytesOf(terms, 'swap'), standing, 'the largest one, and what is kept of it');
  const beside = budgetOf(config, manifests, 50 * MIB, [manifests.get('files') as Manifest]);
  assert.is(beside.sumBytes - sumBytes, standing, 'one that is kept while its successor is on probation');
  assert.is(bytesOf(terms, 'source udp'), 8 * MIB, 'the inbox, and its file on a tmpfs');
  assert.is(bytesOf(terms, 'source in'), 8 * MIB + 192 * KIB);
  assert.is(bytesOf(terms, 'source tcp'), 8 * MIB + 32 * 192 * KIB);
  // Of three filters: 2 MiB on their way, and one message more of each.
  assert.is(bytesOf(terms, 'queue'), 2 * MIB + 3 * 256 * KIB);
  assert.is(
    sumBytes,
    terms.reduce((sum, { bytes }) => sum + bytes, 0),
  );
});

test('what runs without a config fits, with all logs and /proc, also where the heap was left unbounded', () => {
  const config = defaultConfig({ ...FACTS, canRead: () => true });
  assert.is(config.limits.memoryBytes, MEMORY_BYTES_DEFAULT);
  const bounded = budgetOf(config, manifestsOf(config), HEAP_BYTES);
  assert.is(bounded.warning, undefined);
  const unbounded = budgetOf(config, manifestsOf(config), UNBOUNDED);
  assert.is(unbounded.sumBytes, bounded.sumBytes);
  assert.match(
    unbounded.warning ?? '',
    /^limits\.memory may not hold: V8's heap may take 4144\.0 MiB, of which 54\.0 MiB are counted; .*--max-old-space-size=48 --max-semi-space-size=2$/,
  );
});

test('a heap that was chosen larger is counted as it is where it fits', () => {
  const config = parse({ limits: { memory: '1GiB' } });
  const { terms, warning } = budgetOf(config, manifestsOf(config), 200 * MIB);
  assert.equal([bytesOf(terms, 'heap'), warning], [200 * MIB, undefined]);
});

test('a config fits to the byte, and one that does not is refused with every term', () => {
  const { sumBytes } = budgetOf(parse({}), manifestsOf(parse({})), HEAP_BYTES);
  const limited = (bytes: number) => parse({ limits: { memory: `${bytes}B` } });
  const budget = (bytes: number, heapBytes: number) =>
    budgetOf(limited(bytes), manifestsOf(limited(bytes)), heapBytes);
  assert.is(budget(sumBytes, HEAP_BYTES).sumBytes, sumBytes);
  for (const heapBytes of [HEAP_BYTES, UNBOUNDED]) {
    assert.match(
      refusalOf(() => budget(sumBytes - 1, heapBytes), 'MEMORY_BUDGET'),
      /^limits\.memory: expected at least [\d.]+ MiB = process 60\.0 MiB \+ heap 54\.0 MiB \+ ssh-auth [\d.]+ MiB \+ swap [\d.]+ MiB \+ queue 2\.3 MiB, found [\d.]+ MiB$/,
    );
  }
});

test('resident memory above the limit is told at once, and again after some time', () => {
  const lines: string[] = [];
  const at = { residentBytes: 100 * MIB, nowMs: 1_000 };
  const watermark = createWatermark(100 * MIB, (line) => lines.push(line), {
    residentBytes: () => at.residentBytes,
    nowMs: () => at.nowMs,
  });
  watermark.look();
  assert.equal(lines, []);
  at.residentBytes += 1.5 * MIB;
  watermark.look();
  assert.equal(lines, ['memory: 101.5 MiB are resident, more than limits.memory of 100.0 MiB']);
  at.nowMs += NOTICE_EVERY_MS - 1;
  watermark.look();
  assert.is(lines.length, 1);
  at.nowMs += 1;
  watermark.look();
  assert.is(lines.length, 2);
});

test.run();
