/**
 * Addresses in a text, and what takes their place: IPv4, IPv6 and Ethernet, wherever they stand, become addresses of the
 * ranges that are kept for documentation and tests, in the form in which they were written. An IPv4 address may be part
 * of a host name (`ip-10-0-0-1`), and be in the socket address of an audit record, which is the kernel's bytes in
 * hexadecimal digits (`saddr=`; struct sockaddr_in and sockaddr_in6, ip(7) and ipv6(7)).
 */
import { isIPv4, isIPv6 } from 'node:net';

/** Number of an address among those of its kind, from 1: the same for the same address. */
export type NumberOf = (kind: 'ethernet' | 'ipv4' | 'ipv6', address: string) => number;

const ETHERNET = /(?<![a-z\d])[\da-f]{2}([:-])(?:[\da-f]{2}\1){4}[\da-f]{2}(?![a-z\d])/gi;
/** As Cisco writes it. */
const ETHERNET_DOTTED = /(?<![a-z\d.])[\da-f]{4}\.[\da-f]{4}\.[\da-f]{4}(?![a-z\d]|\.[a-z\d])/gi;
/** Whatever may be one: `isIPv6` tells it from clocks and fingerprints. */
const IPV6 =
  /(?:(?<![\w:.])|(?<=\w):(?!:))[\da-f]*:[\da-f]*:[\da-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\da-f]|\.\d)/gi;
const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)/g;
/** Of a host name; a number before it may end a word, as in `ec2-10-0-0-1`. */
const IPV4_DASHED = /(?<!\d|(?<![a-z\d])\d+-)\d{1,3}(?:-\d{1,3}){3}(?!\d|-\d)/gi;
const SOCKET_ADDRESS = /(?<![\w.-])(saddr\\?["']?\s*[=:]\s*\\?["']?)([\da-f]+)/gi;
/** Family AF_INET or AF_INET6, in the byte order of the machine, and a port; of IPv6 also the flow. */
const SOCKET_IPV4 = /^((?:0200|0002)[\da-f]{4})([\da-f]{8})/i;
const SOCKET_IPV6 = /^((?:0a00|000a)[\da-f]{12})([\da-f]{32})/i;

/** Replaces the addresses of a text. */
export function hideAddresses(text: string, numberOf: NumberOf): string {
  const hideEthernet = (found: string) => ethernet(numberOf('ethernet', found.replace(/[^\da-f]/gi, '')));
  return text
    .replace(
      SOCKET_ADDRESS,
      (_found, before: string, hex: string) => `${before}${hideSocketAddress(hex, numberOf)}`,
    )
    .replace(ETHERNET, hideEthernet)
    .replace(ETHERNET_DOTTED, (found) =>
      hideEthernet(found)
        .replace(/(..):(..)/g, '$1$2')
        .replaceAll(':', '.'),
    )
    .replace(IPV6, (found) => {
      // A single colon before or after an address belongs to the sentence.
      const [, before = '', address = '', after = ''] = /^(:(?!:))?(.*?)((?<!:):)?$/.exec(found) ?? [];
      if (!isIPv6(address) || address === '::') return found;
      return `${before}${ipv6(numberOf('ipv6', shortest(address)))}${after}`;
    })
    .replace(IPV4, (found) => (isIPv4(found) ? ipv4(numberOf('ipv4', found)) : found))
    .replace(IPV4_DASHED, (found) => {
      const address = found.replaceAll('-', '.');
      return isIPv4(address) ? ipv4(numberOf('ipv4', address)).replaceAll('.', '-') : found;
    });
}

/** The digits of a socket address with another address in them; others, as those of a path, stay. */
export function hideSocketAddress(hex: string, numberOf: NumberOf): string {
  return hex
    .replace(SOCKET_IPV4, (_found, before: string, address: string) => {
      const number = numberOf('ipv4', Buffer.from(address, 'hex').join('.'));
      return before + Buffer.from(ipv4(number).split('.').map(Number)).toString('hex').toUpperCase();
    })
    .replace(SOCKET_IPV6, (found, before: string, address: string) => {
      if (/^0*$/.test(address)) return found;
      const number = numberOf('ipv6', shortest(address.replace(/....(?=.)/g, '$&:')));
      return `${before}20010DB8${number.toString(16).toUpperCase().padStart(24, '0')}`;
    });
}

/** The one form of an address (RFC 5952, but for IPv4 in it). */
function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname;
}

/** The benchmark range, 198.18.0.0/15 (RFC 2544). */
function ipv4(number: number): string {
  return `198.${18 + ((number >> 16) & 1)}.${(number >> 8) & 255}.${number & 255}`;
}

/** The documentation range (RFC 3849). */
function ipv6(number: number): string {
  const low = (number & 0xffff).toString(16);
  return number > 0xffff ? `2001:db8::${(number >>> 16).toString(16)}:${low}` : `2001:db8::${low}`;
}

/** Unicast addresses for documentation, 00-00-5E-00-53-xx (RFC 7042), then locally administered ones. */
function ethernet(number: number): string {
  const last = [16, 8, 0].map((shift) => ((number >> shift) & 255).toString(16).padStart(2, '0'));
  return number < 256 ? `00:00:5e:00:53:${last[2]}` : `02:00:00:${last.join(':')}`;
}
