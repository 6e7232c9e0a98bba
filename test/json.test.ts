/**
 * Records as JSON: whatever CBOR a filter may emit is one line that JSON.parse reads, and nothing is rounded silently.
 */
import { isDeepStrictEqual } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createPack, jsonLines, unpack } from '../host/pack.js';
import { encodeRecord, type Message, type WireRecord } from '../host/wire.js';
import { seeded } from './filter.js';
import { type Below, pick } from './runtime/rubbish.js';

/** An item in CBOR, and the value that its JSON must give. */
interface Item {
  readonly cbor: Buffer;
  readonly value: unknown;
}

function head(major: number, argument: bigint): Buffer {
  const first = major << 5;
  if (argument < 24n) return Buffer.from([first | Number(argument)]);
  const bytes = [1, 2, 4, 8].find((size) => argument < 1n << BigInt(8 * size)) as number;
  const written = Buffer.alloc(8);
  written.writeBigUInt64BE(argument);
  return Buffer.concat([Buffer.from([first | (24 + Math.log2(bytes))]), written.subarray(8 - bytes)]);
}

const sized = (major: number, bytes: Buffer) => Buffer.concat([head(major, BigInt(bytes.length)), bytes]);
const named = (name: string) => sized(3, Buffer.from(name));
const map = (...pairs: readonly (readonly [string, Buffer])[]) =>
  Buffer.concat([head(5, BigInt(pairs.length)), ...pairs.flatMap(([name, cbor]) => [named(name), cbor])]);

function integer(value: bigint): Item {
  const isSafe = value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER;
  return {
    cbor: value < 0n ? head(1, -1n - value) : head(0, value),
    value: isSafe ? Number(value) : String(value),
  };
}

function float(value: number): Item {
  const cbor = Buffer.alloc(9, 0xfb);
  cbor.writeDoubleBE(value, 1);
  return { cbor, value: Number.isFinite(value) ? value + 0 : null };
}

/** Integers where a width of CBOR, of JavaScript or of a register ends. */
const EDGES = [0, 5, 8, 16, 24, 32, 53, 63, 64].flatMap((bits) =>
  [-2n, -1n, 0n, 1n].flatMap((by) => [(1n << BigInt(bits)) + by, -(1n << BigInt(bits)) - by]),
);
const FLOATS = [
  0,
  0.1,
  5e-324,
  1.5,
  -2.5,
  2 ** 53,
  2 ** 60,
  1.7976931348623157e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];
const NAMES = [
  'ts',
  'stream',
  'a',
  '',
  '0',
  '10',
  '__proto__',
  'constructor',
  'toJSON',
  'f\u00fcr',
  '"',
  '\u2028',
];
const CHARACTERS = [
  'a',
  '"',
  '\\',
  '\n',
  '\r',
  '\0',
  '\x1b[2J',
  '\x7f',
  '\u0085',
  '\u009b',
  '\u2028',
  '\u2029',
  '\ufeff',
  '\u202e',
  '\u00fc',
  '\u{1f600}',
  '\ud800',
];

function bytesOf(most: number, below: Below): Buffer {
  return Buffer.from(Array.from({ length: below(most) }, () => below(256)));
}

function textItem(below: Below): Item {
  const bytes = below(3)
    ? Buffer.from(Array.from({ length: below(12) }, () => pick(CHARACTERS, below)).join(''))
    : bytesOf(40, below);
  return { cbor: sized(3, bytes), value: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) };
}

function anyItem(depth: number, below: Below): Item {
  return (
    [
      () =>
        integer(
          pick(
            EDGES.filter((edge) => edge >= -(1n << 64n) && edge < 1n << 64n),
            below,
          ),
        ),
      () => float(pick(FLOATS, below) * pick([1, -1], below)),
      () => textItem(below),
      () => {
        const bytes = bytesOf(pick([4, 300, 3_000], below), below);
        return { cbor: sized(2, bytes), value: bytes.toString('base64') };
      },
      () =>
        pick(
          [
            { cbor: Buffer.from([0xf4]), value: false },
            { cbor: Buffer.from([0xf5]), value: true },
          ],
          below,
        ),
      () => ({ cbor: Buffer.from([0xf6]), value: null }),
      () => listItem(depth + 1, below),
      () => mapItem(depth + 1, below),
    ][below(depth > 4 ? 6 : 8)] as () => Item
  )();
}

function listItem(depth: number, below: Below): Item {
  const items = Array.from({ length: below(6) }, () => anyItem(depth, below));
  return {
    cbor: container(
      4,
      items.length,
      items.map(({ cbor }) => cbor),
      below,
    ),
    value: items.map(({ value }) => value),
  };
}

/** Names repeat: up to thirty pairs draw from a dozen of them. */
function mapItem(depth: number, below: Below): Item {
  const pairs = Array.from(
    { length: below(depth > 1 ? 5 : 30) },
    () => [pick(NAMES, below), anyItem(depth, below)] as const,
  );
  const cbor = container(
    5,
    pairs.length,
    pairs.map(([name, item]) => Buffer.concat([named(name), item.cbor])),
    below,
  );
  return { cbor, value: Object.fromEntries(pairs.map(([name, { value }]) => [name, value])) };
}

/** With its length in front, or a break behind. */
function container(major: number, size: number, parts: readonly Buffer[], below: Below): Buffer {
  if (below(2)) return Buffer.concat([head(major, BigInt(size)), ...parts]);
  return Buffer.concat([Buffer.from([(major << 5) | 31]), ...parts, Buffer.from([0xff])]);
}

/** What a filter with this format publishes of the records. */
function published(
  records: readonly Buffer[],
  format: 'cbor' | 'ndjson',
): { text: string; read: WireRecord[] } {
  const messages: Message[] = [];
  const pack = createPack({
    appliance: 'fw-01',
    instance: 'f',
    from: { filter: 'f@1.0.0+0', streams: ['s'], recordBytesMax: 1_048_576 },
    format,
    send: (message) => messages.push(message),
    onFault(error) {
      throw error;
    },
  });
  for (const record of records) pack.add(0, record, 0, record.length);
  pack.cut();
  const read: WireRecord[] = [];
  for (const { headers, body } of messages) unpack(headers, body, (record) => read.push(record));
  return { text: jsonLines('f', Buffer.concat(records), (record) => record), read };
}

test('generated records are one line of JSON each, with every value that JSON can say', () => {
  const seed = 20_260_207;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  for (let round = 0; round < 300; round++) {
    const items = Array.from({ length: 1 + below(8) }, () => mapItem(1, below));
    const records = items.map(({ cbor }) => cbor);
    const expected = items.map(({ value }) => value);
    const { text, read } = published(records, 'ndjson');
    const lines = text.split(/[\p{Cc}\p{Zl}\p{Zp}]/u);
    assert.is(lines.pop(), '');
    assert.ok(
      isDeepStrictEqual(
        lines.map((line) => JSON.parse(line)),
        expected,
      ),
      text,
    );
    assert.ok(isDeepStrictEqual(read, expected), text);
    // A subscriber of CBOR that prints JSON, as `weir tap` does, tells the same.
    assert.equal(
      published(records, 'cbor').read.map((record) => JSON.stringify(record)),
      expected.map((value) => JSON.stringify(value)),
    );
  }
});

test('integers past 2^53 keep their digits, byte strings are base64, what is no number is null', () => {
  const record = map(
    ['largest', head(0, (1n << 64n) - 1n)],
    ['least', head(1, (1n << 63n) - 1n)],
    ['exact', head(0, (1n << 53n) - 1n)],
    ['registers', sized(2, Buffer.from([0xfb, 0xff, 0]))],
    ['ratio', float(Number.NaN).cbor],
    ['half', Buffer.from([0xf9, 0x3e, 0])],
    ['single', Buffer.from([0xfa, 0x7f, 0x80, 0, 0])],
    ['twice', head(0, 1n)],
    ['twice', head(0, 2n)],
  );
  assert.is(
    published([record], 'ndjson').text,
    '{"largest":"18446744073709551615","least":"-9223372036854775808","exact":9007199254740991,' +
      '"registers":"+/8A","ratio":null,"half":1.5,"single":null,"twice":2}\n',
  );
});

test('a record of the host is read as it was written', () => {
  const record = {
    ts: 1_769_853_600_000,
    in: 2 ** 53 - 1,
    cut: { a: 4_294_967_296 },
    lost: {},
    taken_out: true,
  };
  assert.equal(published([Buffer.from(encodeRecord(record))], 'cbor').read, [record]);
});

const REFUSED: readonly (readonly [string, Buffer])[] = [
  ['no map', head(0, 7n)],
  ['undefined', map(['a', Buffer.from([0xf7])])],
  ['a date', map(['a', Buffer.from([0xc1, 0])])],
  ['a shared value', map(['a', Buffer.from([0xd8, 28, 0x80])], ['b', Buffer.from([0xd8, 29, 0])])],
  ['a number for a name', Buffer.from([0xa1, 0, 0])],
  ['a text in pieces', map(['a', Buffer.from([0x7f, 0x61, 0x61, 0xff])])],
  ['a break alone', Buffer.from([0xa1, 0x61, 0x61, 0xff])],
  ['a head cut short', Buffer.from([0xa1, 0x61, 0x61, 0x1b, 0, 0])],
  ['a float cut short', Buffer.from([0xa1, 0x61, 0x61, 0xfb, 0, 0])],
  ['a text cut short', Buffer.from([0xa1, 0x78, 200, 0x61])],
  ['a map without an end', Buffer.from([0xbf, 0x61, 0x61, 0])],
  ['more pairs than bytes', Buffer.from([0xba, 0xff, 0xff, 0xff, 0xff, 0])],
  ['an array of 2^63', map(['a', Buffer.from([0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0])])],
  ['a reserved head', map(['a', Buffer.from([0x1c])])],
  ['too many levels', map(['a', Buffer.concat([Buffer.alloc(200_000, 0x81), Buffer.from([0])])])],
];

test('what no filter may emit is refused, and says where', () => {
  for (const [what, record] of REFUSED) {
    let text = '';
    try {
      text = jsonLines('f', record, (found) => found);
    } catch (error) {
      assert.is((error as { code?: string }).code, 'FILTER_FAULT', what);
      assert.match((error as Error).message, /expected records in CBOR, found .* byte \d+/, what);
      continue;
    }
    assert.unreachable(`${what}: ${text}`);
  }
});

test('flipped bits never give a line that is not JSON', () => {
  const below = seeded(20_260_208);
  let lines = 0;
  for (let round = 0; round < 3_000; round++) {
    const bytes = Buffer.from(mapItem(3, below).cbor);
    for (let flips = below(3); flips >= 0; flips--) {
      const at = below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << below(8));
    }
    let text = '';
    try {
      text = jsonLines('f', bytes, (record) => record);
    } catch (error) {
      assert.is((error as { code?: string }).code, 'FILTER_FAULT');
    }
    for (const line of text.split('\n').slice(0, -1)) assert.type(JSON.parse(line), 'object');
    lines += text.split('\n').length - 1;
  }
  assert.ok(lines > 300, `${lines} lines`);
});

test.run();
