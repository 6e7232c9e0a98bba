/**
 * The shape of a line: its text with what changes from event to event masked, so that lines which say the same
 * thing have the same shape and a new kind of line has a new one.
 *
 *     Accepted publickey for bob from 192.0.2.7 port 4711 ssh2   →   Accepted publickey for bob from # port # ssh#
 *     {"op":"open","path":"/tmp/x","uid":0}                      →   {"op":"","path":"","uid":#}
 *
 * Masked as `#`: runs of digits, also inside of a word; hexadecimal words (8 digits or more, or 4 with a decimal one
 * among them, or behind 0x); words of 16 bytes or more that mix capitals, small letters and digits, as base64 does;
 * IPv4, IPv6 and hardware addresses; UUIDs. What stands in quotes becomes `""`, except
 * the keys of JSON, which are part of the kind. Runs of spaces and tabs become one space.
 *
 * Letters outside of quotes stay, so what an attacker names is seen: `/tmp/evil1` is `/tmp/evil#`, never `#`. The shape
 * is at most SHAPE_BYTES_MAX bytes; a longer one is cut there. One pass, no more than a few looks at each byte.
 */
import { isAddress } from './address';
import { allocate } from './arena';
import { Text } from './text';

export const SHAPE_BYTES_MAX: usize = 256;

const HASH: u8 = 0x23;
const SPACE: u8 = 0x20;
const TAB: u8 = 0x09;
const DOUBLE_QUOTE: u8 = 0x22;
const SINGLE_QUOTE: u8 = 0x27;
const BACKSLASH: u8 = 0x5c;
const COLON: u32 = 0x3a;
const DASH: u32 = 0x2d;
const LETTER_X: u8 = 0x78;
/** Hexadecimal words of this length are numbers; shorter ones only with a decimal digit. */
const HEX_BYTES_MIN: usize = 8;
const HEX_WITH_DIGIT_BYTES_MIN: usize = 4;
/** Nobody writes names of this length with digits, capitals and small letters in them. */
const RANDOM_BYTES_MIN: usize = 16;
/** `01:23:45:67:89:ab` and 8-4-4-4-12 digits. */
const HARDWARE_ADDRESS_BYTES: usize = 17;
const UUID_BYTES: usize = 36;
/** Longest text of an IPv6 address; a zone behind it is text of its own. */
const ADDRESS_BYTES_MAX: usize = 45;

// What a byte can be in a word; 0 for a byte that is in none.
const DIGIT: u8 = 1;
const SMALL: u8 = 2;
const CAPITAL: u8 = 4;
/** A letter from g to z. */
const NOT_HEX: u8 = 8;
const RANDOM: u8 = DIGIT | SMALL | CAPITAL;

@unmanaged
export class Shape {
  /** The shape of the line that was read last; good until the next one. */
  text: Text = new Text();
  private start: usize = allocate(SHAPE_BYTES_MAX);
  private classes: usize = wordClasses();
  private at: usize = 0;
  private end: usize = 0;
  private address: Text = new Text();

  /** Reads a line's shape. */
  read(line: Text): Text {
    this.at = line.start;
    this.end = line.end;
    this.text.set(this.start, this.start);
    while (this.at < this.end && this.text.length < SHAPE_BYTES_MAX) {
      const byte = load<u8>(this.at);
      if (load<u8>(this.classes + byte)) this.word();
      else if (byte === SPACE || byte === TAB) this.space();
      else if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) this.quoted(byte, line.start);
      else if (byte !== COLON || !this.takeAddress(this.at, this.text.end)) {
        this.write(byte);
        this.at++;
      }
    }
    return this.text;
  }

  /** Writes a word with its digits masked, and goes back when it is a number or begins an address. */
  private word(): void {
    const start = this.at;
    const written = this.text.end;
    const stop = min(this.end, start + (SHAPE_BYTES_MAX - this.text.length));
    let to = written;
    let seen: u8 = 0;
    let before: u8 = 0;
    let at = start;
    for (; at < stop; at++) {
      const byte = load<u8>(at);
      const found = load<u8>(this.classes + byte);
      if (!found) break;
      seen |= found;
      if (found !== DIGIT) store<u8>(to++, byte);
      else if (before !== DIGIT) store<u8>(to++, HASH);
      before = found;
    }
    this.at = at;
    this.text.end = to;
    if (!(seen & NOT_HEX) && at < this.end && isMark(load<u8>(at)) && this.takeAddress(start, written))
      return;
    if (!isNumber(start, at, seen)) return;
    store<u8>(written, HASH);
    this.text.end = written + 1;
  }

  /** A quoted part; a key of JSON stays. A single quote inside of a word, or without another one, is an apostrophe. */
  private quoted(quote: u8, lineStart: usize): void {
    const isInWord = this.at > lineStart && load<u8>(this.classes + load<u8>(this.at - 1));
    if (quote === SINGLE_QUOTE && isInWord) return this.put(this.at + 1);
    let close = this.at + 1;
    while (close < this.end && load<u8>(close) !== quote) close += load<u8>(close) === BACKSLASH ? 2 : 1;
    if (close >= this.end && quote === SINGLE_QUOTE) return this.put(this.at + 1);
    const after = min(close + 1, this.end);
    if (quote === DOUBLE_QUOTE && after < this.end && load<u8>(after) === COLON) return this.put(after);
    this.write(quote);
    this.write(quote);
    this.at = after;
  }

  private space(): void {
    while (this.at < this.end && (load<u8>(this.at) === SPACE || load<u8>(this.at) === TAB)) this.at++;
    this.write(SPACE);
  }

  /** Masks an address, a hardware address or a UUID that begins at `start`, in the place of what is `written` of it. */
  private takeAddress(start: usize, written: usize): bool {
    const stop = this.addressEnd(start);
    if (!stop) return false;
    this.text.end = written;
    this.write(HASH);
    this.at = stop;
    return true;
  }

  /** Address behind what begins at `start` and is a word of its own; or 0. */
  private addressEnd(start: usize): usize {
    const most = min(start + ADDRESS_BYTES_MAX, this.end);
    let stop = start;
    let marks = 0;
    for (; stop < most; stop++) {
      const byte = load<u8>(stop);
      if (isMark(byte)) marks++;
      else if (!isHexDigit(load<u8>(this.classes + byte))) break;
    }
    if (stop < this.end && load<u8>(this.classes + load<u8>(stop))) return 0;
    // The full stop or colon behind a word is not a part of it.
    while (stop > start && isMark(load<u8>(stop - 1)) && !this.isAddress(start, stop, marks)) {
      stop--;
      marks--;
    }
    const bytes = stop - start;
    if (bytes === HARDWARE_ADDRESS_BYTES && marks === 5) return stop;
    if (bytes === UUID_BYTES && load<u8>(start, 8) === DASH && load<u8>(start, 23) === DASH) return stop;
    return this.isAddress(start, stop, marks) ? stop : 0;
  }

  /** An address has three dots or two colons. */
  private isAddress(start: usize, end: usize, marks: i32): bool {
    return marks > 1 && isAddress(this.address.set(start, end));
  }

  /** Takes the bytes up to `stop` as they are. */
  private put(stop: usize): void {
    for (let at = this.at; at < stop; at++) this.write(load<u8>(at));
    this.at = stop;
  }

  @inline
  private write(byte: u8): void {
    if (this.text.length < SHAPE_BYTES_MAX) store<u8>(this.text.end++, byte);
  }
}

/** A decimal or hexadecimal number, or a random word; `seen` is what its bytes are, all together. */
function isNumber(start: usize, end: usize, seen: u8): bool {
  const bytes = end - start;
  if (bytes > 2 && load<u8>(start) === 0x30 && (load<u8>(start, 1) | 0x20) === LETTER_X) return true;
  if (seen & NOT_HEX) return bytes >= RANDOM_BYTES_MIN && (seen & RANDOM) === RANDOM;
  return bytes >= (seen & DIGIT ? HEX_WITH_DIGIT_BYTES_MIN : HEX_BYTES_MIN);
}

/** A colon, a dash or the dot behind it. */
function isMark(byte: u32): bool {
  return byte - DASH < 2 || byte === COLON;
}

function isHexDigit(wordClass: u8): bool {
  return wordClass !== 0 && !(wordClass & NOT_HEX);
}

/** What each of the 256 bytes can be in a word. */
function wordClasses(): usize {
  const table = allocate(256);
  for (let byte: usize = 0; byte < 256; byte++) {
    const letter: usize = (byte | 0x20) - 0x61;
    if (byte - 0x30 < 10) store<u8>(table + byte, DIGIT);
    else if (letter < 26)
      store<u8>(table + byte, (byte & 0x20 ? SMALL : CAPITAL) | (letter < 6 ? 0 : NOT_HEX));
  }
  return table;
}
