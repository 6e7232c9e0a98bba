/**
 * The short way through a JSON line: one object whose values are strings, numbers and words, with no
 * backslash and no bracket but the outer two.
 *
 * In such a line every quote begins or ends a string, so `":` ends a key or begins a value that starts with a
 * colon; before the latter stands no byte that a key of ours ends with. So the line is searched for `":` alone,
 * and what lies before each is compared backwards with the wanted keys, opening quote included. Brackets and
 * backslashes are looked for in the same pass; when one is there, the line takes the long way of json.ts.
 */
import { allocate } from './arena';
import { equalBytes, indexOfByte } from './bytes';
import { Field, STRING, skipSpace } from './jsonvalue';
import { Text } from './text';

const QUOTE: u8 = 0x22;
const COLON: u8 = 0x3a;
const PIPE: u8 = 0x7c;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;

/** A wanted key: its last 8 bytes with the opening quote, a mask of how many of them count, name, field. */
@unmanaged
class Wanted {
  tail: u64 = 0;
  mask: u64 = 0;
  name: Text = new Text();
  field: Field = new Field();
  next: Wanted | null = null;
}

@unmanaged
export class FlatJson {
  private wanted: Wanted | null = null;
  /** One bit for each hash of the two bytes before the closing quote of a wanted key. */
  private endings: u64 = 0;
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
    made.mask = bytes === 8 ? <u64>-1 : ~(<u64>-1 >> (bytes << 3));
    made.tail = load<u64>(end - 8) & made.mask;
    made.name.set(name.start, name.end);
    made.field = field;
    made.next = this.wanted;
    this.wanted = made;
    this.endings |= endingBit(end);
  }

  /** Fills the fields of the line; false when it needs the long way. `start` is at its `{`. */
  parse(start: usize, lineEnd: usize): bool {
    let end = lineEnd;
    while (load<u8>(end - 1) <= 0x20) end--;
    if (this.isImpossible || load<u8>(end - 1) !== CLOSE_BRACE) return false;
    end--;
    const endings = this.endings;
    const quote = i8x16.splat(QUOTE);
    let parity = i8x16.splat(0);
    for (let base = start + 1; base < end; base += 16) {
      const block = v128.load(base);
      // `[ \\ ]` and `{ | }` are the same three codes apart from one bit.
      const folded = i8x16.sub(v128.or(block, i8x16.splat(0x20)), i8x16.splat(OPEN_BRACE));
      let special = i8x16.bitmask(i8x16.lt_u(folded, i8x16.splat(3)));
      let quotes = i8x16.eq(block, quote);
      let keys = i8x16.bitmask(v128.and(quotes, i8x16.eq(v128.load(base + 1), i8x16.splat(COLON))));
      if (base + 16 > end) {
        const inside = (1 << (end - base)) - 1;
        special &= inside;
        keys &= inside;
        quotes = upTo(quotes, end - base);
      }
      parity = v128.xor(parity, quotes);
      if (special && !arePipes(base, special)) return false;
      for (; keys; keys &= keys - 1) {
        const stop = base + ctz(keys);
        if (endings & endingBit(stop) && !this.take(stop, end)) return false;
      }
    }
    return !(popcnt(i8x16.bitmask(parity)) & 1);
  }

  /** Takes the value behind the key that ends at `stop`, when it is wanted; false when it is no plain value. */
  private take(stop: usize, end: usize): bool {
    const tail = load<u64>(stop - 8);
    let wanted = this.wanted;
    while (wanted && !((tail & wanted.mask) === wanted.tail && isWhole(wanted.name, stop)))
      wanted = wanted.next;
    if (!wanted) return true;
    const field = wanted.field;
    const value = skipSpace(stop + 2, end);
    if (value >= end) return false;
    if (load<u8>(value) !== QUOTE) return field.setScalar(value, end);
    const close = indexOfByte(value + 1, end, QUOTE);
    field.kind = STRING;
    field.raw.set(value + 1, close);
    return close < end;
  }
}

/** The rest of a name whose last bytes agree; names of up to 7 bytes have been compared whole, with their quote. */
function isWhole(name: Text, stop: usize): bool {
  if (name.length < 8) return true;
  const start = stop - name.length;
  return load<u8>(start - 1) === QUOTE && equalBytes(start, name.start, name.length);
}

/** One of 64 bits, by the two bytes before `stop`. */
function endingBit(stop: usize): u64 {
  return (<u64>1) << ((<u64>load<u16>(stop - 2) * 0x9e37) >> 8);
}

function arePipes(base: usize, special: i32): bool {
  for (let rest = special; rest; rest &= rest - 1) if (load<u8>(base + ctz(rest)) !== PIPE) return false;
  return true;
}

/** The first `bytes` lanes of a mask; the others zero. */
function upTo(mask: v128, bytes: usize): v128 {
  const lanes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return v128.and(mask, i8x16.lt_u(lanes, i8x16.splat(<i8>bytes)));
}
