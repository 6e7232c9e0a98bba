// For tests: the head of every audit record, and the fields that the config names.
import { Audit, Key, NO_SERIAL, NO_TIME, Stream, Text, Value } from 'weir/runtime';
import { config, events, key, keyOf, malformed, receivedAt } from 'weir/runtime';

const audit = new Audit();
const fields = new Stream('fields');
const VALID = key('valid');
const NODE = key('_node');
const TYPE = key('_type');
const NUMBER = key('_number');
const TIME = key('_time');
const SERIAL = key('_serial');

const names = config().only(['fields']).get('fields');
const keys = new StaticArray<Key>(names.size());
const values = new StaticArray<Value>(names.size());
for (let i = 0; i < names.size(); i++) {
  keys[i] = keyOf(names.item(i).text());
  values[i] = audit.field(names.item(i).text());
}

events((line: Text): void => {
  const isValid = audit.parse(line);
  if (!isValid) malformed();
  fields.open(receivedAt()).bool(VALID, isValid);
  if (isValid) {
    fields.text(TYPE, audit.type).int(NUMBER, audit.number);
    if (!audit.node.isEmpty()) fields.text(NODE, audit.node);
    if (audit.time !== NO_TIME) fields.int(TIME, audit.time);
    if (audit.serial !== NO_SERIAL) fields.int(SERIAL, audit.serial);
    for (let i = 0; i < keys.length; i++) if (values[i].isPresent) fields.text(keys[i], values[i].text());
  }
  fields.close();
});
