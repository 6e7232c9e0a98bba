/**
 * Redaction: what could name a person or a machine in a sample is replaced, always the same value by the same
 * replacement, so that a sample may be shared and still tells the same story.
 *
 * Addresses are replaced wherever they stand (addresses.ts). A named field is one of a JSON object, at any depth and also
 * in JSON within a text, or `FIELD=VALUE` and `FIELD: VALUE` in a line; upper and lower case are the same. Rather too much
 * of a value is replaced than too little. Names within free text are not known to be names, and stay.
 */
import { hideAddresses, hideSocketAddress, type NumberOf } from './addresses.js';

/** Replaces what is to be hidden in one line. */
export type Redact = (line: string) => string;

export interface Redaction {
  readonly hide: Redact;
  /** How many values were replaced so far, for each of the names. */
  readonly replaced: ReadonlyMap<string, number>;
}

/** The word for addresses among names of fields. */
const ADDRESSES = 'addresses';

/**
 * In quotes, in escaped quotes, in quotes that are not closed, or up to what ends a word. A quote right before a letter
 * is one of the value, as in `o'brien`.
 */
const VALUE =
  /\\"(?:(?!\\").)*\\"|"(?:[^"\\]|\\.)*"|'(?:[^']|'(?=\w))*'|\\?["'].+|(?:[^\s,;()[\]{}"'\\]|(?<![=:\s])["'](?=\w)|\\(?!["']))+/y;

/** A redaction of `addresses` and of fields by name; each call begins with none seen. */
export function createRedaction(given: readonly string[]): Redaction {
  const names = given.filter((name, at) => given.findIndex((other) => isSame(other, name)) === at);
  const fields = names.filter((name) => !isSame(name, ADDRESSES));
  const addresses = names.find((name) => isSame(name, ADDRESSES));
  const inLines = fields.map((name) => {
    const key = String.raw`(?<![\w.-])(\\?["']?)${escapeRegExp(name)}\\?["']?\s*[=:]\s*`;
    return { name, key: new RegExp(key, 'gi') };
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
  /** A space keeps what is no name of a field apart from those that are. */
  const numberOfAddress: NumberOf = (kind, address) =>
    numberOf(`${kind} address`, address.toLowerCase(), addresses);

  function hideInText(text: string): string {
    const json = asJson(text);
    if (json !== undefined) {
      const hidden = JSON.stringify(hideInJson(json));
      // As it was written, where nothing in it was hidden.
      return hidden === JSON.stringify(json) ? text : hidden;
    }
    const result = inLines.reduce((line, { name, key }) => hidePairs(line, name, key), text);
    return addresses === undefined ? result : hideAddresses(result, numberOfAddress);
  }

  function hidePairs(text: string, name: string, key: RegExp): string {
    let result = '';
    let at = 0;
    for (const { index, 0: head, 1: quote = '' } of text.matchAll(key)) {
      const start = index + head.length;
      const value = index < at ? '' : valueAt(text, start);
      if (value === '') continue;
      result += text.slice(at, start) + hideWritten(name, value, quote);
      at = start + value.length;
    }
    return result + text.slice(at);
  }

  /** A value as it stands in a line, behind a name that stands in these quotes. */
  function hideWritten(field: string, value: string, quote: string): string {
    if (isBracket(value[0])) {
      const json = asJson(value);
      return `${quote}${replacement(field, json === undefined ? value : JSON.stringify(json))}${quote}`;
    }
    const [, open = '', bare = '', close = ''] = /^(\\?["'])(.*?)(\\?["'])?$/s.exec(value) ?? ['', '', value];
    return `${open}${replacement(field, bare)}${close}`;
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
      addresses === undefined ? name : hideAddresses(name, numberOfAddress),
      hideNamed(name, item),
    ]);
    return Object.fromEntries(entries);
  }

  function hideNamed(name: string, value: unknown): unknown {
    const field = fields.find((known) => isSame(known, name));
    if (field !== undefined) return hideValue(field, value);
    const isSocketAddress = addresses !== undefined && isSame(name, 'saddr') && typeof value === 'string';
    return hideInJson(isSocketAddress ? hideSocketAddress(value, numberOfAddress) : value);
  }

  function hideValue(field: string, value: unknown): unknown {
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'number') return numberOf(field, String(value));
    return replacement(field, typeof value === 'string' ? value : JSON.stringify(value));
  }

  return { hide: hideInText, replaced };
}

/** The value that begins there, or nothing: in brackets up to where these are closed, which is the end of a line that is cut. */
function valueAt(text: string, start: number): string {
  VALUE.lastIndex = start;
  if (!isBracket(text[start])) return VALUE.exec(text)?.[0] ?? '';
  let depth = 0;
  for (const { index, 0: part } of text.slice(start).matchAll(/"(?:[^"\\]|\\.)*"|\\.|[[{\]}]/g)) {
    if (isBracket(part)) depth++;
    else if (part === ']' || part === '}') depth--;
    if (depth === 0) return text.slice(start, start + index + 1);
  }
  return text.slice(start);
}

function isBracket(text: string | undefined): boolean {
  return text === '[' || text === '{';
}

function isSame(name: string, other: string): boolean {
  return name.toLowerCase() === other.toLowerCase();
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
