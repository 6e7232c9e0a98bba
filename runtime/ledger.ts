/**
 * The ledger: every event is in exactly one class (malformed, else kept, else aggregated, else discarded), so
 * in = kept + aggregated + discarded + malformed, always. A filter says `malformed()`; the rest is seen by what
 * it does: an emitted record makes an event kept, a change of a table makes it aggregated.
 */
import { AGGREGATED, count, DISCARDED, IN, KEPT, MALFORMED } from './abi';
import { hasEmitted } from './emit';

let isMalformed: bool = false;
let isAggregated: bool = false;

/** The event is not what this filter reads; it is counted as such. */
export function malformed(): void {
  isMalformed = true;
}

/** The event went into a table. Tables say so themselves. */
export function aggregated(): void {
  isAggregated = true;
}

/** Counts the event that was just handled in its class. */
export function settleEvent(): void {
  count(IN, 1);
  if (isMalformed) count(MALFORMED, 1);
  else if (hasEmitted()) count(KEPT, 1);
  else if (isAggregated) count(AGGREGATED, 1);
  else count(DISCARDED, 1);
  isMalformed = false;
  isAggregated = false;
}

/** Forgets what was done between two events: closing a window is part of none. */
export function settleNothing(): void {
  isMalformed = false;
  isAggregated = false;
}

/** Counts events that no code of the filter has looked at. */
export function settleDiscarded(events: u64): void {
  count(IN, events);
  count(DISCARDED, events);
}
