/**
 * Addresses as text: IPv4, IPv6, host names. They are judged whole, never found inside of something longer.
 */
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
