/**
 * The vectors of go-syslog for RFC 5424 and RFC 3164, where the corpus lies beside this folder.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { buildFieldsFilter, type FieldsFilter, NOW } from './fields.js';
import { ROOT } from './testfilter.js';

const VECTORS = join(ROOT, '../shared/corpus/syslog/go-syslog');
const DAY_MS = 86_400_000;

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter();
});
test.after(() => filter.remove());

interface Vector {
  readonly note: string;
  readonly valid: boolean;
  readonly input?: string;
  readonly input_base64?: string;
  readonly expected?: Readonly<Record<string, unknown>>;
}

/** Where we follow the RFC and go-syslog does not. */
const DIFFERENT: ReadonlyMap<string, string> = new Map([
  [
    'Invalid, param value can not contain backslash - ie., \\',
    'RFC 5424, section 6.3.3: a backslash before another character is a regular backslash',
  ],
]);
const NAMES = [
  ['priority', 'priority'],
  ['version', 'version'],
  ['hostname', 'host'],
  ['appname', 'program'],
  ['procid', 'pid'],
  ['msgid', 'message_id'],
  ['message', 'message'],
] as const;

function bytesOf({ input, input_base64: encoded }: Vector): Buffer {
  return encoded === undefined ? Buffer.from(input ?? '') : Buffer.from(encoded, 'base64');
}

/** The expected fields under our names; a time without a year is put where `NOW` puts it. */
function expectedOf({ expected = {} }: Vector): WireRecord {
  const fields: WireRecord = { valid: true };
  for (const [theirs, ours] of NAMES) if (expected[theirs] !== undefined) fields[ours] = expected[theirs];
  fields.facility = (expected.priority as number) >> 3;
  fields.severity = (expected.priority as number) & 7;
  if (typeof expected.timestamp === 'string') fields.time = timeOf(expected.timestamp);
  for (const [name, value] of paramsOf(expected.structured_data)) fields[name] = value;
  if (expected.structured_data !== undefined) fields.structured_data = written(expected.structured_data);
  return withoutMark(fields);
}

function timeOf(timestamp: string): number {
  if (/^\d/.test(timestamp)) return Date.parse(timestamp);
  const [month, day, clock] = timestamp.split(/ +/);
  const candidates = [2027, 2026, 2025].map((year) => Date.parse(`${month} ${day} ${year} ${clock} UTC`));
  return candidates.find((ms) => ms <= Date.parse(NOW) + DAY_MS) as number;
}

function paramsOf(structured: unknown): [string, string][] {
  return Object.entries((structured ?? {}) as Record<string, Record<string, string>>).flatMap(
    ([id, params]) =>
      Object.entries(params).map(([name, value]): [string, string] => [`${id}/${name}`, value]),
  );
}

function written(structured: unknown): string {
  const elements = Object.entries(structured as Record<string, Record<string, string>>);
  return elements
    .map(
      ([id, params]) =>
        `[${[id, ...Object.entries(params).map(([name, value]) => `${name}="${value}"`)].join(' ')}]`,
    )
    .join('');
}

/** The decoder of these tests drops a byte order mark from long texts. */
function withoutMark(fields: WireRecord): WireRecord {
  const { message } = fields;
  const text = typeof message === 'string' ? message.replace(/^\ufeff/, '') : message;
  const { message: _message, host_is_address: _isAddress, ...others } = fields;
  return text === undefined || text === '' ? others : { ...others, message: text };
}

test('the vectors of go-syslog give their fields, or are refused', () => {
  if (!existsSync(VECTORS)) {
    console.log(`note: skipped, there are no vectors in ${VECTORS}`);
    return;
  }
  const vectors = ['rfc3164_vectors.jsonl', 'rfc5424_vectors.jsonl'].flatMap((name) =>
    readFileSync(join(VECTORS, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Vector),
  );
  // An event is one line: an empty line is no event, and an inbox writes a newline inside a message as #012.
  const events = vectors.filter((vector) => bytesOf(vector).length > 0 && !bytesOf(vector).includes(10));
  const broken = vectors.filter((vector) => bytesOf(vector).includes(10));
  const params = [
    ...new Set(events.flatMap(({ expected }) => paramsOf(expected?.structured_data).map(([name]) => name))),
  ];
  const input = Buffer.concat(events.flatMap((vector) => [bytesOf(vector), Buffer.from('\n')]));
  const found = filter.read(input, { config: { params } });
  assert.is(found.length, events.length);
  let agreed = 0;
  events.forEach((vector, index) => {
    const name = `${vector.note}: ${vector.input}`;
    const fields = found[index] as WireRecord;
    if (vector.valid) {
      const { message_time: _time, ...seen } = withoutMark(fields);
      assert.equal(seen, expectedOf(vector), name);
    } else assert.is(fields.valid, DIFFERENT.has(vector.note), name);
    if (!DIFFERENT.has(vector.note)) agreed++;
  });
  console.log(`note: ${agreed} of ${events.length} go-syslog vectors agree`);
  const lines = broken.map((vector) => bytesOf(vector).toString('latin1').replaceAll('\n', '#012'));
  const refused = filter.read(lines).filter(({ valid }) => valid === false);
  console.log(
    `note: ${broken.length} hold a newline; as #012, ${refused.length} are refused, the rest are legal lines`,
  );
  for (const [name, reason] of DIFFERENT) console.log(`note: differs: "${name}": ${reason}`);
  assert.ok(agreed >= events.length - DIFFERENT.size);
});

test.run();
