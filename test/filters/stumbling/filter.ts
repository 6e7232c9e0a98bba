// For tests: counts by key and minute, keeps every fifth number, and breaks down where a line tells it to, once it has
// emitted and counted something, or, with `rows`, where the key of a row does.
import { KeyValue, Stream, Table, Text, Windows } from 'weir/runtime';
import { config, events, key, literal, malformed, parseDecimal } from 'weir/runtime';

const settings = config().only(['is', 'capacity', 'stumbles', 'rows', 'window_ms', 'emits']);
/** Emits a record of each event, and counts none. */
const emits = settings.get('emits').int(0, 0, 1) === 1;
const isMute = settings.has('is');
const stumbles = settings.get('stumbles').int(1, 0, 1) === 1;
const stumblesAtRows = settings.get('rows').int(0, 0, 1) === 1;

const pairs = new KeyValue();
const time = pairs.field(literal('t'));
const number = pairs.field(literal('n'));
const group = pairs.field(literal('k'));
const todo = pairs.field(literal('do'));

const TRAP = literal('trap');
const SPIN = literal('spin');
const DEEP = literal('deep');
const ABORT = literal('abort');
const OPEN = literal('open');
const HEAVY = literal('heavy');

const kept = new Stream('kept');
const sums = new Stream('sums');
const minutes = new Windows('minutes', settings.get('window_ms').int(60_000, 1_000, 3_600_000), 0);
const table = new Table('sums', <u32>settings.get('capacity').int(512, 1, 512), 32, 1);
const N = key('n');
const K = key('k');
const COUNT = key('count');
const part = new Text();

events((line: Text): void => {
  if (!pairs.parse(line)) return malformed();
  const at = parseDecimal(time.text(), 0, i64.MAX_VALUE);
  const n = parseDecimal(number.text(), 0, i64.MAX_VALUE);
  if (!emits) table.add(table.at(minutes.of(at)).by(group.text()).row(), 0, 1);
  if (emits || n % 5 === 0) kept.open(at).int(N, n).close();
  if (stumbles) stumble(todo.text());
});

minutes.close(table, (row: usize): void => {
  if (isMute) unreachable();
  table.part(row, 0, part);
  sums.open(table.windowOf(row)).text(K, part).int(COUNT, table.count(row, 0)).close();
  if (stumblesAtRows) stumbleAtRow();
});

function stumbleAtRow(): void {
  stumble(part);
  if (part.startsWith(TRAP)) unreachable();
  if (part.equals(OPEN)) kept.open(0);
  // Less than all of the fuel of a turn, and more than half of it.
  if (part.startsWith(HEAVY)) for (let turn = 0; turn < 300_000; turn++) store<i32>(0, turn);
}

function stumble(what: Text): void {
  if (what.equals(TRAP)) unreachable();
  if (what.equals(ABORT)) abort('it was told to');
  if (what.equals(DEEP)) deep(1);
  if (what.equals(SPIN)) spin();
}

function deep(level: i32): i32 {
  // Not a tail call, and of some use, so that the compiler leaves it a recursion.
  store<i32>(0, level);
  return level < 0 ? 0 : deep(level + 1) + level;
}

function spin(): void {
  for (let turn = 0; turn >= 0; turn = (turn + 1) & 0xffff) store<i32>(0, turn);
}
