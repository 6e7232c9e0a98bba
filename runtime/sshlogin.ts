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
 * here, whose names the client did not make up; there the first ` from <address> port <port> ssh2: ` is the real
 * one. Where they stand behind any other name and leave a choice, no address is told rather than a forged one.
 *
 * The address is whatever sshd prints: IPv4, IPv6 with or without a zone, or a name (`UNKNOWN` for no socket).
 */
import { isAddress, isHostName } from './address';
import { indexOf, indexOfByte } from './bytes';
import { literal, Text } from './text';

const SPACE: u8 = 0x20;
const CLOSE: u8 = 0x5d;
const PORT_MAX: i64 = 65_535;
/** Counts with more digits than this are not believed. */
const COUNT_DIGITS_MAX: usize = 6;

@unmanaged
export class SshLogin {
  // Prepared with the reader, so that a filter without one carries none of them.
  private acceptedText: Text = literal('Accepted ');
  private failedText: Text = literal('Failed ');
  private repeatedText: Text = literal('message repeated ');
  private timesText: Text = literal(' times: [');
  private forText: Text = literal('for ');
  private invalidUserText: Text = literal('invalid user ');
  /** OpenSSH before 3.9. */
  private illegalUserText: Text = literal('illegal user ');
  private fromText: Text = literal(' from ');
  private portText: Text = literal(' port ');
  private protocolText: Text = literal(' ssh');
  private detailsText: Text = literal(': ');
  /** Appended where a line comes from the unprivileged child. */
  private preauthText: Text = literal(' [preauth]');

  isAccepted: bool = false;
  /** As sshd writes it: `password`, `keyboard-interactive/pam`, ... */
  method: Text = new Text();
  user: Text = new Text();
  /** sshd knows no such user. */
  isInvalidUser: bool = false;
  /** Empty where the line leaves a choice. */
  address: Text = new Text();
  port: i64 = 0;
  /** How many results the line stands for. */
  count: i64 = 1;
  /** What is not read yet; where `find` found no result, the message, without what rsyslog wrote around it. */
  rest: Text = new Text();
  private part: Text = new Text();
  private host: Text = new Text();

  /** True when the message is the result of an authentication; `read` then reads who and from where. */
  find(message: Text): bool {
    this.rest.set(message.start, message.end);
    this.takeRepetition();
    this.isAccepted = this.rest.take(this.acceptedText);
    if (!this.isAccepted && !this.rest.take(this.failedText)) return false;
    const stop = indexOfByte(this.rest.start, this.rest.end, SPACE);
    this.method.set(this.rest.start, stop);
    this.rest.skip(this.method.length + 1);
    return !this.method.isEmpty() && this.rest.take(this.forText);
  }

  /** Reads the rest of what `find` found; false when it is not as sshd writes it. */
  read(): bool {
    this.isInvalidUser = this.rest.take(this.invalidUserText) || this.rest.take(this.illegalUserText);
    if (this.rest.endsWith(this.preauthText)) this.rest.end -= this.preauthText.length;
    const last = this.rest.lastIndexOf(this.fromText);
    if (last < 0) return false;
    return this.readAt(this.rest.start + last, false) || this.readWithDetails();
  }

  /** `message repeated 5 times: [ ... ]` around the message. */
  private takeRepetition(): void {
    this.count = 1;
    const inner = this.part.set(this.rest.start, this.rest.end);
    if (!inner.take(this.repeatedText)) return;
    const count = inner.takeNumber(COUNT_DIGITS_MAX);
    if (count < 1 || !inner.take(this.timesText) || inner.at(inner.length - 1) !== CLOSE) return;
    if (inner.at(0) === SPACE) inner.skip(1);
    this.count = count;
    this.rest.set(inner.start, inner.end - 1);
  }

  /** The address in front of details that may hold anything. */
  private readWithDetails(): bool {
    if (!this.readFirst(this.rest.start)) return false;
    const userEnd = this.user.end;
    if (this.isInvalidUser && this.readFirst(userEnd + 1)) {
      this.user.end = userEnd;
      this.address.clear();
      this.port = 0;
    }
    return true;
  }

  private readFirst(start: usize): bool {
    for (let at = start; at < this.rest.end; at++) {
      at = indexOf(at, this.rest.end, this.fromText.start, this.fromText.length);
      if (at < this.rest.end && this.readAt(at, true)) return true;
    }
    return false;
  }

  /** Reads ` from <address> port <port>` there, when what follows is what sshd writes. */
  private readAt(at: usize, withDetails: bool): bool {
    const start = at + this.fromText.length;
    const end = this.rest.end;
    const address = this.host.set(start, indexOfByte(start, end, SPACE));
    if (!isAddress(address) && !isHostName(address)) return false;
    const tail = this.part.set(address.end, end);
    if (!tail.take(this.portText)) return false;
    const port = tail.takeNumber(5);
    if (port < 0 || port > PORT_MAX) return false;
    const isWhole =
      tail.isEmpty() ||
      (tail.take(this.protocolText) && tail.takeNumber(1) > 0 && this.isEnd(tail, withDetails));
    if (!isWhole) return false;
    this.user.set(this.rest.start, at);
    this.address.set(address.start, address.end);
    this.port = port;
    return true;
  }

  /** Nothing, or details: `<key type> <fingerprint>`, or whatever there may be. */
  private isEnd(tail: Text, withDetails: bool): bool {
    if (tail.isEmpty()) return true;
    if (!tail.take(this.detailsText)) return false;
    if (withDetails) return true;
    if (!tail.takeWord() || tail.at(0) !== SPACE) return false;
    tail.skip(1);
    return tail.takeWord() && tail.isEmpty();
  }
}
