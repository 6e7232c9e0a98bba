/**
 * The guest ABI v1 as the host sees it: the map of a filter's memory. `runtime/README.md` is the text of it,
 * `runtime/abi.ts` the filter's side; a test holds the three together.
 */

export const ABI_VERSION = 1;

/** Offsets in the map, as in `runtime/abi.ts`. A region is a pointer and a size (u32 each). */
export const MAP = {
  config: 0,
  zones: 8,
  state: 16,
  scratch: 24,
  input: 32,
  output: 40,
  registry: 48,
  consumed: 56,
  emitted: 60,
  ledger: 64,
  bytes: 128,
} as const;

/** The ledger's counters (u64 each), in order. */
export const LEDGER = [
  'in',
  'kept',
  'aggregated',
  'discarded',
  'malformed',
  'truncated',
  'late',
  'overflowed',
] as const;
export type Ledger = Readonly<Record<(typeof LEDGER)[number], number>>;

export const FLAG_TRUNCATED = 1;
export const FLAG_CLOSING = 1;
/** With FLAG_CLOSING: the filter goes on afterwards, and each record says `partial: true`. */
export const FLAG_PARTIAL = 2;
/** The last of the things that are due which the turn may begin is not told. */
export const FLAG_LEAVE_OUT = 4;
/** Above the flags: how many things that are due the turn may begin, 0 for any number. */
export const TURN_DUE_SHIFT = 8;
export const DONE = 0;
export const AGAIN = 1;

/** Before each record in the output region: its bytes and its stream's index (u32 each). */
export const FRAME_BYTES = 8;
export const FRAME_ALIGNMENT = 4;

export const REGISTRY_ENTRY_BYTES = 32;
export const REGISTRY_ENTRIES_MAX = 64;
export const KIND_STREAM = 1;
export const KIND_EVENTS = 8;
export const KIND_WINDOW = 9;
/** Events that are counted, and of which no record tells yet: in a window two u64, in audit events a u32. */
export const WINDOW_OPEN_AT = 16;
export const EVENTS_OPEN_AT = 76;

/** Exports of a filter, every one a function: the types of its parameters and of its result. */
export const EXPORTS = {
  weir_abi: { takes: [], gives: ['i32'] },
  weir_heap_base: { takes: [], gives: ['i32'] },
  weir_start: { takes: [], gives: [] },
  weir_batch: { takes: ['i32', 'i32', 'i64', 'i32'], gives: ['i32'] },
  weir_tick: { takes: ['i64', 'i32'], gives: ['i32'] },
} as const;

/** Exported by the library as globals, for the host to read: which of the things that are due is told, and events in what was left out. */
export const DUE_EXPORT = 'weir_due';
export const LEFT_OUT_EXPORT = 'weir_left_out';

/** The type of `env.abort`: a message, its file, line and column. */
export const ABORT = { takes: ['i32', 'i32', 'i32', 'i32'], gives: [] } as const;

/** An entry of the zone table: the instant from which an offset holds, and local time minus UTC (i64 each). */
export const ZONE_BYTES = 16;
