/**
 * Numbers with a fraction against BigInt, on generated texts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../filter.js';
import { many } from './reference.js';
import { buildTestFilter, type TestFilter } from './testfilter.js';

const SEED = 20_260_206;
const LARGEST = 2n ** 63n - 1n;

let filter: TestFilter;
test.before(async () => {
  console.log(`note: seed ${SEED}`);
  filter = await buildTestFilter('text-tools');
});
test.after(() => filter.remove());

/** What `parseFixed` says, by way of BigInt: a whole number of units, as text. */
function fixed(text: string, digits: number, least: bigint, most: bigint): string | undefined {
  const found = /^([-+]?)(\d+)(?:\.(\d+))?(?:e([-+]?\d+))?$/i.exec(text);
  if (found === null) return undefined;
  const [, sign, whole = '', behind = '', exponent = '0'] = found;
  const shift = BigInt(exponent) + BigInt(digits - behind.length);
  const all = BigInt(whole + behind);
  if (all !== 0n && shift > 40n) return undefined;
  const size =
    shift >= 0n ? all * 10n ** (shift > 40n ? 0n : shift) : shift < -500n ? 0n : all / 10n ** -shift;
  const number = sign === '-' ? -size : size;
  return size > LARGEST || number < least || number > most ? undefined : String(number);
}

function answers(lines: readonly string[], digits: number, least: bigint, most: bigint) {
  const config = { tool: 'fixed', needles: [digits, least, most].map(String) };
  return filter.run(lines, { config, batchBytes: 1 << 20 }).records.map(({ result, count }) => {
    return result === undefined ? undefined : String((BigInt(Number(result)) << 32n) | BigInt(Number(count)));
  });
}

test('a number with a fraction is a whole number of units, cut and never wrapped, as BigInt has it', () => {
  const below = seeded(SEED);
  const digit = () => String(below(3) ? below(10) : below(2) * 9);
  const run = (longest: number) => many(below(longest + 1), digit).join('');
  let read = 0;
  for (let round = 0; round < 40; round++) {
    const digits = [0, 3, 6, 9, 18, 19, 40, -2][round % 8] as number;
    const [least, most] = round % 3 ? [-LARGEST, LARGEST] : [BigInt(-below(1_000)), BigInt(below(1_000_000))];
    const lines = many(400, () => {
      const sign = ['', '', '-', '+', '--'][below(below(9) ? 4 : 5)];
      const behind = below(3) ? `.${run([3, 9, 30, 400][below(4)] as number)}` : '';
      const exponent = below(3)
        ? ''
        : `${'eE'[below(2)]}${['', '-', '+'][below(3)]}${run(below(30) ? 2 : 40)}`;
      const whole = below(9) ? run([2, 12, 19, 25][below(4)] as number) : `${LARGEST + BigInt(below(3) - 1)}`;
      const text = `${sign}${whole}${behind}${exponent}`;
      if (below(12)) return text || '0';
      const at = below(text.length + 1);
      return `${text.slice(0, at)}${'. -e,x:/'[below(8)]}${text.slice(at + below(2))}`;
    });
    const expected = lines.map((line) => fixed(line, digits, least, most));
    const found = answers(lines, digits, least, most);
    for (const [at, line] of lines.entries())
      assert.is(found[at], expected[at], `${line} with ${digits} digits`);
    read += expected.filter((one) => one !== undefined && one !== '0').length;
  }
  assert.ok(read > 3_000, `only ${read} numbers`);
});

test('numbers with a fraction are read as the reference says', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['12.5', '12500'],
    ['0.00087', '0'],
    ['-1.9999', '-1999'],
    ['+2', '2000'],
    ['8.7e-02', '87'],
    ['1E3', '1000000'],
    ['9223372036854775.807', '9223372036854775807'],
    ['9223372036854775.8079', '9223372036854775807'],
    ['9223372036854775.808', undefined],
    ['-9223372036854775.808', undefined],
    ['0e99999999999999999999', '0'],
    ['1e99999999999999999999', undefined],
    ['1e-99999999999999999999', '0'],
    ...['.5', '5.', '1,5', '1e', 'e5', '1e5.0', '-', ' 1', '1.2.3', 'inf', 'nan', '0x1'].map(
      (text) => [text, undefined] as const,
    ),
  ];
  const texts = cases.map(([text]) => text);
  const expected = cases.map(([, number]) => number);
  assert.equal(answers(texts, 3, -LARGEST, LARGEST), expected);
});

test.run();
