// For the benchmark: counts every line of key=value by type, subtype and hour.
import { KeyValue, Stream, Table, Text, Windows } from 'weir/runtime';
import { events, key, literal, malformed, parseTime } from 'weir/runtime';

const pairs = new KeyValue();
const time = pairs.field(literal('eventtime'));
const type = pairs.field(literal('type'));
const subtype = pairs.field(literal('subtype'));

const counts = new Stream('counts');
const hours = new Windows('hours', 3_600_000, 10_000);
const table = new Table('counts', 1024, 64, 1);
const TYPE = key('type');
const SUBTYPE = key('subtype');
const COUNT = key('count');
const part = new Text();

events((line: Text): void => {
  if (!pairs.parse(line)) return malformed();
  const row = table
    .at(hours.of(parseTime(time.text())))
    .by(type.text())
    .by(subtype.text())
    .row();
  table.add(row, 0, 1);
});

hours.close(table, (row: usize): void => {
  counts.open(table.windowOf(row));
  table.part(row, 0, part);
  counts.text(TYPE, part);
  table.part(row, 1, part);
  counts.text(SUBTYPE, part).int(COUNT, table.count(row, 0)).close();
});
