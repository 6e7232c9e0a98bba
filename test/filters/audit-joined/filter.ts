// For tests: one record for each joined audit event, but for one that traps.
import { Audit, AuditEvents, Stream, Text } from 'weir/runtime';
import { config, events, key, literal, malformed } from 'weir/runtime';

const settings = config().only(['capacity', 'bytes', 'timeout', 'trap']);
const number = (name: string): u32 => <u32>settings.get(name).text().takeNumber(9);

const fields = new Stream('fields');
const audit = new Audit();
const joined = new AuditEvents('open', number('capacity'), number('bytes'), number('timeout'));
const trapsAt = settings.get('trap').int(-1, -1, 1_000);
const exe = joined.field(literal('exe'));
const cwd = joined.field(literal('cwd'));
const pid = joined.fieldOf('SYSCALL', literal('pid'));
const pointer = joined.fieldOf('SYSCALL', literal('a0'));
const SERIAL = key('serial');
const NODE = key('node');
const TYPE = key('type');
const RECORDS = key('records');
const EXE = key('exe');
const CWD = key('cwd');
const PID = key('pid');
const POINTER = key('pointer');
const ARGC = key('argc');
const LINE = key('line');
const ARGUMENTS = key('arguments');
const LAST = key('last_argument');
const PATHS = key('paths');
const PATH = key('path');
const KIND = key('kind');
const LOST = key('lost');
const text = new Text();

events((line: Text): void => {
  if (!audit.parse(line)) return malformed();
  joined.add(audit);
});

joined.each((event: AuditEvents): void => {
  if (event.serial === trapsAt) unreachable();
  const given = event.arguments;
  fields.open(event.time).int(SERIAL, event.serial).int(RECORDS, event.records).int(LOST, event.lost);
  fields.text(TYPE, event.type);
  if (!event.node.isEmpty()) fields.text(NODE, event.node);
  if (exe.isPresent) fields.text(EXE, exe.text());
  if (cwd.isPresent) fields.text(CWD, cwd.text());
  if (pid.isPresent) fields.text(PID, pid.text());
  if (pointer.isPresent) fields.text(POINTER, pointer.text());
  if (given.argc >= 0) {
    fields.int(ARGC, given.argc).int(ARGUMENTS, given.size).text(LINE, given.line);
    fields.text(LAST, given.at(given.size - 1, text));
  }
  if (event.paths) {
    fields.int(PATHS, event.paths).text(PATH, event.path(event.paths - 1, text));
    fields.text(KIND, event.pathKind(event.paths - 1, text));
  }
  fields.close();
});
