/**
 * Every instruction that a filter may have, and the names of those that it may not: the one place that knows opcodes
 * (WebAssembly Core Specification 2.0, section 5.4, with fixed-width SIMD).
 *
 * An instruction's number is its byte, or the prefix and the byte behind it: `i32.add` is 0x6a, `memory.copy` 0xfc0a.
 * In the tables a line begins with the number of its first instruction; `:` is followed by the immediates where there are
 * any, `!` by the proposal for which an instruction is refused, and `-` is a number that means nothing.
 */
import { hex, malformed, type Reader, unwanted } from './bytes.js';

/** What follows an opcode. */
export const IMMEDIATES = [
  'unknown',
  'none',
  'block',
  'else',
  'end',
  'label',
  'labels',
  'function',
  'indirect',
  'local',
  'global',
  'table',
  'memarg',
  'memory',
  'i32',
  'i64',
  'bytes4',
  'bytes8',
  'bytes16',
  'lane',
  'memarglane',
  'types',
  'reftype',
  'datamemory',
  'data',
  'memories',
  'elementtable',
  'element',
  'tables',
] as const;
export type Immediates = (typeof IMMEDIATES)[number];

/** Proposals beyond the first version of WebAssembly that a module may use, in the order of their years. */
export const FEATURES = [
  'mutable globals',
  'saturating conversions',
  'sign extension',
  'multi-value',
  'bulk memory',
  'reference types',
  'SIMD',
] as const;
export type Feature = (typeof FEATURES)[number];

const FIRST_VERSION = `
00 unreachable nop block:block loop:block if:block else:else
06 try!exceptions catch!exceptions throw!exceptions rethrow!exceptions throw_ref!exceptions
0b end:end br:label br_if:label br_table:labels return call:function call_indirect:indirect
12 return_call!tail_calls return_call_indirect!tail_calls call_ref!function_references
15 return_call_ref!tail_calls
18 delegate!exceptions catch_all!exceptions drop select
1f try_table!exceptions local.get:local local.set:local local.tee:local global.get:global global.set:global
28 i32.load:memarg i64.load:memarg f32.load:memarg f64.load:memarg
2c i32.load8_s:memarg i32.load8_u:memarg i32.load16_s:memarg i32.load16_u:memarg
30 i64.load8_s:memarg i64.load8_u:memarg i64.load16_s:memarg i64.load16_u:memarg i64.load32_s:memarg i64.load32_u:memarg
36 i32.store:memarg i64.store:memarg f32.store:memarg f64.store:memarg
3a i32.store8:memarg i32.store16:memarg i64.store8:memarg i64.store16:memarg i64.store32:memarg
3f memory.size:memory memory.grow:memory i32.const:i32 i64.const:i64 f32.const:bytes4 f64.const:bytes8
45 i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u
50 i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u
5b f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge
67 i32.clz i32.ctz i32.popcnt i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u
71 i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr
79 i64.clz i64.ctz i64.popcnt i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u
83 i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr
8b f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt
92 f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign
99 f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt
a0 f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign
a7 i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u
ac i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u
b2 f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64
b7 f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32
bc i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64
d3 ref.eq!garbage_collection ref.as_non_null!function_references br_on_null!function_references
d6 br_on_non_null!function_references
e0 cont.new!stack_switching cont.bind!stack_switching suspend!stack_switching resume!stack_switching
e4 resume_throw!stack_switching resume_throw_ref!stack_switching switch!stack_switching`;

const SIGN_EXTENSION = `
c0 i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s`;

const SATURATING = `
fc00 i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u
fc04 i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u`;

const BULK_MEMORY = `
fc08 memory.init:datamemory data.drop:data memory.copy:memories memory.fill:memory
fc0c table.init:elementtable elem.drop:element table.copy:tables`;

const REFERENCE_TYPES = `
1c select:types
25 table.get:table table.set:table
d0 ref.null:reftype ref.is_null ref.func:function
fc0f table.grow:table table.size:table table.fill:table
fc13 i64.add128!wide_arithmetic i64.sub128!wide_arithmetic i64.mul_wide_s!wide_arithmetic
fc16 i64.mul_wide_u!wide_arithmetic`;

const SIMD = `
fd00 v128.load:memarg v128.load8x8_s:memarg v128.load8x8_u:memarg v128.load16x4_s:memarg v128.load16x4_u:memarg
fd05 v128.load32x2_s:memarg v128.load32x2_u:memarg v128.load8_splat:memarg v128.load16_splat:memarg
fd09 v128.load32_splat:memarg v128.load64_splat:memarg v128.store:memarg v128.const:bytes16 i8x16.shuffle:bytes16
fd0e i8x16.swizzle i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat
fd15 i8x16.extract_lane_s:lane i8x16.extract_lane_u:lane i8x16.replace_lane:lane
fd18 i16x8.extract_lane_s:lane i16x8.extract_lane_u:lane i16x8.replace_lane:lane
fd1b i32x4.extract_lane:lane i32x4.replace_lane:lane i64x2.extract_lane:lane i64x2.replace_lane:lane
fd1f f32x4.extract_lane:lane f32x4.replace_lane:lane f64x2.extract_lane:lane f64x2.replace_lane:lane
fd23 i8x16.eq i8x16.ne i8x16.lt_s i8x16.lt_u i8x16.gt_s i8x16.gt_u i8x16.le_s i8x16.le_u i8x16.ge_s i8x16.ge_u
fd2d i16x8.eq i16x8.ne i16x8.lt_s i16x8.lt_u i16x8.gt_s i16x8.gt_u i16x8.le_s i16x8.le_u i16x8.ge_s i16x8.ge_u
fd37 i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s i32x4.ge_u
fd41 f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge f64x2.eq f64x2.ne f64x2.lt f64x2.gt f64x2.le f64x2.ge
fd4d v128.not v128.and v128.andnot v128.or v128.xor v128.bitselect v128.any_true
fd54 v128.load8_lane:memarglane v128.load16_lane:memarglane v128.load32_lane:memarglane v128.load64_lane:memarglane
fd58 v128.store8_lane:memarglane v128.store16_lane:memarglane v128.store32_lane:memarglane
fd5b v128.store64_lane:memarglane v128.load32_zero:memarg v128.load64_zero:memarg
fd5e f32x4.demote_f64x2_zero f64x2.promote_low_f32x4
fd60 i8x16.abs i8x16.neg i8x16.popcnt i8x16.all_true i8x16.bitmask i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u
fd67 f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest i8x16.shl i8x16.shr_s i8x16.shr_u
fd6e i8x16.add i8x16.add_sat_s i8x16.add_sat_u i8x16.sub i8x16.sub_sat_s i8x16.sub_sat_u f64x2.ceil f64x2.floor
fd76 i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u f64x2.trunc i8x16.avgr_u
fd7c i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u
fd7e i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u
fd80 i16x8.abs i16x8.neg i16x8.q15mulr_sat_s i16x8.all_true i16x8.bitmask i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u
fd87 i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u
fd8b i16x8.shl i16x8.shr_s i16x8.shr_u i16x8.add i16x8.add_sat_s i16x8.add_sat_u
fd91 i16x8.sub i16x8.sub_sat_s i16x8.sub_sat_u f64x2.nearest i16x8.mul
fd96 i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u - i16x8.avgr_u
fd9c i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s i16x8.extmul_low_i8x16_u i16x8.extmul_high_i8x16_u
fda0 i32x4.abs i32x4.neg - i32x4.all_true i32x4.bitmask - -
fda7 i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u
fdab i32x4.shl i32x4.shr_s i32x4.shr_u i32x4.add - - i32x4.sub - - - i32x4.mul
fdb6 i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u i32x4.dot_i16x8_s -
fdbc i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u
fdc0 i64x2.abs i64x2.neg - i64x2.all_true i64x2.bitmask - -
fdc7 i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s i64x2.extend_low_i32x4_u i64x2.extend_high_i32x4_u
fdcb i64x2.shl i64x2.shr_s i64x2.shr_u i64x2.add - - i64x2.sub - - - i64x2.mul
fdd6 i64x2.eq i64x2.ne i64x2.lt_s i64x2.gt_s i64x2.le_s i64x2.ge_s
fddc i64x2.extmul_low_i32x4_s i64x2.extmul_high_i32x4_s i64x2.extmul_low_i32x4_u i64x2.extmul_high_i32x4_u
fde0 f32x4.abs f32x4.neg - f32x4.sqrt f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax
fdec f64x2.abs f64x2.neg - f64x2.sqrt f64x2.add f64x2.sub f64x2.mul f64x2.div f64x2.min f64x2.max f64x2.pmin f64x2.pmax
fdf8 i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u
fdfc i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u`;

/** Names by number. */
export const NAMES = new Map<number, string>();
/** Index into `IMMEDIATES` by number; 0 where there is no such instruction. */
export const IMMEDIATES_OF = new Uint8Array(0x10000);
/** Index into `FEATURES` by number, plus 1; 0 for what the first version has. */
export const FEATURE_OF = new Uint8Array(0x10000);
const REFUSED = new Map<number, string>();

function define(table: string, feature?: Feature): void {
  for (const line of table.trim().split('\n')) {
    const [first = '', ...instructions] = line.split(' ');
    instructions.forEach((instruction, index) => {
      if (instruction === '-') return;
      const [, name = '', mark, rest = ''] = /^([^:!]+)([:!])?(.*)$/.exec(instruction) ?? [];
      const opcode = Number.parseInt(first, 16) + index;
      NAMES.set(opcode, name);
      if (mark === '!') REFUSED.set(opcode, rest.replaceAll('_', ' '));
      else IMMEDIATES_OF[opcode] = IMMEDIATES.indexOf((rest || 'none') as Immediates);
      if (feature !== undefined) FEATURE_OF[opcode] = FEATURES.indexOf(feature) + 1;
    });
  }
}
define(FIRST_VERSION);
define(SIGN_EXTENSION, 'sign extension');
define(SATURATING, 'saturating conversions');
define(BULK_MEMORY, 'bulk memory');
define(REFERENCE_TYPES, 'reference types');
define(SIMD, 'SIMD');

const byName = new Map([...NAMES].map(([opcode, name]) => [name, opcode]));
/** The number of an instruction by its name. `select` is the one without types. */
export function opcodeOf(name: string): number {
  return name === 'select' ? 0x1b : (byName.get(name) as number);
}

const GARBAGE_COLLECTION = 0xfb;
const SIMD_PREFIX = 0xfd;
const THREADS = 0xfe;
const PREFIXED_FROM = 0xfb;
const PREFIXED_TO = 0xfe;
/** Relaxed SIMD, which may give another result on another machine, is numbered from here. */
const RELAXED_FROM = 0x100;

/** The next instruction's number. Refuses what a filter may not have by the name of its proposal. */
export function readOpcode(reader: Reader): number {
  const at = reader.at;
  const first = reader.byte('an instruction');
  const opcode = first >= PREFIXED_FROM && first <= PREFIXED_TO ? readPrefixed(reader, first, at) : first;
  if (IMMEDIATES_OF[opcode] !== 0) return opcode;
  const refused = REFUSED.get(opcode);
  if (refused !== undefined) throw unwanted(refused, NAMES.get(opcode) as string, at);
  throw malformed(`the unknown instruction 0x${opcode.toString(16).padStart(2, '0')}`, at);
}

function readPrefixed(reader: Reader, prefix: number, at: number): number {
  const number = reader.u32('the number of an instruction');
  const found = `${hex(prefix)} ${hex(number)}`;
  if (prefix === GARBAGE_COLLECTION) throw unwanted('garbage collection', found, at);
  if (prefix === THREADS) throw unwanted('threads', found, at);
  if (number < RELAXED_FROM) return prefix * 0x100 + number;
  if (prefix === SIMD_PREFIX && number < RELAXED_FROM + 0x30) throw unwanted('relaxed SIMD', found, at);
  throw malformed(`the unknown instruction ${found}`, at);
}
