/**
 * Pairs `key=value`, as firewalls write them, without building a list.
 *
 *     const pairs = new KeyValue();
 *     const user = pairs.field(literal('user'));          while the filter starts
 *     if (!pairs.parse(line)) return malformed();         in an event
 *     user.isPresent; user.text();                        text() decodes escapes
 *
 *     <30>device="SFW" date=2026-01-31 user_name="a \"b\"" src_ip=192.0.2.1 message=""     Sophos
 *     date=2026-01-31 time=10:00:00 type="event" msg="login failed"                        Fortinet
 *     IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 LEN=60 DF PROTO=TCP                         netfilter
 *
 * A key is what stands between a separator and `=`: it holds no quote and no `=`. Separators are spaces, control
 * bytes (tab), commas, semicolons, the closing quote of a value, and a syslog priority that begins the text. Words
 * without `=` are passed over. So `parse` takes a whole line or `syslog.message`.
 *
 * A value that begins with a quote runs to the next quote without a backslash before it, or to the end of the text;
 * `\"` and `\\` are its escapes, any other backslash is itself. Any other value runs to the next space or control
 * byte. A comma or semicolon ends it only where a space, the end or another `key=` follows: `ports=80,443` is whole.
 *
 * Of a repeated key the first value counts: firewalls put what they know themselves in front of what a client sent,
 * and netfilter tells the packet inside of an ICMP error last. Reading ends with the last field that is wanted.
 * A text without any pair is malformed.
 *
 * audit.ts reads its pairs with this reader, too: there quotes have no escapes, `'` and `(` separate as well, `'` ends
 * a value at the end of a group (`msg='op=login res=success'`), and `?` and `(null)` are no values.
 */
import { indexOfByte, Lanes } from './bytes';
import { Names } from './names';
import { literal, Text } from './text';
import { BACKSLASHES, HEX, isHex, PLAIN, Value } from './value';

/** What a reader of pairs reads. */
export const FIREWALL: i32 = 0;
export const AUDIT: i32 = 1;

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const APOSTROPHE: u8 = 0x27;
const OPEN: u8 = 0x28;
const CLOSE: u8 = 0x29;
const COMMA: u8 = 0x2c;
const SEMICOLON: u8 = 0x3b;
const LESS: u8 = 0x3c;
const EQUALS: u8 = 0x3d;
const GREATER: u8 = 0x3e;
const QUESTION: u8 = 0x3f;
const BACKSLASH: u8 = 0x5c;
/** Looked at in one step. */
const CHUNK_BYTES: usize = 64;
/** `<` and up to three digits before the `>` of a priority. */
const PRIORITY_BYTES_MAX: usize = 4;

@unmanaged
export class KeyValue {
  private names: Names = new Names();
  private isPair: bool = false;
  /** The last byte read that no key holds. */
  private lastBreak: usize = 0;
  /** The quote that ended the last value with quotes, or the byte before the text. */
  private closed: usize = 0;
  private isEscaped: bool = false;
  private isAudit: bool = false;

  constructor(syntax: i32 = FIREWALL) {
    this.isAudit = syntax === AUDIT;
  }

  /** The value under a key; the same key gives the same value. Call it while the filter starts. */
  field(key: Text): Value {
    return this.names.add(key);
  }

  /** The value under whichever of these keys the text has first: what one maker calls so, another calls otherwise. */
  fieldOf(keys: string[]): Value {
    const value = this.field(literal(keys[0]));
    for (let i = 1; i < keys.length; i++) this.names.alias(literal(keys[i]), value);
    return value;
  }

  /** Finds the fields in the text; false when it holds no pair. */
  parse(text: Text): bool {
    this.begin();
    return this.more(text);
  }

  /** Forgets every field; then `more` looks for them in one text after the other. */
  begin(): void {
    this.names.clear();
    this.missing = this.names.size;
    this.isPair = false;
  }

  /** Finds the fields that no text has told since `begin`; false when no text held a pair. */
  more(text: Text): bool {
    const end = text.end;
    let base = afterPriority(text);
    this.lastBreak = base - 1;
    this.closed = base - 1;
    while (base < end && (this.missing || !this.isPair)) base = this.chunk(base, end);
    return this.isPair;
  }

  // For the library.

  /** Fields that no text has told since `begin`. */
  missing: u32 = 0;

  /** Reads the keys that end in the next 64 bytes; returns where to go on. */
  private chunk(base: usize, end: usize): usize {
    const inside = end - base < CHUNK_BYTES ? ((<u64>1) << (end - base)) - 1 : <u64>-1;
    const p = v128.load(base);
    const q = v128.load(base, 16);
    const r = v128.load(base, 32);
    const s = v128.load(base, 48);
    const sign = i8x16.splat(EQUALS);
    let equals =
      inside & Lanes.bits(i8x16.eq(p, sign), i8x16.eq(q, sign), i8x16.eq(r, sign), i8x16.eq(s, sign));
    let breaks =
      equals | (inside & Lanes.bits(this.breaks(p), this.breaks(q), this.breaks(r), this.breaks(s)));
    if (this.isAudit)
      breaks |= inside & Lanes.bits(this.marks(p), this.marks(q), this.marks(r), this.marks(s));
    while (equals) {
      const place = <usize>ctz(equals);
      equals &= equals - 1;
      const before = breaks & (((<u64>1) << place) - 1);
      const start = (before ? base + 63 - <usize>clz(before) : this.lastBreak) + 1;
      if (start === base + place) continue;
      const behind = this.pair(start, base + place, end);
      if (behind >= base + CHUNK_BYTES) return behind;
      if (behind) equals &= (<u64>-1) << (behind - base);
    }
    if (breaks) this.lastBreak = base + 63 - <usize>clz(breaks);
    return base + CHUNK_BYTES;
  }

  /** Reads the pair whose `=` is at `equals`; returns where the next may begin, or 0 for the next `=`. */
  private pair(start: usize, equals: usize, end: usize): usize {
    if (start - 1 !== this.closed && !this.isSeparator(load<u8>(start - 1))) return 0;
    this.isPair = true;
    const value = this.names.find(start, equals);
    const isQuoted = equals + 1 < end && load<u8>(equals + 1) === QUOTE;
    if (isQuoted) this.closed = this.lastBreak = this.closingQuote(equals + 2, end);
    if (value && !value.isPresent) this.take(value, equals + 1, end, isQuoted);
    return isQuoted ? this.closed + 1 : 0;
  }

  /** Takes the value that begins at `start`; where it has quotes, the last one is where the last value was closed. */
  private take(value: Value, start: usize, end: usize, isQuoted: bool): void {
    const first = isQuoted ? start + 1 : start;
    let stop = isQuoted ? this.closed : plainEnd(start, end);
    if (this.isAudit && !isQuoted) stop = groupEnd(start, stop);
    if (this.isAudit && isNothing(first, stop)) return;
    const isHexed = value.isHexWithoutQuotes && !isQuoted && isHex(first, stop);
    value.take(first, stop, isHexed ? HEX : isQuoted && this.isEscaped ? BACKSLASHES : PLAIN);
    this.missing--;
  }

  @inline
  private isSeparator(byte: u8): bool {
    return (
      byte <= SPACE ||
      byte === COMMA ||
      byte === SEMICOLON ||
      (this.isAudit && (byte === APOSTROPHE || byte === OPEN))
    );
  }

  /** Separators and quotes. */
  @inline
  private breaks(block: v128): v128 {
    return v128.or(separators(block), i8x16.eq(block, i8x16.splat(QUOTE)));
  }

  /** What separates in audit records alone. */
  @inline
  private marks(block: v128): v128 {
    return v128.or(i8x16.eq(block, i8x16.splat(APOSTROPHE)), i8x16.eq(block, i8x16.splat(OPEN)));
  }

  /** Address of the quote that ends a value, or `end`. */
  private closingQuote(start: usize, end: usize): usize {
    this.isEscaped = false;
    if (this.isAudit) return indexOfByte(start, end, QUOTE);
    for (let at = start; at < end; ) {
      const block = v128.load(at);
      const hits = i8x16.bitmask(
        v128.or(i8x16.eq(block, i8x16.splat(QUOTE)), i8x16.eq(block, i8x16.splat(BACKSLASH))),
      );
      if (!hits) {
        at += 16;
        continue;
      }
      const hit = at + ctz(hits);
      if (hit >= end) return end;
      if (load<u8>(hit) === QUOTE) return hit;
      this.isEscaped = true;
      at = hit + 2;
    }
    return end;
  }
}

/** Address behind `<30>` where the text begins with it. */
function afterPriority(text: Text): usize {
  if (text.at(0) !== LESS) return text.start;
  const stop = min(text.start + PRIORITY_BYTES_MAX + 1, text.end);
  const greater = indexOfByte(text.start, stop, GREATER);
  for (let at = text.start + 1; at < greater; at++) if (load<u8>(at) - 0x30 > 9) return text.start;
  return greater > text.start + 1 && greater < stop ? greater + 1 : text.start;
}

/** End of a value without quotes. */
function plainEnd(start: usize, end: usize): usize {
  for (let at = start; at < end; at++) {
    at = separatorFrom(at, end);
    if (at >= end || load<u8>(at) <= SPACE) return min(at, end);
    if (isBeforeKey(at + 1, end)) return at;
  }
  return end;
}

/** A value of an audit record without what closes its group, `'` or `)'`, and what stands behind that. */
function groupEnd(start: usize, end: usize): usize {
  const mark = indexOfByte(start, end, APOSTROPHE);
  if (mark === end) return end;
  const stop = closingMark(mark, end);
  const isList = stop > start && stop < end && load<u8>(stop - 1) === CLOSE && load<u8>(start) !== OPEN;
  return isList ? stop - 1 : stop;
}

/**
 * The `'` that closes a group, or `end`. The last byte is one; so is a `'` with a `key=` behind it, because some
 * transports drop the byte between the group and what auditd adds: res=success'UID="root".
 */
function closingMark(mark: usize, end: usize): usize {
  let last = mark;
  for (let at = mark + 1; at < end; at++) {
    const byte = load<u8>(at);
    if (byte === APOSTROPHE) last = at;
    else if (byte === EQUALS && last && at > last + 1) return last;
    else if (isBreak(byte)) last = 0;
  }
  return load<u8>(end - 1) === APOSTROPHE ? end - 1 : end;
}

/** `?` or `(null)`: audit records write these where there is no value. */
function isNothing(start: usize, end: usize): bool {
  if (end - start === 1) return load<u8>(start) === QUESTION;
  return end - start === 6 && load<u32>(start) === 0x6c756e28 && load<u16>(start, 4) === 0x296c;
}

/** True where a space, the end, or a key with its `=` stands. */
function isBeforeKey(start: usize, end: usize): bool {
  if (start >= end || load<u8>(start) <= SPACE) return true;
  let at = start;
  while (at < end && !isBreak(load<u8>(at))) at++;
  return at > start && at < end && load<u8>(at) === EQUALS;
}

function separatorFrom(from: usize, end: usize): usize {
  for (let at = from; at < end; at += 16) {
    const hits = i8x16.bitmask(separators(v128.load(at)));
    if (hits) return min(at + ctz(hits), end);
  }
  return end;
}

function isBreak(byte: u8): bool {
  return byte <= SPACE || byte === COMMA || byte === SEMICOLON || byte === EQUALS || byte === QUOTE;
}

function separators(block: v128): v128 {
  return v128.or(
    i8x16.le_u(block, i8x16.splat(SPACE)),
    v128.or(i8x16.eq(block, i8x16.splat(COMMA)), i8x16.eq(block, i8x16.splat(SEMICOLON))),
  );
}
