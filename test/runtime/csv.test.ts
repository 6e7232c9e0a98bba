/**
 * The reader of CSV: RFC 4180, generated lines against a plain parser, and hostile ones.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { seeded } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';
import { type Below, pick, surviveRubbish, word } from './rubbish.js';

const COLUMNS = ['0', '1', '2', '3', '5', '40', '255'];

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter('csv-columns');
});
test.after(() => filter.remove());

const optionsFor = (separator: string) => ({ config: { separator, columns: COLUMNS } });

/** All columns of a line as a list, or `undefined` when it is malformed. */
function plainParse(line: string, separator: string): string[] | undefined {
  const columns: string[] = [];
  for (let rest = line; ; rest = rest.slice(1)) {
    const quoted = /^"((?:[^"]|"")*)"/.exec(rest);
    if (quoted === null && rest.startsWith('"')) return undefined;
    const plain = rest.split(separator)[0] as string;
    columns.push(quoted?.[1]?.replaceAll('""', '"') ?? plain);
    rest = rest.slice((quoted?.[0] ?? plain).length);
    if (rest === '') return columns;
    if (!rest.startsWith(separator)) return undefined;
  }
}

function recordOf(columns: readonly string[] | undefined): WireRecord {
  if (columns === undefined) return { valid: false };
  const wanted = COLUMNS.filter((number) => Number(number) < columns.length);
  const values = wanted.map((number) => [number, columns[Number(number)]]);
  return { valid: true, size: columns.length, ...Object.fromEntries(values) };
}

const LINES: readonly (readonly [string, readonly string[] | undefined])[] = [
  ['a', ['a']],
  ['a,b', ['a', 'b']],
  [',', ['', '']],
  ['a,,b,', ['a', '', 'b', '']],
  ['"a","b"', ['a', 'b']],
  ['"a,b",c', ['a,b', 'c']],
  ['"say ""hi""",""', ['say "hi"', '']],
  ['""""', ['"']],
  ['"",""""""', ['', '""']],
  [' a , "b" ', [' a ', ' "b" ']],
  ['a"b,c""d', ['a"b', 'c""d']],
  ['a;b\tc', ['a;b\tc']],
  ['\u00fc,"\u00fc"', ['\u00fc', '\u00fc']],
  ['"', undefined],
  ['"a', undefined],
  ['"a""', undefined],
  ['"a"b,c', undefined],
  ['"a" ,c', undefined],
  ['a,"b', undefined],
];

test('columns with and without quotes are read as RFC 4180 says', () => {
  const found = filter.read(
    LINES.map(([line]) => line),
    optionsFor(','),
  );
  LINES.forEach(([line, columns], index) => {
    assert.equal(found[index], recordOf(columns), line);
  });
});

test('the separator is chosen', () => {
  for (const separator of [';', '\t', '|']) {
    const line = ['a', '"b,c"', '', 'd'].join(separator);
    assert.equal(filter.readOne(line, optionsFor(separator)), recordOf(['a', 'b,c', '', 'd']));
  }
});

test('columns from 256 on are counted; wanting one refuses the filter', () => {
  const line = Array.from({ length: 300 }, (_, index) => `c${index}`).join(',');
  assert.equal(filter.readOne(line, optionsFor(',')), recordOf(line.split(',')));
  assert.throws(
    () => filter.read(['a'], { config: { separator: ',', columns: ['256'] } }),
    /reads columns 0 to 255/,
  );
});

test('a line takes nothing from the line before it or behind it', () => {
  const lines = ['a,b,c,d', 'x', '"open', ',b"', '"open', 'b","c"'];
  assert.equal(filter.read(lines, optionsFor(',')), [
    recordOf(['a', 'b', 'c', 'd']),
    recordOf(['x']),
    recordOf(undefined),
    recordOf(['', 'b"']),
    recordOf(undefined),
    recordOf(['b"', 'c']),
  ]);
});

function generated(below: Below): string {
  const column = () => word('ab ,;"', 0, 40, below);
  const written = (text: string) =>
    /[",]/.test(text) || below(3) === 0 ? `"${text.replaceAll('"', '""')}"` : text;
  return Array.from({ length: 1 + below(60) }, () => written(column())).join(',');
}

test('generated lines, valid and not, give what a plain parser finds', () => {
  const seed = 20_260_131;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const lines = Array.from({ length: 4_000 }, (_, index) => {
    const line = generated(below);
    const at = below(line.length);
    return index % 2
      ? line
      : line.slice(0, at) + pick(['', '"', ',', '""'], below) + line.slice(at + below(2));
  }).filter((line) => line !== '');
  const found = filter.read(lines, optionsFor(','));
  lines.forEach((line, index) => {
    assert.equal(found[index], recordOf(plainParse(line, ',')), line);
  });
  assert.ok(found.some(({ valid }) => valid === false));
});

test('hostile lines never stop the filter, and the line behind each is intact', () => {
  const below = seeded(5);
  surviveRubbish(filter, {
    seed: 20_260_203,
    bases: [...LINES.map(([line]) => line), ...Array.from({ length: 50 }, () => generated(below))],
    rounds: 4_000,
    good: '"a ""b""",c,',
    expected: recordOf(['a "b"', 'c', '']),
    options: optionsFor(','),
  });
});

test('a column of a megabyte, or a million columns, costs no more than its length', () => {
  const startMs = performance.now();
  for (const part of ['x', '"', '""', ',', '",', ',"', '"",']) {
    const found = filter.read([part.repeat(1_000_000 / part.length), 'a,b'], {
      ...optionsFor(','),
      batchBytes: 2 * 1_048_576,
    });
    assert.equal(found[1], recordOf(['a', 'b']));
  }
  assert.ok(performance.now() - startMs < 15_000, `${performance.now() - startMs} ms`);
});

test.run();
