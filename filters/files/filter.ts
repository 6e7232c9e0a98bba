// Tells what changes in watched directories: counts by directory and operation, and every new or changed
// executable at once, because that is how a patient attacker stays.
import { EventTime, Json, Stream, Table, Text, Windows } from 'weir/runtime';
import { events, fieldsNamed, key, literal, malformed } from 'weir/runtime';

const json = new Json();
const time = new EventTime(json);
const op = json.field(literal('op'));
const path = json.field(literal('path'));
const type = json.field(literal('type'));
const mode = json.field(literal('mode'));
const details = fieldsNamed(json, [
  'op',
  'path',
  'path_hex',
  'from',
  'from_hex',
  'size',
  'mode',
  'uid',
  'gid',
]);

const OPERATIONS = [literal('create'), literal('modify'), literal('delete'), literal('rename')];
const COUNTERS = [key('created'), key('modified'), key('deleted'), key('renamed')];
const DELETE = 2;
const FILE = literal('file');
const SLASH = literal('/');

const changes = new Stream('changes');
const directories = new Table('directories', 4096, 200, OPERATIONS.length);
const minutes = new Windows('minutes', 60_000, 10_000);

const EXECUTABLE = key('executable');
const WINDOW_MS = key('window_ms');
const DIR = key('dir');
const OVERFLOW = key('overflow');
const directory = new Text();

events((line: Text): void => {
  if (!json.parse(line)) return malformed();
  const operation = indexOfOperation(op.text());
  if (operation < 0 || path.raw.isEmpty()) return malformed();
  const at = time.of();
  if (operation !== DELETE && type.text().equals(FILE) && isExecutable(mode.text())) emitExecutable(at);
  const row = directories.at(minutes.of(at)).by(directoryOf(path.text())).row();
  directories.add(row, operation, 1);
});

minutes.close(directories, (row: usize): void => {
  directories.part(row, 0, directory);
  changes.open(directories.windowOf(row)).int(WINDOW_MS, minutes.length);
  if (directories.isOverflow(row)) changes.nothing(DIR).bool(OVERFLOW, true);
  else changes.text(DIR, directory);
  for (let i = 0; i < COUNTERS.length; i++) changes.int(COUNTERS[i], directories.count(row, i));
  changes.close();
});

function emitExecutable(at: i64): void {
  changes.open(at);
  details.put(changes);
  changes.bool(EXECUTABLE, true).close();
}

function indexOfOperation(name: Text): i32 {
  for (let i = 0; i < OPERATIONS.length; i++) if (name.equals(OPERATIONS[i])) return i;
  return -1;
}

/** Any of the three execute permissions: an odd digit among the last three of an octal mode such as "0755". */
function isExecutable(octal: Text): bool {
  return ((octal.at(octal.length - 1) | octal.at(octal.length - 2) | octal.at(octal.length - 3)) & 1) === 1;
}

/** The path up to its last slash, or `/`. */
function directoryOf(file: Text): Text {
  const slash = file.lastIndexOf(SLASH);
  return directory.set(file.start, file.start + max(slash, 1));
}
