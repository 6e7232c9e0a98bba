/**
 * A running filter: a module in a memory of fixed size, and the calls of the ABI.
 *
 * The memory's size is the sum of the manifest's regions, decided before the filter starts; it never grows. The
 * host writes the map, the config and the zones, runs `weir_start`, and from then on hands over batches that
 * lie in `input`. Every pointer, length and index that comes back is checked as hostile input. A filter that traps or breaks
 * the rules throws FILTER_FAULT: that call has then emitted and counted nothing, and the filter can go on once `restore`
 * has put back what it was.
 */
import { WeirError } from '../errors.js';
import { CALL_MS_MAX, PAGE_BYTES } from '../limits.js';
import {
  DUE_EXPORT,
  FLAG_CLOSING,
  FLAG_PARTIAL,
  FLAG_TRUNCATED,
  LEFT_OUT_EXPORT,
  type Ledger,
  MAP,
} from './abi.js';
import { admit } from './admit.js';
import { type BootOptions, boot, placesOf } from './boot.js';
import { createCalls, type MakePart, type Parts, type Spared } from './calls.js';
import { createCounters } from './counters.js';
import { versionLabel } from './library.js';
import type { Manifest } from './manifest.js';
import { createOutput, type RecordSink } from './output.js';
import {
  createSnapshot,
  globalsOf,
  globalText,
  type Remembered,
  setGlobal,
  type Snapshot,
} from './snapshot.js';
import { readRegistry, type Stateful } from './state.js';

export type { RecordSink };

export interface FilterInstance extends Stateful {
  readonly manifest: Manifest;
  /** `name@version+hash`. */
  readonly label: string;
  /** The input region; a batch begins at its first byte. */
  readonly input: Buffer;
  /** Runs the filter over the first `bytes` bytes of `input`: whole lines, the last one ended by LF. */
  run(bytes: number, nowMs: number, isTruncated: boolean, sink: RecordSink, spared?: Spared): Parts;
  /** Closes the windows that are over at `nowMs`. */
  tick(nowMs: number, sink: RecordSink, spared?: Spared): Parts;
  /** Closes all windows: no more events will come. */
  closeWindows(nowMs: number, sink: RecordSink, spared?: Spared): Parts;
  /** Tells all that is open, each record with `partial: true`; the filter goes on afterwards. */
  flush(nowMs: number, sink: RecordSink, spared?: Spared): Parts;
  /** Events that had gone into what the last call left out, one number for each thing. */
  leftOut(): readonly number[];
  /** Counters since the start, of all calls that came to an end. */
  ledger(): Ledger;
  /** Instructions, as the meter counts them, of all batches and ticks since the start. */
  fuelUsed(): number;
  /** What the dearest turn used of it: an event, a batch, or a part of what was due. */
  dearestTurn(): number;
  /** Two counters of the ledger, without making it. */
  eventsIn(): number;
  aggregated(): number;
  /** The same module, manifest, config and zones once more, from the beginning. */
  startAgain(): FilterInstance;
  /** Bytes that `save` copies. */
  readonly snapshotBytes: number;
  /** Remembers what the filter remembers now; until the first time that is how it started. */
  save(): void;
  /** Puts it back as it was saved last. Needed after a fault, before anything else is called. */
  restore(): void;
  /** What it remembers now; the memory is its own, and goes on changing. */
  remembered(): Remembered & { readonly ledger: Ledger };
  /** Goes on from what the same filter remembered in an earlier run; false when that does not fit, and nothing has changed. */
  remember(saved: Remembered & { readonly ledger: Ledger }): boolean;
}

/**
 * A search looks at whole blocks, past the end of a batch. What it sees there changes no record, but its work; so that the same batch
 * takes the same fuel, it sees zeros.
 */
const SEARCHED_BEHIND_BYTES = 512;

/** More than any filter can have counted: sums of it stay exact. */
const TOLD_MAX = 2 ** 40;

export interface InstanceOptions extends BootOptions {
  readonly module: Uint8Array;
  /** Processor time of one call; another one than `CALL_MS_MAX` only for tests. */
  readonly callMsMax?: number;
  /** From bytes to a module that is metered; another way only for tests that compare. */
  readonly compile?: (name: string, bytes: Uint8Array) => WebAssembly.Module;
}

/** Admits, lays out and starts a filter. Throws a WeirError that says why it may not run. */
export function startFilter(options: InstanceOptions): FilterInstance {
  const { manifest, compile = admit, callMsMax = CALL_MS_MAX } = options;
  const { name } = manifest;
  const pages = manifest.memoryBytes / PAGE_BYTES;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const module = compile(name, options.module);
  const { map, ...booted } = boot(module, options, memory);
  let { exports } = booted;
  const words = new Uint32Array(memory.buffer, map, MAP.bytes / 4);
  const registry = readRegistry(manifest, Buffer.from(memory.buffer), words);
  checkStreams(manifest, registry.streams);

  const { stateAt, inputAt, outputAt } = placesOf(manifest);
  const input = Buffer.from(memory.buffer, inputAt, manifest.memory.input);
  const region = Buffer.from(memory.buffer, outputAt, manifest.memory.output);
  const output = createOutput(region, Object.keys(manifest.streams).length);
  const behind = new Uint8Array(memory.buffer, inputAt);
  const counters = createCounters(memory, map);
  let snapshot: Snapshot | undefined;
  const calls = createCalls({
    ...{ manifest, input, words, output, counters, callMsMax },
    fuel: () => exports.weir_fuel,
    due: () => told(exports, DUE_EXPORT),
    leftOut: () => Math.max(told(exports, LEFT_OUT_EXPORT), 0),
  });

  function ticking(nowMs: number, kind: number): MakePart {
    return (_from, flags) => exports.weir_tick(BigInt(nowMs), kind | flags);
  }

  /** As it was when it had started. */
  function restart(): void {
    // All of it: what a call left in its input or output must not make it start in another way.
    new Uint8Array(memory.buffer).fill(0);
    exports = boot(module, options, memory).exports;
  }

  return {
    manifest,
    label: versionLabel(options),
    input,
    collections: registry.collections,
    state: Buffer.from(memory.buffer, stateAt, manifest.memory.state),
    run(bytes, nowMs, isTruncated, sink, spared) {
      const now = BigInt(nowMs);
      const kind = isTruncated ? FLAG_TRUNCATED : 0;
      behind.fill(0, bytes, bytes + SEARCHED_BEHIND_BYTES);
      const part: MakePart = (from, flags) => exports.weir_batch(from, bytes - from, now, kind | flags);
      return calls.make(bytes, sink, part, spared);
    },
    tick: (nowMs, sink, spared) => calls.make(0, sink, ticking(nowMs, 0), spared),
    closeWindows: (nowMs, sink, spared) => calls.make(0, sink, ticking(nowMs, FLAG_CLOSING), spared),
    flush: (nowMs, sink, spared) => calls.make(0, sink, ticking(nowMs, FLAG_CLOSING | FLAG_PARTIAL), spared),
    leftOut: calls.leftOut,
    ledger: counters.ledger,
    eventsIn: counters.eventsIn,
    aggregated: counters.aggregated,
    fuelUsed: calls.fuelUsed,
    dearestTurn: calls.dearestTurn,
    // Bound, not a closure: that would hold on to the memory of this one.
    startAgain: startFilter.bind(undefined, options),
    snapshotBytes: inputAt,
    save() {
      snapshot ??= createSnapshot(memory, inputAt, exports);
      snapshot.save();
      counters.save();
      calls.save();
    },
    restore() {
      if (snapshot) snapshot.restore();
      else restart();
      counters.restore();
      calls.restore();
    },
    remembered: () => ({
      memory: new Uint8Array(memory.buffer, 0, inputAt),
      globals: globalsOf(exports).map(globalText),
      ledger: counters.ledger(),
    }),
    remember(saved) {
      const globals = globalsOf(exports);
      if (saved.memory.length !== inputAt || saved.globals.length !== globals.length) return false;
      const before = globals.map(globalText);
      try {
        for (let at = 0; at < globals.length; at++)
          setGlobal(globals[at] as WebAssembly.Global, saved.globals[at] as string);
      } catch {
        for (let at = 0; at < globals.length; at++)
          setGlobal(globals[at] as WebAssembly.Global, before[at] as string);
        return false;
      }
      new Uint8Array(memory.buffer).set(saved.memory);
      counters.goOn(saved.ledger);
      return true;
    },
  };
}

/** A number that the module says in a global, if it has one of the name; it is hostile. */
function told(exports: WebAssembly.Exports, name: string): number {
  const global = exports[name];
  if (!(global instanceof WebAssembly.Global)) return 0;
  try {
    const value = Number(global.value);
    return Number.isSafeInteger(value) && Math.abs(value) <= TOLD_MAX ? value : 0;
  } catch {
    // Vectors have no value here.
    return 0;
  }
}

/** The streams that the filter registered must be those of its manifest, in the same order. */
function checkStreams({ name, streams }: Manifest, found: readonly string[]): void {
  const wanted = Object.keys(streams);
  if (found.length === wanted.length && found.every((stream, at) => stream === wanted[at])) return;
  throw new WeirError(
    'MANIFEST_INVALID',
    `filter ${name}: streams: expected those that filter.ts makes (${found.join(', ') || 'none'}), found ${wanted.join(', ')}`,
  );
}
