/**
 * How much a batch aims for: what takes half of the fuel that a batch may take, going by the batches before, so that few have
 * to be cut. Most filters and events never come near; short lines cost the most for their bytes.
 */
import { BATCH_BYTES_FIRST, BATCH_BYTES_MIN, BATCH_GROWTH_PARTS } from '../limits.js';
import type { Entry } from './journal.js';

export interface BatchSize {
  /** What a batch should aim for, up to `bytes`. */
  limit(bytes: number): number;
  /** A call went well, of a filter that may use `fuelMax` for a batch. */
  follow(entry: Entry, fuelMax: number): void;
  /** Another version begins. */
  reset(): void;
}

export function createBatchSize(): BatchSize {
  let most = BATCH_BYTES_FIRST;
  return {
    limit: (bytes) => Math.min(bytes, most),
    follow({ call, fuel }, fuelMax) {
      if (call.kind !== 'batch') return;
      const share = fuelMax / 2 / fuel;
      if (share < 1) most = Math.max(Math.floor(call.bytes * share), BATCH_BYTES_MIN);
      else most += Math.ceil(call.bytes / BATCH_GROWTH_PARTS);
    },
    reset() {
      most = BATCH_BYTES_FIRST;
    },
  };
}
