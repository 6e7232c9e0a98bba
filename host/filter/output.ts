/**
 * What a filter emits in one batch: frames in its output region, taken after each call, handed over when all went well.
 *
 * Where a batch takes several calls the output of all but the last is copied and waits, so that a batch that fails
 * has emitted nothing. Every length and index is hostile.
 */
import { OUTPUT_BATCH_BYTES_MAX } from '../limits.js';
import { FRAME_ALIGNMENT, FRAME_BYTES } from './abi.js';

/** Receives each record: `output[start, end)` holds it until the call returns. */
export type RecordSink = (stream: number, output: Uint8Array, start: number, end: number) => void;

export interface Output {
  /** Checks the frames in the first `emitted` bytes of the region; returns how many there are, or what is wrong. */
  check(emitted: number): number | string;
  /** Copies them, before the next call writes over them. */
  keep(emitted: number): void;
  /** Hands over what was kept and what stands in the region now, in order, and forgets it; one call's output a step. */
  handOver(emitted: number, sink: RecordSink): Generator<void, void, void>;
  /** Forgets what was kept. */
  forget(): void;
}

/** `region` begins at a multiple of 4 in its memory. */
export function createOutput(region: Buffer, streams: number): Output {
  const words = new Uint32Array(region.buffer, region.byteOffset, region.length / 4);
  const kept: Buffer[] = [];
  let keptBytes = 0;

  return {
    check(emitted) {
      if (emitted > region.length) return `emitted ${emitted} bytes into a region of ${region.length}`;
      if (keptBytes + emitted > OUTPUT_BATCH_BYTES_MAX)
        return `emitted more than ${OUTPUT_BATCH_BYTES_MAX} bytes at a time`;
      let records = 0;
      for (let at = 0; at < emitted; records++) {
        const bytes = words[at >>> 2] as number;
        const stream = words[(at >>> 2) + 1] as number;
        const end = at + FRAME_BYTES + bytes;
        if (stream >= streams || bytes === 0 || end > emitted) return 'emitted a record outside its output';
        at = next(end);
      }
      return records;
    },
    keep(emitted) {
      if (emitted > 0) kept.push(Buffer.from(region.subarray(0, emitted)));
      keptBytes += emitted;
    },
    *handOver(emitted, sink) {
      const parts = kept.splice(0);
      keptBytes = 0;
      for (const part of parts) {
        each(part, new DataView(part.buffer, part.byteOffset), part.length, sink);
        yield;
      }
      for (let at = 0; at < emitted; ) {
        const end = at + FRAME_BYTES + (words[at >>> 2] as number);
        sink(words[(at >>> 2) + 1] as number, region, at + FRAME_BYTES, end);
        at = next(end);
      }
    },
    forget() {
      kept.length = 0;
      keptBytes = 0;
    },
  };
}

/** Frames that were checked, wherever their copy lies. */
function each(frames: Buffer, view: DataView, bytes: number, sink: RecordSink): void {
  for (let at = 0; at < bytes; ) {
    const end = at + FRAME_BYTES + view.getUint32(at, true);
    sink(view.getUint32(at + 4, true), frames, at + FRAME_BYTES, end);
    at = next(end);
  }
}

function next(end: number): number {
  return (end + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT;
}
