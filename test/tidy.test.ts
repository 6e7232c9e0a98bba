/**
 * The shape of the source, held by tests: layers, order, lengths, and one owner for each outside thing.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Files of `host/`, lowest layer first; imports point downward or stay within a stage. */
const LAYERS: readonly (readonly string[])[] = [
  ['errors.ts', 'limits.ts', 'fleetlimits.ts', 'seldom.ts', 'deadbuffers.ts', 'wire.ts', 'json.ts'],
  ['wasm/', 'sketches/'],
  [
    'validate.ts',
    'configvalues.ts',
    'confignats.ts',
    'configfleet.ts',
    'config.ts',
    'timezone.ts',
    'credentials.ts',
    'broker.ts',
    'bucket.ts',
    'servers.ts',
    'jetstream.ts',
    'fleetstreams.ts',
    'readback.ts',
    'control.ts',
    'local-broker.ts',
    'datafolder.ts',
    'processes.ts',
    'durable.ts',
    'digest.ts',
    'filter/manifest.ts',
  ],
  [
    ...[
      'source/',
      'batch.ts',
      'filter/',
      'ledger.ts',
      'shed.ts',
      'deadletters.ts',
      'pack.ts',
      'budget.ts',
      'spool/',
      'outbox.ts',
      'checkpoint.ts',
      'numbering.ts',
      'published.ts',
      'courier.ts',
      'lane.ts',
      'publish.ts',
    ],
    'pace.ts',
  ],
  ['running.ts', 'resume.ts', 'engine.ts'],
  ['status.ts', 'probations.ts', 'versions.ts', 'head.ts', 'store.ts'],
  ['ownbroker.ts', 'assigner.ts', 'loop.ts'],
  ['index.ts'],
  ['author/', 'verify/'],
  ['fleet/'],
  ['cli/'],
];
/** The way of an event: the order of the imports of `running.ts`. */
const WAY = ['./source/source.js', './batch.js', './filter/instance.js', './pack.js', './outbox.js'];
/** Outside things and the only files that may import them. */
const OWNERS: Readonly<Record<string, RegExp>> = {
  nats: /^host\/(broker|credentials|jetstream|fleetstreams|readback|bucket|servers)\.ts$/,
  valibot:
    /^host\/(validate|config|filter\/manifest|author\/samples|fleet\/(keys|assignment|folder|proposalfile))/,
  'cbor-x': /^host\/wire\.ts$/,
  fflate: /^host\/fleet\/archive\.ts$/,
  'tuf-js': /^host\/fleet\/trust\.ts$/,
  '@tufjs/models': /^host\/fleet\/(metadata|trust)\.ts$/,
  'node:zlib': /^host\/(pack|spool\/entry|checkpoint|source\/ringfile|fleet\/archive)\.ts$/,
  uvu: /^host\/author\/testing\.ts$/,
  assemblyscript: /^host\/filter\/compile\.ts$/,
};
const LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;
/** A factory is a module of small functions around what they share. */
const FACTORY_LINES_MAX = 160;
const FILTER_LINES_MAX = 80;

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path))
    .sort();
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Import specifiers of a file; `types` are those that vanish when it is compiled. */
function importsOf(path: string): { specifier: string; isType: boolean }[] {
  const found = textOf(path).matchAll(/^(?:import|export) (type )?(?:[^'";]* from )?'([^']+)';/gm);
  return [...found].map(([, type, specifier]) => ({
    specifier: specifier as string,
    isType: type !== undefined,
  }));
}

function layerOf(hostPath: string): number {
  const exact = LAYERS.findIndex((layer) => layer.includes(hostPath));
  if (exact >= 0) return exact;
  return LAYERS.findIndex((layer) =>
    layer.some((entry) => entry.endsWith('/') && hostPath.startsWith(entry)),
  );
}

test('imports of the host point downward', () => {
  const wrong: string[] = [];
  for (const path of sources('host')) {
    const own = layerOf(relative('host', path));
    if (own < 0) wrong.push(`${path}: in no layer`);
    for (const { specifier, isType } of importsOf(path)) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(ROOT, resolve(ROOT, dirname(path), specifier)).replace(/\.js$/, '.ts');
      if (!target.startsWith('host/')) wrong.push(`${path}: imports ${target}, outside of host/`);
      else if (layerOf(relative('host', target)) > own && !isType)
        wrong.push(`${path}: imports ${target}, a layer above`);
    }
  }
  assert.equal(wrong, []);
});

test('the imports of what runs a filter stand in the order of an event', () => {
  const found = importsOf('host/running.ts').map(({ specifier }) => specifier);
  assert.equal(
    found.filter((specifier) => WAY.includes(specifier)),
    WAY,
  );
});

test('runtime imports nothing from outside, filters import only weir/runtime', () => {
  for (const path of sources('runtime')) {
    for (const { specifier } of importsOf(path)) assert.match(specifier, /^\.\/[a-z0-9]+$/, path);
  }
  for (const path of sources('filters').filter((found) => found.endsWith('filter.ts'))) {
    for (const { specifier } of importsOf(path)) assert.is(specifier, 'weir/runtime', path);
  }
});

test('each outside thing has one owner', () => {
  const wrong: string[] = [];
  for (const path of sources('host')) {
    const specifiers = [...textOf(path).matchAll(/(?:from |import\()'([^'.][^']*)'/g)].map(
      ([, found]) => found as string,
    );
    for (const specifier of specifiers) {
      const owned = Object.keys(OWNERS).find(
        (name) => specifier === name || specifier.startsWith(`${name}/`),
      );
      if (owned !== undefined && !OWNERS[owned]?.test(path)) wrong.push(`${path}: imports ${specifier}`);
    }
  }
  assert.equal(wrong, []);
});

test('files and shipped filters stay short', () => {
  const lengths = ['host', 'runtime', 'filters', 'test'].flatMap(sources).map((path) => ({
    path,
    lines: textOf(path).split('\n').length - 1,
  }));
  const isLong = ({ path, lines }: { path: string; lines: number }) =>
    lines > (/^filters\/[^/]+\/filter\.ts$/.test(path) ? FILTER_LINES_MAX : LINES_MAX);
  assert.equal(lengths.filter(isLong), []);
});

test('functions of the host fit a screen or two', () => {
  const wrong: string[] = [];
  for (const path of sources('host')) {
    for (const [, name, body] of textOf(path).matchAll(
      /^(?:export )?(?:async )?function (\w+)([\s\S]*?)^}$/gm,
    )) {
      const lines = (body as string).split('\n').length;
      const isFactory = /^(create|start|connect)/.test(name as string);
      if (lines > (isFactory ? FACTORY_LINES_MAX : FUNCTION_LINES_MAX))
        wrong.push(`${path}: ${name}: ${lines} lines`);
    }
  }
  assert.equal(wrong, []);
});

test('filters have no clock, no random numbers and no floats of their own', () => {
  const wrong: string[] = [];
  for (const path of [
    ...sources('runtime'),
    ...sources('filters').filter((found) => !found.endsWith('.test.ts')),
  ]) {
    const found = /\b(Math\.|Date\.|performance\b|NativeMath)/.exec(textOf(path));
    if (found) wrong.push(`${path}: ${found[0]}`);
  }
  assert.equal(wrong, []);
});

test('nothing is left unfinished and nothing runs code from text', () => {
  const wrong: string[] = [];
  for (const path of ['host', 'runtime', 'filters'].flatMap(sources)) {
    const found = /\b(TODO|FIXME|XXX|eval\(|new Function\(|execSync|shell: true)\b/.exec(textOf(path));
    if (found) wrong.push(`${path}: ${found[0]}`);
  }
  assert.equal(wrong, []);
});

test('the argument for safety names files and tests that are there', () => {
  const rows = textOf('host/SAFETY.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('.test.ts'));
  assert.ok(rows.length > 20);
  for (const row of rows) {
    const named = [...row.matchAll(/`([\w./-]+\.ts)`/g)].map(([, path]) => path as string);
    assert.ok(named.length > 1, row);
    for (const path of named)
      assert.ok(existsSync(join(ROOT, path.endsWith('.test.ts') ? 'test' : 'host', path)), path);
  }
});

test.run();
