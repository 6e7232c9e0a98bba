/**
 * CSV (RFC 4180): the columns of one line.
 *
 *     const csv = new Csv(COMMA);                         or SEMICOLON, TAB, or any other byte
 *     const action = csv.column(6);                       while the filter starts; the first column is 0
 *     if (!csv.parse(line)) return malformed();           in an event
 *     csv.size; action.isPresent; action.text();          text() decodes doubled quotes
 *
 * A column that begins with a quote runs to the next quote that is not doubled; behind that must stand a separator
 * or the end. Any other column runs to the next separator; a quote inside of it is an ordinary byte, and so are
 * spaces. A line is malformed when quotes are not closed, as where a column holds a line end, or when anything
 * stands behind them. Columns from COLUMNS_MAX on are counted in `size` and cannot be wanted.
 */
import { allocate } from './arena';
import { indexOfByte } from './bytes';
import { Text } from './text';
import { DOUBLED_QUOTES, PLAIN, Value } from './value';

/** Columns that a filter can read. */
export const COLUMNS_MAX: u32 = 256;
export const COMMA: u8 = 0x2c;
export const SEMICOLON: u8 = 0x3b;
export const TAB: u8 = 0x09;

const QUOTE: u8 = 0x22;
const POINTER_BYTES: usize = sizeof<usize>();

@unmanaged
export class Csv {
  /** Columns of the line that was parsed last; at least 1. */
  size: u32 = 0;
  private separator: u8 = 0;
  /** The value of each column, or 0. */
  private columns: usize = allocate(POINTER_BYTES * COLUMNS_MAX);
  /** Columns up to the last one that is wanted. */
  private wanted: u32 = 0;
  private isEscaped: bool = false;

  constructor(separator: u8) {
    this.separator = separator;
  }

  /** The value of a column; the same number gives the same value. Call it while the filter starts. */
  column(number: u32): Value {
    if (number >= COLUMNS_MAX) abort('a filter reads columns 0 to 255 of CSV');
    const place = this.columns + POINTER_BYTES * number;
    if (!load<usize>(place)) store<usize>(place, changetype<usize>(new Value()));
    this.wanted = max(this.wanted, number + 1);
    return changetype<Value>(load<usize>(place));
  }

  /** Reads a line; false when it is malformed. */
  parse(line: Text): bool {
    this.clear();
    const end = line.end;
    let at = line.start;
    while (true) {
      const isQuoted = at < end && load<u8>(at) === QUOTE;
      const start = isQuoted ? at + 1 : at;
      const stop = isQuoted ? this.closingQuote(start, end) : this.columnEnd(at, end);
      if (isQuoted && stop === end) return false;
      const value = this.valueOf(this.size++);
      if (value) value.take(start, stop, isQuoted && this.isEscaped ? DOUBLED_QUOTES : PLAIN);
      at = isQuoted ? stop + 1 : stop;
      if (at === end) return true;
      if (load<u8>(at++) !== this.separator) return false;
    }
  }

  private clear(): void {
    this.size = 0;
    for (let number: u32 = 0; number < this.wanted; number++) {
      const value = this.valueOf(number);
      if (value) value.clear();
    }
  }

  @inline
  private valueOf(number: u32): Value | null {
    if (number >= this.wanted) return null;
    return changetype<Value | null>(load<usize>(this.columns + POINTER_BYTES * number));
  }

  /** Address of the next separator, which mostly is near, or `end`. */
  @inline
  private columnEnd(start: usize, end: usize): usize {
    const hits = i8x16.bitmask(i8x16.eq(v128.load(start), i8x16.splat(this.separator)));
    return hits ? min(start + <usize>ctz(hits), end) : indexOfByte(start + 16, end, this.separator);
  }

  /** Address of the first quote that is not doubled, or `end`. */
  private closingQuote(start: usize, end: usize): usize {
    this.isEscaped = false;
    for (let at = start; at < end; at += 2) {
      at = indexOfByte(at, end, QUOTE);
      if (at >= end || at + 1 === end || load<u8>(at + 1) !== QUOTE) return at;
      this.isEscaped = true;
    }
    return end;
  }
}
