/**
 * Distinct: how many different keys were seen, in memory of fixed size (HyperLogLog: Flajolet and others, 2007).
 *
 *     const users = new Distinct('users', 12);
 *     users.add(name); ... stream.int(USERS, users.estimate());
 *
 * A key's hash chooses one of m = 2^precision registers, which keeps the most leading zeros (plus one) that the rest
 * of a hash of its keys had. The standard error of the estimate is 1.04 / sqrt(m), at any number of keys:
 *
 *     precision   4      8      10     12     14     16
 *     bytes       16     256    1024   4096   16384  65536
 *     error       26 %   6.5 %  3.3 %  1.6 %  0.8 %  0.4 %
 *
 * The estimate is the improved raw estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog
 * sketches", 2017), which needs neither the bias correction nor the logarithm of the original's small range: sums,
 * products and one quotient of f64, which IEEE 754 fixes to the bit. It never fills. Whoever chooses the keys can choose
 * hashes, too, and have the estimate too high or too low.
 *
 * A row of a Table can hold one in place of counters, for a number of each key and window:
 *
 *     const sources = new Table('sources', 512, 64, 1 + Distinct.counters(8));
 *     users.at(sources.counterAt(row, 1)).add(name)
 *
 * Merge: the greater of each two registers, of sketches with the same precision; the result is the sketch of both.
 *
 *     register: u8; m of them
 */
import { KIND_DISTINCT } from './abi';
import { allocate, allocateState } from './arena';
import { sketchHash } from './bytes';
import { beginBytes, Key } from './emit';
import { aggregated } from './ledger';
import { Text } from './text';

export const PRECISION_MIN: u32 = 4;
export const PRECISION_MAX: u32 = 16;

/** A register holds 64 - precision + 1 at most. */
const VALUES: u32 = 64;
/** 1 / (2 ln 2). */
const ALPHA: f64 = 0.7213475204444817;

@unmanaged
export class Distinct {
  private registers: usize = 0;
  private precision: u32 = 0;
  private histogram: usize = 0;

  /** Without a name it has no memory of its own, and must be put `at` some before it is used. */
  constructor(name: string, precision: u32) {
    if (precision < PRECISION_MIN || precision > PRECISION_MAX)
      abort('a precision of Distinct is from 4 to 16');
    this.precision = precision;
    this.histogram = allocate(VALUES * 4);
    const bytes = (<usize>1) << precision;
    if (name.length) this.registers = allocateState(KIND_DISTINCT, name, precision, 0, 0, bytes);
  }

  /** Counters of a Table's row that one takes. */
  static counters(precision: u32): u32 {
    return (<u32>1) << (precision - 3);
  }

  /** Points it at registers elsewhere, all 0 at first; returns it. */
  at(registers: usize): Distinct {
    this.registers = registers;
    return this;
  }

  add(key: Text): void {
    aggregated();
    const hash = sketchHash(key.start, key.length);
    const register = this.registers + <usize>(hash >> (64 - this.precision));
    // A bit behind the rest ends its zeros.
    const zeros = <u8>clz((hash << this.precision) | ((<u64>1) << (this.precision - 1)));
    if (zeros >= load<u8>(register)) store<u8>(register, zeros + 1);
  }

  /** The number of different keys, rounded. */
  estimate(): i64 {
    const registers = (<usize>1) << this.precision;
    memory.fill(this.histogram, 0, VALUES * 4);
    for (let i: usize = 0; i < registers; i++) {
      const place = this.histogram + ((<usize>min(load<u8>(this.registers + i), <u8>(VALUES - 1))) << 2);
      store<u32>(place, load<u32>(place) + 1);
    }
    const m = <f64>registers;
    // The sum of 2^-value over all registers; those of 0 by their own series.
    let sum: f64 = 0;
    for (let value: usize = VALUES - 1; value >= 1; value--) {
      sum = 0.5 * (sum + <f64>load<u32>(this.histogram + (value << 2)));
    }
    const empty = load<u32>(this.histogram);
    if (empty === <u32>registers) return 0;
    return <i64>((ALPHA * m * m) / (sum + m * sigma(<f64>empty / m)) + 0.5);
  }

  /** Puts the registers into the record that is open, as a byte string. */
  put(name: Key): void {
    const bytes = (<usize>1) << this.precision;
    const start = beginBytes(name, bytes);
    if (start) memory.copy(start, this.registers, bytes);
  }

  clear(): void {
    memory.fill(this.registers, 0, (<usize>1) << this.precision);
  }
}

/** x + the sum of x^(2^k) 2^(k-1) over k from 1 on, for x below 1 (Ertl, section 2.3); it ends after some 25 terms. */
function sigma(x: f64): f64 {
  let power = x;
  let factor: f64 = 1;
  let sum = x;
  for (let before: f64 = -1; before !== sum; ) {
    before = sum;
    power *= power;
    sum += power * factor;
    factor += factor;
  }
  return sum;
}
