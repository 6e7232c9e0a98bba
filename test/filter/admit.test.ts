/**
 * What may not run is refused before its first event, with one line that says why.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../host/errors.js';
import { finish } from '../../host/filter/calls.js';
import { startFilter } from '../../host/filter/instance.js';
import { MODULE_BYTES_MAX } from '../../host/limits.js';
import {
  ABORT,
  assemble,
  batch,
  HONEST,
  load,
  MANIFEST,
  NOW_MS,
  literally,
  type Parts,
  recursion,
  refuses,
  says,
  starts,
} from './hostile.js';

test('the honest module runs', () => {
  const filter = load(assemble({}));
  filter.input.write('one\ntwo\n');
  finish(filter.run(8, NOW_MS, false, () => assert.unreachable()));
  finish(filter.tick(NOW_MS, () => assert.unreachable()));
  finish(filter.closeWindows(NOW_MS, () => assert.unreachable()));
  assert.is(filter.ledger().in, 0);
});

const BAD_IMPORTS: readonly (readonly [string, RegExp])[] = [
  ['(import "env" "now" (func (result i64)))', /found function env\.now/],
  ['(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))', /found function wasi_snapshot_/],
  ['(import "env" "table" (table 1 funcref))', /found table env\.table/],
  ['(import "env" "abort" (global i32))', /found global env\.abort/],
  ['(import "e\\0a\\1b[31mnv" "\\e2\\80\\ae" (func))', /found function e\\u000a\\u001b\[31mnv\.\\u202e/],
  [`(import "env" "${'x'.repeat(100_000)}" (func))`, /found function env\.xxx/],
  [HONEST.abort.replace('$abort', ''), /expected to import env\.abort once, found it again/],
  ['(import "env" "memory" (memory 1 1))', /import env\.memory once, found it again/],
];

const TICK = '(func (export "weir_tick") (param i64 i32) (result i32) (i32.const 0))';
/** The type is the host's: what it is called with is an address. */
const BAD_ABORTS: readonly (readonly [string, string])[] = [
  ['(param f64)', '(f64)'],
  ['(param i64)', '(i64)'],
  ['(param i32 i32 i32 i32) (result i32)', '(i32, i32, i32, i32) -> (i32)'],
];

test('a module that imports anything but memory and abort is refused, and its names steer no terminal', () => {
  for (const [more, expected] of BAD_IMPORTS) {
    // Imports stand before everything else.
    const parts = { abort: `${HONEST.abort} ${more}` };
    refuses(() => load(assemble(parts)), 'MODULE_REFUSED', expected, more.slice(0, 60));
  }
});

test('abort and memory must be of their types', () => {
  for (const [type, found] of BAD_ABORTS) {
    const parts = { abort: `(import "env" "abort" (func ${type}))` };
    const expected = `expected env.abort to have the type (i32, i32, i32, i32) -> (), found ${found}`;
    refuses(() => load(assemble(parts)), 'MODULE_REFUSED', literally(expected), type);
  }
  for (const [memory, expected] of [
    ['(import "env" "memory" (memory 1))', 'expected to import env.memory with a maximum, found none'],
    ['(memory 1 1)', 'expected to import the memory env.memory, found none of that name (and 1 more'],
    ['(import "env" "memory" (memory 1 1 shared))', 'expected no threads, found a memory that is shared'],
    ['(import "env" "memory" (memory i64 1 1))', 'expected no memory of 64 bits, found a memory with limits'],
  ] as const) {
    const parts = { memory: '', abort: `${HONEST.abort} ${memory}`, batch: batch('(i32.const 0)') };
    const honest = { ...parts, start: starts('').start as string, data: '', tick: TICK };
    refuses(() => load(assemble(honest)), 'MODULE_REFUSED', literally(expected), memory);
  }
});

test('what grows is refused, also by nothing', () => {
  const parts = { batch: batch('(drop (memory.grow (i32.const 0))) (i32.const 0)') };
  const expected = 'expected no memory.grow, found one at byte ';
  refuses(() => load(assemble(parts)), 'MODULE_REFUSED', literally(expected), 'by nothing');
});

const params = '(param i32 i32 i64 i32)';
const BAD_EXPORTS: readonly (readonly [Parts, RegExp])[] = [
  [{ abi: '' }, /expected to export the function weir_abi, found nothing/],
  [{ batch: '' }, /expected to export the function weir_batch, found nothing/],
  [{ batch: '(global (export "weir_batch") i32 (i32.const 0))' }, /function weir_batch, found global/],
  [{ tick: '(export "weir_tick" (memory 0))' }, /function weir_tick, found memory/],
  [
    { abi: '(func (export "weir_abi") (result i64) (i64.const 1))' },
    /expected weir_abi to have the type \(\) -> \(i32\), found \(\) -> \(i64\)/,
  ],
  [{ abi: '(func (export "weir_abi") (param i64) (result i32) (i32.const 1))' }, /expected weir_abi to have/],
  [
    { heapBase: '(func (export "weir_heap_base") (result f64) (f64.const 1))' },
    /weir_heap_base to have the type/,
  ],
  [
    { start: '(func (export "weir_start") (param i32))' },
    /weir_start to have the type \(\) -> \(\), found \(i32\) -> \(\)/,
  ],
  [{ start: '(func (export "weir_start") (result i32) (i32.const 0))' }, /weir_start to have the type/],
  [
    { batch: '(func (export "weir_batch") (param i64 i64 i64 i32) (result i32) (i32.const 0))' },
    /expected weir_batch to have the type \(i32, i32, i64, i32\) -> \(i32\), found \(i64, i64, i64, i32\) -> /,
  ],
  [{ batch: `(func (export "weir_batch") ${params})` }, /weir_batch to have the type/],
  [
    { batch: `(func (export "weir_batch") ${params} (result i64) (i64.const 0))` },
    /weir_batch to have the type/,
  ],
  [
    { batch: `(func (export "weir_batch") ${params} (result i32 i32) (i32.const 0) (i32.const 0))` },
    /weir_batch to have the type/,
  ],
  [
    { tick: '(func (export "weir_tick") (param i32 i32) (result i32) (i32.const 0))' },
    /weir_tick to have the type/,
  ],
];

test('an export that is missing, no function, or of another type is refused by name', () => {
  for (const [parts, expected] of BAD_EXPORTS) {
    refuses(() => load(assemble(parts)), 'MODULE_REFUSED', expected, JSON.stringify(parts));
  }
});

test('a module of another ABI is refused', () => {
  const module = assemble({ abi: '(func (export "weir_abi") (result i32) (i32.const 2))' });
  refuses(() => load(module), 'ABI_MISMATCH', /expected ABI 1, found 2/, 'ABI 2');
});

test('a start function is refused without being run', () => {
  const expected = /expected no start function but weir_start, found one/;
  for (const body of ['', 'unreachable', '(loop $on (br $on))']) {
    const module = assemble({ more: `(func $first ${body}) (start $first)` });
    refuses(() => load(module), 'MODULE_REFUSED', expected, body);
  }
});

test('bytes that are no module, or not all of one, are refused', () => {
  const refused = (bytes: Uint8Array, expected: RegExp, what: string) =>
    refuses(() => load(bytes), 'MODULE_REFUSED', expected, what);
  refused(new Uint8Array(0), /expected a WebAssembly module, found other bytes/, 'nothing');
  refused(Buffer.from('#!/bin/sh\nexit\n'), /found other bytes/, 'a script');
  refused(Buffer.from('0061736d0d000100', 'hex'), /found other bytes/, 'a component');
  refused(
    Buffer.alloc(MODULE_BYTES_MAX + 1),
    /expected a module of up to 524288 bytes, found 524289/,
    'size',
  );
  const whole = assemble({});
  for (let bytes = 8; bytes < whole.length - 24; bytes++) {
    refused(
      whole.subarray(0, bytes),
      /expected (a valid WebAssembly module|to (ex|im)port)/,
      `${bytes} bytes`,
    );
  }
});

test('a function that does not validate is refused, and its name steers no terminal', () => {
  const whole = Buffer.from(assemble({ more: '(func $bad (result i32) (i32.const 77))' }));
  // A constant of another type than the result: the reader leaves that to the engine.
  const place = whole.indexOf(Buffer.from('41cd000b', 'hex'));
  whole[place] = 0x42;
  const name = Buffer.from('\x1b[31m\n');
  const functions = Array.from({ length: 7 }, (_, index) => [index, name.length, ...name]).flat();
  const section = Buffer.from([4, ...Buffer.from('name'), 1, 1 + functions.length, 7, ...functions]);
  refuses(
    () => load(Buffer.concat([whole, Buffer.from([0, section.length]), section])),
    'MODULE_REFUSED',
    /expected a valid WebAssembly module, found .*\\u001b\[31m\\u000a.*i64/,
    'names',
  );
});

test('a module that does not fit the memory of its manifest is refused', () => {
  const wants = (parts: Parts, expected: RegExp) =>
    refuses(() => load(assemble(parts)), 'MEMORY_MANIFEST', expected, JSON.stringify(parts));
  const fits = /expected a module that fits its memory of 65536 bytes, found/;
  wants({ memory: '(import "env" "memory" (memory 2 2))' }, fits);
  wants({ memory: '(import "env" "memory" (memory 0 0))' }, fits);
  wants({ more: '(data (i32.const 65535) "xx")' }, fits);
  for (const heapBase of [3_970, 4_096, 65_536, 0x7fffffff, -1, -16, -17, -2_147_483_648]) {
    const parts = { heapBase: `(func (export "weir_heap_base") (result i32) (i32.const ${heapBase}))` };
    wants(parts, /memory\.static: expected \d+ bytes for data, config and zones, found 4096/);
  }
});

test('a config or zones that do not fit memory.static are refused', () => {
  const module = assemble({});
  const expected = /memory\.static: expected 4\d{3} bytes for data, config and zones, found 4096/;
  refuses(() => load(module, { text: 'x'.repeat(3_000) }), 'MEMORY_MANIFEST', expected, 'config');
  const zones = Array.from({ length: 190 }, (_, at) => ({ fromMs: at, offsetMs: 0 }));
  refuses(
    () => startFilter({ manifest: MANIFEST, module, config: {}, zones }),
    'MEMORY_MANIFEST',
    expected,
    'zones',
  );
});

test('a module that fails before its first event is refused with what it says', () => {
  const asked = (parts: Parts, expected: RegExp) =>
    refuses(() => load(assemble(parts)), 'MODULE_REFUSED', expected, JSON.stringify(parts));
  asked({ abi: '(func (export "weir_abi") (result i32) unreachable)' }, /weir_abi stopped: unreachable/);
  asked(
    { heapBase: '(func (export "weir_heap_base") (result i32) unreachable)' },
    /weir_heap_base stopped: unr/,
  );

  const started = (parts: Parts, expected: RegExp) =>
    refuses(() => load(assemble(parts)), 'FILTER_FAULT', expected, JSON.stringify(parts));
  started(starts('unreachable'), /filter hostile: weir_start stopped: unreachable; correct the filter/);
  started(starts('(drop (i32.load (i32.const 65536)))'), /stopped: memory access out of bounds/);
  started({ ...starts('(call $deep (i32.const 0))'), more: recursion }, /stopped: Maximum call stack size/);
  const words = `${HONEST.data} ${says('\\06\\00\\00\\00n\\00o\\00;\\00')}`;
  started({ ...starts(ABORT), data: words }, /^filter hostile: no;; correct the filter/);
});

test('a registry that lies outside of memory, or names other streams, is refused', () => {
  const outside = /its registry lies outside its memory/;
  const registered = (table: number, entries: number, code: ErrorCode, expected: RegExp) => {
    const stores = `(i32.store (i32.const 1072) (i32.const ${table})) (i32.store (i32.const 1076) (i32.const ${entries}))`;
    refuses(() => load(assemble(starts(stores))), code, expected, `${entries} entries at ${table}`);
  };
  registered(65_536, 1, 'MODULE_REFUSED', outside);
  registered(65_505, 1, 'MODULE_REFUSED', outside);
  registered(-16, 1, 'MODULE_REFUSED', outside);
  registered(512, 65, 'MODULE_REFUSED', outside);
  registered(512, -1, 'MODULE_REFUSED', outside);
  registered(512, 0, 'MANIFEST_INVALID', /streams: expected those that filter.ts makes \(none\), found out/);

  const named = (place: string, code: ErrorCode, expected: RegExp, more = '') => {
    const data = `(data (i32.const 512) "\\01\\00\\00\\00${place}") (data (i32.const 600) "out") ${more}`;
    refuses(() => load(assemble({ data })), code, expected, place);
  };
  named('\\00\\00\\01\\00\\01\\00\\00\\00', 'MODULE_REFUSED', outside);
  named('\\ff\\ff\\00\\00\\02\\00\\00\\00', 'MODULE_REFUSED', outside);
  named('\\f0\\ff\\ff\\ff\\20\\00\\00\\00', 'MODULE_REFUSED', outside);
  named('\\58\\02\\00\\00\\ff\\ff\\ff\\ff', 'MODULE_REFUSED', outside);
  named('\\58\\02\\00\\00\\02\\00\\00\\00', 'MANIFEST_INVALID', /filter.ts makes \(ou\), found out/);
  const evil = '(data (i32.const 700) "\\1b[2J\\0a")';
  named(
    '\\bc\\02\\00\\00\\05\\00\\00\\00',
    'MODULE_REFUSED',
    /expected printable UTF-8, found other bytes/,
    evil,
  );
});

test.run();
