/**
 * The meter: a module that counts what it does, and stops when its fuel is used up. The engine has no such limit.
 *
 * `costs.ts` says what is charged where.
 *
 * The fuel is a global that only the host sets, exported as `FUEL_EXPORT`. A function with loops keeps it in a local, so
 * that a turn costs a subtraction and a branch in registers; the global is up to date whenever another function runs, and
 * read again only after the last of several calls in a row. A
 * function that neither turns nor calls, and is short, charges and does not look.
 *
 * The module's mutable globals are exported as well: with its memory they are all that it remembers, and the host puts
 * both back after a fault.
 *
 * Nothing else of a module changes: no index, no label, no instruction. Takes what `admit.ts` has admitted.
 */
import { createReader } from './bytes.js';
import { costOf, FIXED_COST_MAX, fixedCosts, LENGTH_SHIFT, type Plan, planOf } from './costs.js';
import type { Body, WasmModule } from './module.js';
import { opcodeOf } from './opcodes.js';
import type { Charge } from './ways.js';

/** The name of the fuel among the exports, an i64; no module may use it itself. */
export const FUEL_EXPORT = 'weir_fuel';
/** What the names of its own mutable globals begin with among the exports, the index behind it; no module may use such. */
export const GLOBAL_EXPORT = 'weir_global_';

const SECTION = { global: 6, export: 7, code: 10 } as const;
const [I32, I64, EMPTY, MUTABLE, GLOBAL_KIND] = [0x7f, 0x7e, 0x40, 0x01, 0x03];
const IF = opcodeOf('if');
const END = opcodeOf('end');
type Bytes = readonly number[];

/** Rewrites a module that has been admitted. */
export function meter(module: WasmModule): Uint8Array {
  return Buffer.concat(meteredParts(module));
}

/** From a byte of the metered module to where it stands in the one that was metered; what was added is what it stands before. */
export function originalPlaces(module: WasmModule): (at: number) => number {
  const parts = meteredParts(module);
  const { buffer, byteOffset } = module.bytes;
  return (at) => {
    let original = 0;
    let from = 0;
    for (const part of parts) {
      const isOriginal = part.buffer === buffer;
      const start = isOriginal ? part.byteOffset - byteOffset : original;
      if (at < from + part.length) return isOriginal ? start + at - from : original;
      original = isOriginal ? start + part.length : original;
      from += part.length;
    }
    return original;
  };
}

/** The metered module in pieces; what stays as it was is a view of the module's own bytes. */
function meteredParts(module: WasmModule): Uint8Array[] {
  const { bytes, sections, globals } = module;
  const fuel = globals.length;
  const parts = [bytes.subarray(0, sections[0]?.start)];
  const global = [I64, MUTABLE, op('i64.const'), 0, END];
  let hasGlobals = false;
  for (const { id, start, content, end } of sections) {
    if (id === SECTION.global) {
      hasGlobals = true;
      parts.push(...section(id, extended(bytes, content, end, [global])));
    } else if (id === SECTION.export) {
      if (!hasGlobals) parts.push(...section(SECTION.global, [new Uint8Array([1, ...global])]));
      parts.push(...section(id, extended(bytes, content, end, exportsOf(module))));
    } else if (id === SECTION.code) parts.push(...section(id, meteredBodies(module, fuel)));
    else parts.push(bytes.subarray(start, end));
  }
  return parts;
}

/** The fuel, which is the global behind the module's own, and those of its own that can change. */
function exportsOf({ globals }: WasmModule): Bytes[] {
  const own = globals.flatMap(({ isMutable }, index) => (isMutable ? [index] : []));
  const entry = (text: string, index: number) => {
    const name = Buffer.from(text);
    return [...unsigned(name.length), ...name, GLOBAL_KIND as number, ...unsigned(index)];
  };
  return [
    entry(FUEL_EXPORT, globals.length),
    ...own.map((index) => entry(`${GLOBAL_EXPORT}${index}`, index)),
  ];
}

/** A vector with more items. */
function extended(bytes: Uint8Array, content: number, end: number, items: readonly Bytes[]): Uint8Array[] {
  const reader = createReader(bytes, content, end);
  const count = reader.u32('a number of items');
  return [
    new Uint8Array(unsigned(count + items.length)),
    bytes.subarray(reader.at, end),
    new Uint8Array(items.flat()),
  ];
}

function section(id: number, content: readonly Uint8Array[]): Uint8Array[] {
  return [new Uint8Array([id]), ...sized(content)];
}

/** With its length in bytes before it. */
function sized(parts: readonly Uint8Array[]): Uint8Array[] {
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  return [new Uint8Array(unsigned(bytes)), ...parts];
}

function meteredBodies(module: WasmModule, fuel: number): Uint8Array[] {
  const fixed = fixedCosts(module);
  const bodies = module.bodies.flatMap((body) => sized(meteredBody(module, body, fuel, fixed)));
  return [new Uint8Array(unsigned(module.bodies.length)), ...bodies];
}

function meteredBody(
  module: WasmModule,
  body: Body,
  fuel: number,
  fixed: ReadonlyMap<number, number>,
): Uint8Array[] {
  if (fixed.has(body.index)) return [module.bytes.subarray(body.locals, body.end)];
  const plan = planOf(module, body, fixed);
  const { charges, calls, lengths, start } = plan;
  const isKept = plan.hasLoops || lengths.length > 0;
  const edits = isKept
    ? keptEdits(plan, fuel)
    : chargedEdits(charges, fuel, calls.length > 0 || costOf(charges) > FIXED_COST_MAX);
  const added = isKept ? [[1, I64], ...(lengths.length > 0 ? [[1, I32]] : [])] : [];
  const header = withLocals(module.bytes, body.locals, start, added as Bytes[]);
  return [...header, ...edited(module.bytes, start, body.end, edits)];
}

/** Declarations of locals, with more behind them, so that the others keep their numbers. */
function withLocals(bytes: Uint8Array, from: number, start: number, added: readonly Bytes[]): Uint8Array[] {
  const reader = createReader(bytes, from, start);
  const kinds = reader.u32('the kinds of locals');
  return [
    new Uint8Array(unsigned(kinds + added.length)),
    bytes.subarray(reader.at, start),
    new Uint8Array(added.flat()),
  ];
}

/** Bytes that go in before those at a place. */
interface Edit {
  readonly at: number;
  readonly insert: Bytes;
}

function edited(bytes: Uint8Array, start: number, end: number, edits: readonly Edit[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let from = start;
  // A stable sort: what goes to one place stays in the order in which it was planned.
  for (const { at, insert } of [...edits].sort((one, other) => one.at - other.at)) {
    parts.push(bytes.subarray(from, at), new Uint8Array(insert));
    from = at;
  }
  parts.push(bytes.subarray(from, end));
  return parts;
}

/** For a function that keeps the fuel in a local while it runs. */
function keptEdits({ charges, leaves, calls, lengths, locals }: Plan, fuel: number): Edit[] {
  const [kept, length] = [unsigned(locals), unsigned(locals + 1)];
  const take = [op('global.get'), ...unsigned(fuel), op('local.set'), ...kept];
  const give = [op('local.get'), ...kept, op('global.set'), ...unsigned(fuel)];
  const stopBelowZero = [
    ...[op('local.tee'), ...kept, op('i64.const'), 0, op('i64.lt_s')],
    ...[IF, EMPTY as number, ...give, op('unreachable'), END],
  ];
  const charge = ({ cost, looks }: Charge) => [
    ...[op('local.get'), ...kept, op('i64.const'), ...signed(cost), op('i64.sub')],
    ...(looks ? stopBelowZero : [op('local.set'), ...kept]),
  ];
  const chargeLength = [
    ...[op('local.tee'), ...length, op('local.get'), ...kept, op('local.get'), ...length],
    ...[op('i64.extend_i32_u'), op('i64.const'), 7, op('i64.add'), op('i64.const'), LENGTH_SHIFT],
    ...[op('i64.shr_u'), op('i64.sub'), ...stopBelowZero],
  ];
  const edits: Edit[] = [];
  for (const [index, found] of charges.entries())
    edits.push({ at: found.at, insert: [...(index === 0 ? take : []), ...charge(found)] });
  for (const [index, { at, after, follows }] of calls.entries()) {
    if (!follows) edits.push({ at, insert: give });
    if (!calls[index + 1]?.follows) edits.push({ at: after, insert: take });
  }
  for (const at of lengths) edits.push({ at, insert: chargeLength });
  for (const at of leaves) edits.push({ at, insert: give });
  return edits;
}

/** For a function without loops: the global at once, and a look at it where that is not cheap. */
function chargedEdits(charges: readonly Charge[], fuel: number, looks: boolean): Edit[] {
  const get = [op('global.get'), ...unsigned(fuel)];
  const set = [op('global.set'), ...unsigned(fuel)];
  const look = [...get, op('i64.const'), 0, op('i64.lt_s'), IF, EMPTY as number, op('unreachable'), END];
  return charges.map(({ at, cost }, index) => {
    const charge = [...get, op('i64.const'), ...signed(cost), op('i64.sub'), ...set];
    return { at, insert: looks && index === 0 ? [...charge, ...look] : charge };
  });
}

/** The byte of an instruction that has only one. */
function op(name: string): number {
  return opcodeOf(name);
}

/** LEB128 (WebAssembly Core Specification, section 5.2.2). */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}

/** The same of a number from 0 on, signed: its last byte must not look like a sign. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x3f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}
