// For tests: the columns that the config names, in every line.
import { Csv, Key, Stream, Text, Value } from 'weir/runtime';
import { config, events, key, keyOf, malformed, receivedAt } from 'weir/runtime';

const settings = config().only(['separator', 'columns']);
const csv = new Csv(settings.get('separator').text().at(0));
const fields = new Stream('fields');
const VALID = key('valid');
const SIZE = key('size');

const names = settings.get('columns');
const keys = new StaticArray<Key>(names.size());
const values = new StaticArray<Value>(names.size());
for (let i = 0; i < names.size(); i++) {
  keys[i] = keyOf(names.item(i).text());
  values[i] = csv.column(<u32>names.item(i).text().takeNumber(9));
}

events((line: Text): void => {
  const isValid = csv.parse(line);
  if (!isValid) malformed();
  fields.open(receivedAt()).bool(VALID, isValid);
  if (isValid) fields.int(SIZE, csv.size);
  for (let i = 0; i < keys.length; i++)
    if (isValid && values[i].isPresent) fields.text(keys[i], values[i].text());
  fields.close();
});
