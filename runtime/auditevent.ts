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
 */
import { count, OVERFLOWED } from './abi';
import { allocate, resetScratch } from './arena';
import { Audit, AuditFields, NO_SERIAL } from './audit';
import { Arguments } from './auditargs';
import { AuditState, bytesOf, isCut, readRecord, recordsOf, serialOf, timeOf } from './auditstate';
import { EOE, EXECVE, isWholeEvent, PATH, PROCTITLE, prepareTypes, typeNumber } from './audittypes';
import { Hash } from './bytes';
import { whenDue } from './due';
import { endDueOutput, hasRoomForDue, markTruncated } from './emit';
import { aggregated, settleNothing } from './ledger';
import { literal, Text } from './text';
import { NO_TIME } from './time';
import { beginDue } from './turn';
import { Value } from './value';

/** Collections of one filter. */
const COLLECTIONS_MAX: u32 = 4;
/** Of records of one event: what is handed over in one turn, however dear its bytes. */
export const EVENT_BYTES_MAX: u32 = 64 * 1024;
/** Open events of one collection. */
export const OPEN_MAX: u32 = 1024;
/** PATH records of one event that `path` gives. */
export const PATHS_MAX: u32 = 32;
/** Types that fields are wanted of. */
const TYPES_MAX: u32 = 16;

export type EachEvent = (event: AuditEvents) => void;

/** Fields that are wanted of records of one type. */
@unmanaged
class TypeFields {
  number: i32 = 0;
  fields: AuditFields = new AuditFields();
}

const collections = new StaticArray<AuditEvents>(COLLECTIONS_MAX);
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

  private state: AuditState;
  private number: u32 = 0;
  private any: AuditFields = new AuditFields();
  private ofTypes: StaticArray<TypeFields> = new StaticArray<TypeFields>(TYPES_MAX);
  private typeCount: u32 = 0;
  private pathFields: AuditFields = new AuditFields();
  private pathName: Value = this.pathFields.add(literal('name'));
  private pathType: Value = this.pathFields.add(literal('nametype'));
  /** Start and end of each path's name and nametype, u32 each. */
  private pathTexts: usize = allocate(PATHS_MAX * 16);
  private recordType: Text = new Text();
  private body: Text = new Text();

  /** Up to `capacity` events that are open at a time, each with up to `bytes` bytes of records. */
  constructor(name: string, capacity: u32, bytes: u32, timeoutMs: i64) {
    if (!capacity || capacity > OPEN_MAX) abort('a filter joins 1 to 1024 open audit events');
    if (bytes > EVENT_BYTES_MAX) abort('an open audit event holds up to 65536 bytes of records');
    this.state = new AuditState(name, capacity, bytes, timeoutMs);
    prepareTypes();
    if (collectionCount >= COLLECTIONS_MAX) abort('a filter has at most 4 collections of audit events');
    if (!collectionCount) whenDue(handOverDue);
    this.number = collectionCount;
    unchecked((collections[collectionCount++] = this));
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
      const known = unchecked(this.ofTypes[i]);
      if (known.number === number) return known.fields.add(name);
    }
    if (this.typeCount >= TYPES_MAX) abort('fields are wanted of at most 16 types of audit records');
    const made = new TypeFields();
    made.number = number;
    unchecked((this.ofTypes[this.typeCount++] = made));
    return made.fields.add(name);
  }

  /** Names the function that each complete event is handed to. Call it once, while the filter starts. */
  each(handler: EachEvent): void {
    unchecked((handlers[this.number] = handler));
  }

  /** Serial numbers between the first and the last event of a node that no event had. */
  get lost(): u64 {
    return this.state.lost;
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
    const state = this.state;
    if (audit.time !== NO_TIME) state.lastTime = audit.time;
    const node = audit.node.isEmpty() ? 0 : Hash.of(audit.node.start, audit.node.length, 0);
    let event = audit.serial === NO_SERIAL ? 0 : state.find(audit, node);
    if (audit.number === EOE) {
      if (event) state.complete(event);
      return;
    }
    if (!event) event = state.open(audit, node);
    if (!event) {
      count(OVERFLOWED, 1);
      return;
    }
    state.append(event, audit);
    const isWhole = audit.serial === NO_SERIAL || isWholeEvent(audit.number);
    if (isWhole || audit.number === PROCTITLE) state.complete(event);
  }

  // For the library.

  /** Hands over what is complete at `clock`; false when the output is full. */
  handOver(clock: i64): bool {
    const state = this.state;
    state.expire(max(state.lastTime, clock));
    for (let event = state.oldestComplete(); event; event = state.oldestComplete()) {
      if (!hasRoomForDue(bytesOf(event))) return false;
      if (beginDue(recordsOf(event))) this.tell(event);
      endDueOutput();
      state.release(event);
      resetScratch();
      settleNothing();
    }
    return true;
  }

  private tell(event: usize): void {
    this.read(event);
    const handler = unchecked(handlers[this.number]);
    if (handler) handler(this);
  }

  /** Reads the records of an event into the fields. */
  private read(event: usize): void {
    this.serial = serialOf(event);
    this.time = timeOf(event);
    this.records = recordsOf(event);
    this.node.clear();
    this.type.clear();
    this.paths = 0;
    this.arguments.begin(bytesOf(event));
    this.any.begin();
    for (let i: u32 = 0; i < this.typeCount; i++) unchecked(this.ofTypes[i]).fields.begin();
    let record = this.state.records(event);
    const end = record + bytesOf(event);
    while (record < end) {
      const number = readRecord(record, this.recordType, this.node, this.body);
      if (this.type.isEmpty()) this.type.set(this.recordType.start, this.recordType.end);
      this.readFields(number);
      record = this.body.end;
    }
    this.arguments.finish();
    if (isCut(event)) markTruncated();
  }

  private readFields(number: i32): void {
    this.any.more(number, this.body);
    for (let i: u32 = 0; i < this.typeCount; i++) {
      const wanted = unchecked(this.ofTypes[i]);
      if (wanted.number === number) wanted.fields.more(number, this.body);
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
}

function storeText(place: usize, text: Text): void {
  store<u32>(place, <u32>text.start);
  store<u32>(place, <u32>text.end, 4);
}

function handOverDue(clock: i64): bool {
  for (let i: u32 = 0; i < collectionCount; i++) if (!unchecked(collections[i]).handOver(clock)) return false;
  return true;
}
