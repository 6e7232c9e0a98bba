// Tells every login that sshd accepts or refuses, and how many came from each address in each minute, because
// guessed passwords and stolen keys are how appliances are entered.
import { SshLogin, Stream, Syslog, Table, Text, Windows, events } from 'weir/runtime';
import { key, literal, malformed, select } from 'weir/runtime';

const syslog = new Syslog();
const login = new SshLogin();

const SSHD = literal('sshd');
/** Since OpenSSH 9.8 a program of its own. */
const SSHD_SESSION = literal('sshd-session');
const SUCCESS = literal('success');
const FAILURE = literal('failure');

const logins = new Stream('logins');
const sources = new Stream('sources');
const minutes = new Windows('minutes', 60_000, 10_000);
// Keys have room for an IPv6 address and a name of 100 bytes, the most that sshd writes.
const bySource = new Table('sources', 2048, 64, 4);
const users = new Table('users', 4096, 152, 0);
const FAILURES = 0;
const SUCCESSES = 1;
const USERS = 2;
const USERS_LOST = 3;
const address = new Text();

const OUTCOME = key('outcome');
const METHOD = key('method');
const USER = key('user');
const INVALID_USER = key('invalid_user');
const SRC_IP = key('src_ip');
const SRC_PORT = key('src_port');
const HOST = key('host');
const COUNT = key('count');
const WINDOW_MS = key('window_ms');
const FAILURES_KEY = key('failures');
const SUCCESSES_KEY = key('successes');
const USERS_KEY = key('users');
const USERS_OVERFLOW = key('users_overflow');
const OVERFLOW = key('overflow');

select(['Failed ', 'Accepted ']);

events((line: Text): void => {
  if (!syslog.parse(line)) return malformed();
  if (!syslog.program.equals(SSHD) && !syslog.program.equals(SSHD_SESSION)) return;
  if (!login.find(syslog.message)) return;
  if (!login.read()) return malformed();
  logins.open(syslog.time).text(OUTCOME, login.isAccepted ? SUCCESS : FAILURE);
  logins.text(METHOD, login.method).text(USER, login.user).bool(INVALID_USER, login.isInvalidUser);
  if (login.address.isEmpty()) logins.nothing(SRC_IP).nothing(SRC_PORT);
  else logins.text(SRC_IP, login.address).int(SRC_PORT, login.port);
  logins.text(HOST, syslog.host).int(COUNT, login.count).close();
  countSource(minutes.of(syslog.time));
});

minutes.close(bySource, (row: usize): void => {
  bySource.part(row, 0, address);
  sources.open(bySource.windowOf(row)).int(WINDOW_MS, minutes.length);
  if (address.isEmpty()) sources.nothing(SRC_IP);
  else sources.text(SRC_IP, address);
  if (bySource.isOverflow(row)) sources.bool(OVERFLOW, true);
  sources.int(FAILURES_KEY, bySource.count(row, FAILURES)).int(SUCCESSES_KEY, bySource.count(row, SUCCESSES));
  sources.int(USERS_KEY, bySource.count(row, USERS));
  if (bySource.count(row, USERS_LOST)) sources.bool(USERS_OVERFLOW, true);
  sources.close();
});
minutes.forget(users);

function countSource(minute: i64): void {
  const source = bySource.at(minute).by(login.address).row();
  bySource.add(source, login.isAccepted ? SUCCESSES : FAILURES, login.count);
  const user = users.at(minute).by(login.address).by(login.user).row();
  if (users.isOverflow(user)) bySource.add(source, USERS_LOST, 1);
  else if (users.isNew) bySource.add(source, USERS, 1);
}
