/**
 * The prefilter: a search of the whole batch for a few literals at once, so that only lines that hold one of
 * them are ever looked at. Newlines on the way are counted in the same pass, so that every line is accounted for.
 *
 * Up to 8 literals, per 16 bytes and literal: compare two of its bytes at 16 places at once, and verify the few
 * places where both agree (Muła, "SIMD-friendly algorithms for substring searching"). The two bytes are those that
 * are least common in logs, because quotes and vowels would agree everywhere; the rarer one is looked for in the
 * block itself, which then serves the newlines, too. More literals, up to 1,024, are searched as patterns.ts does;
 * `prepare` chooses.
 */

import { allocate } from './arena';
import { equalBytes, LANE_STEPS_MAX, sumLanes } from './bytes';
import { PATTERN_BYTES_MAX, PATTERNS_MAX, Patterns } from './patterns';
import { Text } from './text';

/** Literals that are compared one by one; with more of them the method changes. */
export const LITERALS_MAX: u32 = 8;

/** A literal's search entry: splats of two of its bytes, offset of the first, from there to the second, start, length. */
const ENTRY_BYTES: usize = 48;
const FIRST_AT: usize = 32;
const STEP_AT: usize = 36;
const START_AT: usize = 40;
const LENGTH_AT: usize = 44;
/** Bytes of logs from common to rare; any other byte is rarer. */
const COMMON = ' e0t1"a2:o,n3is4r-5.6l/d7c89_u=p[]hmg()byfSATEIvkwCLRDPNM';
const NEWLINE: u8 = 10;

export class Prefilter {
  entries: usize = 0;
  literals: u32 = 0;
  /** Newlines that the last `next` passed over. */
  newlines: u32 = 0;
  private texts: Text[] = [];
  private patterns: Patterns | null = null;

  add(literal: Text): void {
    if (literal.length < 2 || this.literals >= PATTERNS_MAX) {
      abort('a prefilter takes up to 1024 literals of 2 bytes or more');
    }
    this.texts.push(literal);
    this.literals++;
  }

  /** Ends the adding: call it when the filter has started. */
  prepare(): void {
    if (this.literals > LITERALS_MAX) {
      this.patterns = new Patterns(StaticArray.fromArray(this.texts));
      return;
    }
    this.entries = allocate(ENTRY_BYTES * this.literals);
    for (let i: u32 = 0; i < this.literals; i++)
      enter(this.entries + i * ENTRY_BYTES, unchecked(this.texts[i]));
  }

  /** A place in the first literal in [from, end), or `end`; `newlines` counts those before it. */
  next(from: usize, end: usize): usize {
    const patterns = this.patterns;
    if (patterns) {
      const found = patterns.next(from, end);
      this.newlines = patterns.newlines;
      return found;
    }
    this.newlines = 0;
    return this.literals <= 2 ? this.nextOfTwo(from, end) : this.nextOfFew(from, end);
  }

  private nextOfTwo(from: usize, end: usize): usize {
    const one = this.entries;
    const two = this.entries + (this.literals - 1) * ENTRY_BYTES;
    const byteA = v128.load(one);
    const byteB = v128.load(one, 16);
    const byteC = v128.load(two);
    const byteD = v128.load(two, 16);
    const toB = load<usize>(one, STEP_AT);
    const toD = load<usize>(two, STEP_AT);
    const newline = i8x16.splat(NEWLINE);
    let at = from;
    while (at + 32 <= end) {
      const stop = min(end - 32, at + 32 * LANE_STEPS_MAX);
      let lanes = i8x16.splat(0);
      let found = false;
      for (; at <= stop; at += 32) {
        const p = v128.load(at);
        const q = v128.load(at, 16);
        const hits = v128.or(
          v128.or(
            v128.and(i8x16.eq(p, byteA), i8x16.eq(v128.load(at + toB), byteB)),
            v128.and(i8x16.eq(p, byteC), i8x16.eq(v128.load(at + toD), byteD)),
          ),
          v128.or(
            v128.and(i8x16.eq(q, byteA), i8x16.eq(v128.load(at + toB, 16), byteB)),
            v128.and(i8x16.eq(q, byteC), i8x16.eq(v128.load(at + toD, 16), byteD)),
          ),
        );
        if (v128.any_true(hits)) {
          found = true;
          break;
        }
        lanes = i8x16.sub(lanes, i8x16.eq(p, newline));
        lanes = i8x16.sub(lanes, i8x16.eq(q, newline));
      }
      this.newlines += sumLanes(lanes);
      if (found) {
        const hit = this.verify(at, at + 32, from, end);
        if (hit < at + 32) return hit;
        at += 32;
      }
    }
    return this.nextInRest(at, from, end);
  }

  /** As `nextOfTwo`, with the literals' bytes in memory: registers hold those of two. */
  private nextOfFew(from: usize, end: usize): usize {
    const entriesEnd = this.entries + this.literals * ENTRY_BYTES;
    const newline = i8x16.splat(NEWLINE);
    let at = from;
    while (at + 32 <= end) {
      const stop = min(end - 32, at + 32 * LANE_STEPS_MAX);
      let lanes = i8x16.splat(0);
      let hits = i8x16.splat(0);
      for (; at <= stop; at += 32) {
        const p = v128.load(at);
        const q = v128.load(at, 16);
        for (let entry = this.entries; entry < entriesEnd; entry += ENTRY_BYTES) {
          const first = v128.load(entry);
          const second = v128.load(entry, 16);
          const other = at + load<usize>(entry, STEP_AT);
          hits = v128.or(
            hits,
            v128.or(
              v128.and(i8x16.eq(p, first), i8x16.eq(v128.load(other), second)),
              v128.and(i8x16.eq(q, first), i8x16.eq(v128.load(other, 16), second)),
            ),
          );
        }
        if (v128.any_true(hits)) break;
        lanes = i8x16.sub(lanes, i8x16.eq(p, newline));
        lanes = i8x16.sub(lanes, i8x16.eq(q, newline));
      }
      this.newlines += sumLanes(lanes);
      if (v128.any_true(hits)) {
        const hit = this.verify(at, at + 32, from, end);
        if (hit < at + 32) return hit;
        at += 32;
      }
    }
    return this.nextInRest(at, from, end);
  }

  /** What is left when there are less than 32 bytes. */
  private nextInRest(at: usize, from: usize, end: usize): usize {
    for (; at < end; at += 16) {
      const hit = this.verify(at, min(at + 16, end), from, end);
      if (hit < min(at + 16, end)) return hit;
    }
    return end;
  }

  /** Place in [at, stop) of a literal's first byte, the literal within [from, end), else `stop`; counts newlines before it. */
  private verify(at: usize, stop: usize, from: usize, end: usize): usize {
    const newline = i8x16.splat(NEWLINE);
    for (; at < stop; at += 16) {
      const block = v128.load(at);
      const inside = at + 16 > stop ? (1 << (stop - at)) - 1 : 0xffff;
      let candidates = 0;
      for (let i: u32 = 0; i < this.literals; i++) {
        const entry = this.entries + i * ENTRY_BYTES;
        const second = v128.load(at + load<usize>(entry, STEP_AT));
        candidates |= i8x16.bitmask(
          v128.and(i8x16.eq(block, v128.load(entry)), i8x16.eq(second, v128.load(entry, 16))),
        );
      }
      const lines = i8x16.bitmask(i8x16.eq(block, newline)) & inside;
      for (candidates &= inside; candidates; candidates &= candidates - 1) {
        const place = ctz(candidates);
        if (this.isAt(at + place, from, end)) {
          this.newlines += popcnt(lines & ((1 << place) - 1));
          return at + place;
        }
      }
      this.newlines += popcnt(lines);
    }
    return stop;
  }

  private isAt(place: usize, from: usize, end: usize): bool {
    for (let i: u32 = 0; i < this.literals; i++) {
      const entry = this.entries + i * ENTRY_BYTES;
      const start = place - load<usize>(entry, FIRST_AT);
      const bytes = load<usize>(entry, LENGTH_AT);
      if (start >= from && start + bytes <= end && equalBytes(start, load<usize>(entry, START_AT), bytes))
        return true;
    }
    return false;
  }
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
 * Offset of the literal's least common byte, other than the one at `except`; among the first 255, so that no block
 * lies far outside of the batch.
 */
function rarest(literal: Text, except: usize): usize {
  let best: usize = except ? 0 : 1;
  for (let i: usize = 0; i < min(literal.length, PATTERN_BYTES_MAX); i++) {
    if (i !== except && rarity(literal.at(i)) > rarity(literal.at(best))) best = i;
  }
  return best;
}

function rarity(byte: u8): i32 {
  const place = COMMON.indexOf(String.fromCharCode(byte));
  return place < 0 ? COMMON.length : place;
}
