// Tells every program that starts, as the kernel's audit saw it, and every change of accounts and privileges: what an
// intruder runs, and what lets him come back. All else is only counted.
import { Audit, AuditEvents, Key, NO_NUMBER, Stream, Table, Text, Value } from 'weir/runtime';
import { events, key, literal, malformed, parseDecimal, Windows } from 'weir/runtime';

const audit = new Audit();
// A record of the kernel has 9 KiB at most; a longer command line comes in several.
const joined = new AuditEvents('open', 64, 32 * 1024, 2_000);
const execs = new Stream('execs');
const changes = new Stream('changes');
const counts = new Stream('counts');
const minutes = new Windows('minutes', 60_000, 10_000);
const others = new Table('others', 256, 64, 1);
const type = new Text();

const ACCOUNTS = 'ADD_USER DEL_USER ADD_GROUP DEL_GROUP USER_MGMT GRP_MGMT ACCT_LOCK ACCT_UNLOCK ';
const RIGHTS = 'USER_CHAUTHTOK GRP_CHAUTHTOK CHUSER_ID CHGRP_ID USER_CMD ROLE_ASSIGN ROLE_REMOVE ROLE_MODIFY';
const changeTypes = (ACCOUNTS + RIGHTS).split(' ').map<Text>((name: string) => literal(name));

// Numbers first, five and four of them. Of a start each counts only in the record in which the kernel says it.
const CALL = ['auid', 'uid', 'euid', 'ppid', 'pid', 'exe', 'comm', 'tty', 'key', 'success', 'cwd'];
const CHANGE = ['id', 'auid', 'uid', 'pid', 'op', 'acct', 'grp', 'cmd', 'exe', 'terminal', 'addr', 'res'];
const call = CALL.map<Value>((n: string) => joined.fieldOf(n === 'cwd' ? 'CWD' : 'SYSCALL', literal(n)));
const change = CHANGE.map<Value>((name: string) => joined.field(literal(name)));
const callKeys = CALL.map<Key>((name: string) => key(name));
const changeKeys = CHANGE.map<Key>((name: string) => key(name));
/** The largest number of a user; the next one says that there is none. */
const ID_MAX: i64 = 0xfffffffe;
const HOST = key('host');
const LOST = key('lost');
const CMDLINE = key('cmdline');
const ARGC = key('argc');
const TYPE = key('type');
const WINDOW_MS = key('window_ms');
const OVERFLOW = key('overflow');
const COUNT = key('count');

events((line: Text): void => (audit.parse(line) ? joined.add(audit) : malformed()));

joined.each((event: AuditEvents): void => {
  if (event.arguments.argc >= 0) {
    begin(execs, event).text(CMDLINE, event.arguments.line).int(ARGC, event.arguments.argc);
    finish(execs, callKeys, call, 5);
  } else if (isChange(event.type)) {
    finish(begin(changes, event).text(TYPE, event.type), changeKeys, change, 4);
  } else {
    others.add(others.at(minutes.of(event.time)).by(event.type).row(), 0, 1);
  }
});

minutes.close(others, (row: usize): void => {
  others.part(row, 0, type);
  counts.open(others.windowOf(row)).int(WINDOW_MS, minutes.length);
  if (others.isOverflow(row)) counts.bool(OVERFLOW, true);
  else counts.text(TYPE, type);
  counts.int(COUNT, others.count(row, 0)).close();
});

function isChange(type: Text): bool {
  for (let i = 0; i < changeTypes.length; i++) if (type.equals(unchecked(changeTypes[i]))) return true;
  return false;
}

function begin(record: Stream, event: AuditEvents): Stream {
  record.open(event.time);
  if (!event.node.isEmpty()) record.text(HOST, event.node);
  return event.lost ? record.int(LOST, <i64>event.lost) : record;
}

function finish(record: Stream, keys: Key[], values: Value[], numbers: i32): void {
  for (let i = 0; i < values.length; i++) {
    const name = unchecked(keys[i]);
    const value = unchecked(values[i]);
    const number = i < numbers ? parseDecimal(value.text(), 0, ID_MAX) : NO_NUMBER;
    if (number !== NO_NUMBER) record.int(name, number);
    else if (i >= numbers && value.isPresent) record.text(name, value.text());
  }
  record.close();
}
