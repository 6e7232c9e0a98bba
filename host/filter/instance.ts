/**
 * A running filter: a module in a memory of fixed size, and the calls of the ABI.
 *
 * The memory's size is the sum of the manifest's regions, decided before the filter starts; it never grows. The
 * host writes the map, the config and the zones, runs `weir_start`, and from then on hands over batches that
 * lie in `input`. Every pointer, length and index that comes back is checked as hostile input. A filter that traps or breaks
 * the rules throws FILTER_FAULT: that call has then emitted and counted nothing, and the filter can go on once `restore`
 * has put back what it was.
 */
import { createHash } from 'node:crypto';
import { oneLine, printable, WeirError } from '../errors.js';
import {
  CALL_MS_MAX,
  FUEL_PER_CALL,
  FUEL_PER_EMITTED_BYTE,
  FUEL_PER_RECORD,
  FUEL_START,
  PAGE_BYTES,
} from '../limits.js';
import type { Transition } from '../timezone.js';
import {
  ABI_VERSION,
  AGAIN,
  DONE,
  FLAG_CLOSING,
  FLAG_PARTIAL,
  FLAG_TRUNCATED,
  type Ledger,
  MAP,
  ZONE_BYTES,
} from './abi.js';
import { admit } from './admit.js';
import { createCounters } from './counters.js';
import { FilterFault } from './fault.js';
import type { Manifest } from './manifest.js';
import { createOutput, type RecordSink } from './output.js';
import { createSnapshot } from './snapshot.js';
import { startTimer, type Timer } from './timer.js';
import { readRegistry, type Stateful } from './state.js';

export type { RecordSink };

export interface FilterInstance extends Stateful {
  readonly manifest: Manifest;
  /** First 12 hex digits of the module's SHA-256. */
  readonly moduleHash: string;
  /** The input region; a batch begins at its first byte. */
  readonly input: Buffer;
  /** Runs the filter over the first `bytes` bytes of `input`: whole lines, the last one ended by LF. */
  run(bytes: number, nowMs: number, isTruncated: boolean, sink: RecordSink): void;
  /** Closes the windows that are over at `nowMs`. */
  tick(nowMs: number, sink: RecordSink): void;
  /** Closes all windows: no more events will come. */
  closeWindows(nowMs: number, sink: RecordSink): void;
  /** Tells all that is open, each record with `partial: true`; the filter goes on afterwards. */
  flush(nowMs: number, sink: RecordSink): void;
  /** Counters since the start, of all calls that came to an end. */
  ledger(): Ledger;
  /** Instructions, as the meter counts them, of all batches and ticks since the start. */
  fuelUsed(): number;
  /** Two counters of the ledger, without making it. */
  eventsIn(): number;
  aggregated(): number;
  /** The same module, manifest, config and zones once more, from the beginning. */
  startAgain(): FilterInstance;
  /** Bytes that `save` copies. */
  readonly snapshotBytes: number;
  /** Remembers what the filter remembers now; done once when it has started. */
  save(): void;
  /** Puts it back as it was saved last. Needed after a fault, before anything else is called. */
  restore(): void;
}

export interface InstanceOptions {
  readonly manifest: Manifest;
  readonly module: Uint8Array;
  /** The filter's own config, as JSON. */
  readonly config: unknown;
  readonly zones: readonly Transition[];
  /** Processor time of one call; another one than `CALL_MS_MAX` only for tests. */
  readonly callMsMax?: number;
  /** From bytes to a module that is metered; another way only for tests that compare. */
  readonly compile?: (name: string, bytes: Uint8Array) => WebAssembly.Module;
}

/**
 * A search looks at whole blocks, past the end of a batch. What it sees there changes no record, but its work; so that the same batch
 * takes the same fuel, it sees zeros.
 */
const SEARCHED_BEHIND_BYTES = 512;
/** What is shown of a filter's last words. */
const MESSAGE_BYTES_MAX = 1024;

type Exports = {
  /** The meter's: what may still be used. */
  readonly weir_fuel: WebAssembly.Global<'i64'>;
  weir_abi(): number;
  weir_heap_base(): number;
  weir_start(): void;
  weir_batch(start: number, bytes: number, nowMs: bigint, flags: number): number;
  weir_tick(nowMs: bigint, flags: number): number;
};

/** Admits, lays out and starts a filter. Throws a WeirError that says why it may not run. */
export function startFilter(options: InstanceOptions): FilterInstance {
  const { manifest, compile = admit, callMsMax = CALL_MS_MAX } = options;
  const { name } = manifest;
  const pages = manifest.memoryBytes / PAGE_BYTES;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const abort = (message: unknown) => {
    throw new FilterFault(name, 'abort', readMessage(memory, Number(message)));
  };
  const exports = instantiate(manifest, compile(name, options.module), { env: { memory, abort } });
  const fuel = exports.weir_fuel;
  fuel.value = BigInt(FUEL_START);
  const abi = ask(name, 'weir_abi', exports);
  if (abi !== ABI_VERSION) {
    throw new WeirError('ABI_MISMATCH', `filter ${name}: expected ABI ${ABI_VERSION}, found ${abi}`);
  }
  const map = layOut(options, memory, ask(name, 'weir_heap_base', exports));
  start(name, exports);
  const words = new Uint32Array(memory.buffer, map, MAP.bytes / 4);
  const registry = readRegistry(manifest, Buffer.from(memory.buffer), words);
  checkStreams(manifest, registry.streams);

  const { stateAt, inputAt, outputAt } = placesOf(manifest);
  const input = Buffer.from(memory.buffer, inputAt, manifest.memory.input);
  const region = Buffer.from(memory.buffer, outputAt, manifest.memory.output);
  const output = createOutput(region, Object.keys(manifest.streams).length);
  const behind = new Uint8Array(memory.buffer, inputAt);
  const counters = createCounters(memory, map);
  const snapshot = createSnapshot(memory, inputAt, exports);
  const fault = (what: string) => new FilterFault(name, 'rules', what);
  const outOfFuel = () => new FilterFault(name, 'fuel', `used up its fuel of ${manifest.fuel}`);
  let fuelUsed = 0;
  let fuelSaved = 0;

  /** The host's work is the filter's to pay for: a call that emits what lies there already costs it nothing itself. */
  function chargeOutput(emitted: number): void {
    const records = output.check(emitted);
    if (typeof records === 'string') throw fault(records);
    fuel.value -= BigInt(FUEL_PER_CALL + FUEL_PER_RECORD * records + FUEL_PER_EMITTED_BYTE * emitted);
    if (fuel.value < 0n) throw outOfFuel();
  }

  /** Calls until the filter is done with its `bytes` bytes; returns what the last call emitted. */
  function callUntilDone(bytes: number, call: (from: number) => number): number {
    let from = 0;
    // Each call costs something, so fuel bounds their number.
    for (;;) {
      let answer: number;
      try {
        answer = call(from);
      } catch (cause) {
        if (fuel.value < 0n) throw outOfFuel();
        if (cause instanceof WeirError) throw cause;
        const kind = cause instanceof RangeError ? 'stack' : 'trap';
        throw new FilterFault(name, kind, `stopped: ${oneLine(cause)}`, cause);
      }
      const consumed = words[MAP.consumed / 4] as number;
      const emitted = words[MAP.emitted / 4] as number;
      if (consumed > bytes - from) throw fault(`consumed ${consumed} bytes of ${bytes - from}`);
      from += consumed;
      chargeOutput(emitted);
      if (answer === DONE && from === bytes) return emitted;
      if (answer !== AGAIN) throw fault(`answered ${answer} with ${bytes - from} bytes left`);
      if (consumed === 0 && emitted === 0) throw fault('neither consumed nor emitted anything');
      output.keep(emitted);
    }
  }

  /** All or nothing: when it throws, no record was handed over and nothing was counted. */
  function callAndHandOver(bytes: number, sink: RecordSink, call: (from: number) => number): void {
    fuel.value = BigInt(manifest.fuel);
    let emitted: number;
    const timer = startTimer();
    try {
      emitted = callUntilDone(bytes, call);
      throwIfSlow(timer);
      if (!counters.take(bytes)) throw fault('its counters do not add up');
    } catch (error) {
      output.forget();
      throwIfSlow(timer);
      throw error;
    } finally {
      fuelUsed += manifest.fuel - Number(fuel.value);
    }
    output.handOver(emitted, sink);
  }

  function throwIfSlow(timer: Timer): void {
    const usedMs = timer.usedMs(callMsMax);
    if (usedMs > callMsMax)
      throw new FilterFault(name, 'time', `took ${usedMs.toFixed(0)} ms of processor time for one call`);
  }

  const save = () => {
    snapshot.save();
    counters.save();
    fuelSaved = fuelUsed;
  };
  save();
  return {
    manifest,
    moduleHash: createHash('sha256').update(options.module).digest('hex').slice(0, 12),
    input,
    collections: registry.collections,
    state: Buffer.from(memory.buffer, stateAt, manifest.memory.state),
    run(bytes, nowMs, isTruncated, sink) {
      const now = BigInt(nowMs);
      const flags = isTruncated ? FLAG_TRUNCATED : 0;
      behind.fill(0, bytes, bytes + SEARCHED_BEHIND_BYTES);
      callAndHandOver(bytes, sink, (from) => exports.weir_batch(from, bytes - from, now, flags));
    },
    tick(nowMs, sink) {
      callAndHandOver(0, sink, () => exports.weir_tick(BigInt(nowMs), 0));
    },
    closeWindows(nowMs, sink) {
      callAndHandOver(0, sink, () => exports.weir_tick(BigInt(nowMs), FLAG_CLOSING));
    },
    flush(nowMs, sink) {
      callAndHandOver(0, sink, () => exports.weir_tick(BigInt(nowMs), FLAG_CLOSING | FLAG_PARTIAL));
    },
    ledger: counters.ledger,
    eventsIn: counters.eventsIn,
    aggregated: counters.aggregated,
    fuelUsed: () => fuelUsed,
    startAgain: () => startFilter(options),
    snapshotBytes: snapshot.bytes,
    save,
    restore() {
      snapshot.restore();
      counters.restore();
      fuelUsed = fuelSaved;
    },
  };
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
function placesOf({ memory: { static: stateAt, state, scratch, input } }: Manifest) {
  const scratchAt = stateAt + state;
  const inputAt = scratchAt + scratch;
  return { stateAt, scratchAt, inputAt, outputAt: inputAt + input };
}

/** Writes map, config and zones behind the static data, and the regions' places; returns the map's address. */
function layOut(
  { manifest, config, zones }: InstanceOptions,
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

/** The streams that the filter registered must be those of its manifest, in the same order. */
function checkStreams({ name, streams }: Manifest, found: readonly string[]): void {
  const wanted = Object.keys(streams);
  if (found.length === wanted.length && found.every((stream, at) => stream === wanted[at])) return;
  throw new WeirError(
    'MANIFEST_INVALID',
    `filter ${name}: streams: expected ${found.join(', ') || 'none'} as in the module, found ${wanted.join(', ')}`,
  );
}

/** The UTF-16 text of an AssemblyScript string, whose length in bytes stands before it; hostile, so bounded. */
function readMessage(memory: WebAssembly.Memory, pointer: number): string {
  const bytes = Buffer.from(memory.buffer);
  if (!Number.isInteger(pointer) || pointer < 4 || pointer > bytes.length) return 'aborted';
  const length = Math.min(bytes.readUInt32LE(pointer - 4), MESSAGE_BYTES_MAX, bytes.length - pointer);
  return printable(bytes.toString('utf16le', pointer, pointer + length));
}
