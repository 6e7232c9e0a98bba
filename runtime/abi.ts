/**
 * The memory map of a filter, as the host and the filter both see it (ABI v1; README.md tells it in words).
 *
 * The host lays out regions one after the other, each place being the place before plus its size, and writes
 * where they are into a block of fixed shape, the map, at the first 16-byte boundary from `__heap_base` on.
 * A filter reads its regions from there, and writes back what a call consumed, emitted and counted.
 *
 *     0 ....... static data, stack | map | config, zones | state | scratch | input | output
 *
 * Everything is little-endian and naturally aligned; pointers are absolute addresses, sizes are bytes.
 */

export const ABI_VERSION: i32 = 1;

/** Address of the map. */
export const MAP: usize = (__heap_base + 15) & ~15;

// Written by the host before `weir_start`. A region is a pointer and a size.
export const CONFIG_AT: usize = 0;
export const ZONES_AT: usize = CONFIG_AT + 8;
export const STATE_AT: usize = ZONES_AT + 8;
export const SCRATCH_AT: usize = STATE_AT + 8;
export const INPUT_AT: usize = SCRATCH_AT + 8;
export const OUTPUT_AT: usize = INPUT_AT + 8;

// Written by the filter: the registry by `weir_start`, the results by each call.
export const REGISTRY_AT: usize = OUTPUT_AT + 8;
export const CONSUMED_AT: usize = REGISTRY_AT + 8;
export const EMITTED_AT: usize = CONSUMED_AT + 4;
export const LEDGER_AT: usize = EMITTED_AT + 4;

// The ledger: eight u64 counters since the start. in = kept + aggregated + discarded + malformed.
export const IN: usize = LEDGER_AT;
export const KEPT: usize = IN + 8;
export const AGGREGATED: usize = KEPT + 8;
export const DISCARDED: usize = AGGREGATED + 8;
export const MALFORMED: usize = DISCARDED + 8;
export const TRUNCATED: usize = MALFORMED + 8;
export const LATE: usize = TRUNCATED + 8;
export const OVERFLOWED: usize = LATE + 8;
export const MAP_BYTES: usize = OVERFLOWED + 8;

// Flags of `weir_batch` and `weir_tick`.
export const FLAG_TRUNCATED: i32 = 1;
export const FLAG_CLOSING: i32 = 1;
/** With FLAG_CLOSING: the filter goes on afterwards, and each record says `partial: true`. */
export const FLAG_PARTIAL: i32 = 2;
/** The last of the things that are due which the turn may begin is not told. */
export const FLAG_LEAVE_OUT: i32 = 4;
/** Above the flags: how many things that are due the turn may begin, 0 for any number. */
export const TURN_DUE_SHIFT: i32 = 8;

// Answers of `weir_batch` and `weir_tick`.
export const DONE: i32 = 0;
export const AGAIN: i32 = 1;

/** Registry entries: kind, name pointer, name bytes, first parameter, second, offset in state, bytes, third parameter. */
export const REGISTRY_ENTRY_BYTES: usize = 32;
export const REGISTRY_ENTRIES_MAX: u32 = 64;
/**
 * Kinds of collections. What lies in two collections of the same kind, parameters and bytes means the same, whoever
 * made them: a kind whose layout, or whose hash, changes gets a new number.
 */
export const KIND_STREAM: u32 = 1;
export const KIND_TOP: u32 = 4;
export const KIND_DISTINCT: u32 = 5;
export const KIND_QUANTILES: u32 = 6;
export const KIND_FIRST_SEEN: u32 = 7;
export const KIND_EVENTS: u32 = 8;
export const KIND_WINDOW: u32 = 9;
/** 2 was a table, and 3 a window, that did not count events. */
export const KIND_TABLE: u32 = 10;

/**
 * Events that are counted, and of which no record tells yet, as the host reads them when a filter goes that cannot tell them: of windows
 * two u64, which are added up, of audit events a u32.
 */
export const WINDOW_OPEN_AT: usize = 16;
export const EVENTS_OPEN_AT: usize = 76;

/** Output is a run of frames: record bytes (u32), stream index (u32), the record, padding to 4 bytes. */
export const FRAME_BYTES: usize = 8;

export function regionStart(at: usize): usize {
  return load<u32>(MAP + at);
}

export function regionBytes(at: usize): usize {
  return load<u32>(MAP + at, 4);
}

export function count(counter: usize, amount: u64): void {
  store<u64>(MAP + counter, load<u64>(MAP + counter) + amount);
}
