/**
 * Bundles: the same source gives the same bytes, all that belongs to a filter is in them, and nothing else.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { authoredFilters, projectIn } from '../../host/author/project.js';
import { WeirError } from '../../host/errors.js';
import { loadFilter, versionLabel } from '../../host/filter/library.js';
import { packArchive } from '../../host/fleet/archive.js';
import {
  BUNDLE_PATH_PATTERN,
  bundleHash,
  bundlePath,
  type BundleParts,
  labelOfPath,
  packBundle,
  unpackBundle,
} from '../../host/fleet/bundle.js';
import { bundleFilter } from '../../host/fleet/gather.js';
import { selfTest } from '../../host/fleet/selftest.js';
import { BUNDLE_SAMPLES_MAX, MODULE_BYTES_MAX } from '../../host/limits.js';
import { type TestProject, testProject } from '../author/project.js';
import { ROOT } from '../command.js';
import { answered, bundledFiles, echoed, echoParts, file, files } from './bundles.js';

const bundle = suite<{ project: TestProject; parts: BundleParts }>('bundle');
bundle.before(async (context) => void Object.assign(context, await echoParts()));
bundle.after(({ project }) => project.remove());

const quiet = () => {};

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('expected it to be refused, found it accepted');
}

function problemOf(error: unknown): string {
  assert.instance(error, WeirError);
  const { code, problem } = error as WeirError;
  assert.is(code, 'BUNDLE_INVALID');
  assert.not.match(problem, /[\p{Cc}\p{Zl}\p{Zp}]/u);
  return problem;
}

bundle('what was packed comes out, checked, with its label', ({ parts }) => {
  const settings = '{"now":"1970-01-01T00:00:07Z","timezone":"Europe/Berlin"}';
  const samples = new Map([...parts.samples, ...files({ b: '', 'b.expected': '', 'b.json': settings })]);
  const found = unpackBundle(packBundle({ ...parts, samples }));
  assert.is(found.label, versionLabel(found));
  assert.match(found.label, /^echo@1\.0\.0\+[0-9a-f]{12}$/);
  assert.equal(Buffer.from(found.module), Buffer.from(parts.module));
  assert.is(found.module.byteLength, found.module.buffer.byteLength, 'it does not hold on to the rest');
  assert.equal(
    [found.manifest.retention, found.manifest.owner],
    ['Records are kept for 90 days.', 'Security operations'],
  );
  assert.is(found.licence, 'Do as you like.\n');
  assert.equal(
    found.samples.map(({ bytes, ...rest }) => ({ ...rest, text: Buffer.from(bytes).toString() })),
    [
      { name: 'a.log', text: 'one\ntwo\n', expected: echoed('one', 'two'), settings: {} },
      { name: 'b', text: '', expected: '', settings: JSON.parse(settings) },
    ],
  );
});

bundle('the same source, built twice in two folders, gives the same bytes', async ({ project }) => {
  const other = await testProject();
  other.write(bundledFiles('echo'));
  rmSync(join(project.folder, 'dist'), { recursive: true });
  const [one, two] = [
    await bundleFilter(projectIn(project.folder), 'echo', quiet),
    await bundleFilter(projectIn(other.folder), 'echo', quiet),
  ];
  assert.is(bundleHash(one), bundleHash(two));
  assert.ok(Buffer.compare(one, two) === 0);
  await selfTest(unpackBundle(one));
  await other.remove();
});

bundle('every shipped filter can be bundled, and passes', async () => {
  const project = projectIn(ROOT);
  const names = authoredFilters(project);
  assert.ok(names.length >= 8);
  for (const name of names) {
    const found = unpackBundle(await bundleFilter(project, name, quiet));
    await selfTest(found);
    assert.is(found.label, versionLabel(loadFilter(name)));
    assert.match(bundlePath(found.label), BUNDLE_PATH_PATTERN);
    assert.is(found.licence, readFileSync(join(ROOT, 'LICENSE'), 'utf8'));
  }
});

bundle('what a manifest has to say for a fleet is named, with an example', ({ parts }) => {
  const refused = (part: object) =>
    refusalOf(() => packBundle({ ...parts, manifest: file(answered('echo', part)) }, 'b'));
  assert.is(
    refused({ retention: undefined }),
    'b: filter.json: retention: expected a sentence that says how long the records may be kept, such as "Records are kept for 90 days.", found nothing',
  );
  assert.is(
    refused({ owner: undefined }),
    'b: filter.json: owner: expected who answers for the filter and its records, such as "Security operations", found nothing',
  );
  assert.is(refused({ owner: ' ' }), 'b: filter.json: owner: expected a sentence, found " " (a string)');
  assert.match(refused({ name: '../up' }), /^b: filter\.json: name: expected a name of 1 to 63 letters/);
  const broken = (text: string) => refusalOf(() => packBundle({ ...parts, manifest: file(text) }, 'b'));
  assert.is(broken('{'), 'b: filter.json: expected JSON, found its end too early, at line 1, column 2');
  assert.is(broken(' '.repeat(70_000)), 'b: filter.json: expected up to 65536 bytes, found 70000');
});

bundle('what is missing, strange or too much in a bundle is named', ({ parts }) => {
  const whole = new Map<string, Uint8Array>([
    ['filter.wasm', parts.module],
    ['filter.json', parts.manifest],
    ['LICENSE', parts.licence],
    ...[...parts.samples].map(([name, bytes]) => [`samples/${name}`, bytes] as const),
  ]);
  assert.is(unpackBundle(packArchive(whole, 'b')).samples.length, 1);
  /** With other files, or without those that are `undefined`. */
  const refused = (changes: Record<string, Uint8Array | undefined>) => {
    const changed = new Map([...whole, ...Object.entries(changes)]);
    const kept = [...changed].flatMap(([name, bytes]) => (bytes ? [[name, bytes] as const] : []));
    return refusalOf(() => unpackBundle(packArchive(new Map(kept), 'b'), 'b'));
  };
  for (const name of ['filter.wasm', 'filter.json', 'LICENSE'])
    assert.is(refused({ [name]: undefined }), `b: ${name}: expected this file, found none`);
  assert.is(
    refused({ 'samples/a.log.expected': undefined }),
    'b: samples/a.log.expected: expected this file, found none',
  );
  assert.is(
    refused({ LICENSE: file(' \n') }),
    'b: LICENSE: expected the text of a licence, found nothing in it',
  );
  assert.is(
    refused({ LICENSE: Buffer.from([0xff]) }),
    'b: LICENSE: expected text in UTF-8, found bytes that are not UTF-8',
  );
  const none = { 'samples/a.log': undefined, 'samples/a.log.expected': undefined };
  assert.is(refused(none), 'b: samples: expected 1 to 64 of them, found none');
  for (const name of ['README', 'filter.ts', 'samples/b.expected', 'samples/a.log.expected.json'])
    assert.match(
      refused({ [name]: file('{}') }),
      new RegExp(`^b: ${name}: expected only filter\\.wasm, .*, found this file$`),
      name,
    );
  assert.is(
    refused({ 'filter.wasm': Buffer.alloc(0) }),
    'b: filter.wasm: expected a module of up to 524288 bytes, found 0',
  );
  assert.is(
    refused({ 'filter.wasm': Buffer.alloc(MODULE_BYTES_MAX + 1) }),
    'b: filter.wasm: expected a module of up to 524288 bytes, found 524289',
  );
  assert.match(
    refused({ 'samples/a.log.json': file('{"when":1}') }),
    /^b: samples\/a\.log\.json: when: expected one of the keys config, now, timezone, found "when"/,
  );
  assert.match(
    refused({ 'samples/a.log.json': file('{"timezone":"Moon"}') }),
    /^b: samples\/a\.log\.json: timezone: expected a zone such as/,
  );
  assert.is(
    refused({ 'samples/a.log.expected': Buffer.from([0x80]) }),
    'b: samples/a.log.expected: expected text in UTF-8, found bytes that are not UTF-8',
  );
  const many = Array.from({ length: BUNDLE_SAMPLES_MAX }, (_, at) => [`samples/s${at}`, file('')]);
  assert.is(refused({ ...Object.fromEntries(many) }), 'b: samples: expected 1 to 64 of them, found 65');
});

bundle('what a project lacks for a bundle is named by its path', async () => {
  const project = await testProject();
  const refused = (name: string) =>
    bundleFilter(projectIn(project.folder), name, quiet).then(
      (): string => assert.unreachable() as never,
      (error) => problemOf(error).replaceAll(`${project.folder}/`, ''),
    );
  const { LICENSE: licence, ...whole } = bundledFiles('echo');
  project.write(whole);
  await project.build('echo');
  assert.is(
    await refused('echo'),
    'LICENSE: expected the text of a licence, here or in filters/echo/LICENSE, found neither',
  );
  project.write({
    'filters/echo/LICENSE': 'Of the filter alone.\n',
    'filters/echo/samples/.notes': 'not a sample',
  });
  const own = unpackBundle(await bundleFilter(projectIn(project.folder), 'echo', quiet));
  assert.is(own.licence, 'Of the filter alone.\n');
  project.write({ LICENSE: licence });
  project.write({ 'filters/echo/samples/with space': '', 'filters/echo/samples/with space.expected': '' });
  assert.match(
    await refused('echo'),
    /^bundle of echo: a file in it: expected a name of letters, .* found "samples\/with space" \(a string\)$/,
  );
  rmSync(join(project.folder, 'filters/echo/samples'), { recursive: true });
  assert.match(
    await refused('echo'),
    /^filters\/echo\/samples: expected samples with the records that they give, found none; /,
  );
  await project.remove();
});

bundle('a path tells name, version and hash in one way only', () => {
  for (const label of [
    'ssh-auth@1.0.0+4679436527d9',
    'a-1@2.3.4-rc.1-x+000000000000',
    '7@0.0.0-0a.b+ffffffffffff',
  ]) {
    assert.is(labelOfPath(bundlePath(label)), label);
    assert.match(bundlePath(label), BUNDLE_PATH_PATTERN);
  }
  assert.is(bundlePath('a-1@2.3.4-rc.1+0123456789ab'), 'filters/a-1-2.3.4-rc.1-0123456789ab.bundle');
  for (const path of [
    ...[
      '',
      'filters/',
      'a-1.0.0-0123456789ab.bundle',
      '/filters/a-1.0.0-0123456789ab.bundle',
      'filters/../a-1.0.0-0123456789ab.bundle',
    ],
    ...[
      'filters/a-1.0-0123456789ab.bundle',
      'filters/a-01.0.0-0123456789ab.bundle',
      'filters/a-1.0.0-0123456789AB.bundle',
    ],
    ...[
      'filters/a-1.0.0-0123456789ab.bundle\n',
      'filters/a-1.0.0-0123456789ab.bundle.sig',
      'filters/a/b-1.0.0-0123456789ab.bundle',
    ],
    ...[
      'filters/a-1.0.0+0123456789ab.bundle',
      'filters/-0123456789ab.bundle',
      `filters/${'n'.repeat(64)}-1.0.0-0123456789ab.bundle`,
    ],
  ])
    assert.is(labelOfPath(path), undefined, path);
});

bundle.run();
