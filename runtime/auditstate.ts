/**
 * What AuditEvents holds in the state region: open and complete events with their records, and which serials came.
 *
 * A step costs the same with one open event and with a thousand: an event is found by an index, and stands in a list
 * of those that are open, complete or free, oldest first. Only when an event's time is over are the open ones looked
 * through; their entries lie side by side for that, apart from the records.
 *
 * Everything refers to entries by their number, from 1; 0 is none. So the bytes mean the same at any address.
 *
 *     header: order of the next event i64 | time of the last record i64 | last serial i64 | its node's hash u64 |
 *             lost u64 | time at which the first of the open events is over i64 | open events u32 |
 *             first and last entry, u32 each, of the lists open, complete and free | records in all of them u32
 *     index: one u32 a slot, the number of an entry; the open events, each at its hash or in a slot behind it,
 *            with no empty slot between
 *     entry: serial i64 | time i64 | hash of the node u64 | order i64 | bytes of records u32 | records u32 |
 *            1 when open u32 | 1 when cut u32 | the entries before and behind it in its list, u32 each | 0 u64
 *     records of each entry, so many bytes for each
 *     record: number of its type i32 | bytes of type, node (u16 each) and body (u32) | type, node, body
 *
 * The hash has no key: whoever chooses serials and times can make all open events collide. A search then looks at each of
 * them, as if there were no index.
 */
import { count, EVENTS_OPEN_AT, KIND_EVENTS, OVERFLOWED } from './abi';
import { allocateState } from './arena';
import { Audit, NO_SERIAL } from './audit';
import { Text } from './text';
import { NO_TIME } from './time';

/** Serials further apart than this begin anew: a restart, or another machine. */
const GAP_MAX: i64 = 1 << 24;
/** 2^64 divided by the golden ratio: neighbouring serials get slots that lie far apart. */
const SPREAD: u64 = 0x9e3779b97f4a7c15;

const HEADER_BYTES: usize = 80;
const LAST_TIME_AT: usize = 8;
const LAST_SERIAL_AT: usize = 16;
const LAST_NODE_AT: usize = 24;
const LOST_AT: usize = 32;
const DEADLINE_AT: usize = 40;
const OPEN_COUNT_AT: usize = 48;
const OPEN_AT: usize = 52;
const COMPLETE_AT: usize = 60;
const FREE_AT: usize = 68;

const ENTRY_BYTES: usize = 64;
const TIME_AT: usize = 8;
const NODE_AT: usize = 16;
const ORDER_AT: usize = 24;
const USED_AT: usize = 32;
const RECORDS_AT: usize = 36;
const IS_OPEN_AT: usize = 40;
const IS_CUT_AT: usize = 44;
const BEFORE_AT: usize = 48;
const BEHIND_AT: usize = 52;

const RECORD_BYTES: usize = 12;
const TYPE_BYTES_AT: usize = 4;
const NODE_BYTES_AT: usize = 6;
const BODY_BYTES_AT: usize = 8;
const NAME_BYTES_MAX: usize = 255;

/** Events are the addresses of their entries; 0 is none. */
@unmanaged
export class AuditState {
  private base: usize = 0;
  private index: usize = 0;
  private slots: u32 = 0;
  private entries: usize = 0;
  private firstRecords: usize = 0;
  private recordsBytes: usize = 0;
  private capacity: u32 = 0;
  private timeoutMs: i64 = 0;
  /** The event that was found last, where the next record mostly belongs. */
  private recent: usize = 0;

  constructor(name: string, capacity: u32, bytes: u32, timeoutMs: i64) {
    this.capacity = capacity;
    this.recordsBytes = (<usize>bytes + 7) & ~7;
    this.timeoutMs = timeoutMs;
    // One more, for the event whose record makes the oldest one complete.
    const size = capacity + 1;
    // A quarter to a half are taken.
    this.slots = (<u32>1) << (32 - clz(size * 2 - 1));
    const indexBytes = (<usize>this.slots) << 2;
    const total = HEADER_BYTES + indexBytes + (ENTRY_BYTES + this.recordsBytes) * size;
    this.base = allocateState(KIND_EVENTS, name, capacity, <u32>this.recordsBytes, <u32>timeoutMs, total);
    this.index = this.base + HEADER_BYTES;
    this.entries = this.index + indexBytes;
    this.firstRecords = this.entries + ENTRY_BYTES * size;
    store<i64>(this.base, NO_SERIAL, LAST_SERIAL_AT);
    store<i64>(this.base, i64.MAX_VALUE, DEADLINE_AT);
    this.recent = this.entries;
    for (let number = size; number; number--) this.insert(FREE_AT, this.entry(number), 0);
  }

  /** Serials between the first and the last event of a node that no event had. */
  get lost(): u64 {
    return load<u64>(this.base, LOST_AT);
  }

  /** Time of the last record that had one. */
  get lastTime(): i64 {
    return load<i64>(this.base, LAST_TIME_AT);
  }

  set lastTime(time: i64) {
    store<i64>(this.base, time, LAST_TIME_AT);
  }

  /** The open event of the record, or 0. */
  find(audit: Audit, node: u64): usize {
    if (isOf(this.recent, audit.serial, audit.time, node)) return this.recent;
    let slot = this.slotOf(audit.serial, audit.time, node);
    let number = this.at(slot);
    while (number && !isOf(this.entry(number), audit.serial, audit.time, node)) {
      slot = (slot + 1) & (this.slots - 1);
      number = this.at(slot);
    }
    if (!number) return 0;
    this.recent = this.entry(number);
    return this.recent;
  }

  /** A new event, or 0 when even the spare one is taken. */
  open(audit: Audit, node: u64): usize {
    if (this.openCount >= this.capacity) {
      count(OVERFLOWED, 1);
      this.complete(this.first(OPEN_AT));
    }
    const event = this.first(FREE_AT);
    if (!event) return 0;
    this.remove(FREE_AT, event);
    const order = load<i64>(this.base);
    store<i64>(this.base, order + 1);
    memory.fill(event, 0, ENTRY_BYTES);
    store<i64>(event, audit.serial);
    store<i64>(event, audit.time, TIME_AT);
    store<u64>(event, node, NODE_AT);
    store<i64>(event, order, ORDER_AT);
    store<u32>(event, 1, IS_OPEN_AT);
    this.insert(OPEN_AT, event, load<u32>(this.base + OPEN_AT, 4));
    this.openCount++;
    this.enter(event);
    this.recent = event;
    if (audit.time !== NO_TIME) this.deadline = min(this.deadline, audit.time + this.timeoutMs);
    return event;
  }

  /** Keeps a record, or counts that there is no room for it. */
  append(event: usize, audit: Audit): void {
    const used = load<u32>(event, USED_AT);
    const typeBytes = min(audit.type.length, NAME_BYTES_MAX);
    const nodeBytes = min(audit.node.length, NAME_BYTES_MAX);
    const bytes = RECORD_BYTES + typeBytes + nodeBytes + audit.body.length;
    if (used + bytes > this.recordsBytes) {
      store<u32>(event, 1, IS_CUT_AT);
      count(OVERFLOWED, 1);
      return;
    }
    const record = this.records(event) + used;
    store<i32>(record, audit.number);
    store<u16>(record, <u16>typeBytes, TYPE_BYTES_AT);
    store<u16>(record, <u16>nodeBytes, NODE_BYTES_AT);
    store<u32>(record, <u32>audit.body.length, BODY_BYTES_AT);
    memory.copy(record + RECORD_BYTES, audit.type.start, typeBytes);
    memory.copy(record + RECORD_BYTES + typeBytes, audit.node.start, nodeBytes);
    memory.copy(record + RECORD_BYTES + typeBytes + nodeBytes, audit.body.start, audit.body.length);
    store<u32>(event, <u32>(used + bytes), USED_AT);
    store<u32>(event, load<u32>(event, RECORDS_AT) + 1, RECORDS_AT);
    store<u32>(this.base, load<u32>(this.base, EVENTS_OPEN_AT) + 1, EVENTS_OPEN_AT);
  }

  complete(event: usize): void {
    this.leave(event);
    this.remove(OPEN_AT, event);
    store<u32>(event, 0, IS_OPEN_AT);
    this.openCount--;
    // Mostly there are none, or older ones.
    let before = load<u32>(this.base + COMPLETE_AT, 4);
    while (before && load<i64>(this.entry(before), ORDER_AT) > load<i64>(event, ORDER_AT)) {
      before = load<u32>(this.entry(before), BEFORE_AT);
    }
    this.insert(COMPLETE_AT, event, before);
  }

  /** Completes the events that are over at `now`. */
  expire(now: i64): void {
    if (this.deadline > now) return;
    let deadline = i64.MAX_VALUE;
    let number = load<u32>(this.base + OPEN_AT);
    while (number) {
      const event = this.entry(number);
      number = load<u32>(event, BEHIND_AT);
      const over = load<i64>(event, TIME_AT) + this.timeoutMs;
      if (over <= now) this.complete(event);
      else deadline = min(deadline, over);
    }
    this.deadline = deadline;
  }

  /** The oldest complete event, or 0. */
  oldestComplete(): usize {
    return this.first(COMPLETE_AT);
  }

  /** Forgets the oldest complete event. */
  release(event: usize): void {
    const open = load<u32>(this.base, EVENTS_OPEN_AT);
    store<u32>(this.base, open - min(open, recordsOf(event)), EVENTS_OPEN_AT);
    this.follow(event);
    this.remove(COMPLETE_AT, event);
    this.insert(FREE_AT, event, 0);
  }

  /** Address of an event's records. */
  records(event: usize): usize {
    return this.firstRecords + ((event - this.entries) / ENTRY_BYTES) * this.recordsBytes;
  }

  /** Counts the serials between the last event and this one as lost, and takes back what comes late. */
  private follow(event: usize): void {
    const serial = serialOf(event);
    if (serial === NO_SERIAL) return;
    const last = load<i64>(this.base, LAST_SERIAL_AT);
    const gap = serial - last;
    const isSameNode = load<u64>(event, NODE_AT) === load<u64>(this.base, LAST_NODE_AT);
    const isNext = last !== NO_SERIAL && isSameNode && abs(gap) < GAP_MAX;
    if (isNext && gap > 0) store<u64>(this.base, this.lost + (gap - 1), LOST_AT);
    if (isNext && gap < 0 && this.lost) store<u64>(this.base, this.lost - 1, LOST_AT);
    if (isNext && gap <= 0) return;
    store<i64>(this.base, serial, LAST_SERIAL_AT);
    store<u64>(this.base, load<u64>(event, NODE_AT), LAST_NODE_AT);
  }

  private get deadline(): i64 {
    return load<i64>(this.base, DEADLINE_AT);
  }

  private set deadline(time: i64) {
    store<i64>(this.base, time, DEADLINE_AT);
  }

  private get openCount(): u32 {
    return load<u32>(this.base, OPEN_COUNT_AT);
  }

  private set openCount(events: u32) {
    store<u32>(this.base, events, OPEN_COUNT_AT);
  }

  private entry(number: u32): usize {
    return this.entries + ENTRY_BYTES * (number - 1);
  }

  private numberOf(event: usize): u32 {
    return <u32>((event - this.entries) / ENTRY_BYTES) + 1;
  }

  // The index.

  private at(slot: u32): u32 {
    return load<u32>(this.index + ((<usize>slot) << 2));
  }

  private setAt(slot: u32, number: u32): void {
    store<u32>(this.index + ((<usize>slot) << 2), number);
  }

  private slotOf(serial: i64, time: i64, node: u64): u32 {
    const hash = (((<u64>serial * SPREAD) ^ <u64>time) * SPREAD) ^ node;
    return <u32>((hash * SPREAD) >> 32) & (this.slots - 1);
  }

  private slotOfEvent(event: usize): u32 {
    return this.slotOf(serialOf(event), timeOf(event), load<u64>(event, NODE_AT));
  }

  private enter(event: usize): void {
    let slot = this.slotOfEvent(event);
    while (this.at(slot)) slot = (slot + 1) & (this.slots - 1);
    this.setAt(slot, this.numberOf(event));
  }

  /** Empties the event's slot, and moves up those behind it that may stand there (Knuth, volume 3, 6.4, algorithm R). */
  private leave(event: usize): void {
    const mask = this.slots - 1;
    const own = this.numberOf(event);
    let hole = this.slotOfEvent(event);
    while (this.at(hole) !== own) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; this.at(slot); slot = (slot + 1) & mask) {
      const wanted = this.slotOfEvent(this.entry(this.at(slot)));
      if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue;
      this.setAt(hole, this.at(slot));
      hole = slot;
    }
    this.setAt(hole, 0);
  }

  // The lists.

  private first(list: usize): usize {
    const number = load<u32>(this.base + list);
    return number ? this.entry(number) : 0;
  }

  /** Behind the entry of this number; behind none is in front. */
  private insert(list: usize, event: usize, before: u32): void {
    const ends = this.base + list;
    const number = this.numberOf(event);
    const behind = before ? load<u32>(this.entry(before), BEHIND_AT) : load<u32>(ends);
    store<u32>(event, before, BEFORE_AT);
    store<u32>(event, behind, BEHIND_AT);
    this.connect(ends, before, number);
    this.connect(ends, number, behind);
  }

  private remove(list: usize, event: usize): void {
    this.connect(this.base + list, load<u32>(event, BEFORE_AT), load<u32>(event, BEHIND_AT));
  }

  private connect(ends: usize, before: u32, behind: u32): void {
    if (before) store<u32>(this.entry(before), behind, BEHIND_AT);
    else store<u32>(ends, behind);
    if (behind) store<u32>(this.entry(behind), before, BEFORE_AT);
    else store<u32>(ends, before, 4);
  }
}

function isOf(event: usize, serial: i64, time: i64, node: u64): bool {
  return (
    load<i64>(event) === serial &&
    load<i64>(event, TIME_AT) === time &&
    load<u64>(event, NODE_AT) === node &&
    load<u32>(event, IS_OPEN_AT) === 1
  );
}

export function serialOf(event: usize): i64 {
  return load<i64>(event);
}

export function timeOf(event: usize): i64 {
  return load<i64>(event, TIME_AT);
}

export function recordsOf(event: usize): u32 {
  return load<u32>(event, RECORDS_AT);
}

/** Bytes of its records. */
export function bytesOf(event: usize): u32 {
  return load<u32>(event, USED_AT);
}

/** A record found no room. */
export function isCut(event: usize): bool {
  return load<u32>(event, IS_CUT_AT) === 1;
}

/** The number of a record's type; its name, node and body go into the texts. */
export function readRecord(record: usize, type: Text, node: Text, body: Text): i32 {
  const nodeStart = record + RECORD_BYTES + load<u16>(record, TYPE_BYTES_AT);
  const bodyStart = nodeStart + load<u16>(record, NODE_BYTES_AT);
  type.set(record + RECORD_BYTES, nodeStart);
  node.set(nodeStart, bodyStart);
  body.set(bodyStart, bodyStart + load<u32>(record, BODY_BYTES_AT));
  return load<i32>(record);
}
