/**
 * What a filter remembers between two calls, saved and put back: its memory below the input region and its mutable
 * globals. The input and output regions hold nothing that outlives a call.
 *
 * One copy, allocated the first time. Of some 2 MiB it takes 0.2 ms, which is why it is not made for each batch: `slot.ts` says
 * when.
 */
import { GLOBAL_EXPORT } from '../wasm/meter.js';

export interface Snapshot {
  readonly bytes: number;
  save(): void;
  restore(): void;
}

export function createSnapshot(
  memory: WebAssembly.Memory,
  bytes: number,
  exports: WebAssembly.Exports,
): Snapshot {
  const live = new Uint8Array(memory.buffer, 0, bytes);
  const saved = new Uint8Array(bytes);
  const globals = Object.entries(exports)
    .filter(([name]) => name.startsWith(GLOBAL_EXPORT))
    .map(([, global]) => global as unknown as WebAssembly.Global);
  const values: unknown[] = globals.map(({ value }) => value);
  return {
    bytes,
    save() {
      saved.set(live);
      for (let at = 0; at < globals.length; at++) values[at] = (globals[at] as WebAssembly.Global).value;
    },
    restore() {
      live.set(saved);
      for (let at = 0; at < globals.length; at++) (globals[at] as WebAssembly.Global).value = values[at];
    },
  };
}
