/**
 * Batches: whole events of a source, in the input region of the filter that will read them.
 *
 * Bytes are read straight into the filter's memory and cut at the last line end; they are never parsed or copied
 * here. A place in a source only moves past whole events, so an unfinished last line is simply read again
 * later. A line that is longer than the region is cut there: the filter gets its beginning, flagged, and the
 * rest is passed over up to the next line end.
 */
import type { Cursor } from './source/source.js';

const NEWLINE = 10;

export type Batch =
  /** Events in `region[0, bytes)`, the last one ended by LF; in the source they are `moved` bytes. */
  | {
      readonly kind: 'events';
      readonly bytes: number;
      readonly moved: number;
      readonly isTruncated: boolean;
    }
  /** An unfinished line, or the rest of an over-long one, was passed over; ask again. */
  | { readonly kind: 'skipped' }
  /** Nothing, or no whole event, is there now. */
  | { readonly kind: 'none' };

const NONE: Batch = { kind: 'none' };
const SKIPPED: Batch = { kind: 'skipped' };

/**
 * Fills `region` with about `batchBytes` of whole events, more where a single event needs it, and moves the
 * cursor past them. The cut never depends on `batchBytes` where an event and its LF fit the region.
 */
export function nextBatch(cursor: Cursor, region: Buffer, batchBytes: number): Batch {
  const capacity = region.length;
  for (let want = Math.min(batchBytes, capacity); ; want = Math.min(want * 4, capacity)) {
    if (cursor.skipping) want = capacity;
    const { bytes, final } = cursor.read(region.subarray(0, want));
    if (bytes === 0) return NONE;
    // Asked again after the read: it may have gone on to another file, which has a place of its own.
    if (cursor.skipping) return skip(cursor, region.subarray(0, bytes), final);
    const end = region.lastIndexOf(NEWLINE, bytes - 1) + 1;
    if (end > 0) {
      cursor.advance(end);
      return { kind: 'events', bytes: end, moved: end, isTruncated: false };
    }
    if (bytes === capacity || final) return lineWithoutEnd(cursor, region, bytes);
    if (bytes < want) {
      cursor.pass();
      return SKIPPED;
    }
  }
}

/** A line in `region[0, bytes)` that lacks its LF: the last one of a source, or one that is longer than the region. */
function lineWithoutEnd(cursor: Cursor, region: Buffer, bytes: number): Batch {
  const isTruncated = bytes === region.length;
  const kept = isTruncated ? bytes - 1 : bytes;
  cursor.skipping = isTruncated;
  cursor.advance(kept);
  region[kept] = NEWLINE;
  return { kind: 'events', bytes: kept + 1, moved: kept, isTruncated };
}

/** Passes over the rest of a long line in the bytes that were read. */
function skip(cursor: Cursor, read: Buffer, final: boolean): Batch {
  const newline = read.indexOf(NEWLINE);
  cursor.skipping = newline < 0 && !final;
  cursor.advance(newline < 0 ? read.length : newline + 1);
  return SKIPPED;
}
