// The guard of blind spots: reads the whole of a source and tells each new kind of line and each new program once,
// because what other filters exclude is where an attacker stages.
import { Kinds, NO_TIME, RateLimit, Shape, Stream, Syslog, Text, Windows } from 'weir/runtime';
import { config, events, key, literal } from 'weir/runtime';

const settings = config().only(['varies_after']);
/** Values of a word that are told before its place varies. */
const variety = <u32>settings.get('varies_after').int(64, 8, 128);

const syslog = new Syslog();
const shape = new Shape();
const news = new Stream('new');
/** Up to 256 kinds of a program: words that an attacker varies fill its own program's share and no other's. */
const kinds = new Kinds('kinds', 4096, 512, 256, variety);
// What finds no room goes on being told: 8 lines of a program and hour, then how many more there were.
const hours = new Windows('hours', 3_600_000, 60_000);
const withoutRoom = new RateLimit('without room', 1024, 72, 8);

/** In place of all programs that find no room themselves. */
const OTHERS = literal('*');

const HOST = key('host');
const PROGRAM = key('program');
const NEW_PROGRAM = key('new_program');
const KIND = key('kind');
const VARIES = key('varies');
const OVERFLOW = key('overflow');
const WINDOW_MS = key('window_ms');
const UNTOLD = key('untold');

const program = new Text();

events((line: Text): void => {
  const isSyslog = syslog.parse(line);
  if (isSyslog) program.set(syslog.program.start, min(syslog.program.end, syslog.program.start + 64));
  else program.clear();
  const time = isSyslog ? syslog.time : NO_TIME;
  hours.advance(time);

  const kind = shape.read(isSyslog ? syslog.message : line);
  if (!kinds.isNew(program, kind)) return;
  if (kinds.isOverflow) {
    const share = kinds.hasGroup ? program : OTHERS;
    if (withoutRoom.allows(hours.of(time), share))
      open(isSyslog).bool(OVERFLOW, true).text(KIND, kind).close();
    return;
  }
  open(isSyslog).bool(NEW_PROGRAM, kinds.isNewGroup).text(KIND, kind).close();
  if (!kinds.varying.isEmpty()) open(isSyslog).bool(VARIES, true).text(KIND, kinds.varying).close();
});

hours.close(withoutRoom.table, (row: usize): void => {
  const untold = withoutRoom.suppressed(row);
  if (!untold) return;
  const table = withoutRoom.table;
  table.part(row, 0, program);
  news.open(table.windowOf(row)).int(WINDOW_MS, hours.length);
  putProgram(table.isOverflow(row) ? OTHERS : program);
  news.bool(OVERFLOW, true).int(UNTOLD, untold).close();
});

function open(isSyslog: bool): Stream {
  news.open(isSyslog ? syslog.time : NO_TIME);
  if (isSyslog && !syslog.host.isEmpty()) news.text(HOST, syslog.host);
  putProgram(program);
  return news;
}

function putProgram(name: Text): void {
  if (name.isEmpty()) news.nothing(PROGRAM);
  else news.text(PROGRAM, name);
}
