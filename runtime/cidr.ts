/**
 * A set of address prefixes, prepared while the filter starts: is an address in one of them?
 *
 *     const internal = new CidrSet(['10.0.0.0/8', 'fd00::/8', '192.0.2.7']);
 *     internal.has(address)
 *
 * A prefix is an address with `/bits`, or one address alone; bits behind the prefix must be 0, because a set bit
 * there is a mistake more often than not. IPv4 is taken as IPv6 in ::ffff:0:0/96 (RFC 4291, section 2.5.5.2), so
 * `10.0.0.0/8` also holds `::ffff:10.1.2.3`, and `::/0` every address there is.
 *
 * Prefixes are kept as ranges that do not overlap, in order; a question is one parse and at most 12 comparisons.
 *
 *     range: first address, last address; each high u64, low u64
 */
import { Address } from './address';
import { allocate } from './arena';
import { Config } from './config';
import { NO_NUMBER, parseDecimal } from './number';
import { literal, Text } from './text';

/** Prefixes of one set. */
export const PREFIXES_MAX: u32 = 1024;

const RANGE_BYTES: usize = 32;
const SLASH: u8 = 0x2f;
const COLON: u8 = 0x3a;

@unmanaged
export class CidrSet {
  private ranges: usize = 0;
  private size: u32 = 0;
  private address: Address = new Address();

  /** A prefix that is none, or more than 1,024 of them, stops the filter. */
  constructor(prefixes: string[]) {
    this.reserve(prefixes.length);
    for (let i = 0; i < prefixes.length; i++) {
      if (!this.add(literal(prefixes[i]))) abort('"' + prefixes[i] + '" is not a prefix such as 10.0.0.0/8');
    }
  }

  /** A set of the prefixes in a list of the config. */
  static from(list: Config): CidrSet {
    const set = new CidrSet([]);
    if (list.size() > <i32>PREFIXES_MAX) list.refuse('up to 1024 prefixes');
    set.reserve(list.size());
    for (let i = 0; i < list.size(); i++) {
      if (!set.add(list.item(i).text())) list.item(i).refuse('a prefix such as "10.0.0.0/8"');
    }
    return set;
  }

  /** True when the text is an address (a `%zone` is passed over) in one of the prefixes. */
  has(text: Text): bool {
    return this.address.parse(text) && this.holds(this.address);
  }

  holds(address: Address): bool {
    const after = this.firstAfter(address.high, address.low);
    if (!after) return false;
    const last = this.rangeAt(after - 1) + 16;
    return !isAbove(address.high, address.low, load<u64>(last), load<u64>(last, 8));
  }

  private reserve(prefixes: i32): void {
    if (prefixes > <i32>PREFIXES_MAX) abort('a CidrSet takes up to 1024 prefixes');
    this.ranges = allocate(RANGE_BYTES * <usize>(prefixes + 1));
  }

  private add(prefix: Text): bool {
    const slash = prefix.indexOfByte(SLASH);
    const address = new Text().set(prefix.start, slash < 0 ? prefix.end : prefix.start + slash);
    if (!this.address.parse(address)) return false;
    const bitsMax = address.indexOfByte(COLON) < 0 ? 32 : 128;
    const bits = slash < 0 ? bitsMax : parseDecimal(new Text().set(address.end + 1, prefix.end), 0, bitsMax);
    if (bits === NO_NUMBER) return false;
    const free = bitsMax - bits;
    const freeHigh = maskOf(free - 64);
    const freeLow = maskOf(free);
    const high = this.address.high;
    const low = this.address.low;
    if ((high & freeHigh) | (low & freeLow)) return false;
    this.insert(high, low, high | freeHigh, low | freeLow);
    return true;
  }

  /** Prefixes lie inside of each other or apart: a range is left out, or takes the place of those inside of it. */
  private insert(firstHigh: u64, firstLow: u64, lastHigh: u64, lastLow: u64): void {
    let from = this.firstAfter(firstHigh, firstLow);
    if (from) {
      const before = this.rangeAt(from - 1);
      if (!isAbove(lastHigh, lastLow, load<u64>(before, 16), load<u64>(before, 24))) return;
      if (load<u64>(before) === firstHigh && load<u64>(before, 8) === firstLow) from--;
    }
    const to = this.firstAfter(lastHigh, lastLow);
    memory.copy(this.rangeAt(from + 1), this.rangeAt(to), RANGE_BYTES * (this.size - to));
    this.size = this.size - (to - from) + 1;
    const range = this.rangeAt(from);
    store<u64>(range, firstHigh);
    store<u64>(range, firstLow, 8);
    store<u64>(range, lastHigh, 16);
    store<u64>(range, lastLow, 24);
  }

  /** Number of the first range that begins behind the address. */
  private firstAfter(high: u64, low: u64): u32 {
    let from: u32 = 0;
    for (let to = this.size; from < to; ) {
      const middle = (from + to) >> 1;
      const first = this.rangeAt(middle);
      if (isAbove(load<u64>(first), load<u64>(first, 8), high, low)) to = middle;
      else from = middle + 1;
    }
    return from;
  }

  private rangeAt(number: u32): usize {
    return this.ranges + RANGE_BYTES * number;
  }
}

function isAbove(high: u64, low: u64, otherHigh: u64, otherLow: u64): bool {
  return high === otherHigh ? low > otherLow : high > otherHigh;
}

/** The lowest `bits` bits set: none below 1, all of them from 64 on. */
function maskOf(bits: i64): u64 {
  if (bits <= 0) return 0;
  return bits >= 64 ? u64.MAX_VALUE : ((<u64>1) << bits) - 1;
}
