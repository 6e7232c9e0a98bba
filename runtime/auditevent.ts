/**
 * Audit events: the records that share a serial number, put together.
 *
 *     const audit = new Audit();
 *     const joined = new AuditEvents('open', 64, 16 * 1024, 2_000);   up to 64 open events, of 16 KiB, for 2 s
 *     const exe = joined.field(literal('exe'));                       in any of its records
 *     const a0 = joined.fieldOf('SYSCALL', literal('a0'));            in a SYSCALL record
 *     joined.each((event) => { execs.open(event.time).text(EXE, exe.text()) ... });
 *     ... in an event: if (!audit.parse(line)) return malformed(); joined.add(audit);
 *
 * Records are kept as they came, in the state region, so an event costs its bytes and nothing is lost by looking
 * late. An event is complete with EOE, with PROCTITLE, which the kernel writes last, or when its record is one of
 * a program (USER_LOGIN, ...), which stands alone; else when `timeoutMs` have passed since its time: by the time of
 * the record that was added last, or by the host's clock when sources are quiet. Records may come in any order and
 * mixed with other events'; one that comes after its event was complete opens the event again, on its own.
 *
 * Complete events are handed to the function of `each` between two lines, oldest first, each with an output of its
 * own, as closing windows are; lines of open events are counted as aggregated.
 *
 * When a record opens one event too many, the oldest one is handed over as it is; a record that finds no room in
 * its event is left out, and what the event emits says `truncated: true`. Both are counted as overflowed. Fields and
 * texts of an event are good until the function returns.
 *
 *     header: order of the next event i64 | time of the last record i64 | last serial i64 | its node's hash u64 |
 *             lost u64 | 0
 *     event: serial i64 | time i64 | hash of the node u64 | order i64 | bytes used u32 | records u32 |
 *            state u32 | 1 when cut u32 | records
 *     record: number of its type i32 | bytes of type, node (u16 each) and body (u32) | type, node, body
 */
import { count, KIND_EVENTS, OVERFLOWED } from './abi';
import { allocate, allocateState, resetScratch } from './arena';
import { Audit, AuditFields, NO_SERIAL } from './audit';
import { Arguments } from './auditargs';
import { EOE, EXECVE, isWholeEvent, PATH, PROCTITLE, prepareTypes, typeNumber } from './audittypes';
import { hashBytes } from './bytes';
import { whenDue } from './due';
import { beginEventOutput, markTruncated } from './emit';
import { aggregated, settleNothing } from './ledger';
import { literal, Text } from './text';
import { NO_TIME } from './time';
import { Value } from './value';

/** Collections of one filter. */
const COLLECTIONS_MAX: u32 = 4;
/** Open events of one collection. */
export const OPEN_MAX: u32 = 1024;
/** PATH records of one event that `path` gives. */
export const PATHS_MAX: u32 = 32;
/** Types that fields are wanted of. */
const TYPES_MAX: u32 = 16;
/** Serials further apart than this begin anew: a restart, or another machine. */
const GAP_MAX: i64 = 1 << 24;

const FREE: u32 = 0;
const OPEN: u32 = 1;
const COMPLETE: u32 = 2;

const HEADER_BYTES: usize = 48;
const LAST_TIME_AT: usize = 8;
const LAST_SERIAL_AT: usize = 16;
const LAST_NODE_AT: usize = 24;
const LOST_AT: usize = 32;

const EVENT_BYTES: usize = 48;
const TIME_AT: usize = 8;
const NODE_AT: usize = 16;
const ORDER_AT: usize = 24;
const USED_AT: usize = 32;
const RECORDS_AT: usize = 36;
const IN_STATE_AT: usize = 40;
const IS_CUT_AT: usize = 44;

const RECORD_BYTES: usize = 12;
const TYPE_BYTES_AT: usize = 4;
const NODE_BYTES_AT: usize = 6;
const BODY_BYTES_AT: usize = 8;
const NAME_BYTES_MAX: usize = 255;

export type EachEvent = (event: AuditEvents) => void;

/** Fields that are wanted of records of one type. */
@unmanaged
class TypeFields {
  number: i32 = 0;
  fields: AuditFields = new AuditFields();
}

const collections = new StaticArray<AuditEvents | null>(COLLECTIONS_MAX);
const handlers = new StaticArray<EachEvent | null>(COLLECTIONS_MAX);
let collectionCount: u32 = 0;

@unmanaged
export class AuditEvents {
  // The event that is handed over.
  serial: i64 = NO_SERIAL;
  time: i64 = NO_TIME;
  node: Text = new Text();
  /** Type of its first record; empty when none found room. */
  type: Text = new Text();
  /** How many records it has. */
  records: u32 = 0;
  /** PATH records among them, up to PATHS_MAX. */
  paths: u32 = 0;
  /** The arguments of its EXECVE records. */
  arguments: Arguments = new Arguments();

  private base: usize = 0;
  private slots: u32 = 0;
  private capacity: u32 = 0;
  private slotBytes: usize = 0;
  private timeoutMs: i64 = 0;
  private open: u32 = 0;
  private complete: u32 = 0;
  /** Time at which the first of the open events is over. */
  private deadline: i64 = i64.MAX_VALUE;
  private lastSlot: usize = 0;
  private number: u32 = 0;
  private any: AuditFields = new AuditFields();
  private ofTypes: StaticArray<TypeFields | null> = new StaticArray<TypeFields | null>(TYPES_MAX);
  private typeCount: u32 = 0;
  private pathFields: AuditFields = new AuditFields();
  private pathName: Value = this.pathFields.add(literal('name'));
  private pathType: Value = this.pathFields.add(literal('nametype'));
  /** Start and end of each path's name and nametype, u32 each. */
  private pathTexts: usize = allocate(PATHS_MAX * 16);
  private body: Text = new Text();

  /** Up to `capacity` events that are open at a time, each with up to `bytes` bytes of records. */
  constructor(name: string, capacity: u32, bytes: u32, timeoutMs: i64) {
    if (!capacity || capacity > OPEN_MAX) abort('a filter joins 1 to 1024 open audit events');
    prepareTypes();
    this.capacity = capacity;
    // One more, for the event whose record makes the oldest one complete.
    this.slots = capacity + 1;
    this.slotBytes = (EVENT_BYTES + bytes + 7) & ~7;
    this.timeoutMs = timeoutMs;
    const size = HEADER_BYTES + this.slotBytes * this.slots;
    this.base = allocateState(KIND_EVENTS, name, capacity, <u32>this.slotBytes, size);
    this.lastSlot = this.slot(0);
    store<i64>(this.base, NO_SERIAL, LAST_SERIAL_AT);
    if (collectionCount >= COLLECTIONS_MAX) abort('a filter has at most 4 collections of audit events');
    if (!collectionCount) whenDue(handOverDue);
    this.number = collectionCount;
    collections[collectionCount++] = this;
  }

  /** The value under a name in the first record that has it. Call it while the filter starts. */
  field(name: Text): Value {
    return this.any.add(name);
  }

  /** The value under a name in the first record of a type that has it. Call it while the filter starts. */
  fieldOf(type: string, name: Text): Value {
    const number = typeNumber(literal(type));
    if (!number) abort('no known type of audit records: ' + type);
    for (let i: u32 = 0; i < this.typeCount; i++) {
      if (this.ofTypes[i]!.number === number) return this.ofTypes[i]!.fields.add(name);
    }
    if (this.typeCount >= TYPES_MAX) abort('fields are wanted of at most 16 types of audit records');
    const made = new TypeFields();
    made.number = number;
    this.ofTypes[this.typeCount++] = made;
    return made.fields.add(name);
  }

  /** Names the function that each complete event is handed to. Call it once, while the filter starts. */
  each(handler: EachEvent): void {
    handlers[this.number] = handler;
  }

  /** Serial numbers between the first and the last event of a node that no event had. */
  get lost(): u64 {
    return load<u64>(this.base, LOST_AT);
  }

  /** Name in a PATH record of the event. */
  path(index: u32, out: Text): Text {
    return this.pathText(index, 0, out);
  }

  /** NORMAL, CREATE, DELETE, PARENT or UNKNOWN. */
  pathKind(index: u32, out: Text): Text {
    return this.pathText(index, 8, out);
  }

  /** Adds the record that `audit` has parsed last. */
  add(audit: Audit): void {
    aggregated();
    if (audit.time !== NO_TIME) store<i64>(this.base, audit.time, LAST_TIME_AT);
    const node = hashBytes(audit.node.start, audit.node.length, 0);
    let event = audit.serial === NO_SERIAL ? 0 : this.find(audit, node);
    if (audit.number === EOE) {
      if (event) this.setComplete(event);
      return;
    }
    if (!event) event = this.openNew(audit, node);
    if (!event) {
      count(OVERFLOWED, 1);
      return;
    }
    this.append(event, audit);
    const isWhole = audit.serial === NO_SERIAL || isWholeEvent(audit.number);
    if (isWhole || audit.number === PROCTITLE) this.setComplete(event);
  }

  // For the library.

  /** Hands over what is complete at `clock`; false when the output is full. */
  handOver(clock: i64): bool {
    const last = load<i64>(this.base, LAST_TIME_AT);
    const now = max(last, clock);
    if (this.open && this.deadline <= now) this.expire(now);
    while (this.complete) {
      if (!beginEventOutput()) return false;
      const event = this.oldest(COMPLETE);
      this.read(event);
      const handler = handlers[this.number];
      if (handler) handler(this);
      this.follow(event);
      store<u32>(event, FREE, IN_STATE_AT);
      this.complete--;
      resetScratch();
      settleNothing();
    }
    return true;
  }

  private slot(number: u32): usize {
    return this.base + HEADER_BYTES + this.slotBytes * number;
  }

  /** The open event of the record, or 0. */
  private find(audit: Audit, node: u64): usize {
    if (isOf(this.lastSlot, audit, node)) return this.lastSlot;
    for (let number: u32 = 0; this.open && number < this.slots; number++) {
      const event = this.slot(number);
      if (!isOf(event, audit, node)) continue;
      this.lastSlot = event;
      return event;
    }
    return 0;
  }

  /** A new event, or 0 when even the spare one is taken. */
  private openNew(audit: Audit, node: u64): usize {
    if (this.open >= this.capacity) {
      count(OVERFLOWED, 1);
      this.setComplete(this.oldest(OPEN));
    }
    let event: usize = 0;
    for (let number: u32 = 0; number < this.slots && !event; number++) {
      if (load<u32>(this.slot(number), IN_STATE_AT) === FREE) event = this.slot(number);
    }
    if (!event) return 0;
    const order = load<i64>(this.base);
    store<i64>(this.base, order + 1);
    memory.fill(event, 0, EVENT_BYTES);
    store<i64>(event, audit.serial);
    store<i64>(event, audit.time, TIME_AT);
    store<u64>(event, node, NODE_AT);
    store<i64>(event, order, ORDER_AT);
    store<u32>(event, OPEN, IN_STATE_AT);
    this.open++;
    this.lastSlot = event;
    if (audit.time !== NO_TIME) this.deadline = min(this.deadline, audit.time + this.timeoutMs);
    return event;
  }

  private append(event: usize, audit: Audit): void {
    const used = load<u32>(event, USED_AT);
    const typeBytes = min(audit.type.length, NAME_BYTES_MAX);
    const nodeBytes = min(audit.node.length, NAME_BYTES_MAX);
    const bytes = RECORD_BYTES + typeBytes + nodeBytes + audit.body.length;
    if (EVENT_BYTES + used + bytes > this.slotBytes) {
      store<u32>(event, 1, IS_CUT_AT);
      count(OVERFLOWED, 1);
      return;
    }
    const record = event + EVENT_BYTES + used;
    store<i32>(record, audit.number);
    store<u16>(record, <u16>typeBytes, TYPE_BYTES_AT);
    store<u16>(record, <u16>nodeBytes, NODE_BYTES_AT);
    store<u32>(record, <u32>audit.body.length, BODY_BYTES_AT);
    memory.copy(record + RECORD_BYTES, audit.type.start, typeBytes);
    memory.copy(record + RECORD_BYTES + typeBytes, audit.node.start, nodeBytes);
    memory.copy(record + RECORD_BYTES + typeBytes + nodeBytes, audit.body.start, audit.body.length);
    store<u32>(event, <u32>(used + bytes), USED_AT);
    store<u32>(event, load<u32>(event, RECORDS_AT) + 1, RECORDS_AT);
  }

  private setComplete(event: usize): void {
    store<u32>(event, COMPLETE, IN_STATE_AT);
    this.open--;
    this.complete++;
  }

  private oldest(state: u32): usize {
    let found: usize = 0;
    for (let number: u32 = 0; number < this.slots; number++) {
      const event = this.slot(number);
      if (load<u32>(event, IN_STATE_AT) !== state) continue;
      if (!found || load<i64>(event, ORDER_AT) < load<i64>(found, ORDER_AT)) found = event;
    }
    return found;
  }

  /** Completes the events that are over at `now`. */
  private expire(now: i64): void {
    this.deadline = i64.MAX_VALUE;
    for (let number: u32 = 0; number < this.slots; number++) {
      const event = this.slot(number);
      if (load<u32>(event, IN_STATE_AT) !== OPEN) continue;
      const over = load<i64>(event, TIME_AT) + this.timeoutMs;
      if (over <= now) this.setComplete(event);
      else this.deadline = min(this.deadline, over);
    }
  }

  /** Reads the records of an event into the fields. */
  private read(event: usize): void {
    this.serial = load<i64>(event);
    this.time = load<i64>(event, TIME_AT);
    this.records = load<u32>(event, RECORDS_AT);
    this.node.clear();
    this.type.clear();
    this.paths = 0;
    this.arguments.begin(load<u32>(event, USED_AT));
    this.any.begin();
    for (let i: u32 = 0; i < this.typeCount; i++) this.ofTypes[i]!.fields.begin();
    const end = event + EVENT_BYTES + load<u32>(event, USED_AT);
    for (let record = event + EVENT_BYTES; record < end; ) {
      const type = record + RECORD_BYTES;
      const node = type + load<u16>(record, TYPE_BYTES_AT);
      const body = node + load<u16>(record, NODE_BYTES_AT);
      this.body.set(body, body + load<u32>(record, BODY_BYTES_AT));
      this.node.set(node, body);
      if (this.type.isEmpty()) this.type.set(type, node);
      this.readRecord(load<i32>(record));
      record = this.body.end;
    }
    this.arguments.finish();
    if (load<u32>(event, IS_CUT_AT)) markTruncated();
  }

  private readRecord(number: i32): void {
    this.any.more(number, this.body);
    for (let i: u32 = 0; i < this.typeCount; i++) {
      if (this.ofTypes[i]!.number === number) this.ofTypes[i]!.fields.more(number, this.body);
    }
    if (number === EXECVE) this.arguments.more(this.body);
    if (number !== PATH || this.paths >= PATHS_MAX) return;
    this.pathFields.begin();
    this.pathFields.more(number, this.body);
    const place = this.pathTexts + ((<usize>this.paths) << 4);
    this.paths++;
    storeText(place, this.pathName.text());
    storeText(place + 8, this.pathType.text());
  }

  private pathText(index: u32, at: usize, out: Text): Text {
    out.clear();
    if (index >= this.paths) return out;
    const place = this.pathTexts + ((<usize>index) << 4) + at;
    return out.set(load<u32>(place), load<u32>(place, 4));
  }

  /** Counts the serials between the last event and this one as lost, and takes back what comes late. */
  private follow(event: usize): void {
    const serial = load<i64>(event);
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
}

function isOf(event: usize, audit: Audit, node: u64): bool {
  return (
    load<i64>(event) === audit.serial &&
    load<i64>(event, TIME_AT) === audit.time &&
    load<u64>(event, NODE_AT) === node &&
    load<u32>(event, IN_STATE_AT) === OPEN
  );
}

function storeText(place: usize, text: Text): void {
  store<u32>(place, <u32>text.start);
  store<u32>(place, <u32>text.end, 4);
}

function handOverDue(clock: i64): bool {
  for (let i: u32 = 0; i < collectionCount; i++) if (!collections[i]!.handOver(clock)) return false;
  return true;
}
