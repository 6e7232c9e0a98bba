/**
 * From a batch to events: the one loop of a filter.
 *
 *     select(['Failed ', 'Accepted ']);       only lines with one of these reach the filter's code
 *     events((line) => { ... });              called for each of them, with the line's bytes
 *
 * An event is a line without its LF or CR LF. Empty lines are discarded. Between two events windows that are
 * due are closed. When the output region may be too small for the next event, the loop stops there and the
 * host, having taken the output, calls again with the rest.
 */
import {
  AGAIN,
  CONSUMED_AT,
  count,
  DONE,
  FLAG_CLOSING,
  FLAG_PARTIAL,
  FLAG_TRUNCATED,
  INPUT_AT,
  MAP,
  regionStart,
  TRUNCATED,
} from './abi';
import { resetScratch } from './arena';
import { afterLastByte, Lanes } from './bytes';
import { settleDue } from './due';
import { beginEventOutput, markTruncated, needClosed, resetOutput } from './emit';
import { settleEvent } from './ledger';
import { Text } from './text';
import { setReceivedAt } from './time';
import { beginTurn } from './turn';

export type EventHandler = (line: Text) => void;
/** Answers a place in the first line in [from, end) that is wanted, or `end`, and counts the lines before it. */
export type Search = (from: usize, end: usize) => usize;

const NEWLINE: u8 = 10;
const CARRIAGE_RETURN: u8 = 13;

const line: Text = new Text();
let handler: EventHandler | null = null;
let search: Search | null = null;
let prepare: (() => void) | null = null;

/** Names the function that sees the events. Call it once, while the filter starts. */
export function events(each: EventHandler): void {
  handler = each;
}

/** For prefilter.ts: what is called once the filter has started, and what then finds the lines for its code. */
export function searchWith(ready: () => void, next: Search): void {
  prepare = ready;
  search = next;
}

// For entry.ts: what the host calls, and what ends the start.

export function endStart(): void {
  if (!handler) abort('expected a call of events(), found none');
  if (prepare) prepare();
}

export function runBatch(offset: i32, bytes: i32, nowMs: i64, flags: i32): i32 {
  setReceivedAt(nowMs);
  beginTurn(flags);
  resetOutput(false);
  const start = regionStart(INPUT_AT) + offset;
  const end = start + bytes;
  const stopped = settleDue(i64.MIN_VALUE) ? runEvents(start, end, flags) : start;
  store<u32>(MAP + CONSUMED_AT, <u32>(stopped - start));
  if (stopped < end) return AGAIN;
  if (bytes && flags & FLAG_TRUNCATED) count(TRUNCATED, 1);
  // Windows that the last event made due: there may be no room left for all of their rows.
  const isDone = settleDue(i64.MIN_VALUE);
  needClosed();
  return isDone ? DONE : AGAIN;
}

export function runTick(nowMs: i64, flags: i32): i32 {
  setReceivedAt(nowMs);
  beginTurn(flags);
  resetOutput((flags & FLAG_PARTIAL) !== 0);
  store<u32>(MAP + CONSUMED_AT, 0);
  const isDone = settleDue(flags & FLAG_CLOSING ? i64.MAX_VALUE : nowMs);
  needClosed();
  return isDone ? DONE : AGAIN;
}

/** Handles events from `from` on; returns the end, or the start of the event that finds no room for output. */
function runEvents(from: usize, end: usize, flags: i32): usize {
  let at = from;
  while (at < end) {
    let seen = at;
    if (search) {
      seen = search(at, end);
      if (seen === end) return end;
      at = afterLastByte(at, seen, NEWLINE);
    }
    const start = at;
    const newline = indexOfNewline(seen, end);
    if (!beginEventOutput(newline - start)) return start;
    at = newline + 1;
    if (flags & FLAG_TRUNCATED && at === end) markTruncated();
    handle(start, newline);
    if (!settleDue(i64.MIN_VALUE)) return at;
  }
  return end;
}

/**
 * Address of the first newline in [from, end), or `end`. 64 bytes a step, because most lines of a log then end in
 * the same step, and a branch that is foreseen costs less than the bytes.
 */
function indexOfNewline(from: usize, end: usize): usize {
  for (let at = from; at < end; at += 64) {
    const hits = Lanes.bits(isNewline(at), isNewline(at + 16), isNewline(at + 32), isNewline(at + 48));
    if (hits) return min(at + <usize>ctz(hits), end);
  }
  return end;
}

function isNewline(at: usize): v128 {
  return i8x16.eq(v128.load(at), i8x16.splat(NEWLINE));
}

function handle(start: usize, newline: usize): void {
  const isCrLf = newline > start && load<u8>(newline - 1) === CARRIAGE_RETURN;
  line.set(start, isCrLf ? newline - 1 : newline);
  // The start has made sure of it.
  if (!line.isEmpty()) changetype<EventHandler>(handler)(line);
  settleEvent();
  resetScratch();
}
