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
  const most = lineDiff(lines.join('\n'), other.join('\n'));
  assert.is(most.length, 201);
  assert.is(most.at(-1), '  ... and 5800 lines more');
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
