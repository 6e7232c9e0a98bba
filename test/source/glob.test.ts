/**
 * Patterns: what they match, in a folder and against a path, and that both agree.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expand, matches } from '../../host/source/glob.js';
import { temporaryFolder } from '../help.js';

const FILES = ['a.log', 'b.log', 'ab.log', 'é😀.log', '.hidden.log', 'a+b(1).log', '[x].log', 'a\\b', 'a\nb'];
const DEEP = ['d/a.log', 'd/.git/a.log', 'd/e/f/a.log', 'd/e/b.txt', '.d/a.log'];

const glob = suite<{ folder: string }>('glob');
glob.before(async (context) => {
  context.folder = (await temporaryFolder()).path;
  for (const path of [...FILES, ...DEEP]) {
    mkdirSync(dirname(join(context.folder, path)), { recursive: true });
    writeFileSync(join(context.folder, path), '');
  }
  symlinkSync(context.folder, join(context.folder, 'd/loop'));
});
glob.after(({ folder }) => rmSync(folder, { recursive: true }));

const CASES: readonly [pattern: string, ...expected: string[]][] = [
  ['*.log', '[x].log', 'a+b(1).log', 'a.log', 'ab.log', 'b.log', 'é😀.log'],
  ['?.log', 'a.log', 'b.log'],
  ['??.log', 'ab.log', 'é😀.log'],
  ['[ab].log', 'a.log', 'b.log'],
  ['[!a].log', 'b.log'],
  ['[^a].log', 'b.log'],
  ['[b-z].log', 'b.log'],
  ['[z-b].log'],
  ['[!].log'],
  ['[.]hidden.log'],
  ['a[\\x]b', 'a\\b'],
  ['a?b', 'a\nb', 'a\\b'],
  ['.h*', '.hidden.log'],
  ['.*.log', '.hidden.log'],
  ['a+b(?).log', 'a+b(1).log'],
  ['[x].log', '[x].log'],
  ['*/a.log', 'd/a.log'],
  ['**/a.log', 'a.log', 'd/a.log', 'd/e/f/a.log'],
  ['d/**', 'd/a.log', 'd/e/b.txt', 'd/e/f/a.log', 'd/loop'],
  ['**/**/f/*.log', 'd/e/f/a.log'],
  ['d/loop/?.log', 'd/loop/a.log', 'd/loop/b.log'],
  ['no/*.log'],
  ['a.log', 'a.log'],
  ['no.log'],
];

for (const [pattern, ...expected] of CASES) {
  glob(`${pattern} matches ${JSON.stringify(expected)}`, ({ folder }) => {
    const { paths, isPartial } = expand(join(folder, pattern), 100);
    assert.equal(
      paths.map((path) => relative(folder, path)),
      expected,
    );
    assert.not(isPartial);
    for (const path of [...FILES, ...DEEP]) {
      assert.is(matches(join(folder, pattern), join(folder, path)), expected.includes(path), path);
    }
  });
}

glob('a folder whose own name looks like a pattern holds paths like any other', ({ folder }) => {
  mkdirSync(join(folder, 'odd[1]'));
  writeFileSync(join(folder, 'odd[1]/a.log'), '');
  assert.equal(expand(join(folder, 'odd[1]/a.log'), 10).paths, [join(folder, 'odd[1]/a.log')]);
  rmSync(join(folder, 'odd[1]'), { recursive: true });
});

glob('more results than wanted are said to be partial', ({ folder }) => {
  assert.is(expand(join(folder, '?.log'), 2).isPartial, false);
  assert.is(expand(join(folder, '?.log'), 1).isPartial, true);
  assert.is(expand(join(folder, '?.log'), 1).paths.length, 1);
});

glob.run();
