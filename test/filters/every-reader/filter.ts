// For tests: what every reader finds in every line. Pairs, columns and JSON are those of the message where the line has
// a header, of the line where it has none; JSON begins at the first brace.
import {
  Audit,
  Cef,
  Csv,
  Field,
  Json,
  Key,
  KeyValue,
  NO_TIME,
  Stream,
  Syslog,
  Text,
  Value,
} from 'weir/runtime';
import { config, events, key, keyOf, literal, receivedAt } from 'weir/runtime';

const COLUMNS: i32 = 30;
const OPEN: u8 = 0x7b;
const settings = config().only(['pairs', 'cef', 'audit', 'json', 'separator']);
const syslog = new Syslog();
const pairs = new KeyValue();
const cef = new Cef();
const csv = new Csv(settings.get('separator').text().at(0));
const audit = new Audit();
const json = new Json();
const fields = new Stream('fields');
const body = new Text();

/** Our key, prefixed, and where its value is found. */
class Named {
  constructor(
    public key: Key,
    public value: Value,
  ) {}
}

class NamedField {
  constructor(
    public key: Key,
    public field: Field,
  ) {}
}

function keysOf(list: string): Text[] {
  const names = settings.get(list);
  const texts: Text[] = [];
  for (let i = 0; i < names.size(); i++) texts.push(names.item(i).text());
  return texts;
}

function prefixed(prefix: string, name: Text): Key {
  return keyOf(literal(prefix + String.UTF8.decodeUnsafe(name.start, name.length)));
}

const ofPairs = keysOf('pairs').map<Named>(
  (name: Text) => new Named(prefixed('pairs.', name), pairs.field(name)),
);
const ofCef = keysOf('cef').map<Named>((name: Text) => new Named(prefixed('cef.', name), cef.field(name)));
const ofAudit = keysOf('audit').map<Named>(
  (name: Text) => new Named(prefixed('audit.', name), audit.field(name)),
);
const ofJson = keysOf('json').map<NamedField>(
  (name: Text) => new NamedField(prefixed('json.', name), json.field(name)),
);
const ofCsv: Named[] = [];
for (let i = 0; i < COLUMNS; i++) ofCsv.push(new Named(key('columns.' + i.toString()), csv.column(i)));
ofCef.push(new Named(key('cef._vendor'), cef.vendor));
ofCef.push(new Named(key('cef._product'), cef.product));
ofCef.push(new Named(key('cef._product_version'), cef.productVersion));
ofCef.push(new Named(key('cef._signature'), cef.signature));
ofCef.push(new Named(key('cef._name'), cef.name));
ofCef.push(new Named(key('cef._severity'), cef.severity));

const HEADER = key('syslog.valid');
const PRIORITY = key('syslog.priority');
const VERSION = key('syslog.version');
const TIME = key('syslog.time');
const HOST = key('syslog.host');
const PROGRAM = key('syslog.program');
const PID = key('syslog.pid');
const STRUCTURED = key('syslog.structured_data');
const MESSAGE = key('syslog.message');
const CEF_VERSION = key('cef._version');
const AUDIT_TYPE = key('audit._type');
const AUDIT_TIME = key('audit._time');
const AUDIT_SERIAL = key('audit._serial');
const JSON_VALID = key('json.valid');
const SIZE = key('columns.size');

events((line: Text): void => {
  fields.open(receivedAt());
  body.set(line.start, line.end);
  if (syslog.parse(line)) header();
  if (pairs.parse(body)) put(ofPairs);
  if (csv.parse(body)) {
    fields.int(SIZE, csv.size);
    put(ofCsv);
  }
  if (cef.parse(line)) {
    fields.int(CEF_VERSION, cef.version);
    put(ofCef);
  }
  if (audit.parse(line)) {
    fields.text(AUDIT_TYPE, audit.type).int(AUDIT_TIME, audit.time).int(AUDIT_SERIAL, audit.serial);
    put(ofAudit);
  }
  const brace = body.indexOfByte(OPEN);
  if (brace >= 0) {
    body.skip(brace);
    if (json.parse(body)) tree();
  }
  fields.close();
});

function header(): void {
  body.set(syslog.message.start, syslog.message.end);
  fields.bool(HEADER, true);
  if (syslog.priority >= 0) fields.int(PRIORITY, syslog.priority);
  if (syslog.version) fields.int(VERSION, syslog.version);
  if (syslog.time !== NO_TIME) fields.int(TIME, syslog.time);
  text(HOST, syslog.host);
  text(PROGRAM, syslog.program);
  text(PID, syslog.pid);
  text(STRUCTURED, syslog.structuredData);
  text(MESSAGE, syslog.message);
}

function tree(): void {
  fields.bool(JSON_VALID, true);
  for (let i = 0; i < ofJson.length; i++) text(ofJson[i].key, ofJson[i].field.text());
}

function put(list: Named[]): void {
  for (let i = 0; i < list.length; i++)
    if (list[i].value.isPresent) fields.text(list[i].key, list[i].value.text());
}

function text(name: Key, value: Text): void {
  if (!value.isEmpty()) fields.text(name, value);
}
