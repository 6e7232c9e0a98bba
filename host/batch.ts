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
  /** Events in `region[0, bytes)`, the last one ended by LF. */
  | { readonly kind: 'events'; readonly bytes: number; readonly isTruncated: boolean }
  /** An unfinished line, or the rest of an over-long one, was passed over; ask again. */
  | { readonly kind: 'skipped' }
  /** Nothing, or no whole event, is there now. */
  | { readonly kind: 'none' };

const NONE: Batch = { kind: 'none' };
const SKIPPED: Batch = { kind: 'skipped' };

/**
 * Fills `region` with about `batchBytes` of whole events, more where a single event needs it, and moves the
 * cursor past them. The cut never depends on `batchBytes` where an event fits the region.
 */
export function nextBatch(cursor: Cursor, region: Buffer, batchBytes: number): Batch {
  // One byte is kept for the LF of a line that has none.
  const capacity = region.length - 1;
  if (cursor.skipping) return skip(cursor, region.subarray(0, capacity));
  for (let want = Math.min(batchBytes, capacity); ; want = Math.min(want * 4, capacity)) {
    const { bytes, final } = cursor.read(region.subarray(0, want));
    if (bytes === 0) return NONE;
    const end = region.lastIndexOf(NEWLINE, bytes - 1) + 1;
    if (end > 0) {
      cursor.advance(end);
      return { kind: 'events', bytes: end, isTruncated: false };
    }
    if (bytes < want && !final) {
      cursor.pass();
      return SKIPPED;
    }
    if (final || want === capacity) {
      cursor.skipping = !final;
      cursor.advance(bytes);
      region[bytes] = NEWLINE;
      return { kind: 'events', bytes: bytes + 1, isTruncated: !final };
    }
  }
}

function skip(cursor: Cursor, region: Buffer): Batch {
  const { bytes, final } = cursor.read(region);
  if (bytes === 0) return NONE;
  const newline = region.subarray(0, bytes).indexOf(NEWLINE);
  cursor.skipping = newline < 0 && !final;
  cursor.advance(newline < 0 ? bytes : newline + 1);
  return SKIPPED;
}
