/**
 * The manifest: what an auditor is promised, and memory that is exact.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import { ABI_VERSION } from '../../host/filter/abi.js';
import { loadManifest, type Manifest, manifestSource, parseManifest } from '../../host/filter/manifest.js';
import {
  FILTER_MEMORY_BYTES_MAX,
  MANIFEST_BYTES_MAX,
  OUTPUT_BYTES_MAX,
  PAGE_BYTES,
} from '../../host/limits.js';
import { sizeText } from '../../host/validate.js';
import { seeded } from '../filter.js';
import { temporaryFolder } from '../help.js';

const MEMORY = { static: '32KiB', state: '1MiB', scratch: '64KiB', input: '256KiB', output: '256KiB' };
const VALID = {
  name: 'ssh-auth',
  version: '1.0.0',
  abi: 1,
  purpose: 'Tells who logs in over SSH.',
  selects: 'Lines of sshd.',
  excludes: 'All other lines.',
  streams: { sources: 'one record a minute', logins: 'one record a result' },
  memory: MEMORY,
};

function parse(part: object): Manifest {
  return parseManifest({ ...VALID, ...part }, 'filter.json');
}

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.instance(error, WeirError);
    assert.is((error as WeirError).code, 'MANIFEST_INVALID');
    return (error as WeirError).message.replace(/; correct filter\.json; .*$/, '');
  }
  throw new Error('expected it to be refused, found it accepted');
}

/** The line for a manifest that is wrong in `part`, without the file's name. */
function problem(part: object): string {
  return refusalOf(() => parse(part)).replace(/^filter\.json: /, '');
}

test('a manifest is brought into bytes, and its memory into whole pages', () => {
  const manifest = parse({});
  assert.equal(manifest.memory, {
    static: 32_768,
    state: 1_048_576,
    scratch: 65_536,
    input: 262_144,
    output: 262_144,
  });
  assert.is(manifest.memoryBytes, 26 * PAGE_BYTES);
  assert.is(parse({ memory: { ...MEMORY, static: '32752B' } }).memoryBytes, 26 * PAGE_BYTES);
  assert.is(parse({ memory: { ...MEMORY, static: '32784B' } }).memoryBytes, 26 * PAGE_BYTES);
  assert.is(parse({ memory: { ...MEMORY, static: '64KiB' } }).memoryBytes, 26 * PAGE_BYTES);
  assert.is(parse({ memory: { ...MEMORY, static: '65552B' } }).memoryBytes, 27 * PAGE_BYTES);
  assert.is(parse({ memory: { ...MEMORY, state: '0B' } }).memory.state, 0);
});

test('streams keep the order in which the module numbers them', () => {
  assert.equal(Object.keys(parse({}).streams), ['sources', 'logins']);
  assert.is(
    problem({ streams: { logins: 'x', 10: 'y' } }),
    'streams.10: expected a name that is not a number, found "10" (a string)',
  );
});

test('how long data may be kept, and who answers for them, may be left out, and are written back', () => {
  assert.not.ok('retention' in parse({}) || 'owner' in parse({}));
  const manifest = parse({ retention: '90 days.', owner: 'Security operations' });
  assert.equal([manifest.retention, manifest.owner], ['90 days.', 'Security operations']);
  assert.equal(parseManifest(manifestSource(manifest), 'filter.json'), manifest);
});

test("the stream of the ledger is the host's own", () => {
  assert.is(
    problem({ streams: { logins: 'x', ledger: 'y' } }),
    'streams.ledger: expected another name, because the host writes the stream of this one, found "ledger" (a string)',
  );
});

test('the ABI of the manifest is the one that the host speaks', () => {
  assert.is(parse({ abi: ABI_VERSION }).abi, ABI_VERSION);
  assert.is(problem({ abi: 2 }), 'abi: expected 1, the ABI of this host, found 2 (a number)');
});

test('an error names the key, what was expected and what was found', () => {
  const region = (least: number, most: number) =>
    `a size from ${sizeText(least)} to ${sizeText(most)} in multiples of 16 B, such as "64KiB"`;
  const cases: readonly (readonly [object, string])[] = [
    [{ purpose: undefined }, 'purpose: expected a sentence, found nothing'],
    [{ purpose: ' \n' }, 'purpose: expected a sentence, found " \\n" (a string)'],
    [{ selects: 1 }, 'selects: expected a sentence, found 1 (a number)'],
    [{ excludes: null }, 'excludes: expected a sentence, found null'],
    [{ retention: '' }, 'retention: expected a sentence, found "" (a string)'],
    [{ owner: 7 }, 'owner: expected a sentence, found 7 (a number)'],
    [{ version: '1.0' }, 'version: expected a version such as "1.0.0", found "1.0" (a string)'],
    [{ abi: '1' }, 'abi: expected 1, the ABI of this host, found "1" (a string)'],
    [{ streams: {} }, 'streams: expected 1 to 16 streams, found 0'],
    [{ streams: [] }, 'streams: expected an object of streams by name, found [] (a list)'],
    [{ streams: { a: '' } }, 'streams.a: expected a sentence, found "" (a string)'],
    [
      { memory: null },
      'memory: expected an object with the keys static, state, scratch, input, output, found null',
    ],
    [
      { memory: { ...MEMORY, input: '4080B' } },
      `memory.input: expected ${region(4096, FILTER_MEMORY_BYTES_MAX)}, found "4080B" (a string)`,
    ],
    [
      { memory: { ...MEMORY, output: '2MiB' } },
      `memory.output: expected ${region(4096, OUTPUT_BYTES_MAX)}, found "2MiB" (a string)`,
    ],
    [
      { memory: { ...MEMORY, state: '1000B' } },
      `memory.state: expected ${region(0, FILTER_MEMORY_BYTES_MAX)}, found "1000B" (a string)`,
    ],
    [
      { memory: { ...MEMORY, state: 65_536 } },
      `memory.state: expected ${region(0, FILTER_MEMORY_BYTES_MAX)}, found 65536 (a number)`,
    ],
    [
      { memory: { ...MEMORY, state: '64MiB' } },
      `memory: expected at most 64MiB in all, found ${sizeText(FILTER_MEMORY_BYTES_MAX + 10 * PAGE_BYTES)}`,
    ],
    [
      { memory: { ...MEMORY, inputs: '4KiB' } },
      'memory.inputs: expected one of the keys static, state, scratch, input, output, found "inputs" (did you mean input?)',
    ],
  ].map(([part, line]) => [part as object, line as string]);
  // What is absent in a file is absent here, too.
  for (const [part, expected] of cases) {
    const written = JSON.parse(JSON.stringify({ ...VALID, ...part }));
    const line = refusalOf(() => parseManifest(written, 'filter.json'));
    assert.is(line.replace(/ \(and \d+ more\)$/, ''), `filter.json: ${expected}`);
  }
});

test('each region needs what the runtime needs of it', () => {
  const least = { static: '1KiB', state: '0B', scratch: '4KiB', input: '4KiB', output: '4KiB' };
  assert.is(parse({ memory: least }).memoryBytes, PAGE_BYTES);
  for (const key of ['static', 'scratch', 'input', 'output'] as const) {
    assert.match(
      problem({ memory: { ...least, [key]: '1008B' } }),
      new RegExp(`^memory\\.${key}: expected a size`),
    );
  }
  assert.is(parse({ memory: { ...MEMORY, output: '1MiB' } }).memory.output, OUTPUT_BYTES_MAX);
  for (const wrong of [
    '',
    '64',
    '64kib',
    '64 KiB',
    '-1KiB',
    '1.5MiB',
    '999999999GiB',
    '9999999999B',
    '0x10B',
  ]) {
    assert.match(problem({ memory: { ...MEMORY, state: wrong } }), /^memory\.state: expected a size/, wrong);
  }
});

test('versions are semantic versions that fit a header', () => {
  for (const right of ['0.1.0', '1.2.3-rc.1', '10.0.0-a-b.0x'])
    assert.is(parse({ version: right }).version, right);
  for (const wrong of [
    '1',
    'v1.0.0',
    '01.0.0',
    '1.0.0-',
    '1.0.0-a..b',
    '1.0.0-01',
    '1.0.0+x',
    '1.0.0\n',
    `1.0.${'1'.repeat(70)}`,
  ]) {
    assert.match(problem({ version: wrong }), /^version: expected a version/, wrong);
  }
});

test('names of streams are subject tokens, at most 16 of them', () => {
  const streams = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`s${at}`, 'x']));
  assert.is(Object.keys(parse({ streams: streams(16) }).streams).length, 16);
  assert.is(problem({ streams: streams(17) }), 'streams: expected 1 to 16 streams, found 17');
  for (const name of ['', 'a.b', 'a b', '>', 'constructor', 'x'.repeat(64)]) {
    assert.match(problem({ streams: { [name]: 'x' } }), /^streams\..*: expected a name/, name);
  }
  const hidden = JSON.parse('{"__proto__":"x","a":"y"}');
  assert.match(problem({ streams: hidden }), /^streams\.__proto__: expected a name/);
});

test('a manifest that cannot be read, or is no JSON, is refused with the place', async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'filter.json');
  const refused = () => refusalOf(() => loadManifest(file));
  assert.match(refused(), /filter\.json: expected a readable file, found ENOENT/);
  await writeFile(file, JSON.stringify(VALID));
  assert.equal(loadManifest(file), parse({}));
  await writeFile(file, '{\n  "name": "x",\n}');
  assert.is(refused(), `${file}: expected JSON, found a mistake at line 3, column 1: "}"`);
  await writeFile(file, ' '.repeat(MANIFEST_BYTES_MAX + 1));
  assert.match(refused(), /expected a file of up to 65536 bytes, found a longer one$/);
  await folder.remove();
});

test('a damaged manifest is either understood in full or refused in one line with the key', () => {
  const seed = 7;
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const junk = [null, true, 0, 1.5, '', 'x', '4KiB', 'a\nb', [], ['x'], {}, { a: 'b' }];
  const names = ['', 'x', 'a\nb', 'constructor', 'state', '7'];
  let accepted = 0;
  for (let round = 0; round < 3_000; round++) {
    const value = structuredClone(VALID) as unknown as Record<string, unknown>;
    const containers = [value, value.streams, value.memory] as Record<string, unknown>[];
    const container = containers[random(3)] as Record<string, unknown>;
    const keys = random(3) === 0 ? names : Object.keys(container);
    const key = keys[random(keys.length)] as string;
    if (random(3) === 0) delete container[key];
    else container[key] = junk[random(junk.length)];
    try {
      const manifest = parseManifest(value, 'filter.json');
      accepted++;
      assert.equal(Object.keys(manifest.streams), Object.keys(value.streams as object));
      assert.is(manifest.memoryBytes % PAGE_BYTES, 0);
    } catch (error) {
      assert.instance(error, WeirError, `seed ${seed}, round ${round}: ${error}`);
      const { code, message } = error as WeirError;
      assert.is(code, 'MANIFEST_INVALID');
      assert.match(message, /^filter\.json: .+?: expected .+, found .+; correct filter\.json; .*$/);
      assert.not.match(message, /[\p{Cc}\p{Zl}\p{Zp}]/u);
    }
  }
  assert.ok(accepted > 100 && accepted < 2_000, `accepted ${accepted}`);
});

test('a priority is of a stream of the filter, and one of three', () => {
  assert.equal(parse({ priority: { logins: 'high' } }).priority, { logins: 'high' });
  assert.equal(parse({}).priority, {});
  assert.match(problem({ priority: { other: 'low' } }), /^priority: expected streams of this filter/);
  assert.match(
    problem({ priority: { logins: 'urgent' } }),
    /priority\.logins: expected one of low, normal, high/,
  );
});

test.run();
