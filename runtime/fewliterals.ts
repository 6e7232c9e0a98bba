/**
 * A few literals, up to 8, that are searched at once, with the newlines on the way counted in the same pass.
 *
 * Per 16 bytes and literal: compare two of its bytes at 16 places at once, and verify the few places where both agree
 * (Muła, "SIMD-friendly algorithms for substring searching"). The two bytes are those that are least common in logs,
 * because quotes and vowels would agree everywhere; the rarer one is looked for in the block itself, which then serves
 * the newlines, too. Four vectors make a block, which has one branch.
 */

import { allocate } from './arena';
import { equalBytes, LANE_STEPS_MAX, Lanes } from './bytes';
import { PATTERN_BYTES_MAX } from './patterns';
import { Text } from './text';

/** Literals that are compared one by one. */
export const LITERALS_MAX: u32 = 8;

/** A literal's search entry: splats of two of its bytes, offset of the first, from there to the second, start, length. */
const ENTRY_BYTES: usize = 48;
const FIRST_AT: usize = 32;
const STEP_AT: usize = 36;
const START_AT: usize = 40;
const LENGTH_AT: usize = 44;
const NEWLINE: u8 = 10;
const BACKSLASH: u8 = 0x5c;
/** Looked at in one step, with one branch. */
const BLOCK_BYTES: usize = 64;
/** Blocks whose newlines, four a block and lane, a lane of 8 bits can hold. */
const BLOCKS_MAX: usize = LANE_STEPS_MAX / 2;
/** Backslashes that begin no escape that is looked for: after so many, both its bytes are compared everywhere. */
const ESCAPES_MAX: i32 = 4;

@unmanaged
export class FewLiterals {
  /** Newlines that the last `next` passed over. */
  newlines: u32 = 0;
  private entries: usize = 0;
  private size: u32 = 0;
  /** Two literals, and the second is an escape. */
  private isWithEscape: bool = false;
  /** The last block that was passed may hold a literal. */
  private isSuspect: bool = false;

  constructor(literals: StaticArray<Text>) {
    this.size = <u32>literals.length;
    this.entries = allocate(ENTRY_BYTES * this.size);
    for (let i: u32 = 0; i < this.size; i++) enter(this.entries + i * ENTRY_BYTES, unchecked(literals[i]));
    this.isWithEscape = this.size === 2 && unchecked(literals[1]).at(0) === BACKSLASH;
  }

  /** A place in the first literal in [from, end), or `end`; `newlines` counts those before it. */
  next(from: usize, end: usize): usize {
    this.newlines = 0;
    let escapes = this.isWithEscape ? ESCAPES_MAX : 0;
    let at = from;
    while (at + BLOCK_BYTES <= end) {
      const blocks = min((end - at) / BLOCK_BYTES, BLOCKS_MAX);
      at = this.pass(at, blocks, escapes > 0);
      if (!this.isSuspect) continue;
      const found = this.placeIn(at - BLOCK_BYTES, at, from, end);
      if (found) return found;
      escapes--;
    }
    if (at === end) return end;
    this.newlines += <u32>popcnt(this.newlinesAt(at) & below(end - at));
    const found = this.placeIn(at, end, from, end);
    return found ? found : end;
  }

  /**
   * Passes over blocks up to the first one that may hold a literal, and counts their newlines; answers where it
   * stops. The number of blocks is counted down, because an address to stop at would be computed anew in each turn.
   */
  private pass(at: usize, blocks: usize, isByEscape: bool): usize {
    if (this.size === 1) return this.passOne(at, blocks);
    if (this.size > 2) return this.passFew(at, blocks);
    return isByEscape ? this.passOneOrEscape(at, blocks) : this.passTwo(at, blocks);
  }

  private passOne(at: usize, blocks: usize): usize {
    const first = v128.load(this.entries);
    const second = v128.load(this.entries, 16);
    const step = load<usize>(this.entries, STEP_AT);
    let lanes = i8x16.splat(0);
    let hits = i8x16.splat(0);
    do {
      const p = v128.load(at);
      const q = v128.load(at, 16);
      const r = v128.load(at, 32);
      const s = v128.load(at, 48);
      lanes = this.countNewlines(lanes, p, q, r, s);
      hits = this.pairs(p, q, r, s, at + step, first, second);
      at += BLOCK_BYTES;
      if (i8x16.bitmask(hits)) break;
    } while (--blocks);
    return this.passed(at, lanes, hits);
  }

  /** As two, but of the escape its backslash alone, which few logs have at all. */
  private passOneOrEscape(at: usize, blocks: usize): usize {
    const first = v128.load(this.entries);
    const second = v128.load(this.entries, 16);
    const step = load<usize>(this.entries, STEP_AT);
    const escape = i8x16.splat(BACKSLASH);
    let lanes = i8x16.splat(0);
    let hits = i8x16.splat(0);
    do {
      const p = v128.load(at);
      const q = v128.load(at, 16);
      const r = v128.load(at, 32);
      const s = v128.load(at, 48);
      lanes = this.countNewlines(lanes, p, q, r, s);
      const other = at + step;
      hits = v128.or(
        v128.or(
          v128.or(this.pair(p, v128.load(other), first, second), i8x16.eq(p, escape)),
          v128.or(this.pair(q, v128.load(other, 16), first, second), i8x16.eq(q, escape)),
        ),
        v128.or(
          v128.or(this.pair(r, v128.load(other, 32), first, second), i8x16.eq(r, escape)),
          v128.or(this.pair(s, v128.load(other, 48), first, second), i8x16.eq(s, escape)),
        ),
      );
      at += BLOCK_BYTES;
      if (i8x16.bitmask(hits)) break;
    } while (--blocks);
    return this.passed(at, lanes, hits);
  }

  /** In steps of half a block, of which all vectors find room in registers. */
  private passTwo(at: usize, blocks: usize): usize {
    const one = this.entries;
    const firstOfOne = v128.load(one);
    const secondOfOne = v128.load(one, 16);
    const stepOfOne = load<usize>(one, STEP_AT);
    const firstOfTwo = v128.load(one, ENTRY_BYTES);
    const secondOfTwo = v128.load(one, ENTRY_BYTES + 16);
    const stepOfTwo = load<usize>(one, ENTRY_BYTES + STEP_AT);
    const newline = i8x16.splat(NEWLINE);
    let steps = blocks << 1;
    let lanes = i8x16.splat(0);
    let hits = i8x16.splat(0);
    do {
      const p = v128.load(at);
      const q = v128.load(at, 16);
      lanes = i8x16.sub(lanes, i8x16.add(i8x16.eq(p, newline), i8x16.eq(q, newline)));
      const ofOne = at + stepOfOne;
      const ofTwo = at + stepOfTwo;
      hits = v128.or(
        v128.or(
          this.pair(p, v128.load(ofOne), firstOfOne, secondOfOne),
          this.pair(q, v128.load(ofOne, 16), firstOfOne, secondOfOne),
        ),
        v128.or(
          this.pair(p, v128.load(ofTwo), firstOfTwo, secondOfTwo),
          this.pair(q, v128.load(ofTwo, 16), firstOfTwo, secondOfTwo),
        ),
      );
      at += BLOCK_BYTES / 2;
      if (i8x16.bitmask(hits)) break;
    } while (--steps);
    return this.passed(at, lanes, hits);
  }

  /** As two, with the literals' bytes in memory: registers hold those of two. */
  private passFew(at: usize, blocks: usize): usize {
    const entriesEnd = this.entries + this.size * ENTRY_BYTES;
    let lanes = i8x16.splat(0);
    let hits = i8x16.splat(0);
    do {
      const p = v128.load(at);
      const q = v128.load(at, 16);
      const r = v128.load(at, 32);
      const s = v128.load(at, 48);
      lanes = this.countNewlines(lanes, p, q, r, s);
      for (let entry = this.entries; entry < entriesEnd; entry += ENTRY_BYTES) {
        const other = at + load<usize>(entry, STEP_AT);
        hits = v128.or(hits, this.pairs(p, q, r, s, other, v128.load(entry), v128.load(entry, 16)));
      }
      at += BLOCK_BYTES;
      if (i8x16.bitmask(hits)) break;
    } while (--blocks);
    return this.passed(at, lanes, hits);
  }

  @inline
  private passed(at: usize, lanes: v128, hits: v128): usize {
    this.newlines += Lanes.sum(lanes);
    this.isSuspect = v128.any_true(hits);
    return at;
  }

  /**
   * Place in [block, stop) of a literal's rarest byte, the literal within [from, end), or 0; takes newlines behind it
   * back from those that were counted. The block may begin before `from`.
   */
  private placeIn(block: usize, stop: usize, from: usize, end: usize): usize {
    let candidates: u64 = 0;
    for (let i: u32 = 0; i < this.size; i++) {
      const entry = this.entries + i * ENTRY_BYTES;
      const other = block + load<usize>(entry, STEP_AT);
      const first = v128.load(entry);
      const second = v128.load(entry, 16);
      candidates |= Lanes.bits(
        this.pair(v128.load(block), v128.load(other), first, second),
        this.pair(v128.load(block, 16), v128.load(other, 16), first, second),
        this.pair(v128.load(block, 32), v128.load(other, 32), first, second),
        this.pair(v128.load(block, 48), v128.load(other, 48), first, second),
      );
    }
    const inside = below(stop - block);
    for (candidates &= inside; candidates; candidates &= candidates - 1) {
      const offset = <usize>ctz(candidates);
      if (!this.isAt(block + offset, from, end)) continue;
      this.newlines -= <u32>popcnt((this.newlinesAt(block) & inside) >> offset);
      return block + offset;
    }
    return 0;
  }

  @inline
  private pair(block: v128, other: v128, first: v128, second: v128): v128 {
    return v128.and(i8x16.eq(block, first), i8x16.eq(other, second));
  }

  /** Places of four blocks at which both bytes agree, the second ones those from `other` on; all in one vector. */
  @inline
  private pairs(p: v128, q: v128, r: v128, s: v128, other: usize, first: v128, second: v128): v128 {
    return v128.or(
      v128.or(
        this.pair(p, v128.load(other), first, second),
        this.pair(q, v128.load(other, 16), first, second),
      ),
      v128.or(
        this.pair(r, v128.load(other, 32), first, second),
        this.pair(s, v128.load(other, 48), first, second),
      ),
    );
  }

  @inline
  private countNewlines(lanes: v128, p: v128, q: v128, r: v128, s: v128): v128 {
    const newline = i8x16.splat(NEWLINE);
    const some = i8x16.add(i8x16.eq(p, newline), i8x16.eq(q, newline));
    const others = i8x16.add(i8x16.eq(r, newline), i8x16.eq(s, newline));
    return i8x16.sub(lanes, i8x16.add(some, others));
  }

  /** One bit for each newline of the 64 bytes at `at`. */
  @inline
  private newlinesAt(at: usize): u64 {
    const newline = i8x16.splat(NEWLINE);
    return Lanes.bits(
      i8x16.eq(v128.load(at), newline),
      i8x16.eq(v128.load(at, 16), newline),
      i8x16.eq(v128.load(at, 32), newline),
      i8x16.eq(v128.load(at, 48), newline),
    );
  }

  private isAt(place: usize, from: usize, end: usize): bool {
    for (let i: u32 = 0; i < this.size; i++) {
      const entry = this.entries + i * ENTRY_BYTES;
      const start = place - load<usize>(entry, FIRST_AT);
      const bytes = load<usize>(entry, LENGTH_AT);
      if (start >= from && start + bytes <= end && equalBytes(start, load<usize>(entry, START_AT), bytes))
        return true;
    }
    return false;
  }
}

/** The lowest bits, up to 64 of them. */
function below(count: usize): u64 {
  return count < 64 ? ((<u64>1) << count) - 1 : u64.MAX_VALUE;
}

function enter(entry: usize, literal: Text): void {
  const first = rarest(literal, literal.length);
  const second = rarest(literal, first);
  v128.store(entry, i8x16.splat(load<u8>(literal.start + first)));
  v128.store(entry, i8x16.splat(load<u8>(literal.start + second)), 16);
  store<usize>(entry, first, FIRST_AT);
  store<usize>(entry, second - first, STEP_AT);
  store<usize>(entry, literal.start, START_AT);
  store<usize>(entry, literal.length, LENGTH_AT);
}

/**
 * Offset of the literal's least common byte, other than the one at `except`, and another byte than that where it has one: else in a
 * run of that byte both would agree everywhere. Among the first 255, so that no block lies far outside of the batch.
 */
function rarest(literal: Text, except: usize): usize {
  const taken = except < literal.length ? <i32>literal.at(except) : -1;
  let best: usize = except ? 0 : 1;
  let most = -1;
  for (let i: usize = 0; i < min(literal.length, PATTERN_BYTES_MAX); i++) {
    const byte = literal.at(i);
    const found = byte === taken ? 0 : rarity(byte);
    if (i === except || found <= most) continue;
    best = i;
    most = found;
  }
  return best;
}

/** Place among the bytes of logs from common to rare; any other byte is rarer. */
function rarity(byte: u8): i32 {
  const common = ' e0t1"a2:o,n3is4r-5.6l/d7c89_u=p[]hmg()byfSATEIvkwCLRDPNM';
  const place = common.indexOf(String.fromCharCode(byte));
  return place < 0 ? common.length : place;
}
