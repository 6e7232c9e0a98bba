/**
 * The counters of a filter over all its versions: they only grow, whatever is put back or takes its place below them.
 */
import { LEDGER, type Ledger } from './abi.js';
import type { FilterInstance } from './instance.js';

export interface Sum {
  ledger(): Ledger;
  /** The first of them. */
  eventsIn(): number;
  /** From here on they stand still, until `thaw`: calls are made again. */
  freeze(): void;
  /** A call went well: it counts, also where they stand still. */
  count(): void;
  thaw(): void;
  /** The filter was put back further than could be made up for; what it had counted stays counted. */
  keep(counted: Ledger): void;
  /** Goes on from what was counted in all, in an earlier run. */
  goOnFrom(counted: Ledger): void;
  /** Another version goes on. */
  goOnWith(next: FilterInstance): void;
}

export function createSum(first: FilterInstance): Sum {
  let filter = first;
  /** What has to be added to the counters of the present version. */
  let before = Object.fromEntries(LEDGER.map((counter) => [counter, 0])) as Ledger;
  let frozen: Ledger | undefined;
  const now = () => combine(before, filter.ledger(), (one, other) => one + other);
  return {
    ledger: () => frozen ?? now(),
    eventsIn: () => (frozen ? frozen.in : before.in + filter.eventsIn()),
    freeze() {
      frozen = now();
    },
    count() {
      if (frozen) frozen = now();
    },
    thaw() {
      frozen = undefined;
    },
    keep(counted) {
      before = combine(before, counted, (one, other) => one + other);
      before = combine(before, filter.ledger(), (one, other) => one - other);
    },
    goOnFrom(counted) {
      before = combine(counted, filter.ledger(), (one, other) => one - other);
    },
    goOnWith(next) {
      before = combine(now(), next.ledger(), (one, other) => one - other);
      filter = next;
    },
  };
}

function combine(one: Ledger, other: Ledger, of: (one: number, other: number) => number): Ledger {
  return Object.fromEntries(LEDGER.map((counter) => [counter, of(one[counter], other[counter])])) as Ledger;
}
