/**
 * Validation of what people write: a schema whose messages say what is expected, and errors of one line that name
 * the key, what was expected and what was found.
 */
import * as v from 'valibot';
import { type ErrorCode, WeirError } from './errors.js';

/** Found values are shown up to this many characters. */
const SHOWN_CHARACTERS = 60;

/** An object with these keys and no others. */
export function object<T extends v.ObjectEntries>(entries: T) {
  return v.strictObject(entries, `one of the keys ${Object.keys(entries).join(', ')}`);
}

/** A text that `isValid` accepts; `expected` says what it should be. */
export function text(expected: string, isValid: (value: string) => boolean = (value) => value !== '') {
  return v.pipe(v.string(expected), v.check(isValid, expected));
}

/** A text that `read` understands; what it throws or answers `undefined` for is not as expected. */
export function textAs<T>(expected: string, read: (value: string) => T | undefined) {
  return v.pipe(
    v.string(expected),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value);
      if (value !== undefined) return value;
      addIssue({ message: expected });
      return NEVER;
    }),
  );
}

/** A list of `least` to `most` items. */
export function list<T extends v.GenericSchema>(expected: string, item: T, least: number, most: number) {
  return v.pipe(v.array(item, expected), v.minLength(least, expected), v.maxLength(most, expected));
}

const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Bytes of "64KiB", "1MiB", ...; `undefined` for anything else. */
export function readSize(value: string): number | undefined {
  const [, number, unit] = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(value) ?? [];
  return number === undefined ? undefined : Number(number) * (SIZE_UNITS[unit as string] as number);
}

/** Checks `value`; throws `code` with the first thing that is wrong in it. `where` names the file. */
export function check<T extends v.GenericSchema>(
  code: ErrorCode,
  where: string,
  schema: T,
  value: unknown,
): v.InferOutput<T> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const more = result.issues.length > 1 ? ` (and ${result.issues.length - 1} more)` : '';
  throw new WeirError(code, `${where}: ${describe(result.issues[0])}${more}`);
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = issue.path?.map(({ key }) => String(key)).join('.') || 'the whole';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const known = /keys (.*)$/.exec(issue.message)?.[1]?.split(', ') ?? [];
    const key = String(issue.path?.at(-1)?.key);
    const nearest = known.find((name) => isNear(name, key));
    return `${path}: unknown key${nearest ? `, did you mean ${nearest}?` : ''} expected ${issue.message}, found "${shorten(key)}"`;
  }
  if (issue.type === 'strict_object' && issue.input === undefined && issue.received === 'undefined') {
    return `${path}: expected this key, found nothing`;
  }
  const expected = issue.type === 'strict_object' ? `an object with ${issue.message}` : issue.message;
  return `${path}: expected ${expected}, found ${shown(issue.input)}`;
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
  return `${shorten(JSON.stringify(value))} (${kind})`;
}

function shorten(value: string): string {
  const hidden = value.replace(/(nats|tls):\/\/[^@/"]*@/g, '$1://***@');
  return hidden.length > SHOWN_CHARACTERS ? `${hidden.slice(0, SHOWN_CHARACTERS)}...` : hidden;
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
