/**
 * Bytes of a module, read forward between two limits. Every length is checked before it is believed; numbers are LEB128
 * as the WebAssembly Core Specification says (section 5.2.2): padded up to the bytes that the type may need, no further,
 * and no bit set that the type has not. Whatever is wrong throws a `Refusal`, and nothing else is ever thrown.
 */

/** What a module can be refused for while it is read. */
export type RefusalCode = 'malformed' | 'feature' | 'limit';

/** A module that is not taken; `message` is a clause, and may hold what the module says of itself. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly offset: number;

  constructor(code: RefusalCode, message: string, offset: number) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.offset = offset;
  }
}

/** Bytes that are no module; `found` is a noun phrase. */
export function malformed(found: string, offset: number): Refusal {
  return new Refusal(
    'malformed',
    `expected a valid WebAssembly module, found ${found} at byte ${offset}`,
    offset,
  );
}

/** Something of a proposal that no filter may use. */
export function unwanted(feature: string, found: string, offset: number): Refusal {
  return new Refusal('feature', `expected no ${feature}, found ${found} at byte ${offset}`, offset);
}

/** More of something than is allowed. */
export function tooMany(what: string, most: number, found: number, offset: number): Refusal {
  return new Refusal('limit', `expected up to ${most} ${what}, found ${found} at byte ${offset}`, offset);
}

export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}

export interface Reader {
  readonly bytes: Uint8Array;
  /** The next byte's place. */
  at: number;
  /** Where reading ends: of the module, or of the part that is read. */
  end: number;
  byte(what: string): number;
  u32(what: string): number;
  /** A signed number; of 64 bits it is rounded, because nobody asks for its value. */
  signed(bits: 32 | 33 | 64, what: string): number;
  /** An index, which must be below `count`. */
  index(what: string, count: number): number;
  /** The length of a list, which takes a byte for each of its entries at least. */
  count(what: string, most: number): number;
  skip(bytes: number, what: string): void;
  /** A text, which must be UTF-8. */
  name(what: string): string;
  /** Goes into a part of `bytes` bytes; answers the end of what was read until then, for `leave`. */
  enter(bytes: number, what: string): number;
  /** Goes back out of a part, which must have been read to its end. */
  leave(outerEnd: number, what: string): void;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function createReader(bytes: Uint8Array, start = 0, end = bytes.length): Reader {
  const need = (count: number, what: string) => {
    if (count > reader.end - reader.at) {
      throw malformed(
        `${what} of ${count} bytes where ${reader.end - reader.at} are left`,
        Math.min(reader.at, reader.end),
      );
    }
  };

  function byte(what: string): number {
    if (reader.at >= reader.end) throw malformed(`an end where ${what} is due`, reader.end);
    return bytes[reader.at++] as number;
  }

  /** The rest of an unsigned number whose first byte was `low`. */
  function restOfU32(low: number, what: string, start: number): number {
    let value = low & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const next = byte(what);
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    const last = byte(what);
    if (last > 0x0f) throw malformed(`${what} of more than 32 bits`, start);
    return value + last * 2 ** 28;
  }

  // Nearly every number is one byte, and this runs before anything is compiled for speed: the short way comes first.
  const reader: Reader = {
    bytes,
    at: start,
    end,
    byte,
    u32(what) {
      const at = reader.at;
      if (at < reader.end) {
        const first = bytes[at] as number;
        reader.at = at + 1;
        return first < 0x80 ? first : restOfU32(first, what, at);
      }
      return byte(what);
    },
    signed(bits, what) {
      const start = reader.at;
      let next = byte(what);
      let value = next & 0x7f;
      let scale = 128;
      for (let used = bits - 7; next >= 0x80; used -= 7) {
        next = byte(what);
        value += (next & 0x7f) * scale;
        scale *= 128;
        // The bits of the last byte that the type has not repeat its sign.
        const above = next >> (used - 1);
        if (used < 8 && above !== 0 && above !== 0x7f >> (used - 1))
          throw malformed(`${what} of more than ${bits} bits`, start);
      }
      return next & 0x40 ? value - scale : value;
    },
    index(what, count) {
      const at = reader.at;
      const index = reader.u32(what);
      if (index >= count) throw malformed(`${what} ${index} where there are ${count}`, at);
      return index;
    },
    count(what, most) {
      const at = reader.at;
      const count = reader.u32(`the number of ${what}`);
      if (count > most) throw tooMany(what, most, count, at);
      if (count > reader.end - reader.at)
        throw malformed(`${count} ${what} in ${reader.end - reader.at} bytes`, at);
      return count;
    },
    skip(count, what) {
      need(count, what);
      reader.at += count;
    },
    name(what) {
      const length = reader.u32(`the length of ${what}`);
      need(length, what);
      const at = reader.at;
      reader.at += length;
      try {
        return utf8.decode(bytes.subarray(at, reader.at));
      } catch {
        throw malformed(`${what} that is not UTF-8`, at);
      }
    },
    enter(count, what) {
      need(count, what);
      const outerEnd = reader.end;
      reader.end = reader.at + count;
      return outerEnd;
    },
    leave(outerEnd, what) {
      if (reader.at !== reader.end) throw malformed(`${what} with bytes behind its end`, reader.at);
      reader.end = outerEnd;
    },
  };
  return reader;
}
