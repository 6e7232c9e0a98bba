/**
 * Modules that are broken or mean harm, for the tests of `host/filter/`: the honest module below with parts replaced.
 *
 * Its memory: registry at 512, the stream's name at 600, heap base and map at 1024, so that `registry` lies at 1072,
 * `consumed` at 1080, `emitted` at 1084 and the ledger at 1088; input at 12288, output at 16384, end at 65536.
 */
import binaryen from 'binaryen';
import * as assert from 'uvu/assert';
import { type ErrorCode, oneLine, WeirError } from '../../host/errors.js';
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { type Manifest, parseManifest } from '../../host/filter/manifest.js';

export const MANIFEST = parseManifest(
  {
    name: 'hostile',
    version: '1.0.0',
    abi: 1,
    purpose: 'Tests what the host bears.',
    selects: 'Nothing.',
    excludes: 'Everything.',
    streams: { out: 'whatever it likes' },
    memory: { static: '4KiB', state: '4KiB', scratch: '4KiB', input: '4KiB', output: '4KiB' },
  },
  'filter.json',
);
export const NOW_MS = Date.parse('2026-01-31T12:00:00Z');

export const HONEST = {
  memory: '(import "env" "memory" (memory 1 1))',
  abort: '(import "env" "abort" (func $abort (param i32 i32 i32 i32)))',
  more: '',
  abi: '(func (export "weir_abi") (result i32) (i32.const 1))',
  heapBase: '(func (export "weir_heap_base") (result i32) (i32.const 1024))',
  start: `(func (export "weir_start")
    (i32.store (i32.const 1072) (i32.const 512)) (i32.store (i32.const 1076) (i32.const 1)))`,
  batch: batch('(i32.store (i32.const 1080) (local.get $bytes)) (i32.const 0)'),
  tick: '(func (export "weir_tick") (param i64 i32) (result i32) (i32.store (i32.const 1080) (i32.const 0)) (i32.store (i32.const 1084) (i32.const 0)) (i32.const 0))',
  data: `(data (i32.const 512) "\\01\\00\\00\\00\\58\\02\\00\\00\\03\\00\\00\\00") (data (i32.const 600) "out")`,
};
export type Parts = Partial<typeof HONEST>;

export function batch(body: string): string {
  return `(func $batch (export "weir_batch")
    (param $offset i32) (param $bytes i32) (param $now i64) (param $flags i32) (result i32) ${body})`;
}

/** A `weir_batch` that writes these words, then answers. */
export function writes(words: Readonly<Record<number, number>>, answer = 0): string {
  const stores = Object.entries(words).map(
    ([at, word]) => `(i32.store (i32.const ${at}) (i32.const ${word}))`,
  );
  return batch(`(i32.store (i32.const 1080) (local.get $bytes)) ${stores.join(' ')} (i32.const ${answer})`);
}

export const CONSUMED = 1080;
export const EMITTED = 1084;
export const LEDGER = 1088;
export const OUTPUT = 16_384;

export function starts(body: string): Parts {
  return { start: `(func $start (export "weir_start") ${body})` };
}

export function assemble(parts: Parts): Uint8Array {
  const { memory, abort, ...rest } = { ...HONEST, ...parts };
  const module = binaryen.parseText(`(module ${memory} ${abort} ${Object.values(rest).join('\n')})`);
  module.setFeatures(binaryen.Features.All);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

export const load = (
  module: Uint8Array,
  config: unknown = {},
  changes: Partial<Manifest> = {},
): FilterInstance => startFilter({ manifest: { ...MANIFEST, ...changes }, module, config, zones: [] });

/** Fails unless the action throws an error of ours, with this code, that is one harmless line. */
export function refuses(action: () => unknown, code: ErrorCode, expected: RegExp, what: string): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  assert.instance(thrown, WeirError, `${what}: ${oneLine(thrown)}`);
  const { code: found, message } = thrown as WeirError;
  assert.is(found, code, `${what}: ${message}`);
  assert.match(message, expected, what);
  assert.not.match(message, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what);
  assert.ok(message.length < 4_000, `${what}: ${message.length} characters`);
}

/** A pattern for these very words. */
export const literally = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));

export const recursion = '(func $deep (param i32) (call $deep (local.get 0)) (call $deep (local.get 0)))';
/** `abort` with a string at 700 whose length is in front of it. */
export const says = (utf16: string) => `(data (i32.const 696) "${utf16}")`;
export const ABORT = '(call $abort (i32.const 700) (i32.const 0) (i32.const 0) (i32.const 0))';

/** A frame at the start of the output: its record's bytes and stream, and `emitted`. */
export const emits = (bytes: number, stream: number, emitted: number, answer = 0) =>
  writes({ [OUTPUT]: bytes, [OUTPUT + 4]: stream, [EMITTED]: emitted }, answer);
export const aborts = (pointer: number) =>
  batch(`(call $abort (i32.const ${pointer}) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)`);
