/**
 * Repeats: an event whose key was seen less than a given time ago is a repeat, and only counted.
 *
 *     const lines = new Suppress('lines', 1024, 128, 60_000, 10_000);
 *     if (lines.isRepeat(message, time)) return;
 *     ... lines.windows.close(lines.table, (row) => { if (lines.suppressed(row)) tell it with lines.firstAt(row) });
 *
 * The time runs from the first event, not from the last one: what repeats for ever is let through once in each
 * `forMs`. It is event time; an event that is older than the first one of its key may be let through once more.
 *
 * Its memory is a Table of two counters, with a row for each first event, in the window that this one falls
 * into; a row closes when no repeat of it can come any more. When the table is full, events of keys that found no place are
 * let through and counted in `overflowed`.
 */
import { aggregated } from './ledger';
import { Table } from './table';
import { Text } from './text';
import { orReceived } from './time';
import { Windows } from './window';

const FIRST_AT: u32 = 0;
const SUPPRESSED: u32 = 1;

export class Suppress {
  /** For `Windows.close`, and to read a row's key. */
  readonly table: Table;
  readonly windows: Windows;

  /** `capacity` keys of up to `keyBytes` bytes in two lengths of `forMs`. */
  constructor(
    name: string,
    capacity: u32,
    keyBytes: u32,
    private forMs: i64,
    latenessMs: i64,
  ) {
    this.table = new Table(name, capacity, keyBytes, 2, <u32>forMs);
    // A repeat of the last event of a window may come one length after its end.
    this.windows = new Windows(name, forMs, forMs + latenessMs);
  }

  /** True when the key was seen less than `forMs` before; call it once for each event. */
  isRepeat(key: Text, eventTime: i64): bool {
    const time = orReceived(eventTime);
    const window = this.windows.of(time);
    const before = this.table
      .at(window - this.forMs)
      .by(key)
      .find();
    const row = before && time - this.firstAt(before) < this.forMs ? before : this.rowOf(window, key, time);
    if (!row) return false;
    aggregated();
    this.table.add(row, SUPPRESSED, 1);
    return true;
  }

  /** Repeats of a row's first event. */
  suppressed(row: usize): i64 {
    return this.table.count(row, SUPPRESSED);
  }

  /** The time of a row's first event. */
  firstAt(row: usize): i64 {
    return this.table.count(row, FIRST_AT);
  }

  /** The row of the key's first event in the window, or 0 when this event is the first one, or there is no place. */
  private rowOf(window: i64, key: Text, time: i64): usize {
    const row = this.table.at(window).by(key).row();
    if (this.table.isNew) this.table.add(row, FIRST_AT, <u64>time);
    return this.table.isNew || this.table.isOverflow(row) ? 0 : row;
  }
}
