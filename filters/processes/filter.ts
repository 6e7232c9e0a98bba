// Tells every process that starts, with its command line and its parent, and how often each executable ran: what runs
// on an appliance is a short list, and whoever stays on one has to run something.
import { EventTime, Json, MISSING, STRING, Stream, Table, Text, Windows } from 'weir/runtime';
import { config, events, fieldsNamed, key, literal, malformed } from 'weir/runtime';

const ignored = config().only(['ignore']).get('ignore').texts(64);

const json = new Json();
const time = new EventTime(json);
const op = json.field(literal('op'));
const pid = json.field(literal('pid'));
const exe = json.field(literal('exe'));
const deleted = json.field(literal('deleted'));
const names = ['comm', 'comm_hex', 'exe', 'exe_hex', 'deleted', 'cmdline', 'cmdline_cut'];
const parents = ['parent_comm', 'parent_comm_hex', 'parent_exe', 'parent_exe_hex'];
const numbers = ['op', 'pid', 'ppid', 'started', 'uid', 'gid', 'euid'];
const details = fieldsNamed(json, numbers.concat(names).concat(parents));

const START = literal('start');
const EXEC = literal('exec');

const starts = new Stream('starts');
const counts = new Stream('counts');
const executables = new Table('executables', 2048, 200, 1);
const minutes = new Windows('minutes', 60_000, 10_000);

const WINDOW_MS = key('window_ms');
const EXE = key('exe');
const OVERFLOW = key('overflow');
const COUNT = key('count');
const path = new Text();

events((line: Text): void => {
  if (!json.parse(line)) return malformed();
  if (!op.text().equals(START) && !op.text().equals(EXEC)) return malformed();
  if (pid.kind === MISSING) return malformed();
  const at = time.of();
  if (!isIgnored()) {
    starts.open(at);
    details.put(starts);
    starts.close();
  }
  const row = executables
    .at(minutes.of(at))
    .byTagged(<u8>exe.kind, exe.text())
    .row();
  executables.add(row, 0, 1);
});

minutes.close(executables, (row: usize): void => {
  const kind = executables.part(row, 0, path);
  counts.open(executables.windowOf(row)).int(WINDOW_MS, minutes.length);
  if (kind === STRING) counts.text(EXE, path);
  else counts.nothing(EXE);
  if (executables.isOverflow(row)) counts.bool(OVERFLOW, true);
  counts.int(COUNT, executables.count(row, 0)).close();
});

/** One of the paths, and still the file of that name: what runs a file that is gone is always told. */
function isIgnored(): bool {
  if (exe.kind !== STRING || deleted.kind !== MISSING) return false;
  const found = exe.text();
  for (let i = 0; i < ignored.length; i++) if (found.equals(unchecked(ignored[i]))) return true;
  return false;
}
