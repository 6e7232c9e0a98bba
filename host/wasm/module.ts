/**
 * A module as its sections tell it (WebAssembly Core Specification 2.0, section 5.5): types, imports, functions, tables,
 * memories, globals, exports, and where each function's body lies.
 *
 * Checked here: the order and the sizes of sections, every length, every index, and the limits of `limits.ts`. Bodies
 * are walked by `code.ts`. That operands have the right types is left to the engine's own validator. Throws a `Refusal`.
 */
import {
  MODULE_BODY_BYTES_MAX,
  MODULE_CUSTOM_SECTIONS_MAX,
  MODULE_DATA_MAX,
  MODULE_EXPORTS_MAX,
  MODULE_FUNCTIONS_MAX,
  MODULE_GLOBALS_MAX,
  MODULE_IMPORTS_MAX,
  MODULE_TABLE_ENTRIES_MAX,
  MODULE_TABLES_MAX,
  MODULE_TYPES_MAX,
} from '../limits.js';
import { createReader, hex, malformed, type Reader, tooMany, unwanted } from './bytes.js';
import { readData, readElements, readConstant, type DataSegment } from './segments.js';
import {
  type FunctionType,
  type GlobalType,
  type Limits,
  readFunctionType,
  readGlobalType,
  readLimits,
  readTableType,
  type TableType,
} from './types.js';

export const KINDS = ['function', 'table', 'memory', 'global'] as const;
export type Kind = (typeof KINDS)[number];

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: Kind;
  /** Of its kind: with one import of a function, that is function 0. */
  readonly index: number;
}

export interface Export {
  readonly name: string;
  readonly kind: Kind;
  readonly index: number;
}

export interface Section {
  readonly id: number;
  readonly name: string;
  /** Of the section's id. */
  readonly start: number;
  /** Of what it holds, behind its size. */
  readonly content: number;
  readonly end: number;
}

/** A function of the module's own: its locals, then its code. */
export interface Body {
  /** Among all functions, the imported ones first. */
  readonly index: number;
  /** Of its size. */
  readonly start: number;
  readonly locals: number;
  readonly end: number;
}

export interface WasmModule {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly types: readonly FunctionType[];
  readonly imports: readonly Import[];
  /** Each function's type, as an index; the imported ones first, and so in all lists below. */
  readonly functions: readonly number[];
  readonly tables: readonly TableType[];
  readonly memories: readonly Limits[];
  readonly globals: readonly GlobalType[];
  readonly exports: readonly Export[];
  readonly start: number | undefined;
  /** Segments of elements. */
  readonly elements: number;
  /** Functions that elements, globals or data name: a table may call them. */
  readonly referenced: ReadonlySet<number>;
  readonly data: readonly DataSegment[];
  /** True when code may name segments of data. */
  readonly hasDataCount: boolean;
  readonly bodies: readonly Body[];
}

/** A module while it is read. */
export interface Draft {
  sections: Section[];
  types: FunctionType[];
  imports: Import[];
  functions: number[];
  tables: TableType[];
  memories: Limits[];
  globals: GlobalType[];
  exports: Export[];
  start: number | undefined;
  elements: number;
  referenced: Set<number>;
  dataCount: number | undefined;
  data: DataSegment[];
  bodies: Body[];
}

/** Magic and version (section 5.5.16). */
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** Pages of 64 KiB that addresses of 32 bits reach. */
const PAGES_OF_32_BITS = 65_536;
const CUSTOM = 0;
const TAGS = 13;
const TAG_KIND = 4;

type ReadSection = (reader: Reader, draft: Draft) => void;
/** In the order in which they must stand, by their id. */
const SECTIONS = new Map<number, readonly [string, ReadSection]>([
  [1, ['type', readTypes]],
  [2, ['import', readImports]],
  [3, ['function', readFunctions]],
  [4, ['table', readTables]],
  [5, ['memory', readMemories]],
  [6, ['global', readGlobals]],
  [7, ['export', readExports]],
  [8, ['start', readStart]],
  [9, ['element', readElements]],
  [12, ['data count', readDataCount]],
  [10, ['code', readBodies]],
  [11, ['data', readData]],
]);
const ORDER = [...SECTIONS.keys()];

export function isModule(bytes: Uint8Array): boolean {
  return PREAMBLE.every((byte, at) => bytes[at] === byte);
}

export function readModule(bytes: Uint8Array): WasmModule {
  if (!isModule(bytes)) throw malformed('other bytes', 0);
  const reader = createReader(bytes, PREAMBLE.length);
  const draft = emptyDraft();
  let last = -1;
  let customs = 0;
  while (reader.at < reader.end) {
    const start = reader.at;
    const id = reader.byte('a section');
    const size = reader.u32('the size of a section');
    const content = reader.at;
    const place = ORDER.indexOf(id);
    const [name, read] = SECTIONS.get(id) ?? ['custom', skipCustom];
    if (id === TAGS) throw unwanted('exceptions', 'a section of tags', start);
    if (id !== CUSTOM && place < 0) throw malformed(`a section of the unknown kind ${hex(id)}`, start);
    const outerEnd = reader.enter(size, `a ${name} section`);
    if (id === CUSTOM) {
      if (++customs > MODULE_CUSTOM_SECTIONS_MAX)
        throw tooMany('custom sections', MODULE_CUSTOM_SECTIONS_MAX, customs, start);
    } else {
      if (place <= last) throw malformed(misplaced(name, place === last), start);
      last = place;
    }
    read(reader, draft);
    reader.leave(outerEnd, `a ${name} section`);
    draft.sections.push({ id, name, start, content, end: reader.at });
  }
  checkCounts(draft, reader.at);
  const { dataCount, ...module } = draft;
  return { bytes, ...module, hasDataCount: dataCount !== undefined };
}

function misplaced(name: string, isSecond: boolean): string {
  return isSecond ? `a second ${name} section` : `a ${name} section behind one that comes after it`;
}

function emptyDraft(): Draft {
  return {
    sections: [],
    types: [],
    imports: [],
    functions: [],
    tables: [],
    memories: [],
    globals: [],
    exports: [],
    start: undefined,
    elements: 0,
    referenced: new Set(),
    dataCount: undefined,
    data: [],
    bodies: [],
  };
}

/** Counts that two sections must agree on. */
function checkCounts(draft: Draft, end: number): void {
  const own = draft.functions.length - draft.imports.filter(({ kind }) => kind === 'function').length;
  if (own !== draft.bodies.length)
    throw malformed(`${own} functions with ${draft.bodies.length} bodies`, end);
  const { dataCount, data } = draft;
  if (dataCount !== undefined && dataCount !== data.length)
    throw malformed(`${data.length} segments of data where ${dataCount} are told`, end);
}

/** Only its name has to be one. */
function skipCustom(reader: Reader): void {
  reader.name('the name of a section');
  reader.at = reader.end;
}

function readTypes(reader: Reader, { types }: Draft): void {
  for (let left = reader.count('types', MODULE_TYPES_MAX); left > 0; left--)
    types.push(readFunctionType(reader));
}

function readImports(reader: Reader, draft: Draft): void {
  for (let left = reader.count('imports', MODULE_IMPORTS_MAX); left > 0; left--) {
    const module = reader.name('the module of an import');
    const name = reader.name('the name of an import');
    const kind = readKind(reader, 'an import');
    const all = listOf(draft, kind);
    draft.imports.push({ module, name, kind, index: all.length });
    if (kind === 'function') draft.functions.push(reader.index('type', draft.types.length));
    else if (kind === 'table') draft.tables.push(readTableType(reader));
    else if (kind === 'memory') draft.memories.push(readLimits(reader, 'a memory', PAGES_OF_32_BITS));
    else draft.globals.push(readGlobalType(reader));
  }
}

function readKind(reader: Reader, what: string): Kind {
  const byte = reader.byte(`the kind of ${what}`);
  if (byte === TAG_KIND) throw unwanted('exceptions', `${what} of a tag`, reader.at - 1);
  const kind = KINDS[byte];
  if (kind === undefined) throw malformed(`${what} of the unknown kind ${hex(byte)}`, reader.at - 1);
  return kind;
}

function listOf(draft: Draft, kind: Kind): readonly unknown[] {
  const { functions, tables, memories, globals } = draft;
  return { function: functions, table: tables, memory: memories, global: globals }[kind];
}

function readFunctions(reader: Reader, { functions, types }: Draft): void {
  for (let left = reader.count('functions', MODULE_FUNCTIONS_MAX); left > 0; left--)
    functions.push(reader.index('type', types.length));
}

function readTables(reader: Reader, { tables }: Draft): void {
  for (let left = reader.count('tables', MODULE_TABLES_MAX); left > 0; left--) {
    const at = reader.at;
    const table = readTableType(reader);
    const entries = table.maximum ?? table.initial;
    if (entries > MODULE_TABLE_ENTRIES_MAX)
      throw tooMany('entries of a table', MODULE_TABLE_ENTRIES_MAX, entries, at);
    tables.push(table);
  }
}

/** Memories of its own: read to be told of, admission refuses each. */
function readMemories(reader: Reader, { memories }: Draft): void {
  for (let left = reader.count('memories', 1); left > 0; left--)
    memories.push(readLimits(reader, 'a memory', PAGES_OF_32_BITS));
}

function readGlobals(reader: Reader, draft: Draft): void {
  for (let left = reader.count('globals', MODULE_GLOBALS_MAX); left > 0; left--) {
    const global = readGlobalType(reader);
    readConstant(reader, draft);
    draft.globals.push(global);
  }
}

function readExports(reader: Reader, draft: Draft): void {
  const names = new Set<string>();
  for (let left = reader.count('exports', MODULE_EXPORTS_MAX); left > 0; left--) {
    const at = reader.at;
    const name = reader.name('the name of an export');
    if (names.has(name)) throw malformed('two exports of one name', at);
    names.add(name);
    const kind = readKind(reader, 'an export');
    draft.exports.push({ name, kind, index: reader.index(kind, listOf(draft, kind).length) });
  }
}

function readStart(reader: Reader, draft: Draft): void {
  draft.start = reader.index('function', draft.functions.length);
}

function readDataCount(reader: Reader, draft: Draft): void {
  const at = reader.at;
  const count = reader.u32('the number of segments of data');
  if (count > MODULE_DATA_MAX) throw tooMany('segments of data', MODULE_DATA_MAX, count, at);
  draft.dataCount = count;
}

function readBodies(reader: Reader, draft: Draft): void {
  const imported = draft.imports.filter(({ kind }) => kind === 'function').length;
  const count = reader.count('bodies', MODULE_FUNCTIONS_MAX);
  for (let at = 0; at < count; at++) {
    const start = reader.at;
    const bytes = reader.u32('the size of a body');
    if (bytes > MODULE_BODY_BYTES_MAX) throw tooMany('bytes of a body', MODULE_BODY_BYTES_MAX, bytes, start);
    const locals = reader.at;
    reader.skip(bytes, 'a body');
    draft.bodies.push({ index: imported + at, start, locals, end: reader.at });
  }
}
