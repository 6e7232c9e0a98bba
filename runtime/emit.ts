/**
 * Emit: records as CBOR maps (RFC 8949), framed into the output region.
 *
 *     const logins = new Stream('logins');
 *     const USER = new Key('user');
 *     logins.open(at).text(USER, name).int(PORT, port).close();
 *
 * Every record begins with `ts`. One event, or one entry of a closing window, may emit `eventOutputBytes()` at
 * most, which is half of the output region whatever the batch holds, so that output never depends on how
 * events are batched. A record past that is left out whole and counted as overflowed. Texts over
 * TEXT_BYTES_MAX are cut; the record then says `truncated: true`, as it does when the event itself was cut.
 */
import {
  count,
  EMITTED_AT,
  FRAME_BYTES,
  KIND_STREAM,
  MAP,
  OUTPUT_AT,
  OVERFLOWED,
  regionBytes,
  regionStart,
} from './abi';
import { allocate, register } from './arena';
import { copyBytes } from './bytes';
import { literal, Text } from './text';
import { orReceived } from './time';
import { endDue, mayBegin } from './turn';
import { copyAscii, cutAt, validBytes, writeValid } from './utf8';

/** Longest text value in a record. */
export const TEXT_BYTES_MAX: usize = 32 * 1024;

// CBOR major types and simple values, RFC 8949 sections 3.1 and 3.3.
const UNSIGNED: u8 = 0x00;
const NEGATIVE: u8 = 0x20;
const BYTES: u8 = 0x40;
const STRING: u8 = 0x60;
const MAP_TYPE: u8 = 0xa0;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const FLOAT64: u8 = 0xfb;
/** Longest head of an item: one byte and a 64-bit argument. */
const HEAD_BYTES_MAX: usize = 9;
/** Kept free for `truncated: true` and `partial: true`, for a longer head of the map, and for padding. */
const CLOSE_BYTES: usize = 32;
const MARKS: u32 = 2;
/** The part of CLOSE_BYTES that the two of them take. */
const MARKS_BYTES: usize = 24;
/** The key `ts` as a text string of two bytes. */
const TS: u32 = 0x737462;
const TS_BYTES: usize = 3;
/**
 * What is due is handed over until so many bytes of state were looked at, then others have their turn: the dearest that an attacker
 * can leave in a key take 230 fuel each, 8 million in all.
 */
const TURN_BYTES_MAX: usize = 32 * 1024;
/** Texts up to this length are copied and judged in one pass. */
const SHORT_BYTES_MAX: usize = 256;
/** Fields of one record, marks included; its count must fit one byte. */
const PAIRS_MAX: u32 = 255;

/** Streams that were made. */
let streams: u32 = 0;
let at: usize = 0;
let recordStart: usize = 0;
let limit: usize = 0;
let streamIndex: u32 = 0;
let pairs: u32 = 0;
let isCut: bool = false;
/** Nothing more goes into the record; so it is where none is open. */
let isOver: bool = true;
let isOpen: bool = false;
let emittedInEvent: bool = false;
let isEventCut: bool = false;
let isPartial: bool = false;
/** Bytes that were looked at since the call or the last event began, of what is due. */
let lookedAt: usize = 0;

/** A field's name, prepared as a CBOR text string. */
@unmanaged
export class Key {
  // For the library.

  start: usize = 0;
  bytes: usize = 0;
}

export function key(name: string): Key {
  if (!name.length || name === 'ts' || name === 'truncated' || name === 'partial') {
    abort(
      'key: expected a name other than ts, truncated and partial, which the library writes, found "' +
        name +
        '"',
    );
  }
  return keyOf(literal(name));
}

/** A key from bytes that are known only once the config is read. */
export function keyOf(name: Text): Key {
  const made = new Key();
  const nameBytes = validBytes(name.start, name.end);
  made.start = allocate(nameBytes + HEAD_BYTES_MAX);
  const body = writeHead(made.start, STRING, nameBytes);
  writeValid(body, name.start, name.end, nameBytes);
  made.bytes = body + nameBytes - made.start;
  return made;
}

const TRUNCATED_KEY: Key = keyOf(literal('truncated'));
const PARTIAL_KEY: Key = keyOf(literal('partial'));

/** A named output of the filter; the names are those of `streams` in filter.json. */
@unmanaged
export class Stream {
  private index: u32 = 0;

  constructor(name: string) {
    register(KIND_STREAM, name, 0, 0, 0, 0, 0);
    this.index = streams++;
  }

  /** Begins a record with its event time, in milliseconds since 1970; with NO_TIME, the time received. */
  open(ts: i64): Stream {
    needClosed();
    isOpen = true;
    recordStart = at;
    streamIndex = this.index;
    pairs = MARKS;
    isCut = false;
    isOver = false;
    at += FRAME_BYTES + 1;
    if (at + TS_BYTES + HEAD_BYTES_MAX + CLOSE_BYTES > limit) {
      isOver = true;
      return this;
    }
    store<u32>(at, TS);
    at += TS_BYTES;
    putInteger(orReceived(ts));
    pairs++;
    return this;
  }

  int(name: Key, value: i64): Stream {
    if (begin(name, HEAD_BYTES_MAX)) putInteger(value);
    return this;
  }

  bool(name: Key, value: bool): Stream {
    if (begin(name, 1)) store<u8>(at++, value ? TRUE : FALSE);
    return this;
  }

  nothing(name: Key): Stream {
    if (begin(name, 1)) store<u8>(at++, NULL);
    return this;
  }

  text(name: Key, value: Text): Stream {
    if (!putShort(name, value.start, value.end) && begin(name, 0)) writeText(value.start, value.end);
    return this;
  }

  /** Ends the record: it is in the output, or, where it did not fit, left out and counted. */
  close(): void {
    if (isOver) {
      needOpen();
      isOpen = false;
      at = recordStart;
      count(OVERFLOWED, 1);
      return;
    }
    // Scratch may have run out while the record was open.
    pairs -= MARKS;
    limit += MARKS_BYTES;
    if (isCut || isEventCut) this.bool(TRUNCATED_KEY, true);
    if (isPartial) this.bool(PARTIAL_KEY, true);
    limit -= MARKS_BYTES;
    closeMap();
    const bytes = at - recordStart - FRAME_BYTES;
    store<u32>(recordStart, <u32>bytes);
    store<u32>(recordStart, streamIndex, 4);
    store<u32>(at, 0);
    at = (at + 3) & ~3;
    emittedInEvent = true;
    isOpen = false;
    isOver = true;
    store<u32>(MAP + EMITTED_AT, <u32>(at - regionStart(OUTPUT_AT)));
  }
}

// For the library: the frame of a call and of an event, and raw items for values that are copied from JSON.

/** Begins a call of the host with an empty output region; what is `partial` is told before it is over. */
export function resetOutput(partial: bool): void {
  isPartial = partial;
  at = regionStart(OUTPUT_AT);
  lookedAt = 0;
  store<u32>(MAP + EMITTED_AT, 0);
}

/** What is opened is closed before the next record, and before the event or the row is over. */
export function needClosed(): void {
  // The host names the stream.
  if (isOpen)
    abort('a record was opened, and not closed: expected open, fields, close', null, streamIndex + 1);
}

/** Called where nothing more goes in, which costs the others nothing. */
function needOpen(): void {
  if (!isOpen) abort('a field, or close, without a record that is open: expected open, fields, close');
}

/** The most that one event may emit. */
export function eventOutputBytes(): usize {
  return (regionBytes(OUTPUT_AT) >> 1) & ~15;
}

/** Begins an event of so many bytes, or answers false: the host must take what is there first. */
export function beginEventOutput(bytes: usize): bool {
  if (!beginOutput()) return false;
  lookedAt = bytes;
  return true;
}

/** There is room in this turn for something that is due, of so many bytes of state; else the host, or others, have a turn first. */
export function hasRoomForDue(bytes: usize): bool {
  if (!mayBegin() || (lookedAt && lookedAt + bytes > TURN_BYTES_MAX) || !beginOutput()) return false;
  lookedAt += bytes;
  return true;
}

/** Behind it, told or not. */
export function endDueOutput(): void {
  needClosed();
  endDue();
}

function beginOutput(): bool {
  needClosed();
  if (at + eventOutputBytes() > regionStart(OUTPUT_AT) + regionBytes(OUTPUT_AT)) return false;
  limit = at + eventOutputBytes();
  emittedInEvent = false;
  isEventCut = false;
  return true;
}

/** The event reached the filter cut short, or what it says was cut: the records that it closes say so. */
export function markTruncated(): void {
  isEventCut = true;
}

/** True when the event has emitted a record. */
export function hasEmitted(): bool {
  return emittedInEvent;
}

/** Where the next item goes, and back to there: for a copy that turns out not to be possible. */
export function outputAt(): usize {
  return at;
}

export function rewindOutput(to: usize): void {
  at = to;
}

/** Writes the key, when `bytes` more still fit; after a refusal the whole record is dropped. */
export function begin(name: Key, bytes: usize): bool {
  if (isOver || pairs >= PAIRS_MAX || at + name.bytes + bytes + CLOSE_BYTES > limit) {
    needOpen();
    isOver = true;
    return false;
  }
  v128.store(at, v128.load(name.start));
  if (name.bytes > 16) copyBytes(at, name.start, name.bytes);
  at += name.bytes;
  pairs++;
  return true;
}

/**
 * Begins a byte string of this field and answers the address of its bytes, which the caller then fills; 0 when it
 * does not fit, and the record is dropped.
 */
export function beginBytes(name: Key, bytes: usize): usize {
  if (!begin(name, HEAD_BYTES_MAX + bytes)) return 0;
  const start = writeHead(at, BYTES, bytes);
  at = start + bytes;
  return start;
}

/** One raw byte of CBOR, for indefinite-length items (RFC 8949, section 3.2). */
export function writeByte(byte: u8): void {
  if (!isOver && at + 1 + CLOSE_BYTES <= limit) store<u8>(at++, byte);
  else isOver = true;
}

export function writeInteger(isNegative: bool, magnitude: u64): void {
  if (at + HEAD_BYTES_MAX + CLOSE_BYTES > limit) isOver = true;
  else at = isNegative ? writeHead(at, NEGATIVE, magnitude - 1) : writeHead(at, UNSIGNED, magnitude);
}

export function writeFloat(value: f64): void {
  if (at + HEAD_BYTES_MAX + CLOSE_BYTES > limit) isOver = true;
  else {
    store<u8>(at, FLOAT64);
    store<u64>(at, bswap<u64>(reinterpret<u64>(value)), 1);
    at += 9;
  }
}

/** Writes key and text in one pass, when the text is short, ASCII and fits: most are. Else nothing has happened. */
function putShort(name: Key, start: usize, end: usize): bool {
  const length = end - start;
  if (length > SHORT_BYTES_MAX || isOver || pairs >= PAIRS_MAX) return false;
  if (at + name.bytes + HEAD_BYTES_MAX + length + CLOSE_BYTES > limit) return false;
  v128.store(at, v128.load(name.start));
  if (name.bytes > 16) copyBytes(at, name.start, name.bytes);
  let body = at + name.bytes + 1;
  if (length < 24) store<u8>(body - 1, STRING | <u8>length);
  else body = writeHead(body - 1, STRING, length);
  if (!copyAscii(body, start, length)) return false;
  at = body + length;
  pairs++;
  return true;
}

/** A text string item of these bytes, made valid, cut at TEXT_BYTES_MAX. */
export function writeText(start: usize, end: usize): void {
  const stop = cutAt(start, end, TEXT_BYTES_MAX);
  if (stop !== end) isCut = true;
  const bytes = validBytes(start, stop);
  if (isOver || at + HEAD_BYTES_MAX + bytes + CLOSE_BYTES > limit) {
    isOver = true;
    return;
  }
  at = writeHead(at, STRING, bytes);
  writeValid(at, start, stop, bytes);
  at += bytes;
}

function putInteger(value: i64): void {
  at = value < 0 ? writeHead(at, NEGATIVE, <u64>(-1 - value)) : writeHead(at, UNSIGNED, <u64>value);
}

function writeHead(target: usize, major: u8, value: u64): usize {
  if (value < 24) {
    store<u8>(target, major | <u8>value);
    return target + 1;
  }
  if (value < 0x100) {
    store<u8>(target, major | 24);
    store<u8>(target, <u8>value, 1);
    return target + 2;
  }
  if (value < 0x10000) {
    store<u8>(target, major | 25);
    store<u16>(target, bswap<u16>(<u16>value), 1);
    return target + 3;
  }
  if (value < 0x100000000) {
    store<u8>(target, major | 26);
    store<u32>(target, bswap<u32>(<u32>value), 1);
    return target + 5;
  }
  store<u8>(target, major | 27);
  store<u32>(target, bswap<u32>(<u32>(value >> 32)), 1);
  store<u32>(target, bswap<u32>(<u32>value), 5);
  return target + 9;
}

/** The map's head was left one byte; from 24 pairs on it needs two, so the rare large record moves up. */
function closeMap(): void {
  const body = recordStart + FRAME_BYTES + 1;
  if (pairs < 24) {
    store<u8>(body - 1, MAP_TYPE | <u8>pairs);
    return;
  }
  memory.copy(body + 1, body, at - body);
  writeHead(body - 1, MAP_TYPE, pairs);
  at++;
}
