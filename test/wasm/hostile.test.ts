/**
 * Modules that mean harm, byte by byte: each is refused by name before the engine sees it, and fast.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge } from '../../host/filter/admit.js';
import { MODULE_BYTES_MAX, MODULE_REASONS_MAX } from '../../host/limits.js';
import {
  body,
  custom,
  EMPTY,
  END,
  F64,
  filter,
  filterWith,
  FUNCREF,
  HONEST,
  I32,
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

/** On a machine that does much else: most take a few milliseconds. */
const JUDGED_MS_MAX = 5_000;

/** The reasons against a module, each as `code: sentence`; none may take long. */
function reasons(module: Uint8Array): string[] {
  const startMs = performance.now();
  const verdict = judge(module);
  const ms = performance.now() - startMs;
  assert.ok(ms < JUDGED_MS_MAX, `judged in ${Math.round(ms)} ms`);
  return verdict.reasons.map(({ code, sentence }) => `${code}: ${sentence}`);
}

function refused(module: Uint8Array, expected: RegExp, what: string): void {
  const found = reasons(module);
  assert.match(found.join('\n'), expected, what);
  assert.not.match(found.join(''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what);
}

const table = (...limits: number[]) => join(FUNCREF, limits);
const TABLE_BOMB = moduleOf(section(4, vector([table(0x00, ...leb(10_000_000))])));

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

test('a table of millions of entries, and many tables, never reach the engine', () => {
  assert.ok(TABLE_BOMB.length <= 24);
  refused(TABLE_BOMB, /^limit: expected up to 4096 entries of a table, found 10000000 at byte 11$/, 'a bomb');
  const tooLarge = (...limits: number[]) => filter({ tables: [table(...limits)] });
  refused(tooLarge(1, 1, ...leb(4_097)), /expected up to 4096 entries of a table, found 4097/, 'maximum');
  refused(tooLarge(0, ...leb(0xffff_ffff)), /found 4294967295/, 'as large as can be');
  refused(tooLarge(1, 2, 1), /^malformed: .* a table of 2 up to 1 at/, 'a maximum below its size');
  const many = filter({ tables: Array.from({ length: 1_000 }, () => table(0, ...leb(4_000))) });
  refused(many, /^limit: expected up to 1 tables, found 1000/, 'many tables');
  const imported = join(text('env'), text('table'), 0x01, table(0, ...leb(10_000_000)));
  refused(filter({ imports: [...HONEST.imports, imported] }), /^import: .*table env\.table$/, 'imported');
  assert.equal(reasons(filter({ tables: [table(1, ...leb(4_096), ...leb(4_096))] })), []);
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
      tables: [table(0, 1)],
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
    'a second memory in an access',
    filterWith(join([0x41, 0], op('i32.load', 0x40, 1, 0), op('drop'))),
    /^feature: expected no second memory/,
  ],
];

test('what a filter may not have is refused by name', () => {
  for (const [what, module, expected] of UNWANTED) refused(module, expected, what);
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

const blocks = (depth: number) => join(repeat([0x02, EMPTY], depth), repeat(END, depth));
const branches = (targets: number) => join([0x41, 0], 0x0e, leb(targets), repeat(0, targets + 1));

/** More than allowed of something; the same with the number that is allowed is admitted. */
const LIMITS: readonly (readonly [string, (count: number) => Uint8Array, number, RegExp])[] = [
  [
    'functions',
    (count) =>
      filter({
        functions: [...HONEST.functions, ...repeat(2, count - 5)],
        bodies: [...HONEST.bodies, ...Array.from({ length: count - 5 }, () => body([]))],
      }),
    10_000,
    /functions/,
  ],
  [
    'types',
    (count) => filter({ types: [...HONEST.types, ...Array.from({ length: count - 5 }, () => [0x60, 0, 0])] }),
    1_000,
    /types/,
  ],
  [
    'parameters',
    (count) => filter({ types: [...HONEST.types, join(0x60, leb(count), repeat(F64, count), 0)] }),
    64,
    /parameters of a function/,
  ],
  [
    'results',
    (count) => filter({ types: [...HONEST.types, join([0x60, 0], leb(count), repeat(F64, count))] }),
    16,
    /results of a function/,
  ],
  [
    'globals',
    (count) => filter({ globals: Array.from({ length: count }, () => [I32, 0, 0x41, 0, END]) }),
    1_000,
    /globals/,
  ],
  [
    'exports',
    (count) =>
      filter({
        exports: [
          ...HONEST.exports,
          ...Array.from({ length: count - 5 }, (_, at) => join(text(`f${at}`), [0, 1])),
        ],
      }),
    1_000,
    /exports/,
  ],
  [
    'segments of elements',
    (count) => filter({ tables: [table(0, 1)], elements: Array.from({ length: count }, () => [1, 0, 0]) }),
    1_000,
    /segments of elements/,
  ],
  [
    'elements',
    (count) => filter({ tables: [table(0, 1)], elements: [join([1, 0], leb(count), repeat(1, count))] }),
    4_096,
    /elements/,
  ],
  [
    'segments of data',
    (count) => filter({ data: Array.from({ length: count }, () => [1, 0]) }),
    10_000,
    /segments of data/,
  ],
  ['locals', (count) => filterWith([], [[count, F64]]), 4_096, /parameters and locals of a function/],
  ['bytes', (count) => filterWith(repeat(op('nop'), count - 2)), 131_072, /bytes of a body/],
  ['blocks in blocks', (count) => filterWith(blocks(count)), 1_000, /blocks inside each other/],
  ['targets of a branch', (count) => filterWith(branches(count)), 4_096, /targets of a branch/],
  [
    'custom sections',
    (count) => moduleOf(...sectionsOf(), ...Array.from({ length: count }, () => custom('x'))),
    64,
    /custom sections/,
  ],
  [
    'values carried',
    // 1,000 blocks, which begin after 0, 2, 4 ... instructions, each an instruction itself.
    (count) => filterWith(repeat([0x02, EMPTY, END], 1_000), [[count / 1_000 - 1_000, V128]]),
    5_000_000,
    /values carried to blocks and branches/,
  ],
];

test('each limit is a limit, and what is allowed is admitted', () => {
  for (const [what, build, most, noun] of LIMITS) {
    assert.equal(reasons(build(most)), [], `${most} ${what}`);
    const step = what === 'values carried' ? 1_000 : 1;
    refused(build(most + step), new RegExp(`^limit: expected up to ${most} ${noun.source}`), `more ${what}`);
  }
});

test('numbers out of all proportion are refused at once', () => {
  const times = (count: number, items: Part[]) => Array.from({ length: count }, () => items).flat();
  const functions = filter({ functions: times(100_000, [2]), bodies: times(100_000, [body([])]) });
  refused(functions, /^limit: expected up to 10000 functions, found 100000/, '100,000 functions');
  refused(filterWith(blocks(40_000)), /^limit: .*1000 blocks inside each other, found 1001/, '40,000 blocks');
  refused(filterWith(branches(100_000)), /targets of a branch, found 100000/, 'br_table');
  refused(filterWith(blocks(100_000)), /^limit: expected up to 131072 bytes of a body, found 300/, 'blocks');
  refused(filterWith([], [[0xffff_ffff, I32]]), /locals of a function, found 4294967295/, '2^32 - 1 locals');
  const again = Array.from({ length: 1_000 }, () => [0xffff_ffff, I32] as const);
  refused(filterWith([], again), /locals of a function, found 4294967295/, 'again and again');
  for (const id of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11]) {
    const lying = moduleOf(section(id, leb(0xffff_ffff)));
    refused(lying, /^(limit|malformed): /, `section ${id} with 2^32 - 1 entries`);
    refused(
      moduleOf(section(id, leb(60))),
      /^(limit|malformed): /,
      `section ${id} with 60 entries in no bytes`,
    );
  }
  refused(Buffer.alloc(MODULE_BYTES_MAX + 1), /^size: expected a module of up to 524288 bytes/, 'size');
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
