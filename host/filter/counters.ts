/**
 * The ledger that a filter keeps in its memory, as the host believes it: counters that add up and never go back.
 *
 * It is read after every batch, so nothing is allocated here but the answer to `ledger`.
 */
import { LEDGER, type Ledger, MAP } from './abi.js';

const IN = LEDGER.indexOf('in');
const AGGREGATED = LEDGER.indexOf('aggregated');

export interface Counters {
  /**
   * Takes over what stands in the memory, after so many bytes were consumed; false, and nothing is taken, when it does
   * not add up, went back, or tells of more events than there were bytes.
   */
  take(consumed: number): boolean;
  /** True when more events have entered than were taken: in the middle of a call, as the memory says. */
  hasEntered(): boolean;
  /** What was taken last. */
  ledger(): Ledger;
  /** Two of them. */
  eventsIn(): number;
  aggregated(): number;
  /** Remembers what was taken last, and goes back to what was remembered: together with the memory. */
  save(): void;
  restore(): void;
  /** Goes on from these. */
  goOn(from: Ledger): void;
}

export function createCounters(memory: WebAssembly.Memory, map: number): Counters {
  // A u64 is two u32, the low one first.
  const halves = new Uint32Array(memory.buffer, map + MAP.ledger, 2 * LEDGER.length);
  const taken = new Float64Array(LEDGER.length);
  const found = new Float64Array(LEDGER.length);
  const saved = new Float64Array(LEDGER.length);

  return {
    take(consumed) {
      for (let at = 0; at < LEDGER.length; at++) {
        const value = (halves[2 * at] ?? Number.NaN) + (halves[2 * at + 1] ?? Number.NaN) * 2 ** 32;
        if (!Number.isSafeInteger(value) || value < (taken[at] as number)) return false;
        found[at] = value;
      }
      const [all, kept, aggregated, discarded, malformed] = found as unknown as readonly number[];
      if (all !== (kept as number) + (aggregated as number) + (discarded as number) + (malformed as number))
        return false;
      if ((all as number) - (taken[0] as number) > consumed) return false;
      taken.set(found);
      return true;
    },
    hasEntered: () => (halves[2 * IN] ?? 0) !== (taken[IN] as number) % 2 ** 32,
    ledger: () => Object.fromEntries(LEDGER.map((counter, at) => [counter, taken[at]])) as Ledger,
    eventsIn: () => taken[IN] as number,
    aggregated: () => taken[AGGREGATED] as number,
    save: () => saved.set(taken),
    restore: () => taken.set(saved),
    goOn: (from) => taken.set(LEDGER.map((counter) => from[counter])),
  };
}
