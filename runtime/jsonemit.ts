/**
 * JSON values into records, as the same value in CBOR: strings, whole numbers, true, false, null, and objects
 * and lists up to COPY_DEPTH_MAX levels. A number that a double cannot hold exactly by one multiplication or
 * division, and anything that turns out not to be JSON, is copied as the text that stands there, so that
 * nothing depends on how a machine rounds.
 */
import {
  begin,
  Key,
  outputAt,
  rewindOutput,
  Stream,
  writeByte,
  writeFloat,
  writeInteger,
  writeText,
} from './emit';
import { FALSE, Field, MISSING, NULL, OBJECT, STRING, skipSpace, TRUE } from './jsonvalue';
import { Text } from './text';

/** Objects and lists nested deeper than this are copied as text. */
export const COPY_DEPTH_MAX: i32 = 16;

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;
const BACKSLASH: u8 = 0x5c;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;
const OPEN_BRACKET: u8 = 0x5b;
const CLOSE_BRACKET: u8 = 0x5d;
// CBOR, RFC 8949: indefinite-length list and map, "break", simple values.
const CBOR_LIST: u8 = 0x9f;
const CBOR_MAP: u8 = 0xbf;
const CBOR_BREAK: u8 = 0xff;
const CBOR_FALSE: u8 = 0xf4;
const CBOR_TRUE: u8 = 0xf5;
const CBOR_NULL: u8 = 0xf6;
/** Powers of ten and whole numbers up to these are exact in a double: Clinger, "How to read floating point numbers". */
const EXACT_POWER_MAX: i32 = 22;
const EXACT_WHOLE_MAX: u64 = 1 << 53;

/** The string or scalar that is copied. */
const copied: Field = new Field();

/** Adds the field to the open record; a missing one adds nothing. */
export function putField(stream: Stream, name: Key, field: Field): void {
  if (field.kind === MISSING) return;
  if (field.kind === STRING) stream.text(name, field.text());
  else if (field.kind >= OBJECT) putJson(stream, name, field.raw);
  else if (begin(name, 1)) writeScalar(field);
}

/** Adds a value that is not a string, as JSON text, to the open record. */
export function putJson(stream: Stream, name: Key, value: Text): void {
  if (!begin(name, 1)) return;
  const start = outputAt();
  if (copyValue(value.start, value.end, 0) === value.end) return;
  rewindOutput(start);
  writeText(value.start, value.end);
}

/** Copies the value at `at`; returns the address behind it, or 0 when it cannot be copied. */
function copyValue(at: usize, end: usize, depth: i32): usize {
  if (at >= end || depth > COPY_DEPTH_MAX) return 0;
  const byte = load<u8>(at);
  if (byte === QUOTE) return copyString(at, end);
  if (byte === OPEN_BRACE) return copyObject(at, end, depth);
  if (byte === OPEN_BRACKET) return copyList(at, end, depth);
  if (!copied.setScalar(at, end)) return 0;
  writeScalar(copied);
  return copied.raw.end;
}

function writeScalar(value: Field): void {
  if (value.kind === TRUE) writeByte(CBOR_TRUE);
  else if (value.kind === FALSE) writeByte(CBOR_FALSE);
  else if (value.kind === NULL) writeByte(CBOR_NULL);
  else if (!copyNumber(value.raw.start, value.raw.end)) writeText(value.raw.start, value.raw.end);
}

function copyString(at: usize, end: usize): usize {
  let stop = at + 1;
  copied.isEscaped = false;
  for (; stop < end && load<u8>(stop) !== QUOTE; stop++) {
    if (load<u8>(stop) !== BACKSLASH) continue;
    copied.isEscaped = true;
    stop++;
  }
  if (stop >= end) return 0;
  copied.raw.set(at + 1, stop);
  const text = copied.text();
  writeText(text.start, text.end);
  return stop + 1;
}

function copyObject(start: usize, end: usize, depth: i32): usize {
  writeByte(CBOR_MAP);
  let at = skipSpace(start + 1, end);
  while (at < end && load<u8>(at) !== CLOSE_BRACE) {
    if (load<u8>(at) !== QUOTE) return 0;
    at = copyString(at, end);
    if (!at) return 0;
    at = skipSpace(at, end);
    if (at >= end || load<u8>(at) !== COLON) return 0;
    at = copyValue(skipSpace(at + 1, end), end, depth + 1);
    if (!at) return 0;
    at = skipSeparator(at, end, CLOSE_BRACE);
    if (!at) return 0;
  }
  writeByte(CBOR_BREAK);
  return at < end ? at + 1 : 0;
}

function copyList(start: usize, end: usize, depth: i32): usize {
  writeByte(CBOR_LIST);
  let at = skipSpace(start + 1, end);
  while (at < end && load<u8>(at) !== CLOSE_BRACKET) {
    at = copyValue(at, end, depth + 1);
    if (!at) return 0;
    at = skipSeparator(at, end, CLOSE_BRACKET);
    if (!at) return 0;
  }
  writeByte(CBOR_BREAK);
  return at < end ? at + 1 : 0;
}

/** Address of the next item or of the closing bracket; 0 when neither follows. */
function skipSeparator(from: usize, end: usize, close: u8): usize {
  let at = from;
  if (at < end && load<u8>(at) <= SPACE) at = skipSpace(at, end);
  if (at >= end) return 0;
  if (load<u8>(at) === close) return at;
  if (load<u8>(at++) !== COMMA) return 0;
  if (at < end && load<u8>(at) <= SPACE) at = skipSpace(at, end);
  return at < end && load<u8>(at) !== close ? at : 0;
}

/** Copies digits [. digits] [e digits] as an integer or an exact double; false when it is neither. */
function copyNumber(start: usize, end: usize): bool {
  const isNegative = load<u8>(start) === 0x2d;
  let at = start + usize(isNegative);
  let whole: u64 = 0;
  let power: i32 = 0;
  let isFraction = false;
  let digits = 0;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte === 0x2e && !isFraction) {
      isFraction = true;
      continue;
    }
    const digit: u32 = byte - 0x30;
    if (digit > 9) break;
    if (whole > 922337203685477579) return false;
    whole = whole * 10 + digit;
    digits++;
    if (isFraction) power--;
  }
  if (!digits) return false;
  if (at < end) {
    const exponent = exponentAt(at, end);
    if (exponent === i32.MIN_VALUE) return false;
    power += exponent;
    isFraction = true;
  }
  if (!isFraction) {
    writeInteger(isNegative && whole !== 0, whole);
    return true;
  }
  if (whole > EXACT_WHOLE_MAX || abs(power) > EXACT_POWER_MAX) return false;
  let scale: f64 = 1;
  for (let i = 0; i < abs(power); i++) scale *= 10;
  const value = power < 0 ? <f64>whole / scale : <f64>whole * scale;
  writeFloat(isNegative ? -value : value);
  return true;
}

/** The exponent in [at, end), which begins with e or E; MIN_VALUE when it is none. */
function exponentAt(start: usize, end: usize): i32 {
  if ((load<u8>(start) | 0x20) !== 0x65 || end - start > 6) return i32.MIN_VALUE;
  const sign = load<u8>(start, 1);
  let at = start + (sign === 0x2b || sign === 0x2d ? 2 : 1);
  let exponent = 0;
  if (at === end) return i32.MIN_VALUE;
  for (; at < end; at++) {
    const digit: u32 = load<u8>(at) - 0x30;
    if (digit > 9) return i32.MIN_VALUE;
    exponent = exponent * 10 + digit;
  }
  return sign === 0x2d ? -exponent : exponent;
}
