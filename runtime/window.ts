/**
 * Windows of event time, tumbling or hopping.
 *
 *     const minutes = new Windows('minutes', 60_000, 10_000);
 *     minutes.close(sources, (row) => { emit a record of the row });
 *     ... in an event: sources.at(minutes.of(time)).by(address).row()
 *
 * With a hop, windows overlap: one of `length` begins every `hopMs`, and an event counts in each that covers it.
 *
 *     const rates = new Windows('rates', 300_000, 10_000, 60_000);
 *     rates.of(time);
 *     for (let i = 0; i < rates.overlap; i++) { sources.at(rates.covering(i)).by(address).row() ... }
 *
 * The watermark is the latest event time. A window closes when its end and the allowed lateness are at or below
 * the watermark; each of its rows is then handed to the function, in the order of their first events. When the
 * host says that the sources are quiet (a tick), its clock closes windows too.
 *
 * The watermark follows the stream: an event that is older than the lateness allows is counted as late, moves
 * the watermark back, and opens its window anew. So a clock that was wrong, or an old file, loses nothing:
 * a window may be told in more than one record, and consumers add them up.
 */
import { count, KIND_WINDOW, LATE, WINDOW_OPEN_AT } from './abi';
import { allocateState } from './arena';
import { endDueOutput, hasRoomForDue } from './emit';
import { Table } from './table';
import { orReceived } from './time';
import { beginDue } from './turn';

export type Close = (row: usize) => void;

/** Tables that one filter may close windows of. */
const CLOSINGS_MAX: u32 = 8;
/** Windows that may cover one event. */
export const OVERLAP_MAX: i64 = 16;
/** No window is open. */
const NEVER: i64 = i64.MAX_VALUE;
const STATE_BYTES: usize = 40;
/** Events of the latest window, and of those before it, of which a row may still be open. */
const LATEST_AT: usize = WINDOW_OPEN_AT;
const EARLIER_AT: usize = WINDOW_OPEN_AT + 8;
const LATEST_START_AT: usize = WINDOW_OPEN_AT + 16;

/** A table and what to do with each of its rows when their window closes. */
class Closing {
  constructor(
    public windows: Windows,
    public table: Table,
    public close: Close | null,
  ) {}
}

const closings = new StaticArray<Closing>(CLOSINGS_MAX);
let closingCount: u32 = 0;

@unmanaged
export class Windows {
  /** Length of a window in milliseconds. */
  length: i64 = 0;
  /** Milliseconds from the start of a window to that of the next one; the length where windows do not overlap. */
  hop: i64 = 0;
  /** Windows that cover an event. */
  overlap: i32 = 1;
  private lateness: i64 = 0;
  /** Watermark, the time at which the earliest open window closes, then events that no record tells yet. */
  private state: usize = 0;
  /** 1 when rows of its windows are told. */
  private told: u64 = 0;
  /**
   * The latest window that covers the last event, and where the next one begins, which is where the earliest one
   * ends. Most events fall between the same two, and a division costs more than a look.
   */
  private start: i64 = 0;
  private end: i64 = 0;

  /** `hopMs` must divide the length into at most 16 parts. */
  constructor(name: string, lengthMs: i64, latenessMs: i64, hopMs: i64 = lengthMs) {
    if (hopMs <= 0 || lengthMs % hopMs || lengthMs / hopMs > OVERLAP_MAX) {
      abort('a hop divides its windows into at most 16 parts');
    }
    this.length = lengthMs;
    this.hop = hopMs;
    this.overlap = <i32>(lengthMs / hopMs);
    this.lateness = latenessMs;
    // The hop, as the number of windows that overlap, and what is past 32 bits of a length.
    const third = <u32>this.overlap | ((<u32>(lengthMs >> 32)) << 8);
    this.state = allocateState(KIND_WINDOW, name, <u32>lengthMs, <u32>latenessMs, third, STATE_BYTES);
    store<i64>(this.state, i64.MIN_VALUE);
    store<i64>(this.state, NEVER, 8);
    store<i64>(this.state, i64.MIN_VALUE, LATEST_START_AT);
  }

  /**
   * Start of the latest window that covers an event time, or, with NO_TIME, the time received; call it once for each
   * event that is counted.
   */
  of(eventTime: i64): i64 {
    const time = orReceived(eventTime);
    const watermark = load<i64>(this.state);
    if (watermark === i64.MIN_VALUE || time > watermark) store<i64>(this.state, time);
    else if (time < watermark - this.lateness) {
      count(LATE, 1);
      store<i64>(this.state, time);
    }
    if (time < this.start || time >= this.end) this.moveTo(time);
    const closes = this.end + this.lateness;
    if (closes < load<i64>(this.state, 8)) store<i64>(this.state, closes, 8);
    store<u64>(this.state, load<u64>(this.state, LATEST_AT) + this.told, LATEST_AT);
    return this.start;
  }

  /** Lets time go on by an event that is not counted, so that windows close behind what is. */
  advance(eventTime: i64): void {
    store<i64>(this.state, max(load<i64>(this.state), orReceived(eventTime)));
  }

  /** Start of a window that covers the last event: 0 is the earliest, `overlap` - 1 the latest one. */
  covering(number: i32): i64 {
    return this.end - this.length + this.hop * number;
  }

  /** Hands every row of a closed window of the table to `each`, then forgets it. Call it while the filter starts. */
  close(table: Table, each: Close): void {
    this.register(table, each);
  }

  /** Forgets the rows of closed windows without telling anyone: for tables that only help another one. */
  forget(table: Table): void {
    this.register(table, null);
  }

  private register(table: Table, each: Close | null): void {
    if (closingCount >= CLOSINGS_MAX) abort('a filter closes at most 8 tables');
    if (each) this.told = 1;
    unchecked((closings[closingCount++] = new Closing(this, table, each)));
  }

  private moveTo(time: i64): void {
    const past = time % this.hop;
    this.start = time - (past < 0 ? past + this.hop : past);
    this.end = this.start + this.hop;
    const state = this.state;
    if (load<i64>(state, LATEST_START_AT) === this.start) return;
    store<i64>(state, this.start, LATEST_START_AT);
    store<u64>(state, load<u64>(state, EARLIER_AT) + load<u64>(state, LATEST_AT), EARLIER_AT);
    store<u64>(state, 0, LATEST_AT);
  }

  // For the library.

  @inline
  isDue(clock: i64): bool {
    return load<i64>(this.state, 8) <= max(load<i64>(this.state), clock);
  }

  /** Windows that start before this are closed at `clock`. */
  openFrom(clock: i64): i64 {
    const bound = max(load<i64>(this.state), clock);
    return bound === NEVER ? NEVER : bound - this.length - this.lateness + 1;
  }

  /** Looks for the earliest window that is still open in its tables. */
  settle(): void {
    let earliest = NEVER;
    for (let i: u32 = 0; i < closingCount; i++) {
      const closing = unchecked(closings[i]);
      if (closing.windows !== this) continue;
      const table = closing.table;
      for (let row: u32 = 0; row < table.size(); row++)
        earliest = min(earliest, table.windowOf(table.rowAt(row)));
    }
    store<i64>(this.state, earliest === NEVER ? NEVER : earliest + this.length + this.lateness, 8);
    if (earliest === NEVER) store<u64>(this.state, 0, LATEST_AT);
    if (earliest >= load<i64>(this.state, LATEST_START_AT)) store<u64>(this.state, 0, EARLIER_AT);
  }
}

/** True when a window waits to be closed. Cheap: it is asked after every event. */
export function isAnyDue(clock: i64): bool {
  for (let i: u32 = 0; i < closingCount; i++) if (unchecked(closings[i]).windows.isDue(clock)) return true;
  return false;
}

/**
 * Closes every window that is due at `clock` (`i64.MIN_VALUE`: by events alone; `i64.MAX_VALUE`: all). Answers
 * false when the output is full: the host takes it and calls again, and the next row goes first.
 */
export function closeDue(clock: i64): bool {
  for (let i: u32 = 0; i < closingCount; i++) {
    const closing = unchecked(closings[i]);
    if (closing.windows.isDue(clock) && !closeTable(closing, clock)) return false;
  }
  for (let i: u32 = 0; i < closingCount; i++) {
    const closing = unchecked(closings[i]);
    if (closing.windows.isDue(clock)) closing.table.forgetBefore(closing.windows.openFrom(clock));
    closing.table.setResumeAt(0);
  }
  for (let i: u32 = 0; i < closingCount; i++) unchecked(closings[i]).windows.settle();
  return true;
}

function closeTable(closing: Closing, clock: i64): bool {
  const table = closing.table;
  const each = closing.close;
  if (!each) return true;
  const openFrom = closing.windows.openFrom(clock);
  for (let number = table.resumeAt(); number < table.size(); number++) {
    const row = table.rowAt(number);
    if (table.windowOf(row) < openFrom) {
      table.setResumeAt(number);
      if (!hasRoomForDue(table.rowBytes)) return false;
      if (beginDue(table.eventsOf(row))) each(row);
      endDueOutput();
    }
  }
  table.setResumeAt(table.size());
  return true;
}
