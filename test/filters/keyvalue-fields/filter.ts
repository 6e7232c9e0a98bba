// For tests: the fields that the config names, in every line, or behind its syslog header where `syslog` is true.
import { Key, KeyValue, Stream, Syslog, Text, Value } from 'weir/runtime';
import { config, events, key, keyOf, malformed, receivedAt } from 'weir/runtime';

const settings = config().only(['fields', 'syslog']);
const isBehindSyslog = settings.has('syslog');
const pairs = new KeyValue();
const syslog = new Syslog();
const fields = new Stream('fields');
const VALID = key('valid');

const names = settings.get('fields');
const keys = new StaticArray<Key>(names.size());
const values = new StaticArray<Value>(names.size());
for (let i = 0; i < names.size(); i++) {
  keys[i] = keyOf(names.item(i).text());
  values[i] = pairs.field(names.item(i).text());
}

events((line: Text): void => {
  const isValid = isBehindSyslog ? syslog.parse(line) && pairs.parse(syslog.message) : pairs.parse(line);
  if (!isValid) malformed();
  fields.open(receivedAt()).bool(VALID, isValid);
  for (let i = 0; i < keys.length; i++)
    if (isValid && values[i].isPresent) fields.text(keys[i], values[i].text());
  fields.close();
});
