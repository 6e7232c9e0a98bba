/**
 * Dead buffers: what each message leaves behind, outside of V8's heap, on its way from the spool to the socket.
 *
 * V8 lets 64 MiB of them stand before it looks (`kExternalAllocationSoftLimit`), and a backlog that does not compress is buffers and
 * hardly anything else: that would be as much as all the rest of the host. They die young, so a collection of the young
 * generation gets them; it takes less than a millisecond. `bin/weir` has node give us the function. Where it is missing more
 * memory is used, and nothing else is different.
 */
import { DEAD_BUFFER_BYTES_MAX } from './limits.js';

export interface DeadBuffers {
  /** So many bytes were handed on, and are of no more use. */
  add(bytes: number): void;
}

export function createDeadBuffers(
  collect: (() => void) | undefined = globalThis.gc && (() => void globalThis.gc?.({ type: 'minor' })),
): DeadBuffers {
  let bytes = 0;
  return {
    add(more) {
      bytes += more;
      if (bytes < DEAD_BUFFER_BYTES_MAX) return;
      bytes = 0;
      collect?.();
    },
  };
}
