/**
 * How much a batch aims for: less for a while after one has taken more fuel than it may, so that not every batch has to be cut.
 */
import { BATCH_BYTES_MIN, BATCH_GROWTH_PARTS } from '../limits.js';
import type { Call } from './journal.js';

export interface BatchSize {
  /** What a batch should aim for, up to `bytes`. */
  limit(bytes: number): number;
  /** A call went well: the next one may be a little larger. */
  grow(call: Call): void;
  shrink(bytes: number): void;
  /** Another version begins. */
  reset(): void;
}

export function createBatchSize(): BatchSize {
  let most = Number.POSITIVE_INFINITY;
  return {
    limit: (bytes) => Math.min(bytes, most),
    grow(call) {
      if (call.kind === 'batch') most += Math.ceil(call.bytes / BATCH_GROWTH_PARTS);
    },
    shrink(bytes) {
      most = Math.max(bytes, BATCH_BYTES_MIN);
    },
    reset() {
      most = Number.POSITIVE_INFINITY;
    },
  };
}
