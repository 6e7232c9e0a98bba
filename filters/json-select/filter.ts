// Selects NDJSON events by the values of their fields, and counts them by up to three fields in windows.
// Configured, not compiled: `where`, `keep`, `count_by`, `window`, `redact` and `redact_key` stand in weir.json.
import { EventTime, Json, Key, MISSING, STRING, Stream, Table, Text, Where, Windows } from 'weir/runtime';
import { config, events, fieldsFrom, key, malformed, putJson, redactFields } from 'weir/runtime';

const settings = config().only(['where', 'keep', 'count_by', 'window', 'redact', 'redact_key']);
const isSelecting = settings.has('where');
const isCounting = settings.has('count_by');
if (!isSelecting && !isCounting) settings.refuse('"where", "count_by" or both');
if (settings.has('keep') && !isSelecting) settings.get('keep').refuse('"where" beside it');
if (settings.has('window') && !isCounting) settings.get('window').refuse('"count_by" beside it');
if (settings.has('redact') && isSelecting && !settings.has('keep'))
  settings.get('redact').refuse('"keep" beside it: lines hide nothing');

const json = new Json();
const time = new EventTime(json);
const where = new Where(json, settings.get('where'));
const keep = fieldsFrom(json, settings.get('keep'), 32, []);
const groups = fieldsFrom(json, settings.get('count_by'), 3, [
  'ts',
  'window_ms',
  'overflow',
  'partial',
  'count',
]);
redactFields(settings, keep, groups);

const selected = new Stream('selected');
const counts = new Stream('counts');
// Rows by other fields, or by fields that are hidden otherwise, are no rows of this table.
const hidden = settings.get('redact').digest() ^ settings.get('redact_key').digest();
const table = new Table('counts', 8192, 128, 1, settings.get('count_by').digest() ^ hidden);
const windows = new Windows('windows', settings.get('window').durationMs(60_000), 10_000);

const LINE = key('line');
const WINDOW_MS = key('window_ms');
const COUNT = key('count');
const OVERFLOW = key('overflow');
const part = new Text();

events((line: Text): void => {
  if (!json.parse(line)) return malformed();
  if (!where.holds()) return;
  const at = time.of();
  if (isSelecting) emit(at, line);
  if (isCounting) count(at);
});

windows.close(table, (row: usize): void => {
  counts.open(table.windowOf(row)).int(WINDOW_MS, windows.length);
  for (let i = 0; i < groups.length; i++) putPart(groups.key(i), table.part(row, i, part));
  if (table.isOverflow(row)) counts.bool(OVERFLOW, true);
  counts.int(COUNT, table.count(row, 0)).close();
});

function emit(at: i64, line: Text): void {
  selected.open(at);
  if (keep.length) keep.put(selected);
  else selected.text(LINE, line);
  selected.close();
}

function count(at: i64): void {
  table.at(windows.of(at));
  groups.by(table);
  table.add(table.row(), 0, 1);
}

/** The tag of a key's part is the kind of value it was, so that 1 and "1" are two groups. */
function putPart(name: Key, kind: i32): void {
  if (kind === MISSING) counts.nothing(name);
  else if (kind === STRING) counts.text(name, part);
  else putJson(counts, name, part);
}
