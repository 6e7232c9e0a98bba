/**
 * What fills tables and memories before a module runs, and the constant expressions in which it says where and with what
 * (WebAssembly Core Specification 2.0, sections 5.5.12, 5.5.14 and 3.3.7).
 */
import { MODULE_DATA_MAX, MODULE_ELEMENTS_MAX, MODULE_TABLE_ENTRIES_MAX } from '../limits.js';
import { hex, malformed, type Reader } from './bytes.js';
import type { Draft } from './module.js';
import { NAMES, opcodeOf, readOpcode } from './opcodes.js';
import { readReferenceType } from './types.js';

export interface DataSegment {
  readonly start: number;
  readonly end: number;
}

const END = opcodeOf('end');
/** Bits of the number before a segment of elements. */
const IS_PASSIVE = 1;
/** Of an active segment: it names its table. Of another: it is only declared. */
const HAS_INDEX = 2;
const HAS_EXPRESSIONS = 4;
const FUNCTIONS_KIND = 0;

/** What a constant expression may hold; each instruction stands alone. */
const CONSTANTS = new Map<number, (reader: Reader, draft: Draft) => void>([
  [opcodeOf('i32.const'), (reader) => void reader.signed(32, 'a constant')],
  [opcodeOf('i64.const'), (reader) => void reader.signed(64, 'a constant')],
  [opcodeOf('f32.const'), (reader) => reader.skip(4, 'a constant')],
  [opcodeOf('f64.const'), (reader) => reader.skip(8, 'a constant')],
  [opcodeOf('v128.const'), (reader) => reader.skip(16, 'a constant')],
  [opcodeOf('global.get'), (reader, { globals }) => void reader.index('global', globals.length)],
  [opcodeOf('ref.null'), (reader) => void readReferenceType(reader)],
  [opcodeOf('ref.func'), readReference],
]);

function readReference(reader: Reader, { functions, referenced }: Draft): void {
  referenced.add(reader.index('function', functions.length));
}

export function readConstant(reader: Reader, draft: Draft): void {
  const at = reader.at;
  const opcode = readOpcode(reader);
  const read = CONSTANTS.get(opcode);
  if (read === undefined) throw malformed(`${NAMES.get(opcode)} where a constant is due`, at);
  read(reader, draft);
  const after = reader.at;
  if (readOpcode(reader) !== END) throw malformed('more than one instruction in a constant', after);
}

export function readElements(reader: Reader, draft: Draft): void {
  draft.elements = reader.count('segments of elements', MODULE_ELEMENTS_MAX);
  for (let left = draft.elements; left > 0; left--) {
    const at = reader.at;
    const flags = reader.u32('a segment of elements');
    if (flags > (IS_PASSIVE | HAS_INDEX | HAS_EXPRESSIONS))
      throw malformed(`a segment of elements of the unknown kind ${hex(flags)}`, at);
    readElementsOf(reader, draft, flags);
  }
}

function readElementsOf(reader: Reader, draft: Draft, flags: number): void {
  const isActive = !(flags & IS_PASSIVE);
  if (isActive) {
    if (flags & HAS_INDEX) reader.index('table', draft.tables.length);
    else if (draft.tables.length === 0) throw malformed('elements for no table', reader.at);
    readConstant(reader, draft);
  }
  const isTyped = (flags & (IS_PASSIVE | HAS_INDEX)) !== 0;
  if (isTyped && flags & HAS_EXPRESSIONS) readReferenceType(reader);
  else if (isTyped) {
    const kind = reader.byte('the kind of elements');
    if (kind !== FUNCTIONS_KIND) throw malformed(`elements of the unknown kind ${hex(kind)}`, reader.at - 1);
  }
  for (let left = reader.count('elements', MODULE_TABLE_ENTRIES_MAX); left > 0; left--) {
    if (flags & HAS_EXPRESSIONS) readConstant(reader, draft);
    else readReference(reader, draft);
  }
}

export function readData(reader: Reader, draft: Draft): void {
  for (let left = reader.count('segments of data', MODULE_DATA_MAX); left > 0; left--) {
    const at = reader.at;
    const kind = reader.u32('a segment of data');
    if (kind > 2) throw malformed(`a segment of data of the unknown kind ${hex(kind)}`, at);
    if (kind !== 1) {
      if (kind === 2) reader.index('memory', draft.memories.length);
      else if (draft.memories.length === 0) throw malformed('data for no memory', at);
      readConstant(reader, draft);
    }
    const bytes = reader.u32('the size of a segment of data');
    const start = reader.at;
    reader.skip(bytes, 'a segment of data');
    draft.data.push({ start, end: reader.at });
  }
}
