/**
 * The table of errors: each code can happen, each has a test, and each line says what to do.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, oneLine, REMEDIES, WeirError } from '../host/errors.js';
import { startFilter } from '../host/filter/instance.js';
import { type Manifest, parseManifest } from '../host/filter/manifest.js';
import { runFilter } from './filter.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CODES = Object.keys(REMEDIES) as ErrorCode[];

function textsOf(folder: string, isWanted: (path: string) => boolean): string {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && isWanted(path))
    .map((path) => readFileSync(join(ROOT, folder, path), 'utf8'))
    .join('\n');
}

test('every code is thrown by the host, and by a test', () => {
  const host = textsOf('host', (path) => path !== 'errors.ts').replace(/[!=]== '[A-Z_]+'/g, '');
  const tests = ['test', 'filters'].map((folder) => textsOf(folder, (path) => path.endsWith('.test.ts')));
  const unused = CODES.filter((code) => !host.includes(`'${code}'`));
  assert.equal(unused, [], 'codes that nothing throws');
  const untested = CODES.filter((code) => !new RegExp(`\\b${code}\\b`).test(tests.join('\n')));
  assert.equal(untested, [], 'codes that no test expects');
});

test('a line is a code, a problem and a remedy', () => {
  for (const code of CODES) {
    const error = new WeirError(code, 'expected one,\n  found two');
    assert.is(oneLine(error), `${code}: expected one, found two; ${REMEDIES[code]}`);
    assert.is(error.problem, 'expected one,\n  found two');
    assert.match(REMEDIES[code], /^[a-z].*[^.;]$/);
  }
});

const MANIFEST = {
  name: 'small',
  version: '1.0.0',
  abi: 1,
  purpose: 'To be refused.',
  selects: 'Nothing.',
  excludes: 'Everything.',
  streams: { out: 'never' },
  memory: { static: '16KiB', state: '0B', scratch: '16KiB', input: '16KiB', output: '16KiB' },
};

const bytes = (text: string) => [text.length, ...Buffer.from(text)];
const section = (id: number, ...items: number[][]) => [
  id,
  1 + items.flat().length,
  items.length,
  ...items.flat(),
];
const body = (...code: number[]) => [code.length + 2, 0, ...code, 0x0b];
const I32 = 0x7f;
const I64 = 0x7e;

/** The smallest module that can be a filter (WebAssembly Core Specification, section 5.5). */
function smallModule({ abi = 1, pages = 1, start = [] as number[], memory = 'memory' } = {}): Uint8Array {
  const exports = ['weir_abi', 'weir_heap_base', 'weir_start', 'weir_batch', 'weir_tick'];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(
      1,
      [0x60, 0, 1, I32],
      [0x60, 0, 0],
      [0x60, 4, I32, I32, I64, I32, 1, I32],
      [0x60, 2, I64, I32, 1, I32],
    ),
    ...section(2, [...bytes('env'), ...bytes(memory), 0x02, 0x01, pages, 64]),
    ...section(3, [0], [0], [1], [2], [3]),
    ...section(7, ...exports.map((name, at) => [...bytes(name), 0x00, at])),
    ...section(10, body(0x41, abi), body(0x41, 16), body(...start), body(0x41, 0), body(0x41, 0)),
  ]);
}

const UNREACHABLE = 0x00;

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.instance(error, WeirError);
    const line = oneLine(error);
    assert.not.match(line, /\n/);
    assert.ok(line.endsWith(`; ${REMEDIES[(error as WeirError).code]}`), line);
    return line.slice(0, -REMEDIES[(error as WeirError).code].length - 2);
  }
  throw new Error('expected it to be refused, found it accepted');
}

function started(module: Uint8Array, manifest: Manifest = parseManifest(MANIFEST, 'filter.json')): string {
  return refusalOf(() => startFilter({ manifest, module, config: {}, zones: [] }));
}

test('a module that cannot be a filter is refused with the reason', () => {
  const small = smallModule();
  assert.is(
    started(small),
    'MANIFEST_INVALID: filter small: streams: expected those that filter.ts makes (none), found out',
    'the small module is a filter but for its streams',
  );
  assert.is(started(smallModule({ abi: 2 })), 'ABI_MISMATCH: filter small: expected ABI 1, found 2');
  assert.match(
    started(smallModule({ pages: 2 })),
    /^MEMORY_MANIFEST: filter small: expected a module that fits its memory of \d+ bytes, found .*memory/,
  );
  assert.is(
    started(smallModule({ memory: 'store' })),
    'MODULE_REFUSED: filter small: expected to import only env.memory and env.abort, found memory env.store (and 1 more; "weir inspect" tells them)',
  );
  assert.is(
    started(small.subarray(0, 4)),
    'MODULE_REFUSED: filter small: expected a WebAssembly module, found other bytes',
  );
  assert.match(
    started(small.subarray(0, -1)),
    /^MODULE_REFUSED: filter small: expected a valid WebAssembly module, found /,
  );
  assert.is(
    started(smallModule({ start: [UNREACHABLE] })),
    'FILTER_FAULT: filter small: weir_start stopped: unreachable',
  );
});

test('a manifest without a key, and one with too little memory, name it', () => {
  const { purpose: _, ...withoutPurpose } = MANIFEST;
  assert.is(
    refusalOf(() => parseManifest(withoutPurpose, 'filter.json')),
    'MANIFEST_INVALID: filter.json: purpose: expected a sentence, found nothing',
  );
  const tight = parseManifest({ ...MANIFEST, memory: { ...MANIFEST.memory, static: '1KiB' } }, 'filter.json');
  const zones = Array.from({ length: 100 }, (_, at) => ({ fromMs: at, offsetMs: 0 }));
  assert.match(
    refusalOf(() => startFilter({ manifest: tight, module: smallModule(), config: {}, zones })),
    /^MEMORY_MANIFEST: filter small: memory\.static: expected \d+ bytes for data, config and zones, found 1024$/,
  );
});

test("what a filter refuses in its config is the config's fault, not the filter's", () => {
  const refused = (config: unknown) => refusalOf(() => runFilter('json-select', [], { config }));
  const prefix = 'FILTER_CONFIG: filter json-select: config';
  assert.is(refused({ where: 'x' }), `${prefix}.where: expected a list, found "x"`);
  assert.is(
    refused({ where: [{ field: 'a', equals: 1, in: [1] }] }),
    `${prefix}.where[0]: expected one of equals, in, contains, starts_with, found {"field":"a","equals":1,"in":[1]}`,
  );
  assert.is(
    refused({ where: [{ field: 'a', in: [] }] }),
    `${prefix}.where[0].in: expected 1 to 64 values, found []`,
  );
  assert.is(refused({ where: [], keep: 'a' }), `${prefix}.keep: expected a list, found "a"`);
  assert.is(refused({ count_by: [1] }), `${prefix}.count_by[0]: expected a string, found 1`);
  assert.is(
    refused({ count_by: ['a'], window: 60 }),
    `${prefix}.window: expected a duration such as "60s", found 60`,
  );
  assert.is(
    refused({ where: [], window: '60s' }),
    `${prefix}.window: expected "count_by" beside it, found "60s"`,
  );
});

test.run();
