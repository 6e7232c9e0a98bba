// The guard of blind spots: reads the whole of a source and tells each new kind of line and each new program once,
// because what other filters exclude is where an attacker stages.
import { NO_TIME, Shape, Stream, Syslog, Table, Text } from 'weir/runtime';
import { events, key } from 'weir/runtime';

/** Kinds of lines of one program: a name that an attacker varies fills its own program's share and no other's. */
const KINDS_MAX: i64 = 256;

const syslog = new Syslog();
const shape = new Shape();
const news = new Stream('new');
// A key has room for a program's name of 64 bytes and a shape of 256.
const kinds = new Table('kinds', 4096, 328, 1);
const programs = new Table('programs', 512, 72, 3);
const LINES = 0;
const KINDS = 1;
const UNTOLD = 2;

const HOST = key('host');
const PROGRAM = key('program');
const NEW_PROGRAM = key('new_program');
const KIND = key('kind');
const OVERFLOW = key('overflow');

const program = new Text();

events((line: Text): void => {
  const isSyslog = syslog.parse(line);
  if (isSyslog) program.set(syslog.program.start, min(syslog.program.end, syslog.program.start + 64));
  else program.clear();
  const kind = shape.read(isSyslog ? syslog.message : line);
  const home = programs.at(0).by(program).row();
  const isNewProgram = programs.isNew;
  programs.add(home, LINES, 1);

  let known = kinds.at(0).by(program).by(kind).find();
  if (!known && programs.count(home, KINDS) < KINDS_MAX) {
    known = kinds.row();
    if (kinds.isNew) {
      programs.add(home, KINDS, 1);
      open(isSyslog).bool(NEW_PROGRAM, isNewProgram).text(KIND, kind).close();
    }
  }
  if (known && !kinds.isOverflow(known)) return kinds.add(known, LINES, 1);
  // There is no room for this kind: said once for each program, and counted.
  if (!programs.count(home, UNTOLD)) open(isSyslog).bool(OVERFLOW, true).text(KIND, kind).close();
  programs.add(home, UNTOLD, 1);
});

function open(isSyslog: bool): Stream {
  news.open(isSyslog ? syslog.time : NO_TIME);
  if (isSyslog && !syslog.host.isEmpty()) news.text(HOST, syslog.host);
  if (program.isEmpty()) news.nothing(PROGRAM);
  else news.text(PROGRAM, program);
  return news;
}
