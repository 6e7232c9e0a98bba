/**
 * Addresses as text: IPv4, IPv6, host names. They are judged whole, never found inside of something longer.
 */
import { indexOfByte } from './bytes';
import { hexDigit } from './number';
import { Text } from './text';

const DOT: u8 = 0x2e;
const ZERO: u8 = 0x30;
const COLON: u8 = 0x3a;
const PERCENT: u8 = 0x25;
/** A domain name: RFC 1035, section 2.3.4. */
const HOST_NAME_BYTES_MAX: usize = 255;
/** Interface names of Linux have up to 15 bytes. */
const ZONE_BYTES_MAX: usize = 16;
/** Before the four bytes of an IPv4 address in an IPv6 one: RFC 4291, section 2.5.5.2. */
const IPV4_MAPPED: u64 = 0xffff00000000;
const GROUPS: i32 = 8;

/** An address as a number of 128 bits; IPv4 is in ::ffff:0:0/96. */
@unmanaged
export class Address {
  high: u64 = 0;
  low: u64 = 0;

  /**
   * Reads an IPv4 address in dotted decimal, without leading zeros, or an IPv6 address (RFC 4291, section 2.2). A
   * `%zone` is allowed and is no part of the number. False, and the number undefined, for anything else.
   */
  parse(text: Text): bool {
    const ipv4 = readIpv4(text.start, text.end);
    if (ipv4 < 0)
      return indexOfByte(text.start, text.end, COLON) < text.end && this.parseIpv6(text.start, text.end);
    this.high = 0;
    this.low = IPV4_MAPPED | <u64>ipv4;
    return true;
  }

  private parseIpv6(start: usize, end: usize): bool {
    let groups = 0;
    /** Groups before the `::`, or -1. */
    let gap = -1;
    let at = start;
    this.high = 0;
    this.low = 0;
    if (end - start >= 2 && load<u8>(at) === COLON && load<u8>(at, 1) === COLON) {
      gap = 0;
      at += 2;
    }
    while (at < end && load<u8>(at) !== PERCENT) {
      const first = at;
      let group: u64 = 0;
      for (; at < end && at - first < 4; at++) {
        const digit = hexDigit(load<u8>(at));
        if (digit > 15) break;
        group = (group << 4) | digit;
      }
      if (at < end && load<u8>(at) === DOT) {
        at = indexOfByte(first, end, PERCENT);
        const ipv4 = readIpv4(first, at);
        groups += 2;
        if (ipv4 < 0 || groups > GROUPS) return false;
        this.append(<u64>ipv4 >> 16);
        this.append(<u64>ipv4 & 0xffff);
        break;
      }
      if (at === first || ++groups > GROUPS) return false;
      this.append(group);
      if (at === end || load<u8>(at) === PERCENT) break;
      if (load<u8>(at++) !== COLON) return false;
      if (at < end && load<u8>(at) === COLON && gap < 0) {
        gap = groups;
        at++;
      } else if (at === end || load<u8>(at) === PERCENT) return false;
    }
    if (at < end && !isZone(at + 1, end)) return false;
    if (gap < 0) return groups === GROUPS;
    this.widen(groups - gap, GROUPS - groups);
    return groups < GROUPS;
  }

  private append(group: u64): void {
    this.high = (this.high << 16) | (this.low >> 48);
    this.low = (this.low << 16) | group;
  }

  /** Puts `zeros` groups before the last `tail` groups. */
  private widen(tail: i32, zeros: i32): void {
    const keptHigh = tail > 4 ? lowBits(this.high, tail - 4) : 0;
    const keptLow = lowBits(this.low, tail);
    let high = this.high ^ keptHigh;
    let low = this.low ^ keptLow;
    for (let i = 0; i < zeros; i++) {
      high = (high << 16) | (low >> 48);
      low <<= 16;
    }
    this.high = high | keptHigh;
    this.low = low | keptLow;
  }
}

const judged: Address = new Address();

/** True for an IPv4 address in dotted decimal or an IPv6 address, with or without `%zone`. */
export function isAddress(text: Text): bool {
  return judged.parse(text);
}

/** What `writeNetwork` writes at most: `ffff:ffff:ffff::/48`, or `255.255.255.0/24`; and what lies behind its last store. */
export const NETWORK_BYTES_MAX: usize = 19 + 3;
/** `.0/24` and `::/48`. */
const IPV4_END: u64 = 0x34322f302e;
const IPV6_END: u64 = 0x38342f3a3a;
const END_BYTES: usize = 5;

/**
 * Writes the network of an address: the first three parts of an IPv4 address, the first three groups of an IPv6
 * address (RFC 6177, section 2: a site gets up to a /48), in one form however the address is written. One that holds
 * an IPv4 address (`::ffff:192.0.2.1`) is in the network of that. Returns the end, or 0 for what is no address.
 */
export function writeNetwork(text: Text, target: usize): usize {
  if (!judged.parse(text)) return 0;
  const isIpv4 = judged.high === 0 && judged.low >> 32 === IPV4_MAPPED >> 32;
  return isIpv4 ? writeIpv4Network(target, <u32>judged.low) : writeIpv6Network(target, judged.high);
}

/** True for what can be a host name: up to 255 letters, digits, dots, hyphens and underscores. */
export function isHostName(text: Text): bool {
  if (text.isEmpty() || text.length > HOST_NAME_BYTES_MAX) return false;
  for (let at = text.start; at < text.end; at++) if (!isNameByte(load<u8>(at))) return false;
  return true;
}

/** The last `groups` groups of a half; all of it from four on. */
function lowBits(half: u64, groups: i32): u64 {
  return groups >= 4 ? half : half & (((<u64>1) << (groups << 4)) - 1);
}

/** The number of an IPv4 address, or -1. A zero before other digits means octal to others (RFC 6943, section 3.1.1). */
function readIpv4(start: usize, end: usize): i64 {
  let at = start;
  let number: i64 = 0;
  for (let part = 0; part < 4; part++) {
    if (part && (at >= end || load<u8>(at++) !== DOT)) return -1;
    let value = 0;
    const first = at;
    for (; at < end && load<u8>(at) - 0x30 < 10 && at - first < 3; at++)
      value = value * 10 + (load<u8>(at) - 0x30);
    if (at === first || value > 255 || (at - first > 1 && load<u8>(first) === ZERO)) return -1;
    number = (number << 8) | value;
  }
  return at === end ? number : -1;
}

function isZone(start: usize, end: usize): bool {
  for (let at = start; at < end; at++) if (!isNameByte(load<u8>(at))) return false;
  return start < end && end - start <= ZONE_BYTES_MAX;
}

function isNameByte(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  return byte - 0x30 < 10 || letter < 26 || byte === 0x2d || byte === 0x2e || byte === 0x5f;
}

function writeIpv4Network(target: usize, address: u32): usize {
  let at = target;
  for (let shift: u32 = 24; shift >= 8; shift -= 8) {
    if (shift < 24) store<u8>(at++, DOT);
    at = writeNumber(at, (address >> shift) & 0xff, 10);
  }
  store<u64>(at, IPV4_END);
  return at + END_BYTES;
}

/** In the form of RFC 5952: groups without leading zeros, the last ones that are zero in `::`. */
function writeIpv6Network(target: usize, high: u64): usize {
  let at = target;
  for (let rest = high & ~0xffff, isFirst = true; rest; rest <<= 16, isFirst = false) {
    if (!isFirst) store<u8>(at++, COLON);
    at = writeNumber(at, <u32>(rest >> 48), 16);
  }
  store<u64>(at, IPV6_END);
  return at + END_BYTES;
}

function writeNumber(target: usize, value: u32, base: u32): usize {
  let unit: u32 = 1;
  while (value / unit >= base) unit *= base;
  let at = target;
  for (; unit; unit /= base) {
    const digit = (value / unit) % base;
    store<u8>(at++, <u8>(digit < 10 ? 0x30 + digit : 0x57 + digit));
  }
  return at;
}
