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
const COLON: u8 = 0x3a;
const DOT: u8 = 0x2e;
const DASH: u8 = 0x2d;
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

@unmanaged
export class Shape {
  /** The shape of the line that was read last; good until the next one. */
  text: Text = new Text();
  private start: usize = allocate(SHAPE_BYTES_MAX);
  private at: usize = 0;
  private end: usize = 0;
  private address: Text = new Text();

  /** Reads a line's shape. */
  read(line: Text): Text {
    this.end = line.end;
    this.text.set(this.start, this.start);
    for (this.at = line.start; this.at < this.end && this.text.length < SHAPE_BYTES_MAX; )
      this.step(line.start);
    return this.text;
  }

  private step(lineStart: usize): void {
    const byte = load<u8>(this.at);
    const isInWord = this.at > lineStart && isAlphanumeric(load<u8>(this.at - 1));
    if (byte === DOUBLE_QUOTE || (byte === SINGLE_QUOTE && !isInWord)) this.quoted(byte);
    else if (byte === SPACE || byte === TAB) this.space();
    else if (isHexDigit(byte) || byte === COLON) this.numberOrWord(byte);
    else if (isAlphanumeric(byte)) this.word(this.wordEnd());
    else this.put(this.at + 1);
  }

  /** A quoted part; a key of JSON stays. A single quote without another one is an apostrophe. */
  private quoted(quote: u8): void {
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

  private numberOrWord(first: u8): void {
    const stop = this.addressEnd();
    if (stop > this.at) {
      this.write(HASH);
      this.at = stop;
    } else if (first === COLON) this.put(this.at + 1);
    else this.word(this.wordEnd());
  }

  /** Address behind an address, a hardware address or a UUID that begins here and is a word of its own; or 0. */
  private addressEnd(): usize {
    const most = min(this.at + ADDRESS_BYTES_MAX, this.end);
    let stop = this.at;
    let marks = 0;
    while (stop < most && (isHexDigit(load<u8>(stop)) || isMark(load<u8>(stop)))) {
      if (isMark(load<u8>(stop))) marks++;
      stop++;
    }
    if (!marks || (stop < this.end && isAlphanumeric(load<u8>(stop)))) return 0;
    // The full stop or colon behind a word is not a part of it.
    while (stop > this.at && isMark(load<u8>(stop - 1)) && !isAddress(this.address.set(this.at, stop)))
      stop--;
    const bytes = stop - this.at;
    if (bytes === HARDWARE_ADDRESS_BYTES && marks >= 5) return stop;
    if (bytes === UUID_BYTES && load<u8>(this.at, 8) === DASH && load<u8>(this.at, 23) === DASH) return stop;
    return isAddress(this.address.set(this.at, stop)) ? stop : 0;
  }

  private wordEnd(): usize {
    let stop = this.at;
    while (stop < this.end && isAlphanumeric(load<u8>(stop))) stop++;
    return stop;
  }

  private word(stop: usize): void {
    if (isNumber(this.at, stop)) {
      this.write(HASH);
      this.at = stop;
    }
    while (this.at < stop) {
      const digits = digitsEnd(this.at, stop);
      if (digits > this.at) {
        this.write(HASH);
        this.at = digits;
      } else this.put(this.at + 1);
    }
  }

  /** Takes the bytes up to `stop` as they are. */
  private put(stop: usize): void {
    for (; this.at < stop; this.at++) this.write(load<u8>(this.at));
  }

  private write(byte: u8): void {
    if (this.text.length < SHAPE_BYTES_MAX) store<u8>(this.text.end++, byte);
  }
}

/** A decimal or hexadecimal number, or a random word, whole. */
function isNumber(start: usize, end: usize): bool {
  const bytes = end - start;
  if (bytes > 2 && load<u8>(start) === 0x30 && (load<u8>(start, 1) | 0x20) === LETTER_X) return true;
  if (bytes < HEX_WITH_DIGIT_BYTES_MIN) return false;
  let isHex = true;
  let hasDigit = false;
  let hasCapital = false;
  let hasSmall = false;
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at);
    if (!isHexDigit(byte)) isHex = false;
    if (byte - 0x30 < 10) hasDigit = true;
    else if (byte & 0x20) hasSmall = true;
    else hasCapital = true;
  }
  if (isHex) return hasDigit || bytes >= HEX_BYTES_MIN;
  return bytes >= RANDOM_BYTES_MIN && hasDigit && hasCapital && hasSmall;
}

function digitsEnd(start: usize, end: usize): usize {
  let at = start;
  while (at < end && load<u8>(at) - 0x30 < 10) at++;
  return at;
}

function isMark(byte: u8): bool {
  return byte === COLON || byte === DOT || byte === DASH;
}

function isAlphanumeric(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  return byte - 0x30 < 10 || letter < 26;
}

function isHexDigit(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  return byte - 0x30 < 10 || letter < 6;
}
