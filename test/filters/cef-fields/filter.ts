// For tests: the header of CEF in every line, and the fields of the extension that the config names.
import { Cef, Key, Stream, Text, Value } from 'weir/runtime';
import { config, events, key, keyOf, malformed, receivedAt } from 'weir/runtime';

const cef = new Cef();
const fields = new Stream('fields');
const VALID = key('valid');
const VERSION = key('_version');
const VENDOR = key('_vendor');
const PRODUCT = key('_product');
const PRODUCT_VERSION = key('_product_version');
const SIGNATURE = key('_signature');
const NAME = key('_name');
const SEVERITY = key('_severity');

const names = config().only(['fields']).get('fields');
const keys = new StaticArray<Key>(names.size());
const values = new StaticArray<Value>(names.size());
for (let i = 0; i < names.size(); i++) {
  keys[i] = keyOf(names.item(i).text());
  values[i] = cef.field(names.item(i).text());
}

events((line: Text): void => {
  const isValid = cef.parse(line);
  if (!isValid) malformed();
  fields.open(receivedAt()).bool(VALID, isValid);
  if (cef.version >= 0) fields.int(VERSION, cef.version);
  put(VENDOR, cef.vendor);
  put(PRODUCT, cef.product);
  put(PRODUCT_VERSION, cef.productVersion);
  put(SIGNATURE, cef.signature);
  put(NAME, cef.name);
  put(SEVERITY, cef.severity);
  for (let i = 0; i < keys.length; i++) put(keys[i], values[i]);
  fields.close();
});

function put(name: Key, value: Value): void {
  if (value.isPresent) fields.text(name, value.text());
}
