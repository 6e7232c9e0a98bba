/**
 * The code of a function, instruction by instruction (WebAssembly Core Specification 2.0, section 5.4).
 *
 * Checked here: that every instruction is known and whole, that blocks are closed and labels, locals, functions, types,
 * globals, tables and segments exist, and the limits of `limits.ts`. No recursion: blocks nest on a stack of fixed size.
 * That operands have the right types is left to the engine's own validator. Throws a `Refusal`.
 */
import { MODULE_BRANCHES_MAX, MODULE_LOCALS_MAX, MODULE_NESTING_MAX } from '../limits.js';
import { createReader, malformed, type Reader, tooMany, unwanted } from './bytes.js';
import type { Body, WasmModule } from './module.js';
import {
  FEATURE_OF,
  FEATURES,
  IMMEDIATES,
  IMMEDIATES_OF,
  type Immediates,
  opcodeOf,
  readOpcode,
} from './opcodes.js';
import { readReferenceType, readValueType, readValueTypes, valueTypeOf } from './types.js';

/**
 * Receives each instruction: its number, its first byte, the byte behind its immediates, and how many blocks are open
 * around it (1 for the function itself; an `else` or `end` counts the block that it belongs to).
 */
export type Visit = (opcode: number, at: number, after: number, depth: number) => void;

/** What a function was found to be. */
export interface Code {
  /** The first instruction. */
  readonly start: number;
  readonly end: number;
  /** Parameters and locals. */
  readonly locals: number;
  readonly instructions: number;
  /** Blocks, loops and ifs. */
  readonly blocks: number;
  /**
   * What a compiler may have to carry from one place to another: for each block and each target of a branch, the locals
   * and the values on the stack. A bound; it tells code that is cheap to compile from code that is made not to be.
   */
  readonly carried: number;
  /** What it uses beyond the first version of WebAssembly: 2 to the index into `FEATURES`, plus 1, for each. */
  readonly features: number;
}

const BLOCK = opcodeOf('block');
export const LOOP = opcodeOf('loop');
const IF = opcodeOf('if');
/** Instructions with a length on top of the stack. */
export const BY_LENGTH: ReadonlySet<number> = new Set(
  ['memory.init', 'memory.copy', 'memory.fill'].map(opcodeOf),
);
const BY_LENGTH_FROM = Math.min(...BY_LENGTH);
const ELSE = opcodeOf('else');
const END = opcodeOf('end');
const EMPTY = 0x40;
const MULTI_MEMORY_BIT = 0x40;
const NONE = IMMEDIATES.indexOf('none');
const MULTI_VALUE = 1 << (FEATURES.indexOf('multi-value') + 1);

/** Walks a body from its first instruction to its last `end`. */
export function walkBody(module: WasmModule, body: Body, visit: Visit): Code {
  const reader = createReader(module.bytes, body.locals, body.end);
  const locals = readLocals(module, body, reader);
  const start = reader.at;
  const scope: Scope = { module, locals, depth: 1, features: 0, held: locals, carried: 0 };
  /** The opcode that opened each block; the function itself is the first. */
  const open = new Uint8Array(MODULE_NESTING_MAX + 2);
  open[1] = BLOCK;
  let instructions = 0;
  let blocks = 0;
  while (scope.depth > 0) {
    const at = reader.at;
    const opcode = nextOpcode(reader);
    const kind = IMMEDIATES_OF[opcode] as number;
    if (kind !== NONE) (READ_BY_NUMBER[kind] as ReadImmediates)(reader, scope, at);
    visit(opcode, at, reader.at, scope.depth);
    instructions++;
    scope.held++;
    scope.features |= 1 << (FEATURE_OF[opcode] as number);
    // The meter adds a look, which is a block: to these, and to the turns of a loop.
    if (opcode === LOOP || (opcode >= BY_LENGTH_FROM && BY_LENGTH.has(opcode))) scope.carried += scope.held;
    if (opcode > END) continue;
    if (opcode === BLOCK || opcode === LOOP || opcode === IF) {
      if (scope.depth > MODULE_NESTING_MAX)
        throw tooMany('blocks inside each other', MODULE_NESTING_MAX, scope.depth, at);
      open[++scope.depth] = opcode;
      scope.carried += scope.held;
      blocks++;
    } else if (opcode === ELSE) {
      if (open[scope.depth] !== IF) throw malformed('an else without its if', at);
      open[scope.depth] = ELSE;
    } else if (opcode === END) scope.depth--;
  }
  if (reader.at !== body.end) throw malformed('code behind the end of a function', reader.at);
  return {
    start,
    end: body.end,
    locals,
    instructions,
    blocks,
    features: scope.features,
    carried: scope.carried,
  };
}

function readLocals(module: WasmModule, { index }: Body, reader: Reader): number {
  const type = module.types[module.functions[index] as number];
  let locals = (type as NonNullable<typeof type>).takes.length;
  for (let left = reader.count('kinds of locals', MODULE_LOCALS_MAX); left > 0; left--) {
    const at = reader.at;
    locals += reader.u32('the number of locals');
    if (locals > MODULE_LOCALS_MAX)
      throw tooMany('parameters and locals of a function', MODULE_LOCALS_MAX, locals, at);
    readValueType(reader);
  }
  return locals;
}

interface Scope {
  readonly module: WasmModule;
  readonly locals: number;
  /** Open blocks, the function itself counted. */
  depth: number;
  features: number;
  /** Locals, and values that may lie on the stack: one for each instruction so far, more where results are many. */
  held: number;
  /** `Code.carried`, so far. */
  carried: number;
}

type ReadImmediates = (reader: Reader, scope: Scope, at: number) => void;

const readLabel: ReadImmediates = (reader, scope) => {
  reader.index('label', scope.depth);
  scope.carried += scope.held;
};
const readFunction: ReadImmediates = (reader, scope) => {
  const { functions, types } = scope.module;
  const type = types[functions[reader.index('function', functions.length)] as number];
  scope.held += type?.gives.length ?? 0;
};
const readTable: ReadImmediates = (reader, { module }) => void reader.index('table', module.tables.length);
const readElement: ReadImmediates = (reader, { module }) =>
  void reader.index('segment of elements', module.elements);

const READ: Readonly<Record<Immediates, ReadImmediates>> = {
  unknown: () => {},
  none: () => {},
  else: () => {},
  end: () => {},
  block: readBlockType,
  label: readLabel,
  labels(reader, scope, at) {
    for (let left = reader.count('targets of a branch', MODULE_BRANCHES_MAX); left >= 0; left--)
      readLabel(reader, scope, at);
  },
  function: readFunction,
  indirect(reader, scope, at) {
    const { types } = scope.module;
    scope.held += types[reader.index('type', types.length)]?.gives.length ?? 0;
    readTable(reader, scope, at);
  },
  local: (reader, { locals }) => void reader.index('local', locals),
  global: (reader, { module }) => void reader.index('global', module.globals.length),
  table: readTable,
  memarg: readMemoryArgument,
  memory: readMemory,
  i32: (reader) => void reader.signed(32, 'a constant'),
  i64: (reader) => void reader.signed(64, 'a constant'),
  bytes4: (reader) => reader.skip(4, 'a constant'),
  bytes8: (reader) => reader.skip(8, 'a constant'),
  bytes16: (reader) => reader.skip(16, 'a constant'),
  lane: (reader) => reader.skip(1, 'a lane'),
  memarglane(reader, scope, at) {
    readMemoryArgument(reader, scope, at);
    reader.skip(1, 'a lane');
  },
  types: (reader) => void readValueTypes(reader, 'types of a select', 1),
  reftype: (reader) => void readReferenceType(reader),
  datamemory(reader, scope, at) {
    readData(reader, scope, at);
    readMemory(reader, scope, at);
  },
  data: readData,
  memories(reader, scope, at) {
    readMemory(reader, scope, at);
    readMemory(reader, scope, at);
  },
  elementtable(reader, scope, at) {
    readElement(reader, scope, at);
    readTable(reader, scope, at);
  },
  element: readElement,
  tables(reader, scope, at) {
    readTable(reader, scope, at);
    readTable(reader, scope, at);
  },
};
const READ_BY_NUMBER = IMMEDIATES.map((kind) => READ[kind]);

/** The short way for instructions of one byte. */
function nextOpcode(reader: Reader): number {
  const { at } = reader;
  if (at < reader.end) {
    const byte = reader.bytes[at] as number;
    if (IMMEDIATES_OF[byte] !== 0) {
      reader.at = at + 1;
      return byte;
    }
  }
  return readOpcode(reader);
}

/** Nothing, one type of a result, or the index of a type (section 5.4.1). */
function readBlockType(reader: Reader, scope: Scope): void {
  const at = reader.at;
  const first = reader.byte('the type of a block');
  if (first === EMPTY || valueTypeOf(first) !== undefined) return;
  reader.at = at;
  // What is no type and has no index is of a proposal, or nonsense.
  if (first > EMPTY && first < 0x80) readValueType(reader);
  const index = reader.signed(33, 'the type of a block');
  const { types } = scope.module;
  if (index < 0 || index >= types.length)
    throw malformed(`type ${index} where there are ${types.length}`, at);
  scope.held += types[index]?.gives.length ?? 0;
  scope.features |= MULTI_VALUE;
}

function readMemoryArgument(reader: Reader, { module }: Scope, at: number): void {
  const alignment = reader.u32('an alignment');
  if (alignment & MULTI_MEMORY_BIT) throw unwanted('second memory', 'an access to it', at);
  if (alignment > MULTI_MEMORY_BIT) throw malformed(`the alignment ${alignment}`, at);
  if (module.memories.length === 0) throw malformed('an access to no memory', at);
  reader.u32('an offset');
}

function readMemory(reader: Reader, { module }: Scope, at: number): void {
  if (reader.byte('a memory') !== 0) throw unwanted('second memory', 'an access to it', at);
  if (module.memories.length === 0) throw malformed('an access to no memory', at);
}

function readData(reader: Reader, { module }: Scope, at: number): void {
  if (!module.hasDataCount) throw malformed('a segment of data without their number', at);
  reader.index('segment of data', module.data.length);
}
