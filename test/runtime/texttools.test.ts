/**
 * The text tools against plain references on generated data, and on texts that are made to be slow.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ledgerAddsUp, type RunOptions, type RunResult, seeded } from '../filter.js';
import {
  addressBits,
  type Below,
  type Element,
  globElements,
  globMatches,
  many,
  occurrences,
  randomAddress,
  word,
} from './reference.js';
import { buildTestFilter, type TestFilter } from './testfilter.js';

const SEED = 20_260_201;
/** What backtracking or a search by each pattern would exceed many times over. */
const HOSTILE_MS_MAX = 4_000;

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('text-tools');
});
test.after(() => filter.remove());

function run(tool: string, needles: readonly string[], input: readonly string[] | Uint8Array): RunResult {
  return filter.run(input, { config: { tool, needles }, batchBytes: 1 << 20 });
}

function answers(tool: string, needles: readonly string[], lines: readonly string[]): number[] {
  return run(tool, needles, lines).records.map(({ result }) => Number(result));
}

const asciiLower = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

test('only ASCII letters match without case, wherever they stand', () => {
  const below = seeded(SEED);
  const alphabet = 'abAB@[`{zZé';
  for (let round = 0; round < 8; round++) {
    const needles = many(12, () => word(below, alphabet, round < 4 ? 3 : 24));
    const lines = many(400, () => {
      const needle = needles[below(needles.length)] as string;
      const changed = below(2) ? needle.toUpperCase().replaceAll('É', 'é') : needle;
      return (
        word(below, alphabet, 30).slice(1) + (below(3) ? changed : '') + word(below, alphabet, 9).slice(1)
      );
    }).filter((line) => line !== '');
    const expected = lines.map((line) => {
      const text = asciiLower(line);
      return needles.reduce((bits, needle, at) => {
        const wanted = asciiLower(needle);
        const one =
          Number(text === wanted) +
          2 * Number(text.startsWith(wanted)) +
          4 * Number(text.endsWith(wanted)) +
          8 * Number(text.includes(wanted));
        return bits + one * 16 ** at;
      }, 0);
    });
    assert.equal(answers('nocase', needles, lines), expected);
  }
  assert.equal(answers('nocase', ['STRASSE', 'é', 'K'], ['straße', 'É', '\u212a']), [0, 0, 0]);
});

test('globs match what a table over all prefixes says', () => {
  const below = seeded(SEED + 1);
  let matches = 0;
  for (let round = 0; round < 12; round++) {
    const alphabet = round < 6 ? 'ab*?*[]-!\\' : 'aaab*?é';
    const patterns = many(60, () => word(below, alphabet, round % 6 === 5 ? 200 : 9))
      .filter((pattern) => globElements(Buffer.from(pattern)) !== null)
      .slice(0, 40);
    const elements = patterns.map((pattern) => globElements(Buffer.from(pattern)) as Element[]);
    const lines = many(80, () => word(below, 'aaabb-]é*', round % 6 === 5 ? 200 : 8));
    const expected = lines.map((line) =>
      elements.reduce(
        (bits, pattern, at) => bits + Number(globMatches(pattern, Buffer.from(line))) * 2 ** at,
        0,
      ),
    );
    assert.equal(answers('glob', patterns, lines), expected, JSON.stringify(patterns));
    matches += expected.filter((bits) => bits > 0).length;
  }
  assert.ok(matches > 300, `only ${matches} lines matched anything`);
});

test('globs without case take both cases, also of ranges, and of nothing but letters', () => {
  const lines = ['SSHD', 'sshd', 'SsHd', 'sshx', '@', '`'];
  assert.equal(answers('glob-nocase', ['sSh[a-d]', '[!A]', '`'], lines), [1, 1, 1, 0, 2, 6]);
  assert.equal(answers('glob', ['ssh[a-d]'], lines), [0, 1, 0, 0, 0, 0]);
});

test('a glob that breaks the rules stops the filter', () => {
  for (const [pattern, problem] of [
    ['a[b', /a glob has a \[ without its \]/],
    ['[]', /a glob has a \[ without its \]/],
    ['a\\', /ends with a backslash/],
    ['[b-a]', /range that ends before it begins/],
    ['a'.repeat(256), /at most 255 elements/],
  ] as const) {
    assert.throws(() => run('glob', [pattern], []), problem);
  }
  assert.equal(answers('glob', ['a'.repeat(255), `*${'?'.repeat(255)}*`], ['a'.repeat(255)]), [3]);
});

function patternsOf(below: Below, round: number): string[] {
  const shortest = 2 + (round % 11);
  const alphabet = ['ab', 'abc', 'abcdefghij :'][round % 3] as string;
  return many(1 + below([6, 60, 1024][round % 3] as number), () => {
    return word(below, alphabet, 2 + below(round % 4 === 3 ? 60 : 8)).padEnd(
      shortest,
      word(below, alphabet, 3),
    );
  });
}

test('patterns find the lowest index and every occurrence, as a search for each one does', () => {
  const below = seeded(SEED + 2);
  let found = 0;
  for (let round = 0; round < 36; round++) {
    const needles = patternsOf(below, round);
    const lines = many(60, () => {
      const parts = many(below(4), () => needles[below(needles.length)] as string);
      return `${word(below, 'abc', 20)}${parts.join(word(below, 'ab:', 4))}${word(below, 'abc', 9)}`;
    });
    const every = lines.map((line) => occurrences(needles, line));
    assert.equal(
      answers('first', needles, lines),
      every.map((list) =>
        list.reduce((least, { index }) => (least < 0 ? index : Math.min(least, index)), -1),
      ),
    );
    const { records } = run('each', needles, lines);
    every.forEach((list, at) => {
      const sum = list.reduce(
        (total, { index, start }) => (total * 31 + index * 65_537 + start) % 1_000_000_007,
        0,
      );
      assert.is(records[at]?.count, list.length, lines[at]);
      assert.is(records[at]?.result, sum, lines[at]);
      found += list.length;
    });
  }
  assert.ok(found > 10_000, `only ${found} occurrences`);
});

function selected(select: readonly string[], lines: readonly string[], batchBytes: number): RunResult {
  const options: RunOptions = { config: { tool: '', needles: [], select }, batchBytes };
  return filter.run(lines, options);
}

test('a prefilter of 9 to 1,024 literals lets exactly the lines through that hold one, and counts the others', () => {
  const below = seeded(SEED + 3);
  for (let round = 0; round < 14; round++) {
    const size = [9, 10, 200, 1024][round % 4] as number;
    const needles = many(size, () => word(below, 'abcdefgh', 5 + below(9)).padEnd(2 + (round % 9), 'xyz'));
    const lines = many(3_000, () =>
      below(5)
        ? word(below, 'ijklmnopq  ', 120)
        : word(below, 'ijk', 90) + needles[below(size)] + word(below, 'ijk', 90),
    );
    const expected = lines.filter((line) => needles.some((needle) => line.includes(needle)));
    for (const batchBytes of [512, 65_536]) {
      const result = selected(needles, lines, batchBytes);
      assert.equal(
        result.records.map(({ line }) => line),
        expected,
      );
      assert.is(result.ledger.in, lines.length);
      assert.is(result.ledger.discarded, lines.length - expected.length);
      assert.ok(ledgerAddsUp(result));
    }
  }
});

test('literals that are too many, too short or too long stop the filter', () => {
  const distinct = (count: number) => many(count, (index) => `needle ${index}`);
  assert.throws(() => selected(distinct(1025), [], 4_096), /up to 1024 literals of 2 bytes or more/);
  assert.throws(() => selected(['a'], [], 4_096), /up to 1024 literals of 2 bytes or more/);
  assert.throws(() => selected([...distinct(8), 'a'.repeat(256)], [], 4_096), /2 to 255 bytes/);
  assert.throws(() => run('first', distinct(1025), []), /1 to 1024 literals/);
  assert.throws(() => run('first', [], []), /1 to 1024 literals/);
  assert.is(selected(distinct(1024), ['needle 1023'], 4_096).records.length, 1);
});

test('texts that almost match everywhere cost no more than their length', () => {
  const near = many(1024, (index) => `${'a'.repeat(8 + (index % 240))}b${index}`);
  const line = 'a'.repeat(1_000_000);
  const before = process.cpuUsage();
  assert.equal(answers('first', near, [line, `${line}b7`]), [-1, 7]);
  assert.equal(answers('first', [...near.slice(1), 'ab'], [`${line}b`]), [1023]);
  assert.is(
    selected(
      near,
      many(5_000, () => 'a'.repeat(200)),
      65_536,
    ).ledger.discarded,
    5_000,
  );
  const stars = `${'*a'.repeat(60)}b`;
  assert.equal(answers('glob', [stars, `${'*a?'.repeat(80)}*b`], [line, `${line}b`]), [0, 3]);
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1000 < HOSTILE_MS_MAX, `${(user + system) / 1000} ms`);
});

test('an address is in a set of prefixes when its bits are', () => {
  const below = seeded(SEED + 4);
  let held = 0;
  for (let round = 0; round < 10; round++) {
    const prefixes: { text: string; first: bigint; last: bigint }[] = [];
    while (prefixes.length < ([1, 30, 1024][round % 3] as number)) {
      const address = randomAddress(below).replace(/%.*/, '');
      const bits = addressBits(address);
      if (bits === null) continue;
      const width = address.includes(':') ? 128 : 32;
      const free = BigInt(below(round % 2 ? 24 : width + 1));
      const first = (bits >> free) << free;
      const mapped = first >> 32n === 0xffffn;
      if (width === 32 && !mapped) continue;
      const text =
        width === 32
          ? many(4, (part) => (first >> BigInt(24 - 8 * part)) & 255n).join('.')
          : (first.toString(16).padStart(32, '0').match(/..../g) as string[]).join(':');
      prefixes.push({ text: `${text}/${BigInt(width) - free}`, first, last: first + (1n << free) - 1n });
    }
    const lines = many(600, () => randomAddress(below));
    const expected = lines.map((line) => {
      const bits = addressBits(line);
      return Number(bits !== null && prefixes.some(({ first, last }) => bits >= first && bits <= last));
    });
    const texts = prefixes.map(({ text }) => text);
    assert.equal(answers('cidr', texts, lines), expected, texts.slice(0, 30).join(' '));
    assert.equal(
      answers('address', [], lines),
      lines.map((line) => Number(addressBits(line) !== null)),
    );
    held += expected.filter((one) => one === 1).length;
  }
  assert.ok(held > 500, `only ${held} addresses were held`);
});

test('a part of an IPv4 address with a zero before it, which others take for octal, makes it no address', () => {
  const zeros = [
    '010.1.2.3',
    '10.01.2.3',
    '10.1.002.3',
    '10.1.2.03',
    '00.0.0.0',
    '::ffff:010.1.2.3',
    '::010.1.2.3',
  ];
  const lines = ['10.1.2.3', '0.0.0.0', '::ffff:10.0.2.0', ...zeros];
  const expected = lines.map((_, at) => Number(at < 3));
  assert.equal(answers('address', [], lines), expected);
  assert.equal(answers('cidr', ['0.0.0.0/0', '::/0'], lines), expected);
  assert.throws(() => run('cidr', ['010.0.0.0/8'], []), /expected a prefix such as "10\.0\.0\.0\/8"/);
});

test('IPv4 is IPv6 in ::ffff:0:0/96, and what is no prefix stops the filter', () => {
  const lines = [
    '10.1.2.3',
    '::ffff:10.1.2.3',
    '::10.1.2.3',
    '11.0.0.0',
    'fe80::1%eth0',
    'fe80::1',
    '10.1.2',
  ];
  assert.equal(answers('cidr', ['10.0.0.0/8', 'fe80::/10'], lines), [1, 1, 0, 0, 1, 1, 0]);
  assert.equal(answers('cidr', ['::/0'], lines), [1, 1, 1, 1, 1, 1, 0]);
  assert.equal(answers('cidr', ['0.0.0.0/0'], lines), [1, 1, 0, 1, 0, 0, 0]);
  assert.equal(answers('cidr', [], lines), [0, 0, 0, 0, 0, 0, 0]);
  for (const wrong of ['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/', '::1/129', '10.0/8', '/8', '::/-1', 'x']) {
    assert.throws(
      () => run('cidr', [wrong], []),
      /config\.needles\[0\]: expected a prefix such as "10\.0\.0\.0\/8"/,
    );
  }
  const tooMany = many(1025, (index) => `10.0.${index >> 8}.${index & 255}`);
  assert.throws(() => run('cidr', tooMany, []), /up to 1024 prefixes/);
});

test('numbers are whole, within their limits, and never wrap', () => {
  const none = -9_999_999;
  const decimals: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['+7', 7],
    ['-1000000', -1_000_000],
    ['-1000001', none],
    ['007', 7],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9223372036854775808', none],
    ['18446744073709551617', none],
    ['92233720368547758070', none],
    ['-', none],
    ['1.0', none],
    [' 1', none],
    ['--1', none],
    ['1e3', none],
  ];
  assert.equal(
    answers(
      'decimal',
      [],
      decimals.map(([text]) => text),
    ),
    decimals.map(([, number]) => number),
  );
  const hex: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['ff', 255],
    ['0xFf', 255],
    ['0X1fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['8000000000000000', none],
    ['10000000000000000', none],
    ['00000000000000000001', 1],
    ['0x', none],
    ['-1', none],
    ['g', none],
  ];
  assert.equal(
    answers(
      'hex',
      [],
      hex.map(([text]) => text),
    ),
    hex.map(([, number]) => number),
  );
});

test.run();
