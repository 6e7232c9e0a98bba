/**
 * The line diff that authors read.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lineDiff } from '../../host/author/linediff.js';

const diff = (before: string, after: string) =>
  lineDiff(before.replaceAll(' ', '\n'), after.replaceAll(' ', '\n'));

test('the same lines differ in nothing', () => {
  assert.equal(diff('a b c', 'a b c'), []);
  assert.equal(diff('', ''), []);
});

test('gone and new lines stand with two lines around them', () => {
  assert.equal(diff('a b c d e f g', 'a b c X e f g'), [
    '  ...',
    '  b',
    '  c',
    '- d',
    '+ X',
    '  e',
    '  f',
    '  ...',
  ]);
  assert.equal(diff('a', ''), ['- a']);
  assert.equal(diff('', 'a b'), ['+ a', '+ b']);
  assert.equal(diff('a b c', 'b c d'), ['- a', '  b', '  c', '+ d']);
});

test('the longest common part stays, also where texts are long', () => {
  const lines = Array.from({ length: 3_000 }, (_, at) => `line-${at}`);
  const changed = lines.filter((_, at) => at !== 1_500);
  assert.equal(
    diff(lines.join(' '), changed.join(' ')).filter((line) => !line.startsWith(' ')),
    ['- line-1500'],
  );
  const other = lines.map((line) => `${line}!`);
  assert.equal(
    lineDiff(lines.join('\n'), other.join('\n')).map((line) => line.slice(0, 10)),
    [
      ...lines.slice(0, 50).map((line) => `- ${line}`),
      '- ... 450 lines more',
      ...other.slice(0, 50).map((line) => `+ ${line}`),
      '+ ... 450 lines more',
      ...lines.slice(500, 550).map((line) => `- ${line}`),
      '- ... 450 lines more',
      ...other.slice(500, 547).map((line) => `+ ${line}`),
      '  ... and 4,453 more that differ',
    ].map((line) => line.slice(0, 10)),
  );
});

test('of many differences the first are shown, with what is gone and what is new, and how many more there are', () => {
  const lines = Array.from({ length: 8_000 }, (_, at) => `line-${at}`);
  const changed = lines.map((line, at) => (at % 4 === 1 ? `${line}!` : line));
  assert.equal(lineDiff(lines.join('\n'), changed.join('\n'), 8), [
    '  line-0',
    '- line-1',
    '+ line-1!',
    '  line-2',
    '  line-3',
    '  line-4',
    '- line-5',
    '+ line-5!',
    '  ... and 3,996 more that differ',
  ]);
  assert.equal(lineDiff('a\nb\nc\nd\n', 'e\nf\n', 8), ['- a', '- b', '- ... 2 lines more', '+ e', '+ f']);
});

test('what nobody would see is shown, also at the end of a long line', () => {
  assert.equal(lineDiff('a\r\nb\n', 'a\nb\n'), ['- a\\u000d', '+ a', '  b']);
  const long = 'x'.repeat(500);
  assert.equal(lineDiff(`${long}\r\n`, `${long}\n`), [
    `- ${'x'.repeat(360)}...${'x'.repeat(34)}\\u000d`,
    `+ ${'x'.repeat(360)}...${'x'.repeat(40)}`,
  ]);
});

test.run();
