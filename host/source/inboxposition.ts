/**
 * The saved place of a cursor in an inbox: what it is, and where a cursor begins that is given one.
 *
 * It names the ring, because offsets mean something in that one only, and tells the number of the line at it: so the
 * events that were dropped while nobody held the place are counted exactly, by the difference to the oldest line held.
 * It comes from a disk, so it is checked like any input.
 */
import type { Ring } from './ring.js';
import type { RingFile } from './ringfile.js';
import type { Position } from './source.js';

export interface InboxPosition {
  /** The id of the ring's file. */
  readonly ring: string;
  readonly offset: number;
  readonly line: number;
  /** True within a line of which the beginning was read. */
  readonly skipping: boolean;
  /** What the cursor had counted. */
  readonly lostEvents: number;
  readonly cutEvents: number;
  /** What the ring had counted then. */
  readonly ringCutEvents: number;
  /** True when the source had ended and all of it was read. */
  readonly ended: boolean;
}

/** Where a cursor begins, and with which counts. */
export interface Start {
  readonly at: number;
  readonly skipping: boolean;
  readonly lostEvents: number;
  /** What to take from the ring's count of cut events. */
  readonly cutBefore: number;
  readonly countsBefore: { readonly lostEvents: number; readonly cutEvents: number };
}

interface Holder {
  readonly ring: Ring;
  readonly file: RingFile | undefined;
  readonly tellOnce: (text: string) => void;
}

export function startAt(saved: Position, { ring, file, tellOnce }: Holder): Start {
  const { tail, cutEvents } = ring.state;
  const countsBefore = { lostEvents: 0, cutEvents: 0 };
  const oldest = { at: tail, skipping: false, lostEvents: 0, cutBefore: cutEvents, countsBefore };
  if (saved === undefined || file === undefined) return oldest;
  const isOfThis = isPosition(saved) && saved.ring === file.found.id;
  if (!isPosition(saved) || (isOfThis && !fits(saved, ring))) {
    tellOnce(
      'the saved places in its inbox are not understood; the oldest event that it holds is read first',
    );
    return oldest;
  }
  const counts = { lostEvents: saved.lostEvents, cutEvents: saved.cutEvents };
  if (!isOfThis) {
    if (!saved.ended)
      tellOnce(
        'its inbox is not the one of the last run (a restart of the machine empties a tmpfs): what that one held and nobody had read is lost, and not counted',
      );
    return { ...oldest, ...counts, cutBefore: -saved.cutEvents, countsBefore: counts };
  }
  // All that was found had been read, and more that was not found any more.
  const isAhead = saved.offset > file.found.head;
  if (isAhead && file.id() === file.found.id) file.renew();
  const at = Math.max(isAhead ? file.found.head : saved.offset, tail);
  return {
    at,
    skipping: !ring.isLineStart(at),
    lostEvents: saved.lostEvents + droppedSince(saved, ring),
    cutBefore: Math.min(saved.ringCutEvents, cutEvents) - saved.cutEvents,
    countsBefore: counts,
  };
}

/** Events of which nothing had been read at the place and that are not held any more. */
export function droppedSince(
  { offset, line, skipping }: Pick<InboxPosition, 'offset' | 'line' | 'skipping'>,
  { state }: Ring,
): number {
  return offset < state.tail ? state.tailLine - line - (skipping ? 1 : 0) : 0;
}

/** The lines that would have been dropped fit into the bytes that were. */
function fits(saved: InboxPosition, ring: Ring): boolean {
  const dropped = droppedSince(saved, ring);
  return dropped >= 0 && dropped <= Math.max(ring.state.tail - saved.offset, 0) / 2;
}

function isPosition(value: unknown): value is InboxPosition {
  const place = value as Partial<Record<keyof InboxPosition, unknown>> | null;
  return (
    typeof place?.ring === 'string' &&
    /^[0-9a-f]{16}$/.test(place.ring) &&
    [place.offset, place.line, place.lostEvents, place.cutEvents, place.ringCutEvents].every(isCount) &&
    typeof place.skipping === 'boolean' &&
    typeof place.ended === 'boolean'
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
