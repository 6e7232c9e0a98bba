/**
 * The short way through a JSON line: one object whose values are strings, numbers and words, with no
 * backslash and no bracket but the outer two.
 *
 * In such a line every quote begins or ends a string, so `":` ends a key or begins a value that starts with a
 * colon; before the latter stands no byte that a key of ours ends with. So the line is searched for `":` alone,
 * and what lies before each is compared backwards with the wanted keys, opening quote included. Brackets,
 * backslashes and keys with a space before their colon are looked for in the same pass; when one is there, the line
 * takes the long way of json.ts.
 */
import { allocate } from './arena';
import { equalBytes, indexOfByte, Lanes } from './bytes';
import { Field, STRING, skipSpace } from './jsonvalue';
import { Text } from './text';

const QUOTE: u8 = 0x22;
const COLON: u8 = 0x3a;
const PIPE: u8 = 0x7c;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;
/** Pointers to wanted keys; most keys of a line meet an empty one. */
const ENDINGS: usize = 64;
/** Looked at in one step: about a quarter of a line, so that few branches depend on where its keys lie. */
const CHUNK_BYTES: usize = 64;

/** A wanted key: its last 8 bytes with the opening quote, a mask of how many of them count, name, field. */
@unmanaged
class Wanted {
  tail: u64 = 0;
  mask: u64 = 0;
  isShort: bool = false;
  name: Text = new Text();
  field: Field = new Field();
  next: Wanted | null = null;
}

@unmanaged
export class FlatJson {
  /** Wanted keys by the hash of the two bytes before their closing quote: ENDINGS pointers. */
  private wanted: usize = allocate(sizeof<usize>() * ENDINGS);
  /** A key that this way could mistake: every line takes the long one. */
  private isImpossible: bool = false;

  add(name: Text, field: Field): void {
    for (let at = name.start; at < name.end; at++) {
      const byte = load<u8>(at);
      if (byte <= 0x20 || byte === QUOTE || byte === COLON || byte === 0x2c || byte === 0x5c)
        this.isImpossible = true;
    }
    if (name.isEmpty()) this.isImpossible = true;
    const quoted = allocate(name.length + 8) + 7;
    store<u8>(quoted, QUOTE);
    memory.copy(quoted + 1, name.start, name.length);
    const end = quoted + 1 + name.length;
    const made = new Wanted();
    const bytes = min<usize>(name.length + 1, 8);
    made.isShort = name.length < 8;
    made.mask = bytes === 8 ? <u64>-1 : ~(<u64>-1 >> (bytes << 3));
    made.tail = load<u64>(end - 8) & made.mask;
    made.name.set(name.start, name.end);
    made.field = field;
    const first = this.wanted + endingAt(end);
    made.next = changetype<Wanted | null>(load<usize>(first));
    store<usize>(first, changetype<usize>(made));
  }

  /** Fills the fields of the line; false when it needs the long way. `start` is at its `{`. */
  parse(start: usize, lineEnd: usize): bool {
    let end = lineEnd;
    while (load<u8>(end - 1) <= 0x20) end--;
    if (this.isImpossible || load<u8>(end - 1) !== CLOSE_BRACE) return false;
    end--;
    const endings = this.wanted;
    const quote = i8x16.splat(QUOTE);
    const colon = i8x16.splat(COLON);
    // Of all quotes only whether their number is odd: one bit for each 16th place, and those of the last chunk.
    let quotes = i8x16.splat(0);
    let lastQuotes: u64 = 0;
    for (let base = start + 1; base < end; base += CHUNK_BYTES) {
      const p = v128.load(base);
      const pNext = v128.load(base, 1);
      const q = v128.load(base, 16);
      const qNext = v128.load(base, 17);
      const r = v128.load(base, 32);
      const rNext = v128.load(base, 33);
      const s = v128.load(base, 48);
      const sNext = v128.load(base, 49);
      const pQuote = i8x16.eq(p, quote);
      const qQuote = i8x16.eq(q, quote);
      const rQuote = i8x16.eq(r, quote);
      const sQuote = i8x16.eq(s, quote);
      const pEnd = v128.and(pQuote, i8x16.eq(pNext, colon));
      const qEnd = v128.and(qQuote, i8x16.eq(qNext, colon));
      const rEnd = v128.and(rQuote, i8x16.eq(rNext, colon));
      const sEnd = v128.and(sQuote, i8x16.eq(sNext, colon));
      let ends = Lanes.bits(pEnd, qEnd, rEnd, sEnd);
      const pSpecial = this.isSpecial(p, pQuote, pNext);
      const qSpecial = this.isSpecial(q, qQuote, qNext);
      const rSpecial = this.isSpecial(r, rQuote, rNext);
      const sSpecial = this.isSpecial(s, sQuote, sNext);
      if (end - base < CHUNK_BYTES) {
        const inside = ((<u64>1) << (end - base)) - 1;
        const special = Lanes.bits(pSpecial, qSpecial, rSpecial, sSpecial) & inside;
        if (special && !areHarmless(base, special, end)) return false;
        ends &= inside;
        lastQuotes = Lanes.bits(pQuote, qQuote, rQuote, sQuote) & inside;
      } else {
        const hasSpecial = v128.any_true(v128.or(v128.or(pSpecial, qSpecial), v128.or(rSpecial, sSpecial)));
        if (hasSpecial && !areHarmless(base, Lanes.bits(pSpecial, qSpecial, rSpecial, sSpecial), end))
          return false;
        quotes = v128.xor(quotes, v128.xor(v128.xor(pQuote, qQuote), v128.xor(rQuote, sQuote)));
      }
      for (; ends; ends &= ends - 1) {
        const stop = base + <usize>ctz(ends);
        const wanted = load<usize>(endings + endingAt(stop));
        if (wanted && !take(changetype<Wanted>(wanted), stop, end)) return false;
      }
    }
    return !((<i32>popcnt(lastQuotes) + popcnt(i8x16.bitmask(quotes))) & 1);
  }

  /**
   * A bracket, a backslash, a pipe, or a quote with a space behind it. `[ \\ ]` and `{ | }` are the same three codes
   * apart from one bit.
   */
  @inline
  private isSpecial(block: v128, quote: v128, next: v128): v128 {
    const folded = i8x16.sub(v128.or(block, i8x16.splat(0x20)), i8x16.splat(OPEN_BRACE));
    const isSpaced = v128.and(quote, i8x16.le_u(next, i8x16.splat(0x20)));
    return v128.or(i8x16.le_u(folded, i8x16.splat(2)), isSpaced);
  }
}

/** Takes the value behind the key that ends at `stop`, when it is wanted; false when it is no plain value. */
function take(first: Wanted, stop: usize, end: usize): bool {
  const tail = load<u64>(stop - 8);
  let wanted: Wanted | null = first;
  while (wanted && !((tail & wanted.mask) === wanted.tail && (wanted.isShort || isWhole(wanted.name, stop))))
    wanted = wanted.next;
  if (!wanted) return true;
  const field = wanted.field;
  let value = stop + 2;
  if (load<u8>(value) <= 0x20) value = skipSpace(value, end);
  if (value >= end) return false;
  if (load<u8>(value) !== QUOTE) return field.setScalar(value, end);
  const hits = i8x16.bitmask(i8x16.eq(v128.load(value, 1), i8x16.splat(QUOTE)));
  const close = hits ? value + 1 + <usize>ctz(hits) : indexOfByte(value + 17, end, QUOTE);
  field.kind = STRING;
  field.raw.set(value + 1, close);
  return close < end;
}

/** The rest of a name whose last bytes agree; names of up to 7 bytes have been compared whole, with their quote. */
function isWhole(name: Text, stop: usize): bool {
  const start = stop - name.length;
  return load<u8>(start - 1) === QUOTE && equalBytes(start, name.start, name.length);
}

/** Offset of a pointer in the table of wanted keys, by the two bytes before `stop`. */
function endingAt(stop: usize): usize {
  return (((<usize>load<u16>(stop - 2) * 0x9e37) >> 8) % ENDINGS) << alignof<usize>();
}

/** Pipes, and quotes with spaces behind them that end no key. */
function areHarmless(base: usize, special: u64, end: usize): bool {
  for (let rest = special; rest; rest &= rest - 1) {
    const at = base + <usize>ctz(rest);
    const byte = load<u8>(at);
    if (byte === QUOTE) {
      const behind = skipSpace(at + 1, end);
      if (behind < end && load<u8>(behind) === COLON) return false;
    } else if (byte !== PIPE) return false;
  }
  return true;
}
