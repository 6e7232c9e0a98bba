// For tests: lines of "time key", the time in milliseconds or `-`, go into the tool that the config names. What it holds
// is told when the window of an hour closes; tools that judge single events tell those that they let through. `table` counts
// events by key, and adds up the milliseconds of their times.
import {
  Distinct,
  FirstSeen,
  NO_NUMBER,
  NO_TIME,
  Quantiles,
  RateLimit,
  Sample,
  Stream,
  Suppress,
  Table,
  Text,
  TopK,
  Windows,
  config,
  events,
  key,
  literal,
  malformed,
  parseDecimal,
} from 'weir/runtime';

const settings = config().only(['tool', 'a', 'b', 'c', 'length', 'lateness', 'hop']);
const tool = settings.get('tool').text();
const a = <u32>numberOf('a', 0);
const b = <u32>numberOf('b', 0);
const c = <u32>numberOf('c', 0);
const length = settings.get('length').durationMs(3_600_000);
const hours = new Windows(
  'hours',
  length,
  settings.get('lateness').durationMs(10_000),
  settings.get('hop').durationMs(length),
);

const told = new Stream('told');
const KEY = key('key');
const COUNT = key('count');
const ERROR = key('error');
const SUM = key('sum');
const BYTES = key('bytes');
const ESTIMATE = key('estimate');
const LEAST = key('p0');
const MEDIAN = key('p500');
const P900 = key('p900');
const P999 = key('p999');
const GREATEST = key('p1000');
const OVERFLOW = key('overflow');
const IS_FULL = key('full');
/** The key that asks for all bytes. */
const ALL = literal('*');

/** In place of a time. */
const NO_TIME_HERE = literal('-');

const isTable = is('table');
const isTop = is('top');
const isDistinct = is('distinct');
const isDistinctRows = is('distinct-rows');
const isQuantiles = is('quantiles');
const isFirstSeen = is('first-seen');
const isSample = is('sample');
const isLimit = is('limit');
const isSuppress = is('suppress');
const isHopping = is('hopping');

const counts = isTable ? new Table('counts', a, b, 2) : null;
const top = isTop ? new TopK('top', a, b) : null;
const distinct = isDistinct || isDistinctRows ? new Distinct(isDistinct ? 'distinct' : '', a) : null;
const quantiles = isQuantiles ? new Quantiles('quantiles', a) : null;
const seen = isFirstSeen ? new FirstSeen('seen', a, length) : null;
const sample = isSample ? new Sample(a) : null;
const limit = isLimit ? new RateLimit('limit', a, b, c) : null;
const repeats = isSuppress
  ? new Suppress('repeats', a, b, length, settings.get('lateness').durationMs(0))
  : null;
/** One row an hour, or a row for each first letter of the keys and hour. */
const rows = new Table('rows', 64, 16, isDistinctRows ? 1 + Distinct.counters(a) : 1);
const word = new Text();
const rest = new Text();

events((line: Text): void => {
  const space = line.indexOfByte(0x20);
  if (space < 0) return malformed();
  const hasTime = !word.set(line.start, line.start + space).equals(NO_TIME_HERE);
  const time = hasTime ? parseDecimal(word, 0, i64.MAX_VALUE) : NO_TIME;
  if (hasTime && time === NO_NUMBER) return malformed();
  rest.set(line.start + space + 1, line.end);
  if (isFirstSeen) {
    if (rest.equals(ALL)) {
      told.open(time);
      seen!.put(BYTES);
      told.close();
    } else if (seen!.isNew(rest, time)) told.open(time).text(KEY, rest).bool(IS_FULL, seen!.isFull()).close();
  } else if (isTable) {
    const row = counts!.at(hours.of(time)).by(rest).row();
    counts!.add(row, 0, 1);
    counts!.add(row, 1, time % 1000);
  } else if (isSample) {
    if (sample!.takes(rest)) told.open(time).text(KEY, rest).close();
  } else if (isLimit) {
    if (limit!.allows(hours.of(time), rest)) told.open(time).text(KEY, rest).close();
  } else if (isSuppress) {
    if (!repeats!.isRepeat(rest, time)) told.open(time).text(KEY, rest).close();
  } else if (isHopping) countHopping(time);
  else add(time);
});

function add(time: i64): void {
  rows.at(hours.of(time));
  if (isDistinctRows) rows.by(word.set(rest.start, rest.start + 1));
  const row = rows.row();
  rows.add(row, 0, 1);
  // With `c`, the time is the amount, too.
  if (isTop) top!.add(rest, c ? time : 1);
  if (isDistinct) distinct!.add(rest);
  if (isDistinctRows) distinct!.at(rows.counterAt(row, 1)).add(rest);
  if (isQuantiles) quantiles!.add(parseDecimal(rest, -1000, i64.MAX_VALUE));
}

function countHopping(time: i64): void {
  hours.of(time);
  for (let i = 0; i < hours.overlap; i++) rows.add(rows.at(hours.covering(i)).by(rest).row(), 0, 1);
}

hours.close(rows, (row: usize): void => {
  if (isTop) tellTop(rows.windowOf(row));
  else {
    told.open(rows.windowOf(row)).int(COUNT, rows.count(row, 0));
    if (isDistinctRows || isHopping) {
      rows.part(row, 0, word);
      told.text(KEY, word);
    }
    if (isHopping) told.bool(OVERFLOW, rows.isOverflow(row));
    if (isDistinctRows) told.int(ESTIMATE, distinct!.at(rows.counterAt(row, 1)).estimate());
    if (isDistinct) told.int(ESTIMATE, distinct!.estimate());
    if (isDistinct) distinct!.put(BYTES);
    if (isQuantiles) tellQuantiles();
    told.close();
  }
  if (isDistinct) distinct!.clear();
  if (isQuantiles) quantiles!.clear();
});
if (isTable) {
  hours.close(counts!, (row: usize): void => {
    counts!.part(row, 0, word);
    told.open(counts!.windowOf(row)).text(KEY, word).int(COUNT, counts!.count(row, 0));
    told.int(SUM, counts!.count(row, 1)).bool(OVERFLOW, counts!.isOverflow(row)).close();
  });
}
if (isLimit) {
  hours.close(limit!.table, (row: usize): void => {
    if (limit!.suppressed(row))
      tellRow(limit!.table, row, limit!.table.windowOf(row), limit!.suppressed(row));
  });
}
if (isSuppress) {
  repeats!.windows.close(repeats!.table, (row: usize): void => {
    if (repeats!.suppressed(row))
      tellRow(repeats!.table, row, repeats!.firstAt(row), repeats!.suppressed(row));
  });
}

function tellTop(window: i64): void {
  top!.order();
  for (let i: u32 = 0; i < top!.size(); i++) {
    told
      .open(window)
      .text(KEY, top!.key(i, word))
      .int(COUNT, top!.count(i))
      .int(ERROR, top!.error(i))
      .close();
  }
  told.open(window).int(SUM, <i64>top!.sum());
  top!.put(BYTES);
  told.close();
  top!.clear();
}

function tellQuantiles(): void {
  told.int(LEAST, quantiles!.perMille(0)).int(MEDIAN, quantiles!.perMille(500));
  told.int(P900, quantiles!.perMille(900)).int(P999, quantiles!.perMille(999));
  told.int(GREATEST, quantiles!.perMille(1000));
  quantiles!.put(BYTES);
}

function tellRow(table: Table, row: usize, time: i64, count: i64): void {
  table.part(row, 0, word);
  told.open(time).text(KEY, word).int(COUNT, count).bool(OVERFLOW, table.isOverflow(row)).close();
}

function is(name: string): bool {
  return tool.equals(literal(name));
}

function numberOf(name: string, otherwise: i64): i64 {
  return settings.get(name).int(otherwise, 0, u32.MAX_VALUE);
}
