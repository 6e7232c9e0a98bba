/**
 * What a subscriber unpacks is hostile: whatever arrives gives records or an error, and never more than a bounded amount.
 */
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UNPACKED_BYTES_MAX } from '../host/limits.js';
import { unpack } from '../host/pack.js';
import { CONTENT_CBOR, HEADER } from '../host/wire.js';
import { seeded } from './filter.js';

const SEED = 20_260_301;
const NDJSON = 'application/x-ndjson';

/** The records of a body, or what is wrong with it. */
function unpacked(body: Uint8Array, type = CONTENT_CBOR, encoding = 'gzip'): number | string {
  let records = 0;
  try {
    unpack({ [HEADER.contentType]: type, [HEADER.contentEncoding]: encoding }, body, () => records++);
    return records;
  } catch (thrown) {
    assert.instance(thrown, Error);
    return (thrown as Error).message;
  }
}

test('a body that unpacks to more than the limit is an error before it is unpacked', () => {
  // A record of one field, `a`, which is a text of all the rest.
  const record = (bytes: number) => {
    const plain = Buffer.alloc(bytes, 'x');
    plain.set([0xa1, 0x61, 0x61, 0x7a]);
    plain.writeUInt32BE(bytes - 8, 4);
    return gzipSync(plain, { level: 1 });
  };
  assert.is(unpacked(record(UNPACKED_BYTES_MAX)), 1);
  assert.match(`${unpacked(record(UNPACKED_BYTES_MAX + 1))}`, /larger than/);
  const bomb = record(64 * 1024 * 1024);
  const before = process.memoryUsage().rss;
  assert.match(`${unpacked(bomb)}`, /larger than/);
  assert.ok(process.memoryUsage().rss - before < 48 * 1024 * 1024);
});

test('arrays inside arrays, lengths without bytes and halves of bodies are errors', () => {
  const whole = gzipSync(Buffer.from([0xa1, 0x61, 0x61, 0x01]));
  for (let bytes = 0; bytes < whole.length; bytes++)
    assert.type(unpacked(whole.subarray(0, bytes)), 'string');
  for (const byte of [0x81, 0xa1, 0xd8])
    assert.type(unpacked(gzipSync(Buffer.alloc(1_000_000, byte))), 'string');
  for (const first of [0x9b, 0xbb, 0x7b, 0x5b])
    assert.type(unpacked(gzipSync(Buffer.from([first, ...Array(8).fill(0xff)]))), 'string');
  assert.type(unpacked(gzipSync(`${'['.repeat(1_000_000)}\n`), NDJSON), 'string');
});

test('random bytes give records or an error, whatever they are said to be', () => {
  const below = seeded(SEED);
  for (let round = 0; round < 500; round++) {
    const bytes = Uint8Array.from({ length: below(64) }, () => below(256));
    for (const type of [CONTENT_CBOR, NDJSON, 'text/html'])
      for (const [body, encoding] of [
        [bytes, ''],
        [bytes, 'gzip'],
        [gzipSync(bytes), 'gzip'],
      ] as const)
        unpacked(body, type, encoding);
  }
});

test.run();
