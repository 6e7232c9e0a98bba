/**
 * Syslog: the header of a line, in the three forms that files and sockets carry.
 *
 *     <34>1 2003-10-11T22:14:15.003Z host su 77 ID47 [id a="b"] message      RFC 5424, by its grammar
 *     <34>Oct 11 22:14:15 host su[77]: message                               RFC 3164; files leave out <34>
 *     2003-10-11T22:14:15.003+02:00 host su[77]: message                     rsyslog's file format
 *     <189>77: host: 021: *Oct 11 22:14:15.003 UTC: %SYS-5-CONFIG_I: message Cisco's; every part before % may be absent
 *
 * As devices do, spaces may stand behind the priority. A zone's name is passed over, because it names no offset for
 * sure (`IST`, `CST`): such a time is local, like every one without an offset.
 *
 * Fields point into the line and are good until the event ends. `parse` answers false for a malformed line;
 * what was read before the fault stays set. What a line's sender chose (the message, the tag) is never searched
 * for a header: reading goes from the left, once, and a line inside a line is only text.
 */
import { isAddress } from './address';
import { indexOfByte } from './bytes';
import { findParam, structuredDataEnd } from './structureddata';
import { dateWith, takeDate } from './syslogdate';
import { Text } from './text';
import { LOCAL, NO_TIME, digits, parseDateTime } from './time';
import { sequenceAt } from './utf8';

const SPACE: u8 = 0x20;
const HYPHEN: u8 = 0x2d;
const ZERO: u8 = 0x30;
const SIX: u8 = 0x36;
const COLON: u8 = 0x3a;
const LESS: u8 = 0x3c;
const GREATER: u8 = 0x3e;
const OPEN: u8 = 0x5b;
const CLOSE: u8 = 0x5d;
const UTC: u8 = 0x5a;
const PERCENT: u8 = 0x25;
const STAR: u8 = 0x2a;
const DOT: u8 = 0x2e;
const SLASH: u8 = 0x2f;
const PRIORITY_MAX: i32 = 191;
/** A sequence number, a host, another number, and the three numbers of an uptime. */
const CISCO_WORDS_MAX: i32 = 6;
const CISCO_WORD_BYTES_MAX: usize = 256;
/** Shortest timestamp of RFC 5424: `2003-10-11T22:14:15Z`. */
const TIMESTAMP_BYTES_MIN: usize = 20;
/** Where the second of one begins. */
const SECOND_AT: usize = 17;
/** UTF-8 of U+FEFF, which marks a message as UTF-8 (RFC 5424, section 6.4). */
const BYTE_ORDER_MARK: u32 = 0xbfbbef;

@unmanaged
export class Syslog {
  /** -1 when there is none, as in files. */
  priority: i32 = -1;
  /** 1 or more for RFC 5424, else 0. */
  version: i32 = 0;
  /** Milliseconds since 1970, or NO_TIME. */
  time: i64 = NO_TIME;
  /** Like every field below, empty when the line has none. */
  host: Text = new Text();
  program: Text = new Text();
  pid: Text = new Text();
  messageId: Text = new Text();
  /** All elements, well-formed. */
  structuredData: Text = new Text();
  message: Text = new Text();
  /** What is not read yet. */
  private rest: Text = new Text();

  get facility(): i32 {
    return this.priority >> 3;
  }

  get severity(): i32 {
    return this.priority < 0 ? -1 : this.priority & 7;
  }

  /** Reads a line; false when it is malformed. */
  parse(line: Text): bool {
    this.clear();
    this.rest.set(line.start, line.end);
    if (this.rest.at(0) !== LESS) return this.parseTraditional();
    if (!this.takePriority()) return false;
    if (this.takeVersion()) return this.parseModern();
    this.skipSpaces();
    return this.parseTraditional();
  }

  /** Points `out` at a value of the structured data as it was sent; false when there is none. */
  param(id: Text, name: Text, out: Text): bool {
    return findParam(this.structuredData, id, name, out);
  }

  private clear(): void {
    this.priority = -1;
    this.version = 0;
    this.time = NO_TIME;
    this.host.clear();
    this.program.clear();
    this.pid.clear();
    this.messageId.clear();
    this.structuredData.clear();
    this.message.clear();
  }

  /** Passes over the byte when it comes next. */
  @inline
  private take(byte: u8): bool {
    const isNext = this.rest.at(0) === byte;
    if (isNext) this.rest.start++;
    return isNext;
  }

  private skipSpaces(): void {
    while (this.take(SPACE)) {}
  }

  /** A number of up to three digits without leading zeros, and the byte behind it; or -1. */
  private takeNumber(behind: u8): i32 {
    let value = 0;
    let at = this.rest.start;
    for (const stop = min(at + 3, this.rest.end); at < stop && load<u8>(at) - ZERO < 10; at++)
      value = value * 10 + (load<u8>(at) - ZERO);
    const count = at - this.rest.start;
    if (!count || at === this.rest.end || load<u8>(at) !== behind) return -1;
    if (count > 1 && load<u8>(this.rest.start) === ZERO) return -1;
    this.rest.start = at + 1;
    return value;
  }

  /** PRI (RFC 5424, section 6.2.1). */
  private takePriority(): bool {
    this.rest.start++;
    const value = this.takeNumber(GREATER);
    if (value < 0 || value > PRIORITY_MAX) return false;
    this.priority = value;
    return true;
  }

  /** VERSION (section 6.2.2) and the space behind it: what tells RFC 5424 from the others. */
  private takeVersion(): bool {
    const value = this.rest.at(0) === ZERO ? -1 : this.takeNumber(SPACE);
    this.version = max(value, 0);
    return value > 0;
  }

  /** RFC 5424, section 6, from TIMESTAMP on. */
  private parseModern(): bool {
    if (!this.takeTimestamp()) return false;
    if (!this.takeField(this.host, 255) || !this.takeField(this.program, 48)) return false;
    if (!this.takeField(this.pid, 128) || !this.takeField(this.messageId, 32)) return false;
    if (!this.take(HYPHEN)) {
      const stop = structuredDataEnd(this.rest.start, this.rest.end);
      if (stop <= this.rest.start) return false;
      this.structuredData.set(this.rest.start, stop);
      this.rest.start = stop;
    }
    if (this.rest.isEmpty()) return true;
    if (!this.take(SPACE)) return false;
    this.message.set(this.rest.start, this.rest.end);
    return this.isMessageValid();
  }

  /** TIMESTAMP (section 6.2.3), or `-`, and a space: up to 6 digits of a second, no leap one, always with an offset. */
  private takeTimestamp(): bool {
    if (this.rest.at(0) === HYPHEN && this.rest.at(1) === SPACE) {
      this.rest.skip(2);
      return true;
    }
    const start = this.rest.start;
    const stop = indexOfByte(start, this.rest.end, SPACE);
    if (stop === this.rest.end || stop - start < TIMESTAMP_BYTES_MIN) return false;
    if (load<u8>(stop - 1) !== UTC && load<u8>(stop - 3) !== COLON) return false;
    if (load<u8>(start, SECOND_AT) === SIX) return false;
    this.time = parseDateTime(start, stop, 6);
    this.rest.start = stop + 1;
    return this.time !== NO_TIME;
  }

  /** 1 to `most` printable ASCII bytes and a space; a lone `-` is an absent field. */
  private takeField(field: Text, most: usize): bool {
    const start = this.rest.start;
    const stop = this.wordEnd();
    if (stop === start || stop - start > most || stop === this.rest.end || load<u8>(stop) !== SPACE)
      return false;
    if (stop - start > 1 || load<u8>(start) !== HYPHEN) field.set(start, stop);
    this.rest.start = stop + 1;
    return true;
  }

  /** Address behind the printable ASCII bytes (PRINTUSASCII) that come next. */
  private wordEnd(): usize {
    const end = this.rest.end;
    for (let at = this.rest.start; at < end; at += 16) {
      const codes = i8x16.sub(v128.load(at), i8x16.splat(0x21));
      const others = i8x16.bitmask(i8x16.ge_u(codes, i8x16.splat(94)));
      if (others) return min(at + ctz(others), end);
    }
    return end;
  }

  /** A message with a byte order mark must be UTF-8; one without may hold anything (section 6.4). */
  private isMessageValid(): bool {
    const end = this.message.end;
    if (this.message.length < 3 || (load<u32>(this.message.start) & 0xffffff) !== BYTE_ORDER_MARK)
      return true;
    for (let at = this.message.start; at < end; ) {
      const length = sequenceAt(at, end);
      if (length < 0) return false;
      at += length;
    }
    return true;
  }

  /** RFC 3164, section 4.1.2 and 4.1.3, and rsyslog's file format, from the time on. */
  private parseTraditional(): bool {
    if (this.rest.at(4) === HYPHEN && this.rest.at(0) - ZERO < 10) {
      if (!this.takeDateTime()) return false;
    } else if (this.takeDate()) this.takeZone();
    else return this.priority >= 0 && this.parseCisco();
    // Neither host nor tag, as in "Nov 18 01:15:43: --- last message repeated 5 times ---".
    if (this.take(COLON)) {
      this.takeMnemonic();
      return this.takeMessage();
    }
    if (!this.take(SPACE)) return false;
    this.skipSpaces();
    if (this.rest.isEmpty()) return false;
    this.takeHost();
    this.takeTag();
    if (this.program.isEmpty()) this.takeMnemonic();
    return this.takeMessage();
  }

  /** What Cisco's systems write: words with a colon each, then a date with one, or the uptime, then the message. */
  private parseCisco(): bool {
    if (!this.takeCiscoHead()) {
      this.host.clear();
      return false;
    }
    this.skipSpaces();
    this.takeTag();
    return this.takeMessage();
  }

  private takeCiscoHead(): bool {
    for (let words = 0; words <= CISCO_WORDS_MAX; words++) {
      this.skipSpaces();
      if (words && isMnemonic(this.rest)) return true;
      const isMarked = this.take(STAR) || this.take(DOT);
      if (this.takeDate()) {
        this.takeZone();
        this.skipSpaces();
        return this.take(COLON);
      }
      if (!this.takeWord(isMarked)) return false;
    }
    return false;
  }

  /** A word and its colon: a number, a task (behind a star), a slot (`RP/0/RP1/CPU0`), or the host. */
  private takeWord(isMarked: bool): bool {
    const start = this.rest.start;
    const most = min(this.rest.end, start + CISCO_WORD_BYTES_MAX);
    const stop = indexOfByte(start, most, COLON);
    if (stop === most) return false;
    const end = indexOfByte(start, stop, SPACE);
    let isHost = !isMarked && indexOfByte(start, end, SLASH) === end;
    if (isHost) isHost = digits(start, end - start) < 0;
    if (isHost && end > start && this.host.isEmpty()) this.host.set(start, end);
    this.rest.start = stop + 1;
    return true;
  }

  /** The name of a zone between a date and a colon, as Cisco's systems write it: ` CEST: %`. */
  private takeZone(): void {
    const start = this.rest.start;
    let at = start;
    if (this.rest.at(0) === SPACE) at++;
    while (at < this.rest.end && load<u8>(at) - 0x41 < 26) at++;
    const count = at - start;
    if (count < 3 || count > 6 || this.rest.at(count) !== COLON) return;
    if (this.rest.at(count + 1) === SPACE && this.rest.at(count + 2) === PERCENT) this.rest.start = at;
  }

  /** ` %SYS-5-CONFIG_I:` or ` : %ASA-3-710003:` where no tag was: it is the tag. */
  private takeMnemonic(): void {
    const start = this.rest.start;
    if (this.take(COLON) || this.rest.at(0) === SPACE) this.take(SPACE);
    if (this.rest.at(0) === PERCENT) this.takeTag();
    if (this.program.isEmpty()) this.rest.start = start;
  }

  /** A date and time of RFC 3339, as rsyslog writes it. */
  private takeDateTime(): bool {
    const stop = indexOfByte(this.rest.start, this.rest.end, SPACE);
    this.time = parseDateTime(this.rest.start, stop, 9);
    this.rest.start = stop;
    return this.time !== NO_TIME;
  }

  private takeDate(): bool {
    const start = this.rest.start;
    this.time = takeDate(this.rest) ? dateWith(LOCAL) : NO_TIME;
    if (this.time === NO_TIME) this.rest.start = start;
    return this.time !== NO_TIME;
  }

  /** The word before the tag. A word with a colon behind it is the tag already, unless it is an address. */
  private takeHost(): void {
    const stop = indexOfByte(this.rest.start, this.rest.end, SPACE);
    this.host.set(this.rest.start, stop);
    if (load<u8>(stop - 1) === COLON && !isAddress(this.host)) {
      this.host.end--;
      if (!isAddress(this.host)) {
        this.host.clear();
        return;
      }
    }
    this.rest.start = min(stop + 1, this.rest.end);
    // UniFi's devices write it twice.
    if (this.rest.startsWith(this.host) && this.rest.at(this.host.length) === SPACE)
      this.rest.skip(this.host.length + 1);
  }

  /** TAG (RFC 3164, section 4.1.3): `program:`, `program[pid]:` or `program[pid]`; without one it is all message. */
  private takeTag(): void {
    const start = this.rest.start;
    const stop = this.wordEnd();
    let at = start;
    while (at < stop && load<u8>(at) !== COLON && load<u8>(at) !== OPEN) at++;
    if (at === start || at === stop) return;
    const programEnd = at++;
    if (load<u8>(programEnd) === OPEN) {
      while (at < stop && load<u8>(at) !== CLOSE) at++;
      if (at === stop) return;
      const pidEnd = at++;
      if (at < this.rest.end && load<u8>(at) !== COLON && load<u8>(at) !== SPACE) return;
      this.pid.set(programEnd + 1, pidEnd);
      this.rest.start = at;
      this.take(COLON);
    } else {
      this.rest.start = at;
    }
    this.program.set(start, programEnd);
  }

  private takeMessage(): bool {
    this.take(SPACE);
    this.message.set(this.rest.start, this.rest.end);
    return true;
  }
}

/** `%FACILITY-SEVERITY-` and so on: letters, digits, `_` and `-` between `%` and a colon or a space. */
function isMnemonic(text: Text): bool {
  if (text.at(0) !== PERCENT) return false;
  let at = text.start + 1;
  while (at < text.end && isMnemonicByte(load<u8>(at))) at++;
  const byte = text.at(at - text.start);
  return at > text.start + 3 && at < text.end && (byte === COLON || byte === SPACE);
}

function isMnemonicByte(byte: u8): bool {
  return byte - 0x41 < 26 || byte - ZERO < 10 || byte === HYPHEN || byte === 0x5f;
}
