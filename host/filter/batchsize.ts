/**
 * How much a batch aims for: what takes half of the fuel that a batch may take, going by the batches before, so that few have
 * to be cut. Most filters and events never come near; short lines cost the most for their bytes.
 */
import { BATCH_BYTES_FIRST, BATCH_BYTES_MIN, BATCH_GROWTH_PARTS, FUEL_DEFAULT } from '../limits.js';
import type { Entry } from './journal.js';
import type { Manifest } from './manifest.js';

export interface BatchSize {
  /** What a batch should aim for, up to `bytes`. */
  limit(bytes: number): number;
  /** A call went well. */
  follow(entry: Entry, manifest: Manifest): void;
  /** Another version begins. */
  reset(): void;
}

/** What a batch of several events may use: it can be cut, so it holds nobody up for longer, whatever the manifest says. */
export function batchFuel({ fuel }: Pick<Manifest, 'fuel'>): number {
  return Math.min(fuel, FUEL_DEFAULT);
}

export function createBatchSize(): BatchSize {
  let most = BATCH_BYTES_FIRST;
  return {
    limit: (bytes) => Math.min(bytes, most),
    follow({ call, fuel }, manifest) {
      if (call.kind !== 'batch') return;
      const share = batchFuel(manifest) / 2 / fuel;
      if (share < 1) most = Math.max(Math.floor(call.bytes * share), BATCH_BYTES_MIN);
      else most += Math.ceil(call.bytes / BATCH_GROWTH_PARTS);
    },
    reset() {
      most = BATCH_BYTES_FIRST;
    },
  };
}
