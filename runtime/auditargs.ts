/**
 * The arguments of a program, from the EXECVE records of an audit event:
 *
 *     argc=3 a0="sh" a1="-c" a2=6C73202D6C
 *     argc=2 a0="cat" a1_len=9000 a1[0]=2F746D70 a1[1]=2F78         long ones in pieces, over several records
 *
 * They are decoded into scratch one after the other with a space between, so that `line` is all of them and each is
 * a part of it. Pieces are expected in their order; an argument that stands again is passed over. From ARGUMENTS_MAX
 * on they are left out; scratch that is full cuts them; both are told by `truncated: true` of the record.
 */
import { allocate, scratch, scratchFree } from './arena';
import { indexOfByte } from './bytes';
import { markTruncated } from './emit';
import { literal, Text } from './text';
import { decodeTo, HEX, isHex, PLAIN } from './value';

/** Arguments of one event that can be read. */
export const ARGUMENTS_MAX: u32 = 256;

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const EQUALS: u8 = 0x3d;
const OPEN: u8 = 0x5b;
const CLOSE: u8 = 0x5d;
const LETTER: u8 = 0x61;
const DIGITS_MAX: usize = 6;

@unmanaged
export class Arguments {
  /** What the kernel counted; -1 when no record says. */
  argc: i64 = -1;
  /** How many there are to read. */
  size: u32 = 0;
  /** All of them with a space between. */
  line: Text = new Text();
  /** Start and end of each, u32 each. */
  private places: usize = allocate(ARGUMENTS_MAX * 8);
  private argcText: Text = literal('argc=');
  private start: usize = 0;
  private to: usize = 0;
  private room: usize = 0;
  private rest: Text = new Text();
  private raw: Text = new Text();
  private decoded: Text = new Text();

  /** Points `out` at an argument; empty when there is none. */
  at(index: u32, out: Text): Text {
    out.clear();
    if (index >= this.size) return out;
    const place = this.places + ((<usize>index) << 3);
    return out.set(load<u32>(place), load<u32>(place, 4));
  }

  // For auditevent.ts.

  /** Forgets the arguments; the records that follow hold up to `bytes` bytes. */
  begin(bytes: usize): void {
    this.argc = -1;
    this.size = 0;
    this.start = 0;
    this.room = bytes;
    this.line.clear();
  }

  /** Reads a record. */
  more(body: Text): void {
    if (!this.start) {
      this.room = min(this.room, scratchFree());
      this.start = this.to = scratch(this.room);
    }
    this.rest.set(body.start, body.end);
    while (!this.rest.isEmpty()) {
      if (this.rest.take(this.argcText)) this.argc = this.rest.takeNumber(DIGITS_MAX);
      else this.takeArgument();
      this.toNext();
    }
  }

  finish(): void {
    this.line.set(this.start, this.size ? this.to : this.start);
  }

  /** `a1="-c"` or `a1[0]=2F78`; anything else is left. */
  private takeArgument(): void {
    if (this.rest.at(0) !== LETTER) return;
    this.rest.skip(1);
    const number = this.rest.takeNumber(DIGITS_MAX);
    if (this.rest.at(0) === OPEN) {
      this.rest.skip(1);
      this.rest.takeNumber(DIGITS_MAX);
      if (this.rest.at(0) !== CLOSE) return;
      this.rest.skip(1);
    }
    if (number < 0 || this.rest.at(0) !== EQUALS) return;
    this.rest.skip(1);
    const isQuoted = this.rest.at(0) === QUOTE;
    if (isQuoted) this.rest.skip(1);
    const stop = indexOfByte(this.rest.start, this.rest.end, isQuoted ? QUOTE : SPACE);
    this.raw.set(this.rest.start, stop);
    this.rest.start = stop;
    this.append(number, !isQuoted && isHex(this.raw.start, this.raw.end) ? HEX : PLAIN);
  }

  /** To the start of the next pair. */
  private toNext(): void {
    this.rest.start = min(indexOfByte(this.rest.start, this.rest.end, SPACE) + 1, this.rest.end);
  }

  /** Adds `raw` as the next argument, or to the last one. */
  private append(number: i64, encoding: i32): void {
    const size = <i64>this.size;
    if (number !== size && number !== size - 1) return;
    if (number >= <i64>ARGUMENTS_MAX) {
      markTruncated();
      return;
    }
    const place = this.places + ((<usize>number) << 3);
    if (number === size) {
      if (size && this.to < this.start + this.room) store<u8>(this.to++, SPACE);
      store<u32>(place, <u32>this.to);
      this.size++;
    }
    decodeTo(this.raw, encoding, this.to, this.start + this.room - this.to, this.decoded);
    this.to = this.decoded.end;
    store<u32>(place, <u32>this.to, 4);
  }
}
