/**
 * What sshd says about an authentication (OpenSSH, auth.c, auth_log):
 *
 *     <Accepted|Failed> <method> for [invalid user ]<user> from <address> port <port> ssh2[: <details>]
 *     message repeated <count> times: [ <the same> ]                                (written by rsyslog)
 *
 * The user is what the client sent: it may hold spaces, brackets and all of the words above, and must not move the
 * address. Nothing of it can stand behind the real address, so that is the last ` from <address> port <port>` with
 * nothing after it but ` ssh2` or ` ssh2: <key type> <fingerprint>`. Other details hold text that the client chose
 * as well: the id of a certificate, the user and host of a hostbased login. sshd writes them for users that exist
 * here, whose names the client did not make up; there the first ` from <address> port <port> ssh2: ` is the real one.
 *
 * Address is whatever sshd prints: IPv4, IPv6 with or without a zone, or a name (`UNKNOWN` for no socket).
 */
import { isAddress, isHostName } from './address';
import { indexOfByte } from './bytes';
import { Text, literal } from './text';
import { digits } from './time';

const ACCEPTED = literal('Accepted ');
const FAILED = literal('Failed ');
const REPEATED = literal('message repeated ');
const TIMES = literal(' times: [');
const FOR = literal('for ');
const INVALID_USER = literal('invalid user ');
/** OpenSSH before 3.9. */
const ILLEGAL_USER = literal('illegal user ');
const FROM = literal(' from ');
const PORT = literal(' port ');
const PROTOCOL = literal(' ssh');
const DETAILS = literal(': ');
/** Appended where a line comes from the unprivileged child. */
const PREAUTH = literal(' [preauth]');
const SPACE: u8 = 0x20;
const CLOSE: u8 = 0x5d;
const PORT_MAX: i32 = 65_535;
/** More repetitions than this are not believed. */
const REPEATED_DIGITS_MAX: usize = 6;

@unmanaged
export class SshLogin {
  isAccepted: bool = false;
  /** As sshd writes it: `password`, `keyboard-interactive/pam`, ... */
  method: Text = new Text();
  user: Text = new Text();
  /** sshd knows no such user. */
  isInvalidUser: bool = false;
  address: Text = new Text();
  port: i32 = 0;
  /** How many results the line stands for. */
  count: i32 = 1;
  /** From the user to the end of the message. */
  private rest: Text = new Text();
  private part: Text = new Text();

  /** True when the message is the result of an authentication; `read` then reads who and from where. */
  find(message: Text): bool {
    this.rest.set(message.start, message.end);
    this.takeRepetition();
    this.isAccepted = this.rest.take(ACCEPTED);
    if (!this.isAccepted && !this.rest.take(FAILED)) return false;
    const stop = indexOfByte(this.rest.start, this.rest.end, SPACE);
    this.method.set(this.rest.start, stop);
    this.rest.skip(this.method.length + 1);
    return !this.method.isEmpty() && this.rest.take(FOR);
  }

  /** Reads the rest of what `find` found; false when it is not as sshd writes it. */
  read(): bool {
    this.isInvalidUser = this.rest.take(INVALID_USER) || this.rest.take(ILLEGAL_USER);
    if (this.rest.endsWith(PREAUTH)) this.rest.end -= PREAUTH.length;
    const last = this.rest.lastIndexOf(FROM);
    if (last < 0) return false;
    return this.readAt(this.rest.start + last, false) || this.readWithDetails();
  }

  /** `message repeated 5 times: [ ... ]` around the message. */
  private takeRepetition(): void {
    this.count = 1;
    this.part.set(this.rest.start, this.rest.end);
    if (!this.part.take(REPEATED)) return;
    const count = this.takeNumber(REPEATED_DIGITS_MAX);
    if (count < 1 || !this.part.take(TIMES) || this.part.at(this.part.length - 1) !== CLOSE) return;
    if (this.part.at(0) === SPACE) this.part.skip(1);
    this.count = count;
    this.rest.set(this.part.start, this.part.end - 1);
  }

  /** The address in front of details that may hold anything. */
  private readWithDetails(): bool {
    let from = this.rest.start;
    let end = this.rest.end;
    while (from < end) {
      this.part.set(from, end);
      const found = this.isInvalidUser ? this.part.lastIndexOf(FROM) : this.part.indexOf(FROM);
      if (found < 0) return false;
      const at = from + found;
      if (this.readAt(at, true)) return true;
      // The space behind one `from` may be the space before the next.
      if (this.isInvalidUser) end = at + FROM.length - 1;
      else from = at + FROM.length - 1;
    }
    return false;
  }

  /** Reads ` from <address> port <port>` there, when what follows is what sshd writes. */
  private readAt(at: usize, withDetails: bool): bool {
    const start = at + FROM.length;
    this.address.set(start, indexOfByte(start, this.rest.end, SPACE));
    if (!isAddress(this.address) && !isHostName(this.address)) return false;
    this.part.set(this.address.end, this.rest.end);
    if (!this.part.take(PORT)) return false;
    this.port = this.takeNumber(5);
    if (this.port < 0 || this.port > PORT_MAX) return false;
    this.user.set(this.rest.start, at);
    if (this.part.isEmpty()) return true;
    if (!this.part.take(PROTOCOL) || this.takeNumber(1) < 0) return false;
    if (this.part.isEmpty()) return true;
    return this.part.take(DETAILS) && (withDetails || isKey(this.part));
  }

  /** Up to `most` digits off the front of the part, or -1. */
  private takeNumber(most: usize): i32 {
    let count: usize = 0;
    while (count < most && this.part.at(count) - 0x30 < 10) count++;
    if (!count) return -1;
    this.part.skip(count);
    return digits(this.part.start - count, count);
  }
}

/** `<key type> <fingerprint>`: two words, the first in upper case, neither with more than base64 and colons. */
function isKey(details: Text): bool {
  let at = details.start;
  for (; at < details.end && load<u8>(at) !== SPACE; at++) {
    const byte = load<u8>(at);
    if (byte - 0x41 > 25 && byte - 0x30 > 9 && byte !== 0x2d) return false;
  }
  if (at === details.start || at >= details.end - 1) return false;
  for (at++; at < details.end; at++) {
    const byte = load<u8>(at);
    const letter: u8 = (byte | 0x20) - 0x61;
    // Digits and the colon are neighbours: 0x30 to 0x3a.
    if (letter > 25 && byte - 0x30 > 10 && byte !== 0x2b && byte !== 0x2f && byte !== 0x3d) return false;
  }
  return true;
}
