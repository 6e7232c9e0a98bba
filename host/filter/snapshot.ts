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

/** What a filter remembers, for a disk: only good for the same module, started with the same manifest. */
export interface Remembered {
  /** Its memory below the input region. */
  readonly memory: Uint8Array;
  /** Its mutable globals, in their order, each as text. */
  readonly globals: readonly string[];
}

/** The mutable globals of an instance. */
export function globalsOf(exports: WebAssembly.Exports): WebAssembly.Global[] {
  return Object.entries(exports)
    .filter(([name]) => name.startsWith(GLOBAL_EXPORT))
    .map(([, global]) => global as unknown as WebAssembly.Global);
}

/** `n` and digits for a 64-bit integer, `f` and the bits of a double for any other number. */
export function globalText({ value }: WebAssembly.Global): string {
  if (typeof value === 'bigint') return `n${value}`;
  const bits = Buffer.alloc(8);
  bits.writeDoubleBE(value as number);
  return `f${bits.toString('hex')}`;
}

/** Sets a global to what `globalText` told. Throws when that is nothing for it. */
export function setGlobal(global: WebAssembly.Global, text: string): void {
  if (text.startsWith('n')) global.value = BigInt(text.slice(1));
  else global.value = Buffer.from(text.slice(1).padEnd(16, '0'), 'hex').readDoubleBE();
}

export function createSnapshot(
  memory: WebAssembly.Memory,
  bytes: number,
  exports: WebAssembly.Exports,
): Snapshot {
  const live = new Uint8Array(memory.buffer, 0, bytes);
  const saved = new Uint8Array(bytes);
  const globals = globalsOf(exports);
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
