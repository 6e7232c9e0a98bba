// What sshd says of an authentication, from `auth_log` of OpenSSH:
//
//     Failed password for invalid user NAME from ADDRESS port PORT ssh2
//     Accepted publickey for NAME from ADDRESS port PORT ssh2: KEY-TYPE FINGERPRINT [ID ... | , client user ...]
//
// NAME may be any text that an attacker likes, also ` from 6.6.6.6 port 22 ssh2`; what follows the fingerprint of a
// certificate or of a host key may be too. So the address is looked for from the end, and where the two could
// be confused, no address is told rather than a forged one.
import { isAddress, literal, Text } from 'weir/runtime';

const FAILED = literal('Failed ');
const ACCEPTED = literal('Accepted ');
const FOR = literal('for ');
const INVALID_USER = literal('invalid user ');
const ILLEGAL_USER = literal('illegal user ');
const REPEATED = literal('message repeated ');
const TIMES = literal(' times: [ ');
const FROM = literal(' from ');
const PORT = literal(' port ');
const PROTOCOL = literal(' ssh2');
const DETAIL = literal(': ');
const KEY_ID = literal(' ID ');
const CLIENT = literal(', client ');
const UNKNOWN = literal('UNKNOWN');
const SPACE: u8 = 0x20;

// What stands behind an address: nothing more, more that nobody can choose freely, or it was no address.
const NOT_A_SUFFIX = 0;
const EXACT = 1;
const FREE_TEXT = 2;

@unmanaged
export class Login {
  isSuccess: bool = false;
  isInvalidUser: bool = false;
  method: Text = new Text();
  user: Text = new Text();
  /** Empty when it cannot be told. */
  address: Text = new Text();
  port: i64 = 0;
  /** How often the line stands for the same result. */
  count: i64 = 1;
  private rest: Text = new Text();
  private suffix: Text = new Text();
  private found: Text = new Text();
  private behind: Text = new Text();
  private foundPort: i64 = 0;

  /** Reads the message; false when it is no result of an authentication. */
  parse(message: Text): bool {
    const rest = this.rest.set(message.start, message.end);
    this.count = 1;
    if (rest.take(REPEATED) && !this.readRepeated(rest)) return false;
    this.isSuccess = rest.take(ACCEPTED);
    if (!this.isSuccess && !rest.take(FAILED)) return false;
    const method = rest.indexOfByte(SPACE);
    if (method <= 0) return false;
    this.method.set(rest.start, rest.start + method);
    rest.skip(method + 1);
    if (!rest.take(FOR)) return false;
    this.isInvalidUser = rest.take(INVALID_USER) || rest.take(ILLEGAL_USER);
    return this.readUserAndSource(rest);
  }

  /** `N times: [ MESSAGE]`, as rsyslog and syslog-ng write it. */
  private readRepeated(rest: Text): bool {
    const count = rest.takeNumber(9);
    if (count < 1 || !rest.take(TIMES) || rest.at(rest.length - 1) !== 0x5d) return false;
    rest.end--;
    this.count = count;
    return true;
  }

  /** Goes through every ` from ` from the end to the beginning. */
  private readUserAndSource(rest: Text): bool {
    this.address.clear();
    this.port = 0;
    let candidates = 0;
    const head = this.suffix.set(rest.start, rest.end);
    for (let at = head.lastIndexOf(FROM); at >= 0; at = head.lastIndexOf(FROM)) {
      head.end = rest.start + at;
      const kind = this.readSuffix(head.end + FROM.length, rest.end);
      if (kind === NOT_A_SUFFIX) continue;
      // Behind an exact suffix is nothing that could hold another one, and a name lies before it.
      candidates++;
      this.user.set(rest.start, head.end);
      this.address.set(this.found.start, this.found.end);
      this.port = this.foundPort;
      if (kind === EXACT) return true;
    }
    // The name of an account that exists cannot hold a suffix, so the first one is the real one.
    if (candidates > 1 && this.isInvalidUser) this.address.clear();
    return candidates > 0;
  }

  /** `ADDRESS port PORT[ ssh2][: KEY-TYPE FINGERPRINT[...]]` */
  private readSuffix(start: usize, end: usize): i32 {
    const text = this.found.set(start, end);
    const space = text.indexOfByte(SPACE);
    if (space <= 0) return NOT_A_SUFFIX;
    text.end = start + space;
    if (!isAddress(text) && !text.equals(UNKNOWN)) return NOT_A_SUFFIX;
    const rest = this.behind.set(text.end, end);
    if (!rest.take(PORT)) return NOT_A_SUFFIX;
    this.foundPort = rest.takeNumber(5);
    if (this.foundPort < 0) return NOT_A_SUFFIX;
    rest.take(PROTOCOL);
    if (rest.isEmpty()) return EXACT;
    if (!rest.take(DETAIL) || !rest.takeWord() || rest.at(0) !== SPACE) return NOT_A_SUFFIX;
    rest.skip(1);
    if (!rest.takeWord()) return NOT_A_SUFFIX;
    if (rest.isEmpty()) return EXACT;
    return rest.startsWith(KEY_ID) || rest.startsWith(CLIENT) ? FREE_TEXT : NOT_A_SUFFIX;
  }
}
