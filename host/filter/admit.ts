/**
 * Admission: what a module must be before it runs. It imports `env.memory` and `env.abort` and nothing else,
 * exports the functions of the ABI, has no start function of its own, and is no larger than the limit.
 */
import { WeirError } from '../errors.js';
import { MODULE_BYTES_MAX } from '../limits.js';
import { EXPORTS } from './abi.js';

const IMPORTS: ReadonlyMap<string, WebAssembly.ImportExportKind> = new Map([
  ['env.memory', 'memory'],
  ['env.abort', 'function'],
]);
/** Magic and version of a WebAssembly module (WebAssembly Core Specification, section 5.5.16). */
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Compiles the bytes when they may run as a filter; throws MODULE_REFUSED with the reason. */
export function admit(name: string, bytes: Uint8Array): WebAssembly.Module {
  const refuse = (reason: string) => new WeirError('MODULE_REFUSED', `filter ${name}: ${reason}`);
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
  for (const wanted of EXPORTS) {
    if (exported.get(wanted) !== 'function')
      throw refuse(`expected to export the function ${wanted}, found none`);
  }
  return module;
}
