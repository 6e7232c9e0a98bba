/**
 * Lines out of chunks: the same ones, however the bytes are cut.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLineSplitter, type Parser } from '../../host/source/splitter.js';
import { createRandom, pieces } from './reading.js';

const LIMIT = 8;

function collect(): { lines: string[]; splitter: Parser } {
  const lines: string[] = [];
  const splitter = createLineSplitter(LIMIT, (line, extent) => {
    lines.push(`${extent === 'cut' ? 'cut:' : ''}${Buffer.from(line).toString('latin1')}`);
  });
  return { lines, splitter };
}

function split(text: string, cut: (bytes: Buffer) => Iterable<Buffer>): string[] {
  const { lines, splitter } = collect();
  for (const piece of cut(Buffer.from(text, 'latin1'))) assert.is(splitter.push(piece), piece.length);
  splitter.end();
  return lines;
}

const whole = (bytes: Buffer) => [bytes];
const byteByByte = (bytes: Buffer) => Array.from(bytes, (byte) => Buffer.of(byte));

const CASES: readonly (readonly [text: string, lines: readonly string[]])[] = [
  ['', []],
  ['one\ntwo\n', ['one', 'two']],
  ['an unterminated last line', ['cut:an unter']],
  ['short', ['short']],
  ['a\r\nb\rc\r\n\r\n\nd', ['a', 'b\rc', '', '', 'd']],
  ['12345678\n12345678\r\n123456789\nnext\n', ['12345678', '12345678', 'cut:12345678', 'next']],
  ['12345678\r\r\n1234567\r\r\nnext', ['cut:12345678', '1234567\r', 'next']],
  ['12345678\r', ['cut:12345678']],
  [`${'x'.repeat(5000)}\r\nintact\n`, ['cut:xxxxxxxx', 'intact']],
  ['\0\xff\xfe\n\0\n', ['\0\xff\xfe', '\0']],
];

test('lines end with LF or CR LF, and a longer one is cut at the limit and leaves the next intact', () => {
  for (const [text, lines] of CASES) {
    assert.equal(split(text, whole), lines, JSON.stringify(text.slice(0, 40)));
    assert.equal(split(text, byteByByte), lines, `byte by byte: ${JSON.stringify(text.slice(0, 40))}`);
  }
});

test('the same bytes give the same lines whatever the chunks', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = createRandom(seed);
    const text = Array.from({ length: random(120) }, () => 'abcdefgh\r\n\n'[random(11)]).join('');
    const chunked = split(text, (bytes) => pieces(bytes, random, 1 + random(20)));
    assert.equal(chunked, split(text, whole), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});

test('it stops where there is no room, and loses nothing when the rest comes again', () => {
  const lines: string[] = [];
  let room = 0;
  const splitter = createLineSplitter(
    LIMIT,
    (line) => {
      room -= 1;
      lines.push(Buffer.from(line).toString());
    },
    () => room > 0,
  );
  let rest = Buffer.from('one\ntwo\nthree\nfo');
  const taken: number[] = [];
  for (room of [0, 1, 2, 1, 1]) {
    const bytes = splitter.push(rest);
    taken.push(bytes);
    rest = rest.subarray(bytes);
  }
  splitter.push(Buffer.from('ur\n'));
  assert.equal(taken, [0, 4, 10, 2, 0]);
  assert.equal(lines, ['one', 'two', 'three', 'four']);
});

test.run();
