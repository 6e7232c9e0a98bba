/**
 * Records as JSON: CBOR (RFC 8949) into values that JSON can say, and those into one line each.
 *
 * Reads what a filter may emit: maps with texts as names, arrays, texts, byte strings, integers, floats, true, false and
 * null. Anything else is an error, so that no tag makes a record refer to itself or grow while it is read. What JSON has no
 * word for becomes, always in the same way:
 *
 *     byte string                     text in base64 (RFC 4648, section 4)
 *     integer beyond +-(2^53 - 1)     text of its decimal digits, because readers would round a number (RFC 7493, section 2.2)
 *     NaN, infinities                 null (RFC 8949, section 6.1)
 *     bytes that are not UTF-8        U+FFFD
 *     a name twice in a map           the last value, as JSON.parse does it
 *
 * A line holds nothing that ends a line or steers a terminal anywhere: U+0085, U+009B, U+2028 and their like are escaped.
 */
import type { WireRecord } from './wire.js';

/** Maps and arrays in each other: twice what the library copies. */
const DEPTH_MAX = 128;

// RFC 8949, section 3.1: major types; section 3.3: simple values and floats; section 3.2: indefinite length.
const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const FLOAT16 = 0xf9;
const FLOAT32 = 0xfa;
const FLOAT64 = 0xfb;
const BREAK = 0xff;
const INDEFINITE = 31;

/** What JSON need not escape: control characters, ends of lines, and what turns text around. */
const UNSAFE = /[\u061c\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A record, or a value of one, on a line of its own, without the LF; nothing in it steers a terminal. */
export function jsonLine(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(
    UNSAFE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Calls `each` for every record of a CBOR sequence, in order. Throws a plain error on bytes that are none. */
export function readJsonRecords(bytes: Uint8Array, each: (record: WireRecord) => void): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader: Reader = { bytes: buffer, characters: buffer.toString('latin1'), at: 0 };
  while (reader.at < bytes.length) {
    const start = reader.at;
    const first = headByte(reader);
    if (first >> 5 !== MAP) throw new Error(`no map at byte ${start}`);
    each(map(reader, first, 1));
  }
}

interface Reader {
  readonly bytes: Buffer;
  /** A character for each byte: texts in ASCII are parts of it, which is faster than decoding each. */
  readonly characters: string;
  at: number;
}

function headByte(reader: Reader): number {
  if (reader.at >= reader.bytes.length) throw new Error(`no item at byte ${reader.at}`);
  return reader.bytes[reader.at++] as number;
}

function item(reader: Reader, depth: number): unknown {
  const first = headByte(reader);
  switch (first >> 5) {
    case UNSIGNED:
      return integer(argument(reader, first));
    case NEGATIVE:
      return negative(argument(reader, first));
    case BYTES:
      return slice(reader, first).toString('base64');
    case TEXT:
      return text(reader, first);
    case ARRAY:
      return list(reader, first, depth + 1);
    case MAP:
      return map(reader, first, depth + 1);
    default:
      return simple(reader, first);
  }
}

/** The argument of a head: a bigint where a number could not hold it. */
function argument(reader: Reader, first: number): number | bigint {
  const short = first & 31;
  if (short < 24) return short;
  const { bytes } = reader;
  const at = reader.at;
  const size = short < 28 ? 1 << (short - 24) : 0;
  if (size === 0) throw unknown(reader, first);
  if (at + size > bytes.length) throw new Error(`no item at byte ${at}`);
  reader.at += size;
  if (size < 8) return bytes.readUIntBE(at, size);
  const high = bytes.readUInt32BE(at);
  return high < 0x20_0000 ? high * 0x1_0000_0000 + bytes.readUInt32BE(at + 4) : bytes.readBigUInt64BE(at);
}

function integer(value: number | bigint): number | string {
  return typeof value === 'number' ? value : value.toString();
}

function negative(value: number | bigint): number | string {
  return typeof value === 'number' && value < Number.MAX_SAFE_INTEGER
    ? -1 - value
    : (-1n - BigInt(value)).toString();
}

/** How many bytes, items or pairs follow; each takes a byte at least. */
function length(reader: Reader, first: number): number {
  const size = argument(reader, first);
  if (typeof size === 'bigint' || size > reader.bytes.length - reader.at)
    throw new Error(`${size} more expected at byte ${reader.at}`);
  return size;
}

function slice(reader: Reader, first: number): Buffer {
  const size = length(reader, first);
  reader.at += size;
  return reader.bytes.subarray(reader.at - size, reader.at);
}

function text(reader: Reader, first: number): string {
  const size = length(reader, first);
  const start = reader.at;
  reader.at += size;
  for (let at = start; at < reader.at; at++) {
    if ((reader.bytes[at] as number) > 127) return reader.bytes.toString('utf8', start, reader.at);
  }
  return reader.characters.slice(start, reader.at);
}

function list(reader: Reader, first: number, depth: number): unknown[] {
  const items: unknown[] = [];
  for (let left = begin(reader, first, depth); !isOver(reader, left); left--) items.push(item(reader, depth));
  return items;
}

function map(reader: Reader, first: number, depth: number): WireRecord {
  const pairs: WireRecord = {};
  for (let left = begin(reader, first, depth); !isOver(reader, left); left--) {
    const head = headByte(reader);
    if (head >> 5 !== TEXT) throw unknown(reader, head);
    const name = text(reader, head);
    const value = item(reader, depth);
    // Assigning would set the prototype.
    if (name === '__proto__')
      Object.defineProperty(pairs, name, { value, enumerable: true, configurable: true, writable: true });
    else pairs[name] = value;
  }
  return pairs;
}

/** How many items or pairs follow; infinitely many when a break ends them. */
function begin(reader: Reader, first: number, depth: number): number {
  if (depth > DEPTH_MAX) throw new Error(`more than ${DEPTH_MAX} levels at byte ${reader.at}`);
  return (first & 31) === INDEFINITE ? Number.POSITIVE_INFINITY : length(reader, first);
}

function isOver(reader: Reader, left: number): boolean {
  if (left !== Number.POSITIVE_INFINITY) return left === 0;
  if (reader.bytes[reader.at] !== BREAK) return false;
  reader.at++;
  return true;
}

function simple(reader: Reader, first: number): boolean | number | null {
  if (first === TRUE || first === FALSE) return first === TRUE;
  if (first === NULL) return null;
  if (first < FLOAT16 || first > FLOAT64) throw unknown(reader, first);
  const at = reader.at;
  reader.at += 1 << (first - FLOAT16 + 1);
  if (reader.at > reader.bytes.length) throw new Error(`no item at byte ${at}`);
  if (first === FLOAT64) return finite(reader.bytes.readDoubleBE(at));
  if (first === FLOAT32) return finite(reader.bytes.readFloatBE(at));
  return finite(float16(reader.bytes.readUInt16BE(at)));
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** RFC 8949, appendix D. */
function float16(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function unknown(reader: Reader, first: number): Error {
  return new Error(`no item of a record begins with 0x${first.toString(16)}, at byte ${reader.at - 1}`);
}
