/**
 * Decimal numbers with a fraction as whole numbers, because floats are left out: `12.5` with three digits is 12500.
 */
import { NO_NUMBER } from './number';
import { Text } from './text';

const MINUS: u8 = 0x2d;
const PLUS: u8 = 0x2b;
const DOT: u8 = 0x2e;
const ZERO: u8 = 0x30;
const LETTER_E: u8 = 0x65;
const CASE_BIT: u8 = 0x20;
/** Larger ones mean the same: a line has fewer digits, so each of its numbers is then 0, cut to 0, or too large. */
const EXPONENT_MAX: i64 = 1 << 40;

/**
 * The whole text as a number of units of 10^-digits, from `least` to `most`: digits with `-` or `+` or without, then `.`
 * and digits or nothing, then an exponent such as `e-05` or nothing. Digits behind the last unit are cut, so the number
 * is the next one towards 0. Anything else, also what does not fit 64 bits, is NO_NUMBER and never wraps.
 */
export function parseFixed(text: Text, digits: i32, least: i64, most: i64): i64 {
  const end = text.end;
  const start = signEnd(text.start, end);
  const dot = digitsEnd(start, end);
  const stop = dot < end && load<u8>(dot) === DOT ? digitsEnd(dot + 1, end) : dot;
  if (dot === start || stop === dot + 1) return NO_NUMBER;
  const exponent = exponentAt(stop, end);
  if (exponent === NO_NUMBER) return NO_NUMBER;
  const value = firstDigits(start, stop, <i64>(dot - start) + digits + exponent);
  const number = text.at(0) === MINUS ? -value : value;
  return value < 0 || number < least || number > most ? NO_NUMBER : number;
}

/** The first `count` digits as a number, a dot between them left out, with zeros behind them; -1 past 64 bits. */
function firstDigits(start: usize, stop: usize, count: i64): i64 {
  let value: i64 = 0;
  let left = count;
  // Zeros behind a number that is not 0 end the loop by its limit.
  for (let at = start; left > 0 && (at < stop || value); at++) {
    const digit: u8 = at < stop ? load<u8>(at) - ZERO : 0;
    if (digit > 9) continue;
    if (value > i64.MAX_VALUE / 10) return -1;
    value = value * 10 + digit;
    if (value < 0) return -1;
    left--;
  }
  return value;
}

/** The exponent between, 0 for nothing; else NO_NUMBER. */
function exponentAt(start: usize, end: usize): i64 {
  if (start === end) return 0;
  const first = signEnd(start + 1, end);
  if ((load<u8>(start) | CASE_BIT) !== LETTER_E || first === end || digitsEnd(first, end) < end)
    return NO_NUMBER;
  let value: i64 = 0;
  for (let at = first; at < end && value < EXPONENT_MAX; at++) value = value * 10 + (load<u8>(at) - ZERO);
  return load<u8>(start, 1) === MINUS ? -value : value;
}

/** Address behind a sign, or `start`. */
function signEnd(start: usize, end: usize): usize {
  const byte = start < end ? load<u8>(start) : 0;
  return start + usize(byte === MINUS || byte === PLUS);
}

/** Address behind the digits, or `start`. */
function digitsEnd(start: usize, end: usize): usize {
  let at = start;
  while (at < end && load<u8>(at) - ZERO < 10) at++;
  return at;
}
