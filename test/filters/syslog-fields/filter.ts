// For tests: what the syslog reader finds in every line. Values of structured data that the config names as
// "id/name" are told under that key.
import {
  NO_TIME,
  Key,
  Stream,
  Syslog,
  Text,
  config,
  events,
  isAddress,
  key,
  keyOf,
  malformed,
} from 'weir/runtime';
import { literal, parseTime, receivedAt } from 'weir/runtime';

const SLASH: u8 = 0x2f;
const syslog = new Syslog();
const fields = new Stream('fields');
const value = new Text();

const VALID = key('valid');
const PRIORITY = key('priority');
const FACILITY = key('facility');
const SEVERITY = key('severity');
const VERSION = key('version');
const TIME = key('time');
const HOST = key('host');
const HOST_IS_ADDRESS = key('host_is_address');
const PROGRAM = key('program');
const PID = key('pid');
const MESSAGE_ID = key('message_id');
const STRUCTURED_DATA = key('structured_data');
const MESSAGE = key('message');
const MESSAGE_TIME = key('message_time');

/** Three Texts a parameter: id, name, and the words around the slash as the key. */
const params = config().only(['params']).get('params');
const ids = new StaticArray<Text>(params.size());
const names = new StaticArray<Text>(params.size());
const keys = new StaticArray<Key>(params.size());
for (let i = 0; i < params.size(); i++) {
  const whole = params.item(i).text();
  const slash = whole.indexOfByte(SLASH);
  ids[i] = new Text().set(whole.start, whole.start + slash);
  names[i] = new Text().set(whole.start + slash + 1, whole.end);
  keys[i] = keyOf(whole);
}

events((line: Text): void => {
  const isValid = syslog.parse(line);
  if (!isValid) malformed();
  fields.open(receivedAt()).bool(VALID, isValid);
  if (syslog.priority >= 0) {
    fields.int(PRIORITY, syslog.priority).int(FACILITY, syslog.facility).int(SEVERITY, syslog.severity);
  }
  if (syslog.version) fields.int(VERSION, syslog.version);
  if (syslog.time !== NO_TIME) fields.int(TIME, syslog.time);
  put(HOST, syslog.host);
  if (isAddress(syslog.host)) fields.bool(HOST_IS_ADDRESS, true);
  put(PROGRAM, syslog.program);
  put(PID, syslog.pid);
  put(MESSAGE_ID, syslog.messageId);
  put(STRUCTURED_DATA, syslog.structuredData);
  put(MESSAGE, syslog.message);
  const time = parseTime(syslog.message);
  if (time !== NO_TIME) fields.int(MESSAGE_TIME, time);
  for (let i = 0; i < keys.length; i++)
    if (syslog.param(ids[i], names[i], value)) fields.text(keys[i], value);
  fields.close();
});

function put(name: Key, text: Text): void {
  if (!text.isEmpty()) fields.text(name, text);
}
