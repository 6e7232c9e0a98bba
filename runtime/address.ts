/**
 * Addresses as text: IPv4, IPv6, host names. They are judged whole, never found inside of something longer.
 */
import { allocate } from './arena';
import { Text } from './text';

const DOT: u8 = 0x2e;
const COLON: u8 = 0x3a;
const PERCENT: u8 = 0x25;
/** A domain name: RFC 1035, section 2.3.4. */
const HOST_NAME_BYTES_MAX: usize = 255;
/** Interface names of Linux have up to 15 bytes. */
const ZONE_BYTES_MAX: usize = 16;

/** True for an IPv4 address in dotted decimal or an IPv6 address (RFC 4291, section 2.2), with or without `%zone`. */
export function isAddress(text: Text): bool {
  return isIpv4(text.start, text.end) || isIpv6(text.start, text.end);
}

/** What `writeNetwork` writes at most: `ffff:ffff:ffff::/48`, or `255.255.255.0/24`. */
export const NETWORK_BYTES_MAX: usize = 19;

const IPV6_GROUPS: usize = 8;
const GROUP_BYTES: usize = 2;
const groups: usize = allocate(IPV6_GROUPS * GROUP_BYTES);

/**
 * Writes the network of an address: the first three parts of an IPv4 address, the first three groups of an IPv6
 * address (RFC 6177, section 2: a site gets up to a /48), in one form however the address is written. One that holds
 * an IPv4 address (`::ffff:192.0.2.1`) is in the network of that. Returns the end, or 0 for what is no address.
 */
export function writeNetwork(text: Text, target: usize): usize {
  if (isIpv4(text.start, text.end)) {
    readIpv4(text.start, 0);
    return writeIpv4Network(target, load<u16>(groups), load<u16>(groups, GROUP_BYTES));
  }
  if (!isIpv6(text.start, text.end)) return 0;
  readGroups(text.start, zoneAt(text.start, text.end));
  if (load<u64>(groups) === 0 && load<u32>(groups, 8) === 0xffff0000) {
    return writeIpv4Network(target, load<u16>(groups, 12), load<u16>(groups, 14));
  }
  return writeIpv6Network(target);
}

/** True for what can be a host name: up to 255 letters, digits, dots, hyphens and underscores. */
export function isHostName(text: Text): bool {
  if (text.isEmpty() || text.length > HOST_NAME_BYTES_MAX) return false;
  for (let at = text.start; at < text.end; at++) if (!isNameByte(load<u8>(at))) return false;
  return true;
}

function isIpv4(start: usize, end: usize): bool {
  let at = start;
  for (let part = 0; part < 4; part++) {
    if (part && (at >= end || load<u8>(at++) !== DOT)) return false;
    let value = 0;
    const first = at;
    for (; at < end && load<u8>(at) - 0x30 < 10 && at - first < 3; at++)
      value = value * 10 + (load<u8>(at) - 0x30);
    if (at === first || value > 255) return false;
  }
  return at === end;
}

function isIpv6(start: usize, end: usize): bool {
  let groups = 0;
  let isCompressed = false;
  let at = start;
  if (end - start >= 2 && load<u8>(at) === COLON && load<u8>(at, 1) === COLON) {
    isCompressed = true;
    at += 2;
  }
  while (at < end && load<u8>(at) !== PERCENT) {
    if (groups < 7 && isIpv4(at, zoneAt(at, end))) {
      groups += 2;
      at = zoneAt(at, end);
      break;
    }
    const first = at;
    while (at < end && at - first < 4 && isHex(load<u8>(at))) at++;
    if (at === first || ++groups > 8) return false;
    if (at === end || load<u8>(at) === PERCENT) break;
    if (load<u8>(at++) !== COLON) return false;
    if (at < end && load<u8>(at) === COLON && !isCompressed) {
      isCompressed = true;
      at++;
    } else if (at === end || load<u8>(at) === PERCENT) return false;
  }
  if (at < end && !isZone(at + 1, end)) return false;
  return isCompressed ? groups < 8 : groups === 8;
}

/** Where the zone begins, or the end. */
function zoneAt(start: usize, end: usize): usize {
  let at = start;
  while (at < end && load<u8>(at) !== PERCENT) at++;
  return at;
}

function isZone(start: usize, end: usize): bool {
  for (let at = start; at < end; at++) if (!isNameByte(load<u8>(at))) return false;
  return start < end && end - start <= ZONE_BYTES_MAX;
}

function isNameByte(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  return byte - 0x30 < 10 || letter < 26 || byte === 0x2d || byte === 0x2e || byte === 0x5f;
}

function isHex(byte: u8): bool {
  const letter: u8 = (byte | 0x20) - 0x61;
  return byte - 0x30 < 10 || letter < 6;
}

/** The two groups of a valid IPv4 address; returns where it ends. */
function readIpv4(start: usize, group: usize): usize {
  let at = start;
  for (let part: usize = 0; part < 4; part++) {
    let value: u32 = 0;
    for (; load<u8>(at) - 0x30 < 10; at++) value = value * 10 + (load<u8>(at) - 0x30);
    // A group is a number: its first byte in the text is the high one.
    store<u8>(groups + group * GROUP_BYTES + (part ^ 1), <u8>value);
    at++;
  }
  return at - 1;
}

/** All groups of a valid IPv6 address without its zone. */
function readGroups(start: usize, end: usize): void {
  memory.fill(groups, 0, IPV6_GROUPS * GROUP_BYTES);
  let count: usize = 0;
  let gap: usize = IPV6_GROUPS;
  let at = start;
  while (at < end) {
    if (load<u8>(at) === COLON) {
      at++;
      if (at < end && load<u8>(at) === COLON) {
        gap = count;
        at++;
      }
      continue;
    }
    if (isIpv4(at, end)) {
      at = readIpv4(at, count);
      count += 2;
      break;
    }
    let value: u32 = 0;
    for (; at < end && load<u8>(at) !== COLON; at++) value = (value << 4) | hexOf(load<u8>(at));
    store<u16>(groups + count++ * GROUP_BYTES, <u16>value);
  }
  // What stands behind `::` belongs to the end.
  const behind = (count - min(gap, count)) * GROUP_BYTES;
  const from = groups + gap * GROUP_BYTES;
  const to = groups + IPV6_GROUPS * GROUP_BYTES - behind;
  if (gap === IPV6_GROUPS || from === to) return;
  memory.copy(to, from, behind);
  memory.fill(from, 0, to - from);
}

function writeIpv4Network(target: usize, first: u32, second: u32): usize {
  let at = writeNumber(target, first >> 8, 10);
  store<u8>(at, DOT);
  at = writeNumber(at + 1, first & 0xff, 10);
  store<u8>(at, DOT);
  at = writeNumber(at + 1, second >> 8, 10);
  return writeEnd(at, '.0/24');
}

/** In the form of RFC 5952: groups without leading zeros, the last ones that are zero in `::`. */
function writeIpv6Network(target: usize): usize {
  let count: usize = 3;
  while (count && !load<u16>(groups + (count - 1) * GROUP_BYTES)) count--;
  let at = target;
  for (let i: usize = 0; i < count; i++) {
    if (i) store<u8>(at++, COLON);
    at = writeNumber(at, load<u16>(groups + i * GROUP_BYTES), 16);
  }
  return writeEnd(at, '::/48');
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

function writeEnd(target: usize, end: string): usize {
  for (let i = 0; i < end.length; i++) store<u8>(target + i, <u8>end.charCodeAt(i));
  return target + end.length;
}

function hexOf(byte: u8): u32 {
  return byte - 0x30 < 10 ? byte - 0x30 : (byte | 0x20) - 0x57;
}
