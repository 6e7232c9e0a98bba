/**
 * Whether a key was seen before, in memory of fixed size (Bloom, 1970): two generations of a filter of bits.
 *
 *     const devices = new FirstSeen('devices', 65_536, 86_400_000);
 *     if (devices.isNew(address, time)) ...
 *
 * `isNew` is true for a key that was not asked for in this generation or the one before it, so a key counts as new
 * again after between one and two lengths without it. A generation lasts `lengthMs` of event time and then makes
 * room: it never fills for ever. Events from before the last generation mean that a clock was set back; nothing is
 * forgotten then, and time goes on from there. A leap over a whole generation forgets all keys: they are told again.
 *
 * It errs to one side: a key that was seen is never new, but one new key in 800 (0.12 %) at most is taken for seen,
 * as long as hashes are not chosen: 16 bits a key and 8 places give (1 - e^-0.5)^8 = 0.058 % for each
 * generation. The bound always holds, because a generation takes no more than `capacity` keys (rounded up to a power of
 * two): a new key past that is new each time, and counted in `overflowed`; `isFull` says so.
 *
 * Places are two hashes and their sums (Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2006).
 *
 * Merge: or the bits of two that have the same generation.
 *
 *     header: generation i64, keys in the even and in the odd half u32 each
 *     two halves of capacity * 16 bits; generation g is in the half g & 1
 */
import { count, KIND_FIRST_SEEN, OVERFLOWED } from './abi';
import { allocateState } from './arena';
import { sketchHash } from './bytes';
import { beginBytes, Key } from './emit';
import { aggregated } from './ledger';
import { Text } from './text';
import { orReceived } from './time';

/** Keys of one generation. */
export const FIRST_SEEN_KEYS_MAX: u32 = 1 << 22;

const BITS_EACH: u32 = 16;
const PLACES: u32 = 8;
const HEADER_BYTES: usize = 16;
const NEVER: i64 = i64.MIN_VALUE;

@unmanaged
export class FirstSeen {
  private base: usize = 0;
  private length: i64 = 0;
  private capacity: u32 = 0;
  private halfBytes: usize = 0;

  constructor(name: string, capacity: u32, lengthMs: i64) {
    if (capacity < 16 || capacity > FIRST_SEEN_KEYS_MAX || lengthMs <= 0) {
      abort('a FirstSeen takes 16 to 4194304 keys and a length above 0');
    }
    this.length = lengthMs;
    this.capacity = 1 << (32 - clz(capacity - 1));
    this.halfBytes = this.capacity * (BITS_EACH >> 3);
    const bytes = HEADER_BYTES + 2 * this.halfBytes;
    const longer = <u32>(lengthMs >> 32);
    this.base = allocateState(KIND_FIRST_SEEN, name, this.capacity, <u32>lengthMs, longer, bytes);
    store<i64>(this.base, NEVER);
  }

  /** True when the key is seen for the first time; it is remembered. */
  isNew(key: Text, time: i64): bool {
    aggregated();
    this.moveTo(orReceived(time));
    const hash = sketchHash(key.start, key.length);
    const half = <u32>(this.generation() & 1);
    if (this.holds(half, hash)) return false;
    const isKnown = this.holds(half ^ 1, hash);
    if (!this.isFull()) {
      this.remember(half, hash);
      this.setKeys(half, this.keys(half) + 1);
    } else if (!isKnown) count(OVERFLOWED, 1);
    return !isKnown;
  }

  /** True when this generation takes no more keys. */
  isFull(): bool {
    return this.keys(<u32>(this.generation() & 1)) >= this.capacity;
  }

  /** Puts header and bits into the record that is open, as a byte string. */
  put(name: Key): void {
    const bytes = HEADER_BYTES + 2 * this.halfBytes;
    const start = beginBytes(name, bytes);
    if (start) memory.copy(start, this.base, bytes);
  }

  private moveTo(time: i64): void {
    const past = time % this.length;
    const generation = (time - (past < 0 ? past + this.length : past)) / this.length;
    const current = this.generation();
    if (generation === current || (generation === current - 1 && current !== NEVER)) return;
    store<i64>(this.base, generation);
    if (generation < current || current === NEVER) return;
    this.clear(<u32>(generation & 1));
    if (generation > current + 1) this.clear(<u32>(generation & 1) ^ 1);
  }

  private generation(): i64 {
    return load<i64>(this.base);
  }

  private keys(half: u32): u32 {
    return load<u32>(this.base + ((<usize>half) << 2), 8);
  }

  private setKeys(half: u32, keys: u32): void {
    store<u32>(this.base + ((<usize>half) << 2), keys, 8);
  }

  private clear(half: u32): void {
    memory.fill(this.halfAt(half), 0, this.halfBytes);
    this.setKeys(half, 0);
  }

  private holds(half: u32, hash: u64): bool {
    const bits = this.halfAt(half);
    for (let i: u32 = 0; i < PLACES; i++) {
      const bit = this.placeOf(hash, i);
      if (!((load<u8>(bits + (bit >> 3)) >> (<u8>bit & 7)) & 1)) return false;
    }
    return true;
  }

  private remember(half: u32, hash: u64): void {
    const bits = this.halfAt(half);
    for (let i: u32 = 0; i < PLACES; i++) {
      const bit = this.placeOf(hash, i);
      store<u8>(bits + (bit >> 3), load<u8>(bits + (bit >> 3)) | ((<u8>1) << (<u8>bit & 7)));
    }
  }

  @inline
  private placeOf(hash: u64, number: u32): u32 {
    return (<u32>hash + number * (<u32>(hash >> 32) | 1)) & (this.capacity * BITS_EACH - 1);
  }

  private halfAt(half: u32): usize {
    return this.base + HEADER_BYTES + half * this.halfBytes;
  }
}
