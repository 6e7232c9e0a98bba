/**
 * Validation of what people write: reading JSON, schemas whose messages say what is expected, and errors that
 * name the file, the key, what was expected and what was found, in one line for each key.
 *
 * A line never holds control characters or a URL's password, and shows little of a value, however large, deep or
 * strange it is. Nothing is dropped unseen: an unknown key is an error, also where JavaScript gives its name a meaning.
 */
import { closeSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import * as v from 'valibot';
import { type ErrorCode, oneLine, printable, WeirError } from './errors.js';
import { NAME_PATTERN } from './wire.js';

/** Found values are shown up to this many characters. */
const SHOWN_CHARACTERS = 60;
/** Mistakes told below the first one. */
const OTHERS_MAX = 5;

/** An object with these keys and no others. */
export function object<T extends v.ObjectEntries>(entries: T) {
  const known = Object.keys(entries);
  const inner = v.object(entries);
  return v.pipe(
    plainObject(`an object with the keys ${known.join(', ')}`),
    v.rawTransform<object, v.InferOutput<typeof inner>>(({ dataset, addIssue, NEVER }) => {
      const unknown = Object.keys(dataset.value).filter((key) => !known.includes(key));
      for (const key of unknown) addIssue({ message: unknownKey(key, known), path: [step(key)] });
      const result = v.safeParse(inner, dataset.value);
      for (const issue of result.issues ?? []) {
        const missing = issue.type === 'object' ? entries[String(issue.path?.at(-1)?.key)] : undefined;
        const message = missing ? mismatch(expectationOf(missing), undefined) : clause(issue);
        addIssue({ message, path: issue.path });
      }
      return result.success && unknown.length === 0 ? result.output : NEVER;
    }),
  );
}

/** An object of `least` to `most` items by name; its output is a list of names and items, in the object's order. */
export function named<T extends v.GenericSchema>(what: string, item: T, least: number, most: number) {
  return v.pipe(
    plainObject(`an object of ${what} by name`),
    v.rawTransform<object, readonly (readonly [string, v.InferOutput<T>])[]>(({ dataset, addIssue }) => {
      const entries = Object.entries(dataset.value);
      if (entries.length < least || entries.length > most) {
        addIssue({ message: `expected ${least} to ${most} ${what}, found ${entries.length}` });
      }
      return entries.slice(0, most).map(([key, value]) => {
        if (!isName(key)) addIssue({ message: mismatch(NAME_EXPECTED, key), path: [step(key)] });
        const result = v.safeParse(item, value);
        for (const issue of result.issues ?? []) {
          addIssue({ message: clause(issue), path: [step(key), ...(issue.path ?? [])] });
        }
        return [key, result.output as v.InferOutput<T>] as const;
      });
    }),
  );
}

const NAME_EXPECTED = 'a name of 1 to 63 letters, digits, _ and -, other than toString and the like';

/** A name that can be a subject's token, and a key of any object: not `__proto__`, `constructor`, ... */
function isName(value: string): boolean {
  return NAME_PATTERN.test(value) && !(value in {});
}

export function name() {
  return text(NAME_EXPECTED, isName);
}

/** An object with whatever keys: not a list, not `null`. */
export function plainObject(expected: string) {
  return v.custom<object>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    expected,
  );
}

/** A text that `isValid` accepts; `expected` says what it should be. */
export function text(expected: string, isValid: (value: string) => boolean = (value) => value.trim() !== '') {
  return v.pipe(v.string(expected), v.check(isValid, expected));
}

/** A text that `read` understands; what it answers `undefined` for is not as expected. */
export function textAs<T>(expected: string, read: (value: string) => T | undefined) {
  return v.pipe(
    v.string(expected),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value);
      if (value !== undefined) return value;
      addIssue({ message: mismatch(expected, dataset.value) });
      return NEVER;
    }),
  );
}

/** A list of `least` to `most` items. */
export function list<T extends v.GenericSchema>(expected: string, item: T, least: number, most: number) {
  const length = `${expected} (${least} to ${most} of them)`;
  return v.pipe(v.array(item, expected), v.minLength(least, length), v.maxLength(most, length));
}

const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Bytes of "64KiB", "1MiB", ...; `undefined` for anything else. */
export function readSize(value: string): number | undefined {
  const [, number, unit] = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(value) ?? [];
  const bytes = Number(number) * (SIZE_UNITS[unit ?? ''] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes as people write them, exactly: in the largest unit that gives a whole number. */
export function sizeText(bytes: number): string {
  const unit =
    ['GiB', 'MiB', 'KiB'].find((name) => bytes > 0 && bytes % (SIZE_UNITS[name] as number) === 0) ?? 'B';
  return `${bytes / (SIZE_UNITS[unit] as number)}${unit}`;
}

/** Checks `value`; throws `code` with the first thing that is wrong in it, and others below it. `where` names the file. */
export function check<T extends v.GenericSchema>(
  code: ErrorCode,
  where: string,
  schema: T,
  value: unknown,
): v.InferOutput<T> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [first, ...others] = result.issues.map(problemOf);
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  const shown = others.slice(0, OTHERS_MAX);
  const rest = others.length - shown.length;
  if (rest > 0) shown.push(`... and ${rest} more`);
  throw refusal(code, where, `${first}${more}`, shown);
}

function problemOf(issue: v.BaseIssue<unknown>): string {
  const path = issue.path?.map(({ key }) => shownKey(String(key))).join('.');
  return `${path ? `${path}: ` : ''}${clause(issue)}`;
}

/** An error about a file: one line, whatever text of others it holds, and lines of what else is wrong. */
export function refusal(
  code: ErrorCode,
  where: string,
  problem: string,
  others: readonly string[] = [],
): WeirError {
  return new WeirError(code, printable(`${where}: ${problem}`), { others: others.map(printable) });
}

/** The clause of an error: what was expected, and what was found. */
export function mismatch(expected: string, found: unknown): string {
  return `expected ${expected}, found ${shown(found)}`;
}

/** The path of an issue that a check of a whole finds in one of its parts. */
export function pathOf(...keys: readonly string[]): [v.IssuePathItem, ...v.IssuePathItem[]] {
  return keys.map(step) as [v.IssuePathItem, ...v.IssuePathItem[]];
}

/** Refuses what could hold up whoever reads it: a pipe may have nobody who writes to it, a device no end. */
export function needRegularFile(code: ErrorCode, path: string): void {
  let stat: Stats;
  try {
    stat = statSync(path);
  } catch {
    // What is not there, or may not be seen, is told by who reads it.
    return;
  }
  if (stat.isFile()) return;
  const found = stat.isDirectory() ? 'a folder' : stat.isFIFO() ? 'a pipe' : 'something else';
  throw refusal(code, path, `expected a regular file, found ${found}`);
}

/** Reads a JSON file of up to `bytesMax` bytes. Throws `unreadable`, or `invalid` with line and column. */
export function readJson(
  path: string,
  bytesMax: number,
  codes: { readonly unreadable: ErrorCode; readonly invalid: ErrorCode },
): unknown {
  let bytes: Uint8Array;
  try {
    bytes = readUpTo(path, bytesMax + 1);
  } catch (error) {
    throw refusal(codes.unreadable, path, `expected a readable file, found ${oneLine(error)}`);
  }
  if (bytes.length > bytesMax) {
    throw refusal(codes.unreadable, path, `expected a file of up to ${bytesMax} bytes, found a longer one`);
  }
  return parseJson(bytes, path, codes.invalid);
}

/** Reads JSON in UTF-8. Throws `code` with line and column; `where` names the file. */
export function parseJson(bytes: Uint8Array, where: string, code: ErrorCode): unknown {
  let content: string;
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refusal(code, where, 'expected JSON in UTF-8, found bytes that are not UTF-8');
  }
  try {
    return JSON.parse(content);
  } catch {
    throw refusal(code, where, `expected JSON, found ${mistakeIn(content)}`);
  }
}

/** The size that a file system tells is not asked: it is 0 for pipes, and can be another one a moment later. */
function readUpTo(path: string, bytesMax: number): Uint8Array {
  const buffer = Buffer.alloc(bytesMax);
  const file = openSync(path, 'r');
  try {
    let length = 0;
    let read = -1;
    while (read !== 0) {
      read = readSync(file, buffer, length, bytesMax - length, null);
      length += read;
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** Where text stops to be JSON. Of the text itself one character is told: it may hold a password. */
function mistakeIn(content: string): string {
  const at = mistakeAt(content);
  const before = content.slice(0, at).split('\n');
  const place = `at line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
  const character = content.codePointAt(at);
  if (character === undefined) return `its end too early, ${place}`;
  return `a mistake ${place}: ${JSON.stringify(String.fromCodePoint(character))}`;
}

/** First characters of a value; `0` stands for numbers and words. */
const VALUE = '{["0';

/**
 * Offset of the first token that JSON (RFC 8259) does not allow, or the length of text that is whole or ends too
 * early. Node tells the place in some of its errors only, and quotes the text in others.
 */
function mistakeAt(content: string): number {
  const next =
    /([ \t\n\r]*)([{}[\],:]|"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\uffff]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)?/y;
  const open: string[] = [];
  let allowed = VALUE;
  let at = 0;
  for (;;) {
    next.lastIndex = at;
    const [, space = '', token] = next.exec(content) ?? [];
    at += space.length;
    const first = token?.[0] ?? '';
    const kind = '{}[],:"'.includes(first) ? first : '0';
    if (token === undefined || !allowed.includes(kind)) return at;
    at += token.length;
    const isKey = kind === '"' && (allowed === '"' || allowed === '}"');
    if (kind === '{' || kind === '[') open.push(kind);
    if (kind === '}' || kind === ']') open.pop();
    const inside = open.at(-1);
    if (kind === '{') allowed = '}"';
    else if (kind === '[') allowed = `]${VALUE}`;
    else if (kind === ':') allowed = VALUE;
    else if (kind === ',') allowed = inside === '{' ? '"' : VALUE;
    else if (isKey) allowed = ':';
    else allowed = inside === undefined ? '' : inside === '{' ? ',}' : ',]';
  }
}

/** What our own checks say is a whole clause; what valibot's say is what was expected. */
function clause(issue: v.BaseIssue<unknown>): string {
  return issue.type.startsWith('raw_') ? issue.message : mismatch(issue.message, issue.input);
}

function expectationOf(schema: v.ObjectEntries[string]): string {
  const { message } = schema as { message?: unknown };
  return typeof message === 'string' ? message : 'this key';
}

/** The sentence for a key that nobody knows. */
export function unknownKey(key: string, known: readonly string[]): string {
  const nearest = known.find((other) => isNear(other, key));
  const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  return `expected one of the keys ${known.join(', ')}, found ${shorten(beginning(key))}${hint}`;
}

function step(key: string): v.UnknownPathItem {
  return { type: 'unknown', origin: 'value', input: undefined, key, value: undefined };
}

/** A value as an error shows it: its JSON, short, and its kind. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  const kind = Array.isArray(value)
    ? 'a list'
    : typeof value === 'object'
      ? 'an object'
      : `a ${typeof value}`;
  return `${shorten(beginning(value))} (${kind})`;
}

function shownKey(key: string): string {
  return /^[\w-]+$/.test(key) ? shorten(key) : shorten(beginning(key));
}

/** A key of a filter's config whose value no error shows. */
export const SECRET_KEY = 'redact_key';

/** At least the first `room` characters of a value's JSON. Deep, endless or huge values cost little more. */
function beginning(value: unknown, room: number = SHOWN_CHARACTERS): string {
  if (typeof value === 'string') return JSON.stringify(withoutSecret(value));
  if (typeof value !== 'object' || value === null) return String(value);
  const isList = Array.isArray(value);
  let text = '';
  for (const [key, item] of Object.entries(value)) {
    if (text.length > room) break;
    text += `${text && ','}${isList ? '' : `${beginning(key)}:`}`;
    text += key === SECRET_KEY ? '"***"' : beginning(item, room - text.length - 1);
  }
  return isList ? `[${text}]` : `{${text}}`;
}

function shorten(value: string): string {
  return value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}...` : value;
}

/** A URL's user and password are hidden; without `@`, so is what is no address and could be a password. */
function withoutSecret(value: string): string {
  const [, scheme = '', login = '', address = ''] = /^([a-z]*:\/\/)?(.*@)?(.*)$/is.exec(value) ?? [];
  if (scheme === '' && login === '') return value;
  const isAddress = /^(\[[\da-f:.]*\]|[\w.-]*)(:\d{0,5})?\/?$/i.test(address);
  return `${scheme}${login && '***@'}${isAddress ? address : '***'}`;
}

/** True when one changed, missing or added letter, or two swapped ones, make one word of the other. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const left = [a.slice(start, a.length - end), b.slice(start, b.length - end)] as const;
  if (left[0].length <= 1 && left[1].length <= 1) return true;
  return left[0].length === 2 && left[0] === [...left[1]].reverse().join('');
}
