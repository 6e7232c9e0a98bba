/**
 * The self-test: what a sample gives on this device is what is beside it, or it is told where it differs.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import { type Bundle, type BundleParts, packBundle, unpackBundle } from '../../host/fleet/bundle.js';
import { selfTest } from '../../host/fleet/selftest.js';
import { SELF_TEST_BATCH_BYTES } from '../../host/limits.js';
import { ECHO, type TestProject } from '../author/project.js';
import { echoed, echoParts, files } from './bundles.js';

/** Tells each line, and stops at one that says so. */
const TRAPPING = ECHO.replace('  lines.open', '  if (line.startsWith(BOOM)) unreachable();\n  lines.open')
  .replace('events, key', 'events, key, literal')
  .replace('const LINE', "const BOOM = literal('boom');\nconst LINE");

const device = suite<{ project: TestProject; parts: BundleParts }>('self-test');
device.before(async (context) => void Object.assign(context, await echoParts(TRAPPING)));
device.after(({ project }) => project.remove());

const bundleOf = (parts: BundleParts, samples: Readonly<Record<string, string>>): Bundle =>
  unpackBundle(packBundle({ ...parts, samples: files(samples) }));

/** What is wrong, without the label and the remedy. */
async function failureOf(bundle: Bundle, fuelMax?: number): Promise<string> {
  const error = await selfTest(bundle, undefined, fuelMax).then(
    () => assert.unreachable('expected it to fail'),
    (thrown) => thrown,
  );
  assert.instance(error, WeirError);
  const { code, problem } = error as WeirError;
  assert.is(code, 'SELF_TEST_FAILED');
  assert.not.match(problem, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  assert.ok(problem.startsWith(`${bundle.label}: `), problem);
  return problem.slice(bundle.label.length + 2);
}

device(
  'samples that give their records pass, with their settings, also without an end of the last line',
  async ({ parts }) => {
    await selfTest(
      bundleOf(parts, {
        a: 'one\ntwo',
        'a.expected': echoed('one', 'two'),
        b: 'x\n',
        'b.expected': '{"stream":"lines","ts":7,"line":"x"}\n',
        'b.json': '{"now":"1970-01-01T00:00:00.007Z","timezone":"Europe/Berlin"}',
        c: '',
        'c.expected': '',
      }),
    );
  },
);

device('the first line that differs is told with its sample', async ({ parts }) => {
  const record = (line: string) => echoed(line).trim();
  const failure = (expected: string, input = 'one\ntwo\n') =>
    failureOf(bundleOf(parts, { a: 'x', 'a.expected': echoed('x'), b: input, 'b.expected': expected }));
  assert.is(
    await failure(echoed('one', 'zwei')),
    `samples/b: line 2: expected ${record('zwei')}, found ${record('two')}`,
  );
  assert.is(await failure(echoed('one')), `samples/b: line 2: expected no record, found ${record('two')}`);
  assert.is(
    await failure(echoed('one', 'two', 'three')),
    `samples/b: line 3: expected ${record('three')}, found no record`,
  );
  assert.is(await failure(''), `samples/b: line 1: expected no record, found ${record('one')}`);
  assert.is(
    await failure(`${echoed('one', 'two')}\n`),
    'samples/b: line 3: expected an empty line, found no record',
  );
  const hidden = await failure(`${'\u202e'}\n`);
  assert.is(hidden, `samples/b: line 1: expected \\u202e, found ${record('one')}`);
  const long = await failure(echoed(`${'x'.repeat(5_000)}y`), `${'x'.repeat(5_000)}z\n`);
  assert.is(long, `samples/b: line 1: expected ...${'x'.repeat(40)}y"}, found ...${'x'.repeat(40)}z"}`);
});

device('it ends at the first difference, and at the first fault', async ({ parts }) => {
  const lines = 'fine\n'.repeat(2 * SELF_TEST_BATCH_BYTES);
  const failure = (expected: string) =>
    failureOf(bundleOf(parts, { a: `${lines}boom\n`, 'a.expected': expected }));
  assert.match(await failure('other\n'), /^samples\/a: line 1: expected other, found \{/);
  const all = echoed(...Array.from({ length: 2 * SELF_TEST_BATCH_BYTES }, () => 'fine'));
  assert.match(await failure(all), /^samples\/a: filter echo: stopped: unreachable, at event \d+: boom$/);
});

device('a module that may not run, or that takes more fuel than is allowed, fails', async ({ parts }) => {
  const samples = { a: 'one\n', 'a.expected': echoed('one'), b: 'two\n', 'b.expected': echoed('two') };
  const wrong = bundleOf({ ...parts, module: Buffer.from('no module') }, samples);
  assert.is(await failureOf(wrong), 'filter echo: expected a WebAssembly module, found other bytes');
  await selfTest(bundleOf(parts, samples), undefined, 10_000);
  assert.match(
    await failureOf(bundleOf(parts, samples), 3_000),
    /^samples\/b: expected up to \d+ fuel, which is left of what all samples may take, found more$/,
  );
});

device('events flow meanwhile: after each batch others have their turn', async ({ parts }) => {
  const count = 40_000;
  const line = 'x'.repeat(20);
  const bundle = bundleOf(parts, { a: `${line}\n`.repeat(count), 'a.expected': echoed(line).repeat(count) });
  const { Instance } = WebAssembly;
  let isRunning = false;
  let turns = 0;
  let longestMs = 0;
  let lastMs = performance.now();
  /** Counted from when the filter begins: before that a thread of its own works. */
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, args: [WebAssembly.Module]) {
      isRunning = true;
      lastMs = performance.now();
      return new target(...args);
    },
  });
  let isOver = false;
  const turn = () => {
    if (isRunning) {
      turns++;
      longestMs = Math.max(longestMs, performance.now() - lastMs);
    }
    lastMs = performance.now();
    if (!isOver) setImmediate(turn);
  };
  turn();
  try {
    await selfTest(bundle);
  } finally {
    isOver = true;
    WebAssembly.Instance = Instance;
  }
  const batches = (count * (line.length + 1)) / SELF_TEST_BATCH_BYTES;
  assert.ok(turns >= batches, `${turns} turns, ${batches} batches`);
  console.log(
    `note: ${turns} turns of others during a self-test of ${Math.round(batches)} batches, the longest wait ${longestMs.toFixed(1)} ms`,
  );
});

device.run();
