/**
 * The types of a module, in its bytes (WebAssembly Core Specification 2.0, section 5.3) and in words.
 */
import { MODULE_PARAMETERS_MAX, MODULE_RESULTS_MAX } from '../limits.js';
import { hex, malformed, type Reader, unwanted } from './bytes.js';

const VALUE_TYPES = {
  127: 'i32',
  126: 'i64',
  125: 'f32',
  124: 'f64',
  123: 'v128',
  112: 'funcref',
  111: 'externref',
} as const;
export type ValueType = (typeof VALUE_TYPES)[keyof typeof VALUE_TYPES];

export interface FunctionType {
  readonly takes: readonly ValueType[];
  readonly gives: readonly ValueType[];
}

/** Entries of a table, or pages of a memory. */
export interface Limits {
  readonly initial: number;
  readonly maximum?: number;
}

export interface TableType extends Limits {
  readonly holds: ValueType;
}

export interface GlobalType {
  readonly holds: ValueType;
  readonly isMutable: boolean;
}

const FUNCTION_TYPE = 0x60;
/** Types of proposals: heap types and references to them, types of exceptions. */
const UNWANTED_TYPES: Readonly<Record<number, string>> = {
  78: 'garbage collection',
  79: 'garbage collection',
  80: 'garbage collection',
  93: 'stack switching',
  94: 'garbage collection',
  95: 'garbage collection',
  99: 'function references',
  100: 'function references',
  105: 'exceptions',
  106: 'garbage collection',
  107: 'garbage collection',
  108: 'garbage collection',
  109: 'garbage collection',
  110: 'garbage collection',
  113: 'garbage collection',
  114: 'garbage collection',
  115: 'garbage collection',
  116: 'exceptions',
};
/** Bits of the byte before limits (section 5.3.7, and the proposals that add to it). */
const HAS_MAXIMUM = 1;
const IS_SHARED = 2;
const IS_64_BIT = 4;

function notAType(byte: number, what: string, at: number): Error {
  const feature = UNWANTED_TYPES[byte];
  return feature === undefined
    ? malformed(`${hex(byte)} where ${what} is due`, at)
    : unwanted(feature, `the type ${hex(byte)}`, at);
}

export function valueTypeOf(byte: number): ValueType | undefined {
  return VALUE_TYPES[byte as keyof typeof VALUE_TYPES];
}

export function readValueType(reader: Reader): ValueType {
  const byte = reader.byte('a type');
  const type = valueTypeOf(byte);
  if (type === undefined) throw notAType(byte, 'a type', reader.at - 1);
  return type;
}

export function readReferenceType(reader: Reader): ValueType {
  const at = reader.at;
  const type = readValueType(reader);
  if (type !== 'funcref' && type !== 'externref')
    throw malformed(`${type} where a type of references is due`, at);
  return type;
}

export function readFunctionType(reader: Reader): FunctionType {
  const form = reader.byte('a type of functions');
  if (form !== FUNCTION_TYPE) throw notAType(form, 'a type of functions', reader.at - 1);
  const takes = readValueTypes(reader, 'parameters of a function', MODULE_PARAMETERS_MAX);
  return { takes, gives: readValueTypes(reader, 'results of a function', MODULE_RESULTS_MAX) };
}

export function readValueTypes(reader: Reader, what: string, most: number): ValueType[] {
  const types: ValueType[] = [];
  for (let left = reader.count(what, most); left > 0; left--) types.push(readValueType(reader));
  return types;
}

/** `most` is what the limits may say at all, for a memory the pages of 32 bits. */
export function readLimits(reader: Reader, what: string, most: number): Limits {
  const at = reader.at;
  const flags = reader.byte(`the limits of ${what}`);
  if (flags > (HAS_MAXIMUM | IS_SHARED | IS_64_BIT))
    throw malformed(`${hex(flags)} where limits of ${what} are due`, at);
  if (flags & IS_64_BIT) throw unwanted('memory of 64 bits', `${what} with limits ${hex(flags)}`, at);
  if (flags & IS_SHARED) throw unwanted('threads', `${what} that is shared`, at);
  const initial = reader.u32(`the size of ${what}`);
  if (initial > most) throw malformed(`${what} of ${initial}`, at);
  if (!(flags & HAS_MAXIMUM)) return { initial };
  const maximum = reader.u32(`the largest size of ${what}`);
  if (maximum < initial || maximum > most) throw malformed(`${what} of ${initial} up to ${maximum}`, at);
  return { initial, maximum };
}

export function readTableType(reader: Reader): TableType {
  const holds = readReferenceType(reader);
  return { holds, ...readLimits(reader, 'a table', 0xffff_ffff) };
}

export function readGlobalType(reader: Reader): GlobalType {
  const holds = readValueType(reader);
  const mutability = reader.byte('the mutability of a global');
  if (mutability > 1)
    throw malformed(`${hex(mutability)} where the mutability of a global is due`, reader.at - 1);
  return { holds, isMutable: mutability === 1 };
}

/** `(i32, i64) -> (i32)` */
export function functionTypeText({ takes, gives }: FunctionType): string {
  return `(${takes.join(', ')}) -> (${gives.join(', ')})`;
}

/** `1 to 1024`, or `1` and more. */
export function limitsText({ initial, maximum }: Limits): string {
  return maximum === undefined ? `${initial} and more` : `${initial} to ${maximum}`;
}

/** `funcref, 1 to 10` */
export function tableTypeText(table: TableType): string {
  return `${table.holds}, ${limitsText(table)}`;
}

/** `mutable i32` */
export function globalTypeText({ holds, isMutable }: GlobalType): string {
  return isMutable ? `mutable ${holds}` : holds;
}
