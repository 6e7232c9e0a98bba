// Tells who administers a firewall, what they change and who comes in by VPN, and counts all else, because whoever has
// the firewall has the network.
import { Firewall, Key, Stream, Table, Text, Value, Windows } from 'weir/runtime';
import { events, key, literal, malformed } from 'weir/runtime';

const firewall = new Firewall();
const admin = new Stream('admin');
const vpn = new Stream('vpn');
const counts = new Stream('counts');
const minutes = new Windows('minutes', 60_000, 10_000);
const others = new Table('others', 1024, 134, 1);
const part = new Text();

const SUCCESS = literal('success');
const FAILURE = literal('failure');
const KIND = key('kind');
const OUTCOME = key('outcome');
const DEVICE = key('device');
const USER = key('user');
const SRC_IP = key('src_ip');
const VIA = key('via');
const ACTION = key('action');
const OBJECT = key('object');
const MESSAGE = key('message');
const TYPE = key('type');
const SUBTYPE = key('subtype');
const WINDOW_MS = key('window_ms');
const OVERFLOW = key('overflow');
const COUNT = key('count');

events((line: Text): void => {
  if (!firewall.parse(line)) return malformed();
  const at = firewall.time();
  const kind = firewall.adminKind();
  if (!kind.isEmpty()) tell(admin.open(at).text(KIND, kind));
  else if (firewall.isVpn()) tell(vpn.open(at));
  else count(at);
});

minutes.close(others, (row: usize): void => {
  counts.open(others.windowOf(row)).int(WINDOW_MS, minutes.length);
  if (others.isOverflow(row)) counts.bool(OVERFLOW, true);
  else {
    others.part(row, 0, part);
    counts.text(TYPE, part);
    others.part(row, 1, part);
    counts.text(SUBTYPE, part);
  }
  counts.int(COUNT, others.count(row, 0)).close();
});

function tell(record: Stream): void {
  if (firewall.isFailure()) record.text(OUTCOME, FAILURE);
  else if (firewall.isSuccess()) record.text(OUTCOME, SUCCESS);
  put(record, DEVICE, firewall.device);
  put(record, USER, firewall.user);
  put(record, SRC_IP, firewall.source);
  put(record, VIA, firewall.way);
  put(record, ACTION, firewall.action);
  put(record, OBJECT, firewall.object);
  put(record, MESSAGE, firewall.message);
  record.close();
}

function put(record: Stream, name: Key, value: Value): void {
  if (!value.text().isEmpty()) record.text(name, value.text());
}

function count(at: i64): void {
  const row = others.at(minutes.of(at)).by(firewall.type.text()).by(firewall.subtype.text()).row();
  others.add(row, 0, 1);
}
