/**
 * What is due between two events: collections hand over what is complete, then windows close.
 *
 * A function that is called here gets the clock (`i64.MIN_VALUE`: by events alone; `i64.MAX_VALUE`: all that there
 * is), begins the output of each thing it hands over, and answers false when the output is full; it is then called
 * again before the next event.
 */
import { closeDue, isAnyDue } from './window';

export type Due = (clock: i64) => bool;

/** Kinds of collections that hand something over. */
const DUES_MAX: u32 = 4;

const dues = new StaticArray<Due>(DUES_MAX);
let dueCount: u32 = 0;

/** Calls the function between every two events, and when sources are quiet. Once for each kind of collection. */
export function whenDue(due: Due): void {
  if (dueCount >= DUES_MAX) abort('too many kinds of collections');
  unchecked((dues[dueCount++] = due));
}

/** False when the output is full: the host takes it and calls again. */
export function settleDue(clock: i64): bool {
  for (let i: u32 = 0; i < dueCount; i++) if (!unchecked(dues[i])(clock)) return false;
  return !isAnyDue(clock) || closeDue(clock);
}
