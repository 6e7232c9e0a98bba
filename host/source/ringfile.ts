/**
 * The file of a ring: what an inbox holds, for the next process when this one is killed.
 *
 *     offset 0     slot 0     magic, id of the ring, numbers, CRC-32 of these. The slots are written in turn: one is
 *     offset 4096  slot 1     whole whatever happens to the other, and the higher sequence counts.
 *     offset 8192  the bytes of the ring, as they lie in memory
 *
 * Bytes are written before the header that tells of them, and before bytes are written over, a header that does not
 * tell of them any more: so at any moment the header that counts tells of whole lines. What lies behind its head is
 * not seen. All room is taken when the file is made, so that a full disk is told then, and no write fails later.
 *
 * What a file holds is hostile input. The numbers have to fit each other and the bytes to fit the numbers, else it is
 * made anew, and that is told. A header that is whole still tells how many lines there were, for those who had not read
 * them to count. Nothing is synced: it survives the end of the process, and of a loss of power what a disk had by then.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { oneLine, systemCode, WeirError } from '../errors.js';
import type { Notices } from './notices.js';
import { lineEnds, pieces, type RingMemory, type RingState } from './ring.js';

export interface RingFileOptions {
  readonly path: string;
  readonly notices: Notices;
}

export interface RingFile {
  /** No other ring has it. */
  id(): string;
  /** The id that saved places have, and the head up to which they may lie. */
  readonly found: { readonly id: string; readonly head: number };
  /**
   * Gives the ring another id, because a saved place lies behind the head that was found: after a loss of power the file
   * of a disk may be older than that. What comes from now on has offsets that such a place means otherwise.
   */
  renew(): void;
  /** Writes what has come since the last time. Does not throw: what could not be written is tried again. */
  flush(): void;
  /** The same, for the last time. */
  close(): void;
}

interface Header extends RingState {
  readonly id: string;
  readonly sequence: number;
  readonly capacity: number;
}

/** What is at a path: nothing, a ring, one of which only the header can be read, or something else. */
type Found =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'ring'; readonly header: Header; readonly fd: number }
  | { readonly kind: 'damaged'; readonly header: Header; readonly why: string }
  | { readonly kind: 'other'; readonly why: string };

/** Opens the file, or makes it, and fills an empty memory with what it holds. Throws INBOX_UNWRITABLE. */
export function openRingFile(memory: RingMemory, { path, notices }: RingFileOptions): RingFile {
  const found = find(path, memory.bytes);
  if (found.kind === 'ring') return follow(found.fd, found.header, memory, notices);
  memory.bytes.fill(0);
  const header = headerAnew(found, memory.bytes.length);
  const fd = make(path, header, memory.bytes);
  if (found.kind === 'other')
    notices.say(
      `${path}: expected an inbox, found ${found.why}; it was made anew, and what it held is not counted`,
    );
  if (found.kind === 'damaged') {
    const lost = found.header.headLine - found.header.tailLine;
    notices.say(`${path}: expected an inbox, found ${found.why}; the ${lost} events that it held are lost`);
  }
  return follow(fd, header, memory, notices);
}

/** Where a ring goes on of which nothing is left but the header, or a new one begins. */
function headerAnew(found: Found, capacity: number): Header {
  if (found.kind === 'damaged') {
    const { head, headLine } = found.header;
    return { ...found.header, capacity, tail: head, tailLine: headLine };
  }
  return { id: newId(), sequence: 0, capacity, tail: 0, head: 0, tailLine: 0, headLine: 0, cutEvents: 0 };
}

/** Keeps an open file up to date with the memory; `header` is what it says so far. */
function follow(fd: number, header: Header, { bytes, state }: RingMemory, notices: Notices): RingFile {
  const sayTrouble = notices.limited();
  const slot = Buffer.alloc(SLOT_BYTES);
  let written = header;
  let isClosed = false;
  const { tail, head, tailLine, headLine, cutEvents } = header;
  Object.assign(state, { tail, head, tailLine, headLine, cutEvents });

  function writeHeader(next: RingState): void {
    const header = { ...written, ...next, sequence: written.sequence + 1 };
    writeAll(fd, encode(header, slot), slotOffset(header));
    written = header;
  }

  function write(): void {
    const { tail, tailLine } = state;
    // More came at once than there is room for: some of it was dropped before it got here.
    const isGap = tail > written.head;
    const from = isGap ? tail : written.head;
    if (state.head - bytes.length > written.tail)
      writeHeader({ ...written, tail, tailLine, head: from, headLine: isGap ? tailLine : written.headLine });
    const [first, second] = pieces(bytes, from, state.head);
    writeAll(fd, first, HEADER_BYTES + (from % bytes.length));
    writeAll(fd, second, HEADER_BYTES);
    writeHeader(state);
  }

  function tried(write: () => void): void {
    try {
      write();
    } catch (error) {
      sayTrouble(`its inbox cannot be written, what comes is kept in memory only: ${oneLine(error)}`);
    }
  }

  function flush(): void {
    if (!isClosed && state.head !== written.head) tried(write);
  }

  return {
    id: () => written.id,
    found: header,
    renew() {
      // Nothing will come any more, and the descriptor is another file's by now.
      if (isClosed) return;
      written = { ...written, id: newId() };
      tried(() => writeHeader(written));
    },
    flush,
    close() {
      flush();
      if (!isClosed) closeSync(fd);
      isClosed = true;
    },
  };
}

function find(path: string, bytes: Buffer): Found {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    const code = systemCode(error);
    return code === 'ENOENT' ? { kind: 'nothing' } : { kind: 'other', why: code };
  }
  const found = look(fd, bytes);
  if (found.kind !== 'ring') closeSync(fd);
  return found;
}

/** Reads a file into `bytes`. */
function look(fd: number, bytes: Buffer): Found {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { kind: 'other', why: 'no regular file' };
    if (stat.uid !== process.geteuid?.()) return { kind: 'other', why: `a file of user ${stat.uid}` };
    const slots = Buffer.alloc(HEADER_BYTES);
    readSync(fd, slots, 0, slots.length, 0);
    const [header] = SLOT_OFFSETS.flatMap((at) => decode(slots.subarray(at, at + SLOT_BYTES))).sort(
      (one, other) => other.sequence - one.sequence,
    );
    if (!header) return { kind: 'other', why: 'no header that is whole' };
    const sizes = [stat.size - HEADER_BYTES, header.capacity];
    if (sizes.some((size) => size !== bytes.length))
      return { kind: 'damaged', header, why: `room for ${sizes.join(' or ')} bytes, not ${bytes.length}` };
    readSync(fd, bytes, 0, bytes.length, HEADER_BYTES);
    if (!holds(bytes, header))
      return { kind: 'damaged', header, why: 'other lines than its header tells of' };
    return { kind: 'ring', header, fd };
  } catch (error) {
    return { kind: 'other', why: oneLine(error) };
  }
}

function holds(bytes: Buffer, { tail, head, tailLine, headLine }: Header): boolean {
  const lastByte = bytes[(head - 1) % bytes.length];
  return lineEnds(bytes, tail, head) === headLine - tailLine && (tail === head || lastByte === LF);
}

/** Makes a file beside and puts it in the place, so that there is never a part of one. */
function make(path: string, header: Header, bytes: Buffer): number {
  const beside = `${path}.new`;
  let fd: number | undefined;
  try {
    rmSync(beside, { force: true });
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    fd = openSync(beside, O_RDWR | O_CREAT | O_EXCL, 0o600);
    const slots = Buffer.alloc(HEADER_BYTES);
    encode(header).copy(slots, slotOffset(header));
    writeAll(fd, slots, 0);
    writeAll(fd, bytes, HEADER_BYTES);
    renameSync(beside, path);
    return fd;
  } catch (error) {
    if (fd !== undefined) {
      closeSync(fd);
      rmSync(beside, { force: true });
    }
    const expected = `expected to make an inbox of ${HEADER_BYTES + bytes.length} bytes`;
    throw new WeirError('INBOX_UNWRITABLE', `${path}: ${expected}, found ${oneLine(error)}`);
  }
}

function writeAll(fd: number, bytes: Buffer, offset: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
}

const LF = 10;
const MAGIC = Buffer.from('weirring');
const ID_BYTES = 8;
/** Doubles, which are exact for whole numbers up to 2^53. */
const NUMBERS = ['sequence', 'capacity', 'tail', 'head', 'tailLine', 'headLine', 'cutEvents'] as const;
const NUMBERS_AT = MAGIC.length + ID_BYTES;
const CRC_AT = NUMBERS_AT + NUMBERS.length * Float64Array.BYTES_PER_ELEMENT;
const SLOT_BYTES = CRC_AT + Uint32Array.BYTES_PER_ELEMENT;
/** Each in a page of its own. */
const SLOT_OFFSETS = [0, 4096] as const;
const HEADER_BYTES = 8192;
/** 4 PB, which at 100 MB/s take more than a year. */
const OFFSET_MAX = 2 ** 52;

function newId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

function slotOffset({ sequence }: Header): number {
  return SLOT_OFFSETS[(sequence % 2) as 0 | 1];
}

function encode(header: Header, slot: Buffer = Buffer.alloc(SLOT_BYTES)): Buffer {
  MAGIC.copy(slot);
  slot.write(header.id, MAGIC.length, 'hex');
  NUMBERS.forEach((name, at) => {
    slot.writeDoubleLE(header[name], NUMBERS_AT + at * Float64Array.BYTES_PER_ELEMENT);
  });
  slot.writeUInt32LE(crc32(slot.subarray(0, CRC_AT)), CRC_AT);
  return slot;
}

/** The header of a slot; nothing when it is not whole, or tells what cannot be. */
function decode(slot: Buffer): Header[] {
  const isWhole = slot.readUInt32LE(CRC_AT) === crc32(slot.subarray(0, CRC_AT));
  if (!isWhole || !slot.subarray(0, MAGIC.length).equals(MAGIC)) return [];
  const numbers = NUMBERS.map((name, at) => [
    name,
    slot.readDoubleLE(NUMBERS_AT + at * Float64Array.BYTES_PER_ELEMENT),
  ]);
  const id = slot.toString('hex', MAGIC.length, NUMBERS_AT);
  const header = { id, ...Object.fromEntries(numbers) } as Header;
  return isPossible(header) ? [header] : [];
}

function isPossible(header: Header): boolean {
  const { capacity, tail, head, tailLine, headLine, cutEvents } = header;
  const [heldBytes, heldLines] = [head - tail, headLine - tailLine];
  return (
    NUMBERS.every((name) => Number.isSafeInteger(header[name]) && header[name] >= 0) &&
    head <= OFFSET_MAX &&
    heldBytes >= 0 &&
    heldBytes <= capacity &&
    heldLines >= 0 &&
    // A line is a byte at least, and its end.
    heldLines <= heldBytes / 2 &&
    heldLines > 0 === heldBytes > 0 &&
    headLine <= head / 2 &&
    cutEvents <= headLine
  );
}
