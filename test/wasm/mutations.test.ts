/**
 * Random bytes, and shipped filters with parts cut off and bytes changed: whatever they become is judged, fast, and nothing is thrown; what
 * the reader lets through to the engine ends no process.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge } from '../../host/filter/admit.js';
import { meter } from '../../host/wasm/meter.js';
import { seeded } from '../filter.js';
import { readModule } from '../../host/wasm/module.js';
import { filterWith, join, leb, moduleOf, op, shipped } from './build.js';
import { disassembled, walked } from './instructions.js';

const CHILD = 'judge-mutations';
const SEED = Number(process.env.WEIR_SEED ?? 20260131);
const MUTATIONS = 10_000;
const RANDOM = 10_000;
const DISASSEMBLED = 100;
/** Longest of all, on a machine that does much else: a module takes some 2 ms. */
const JUDGED_MS_MAX = 5_000;

const smallest = () => shipped().sort(([, a], [, b]) => a.length - b.length)[0]?.[1] as Uint8Array;

/**
 * Judges; fails when that throws, takes long, or tells what steers a terminal, and when the engine refuses the metered form
 * of what is admitted. Answers whether it is.
 */
function judged(module: Uint8Array, what: string): boolean {
  const startMs = performance.now();
  const { reasons, module: read } = judge(module);
  const ms = Math.round(performance.now() - startMs);
  assert.ok(ms < JUDGED_MS_MAX, `${what}: ${ms} ms`);
  for (const { sentence } of reasons) assert.not.match(sentence, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what);
  if (reasons.length > 0 || read === undefined) return false;
  assert.ok(WebAssembly.validate(meter(read) as Uint8Array<ArrayBuffer>), `${what}: metered`);
  return true;
}

test('a filter cut off anywhere is refused', () => {
  const module = smallest();
  for (let bytes = 0; bytes < module.length; bytes++) {
    // Only constant data are left out at the very end: that many segments are told before.
    assert.not.ok(judged(module.subarray(0, bytes), `${bytes} bytes`), `${bytes} of ${module.length} bytes`);
  }
});

const BYTE_STEP = 5;

test('a filter with any byte changed is judged', () => {
  const rich = filterWith(
    join(
      [0x02, 0x40, 0x0c, 0, 0x0b],
      op('v128.const', ...Array.from({ length: 16 }, (_, at) => at)),
      op('drop'),
    ),
    [[3, 0x7f]],
    {
      tables: [[0x70, 1, 4, 4]],
      globals: [[0x7f, 1, 0x41, 0, 0x0b]],
      elements: [[0, 0x41, 0, 0x0b, 1, 1]],
      data: [[0, 0x41, 0, 0x0b, 1, 7]],
    },
  );
  assert.ok(judged(rich, 'as it is'));
  const changed = Uint8Array.from(rich);
  for (let at = 0; at < rich.length; at++) {
    // A fifth of all, at each place another one.
    for (let byte = at % BYTE_STEP; byte < 256; byte += BYTE_STEP) {
      changed[at] = byte;
      judged(changed, `byte ${at} is ${byte}`);
    }
    changed[at] = rich[at] as number;
  }
});

test('10,000 times random bytes are judged, plain, as a module, and as its sections', () => {
  const below = seeded(SEED);
  const random = (most: number) => Uint8Array.from({ length: below(most) }, () => below(256));
  const randomSection = () => {
    const content = random(64);
    return join(below(14), leb(content.length), content);
  };
  const codes = new Set<string>();
  for (let round = 0; round < RANDOM; round++) {
    const sections = Array.from({ length: 1 + below(4) }, randomSection);
    for (const bytes of [random(256), moduleOf(random(256)), moduleOf(...sections)]) {
      assert.not.ok(judged(bytes, `seed ${SEED}, round ${round}`));
      for (const { code } of judge(bytes).reasons) codes.add(code);
    }
  }
  for (const code of ['malformed', 'limit', 'feature', 'memory']) assert.ok(codes.has(code), code);
});

/**
 * Judges `MUTATIONS` modules made of shipped ones. What is admitted is linked as well, and the engine must see in it what the
 * reader has seen: of each its imports and exports, of the first ones every instruction.
 */
async function judgeMutations(): Promise<void> {
  const below = seeded(SEED);
  const memory = new WebAssembly.Memory({ initial: 1_024, maximum: 1_024 });
  const modules = shipped().map(([, module]) => module);
  let admitted = 0;
  for (let round = 0; round < MUTATIONS; round++) {
    const module = modules[below(modules.length)] as Uint8Array;
    // Half of the changes near the beginning, where the sections are that say how much there is of everything.
    const span = below(2) === 0 ? 1_000 : module.length;
    let changed: Uint8Array = Uint8Array.from(module);
    for (let left = 1 + below(4); left > 0; left--) {
      const at = below(span);
      const random = Array.from({ length: below(9) }, () => below(256));
      const what = below(8);
      if (what === 0) changed = join(changed.subarray(0, at), changed.subarray(at + below(9)));
      else if (what === 1) changed = join(changed.subarray(0, at), random, changed.subarray(at));
      else changed[at] = below(256);
    }
    if (!judged(changed, `round ${round}`)) continue;
    start(changed, memory);
    const { imports, exports } = readModule(changed);
    const compiled = new WebAssembly.Module(changed as Uint8Array<ArrayBuffer>);
    assert.equal(
      WebAssembly.Module.imports(compiled),
      imports.map(({ index: _, ...found }) => found),
    );
    assert.equal(
      WebAssembly.Module.exports(compiled),
      exports.map(({ index: _, ...found }) => found),
    );
    if (admitted++ < DISASSEMBLED) assert.equal(walked(changed), await disassembled(changed));
  }
  process.stdout.write(`admitted ${admitted}\n`);
}

/** Links a module, which fills its table and its memory. It has no start function: nothing of it runs. */
function start(module: Uint8Array, memory: WebAssembly.Memory): void {
  try {
    new WebAssembly.Instance(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>), {
      env: { memory, abort() {} },
    });
  } catch (cause) {
    assert.ok(
      cause instanceof WebAssembly.LinkError || cause instanceof WebAssembly.RuntimeError,
      String(cause),
    );
  }
}

test(`${MUTATIONS} mutations of shipped filters end no process`, () => {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), CHILD],
    {
      encoding: 'utf8',
      env: { ...process.env, WEIR_SEED: String(SEED) },
      timeout: 110_000,
    },
  );
  assert.is(`${status} ${signal}`, '0 null', `seed ${SEED}: ${stderr}`);
  const admitted = Number(/^admitted (\d+)$/m.exec(stdout)?.[1]);
  assert.ok(admitted > 100 && admitted < MUTATIONS / 2, `seed ${SEED}: admitted ${admitted}`);
});

if (process.argv[2] === CHILD) await judgeMutations();
else test.run();
