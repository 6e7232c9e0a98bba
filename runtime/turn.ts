/**
 * What a turn of a call tells of what is due (rows of windows that close, complete audit events): one thing after the other,
 * numbered from 1, so that the host can name one. Where one is at fault the host puts the filter back, and makes the call again, with
 * the turn ending before it, or with that one left out.
 */
import { FLAG_LEAVE_OUT, TURN_DUE_SHIFT } from './abi';

/** Number of the thing that is being told; between two of them how many were begun, negative. The host reads it as `weir_due`. */
export let due: i32 = 0;
/** Events that had gone into what the turn has left out; the host reads it as `weir_left_out`. */
export let leftOut: u64 = 0;

let begun: i32 = 0;
/** Things that the turn may begin, and the one of them that it leaves out. */
let most: i32 = 0;
let without: i32 = 0;

/** The host says in its flags how many things a turn may begin, 0 for any number, and whether the last of them is left out. */
export function beginTurn(flags: i32): void {
  const limit = <i32>(<u32>flags >> TURN_DUE_SHIFT);
  most = limit ? limit : i32.MAX_VALUE;
  without = flags & FLAG_LEAVE_OUT ? limit : 0;
  begun = 0;
  due = 0;
  leftOut = 0;
}

export function mayBegin(): bool {
  return begun < most;
}

/** Begins the next thing, which so many events have gone into; false when it is not to be told. */
export function beginDue(events: u64): bool {
  due = ++begun;
  if (due !== without) return true;
  leftOut = events;
  return false;
}

export function endDue(): void {
  due = -begun;
}
