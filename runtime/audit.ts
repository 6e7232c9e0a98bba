/**
 * Linux audit records, one a line, as auditd and the kernel write them.
 *
 *     type=EXECVE msg=audit(1769853600.123:89): argc=2 a0="ls" a1=2D6C20
 *     node=fw-01 type=USER_CMD msg=audit(...): pid=7 uid=0 msg='cwd="/root" cmd=6C73 res=success'<GS>UID="root"
 *     Jan 31 10:00:00 fw-01 kernel: [12.5] audit: type=1400 audit(...): apparmor="DENIED" ...
 *     Jan 31 10:00:00 fw-01 audit[1]: SERVICE_START pid=1 uid=0 msg='unit=cron ...'     (journald: no serial)
 *
 *     const audit = new Audit();
 *     const exe = audit.field(literal('exe'));            while the filter starts
 *     if (!audit.parse(line)) return malformed();         in an event
 *     audit.type; audit.serial; exe.text();               text() decodes what the kernel encodes
 *
 * A line that begins with `node=` or `type=` is a record. Any other must have a syslog header with the tag of the
 * kernel, of audit or of its dispatchers, so that what another program logs is never taken for a record.
 *
 * A program's text that holds a space, a quote, a control byte or a byte above 126 is written as upper-case
 * hexadecimal digits without quotes, everything else with quotes (audit_log_untrustedstring in the kernel,
 * audit_value_needs_encoding(3)). So digits without quotes are decoded for the names whose values are such texts
 * (audit-userspace, auparse/typetab.h: "escaped"), and for the arguments of EXECVE. Values have no other escapes.
 *
 * Fields inside of `msg='...'` and, behind the byte 0x1d, the ones that auditd adds (`UID="root"`: capitals, so that
 * they are names of their own) are found like the others. Of a repeated name the first value counts; `?` and
 * `(null)` are no values.
 */
import { allocate } from './arena';
import { EXECVE, prepareTypes, typeName, typeNumber } from './audittypes';
import { indexOfByte } from './bytes';
import { AUDIT, KeyValue } from './keyvalue';
import { NAMES_MAX } from './names';
import { Syslog } from './syslog';
import { literal, Text } from './text';
import { fractionAt, fractionEnd, NO_TIME } from './time';
import { Value } from './value';

/** A record that has no serial number: journald leaves it out. */
export const NO_SERIAL: i64 = -1;

const SPACE: u8 = 0x20;
const CLOSE: u8 = 0x29;
const COLON: u8 = 0x3a;
const ARGUMENT: u8 = 0x61;
const OPEN_BRACKET: u8 = 0x5b;
const CLOSE_BRACKET: u8 = 0x5d;
const POINTER_BYTES: usize = sizeof<usize>();
/** `node=` and `type=`, with one of which a record begins, as numbers. */
const NODE: u64 = 0x3d65646f6e;
const TYPE: u64 = 0x3d65707974;
const NAME_BYTES: usize = 5;
const NAME_MASK: u64 = 0xffffffffff;
/** Seconds since 1970 up to the year 33658; serial numbers have 32 bits. */
const SECONDS_DIGITS_MAX: usize = 12;
const SERIAL_DIGITS_MAX: usize = 10;

@unmanaged
export class Audit {
  // Prepared with the reader, so that a filter without one carries none of them.
  private stampText: Text = literal('msg=audit(');
  private kernelStampText: Text = literal('audit(');
  private kernelText: Text = literal('kernel');
  private kernelAuditText: Text = literal('audit: ');
  private journalAuditText: Text = literal('audit');
  private dispatcherTexts: StaticArray<Text> = StaticArray.fromArray([
    literal('audispd'),
    literal('audisp-syslog'),
    literal('auditd'),
    this.journalAuditText,
  ]);

  /** The host that a dispatcher puts in front; empty when there is none. */
  node: Text = new Text();
  /** `SYSCALL`: always the name, where it is known. */
  type: Text = new Text();
  /** 1300; 0 for a name that is not known. */
  number: i32 = 0;
  /** Milliseconds since 1970; without a serial number the time of the syslog header. */
  time: i64 = NO_TIME;
  /** Number of the event, which all of its records share; or NO_SERIAL. */
  serial: i64 = NO_SERIAL;
  /** All fields, as they were sent. */
  body: Text = new Text();
  private fields: AuditFields = new AuditFields();
  private syslog: Syslog = new Syslog();
  private rest: Text = new Text();

  constructor() {
    prepareTypes();
  }

  /** The value under a name; the same name gives the same value. Call it while the filter starts. */
  field(name: Text): Value {
    return this.fields.add(name);
  }

  /** Reads a line; false when it is no audit record. */
  parse(line: Text): bool {
    this.clear();
    this.rest.set(line.start, line.end);
    const isBare = this.isRecordNext();
    if (!isBare && !this.takeSyslog(line)) return false;
    if (this.takeName(NODE)) this.takeWord(this.node);
    const isNamed = this.takeName(TYPE);
    this.takeWord(this.type);
    if (isNamed ? !this.takeStamp() : isBare) return false;
    // Only journald, behind the tag `audit`, leaves out the stamp.
    if (!isNamed) this.time = this.syslog.time;
    this.number = typeNumber(this.type);
    if (this.type.isEmpty() || (!this.number && !isName(this.type))) return false;
    typeName(this.number, this.type);
    while (this.rest.at(0) === SPACE) this.rest.start++;
    this.body.set(this.rest.start, this.rest.end);
    this.fields.more(this.number, this.body);
    return true;
  }

  private clear(): void {
    this.node.clear();
    this.type.clear();
    this.number = 0;
    this.time = NO_TIME;
    this.serial = NO_SERIAL;
    this.body.clear();
    this.fields.begin();
  }

  private isRecordNext(): bool {
    return this.isNext(NODE) || this.isNext(TYPE);
  }

  @inline
  private isNext(name: u64): bool {
    return this.rest.length > NAME_BYTES && (load<u64>(this.rest.start) & NAME_MASK) === name;
  }

  private takeName(name: u64): bool {
    const isNext = this.isNext(name);
    if (isNext) this.rest.start += NAME_BYTES;
    return isNext;
  }

  /** Goes to the record behind a syslog header; false when another program wrote it. */
  private takeSyslog(line: Text): bool {
    if (!this.syslog.parse(line)) return false;
    const program = this.syslog.program;
    this.rest.set(this.syslog.message.start, this.syslog.message.end);
    if (program.equals(this.kernelText)) {
      this.skipUptime();
      this.rest.take(this.kernelAuditText);
      return this.isNext(TYPE);
    }
    for (let i = 0; i < this.dispatcherTexts.length; i++) {
      if (program.equals(unchecked(this.dispatcherTexts[i])))
        return this.isRecordNext() || program.equals(this.journalAuditText);
    }
    return false;
  }

  /** `[   12.345678] ` */
  private skipUptime(): void {
    if (this.rest.at(0) !== OPEN_BRACKET) return;
    const close = indexOfByte(this.rest.start, this.rest.end, CLOSE_BRACKET);
    this.rest.start = min(close + 1, this.rest.end);
    while (this.rest.at(0) === SPACE) this.rest.start++;
  }

  /** Everything up to the next space, and the space. */
  private takeWord(word: Text): void {
    const stop = indexOfByte(this.rest.start, this.rest.end, SPACE);
    word.set(this.rest.start, stop);
    this.rest.start = min(stop + 1, this.rest.end);
  }

  /** `msg=audit(1769853600.123:89):`; the kernel's log leaves out `msg=`, some of auditd's own records the colon. */
  private takeStamp(): bool {
    if (!this.rest.take(this.stampText) && !this.rest.take(this.kernelStampText)) return false;
    const seconds = this.rest.takeNumber(SECONDS_DIGITS_MAX);
    const fraction = this.rest.start;
    this.rest.start = fractionEnd(fraction, this.rest.end);
    if (seconds < 0 || this.rest.start < fraction + 2 || this.rest.at(0) !== COLON) return false;
    const ms = seconds * 1_000 + fractionAt(fraction, this.rest.end);
    this.rest.start++;
    const serial = this.rest.takeNumber(SERIAL_DIGITS_MAX);
    if (serial < 0 || this.rest.at(0) !== CLOSE) return false;
    this.rest.start++;
    if (this.rest.at(0) === COLON) this.rest.start++;
    this.time = ms;
    this.serial = serial;
    return true;
  }
}

/** Fields of one record or, asked one after the other, of several. */
@unmanaged
export class AuditFields {
  private pairs: KeyValue = new KeyValue(AUDIT);
  /** Values named a0, a1, ...: texts in EXECVE, numbers in any other record. */
  private arguments: usize = allocate(POINTER_BYTES * NAMES_MAX);
  private argumentCount: u32 = 0;

  add(name: Text): Value {
    const value = this.pairs.field(name);
    for (let i: u32 = 0; i < this.argumentCount; i++) if (this.argument(i) === value) return value;
    value.isHexWithoutQuotes = isChosen(name);
    if (isArgument(name)) {
      store<usize>(this.arguments + POINTER_BYTES * this.argumentCount++, changetype<usize>(value));
    }
    return value;
  }

  /** Forgets every field. */
  begin(): void {
    this.pairs.begin();
  }

  /** Finds the fields that no record has told since `begin`. */
  more(type: i32, body: Text): void {
    for (let i: u32 = 0; i < this.argumentCount; i++) {
      this.argument(i).isHexWithoutQuotes = type === EXECVE;
    }
    if (this.pairs.missing) this.pairs.more(body);
  }

  private argument(index: u32): Value {
    return changetype<Value>(load<usize>(this.arguments + POINTER_BYTES * index));
  }
}

function isArgument(name: Text): bool {
  if (name.length < 2 || name.at(0) !== ARGUMENT) return false;
  for (let i: usize = 1; i < name.length; i++) if (name.at(i) - 0x30 > 9) return false;
  return true;
}

/** Capitals, digits and `_`. */
function isName(type: Text): bool {
  for (let at = type.start; at < type.end; at++) {
    const byte = load<u8>(at);
    const letter: u8 = byte - 0x41;
    const digit: u8 = byte - 0x30;
    if (letter > 25 && digit > 9 && byte !== 0x5f) return false;
  }
  return true;
}

/** True for the names of texts that programs choose. */
function isChosen(name: Text): bool {
  const some = ' acct cgroup cmd comm cwd data device dir exe file grp invalid_context key name new_group ';
  const others = ' ocomm path proctitle root_dir sw vm watch ';
  const word = ' ' + String.UTF8.decodeUnsafe(name.start, name.length) + ' ';
  return some.includes(word) || others.includes(word);
}
