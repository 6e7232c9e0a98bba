/**
 * CEF (ArcSight, "Common Event Format"): a header of seven fields, then pairs `key=value`.
 *
 *     Jan 31 10:00:00 fw-01 CEF:0|Vendor|Product|1.0|100|Login failed|5|src=192.0.2.1 msg=a text with spaces
 *
 *     const cef = new Cef();
 *     const src = cef.field(literal('src'));              while the filter starts
 *     if (!cef.parse(line)) return malformed();           in an event
 *     cef.severity.text(); src.text();
 *
 * The first `CEF:` at the start of the text or behind a space, a colon or `>` begins the header; before it may stand
 * anything, behind it one space. In the header `\|` and `\\` are escapes; in values `\=`, `\\`, `\n` and `\r`.
 *
 * A key is a run of letters, digits and `_ - . [ ]` between a space and `=`, so an `=` inside a URL, which should
 * have been escaped, ends no value. A value runs to the space before the next key; spaces at its end are not part of
 * it. Of a repeated key the first value counts, as in keyvalue.ts: `msg` and the like are what a client chose, and
 * they stand last.
 *
 * Times (`rt`, `start`, `end`) are milliseconds since 1970 or dates as syslog has them (CEF Implementation Standard,
 * "Date Formats"): `parseLogTime` reads all of them.
 *
 * Malformed: no `CEF:`, no version number, or fewer than seven header fields, each ended by `|`. What stands there
 * before the fault stays set.
 */
import { indexOf } from './bytes';
import { Names } from './names';
import { literal, Text } from './text';
import { CEF, PLAIN, Value } from './value';

const SPACE: u8 = 0x20;
const COLON: u8 = 0x3a;
const EQUALS: u8 = 0x3d;
const GREATER: u8 = 0x3e;
const BACKSLASH: u8 = 0x5c;
const PIPE: u8 = 0x7c;
/** More digits are no version. */
const VERSION_DIGITS_MAX: usize = 4;

@unmanaged
export class Cef {
  /** 0 or 1, or -1. */
  version: i64 = -1;
  vendor: Value = new Value();
  product: Value = new Value();
  /** Of the product. */
  productVersion: Value = new Value();
  /** Signature ID, or event class ID. */
  signature: Value = new Value();
  name: Value = new Value();
  /** `0` to `10`, or a word. */
  severity: Value = new Value();
  /** All pairs, as they were sent. */
  extension: Text = new Text();
  private names: Names = new Names();
  private markText: Text = literal('CEF:');
  private rest: Text = new Text();
  private isEscaped: bool = false;

  /** The value under a key of the extension; the same key gives the same value. Call it while the filter starts. */
  field(key: Text): Value {
    return this.names.add(key);
  }

  /** Reads a line or the message of one; false when it is malformed. */
  parse(text: Text): bool {
    this.clear();
    if (!this.takeMark(text) || !this.takeVersion()) return false;
    if (!this.takeHeader(this.vendor) || !this.takeHeader(this.product)) return false;
    if (!this.takeHeader(this.productVersion) || !this.takeHeader(this.signature)) return false;
    if (!this.takeHeader(this.name) || !this.takeHeader(this.severity)) return false;
    this.extension.set(this.rest.start, this.rest.end);
    this.readPairs();
    return true;
  }

  private clear(): void {
    this.version = -1;
    this.vendor.clear();
    this.product.clear();
    this.productVersion.clear();
    this.signature.clear();
    this.name.clear();
    this.severity.clear();
    this.extension.clear();
    this.names.clear();
  }

  /** Goes behind the first `CEF:` that no word ends with. */
  private takeMark(text: Text): bool {
    const mark = this.markText;
    for (let at = text.start; at < text.end; at++) {
      at = indexOf(at, text.end, mark.start, mark.length);
      if (at === text.end) return false;
      if (at === text.start || isBeforeMark(load<u8>(at - 1))) {
        this.rest.set(at + mark.length, text.end);
        if (this.rest.at(0) === SPACE) this.rest.start++;
        return true;
      }
    }
    return false;
  }

  private takeVersion(): bool {
    this.version = this.rest.takeNumber(VERSION_DIGITS_MAX);
    if (this.version < 0 || this.rest.at(0) !== PIPE) return false;
    this.rest.start++;
    return true;
  }

  /** A header field and the pipe behind it. */
  private takeHeader(field: Value): bool {
    const start = this.rest.start;
    const end = this.rest.end;
    const stop = this.find(start, end, PIPE);
    if (stop === end) return false;
    field.take(start, stop, this.isEscaped ? CEF : PLAIN);
    this.rest.start = stop + 1;
    return true;
  }

  /** Each key ends the value before it. */
  private readPairs(): void {
    const end = this.rest.end;
    let missing = this.names.size;
    let value: Value | null = null;
    let valueStart: usize = 0;
    let isEscaped = false;
    for (let at = this.rest.start; missing && at <= end; at++) {
      at = this.find(at, end, EQUALS);
      isEscaped = isEscaped || this.isEscaped;
      const keyStart = at < end ? this.keyBefore(at) : 0;
      if (at < end && !keyStart) continue;
      if (value) {
        value.take(valueStart, withoutSpaces(valueStart, keyStart ? keyStart : end), isEscaped ? CEF : PLAIN);
        missing--;
      }
      if (!keyStart) return;
      value = this.names.find(keyStart, at);
      if (value && value.isPresent) value = null;
      valueStart = at + 1;
      isEscaped = false;
    }
  }

  /** Start of the key that ends at `equals`, or 0. */
  private keyBefore(equals: usize): usize {
    let at = equals;
    while (at > this.rest.start && isKeyByte(load<u8>(at - 1))) at--;
    if (at === equals) return 0;
    return at === this.rest.start || load<u8>(at - 1) === SPACE ? at : 0;
  }

  /** Address of the first such byte without a backslash before it, or `end`. */
  @inline
  private find(start: usize, end: usize, byte: u8): usize {
    this.isEscaped = false;
    for (let at = start; at < end; ) {
      const block = v128.load(at);
      const hits = i8x16.bitmask(
        v128.or(i8x16.eq(block, i8x16.splat(byte)), i8x16.eq(block, i8x16.splat(BACKSLASH))),
      );
      if (!hits) {
        at += 16;
        continue;
      }
      const hit = at + ctz(hits);
      if (hit >= end) return end;
      if (load<u8>(hit) === byte) return hit;
      this.isEscaped = true;
      at = hit + 2;
    }
    return end;
  }
}

function isBeforeMark(byte: u8): bool {
  return byte <= SPACE || byte === COLON || byte === GREATER;
}

function withoutSpaces(start: usize, end: usize): usize {
  let stop = end;
  while (stop > start && load<u8>(stop - 1) === SPACE) stop--;
  return stop;
}

function isKeyByte(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  const digit: u8 = byte - 0x30;
  return (
    letter < 26 ||
    digit < 10 ||
    byte === 0x5f ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x5b ||
    byte === 0x5d
  );
}
