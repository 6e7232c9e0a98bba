/**
 * Redaction: what could name a person or a machine in a sample is replaced, always the same value by the same
 * replacement, so that a sample may be shared and still tells the same story.
 *
 * Addresses are those of IPv4, IPv6 and Ethernet, wherever they stand, and become addresses of the ranges that are
 * kept for documentation and tests. A named field is one of a JSON object, at any depth and also in JSON within a
 * text, or `FIELD=VALUE` and `FIELD: VALUE` in a line. Names within free text are not known to be names, and stay.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** Replaces what is to be hidden in one line. */
export type Redact = (line: string) => string;

export interface Redaction {
  readonly hide: Redact;
  /** How many values were replaced so far, for each of the names. */
  readonly replaced: ReadonlyMap<string, number>;
}

/** The word for addresses among names of fields. */
const ADDRESSES = 'addresses';

const ETHERNET = /(?<![a-z\d])[\da-f]{2}([:-])(?:[\da-f]{2}\1){4}[\da-f]{2}(?![a-z\d])/gi;
/** Whatever may be one: `isIPv6` tells it from clocks and fingerprints. */
const IPV6 =
  /(?:(?<![\w:.])|(?<=\w):(?!:))[\da-f]*:[\da-f]*:[\da-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\da-f]|\.\d)/gi;
const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)/g;
/** In quotes, in escaped quotes, or up to what ends a word. */
const VALUE = String.raw`\\"(?:(?!\\").)*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;()[\]{}"']+`;

/** A redaction of `addresses` and of fields by name; each call begins with none seen. */
export function createRedaction(names: readonly string[]): Redaction {
  const fields = names.filter((name) => name !== ADDRESSES);
  const hidesAddresses = fields.length < names.length;
  const inLines = fields.map((name) => {
    const key = String.raw`(?<![\w.-])(\\?["']?${escapeRegExp(name)}\\?["']?\s*[=:]\s*)`;
    return { name, pairs: new RegExp(`${key}(${VALUE})`, 'g') };
  });
  const seen = new Map<string, Map<string, number>>();
  const replaced = new Map(names.map((name) => [name, 0]));

  /** Number of a value among those of its kind, from 1. The kinds of addresses count for their one name. */
  function numberOf(kind: string, value: string, name = kind): number {
    replaced.set(name, (replaced.get(name) ?? 0) + 1);
    const values = seen.get(kind) ?? new Map<string, number>();
    seen.set(kind, values);
    const number = values.get(value) ?? values.size + 1;
    values.set(value, number);
    return number;
  }

  function hideAddresses(text: string): string {
    if (!hidesAddresses) return text;
    return text
      .replace(ETHERNET, (found) => ethernet(numberOf('ethernet', found.toLowerCase(), ADDRESSES)))
      .replace(IPV6, (found) => {
        // A single colon before or after an address belongs to the sentence.
        const [, before = '', address = '', after = ''] = /^(:(?!:))?(.*?)((?<!:):)?$/.exec(found) ?? [];
        if (!isIPv6(address) || address === '::') return found;
        return `${before}${ipv6(numberOf('ipv6', address.toLowerCase(), ADDRESSES))}${after}`;
      })
      .replace(IPV4, (found) => (isIPv4(found) ? ipv4(numberOf('ipv4', found, ADDRESSES)) : found));
  }

  function hideInText(text: string): string {
    const json = asJson(text);
    if (json !== undefined) {
      const hidden = JSON.stringify(hideInJson(json));
      // As it was written, where nothing in it was hidden.
      return hidden === JSON.stringify(json) ? text : hidden;
    }
    let result = text;
    for (const { name, pairs } of inLines) {
      result = result.replace(pairs, (_found, before: string, value: string) => {
        const [, open = '', bare = '', close = ''] = /^(\\?["'])(.*?)(\\?["'])$/s.exec(value) ?? [
          '',
          '',
          value,
        ];
        return `${before}${open}${replacement(name, bare)}${close}`;
      });
    }
    return hideAddresses(result);
  }

  /** A number for a number, so that it is still read as one. */
  function replacement(field: string, text: string): string {
    const number = numberOf(field, text);
    return /^-?\d+(\.\d+)?$/.test(text) ? String(number) : `${field}-${number}`;
  }

  function hideInJson(value: unknown): unknown {
    if (typeof value === 'string') return hideInText(value);
    if (Array.isArray(value)) return value.map(hideInJson);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([name, item]) => [
      hideAddresses(name),
      fields.includes(name) ? hideValue(name, item) : hideInJson(item),
    ]);
    return Object.fromEntries(entries);
  }

  function hideValue(field: string, value: unknown): unknown {
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'number') return numberOf(field, String(value));
    return replacement(field, typeof value === 'string' ? value : JSON.stringify(value));
  }

  return { hide: hideInText, replaced };
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

function asJson(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
