/**
 * How many different keys: the registers that `Distinct` of the library puts into a record (HyperLogLog; `runtime/distinct.ts`).
 */
import { bytesOf, expectSame, refuseSketch, type SketchBytes } from './bytes.js';

/** 2^precision registers, each with the most leading zeros, plus one, that a hash of its keys had. */
export interface DistinctSketch {
  readonly precision: number;
  readonly registers: Uint8Array;
}

const PRECISION_MIN = 4;
const PRECISION_MAX = 16;
const HASH_BITS = 64;
/** 1 / (2 ln 2). */
const ALPHA = 0.7213475204444817;

/** Throws a WeirError `SKETCH_INVALID` for bytes that no `Distinct` has written. */
export function readDistinct(given: SketchBytes): DistinctSketch {
  const registers = bytesOf('a Distinct', given, 2 ** PRECISION_MIN);
  const precision = Math.log2(registers.length);
  if (!Number.isInteger(precision) || precision > PRECISION_MAX)
    refuseSketch(`a Distinct of 2^${PRECISION_MIN} to 2^${PRECISION_MAX} registers`, registers.length);
  const most = HASH_BITS - precision + 1;
  const above = registers.find((register) => register > most);
  if (above !== undefined) refuseSketch(`a register of a Distinct up to ${most}`, above);
  return { precision, registers };
}

/** The sketch that would have seen all: the greater of each two registers. Throws where the precision differs. */
export function mergeDistinct(first: DistinctSketch, ...others: readonly DistinctSketch[]): DistinctSketch {
  const registers = Uint8Array.from(first.registers);
  for (const other of others) {
    expectSame('precision', first.precision, other.precision);
    other.registers.forEach((register, at) => {
      registers[at] = Math.max(register, registers[at] as number);
    });
  }
  return { precision: first.precision, registers };
}

/** The number of different keys as the filter would tell it, and its standard error, 1.04 / sqrt(2^precision) of it. */
export function estimateDistinct({ registers }: DistinctSketch): {
  readonly keys: number;
  readonly standardError: number;
} {
  const size = registers.length;
  const values = new Uint32Array(HASH_BITS);
  for (const register of registers) values[register] = (values[register] as number) + 1;
  const empty = values[0] as number;
  if (empty === size) return { keys: 0, standardError: 0 };
  // The sum of 2^-value, in the order of the filter, so that every bit is the same.
  let sum = 0;
  for (let value = HASH_BITS - 1; value >= 1; value--) sum = 0.5 * (sum + (values[value] as number));
  const keys = Math.floor((ALPHA * size * size) / (sum + size * sigma(empty / size)) + 0.5);
  return { keys, standardError: (1.04 / Math.sqrt(size)) * keys };
}

/** x + the sum of x^(2^k) 2^(k-1) over k from 1 on, for x below 1 (Ertl, section 2.3). */
function sigma(x: number): number {
  let sum = x;
  let factor = 1;
  for (let power = x, before = -1; before !== sum; factor *= 2) {
    before = sum;
    power *= power;
    sum += power * factor;
  }
  return sum;
}
