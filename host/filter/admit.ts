/**
 * Admission: what a module must be before it runs. It imports `env.memory` and `env.abort` and nothing else,
 * exports the functions of the ABI with its types, has no start function of its own, and is no larger than the limit.
 */
import { printable, WeirError } from '../errors.js';
import { MODULE_BYTES_MAX } from '../limits.js';
import { EXPORTS } from './abi.js';

const IMPORTS: ReadonlyMap<string, WebAssembly.ImportExportKind> = new Map([
  ['env.memory', 'memory'],
  ['env.abort', 'function'],
]);
/** Magic and version of a WebAssembly module (WebAssembly Core Specification, section 5.5.16). */
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** Sections of a module, and the encodings of types (sections 5.3 and 5.5). */
const TYPE_SECTION = 1;
const IMPORT_SECTION = 2;
const START_SECTION = 8;
const FUNCTION_TYPE = 0x60;
const VALUE_TYPES = { i32: 0x7f, i64: 0x7e } as const;
/** What a message shows of names that the module chose. */
const REASON_CHARACTERS_MAX = 300;

/** Compiles the bytes when they may run as a filter; throws MODULE_REFUSED with the reason. */
export function admit(name: string, bytes: Uint8Array): WebAssembly.Module {
  const refuse = (reason: string) => refusal(name, reason);
  if (bytes.length > MODULE_BYTES_MAX) {
    throw refuse(`expected a module of up to ${MODULE_BYTES_MAX} bytes, found ${bytes.length}`);
  }
  if (PREAMBLE.some((byte, at) => bytes[at] !== byte))
    throw refuse('expected a WebAssembly module, found other bytes');
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    throw refuse(`expected a valid WebAssembly module, found ${(cause as Error).message}`);
  }
  for (const { module: from, name: imported, kind } of WebAssembly.Module.imports(module)) {
    if (IMPORTS.get(`${from}.${imported}`) !== kind) {
      throw refuse(`expected to import only env.memory and env.abort, found ${kind} ${from}.${imported}`);
    }
  }
  const exported = new Map(WebAssembly.Module.exports(module).map((found) => [found.name, found.kind]));
  for (const wanted of Object.keys(EXPORTS)) {
    const found = exported.get(wanted) ?? 'nothing of that name';
    if (found !== 'function') throw refuse(`expected to export the function ${wanted}, found ${found}`);
  }
  if (hasSection(bytes, START_SECTION)) throw refuse('expected no start function but weir_start, found one');
  return module;
}

/** Throws MODULE_REFUSED when an export of the ABI has not its type. Calls none of them. */
export function admitTypes(name: string, exports: WebAssembly.Exports): void {
  for (const [wanted, { takes, gives }] of Object.entries(EXPORTS)) {
    try {
      new WebAssembly.Instance(importerOf(takes, gives), {
        '': { '': exports[wanted] as WebAssembly.ImportValue },
      });
    } catch {
      const type = `(${takes.join(', ')}) -> (${gives.join(', ')})`;
      throw refusal(name, `expected ${wanted} to have the type ${type}, found another`);
    }
  }
}

/** A module that imports a function of this type and does nothing: linking it is the engine's own check of a type. */
function importerOf(takes: readonly ValueType[], gives: readonly ValueType[]): WebAssembly.Module {
  const vector = (types: readonly ValueType[]) => [types.length, ...types.map((type) => VALUE_TYPES[type])];
  const section = (id: number, ...content: number[]) => [id, content.length, ...content];
  const types = section(TYPE_SECTION, 1, FUNCTION_TYPE, ...vector(takes), ...vector(gives));
  // One import: two empty names, a function, of type 0.
  const imports = section(IMPORT_SECTION, 1, 0, 0, 0, 0);
  return new WebAssembly.Module(Uint8Array.of(...PREAMBLE, ...types, ...imports));
}

type ValueType = keyof typeof VALUE_TYPES;

/** Whether a valid module has a section: after the preamble, each is an id, a size (unsigned LEB128), and its bytes. */
function hasSection(bytes: Uint8Array, wanted: number): boolean {
  for (let at = PREAMBLE.length; at < bytes.length; ) {
    if (bytes[at++] === wanted) return true;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += size;
  }
  return false;
}

function refusal(name: string, reason: string): WeirError {
  return new WeirError(
    'MODULE_REFUSED',
    `filter ${name}: ${printable(reason.slice(0, REASON_CHARACTERS_MAX))}`,
  );
}
