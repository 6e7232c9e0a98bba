/**
 * The most frequent keys of a stream, in memory of fixed size (SpaceSaving: Metwally, Agrawal and El Abbadi, 2005).
 *
 *     const talkers = new TopK('talkers', 100, 48);
 *     talkers.add(address, 1);
 *     talkers.order();
 *     for (let i: u32 = 0; i < talkers.size(); i++) { talkers.key(i, out), talkers.count(i), talkers.error(i) ... }
 *
 * It counts up to `capacity` keys. When it is full, a new key takes the place and the count of the least one. With
 * N the sum of all amounts:
 *
 *     count - error <= the key's true sum <= count,  error <= N / capacity,
 *     and every key whose true sum is above N / capacity is there.
 *
 * A key longer than `keyBytes` takes no place, nor one whose slot has PROBES_MAX others (someone chose colliding
 * keys): both are counted in N and in `overflowed`. An addition costs a search and a walk through a heap.
 *
 * The hash has no key, so whoever chooses keys can choose collisions. They cost PROBES_MAX comparisons an addition, never
 * more: entries of a slot are a chain, and no other slot's grows with it. 64 keys that collide with a certain key, and
 * that each stay above N / capacity, keep it out, whatever its sum; each of its additions is then in `overflowed`.
 * Below a capacity of 64 nothing is kept out so. A key that is in is only ever put out as the least.
 *
 * A row of a Table can hold one in place of counters; see `Distinct`.
 *
 * Merge (Agarwal and others, "Mergeable Summaries", 2012): a key of both has the sums of counts and of errors. A
 * key of one alone adds the least count of the other to both, where the other is full. The `capacity` greatest
 * stay, and the bounds hold for the sum of both N.
 *
 *     header: entries u32, 0 u32, N u64
 *     index: one u32 a slot, the number + 1 of the first entry of a chain
 *     heap: one u32 a place, entry number; a parent's count is not above its children's
 *     entry: count u64 | error u64 | hash u32 | heap place u32 | key bytes u32 |
 *            number + 1 of the chain's next entry u32 | key, zeros to a multiple of 8
 *     record: N u64, capacity u32, entries u32, then count u64, error u64, key bytes u32, key of each, greatest first
 */
import { count, KIND_TOP, OVERFLOWED } from './abi';
import { allocateState } from './arena';
import { equalBytes, sketchHash } from './bytes';
import { beginBytes, Key } from './emit';
import { aggregated } from './ledger';
import { Text } from './text';

/** Keys that one may count. */
export const TOP_KEYS_MAX: u32 = 4096;

/** Entries of one slot. At the index's load of at most one half, honest keys need a handful. */
const PROBES_MAX: u32 = 64;
const HEADER_BYTES: usize = 16;
const SUM_AT: usize = 8;
const ERROR_AT: usize = 8;
const HASH_AT: usize = 16;
const PLACE_AT: usize = 20;
const LENGTH_AT: usize = 24;
const NEXT_AT: usize = 28;
const KEY_AT: usize = 32;
const RECORD_HEADER_BYTES: usize = 16;
const RECORD_ENTRY_BYTES: usize = 20;

@unmanaged
export class TopK {
  private base: usize = 0;
  private capacity: u32 = 0;
  private keyBytes: usize = 0;
  private slots: u32 = 0;
  private entriesAt: usize = 0;
  private entryBytes: usize = 0;

  /** Without a name it has no memory of its own, and must be put `at` some before it is used. */
  constructor(name: string, capacity: u32, keyBytes: u32) {
    if (!capacity || capacity > TOP_KEYS_MAX) abort('a TopK counts 1 to 4096 keys');
    this.capacity = capacity;
    this.keyBytes = keyBytes;
    this.slots = slotsOf(capacity);
    this.entriesAt = HEADER_BYTES + ((<usize>(this.slots + capacity + (capacity & 1))) << 2);
    this.entryBytes = KEY_AT + ((keyBytes + 7) & ~7);
    const bytes = (<usize>TopK.counters(capacity, keyBytes)) << 3;
    if (name.length) this.base = allocateState(KIND_TOP, name, capacity, keyBytes, 0, bytes);
  }

  /** Counters of a Table's row that one takes. */
  static counters(capacity: u32, keyBytes: u32): u32 {
    const entryBytes = <u32>KEY_AT + ((keyBytes + 7) & ~7);
    return (
      (<u32>HEADER_BYTES + 4 * slotsOf(capacity) + 4 * (capacity + (capacity & 1)) + entryBytes * capacity) >>
      3
    );
  }

  /** Points it at memory elsewhere, all 0 at first; returns it. */
  at(base: usize): TopK {
    this.base = base;
    return this;
  }

  add(key: Text, amount: u64): void {
    aggregated();
    store<u64>(this.base, this.sum() + amount, SUM_AT);
    const hash = <u32>sketchHash(key.start, key.length);
    let number = this.slot(hash & (this.slots - 1));
    for (let probe: u32 = 0; probe < PROBES_MAX && key.length <= this.keyBytes; probe++) {
      if (!number) {
        this.enter(key, hash, amount);
        return;
      }
      const entry = this.entry(number - 1);
      if (this.holds(entry, hash, key)) {
        store<u64>(entry, load<u64>(entry) + amount);
        this.sink(load<u32>(entry, PLACE_AT), this.size());
        return;
      }
      number = load<u32>(entry, NEXT_AT);
    }
    count(OVERFLOWED, 1);
  }

  /** The sum of all amounts, N. */
  sum(): u64 {
    return load<u64>(this.base, SUM_AT);
  }

  /** Keys that are counted. */
  size(): u32 {
    return load<u32>(this.base);
  }

  /** Sorts by count, so that rank 0 is the greatest until the next addition. */
  order(): void {
    const size = this.size();
    for (let end = size; end > 1; end--) {
      this.swap(0, end - 1);
      this.sink(0, end - 1);
    }
    // The greatest is first now; from the least one on the order is a heap, too.
    for (let i: u32 = 0; i < size >> 1; i++) this.swap(i, size - 1 - i);
  }

  /** Points `out` at the key of a rank. */
  key(rank: u32, out: Text): Text {
    const entry = this.ranked(rank);
    return out.set(entry + KEY_AT, entry + KEY_AT + load<u32>(entry, LENGTH_AT));
  }

  count(rank: u32): i64 {
    return load<i64>(this.ranked(rank));
  }

  /** How much of the count may be other keys'. */
  error(rank: u32): i64 {
    return load<i64>(this.ranked(rank), ERROR_AT);
  }

  /** Orders it, and puts all of it into the record that is open, as a byte string. */
  put(name: Key): void {
    this.order();
    const size = this.size();
    let bytes = RECORD_HEADER_BYTES;
    for (let i: u32 = 0; i < size; i++) bytes += RECORD_ENTRY_BYTES + load<u32>(this.ranked(i), LENGTH_AT);
    let at = beginBytes(name, bytes);
    if (!at) return;
    store<u64>(at, this.sum());
    store<u32>(at, this.capacity, 8);
    store<u32>(at, size, 12);
    at += RECORD_HEADER_BYTES;
    for (let i: u32 = 0; i < size; i++) {
      const entry = this.ranked(i);
      const keyBytes = load<u32>(entry, LENGTH_AT);
      store<u64>(at, load<u64>(entry));
      store<u64>(at, load<u64>(entry, ERROR_AT), 8);
      store<u32>(at, keyBytes, 16);
      memory.copy(at + RECORD_ENTRY_BYTES, entry + KEY_AT, keyBytes);
      at += RECORD_ENTRY_BYTES + keyBytes;
    }
  }

  clear(): void {
    memory.fill(this.base, 0, (<usize>TopK.counters(this.capacity, <u32>this.keyBytes)) << 3);
  }

  private holds(entry: usize, hash: u32, key: Text): bool {
    return (
      load<u32>(entry, HASH_AT) === hash &&
      load<u32>(entry, LENGTH_AT) === <u32>key.length &&
      equalBytes(entry + KEY_AT, key.start, key.length)
    );
  }

  /** Makes an entry of a key that has none: a new one, or that of the least key. */
  private enter(key: Text, hash: u32, amount: u64): void {
    const isFull = this.size() === this.capacity;
    const number = isFull ? this.heap(0) : this.size();
    const entry = this.entry(number);
    const least = isFull ? load<u64>(entry) : 0;
    if (isFull) this.forget(load<u32>(entry, HASH_AT), number);
    memory.fill(entry + KEY_AT, 0, this.entryBytes - KEY_AT);
    memory.copy(entry + KEY_AT, key.start, key.length);
    store<u64>(entry, least + amount);
    store<u64>(entry, least, ERROR_AT);
    store<u32>(entry, hash, HASH_AT);
    store<u32>(entry, <u32>key.length, LENGTH_AT);
    const slot = hash & (this.slots - 1);
    store<u32>(entry, this.slot(slot), NEXT_AT);
    this.setSlot(slot, number + 1);
    if (isFull) {
      this.sink(0, this.capacity);
      return;
    }
    store<u32>(this.base, number + 1);
    this.setHeap(number, number);
    this.rise(number);
  }

  /** Takes an entry out of its chain, which is never longer than PROBES_MAX. */
  private forget(hash: u32, number: u32): void {
    const slot = hash & (this.slots - 1);
    const next = load<u32>(this.entry(number), NEXT_AT);
    let at = this.slot(slot);
    if (at === number + 1) {
      this.setSlot(slot, next);
      return;
    }
    while (load<u32>(this.entry(at - 1), NEXT_AT) !== number + 1) at = load<u32>(this.entry(at - 1), NEXT_AT);
    store<u32>(this.entry(at - 1), next, NEXT_AT);
  }

  /** Moves a place of the heap down until none of its children is less. */
  private sink(from: u32, size: u32): void {
    for (let place = from; ; ) {
      let least = place;
      const child: u32 = (place << 1) + 1;
      if (child < size && this.isLess(child, least)) least = child;
      if (child + 1 < size && this.isLess(child + 1, least)) least = child + 1;
      if (least === place) return;
      this.swap(place, least);
      place = least;
    }
  }

  private rise(from: u32): void {
    for (let place = from; place; place = (place - 1) >> 1) {
      const parent = (place - 1) >> 1;
      if (!this.isLess(place, parent)) return;
      this.swap(place, parent);
    }
  }

  private swap(a: u32, b: u32): void {
    const number = this.heap(a);
    this.setHeap(a, this.heap(b));
    this.setHeap(b, number);
  }

  /** Less by count; of equal counts the higher number is less, so that the order is one and the same. */
  private isLess(a: u32, b: u32): bool {
    const one = this.heap(a);
    const two = this.heap(b);
    const oneCount = load<u64>(this.entry(one));
    const twoCount = load<u64>(this.entry(two));
    return oneCount === twoCount ? one > two : oneCount < twoCount;
  }

  private ranked(rank: u32): usize {
    return this.entry(this.heap(this.size() - 1 - rank));
  }

  private slot(number: u32): u32 {
    return load<u32>(this.base + ((<usize>number) << 2), HEADER_BYTES);
  }

  private setSlot(number: u32, value: u32): void {
    store<u32>(this.base + ((<usize>number) << 2), value, HEADER_BYTES);
  }

  private heap(place: u32): u32 {
    return load<u32>(this.base + ((<usize>(this.slots + place)) << 2), HEADER_BYTES);
  }

  private setHeap(place: u32, number: u32): void {
    store<u32>(this.base + ((<usize>(this.slots + place)) << 2), number, HEADER_BYTES);
    store<u32>(this.entry(number), place, PLACE_AT);
  }

  private entry(number: u32): usize {
    return this.base + this.entriesAt + <usize>number * this.entryBytes;
  }
}

/** A power of two, at least twice as many as keys. */
function slotsOf(capacity: u32): u32 {
  return 1 << (33 - clz((capacity - 1) | 1));
}
