/**
 * Modules that want too much of something: each limit is held on both sides, and numbers out of all proportion are refused
 * before the engine sees them.
 */
import { test } from 'uvu';
import { MODULE_BYTES_MAX } from '../../host/limits.js';
import * as assert from 'uvu/assert';
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
  text,
  V128,
  vector,
} from './build.js';
import { reasons, refused } from './judging.js';

const table = (...limits: number[]) => join(FUNCREF, limits);
const TABLE_BOMB = moduleOf(section(4, vector([table(0x00, ...leb(10_000_000))])));

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

test.run();
