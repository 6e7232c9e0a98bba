/**
 * Modules as bytes, honest or not: a filter of the fewest bytes whose sections can be replaced, and what they are made of
 * (WebAssembly Core Specification, section 5).
 */
import { readFileSync } from 'node:fs';
import { installedFilters, SHIPPED_FILTERS } from '../../host/filter/library.js';
import { opcodeOf } from '../../host/wasm/opcodes.js';

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const FUNCREF = 0x70;
export const EXTERNREF = 0x6f;
export const EMPTY = 0x40;
export const END = 0x0b;
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export type Part = number | readonly number[] | Uint8Array;

export function join(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? [part] : part)).map((part) => Buffer.from(part)),
  );
}

/** Unsigned LEB128, padded to at least `bytes`. */
export function leb(value: number, bytes = 1): number[] {
  const out: number[] = [];
  let left = value;
  do {
    const low = left % 128;
    left = Math.floor(left / 128);
    out.push(left > 0 || out.length + 1 < bytes ? low + 128 : low);
  } while (left > 0 || out.length < bytes);
  return out;
}

export function vector(items: readonly Part[]): Buffer {
  return join(leb(items.length), ...items);
}

export function text(value: string): Buffer {
  return join(leb(Buffer.byteLength(value)), Buffer.from(value));
}

export function section(id: number, ...content: Part[]): Buffer {
  const inside = join(...content);
  return join(id, leb(inside.length), inside);
}

export function custom(name: string, ...content: Part[]): Buffer {
  return section(0, text(name), ...content);
}

/** A body: its locals as pairs of a number and a type, its code without the last `end`. */
export function body(code: Part, locals: readonly (readonly [number, number])[] = []): Buffer {
  const inside = join(vector(locals.map(([count, type]) => join(leb(count), type))), code, END);
  return join(leb(inside.length), inside);
}

/** The bytes of an instruction, by its name. */
export function op(name: string, ...immediates: number[]): Buffer {
  const opcode = opcodeOf(name);
  return opcode < 0x100 ? join(opcode, immediates) : join(opcode >> 8, leb(opcode & 0xff), immediates);
}

export function repeat(part: Part, times: number): Buffer {
  const one = join(part);
  return Buffer.alloc(one.length * times, one);
}

const ABORT = join(text('env'), text('abort'), [0x00, 0]);
const MEMORY = join(text('env'), text('memory'), [0x02, 0x01, 1, 1]);
/** The types of the functions of the ABI and of `abort`; 2 takes and gives nothing. */
const TYPES = [
  [0x60, 4, I32, I32, I32, I32, 0],
  [0x60, 0, 1, I32],
  [0x60, 0, 0],
  [0x60, 4, I32, I32, I64, I32, 1, I32],
  [0x60, 2, I64, I32, 1, I32],
];
const NAMES = ['weir_abi', 'weir_heap_base', 'weir_start', 'weir_batch', 'weir_tick'];

/** The lists that a filter's sections hold; what is not given is honest. */
export interface Lists {
  types?: Part[];
  imports?: Part[];
  functions?: Part[];
  tables?: Part[];
  memories?: Part[];
  globals?: Part[];
  exports?: Part[];
  start?: number;
  elements?: Part[];
  dataCount?: number;
  bodies?: Part[];
  data?: Part[];
}

export const HONEST = {
  types: TYPES as Part[],
  imports: [ABORT, MEMORY] as Part[],
  functions: [1, 1, 2, 3, 4] as Part[],
  exports: NAMES.map((name, at) => join(text(name), 0x00, at + 1)) as Part[],
  bodies: [body([0x41, 1]), body([0x41, 16]), body([]), body([0x41, 0]), body([0x41, 0])] as Part[],
} as const;

export function sectionsOf(changes: Lists = {}): Buffer[] {
  const lists: Lists = { ...HONEST, ...changes };
  const list = (id: number, items: Part[] | undefined) =>
    items === undefined ? [] : [section(id, vector(items))];
  return [
    ...list(1, lists.types),
    ...list(2, lists.imports),
    ...list(3, lists.functions),
    ...list(4, lists.tables),
    ...list(5, lists.memories),
    ...list(6, lists.globals),
    ...list(7, lists.exports),
    ...(lists.start === undefined ? [] : [section(8, leb(lists.start))]),
    ...list(9, lists.elements),
    ...(lists.dataCount === undefined ? [] : [section(12, leb(lists.dataCount))]),
    ...list(10, lists.bodies),
    ...list(11, lists.data),
  ];
}

export function moduleOf(...sections: Uint8Array[]): Uint8Array {
  return join(PREAMBLE, ...sections);
}

/** A filter with some lists of its own. */
export function filter(changes: Lists = {}): Uint8Array {
  return moduleOf(...sectionsOf(changes));
}

/** A filter with one function more: `() -> ()`, with this code. */
export function filterWith(
  code: Part,
  locals: readonly (readonly [number, number])[] = [],
  changes: Lists = {},
): Uint8Array {
  return filter({
    functions: [...HONEST.functions, 2],
    bodies: [...HONEST.bodies, body(code, locals)],
    ...changes,
  });
}

/** The modules of the shipped filters. */
export function shipped(): [string, Uint8Array][] {
  return installedFilters().map((name) => [name, readFileSync(`${SHIPPED_FILTERS}/${name}/filter.wasm`)]);
}
