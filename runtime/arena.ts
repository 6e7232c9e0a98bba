/**
 * Memory of a filter: two bump arenas, no garbage collector, no growth.
 *
 * The arena is a state machine: *init* while `weir_start` runs, then *static*. State and objects are allocated
 * only during init; after it, `allocate` aborts. Scratch is what remains of its region above the mark: it
 * holds what one event needs (a decoded string), and goes back to the mark after every event.
 */
import {
  MAP,
  REGISTRY_AT,
  REGISTRY_ENTRIES_MAX,
  REGISTRY_ENTRY_BYTES,
  regionBytes,
  regionStart,
  SCRATCH_AT,
  STATE_AT,
} from './abi';
import { decimal } from './decimal';
import { stringBytesMax, writeString } from './utf8';

let isStatic: bool = false;
let top: usize = 0;
let mark: usize = 0;
let stateTop: usize = 0;

/** Ends the init phase: the mark stands above everything that was allocated. */
export function becomeStatic(): void {
  reserve(0);
  mark = top;
  isStatic = true;
}

/** Bytes that live as long as the filter, zeroed, 16-byte aligned. Init only. */
export function allocate(bytes: usize): usize {
  if (isStatic) abort('a filter allocates only while it starts');
  return reserve(bytes);
}

/** Bytes that live until the event ends, or 0 when scratch is full. */
export function scratch(bytes: usize): usize {
  const end = regionStart(SCRATCH_AT) + regionBytes(SCRATCH_AT);
  if (bytes > end - top) return 0;
  const start = top;
  top = min((start + bytes + 15) & ~15, end);
  return start;
}

/** Bytes of scratch that are left for this event. */
export function scratchFree(): usize {
  return regionStart(SCRATCH_AT) + regionBytes(SCRATCH_AT) - top;
}

export function resetScratch(): void {
  top = mark;
}

/**
 * Bytes in the state region under a name, zeroed, and their entry in the registry, from which the host knows
 * what may be copied into another version of the filter: with the three parameters and the bytes, all that decides
 * what the bytes mean must be in it. Returns the address. Init only.
 */
export function allocateState(
  kind: u32,
  name: string,
  first: u32,
  second: u32,
  third: u32,
  bytes: usize,
): usize {
  if (!stateTop) stateTop = regionStart(STATE_AT);
  const start = (stateTop + 15) & ~15;
  if (isStatic) abort('a filter allocates only while it starts');
  const end = start + bytes - regionStart(STATE_AT);
  if (end > regionBytes(STATE_AT)) {
    abort(
      'memory.state of filter.json: expected at least ' +
        decimal(<i32>end) +
        ' bytes for what is made up to ' +
        name,
    );
  }
  stateTop = start + bytes;
  register(kind, name, first, second, third, <u32>(start - regionStart(STATE_AT)), <u32>bytes);
  return start;
}

/** Adds an entry to the registry that the host reads after `weir_start`. */
export function register(
  kind: u32,
  name: string,
  first: u32,
  second: u32,
  third: u32,
  offset: u32,
  bytes: u32,
): void {
  const index = load<u32>(MAP + REGISTRY_AT, 4);
  if (index === 0) store<u32>(MAP + REGISTRY_AT, <u32>allocate(REGISTRY_ENTRIES_MAX * REGISTRY_ENTRY_BYTES));
  if (index >= REGISTRY_ENTRIES_MAX) abort('a filter has too many streams and collections');
  const entry = load<u32>(MAP + REGISTRY_AT) + index * REGISTRY_ENTRY_BYTES;
  const nameStart = allocate(stringBytesMax(name));
  const nameBytes = writeString(nameStart, name) - nameStart;
  store<u32>(entry, kind);
  store<u32>(entry, <u32>nameStart, 4);
  store<u32>(entry, <u32>nameBytes, 8);
  store<u32>(entry, first, 12);
  store<u32>(entry, second, 16);
  store<u32>(entry, offset, 20);
  store<u32>(entry, bytes, 24);
  store<u32>(entry, third, 28);
  store<u32>(MAP + REGISTRY_AT, index + 1, 4);
}

function reserve(bytes: usize): usize {
  if (!top) top = (regionStart(SCRATCH_AT) + 15) & ~15;
  const start = top;
  const end = start + bytes - regionStart(SCRATCH_AT);
  if (end > regionBytes(SCRATCH_AT)) {
    abort(
      'memory.scratch of filter.json: expected at least ' +
        decimal(<i32>end) +
        ' bytes for what is made at the start',
    );
  }
  top = (start + bytes + 15) & ~15;
  return start;
}
