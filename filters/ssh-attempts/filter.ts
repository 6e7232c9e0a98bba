// Tells every attempt to come in over SSH that ends before sshd accepts or refuses a login, because where only keys are
// accepted a guesser leaves nothing else.
import { NO_TIME, SshAttempt, SshLogin, Stream, Syslog, Text, events } from 'weir/runtime';
import { key, literal, malformed, receivedAt, select } from 'weir/runtime';

const syslog = new Syslog();
const login = new SshLogin();
const attempt = new SshAttempt();
const attempts = new Stream('attempts');

const SSHD = literal('sshd');
/** Since OpenSSH 9.8 a program of its own. */
const SSHD_SESSION = literal('sshd-session');

const KIND = key('kind');
const USER = key('user');
const INVALID_USER = key('invalid_user');
const SRC_IP = key('src_ip');
const SRC_PORT = key('src_port');
const HOST = key('host');
const COUNT = key('count');

select(['[preauth]', 'Invalid user ', ' not allowed because ', 'Timeout before ']);
select(['banner exchange: ', 'refused connect from ']);

events((line: Text): void => {
  if (!syslog.parse(line)) return malformed();
  if (!syslog.program.equals(SSHD) && !syslog.program.equals(SSHD_SESSION)) return;
  if (login.find(syslog.message) || !attempt.read(login)) return;
  attempts.open(syslog.time === NO_TIME ? receivedAt() : syslog.time).text(KIND, attempt.kind);
  if (attempt.hasUser) attempts.text(USER, login.user).bool(INVALID_USER, login.isInvalidUser);
  attempts.text(SRC_IP, login.address);
  if (login.port >= 0) attempts.int(SRC_PORT, login.port);
  attempts.text(HOST, syslog.host).int(COUNT, login.count).close();
});
