/**
 * The reader agrees with V8 on what a module is: which instructions there are, where each of a shipped filter begins, and
 * how numbers are written.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createReader, Refusal } from '../../host/wasm/bytes.js';
import { walkBody } from '../../host/wasm/code.js';
import { readModule } from '../../host/wasm/module.js';
import { IMMEDIATES, IMMEDIATES_OF, type Immediates, NAMES } from '../../host/wasm/opcodes.js';
import {
  EMPTY,
  END,
  filterWith,
  FUNCREF,
  I32,
  join,
  leb,
  moduleOf,
  op,
  type Part,
  section,
  shipped,
  vector,
} from './build.js';
import { disassembled, walked } from './instructions.js';

test("each instruction of the shipped filters is where the engine's disassembler finds it", async () => {
  for (const [name, module] of shipped()) {
    const own = walked(module);
    assert.ok(own.length > 5_000, name);
    assert.equal(own, await disassembled(module), name);
  }
});

/** Immediates that the module below can take. */
const SOME: Readonly<Record<Immediates, readonly number[]>> = {
  unknown: [],
  none: [],
  block: [EMPTY],
  else: [],
  end: [],
  label: [0],
  labels: [1, 0, 0],
  function: [0],
  indirect: [0, 0],
  local: [0],
  global: [0],
  table: [0],
  memarg: [0, 0x80, 0x01],
  memory: [0],
  i32: [0x80, 0x7f],
  i64: [0x80, 0x80, 0x7f],
  bytes4: [1, 2, 3, 4],
  bytes8: [1, 2, 3, 4, 5, 6, 7, 8],
  bytes16: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  lane: [0],
  memarglane: [0, 0x80, 0x01, 0],
  types: [1, I32],
  reftype: [FUNCREF],
  datamemory: [0, 0],
  data: [0],
  memories: [0, 0],
  elementtable: [0, 0],
  element: [0],
  tables: [0, 0],
};
const UNREACHABLE = 0x00;

/** A module with one of everything, and a function with this code: what is unreachable may have any operands. */
function moduleWith(code: Part): Uint8Array {
  const inside = join([1, 1, I32], code, END);
  return moduleOf(
    section(1, vector([[0x60, 0, 0]])),
    section(3, vector([[0]])),
    section(4, vector([[FUNCREF, 0, 1]])),
    section(5, vector([[1, 1, 1]])),
    section(6, vector([[I32, 1, 0x41, 0, END]])),
    section(9, vector([[1, 0, 1, 0]])),
    section(12, [1]),
    section(10, vector([join(leb(inside.length), inside)])),
    section(11, vector([[1, 0]])),
  );
}

const isBlock = (kind: Immediates) => kind === 'block' || kind === 'else' || kind === 'end';
const numberBytes = (opcode: number) => (opcode < 0x100 ? [opcode] : [opcode >> 8, ...leb(opcode & 0xff)]);
const known = [...NAMES.keys()].filter((opcode) => IMMEDIATES_OF[opcode] !== 0).sort((a, b) => a - b);
const kindOf = (opcode: number) => IMMEDIATES[IMMEDIATES_OF[opcode] as number] as Immediates;

test('the engine knows each instruction of the table, by this name and with these immediates', async () => {
  const plain = known.filter((opcode) => !isBlock(kindOf(opcode)));
  const one = (opcode: number) => join(UNREACHABLE, numberBytes(opcode), SOME[kindOf(opcode)], UNREACHABLE);
  for (const opcode of plain) {
    const module = moduleWith(one(opcode)) as Uint8Array<ArrayBuffer>;
    assert.ok(WebAssembly.validate(module), `${NAMES.get(opcode)} (0x${opcode.toString(16)})`);
  }
  const all = moduleWith(join(...plain.map(one)));
  assert.equal(walked(all), await disassembled(all));
  assert.is(plain.length, 432);
});

test('the engine knows no instruction that the reader calls unknown', () => {
  const numbers = [0xfc, 0xfd].flatMap((prefix) =>
    Array.from({ length: 0x100 }, (_, at) => prefix * 0x100 + at),
  );
  const single = Array.from({ length: 0xfb }, (_, at) => at).concat(0xff);
  for (const opcode of [...single, ...numbers].filter((number) => !NAMES.has(number))) {
    const code = join(UNREACHABLE, numberBytes(opcode), [0, 0], UNREACHABLE);
    assert.not.ok(WebAssembly.validate(moduleWith(code) as Uint8Array<ArrayBuffer>), opcode.toString(16));
    assert.throws(() => walked(moduleWith(code)), /unknown instruction/);
  }
});

/** What a number is, or why it is none, written as bytes. */
function read(bits: 32 | 33 | 64 | 'u32', ...bytes: number[]): number | string {
  const reader = createReader(Uint8Array.from(bytes));
  try {
    const value = bits === 'u32' ? reader.u32('a number') : reader.signed(bits, 'a number');
    assert.is(reader.at, bytes.length);
    return value;
  } catch (thrown) {
    assert.instance(thrown, Refusal);
    return (thrown as Refusal).message.replace('expected a valid WebAssembly module, found ', '');
  }
}

test('numbers are LEB128: padded within their type, no longer, and with no bit too many', () => {
  const f = (times: number) => Array.from({ length: times }, () => 0xff);
  const z = (times: number) => Array.from({ length: times }, () => 0x80);
  assert.is(read('u32', 0x7f), 127);
  assert.is(read('u32', 0xe5, 0x8e, 0x26), 624_485);
  assert.is(read('u32', ...z(4), 0x00), 0);
  assert.is(read('u32', ...f(4), 0x0f), 0xffff_ffff);
  assert.is(read('u32', ...f(4), 0x1f), 'a number of more than 32 bits at byte 0');
  assert.is(read('u32', ...z(5), 0x00), 'a number of more than 32 bits at byte 0');
  assert.is(read('u32', ...z(3)), 'an end where a number is due at byte 3');
  assert.is(read('u32'), 'an end where a number is due at byte 0');
  assert.is(read(32, 0x40), -64);
  assert.is(read(32, 0xc0, 0xbb, 0x78), -123_456);
  assert.is(read(32, ...z(4), 0x78), -(2 ** 31));
  assert.is(read(32, ...f(4), 0x07), 2 ** 31 - 1);
  assert.is(read(32, ...f(4), 0x7f), -1);
  assert.is(read(32, ...f(4), 0x0f), 'a number of more than 32 bits at byte 0');
  assert.is(read(32, ...z(4), 0x70), 'a number of more than 32 bits at byte 0');
  assert.is(read(32, ...z(5), 0x00), 'a number of more than 32 bits at byte 0');
  assert.is(read(33, ...f(4), 0x0f), 2 ** 32 - 1);
  assert.is(read(33, ...z(4), 0x70), -(2 ** 32));
  assert.is(read(33, ...f(4), 0x1f), 'a number of more than 33 bits at byte 0');
  assert.type(read(64, ...f(9), 0x7f), 'number');
  assert.is(read(64, ...z(9), 0x7f), -(2 ** 63));
  assert.is(read(64, ...f(9), 0x01), 'a number of more than 64 bits at byte 0');
  assert.is(read(64, ...z(9), 0x7e), 'a number of more than 64 bits at byte 0');
  assert.is(read(64, ...z(10), 0x00), 'a number of more than 64 bits at byte 0');
});

/** The only function of its own that `filterWith` adds. */
function added(bytes: Uint8Array) {
  const module = readModule(bytes);
  const body = module.bodies.at(-1) as (typeof module.bodies)[number];
  return { module, body };
}

const BAD_CODE: readonly (readonly [string, Part, RegExp])[] = [
  ['an else alone', [0x05], /an else without its if/],
  ['an else of a block', [0x02, EMPTY, 0x05, END], /an else without its if/],
  ['two elses', [0x41, 0, 0x04, EMPTY, 0x05, 0x05, END], /an else without its if/],
  ['an end too many', [END], /code behind the end of a function/],
  ['an end too few', [0x02, EMPTY], /an end where an instruction is due/],
  ['a branch out of the function', [0x0c, 1], /label 1 where there are 1/],
  ['a branch past its blocks', [0x02, EMPTY, 0x0c, 2, END], /label 2 where there are 2/],
  ['a local that is not there', [0x20, 0], /local 0 where there are 0/],
  ['a function that is not there', [0x10, 7], /function 7 where there are 7/],
  ['a type that is not there', [0x02, 5, END], /type 5 where there are 5/],
  ['a negative type', [0x02, 0xbf, 0x7f, END], /type -65 where there are 5/],
  ['a table that is not there', [0x41, 0, 0x11, 0, 0], /table 0 where there are 0/],
  ['a global that is not there', [0x23, 0], /global 0 where there are 0/],
  [
    'data without their number',
    join([0x41, 0, 0x41, 0, 0x41, 0], op('memory.init', 0, 0)),
    /without their number/,
  ],
  ['elements that are not there', op('elem.drop', 0), /segment of elements 0 where there are 0/],
  ['a constant of 33 bits', [0x41, 0xff, 0xff, 0xff, 0xff, 0x0f], /a constant of more than 32 bits/],
  [
    'half a constant',
    join([0x41, 0], op('v128.const'), [1, 2, 3]),
    /a constant of 16 bytes where 4 are left/,
  ],
];

test('code that does not hold together is refused, with the place', () => {
  for (const [what, code, expected] of BAD_CODE) {
    const { module, body } = added(filterWith(code));
    assert.throws(
      () => walkBody(module, body, () => {}),
      (thrown: unknown) => {
        assert.instance(thrown, Refusal, what);
        assert.match((thrown as Refusal).message, expected, what);
        const { offset } = thrown as Refusal;
        assert.ok(offset >= body.start && offset <= body.end, `${what}: ${offset}`);
        return true;
      },
    );
  }
});

test.run();
