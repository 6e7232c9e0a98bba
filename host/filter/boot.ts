/**
 * How a filter comes up: its memory is laid out as the manifest says, config and zones are written, and it starts itself. The
 * same once more puts it back to its beginning.
 */
import { oneLine, printable, WeirError } from '../errors.js';
import { FUEL_START } from '../limits.js';
import type { Transition } from '../timezone.js';
import { ABI_VERSION, MAP, ZONE_BYTES } from './abi.js';
import { FilterFault } from './fault.js';
import type { Manifest } from './manifest.js';

export interface BootOptions {
  readonly manifest: Manifest;
  /** The filter's own config, as JSON. */
  readonly config: unknown;
  readonly zones: readonly Transition[];
}

/** What is shown of a filter's last words. */
const MESSAGE_BYTES_MAX = 1024;

export type Exports = {
  /** The meter's: what may still be used. */
  readonly weir_fuel: WebAssembly.Global<'i64'>;
  weir_abi(): number;
  weir_heap_base(): number;
  weir_start(): void;
  weir_batch(start: number, bytes: number, nowMs: bigint, flags: number): number;
  weir_tick(nowMs: bigint, flags: number): number;
};

/** Brings a module up in a memory of zeros; answers where the map is. Throws a WeirError that says why it may not run. */
export function boot(
  module: WebAssembly.Module,
  options: BootOptions,
  memory: WebAssembly.Memory,
): { readonly exports: Exports; readonly map: number } {
  const { manifest } = options;
  const { name } = manifest;
  const abort = (message: unknown, file: unknown, line: unknown) => {
    const where =
      file === 0
        ? namedStream(manifest, Number(line))
        : authorsLine(readMessage(memory, Number(file)), Number(line));
    throw new FilterFault(name, 'abort', `${readMessage(memory, Number(message))}${where}`);
  };
  const exports = instantiate(manifest, module, { env: { memory, abort } });
  exports.weir_fuel.value = BigInt(FUEL_START);
  const abi = ask(name, 'weir_abi', exports);
  if (abi !== ABI_VERSION) {
    throw new WeirError('ABI_MISMATCH', `filter ${name}: expected ABI ${ABI_VERSION}, found ${abi}`);
  }
  const map = layOut(options, memory, ask(name, 'weir_heap_base', exports));
  start(name, exports);
  return { exports, map };
}

function instantiate(
  { name, memoryBytes }: Manifest,
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
): Exports {
  try {
    return new WebAssembly.Instance(module, imports).exports as Exports;
  } catch (cause) {
    throw new WeirError(
      'MEMORY_MANIFEST',
      `filter ${name}: expected a module that fits its memory of ${memoryBytes} bytes, found ${printable(oneLine(cause))}`,
    );
  }
}

/** Calls an export that answers a question before anything is set up. */
function ask(name: string, what: 'weir_abi' | 'weir_heap_base', exports: Exports): number {
  try {
    return exports[what]();
  } catch (cause) {
    throw new WeirError('MODULE_REFUSED', problemOf(name, what, exports, cause), { cause });
  }
}

/** What ended a call before the first event: the meter, an abort with its own words, or a trap. */
function problemOf(name: string, what: string, { weir_fuel }: Exports, cause: unknown): string {
  if (weir_fuel.value < 0n) return `filter ${name}: ${what} used up the fuel of ${FUEL_START} for starting`;
  return cause instanceof WeirError ? cause.problem : `filter ${name}: ${what} stopped: ${oneLine(cause)}`;
}

/** Where the regions begin: each behind the one before it. */
export function placesOf({ memory: { static: stateAt, state, scratch, input } }: Manifest) {
  const scratchAt = stateAt + state;
  const inputAt = scratchAt + scratch;
  return { stateAt, scratchAt, inputAt, outputAt: inputAt + input };
}

/** Writes map, config and zones behind the static data, and the regions' places; returns the map's address. */
function layOut(
  { manifest, config, zones }: BootOptions,
  memory: WebAssembly.Memory,
  heapBase: number,
): number {
  const { memory: sizes } = manifest;
  const configBytes = Buffer.from(JSON.stringify(config ?? {}));
  const map = align(heapBase >>> 0);
  const configAt = map + MAP.bytes;
  const zonesAt = align(configAt + configBytes.length);
  const staticEnd = zonesAt + zones.length * ZONE_BYTES;
  if (staticEnd > sizes.static) {
    throw new WeirError(
      'MEMORY_MANIFEST',
      `filter ${manifest.name}: memory.static: expected ${staticEnd} bytes for data, config and zones, found ${sizes.static}`,
    );
  }
  const words = new Uint32Array(memory.buffer, map, MAP.bytes / 4);
  const { stateAt, scratchAt, inputAt, outputAt } = placesOf(manifest);
  const place = (at: number, start: number, bytes: number) => words.set([start, bytes], at / 4);
  place(MAP.config, configAt, configBytes.length);
  place(MAP.zones, zonesAt, zones.length * ZONE_BYTES);
  place(MAP.state, stateAt, sizes.state);
  place(MAP.scratch, scratchAt, sizes.scratch);
  place(MAP.input, inputAt, sizes.input);
  place(MAP.output, outputAt, sizes.output);
  new Uint8Array(memory.buffer).set(configBytes, configAt);
  const table = new BigInt64Array(memory.buffer, zonesAt, zones.length * 2);
  table.set(zones.flatMap(({ fromMs, offsetMs }) => [BigInt(fromMs), BigInt(offsetMs)]));
  return map;
}

/** Not with `&`: an address near 4 GiB must not come out as a negative number, or as 0. */
function align(address: number): number {
  return Math.ceil(address / 16) * 16;
}

/** Runs the filter's own initialisation. It may refuse its config, or a region of memory; the rest is a fault. */
function start(name: string, exports: Exports): void {
  try {
    exports.weir_start();
  } catch (cause) {
    const problem = problemOf(name, 'weir_start', exports, cause);
    const [, refused] = /^filter [^:]*: (config|memory)\b/.exec(problem) ?? [];
    const code =
      refused === 'config' ? 'FILTER_CONFIG' : refused === 'memory' ? 'MEMORY_MANIFEST' : 'FILTER_FAULT';
    throw new WeirError(code, problem, { cause });
  }
}

/** The library, which has no file to name, says the number of a stream, from 1, where it means one. */
function namedStream({ streams }: Manifest, number: number): string {
  const name = Object.keys(streams)[number - 1];
  return name === undefined ? '' : ` (stream ${name})`;
}

/** Where the author has said so; a line of the library tells him nothing. */
function authorsLine(file: string, line: number): string {
  return /(^|\/)filter\.ts$/.test(file) && Number.isInteger(line) && line > 0 ? ` (filter.ts:${line})` : '';
}

/** The UTF-16 text of an AssemblyScript string, whose length in bytes stands before it; hostile, so bounded. */
function readMessage(memory: WebAssembly.Memory, pointer: number): string {
  const bytes = Buffer.from(memory.buffer);
  if (!Number.isInteger(pointer) || pointer < 4 || pointer > bytes.length) return 'aborted';
  const length = Math.min(bytes.readUInt32LE(pointer - 4), MESSAGE_BYTES_MAX, bytes.length - pointer);
  return printable(bytes.toString('utf16le', pointer, pointer + length));
}
