/**
 * Whole numbers as text. The whole Text must be the number, within the limits that the caller gives; anything
 * else, also a number that does not fit 64 bits, is NO_NUMBER and never wraps.
 */
import { Text } from './text';

/** No number could be read. Also no limit: numbers go from one above it to i64.MAX_VALUE. */
export const NO_NUMBER: i64 = i64.MIN_VALUE;

const MINUS: u8 = 0x2d;
const PLUS: u8 = 0x2b;
const ZERO: u8 = 0x30;
const LETTER_X: u8 = 0x78;
const LETTER_A: u8 = 0x61;
const CASE_BIT: u8 = 0x20;

/** Decimal digits, with `-` or `+` or without, of a number from `least` to `most`. Leading zeros are allowed. */
export function parseDecimal(text: Text, least: i64, most: i64): i64 {
  const sign = text.at(0);
  const from = text.start + usize(sign === MINUS || sign === PLUS);
  if (from >= text.end) return NO_NUMBER;
  let value: u64 = 0;
  for (let at = from; at < text.end; at++) {
    const digit: u8 = load<u8>(at) - ZERO;
    if (digit > 9 || value > <u64>i64.MAX_VALUE / 10) return NO_NUMBER;
    value = value * 10 + digit;
    if (value > <u64>i64.MAX_VALUE) return NO_NUMBER;
  }
  const number = sign === MINUS ? -(<i64>value) : <i64>value;
  return number < least || number > most ? NO_NUMBER : number;
}

/** Hexadecimal digits of either case, with `0x` or without, of a number from 0 to `most`. */
export function parseHex(text: Text, most: i64): i64 {
  const hasPrefix = text.at(0) === ZERO && (text.at(1) | CASE_BIT) === LETTER_X;
  const from = text.start + (hasPrefix ? 2 : 0);
  if (from >= text.end) return NO_NUMBER;
  let value: i64 = 0;
  for (let at = from; at < text.end; at++) {
    const digit = hexDigit(load<u8>(at));
    if (digit > 15 || value >> 59) return NO_NUMBER;
    value = (value << 4) | digit;
  }
  return value > most ? NO_NUMBER : value;
}

/** The value of a hexadecimal digit, or 255. */
export function hexDigit(byte: u8): u8 {
  const digit: u8 = byte - ZERO;
  const letter: u8 = (byte | CASE_BIT) - LETTER_A;
  return digit < 10 ? digit : letter < 6 ? letter + 10 : 255;
}
