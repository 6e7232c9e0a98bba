/**
 * What sshd says of those who do not get as far as the result of an authentication (`sshlogin.ts` reads the results):
 * where only keys are accepted, a guesser leaves nothing else.
 *
 *     Connection <closed|reset> by [<who> user <user> ]<address> port <port> [preauth]   who: invalid, authenticating
 *     Disconnected from [<who> user <user> ]<address> port <port> [preauth]
 *     Invalid user <user> from <address>[ port <port>]
 *     User <user> from <address> not allowed because <reason>
 *     error: maximum authentication attempts exceeded for [invalid user ]<user> from <address> port <port> ssh2 [preauth]
 *     fatal: Timeout before authentication for <address> port <port>
 *     Timeout before authentication for connection from <address> to <address>, pid = <pid>
 *     Unable to negotiate with <address> port <port>: <reason>. Their offer: <offer> [preauth]
 *     ssh_dispatch_run_fatal: Connection from [<who> user <user> ]<address> port <port>: <reason> [preauth]
 *     banner exchange: Connection from <address> port <port>: <reason>
 *     refused connect from <name> (<address>)
 *
 * A user's name may hold all of these words and must not move the address. So an address behind a name is read from
 * the right, where nothing that a client sent can follow it (reasons are sshd's own words, without `: `), and one
 * before an offer from the left, where nothing can stand before it. Without `[preauth]` it is the end of a session.
 */
import { isAddress, isHostName } from './address';
import { SshLogin } from './sshlogin';
import { literal, Text } from './text';

/** Where the address stands: at the end, behind a user's name; or in front. */
const LAST: i32 = 0;
const FIRST: i32 = 1;
const FROM_LAST: i32 = 2;
const IN_BRACKETS: i32 = 3;

const FORMS: i32 = 12;
// Numbers of forms that need a look of their own.
const CLOSED: i32 = 0;
const DISCONNECTED: i32 = 2;
const USER: i32 = 4;
const DISPATCH: i32 = 9;
const SPACE: u8 = 0x20;
const CLOSE: u8 = 0x29;
const PORT_MAX: i64 = 65_535;
/** The line has none. */
const NO_PORT: i64 = -1;

@unmanaged
export class SshAttempt {
  /** `closed`, `reset`, `disconnected`, `invalid_user`, `not_allowed`, `too_many`, `timeout`, ... */
  kind: Text = new Text();
  /** False where the line names nobody. */
  hasUser: bool = false;
  private rest: Text = new Text();
  private prefixes: StaticArray<Text> = new StaticArray<Text>(FORMS);
  private kinds: StaticArray<Text> = new StaticArray<Text>(FORMS);
  private places: StaticArray<i32> = new StaticArray<i32>(FORMS);
  private forms: i32 = 0;
  private preauthText: Text = literal(' [preauth]');
  private notAllowedText: Text = literal(' not allowed because ');
  private invalidUserText: Text = literal('invalid user ');
  private authenticatingUserText: Text = literal('authenticating user ');
  private fromText: Text = literal(' from ');
  private portText: Text = literal(' port ');
  private protocolText: Text = literal(' ssh2');
  private reasonText: Text = literal(': ');
  private bracketText: Text = literal(' (');
  private wordText: Text = literal(' ');

  constructor() {
    this.form('Connection closed by ', 'closed', LAST);
    this.form('Connection reset by ', 'reset', LAST);
    this.form('Disconnected from ', 'disconnected', LAST);
    this.form('Invalid user ', 'invalid_user', FROM_LAST);
    this.form('User ', 'not_allowed', FROM_LAST);
    this.form('error: maximum authentication attempts exceeded for ', 'too_many', FROM_LAST);
    this.form('fatal: Timeout before authentication for ', 'timeout', LAST);
    this.form('Timeout before authentication for connection from ', 'timeout', FIRST);
    this.form('Unable to negotiate with ', 'negotiation', FIRST);
    this.form('ssh_dispatch_run_fatal: Connection from ', 'protocol', LAST);
    this.form('banner exchange: Connection from ', 'protocol', FIRST);
    this.form('refused connect from ', 'refused', IN_BRACKETS);
  }

  private form(prefix: string, kind: string, place: i32): void {
    unchecked((this.prefixes[this.forms] = literal(prefix)));
    unchecked((this.kinds[this.forms] = literal(kind)));
    unchecked((this.places[this.forms] = place));
    this.forms++;
  }

  /** Reads a message in which `login.find` found no result: user, address (port -1 for none) and count go into `login`. */
  read(login: SshLogin): bool {
    const rest = this.rest.set(login.rest.start, login.rest.end);
    while (rest.length && rest.at(rest.length - 1) === SPACE) rest.end--;
    const isBefore = rest.endsWith(this.preauthText);
    if (isBefore) rest.end -= this.preauthText.length;
    for (let i = 0; i < FORMS; i++) {
      if (!rest.take(unchecked(this.prefixes[i]))) continue;
      if (i <= DISCONNECTED && i >= CLOSED && !isBefore) return false;
      const kind = unchecked(this.kinds[i]);
      this.kind.set(kind.start, kind.end);
      this.hasUser = false;
      login.isInvalidUser = i === USER - 1;
      login.user.clear();
      login.port = NO_PORT;
      return this.readForm(login, i);
    }
    return false;
  }

  private readForm(login: SshLogin, number: i32): bool {
    const rest = this.rest;
    if (number === DISPATCH && !cutBehind(rest, this.reasonText)) return false;
    if (number === USER && !cutBehind(rest, this.notAllowedText)) return false;
    const place = unchecked(this.places[number]);
    if (place === FIRST) return this.readFirst(login);
    if (place === IN_BRACKETS) return this.readInBrackets(rest, login);
    if (rest.endsWith(this.protocolText)) rest.end -= this.protocolText.length;
    this.takePort(rest, login);
    if (place === FROM_LAST) {
      if (number > USER) login.isInvalidUser = rest.take(this.invalidUserText);
      return this.readBehind(this.fromText, login);
    }
    return login.port !== NO_PORT && this.readWho(login);
  }

  private readFirst(login: SshLogin): bool {
    const space = this.rest.indexOfByte(SPACE);
    const end = space < 0 ? this.rest.end : this.rest.start + space;
    if (!setAddress(login, this.rest.start, end)) return false;
    this.rest.start = end;
    if (this.rest.take(this.portText)) login.port = this.rest.takeNumber(5);
    return login.port <= PORT_MAX;
  }

  /** `<address>`, or a user's name and the address behind it. */
  private readWho(login: SshLogin): bool {
    login.isInvalidUser = this.rest.take(this.invalidUserText);
    if (!login.isInvalidUser && !this.rest.take(this.authenticatingUserText))
      return setAddress(login, this.rest.start, this.rest.end);
    return this.readBehind(this.wordText, login);
  }

  /** The user, and the address behind the last such text. */
  private readBehind(text: Text, login: SshLogin): bool {
    const last = this.rest.lastIndexOf(text);
    if (last < 0) return false;
    login.user.set(this.rest.start, this.rest.start + last);
    this.hasUser = true;
    return setAddress(login, login.user.end + text.length, this.rest.end);
  }

  /** Takes ` port <port>` from the end, where it stands there. */
  private takePort(rest: Text, login: SshLogin): void {
    const last = rest.lastIndexOf(this.portText);
    if (last < 0) return;
    const end = rest.end;
    const start = rest.start;
    rest.start += last + this.portText.length;
    const port = rest.takeNumber(5);
    const isWhole = rest.isEmpty() && port >= 0 && port <= PORT_MAX;
    rest.set(start, isWhole ? start + last : end);
    if (isWhole) login.port = port;
  }

  private readInBrackets(rest: Text, login: SshLogin): bool {
    const last = rest.lastIndexOf(this.bracketText);
    if (last < 0 || rest.at(rest.length - 1) !== CLOSE) return false;
    return setAddress(login, rest.start + last + this.bracketText.length, rest.end - 1);
  }
}

/** Cuts the text where the last such text begins. */
function cutBehind(rest: Text, text: Text): bool {
  const last = rest.lastIndexOf(text);
  if (last < 0) return false;
  rest.end = rest.start + last;
  return true;
}

function setAddress(login: SshLogin, start: usize, end: usize): bool {
  login.address.set(start, end);
  return isAddress(login.address) || isHostName(login.address);
}
