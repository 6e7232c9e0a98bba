/**
 * At most so many records for each key and window of event time; what goes beyond is counted for its key.
 *
 *     const perUser = new RateLimit('per user', 1024, 64, 10);
 *     if (!perUser.allows(minutes.of(time), user)) return;
 *     ... minutes.close(perUser.table, (row) => { if (perUser.suppressed(row)) tell it });
 *
 * Its memory is a Table of two counters. When that is full, keys that found no place share the limit of the window's
 * overflow row, so that what is let through stays bounded; each such event is counted in `overflowed`.
 */
import { Table } from './table';
import { Text } from './text';

const SEEN: u32 = 0;

export class RateLimit {
  /** For `Windows.close`, and to read a row's window and key. */
  readonly table: Table;

  /** `capacity` keys of up to `keyBytes` bytes, `limit` events of each in a window. */
  constructor(
    name: string,
    capacity: u32,
    keyBytes: u32,
    private limit: i64,
  ) {
    // The limit, because what was let through is told from it and what was seen.
    this.table = new Table(name, capacity, keyBytes, 1, <u32>limit);
  }

  /** True for the first `limit` events of the key in the window; every call counts one. */
  allows(window: i64, key: Text): bool {
    const row = this.table.at(window).by(key).row();
    this.table.add(row, SEEN, 1);
    return this.table.count(row, SEEN) <= this.limit;
  }

  /** Events of a row that were not allowed. */
  suppressed(row: usize): i64 {
    return max(this.table.count(row, SEEN) - this.limit, 0);
  }
}
