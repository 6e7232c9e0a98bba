/**
 * Modules that mean harm, byte by byte: each is refused by name before the engine sees it, and fast. What only wants too much
 * is in `limits.test.ts`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge } from '../../host/filter/admit.js';
import { MODULE_REASONS_MAX } from '../../host/limits.js';
import {
  custom,
  EMPTY,
  END,
  EXTERNREF,
  F32,
  F64,
  filter,
  filterWith,
  FUNCREF,
  HONEST,
  I32,
  I64,
  join,
  leb,
  moduleOf,
  op,
  type Part,
  repeat,
  section,
  sectionsOf,
  shipped,
  text,
  V128,
  vector,
} from './build.js';
import { reasons, refused } from './judging.js';

test('the smallest filter and the shipped ones are admitted, the largest first and fast', () => {
  const [[largest, bytes]] = shipped().sort(([, a], [, b]) => b.length - a.length) as [[string, Uint8Array]];
  const startMs = performance.now();
  assert.equal(reasons(bytes), [], largest);
  const ms = (performance.now() - startMs).toFixed(1);
  console.log(
    `note: ${largest}, ${bytes.length} bytes, is admitted in ${ms} ms, before anything is compiled for speed`,
  );
  assert.equal(reasons(filter()), []);
  assert.equal(reasons(filterWith([])), []);
  for (const [name, module] of shipped()) assert.equal(reasons(module), [], name);
});

/** What a filter may not have, and the reason that names it. */
const UNWANTED: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['a start function', filter({ start: 3 }), /^start: expected no start function but weir_start, found one$/],
  [
    'a memory of its own',
    filter({ memories: [[1, 1, 1]] }),
    /^memory: expected no memory of its own, found 1$/,
  ],
  [
    'two memories',
    filter({
      memories: [
        [1, 1, 1],
        [1, 1, 1],
      ],
    }),
    /^limit: expected up to 1 memories, found 2/,
  ],
  [
    'another import',
    filter({ imports: [...HONEST.imports, join(text('env'), text('now'), [0x00, 1])] }),
    /^import: expected to import only env\.memory and env\.abort, found function env\.now$/m,
  ],
  [
    'an imported global',
    filter({ imports: [...HONEST.imports, join(text('env'), text('g'), [0x03, I32, 1])] }),
    /^import: .* found global env\.g$/,
  ],
  [
    'abort of another type',
    filter({ imports: [join(text('env'), text('abort'), [0x00, 1]), HONEST.imports[1] as Part] }),
    /^import: expected env\.abort to have the type \(i32, i32, i32, i32\) -> \(\), found \(\) -> \(i32\)$/,
  ],
  [
    'no memory',
    filter({ imports: [HONEST.imports[0] as Part] }),
    /^memory: expected to import the memory env\.memory/,
  ],
  [
    'a memory without end',
    filter({ imports: [HONEST.imports[0] as Part, join(text('env'), text('memory'), [0x02, 0, 1])] }),
    /^memory: .* with a maximum, found none$/,
  ],
  [
    'a shared memory',
    filter({ imports: [join(text('env'), text('memory'), [0x02, 3, 1, 1])] }),
    /^feature: expected no threads, /,
  ],
  [
    'a memory of 64 bits',
    filter({ imports: [join(text('env'), text('memory'), [0x02, 5, 1, 1])] }),
    /^feature: expected no memory of 64 bits/,
  ],
  [
    'a memory past 4 GiB',
    filter({ imports: [join(text('env'), text('memory'), [0x02, 1, 1, ...leb(65_537)])] }),
    /^malformed: .* a memory of 1 up to 65537/,
  ],
  [
    'an export of another type',
    filter({ functions: [1, 1, 2, 4, 4] }),
    /^export: expected weir_batch to have the type \(i32, i32, i64, i32\) -> \(i32\), found \(i64, i32\) -> \(i32\)$/,
  ],
  [
    'a missing export',
    filter({ exports: HONEST.exports.slice(1) }),
    /^export: expected to export the function weir_abi, found nothing of that name$/,
  ],
  [
    'an export twice',
    filter({ exports: [...HONEST.exports, HONEST.exports[0] as Part] }),
    /^malformed: .* two exports of one name/,
  ],
  [
    'memory.grow',
    filterWith(join([0x41, 0], op('memory.grow', 0), op('drop'))),
    /^grow: expected no memory\.grow, found one at byte \d+$/,
  ],
  [
    'table.grow',
    filterWith(join(op('ref.null', FUNCREF), [0x41, 0], op('table.grow', 0), op('drop')), [], {
      tables: [[FUNCREF, 0, 1]],
    }),
    /^grow: expected no table\.grow/,
  ],
  [
    'a tag',
    moduleOf(...sectionsOf().slice(0, 3), section(13, [1, 0, 2])),
    /^feature: expected no exceptions, found a section of tags/,
  ],
  [
    'an exported tag',
    filter({ exports: [join(text('t'), [4, 0])] }),
    /^feature: expected no exceptions, found an export of a tag/,
  ],
  [
    'a structure',
    filter({ types: [[0x5f, 0]] }),
    /^feature: expected no garbage collection, found the type 0x5f/,
  ],
  ['recursive types', filter({ types: [[0x4e, 1]] }), /^feature: expected no garbage collection/],
  [
    'a typed reference',
    filter({ types: [[0x60, 1, 0x64, 0, 0]] }),
    /^feature: expected no function references/,
  ],
  [
    'a local of an exception',
    filterWith([], [[1, 0x69]]),
    /^feature: expected no exceptions, found the type 0x69/,
  ],
  [
    'a vector that outlives a call',
    filter({ globals: [join([V128, 1], op('v128.const', ...repeat(0, 16)), END)] }),
    /^global: expected mutable globals of numbers only, found global 0 of type v128$/,
  ],
  [
    'references that outlive a call',
    filter({
      globals: [FUNCREF, EXTERNREF].map((type) => join([type, 1], op('ref.null', type), END)),
    }),
    /^global: .* global 0 of type funcref\nglobal: .* global 1 of type externref$/,
  ],
  [
    'a second memory in an access',
    filterWith(join([0x41, 0], op('i32.load', 0x40, 1, 0), op('drop'))),
    /^feature: expected no second memory/,
  ],
];

test('what a filter may not have is refused by name', () => {
  for (const [what, module, expected] of UNWANTED) refused(module, expected, what);
});

test('globals of numbers are admitted, and vectors that never change', () => {
  const numbers = [I32, I64, F32, F64].map((type, at) =>
    join(
      [type, 1],
      op(`${['i32', 'i64', 'f32', 'f64'][at]}.const`, ...repeat(0, [1, 1, 4, 8][at] as number)),
      END,
    ),
  );
  const constant = join([V128, 0], op('v128.const', ...repeat(0, 16)), END);
  assert.equal(reasons(filter({ globals: [...numbers, constant] })), []);
});

/** Instructions of proposals, each in a function of its own. */
const INSTRUCTIONS: readonly (readonly [string, readonly number[]])[] = [
  ['threads', [0xfe, 0x10, 2, 0]],
  ['threads', [0xfe, 0x03, 0]],
  ['exceptions', [0x06, EMPTY, END]],
  ['exceptions', [0x08, 0]],
  ['exceptions', [0x1f, EMPTY, 0, END]],
  ['exceptions', [0x0a]],
  ['tail calls', [0x12, 1]],
  ['tail calls', [0x13, 1, 0]],
  ['garbage collection', [0xfb, 0x00, 0]],
  ['garbage collection', [0xfb, 0x1c]],
  ['function references', [0x14, 0]],
  ['function references', [0xd4]],
  ['relaxed SIMD', [0xfd, 0x80, 0x02]],
  ['relaxed SIMD', [0xfd, 0x93, 0x02]],
  ['wide arithmetic', [0xfc, 0x13]],
  ['stack switching', [0xe0, 0]],
  ['garbage collection', [0xd0, 0x6e]],
];

test('an instruction of a proposal is refused by the name of that proposal', () => {
  for (const [feature, code] of INSTRUCTIONS) {
    const expected = new RegExp(`^feature: expected no ${feature}, found .* at byte \\d+$`);
    refused(filterWith(code), expected, Buffer.from(code).toString('hex'));
  }
});

test('every reason is told, up to a limit', () => {
  const many = filter({ start: 3, memories: [[1, 1, 1]], exports: [], imports: [] });
  const codes = judge(many).reasons.map(({ code }) => code);
  assert.equal(codes, ['memory', 'memory', 'start', 'export', 'export', 'export', 'export', 'export']);
  const grows = repeat(join([0x41, 0], op('memory.grow', 0), op('drop')), 1_000);
  assert.is(judge(filterWith(grows)).reasons.length, MODULE_REASONS_MAX);
});

/** Bytes that are not what they say. */
test('sections that lie about themselves are refused', () => {
  const sections = sectionsOf();
  for (let at = 0; at < sections.length; at++) {
    const whole = sections[at] as Buffer;
    const before = sections.slice(0, at);
    const after = sections.slice(at + 1);
    for (const delta of [-1, 1, 1_000]) {
      const changed = join(whole[0] as number, leb(whole.length - 2 + delta), whole.subarray(2));
      refused(
        moduleOf(...before, changed, ...after),
        /^(malformed|limit|feature): /,
        `${whole[0]} by ${delta}`,
      );
    }
    refused(moduleOf(...before, whole, whole, ...after), /^malformed: .* a second \w+ section/, 'twice');
    if (at > 0) {
      const swapped = [...sections.slice(0, at - 1), whole, sections[at - 1] as Buffer, ...after];
      refused(moduleOf(...swapped), /^malformed: /, 'in another order');
    }
  }
  const data = section(11, vector([]));
  refused(moduleOf(data, ...sections), /a type section behind one that comes after it/, 'data before types');
  refused(
    moduleOf(...sections, section(14, [0])),
    /a section of the unknown kind 0x0e/,
    'an unknown section',
  );
  refused(
    moduleOf(...sections, section(0, [9, 1])),
    /the name of a section of 9 bytes/,
    'a name past its end',
  );
  refused(moduleOf(...sections, section(0, [2, 0xc3, 0x28])), /a section that is not UTF-8/, 'no UTF-8');
  assert.equal(reasons(moduleOf(custom('a'), ...sections.flatMap((one) => [one, custom('a')]))), []);
});

test.run();
