/**
 * A table: counters by key and window, of a fixed capacity, in the state region.
 *
 *     sources.at(minute).by(address).row()      the row of this address in this window, made when it is new
 *
 * A key is a list of parts, kept whole. Rows lie in the order of their first event, so that what a table
 * emits never depends on a hash. When the table is full, or a key is longer than `keyBytes`, or a search passes
 * PROBES_MAX rows (someone chose colliding keys), the event is counted in the overflow row of its window
 * instead: sums stay exact, and `overflowed` of the ledger says how often.
 *
 *     header: rows, where an interrupted emission goes on, latest overflow row + 1, 0 (u32 each)
 *     index: one u32 a slot, row number + 1
 *     row: window i64 | key bytes u32 | hash u32 | events u64 | counters, u64 each | key
 */
import { count, KIND_TABLE, OVERFLOWED } from './abi';
import { allocate, allocateState } from './arena';
import { copyBytes, equalBytes, Hash } from './bytes';
import { aggregated } from './ledger';
import { Text } from './text';

/** How far a search goes. At the index's load of at most one half, honest keys need a handful. */
const PROBES_MAX: u32 = 64;
/** Rows kept back for overflow: one for each window that is open at a time, 16 of them where windows hop. */
const OVERFLOW_ROWS: u32 = 20;
/** Key length that marks an overflow row. */
const OVERFLOW: u32 = 0xffffffff;
const HASH: u64 = 0x9e3779b97f4a7c15;
const HEADER_BYTES: usize = 16;
const EVENTS_AT: usize = 16;
const COUNTERS_AT: usize = 24;
/** A part of a key: tag (u8), length (u16), bytes. */
const PART_BYTES: usize = 3;

function outside(): void {
  abort('table: expected a row that row() or find() has answered, and one of its counters, found another');
}

@unmanaged
export class Table {
  /** True when the last `row` was made by it. */
  isNew: bool = false;
  /** For the library: of a row, key and counters. */
  rowBytes: usize = 0;
  private base: usize = 0;
  private index: usize = 0;
  private rows: usize = 0;
  private slots: u32 = 0;
  private capacity: u32 = 0;
  private counters: u32 = 0;
  private keyBytes: usize = 0;
  private keyAt: usize = 0;
  private window: i64 = 0;
  private key: usize = 0;
  private keyEnd: usize = 0;
  private isTooLong: bool = false;
  /** Of the key so far, with its window; rows hold 32 bits of it. */
  private hash: u64 = 0;
  /** Where the last search would have entered a new row, or -1. */
  private freeSlot: i32 = -1;

  /**
   * `capacity` keys of up to `keyBytes` bytes (3 more for each part), each with `counters` counters. What keys and
   * counters mean may depend on the config: a table of another `meaning` takes over no rows of this one.
   */
  constructor(name: string, capacity: u32, keyBytes: u32, counters: u32, meaning: u32 = 0) {
    this.capacity = capacity;
    this.slots = 1 << (33 - clz((capacity - 1) | 1));
    this.counters = counters;
    this.keyBytes = keyBytes;
    this.keyAt = COUNTERS_AT + 8 * counters;
    this.rowBytes = (this.keyAt + keyBytes + 7) & ~7;
    const indexBytes = <usize>this.slots * 4;
    const bytes = HEADER_BYTES + indexBytes + this.rowBytes * (capacity + OVERFLOW_ROWS);
    // The bytes say how many counters there are.
    this.base = allocateState(KIND_TABLE, name, capacity, keyBytes, meaning, bytes);
    this.index = this.base + HEADER_BYTES;
    this.rows = this.index + indexBytes;
    this.key = allocate(keyBytes + 16);
  }

  /** Begins a key in a window. */
  @inline
  at(window: i64): Table {
    this.window = window;
    this.hash = <u64>window * HASH;
    this.keyEnd = this.key;
    this.isTooLong = false;
    return this;
  }

  /** Adds a part to the key. */
  by(part: Text): Table {
    return this.byTagged(0, part);
  }

  /** Adds a part with a tag of the filter's choice, which makes it differ from the same bytes under another. */
  byTagged(tag: u8, part: Text): Table {
    const start = part.start;
    const bytes = part.end - start;
    const at = this.keyEnd;
    const end = at + PART_BYTES + bytes;
    if (bytes > 0xffff || end > this.key + this.keyBytes) {
      this.isTooLong = true;
      return this;
    }
    // From where the part came, because reading back what was just written in pieces waits for the writes.
    this.hash = Hash.of(start, bytes, this.hash + tag);
    store<u32>(at, <u32>tag | ((<u32>bytes) << 8));
    v128.store(at + PART_BYTES, v128.load(start));
    if (bytes > 16) copyBytes(at + PART_BYTES, start, bytes);
    this.keyEnd = end;
    return this;
  }

  /** The row of the key, made when it is new, or the window's overflow row. */
  row(): usize {
    aggregated();
    const found = this.find();
    const row = found ? found : this.newRow();
    this.isNew = !found && !this.isOverflow(row);
    store<u64>(row, this.eventsOf(row) + 1, EVENTS_AT);
    return row;
  }

  /** A row for a key that has none, or the window's overflow row. */
  private newRow(): usize {
    if (this.freeSlot >= 0 && this.size() < this.capacity) return this.append();
    count(OVERFLOWED, 1);
    return this.overflowRow();
  }

  /** The row of the key when it has one, else 0; makes none. */
  find(): usize {
    const bytes = <u32>(this.keyEnd - this.key);
    const hash = <u32>(this.hash >> 16);
    this.freeSlot = -1;
    let slot = hash & (this.slots - 1);
    for (let probe: u32 = 0; probe < PROBES_MAX && !this.isTooLong; probe++) {
      const number = load<u32>(this.index + ((<usize>slot) << 2));
      if (number === 0) {
        this.freeSlot = slot;
        return 0;
      }
      const row = this.rowAt(number - 1);
      if (this.holds(row, hash, bytes)) return row;
      slot = (slot + 1) & (this.slots - 1);
    }
    return 0;
  }

  add(row: usize, counter: u32, amount: u64): void {
    const place = this.counterAt(row, counter);
    store<u64>(place, load<u64>(place) + amount);
  }

  count(row: usize, counter: u32): i64 {
    return load<i64>(this.counterAt(row, counter));
  }

  /** Address of a counter; for a sketch that takes the place of the counters from there on. */
  @inline
  counterAt(row: usize, counter: u32): usize {
    if (counter >= this.counters || row < this.rows) outside();
    return row + COUNTERS_AT + ((<usize>counter) << 3);
  }

  /** How often an event has asked for the row: what is lost when no record tells of it. */
  eventsOf(row: usize): u64 {
    return load<u64>(row, EVENTS_AT);
  }

  windowOf(row: usize): i64 {
    return load<i64>(row);
  }

  /** True for the row that stands for all keys which found no place. */
  isOverflow(row: usize): bool {
    return load<u32>(row, 8) === OVERFLOW;
  }

  /** Points `out` at a part of the row's key and answers its tag; empty, tag 0, in an overflow row. */
  part(row: usize, number: u32, out: Text): u8 {
    out.clear();
    if (this.isOverflow(row)) return 0;
    let at = row + this.keyAt;
    for (let i: u32 = 0; i < number; i++) at += PART_BYTES + load<u16>(at, 1);
    out.set(at + PART_BYTES, at + PART_BYTES + load<u16>(at, 1));
    return load<u8>(at);
  }

  // For windows and kinds: rows by number, and forgetting those that are closed or dropped.

  /** All rows, overflow rows included. */
  size(): u32 {
    return load<u32>(this.base);
  }

  rowAt(number: u32): usize {
    return this.rows + <usize>number * this.rowBytes;
  }

  /** The row at which an interrupted emission goes on. */
  resumeAt(): u32 {
    return load<u32>(this.base, 4);
  }

  setResumeAt(number: u32): void {
    store<u32>(this.base, number, 4);
  }

  /** The row is found no more, and the next `forgetBefore` gives its room back. */
  drop(row: usize): void {
    store<i64>(row, i64.MIN_VALUE);
  }

  /** Forgets every row whose window starts before `openFrom`; the others keep their order. */
  forgetBefore(openFrom: i64): void {
    const size = this.size();
    memory.fill(this.index, 0, (<usize>this.slots) << 2);
    store<u32>(this.base, 0, 8);
    let kept: u32 = 0;
    for (let number: u32 = 0; number < size; number++) {
      const row = this.rowAt(number);
      if (this.windowOf(row) < openFrom) continue;
      if (kept !== number) memory.copy(this.rowAt(kept), row, this.rowBytes);
      if (this.isOverflow(this.rowAt(kept))) this.chain(kept);
      else this.enter(load<u32>(this.rowAt(kept), 12), kept);
      kept++;
    }
    memory.fill(this.rowAt(kept), 0, this.rowBytes * (size - kept));
    store<u32>(this.base, kept);
  }

  private holds(row: usize, hash: u32, bytes: u32): bool {
    return (
      load<u32>(row, 12) === hash &&
      load<u32>(row, 8) === bytes &&
      load<i64>(row) === this.window &&
      equalBytes(row + this.keyAt, this.key, bytes)
    );
  }

  private append(): usize {
    const number = this.size();
    const bytes = this.keyEnd - this.key;
    const row = this.rowAt(number);
    store<i64>(row, this.window);
    store<u32>(row, <u32>bytes, 8);
    store<u32>(row, <u32>(this.hash >> 16), 12);
    memory.copy(row + this.keyAt, this.key, bytes);
    store<u32>(this.index + ((<usize>this.freeSlot) << 2), number + 1);
    store<u32>(this.base, number + 1);
    return row;
  }

  private enter(hash: u32, number: u32): void {
    let slot = hash & (this.slots - 1);
    while (load<u32>(this.index + ((<usize>slot) << 2))) slot = (slot + 1) & (this.slots - 1);
    store<u32>(this.index + ((<usize>slot) << 2), number + 1);
  }

  /** Overflow rows are chained from the latest one back, through the field that holds other rows' hash. */
  private overflowRow(): usize {
    const latest = load<u32>(this.base, 8);
    let next = latest;
    for (let i: u32 = 0; next && i < OVERFLOW_ROWS; i++) {
      const row = this.rowAt(next - 1);
      if (this.windowOf(row) === this.window) return row;
      next = load<u32>(row, 12);
    }
    const size = this.size();
    // More open windows than rows for them: the latest one takes the rest, so that sums stay exact.
    if (size >= this.capacity + OVERFLOW_ROWS) return this.rowAt(latest - 1);
    const row = this.rowAt(size);
    store<i64>(row, this.window);
    store<u32>(row, OVERFLOW, 8);
    store<u32>(this.base, size + 1);
    this.chain(size);
    return row;
  }

  private chain(number: u32): void {
    store<u32>(this.rowAt(number), load<u32>(this.base, 8), 12);
    store<u32>(this.base, number + 1, 8);
  }
}
