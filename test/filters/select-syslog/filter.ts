// For the benchmark: every failed password at sshd, with its time, host and message.
import { Stream, Syslog, Text, events, key, literal, malformed, select } from 'weir/runtime';

const SSHD = literal('sshd');
const FAILED = literal('Failed password');
const HOST = key('host');
const MESSAGE = key('message');
const syslog = new Syslog();
const failures = new Stream('failures');

select(['Failed password']);

events((line: Text): void => {
  if (!syslog.parse(line)) return malformed();
  if (!syslog.program.equals(SSHD) || !syslog.message.startsWith(FAILED)) return;
  failures.open(syslog.time).text(HOST, syslog.host).text(MESSAGE, syslog.message).close();
});
