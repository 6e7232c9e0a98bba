/**
 * The library used as it must not be: the author is told what he did, and where, instead of records that are wrong.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { driveFilter } from '../../host/author/drive.js';
import { propertiesOf } from '../../host/author/properties.js';
import { loadFilter } from '../../host/filter/library.js';
import { buildTestFilter, ROOT, type TestFilter } from './testfilter.js';

const misuse = suite<{ filter: TestFilter }>('misuse of the library');
misuse.before(async (context) => {
  context.filter = await buildTestFilter('misused');
});
misuse.after(({ filter }) => filter.remove());

const OPENED =
  /a record was opened, and not closed: expected open, fields, close \(stream told\)(?: \((?:near )?filter\.ts:\d+\))?, at event 1: b; correct the filter$/;
const NONE =
  /a field, or close, without a record that is open: expected open, fields, close(?: \((?:near )?filter\.ts:\d+\))?, at event 1: b/;
const MISTAKES: Readonly<Record<string, RegExp>> = {
  row: /table: expected a row that row\(\) or find\(\) has answered/,
  twice: OPENED,
  open: OPENED,
  text: NONE,
  int: NONE,
  close: NONE,
  closed: NONE,
  assert: /the line begins with a \(filter\.ts:\d+\), at event 1: b/,
  throw: /no such line \(filter\.ts:\d+\), at event 1: b/,
};

for (const [mistake, problem] of Object.entries(MISTAKES))
  misuse(`${mistake}: it stops at the event, and says why`, ({ filter }) => {
    assert.throws(() => filter.run(['b'], { config: { mistake, name: '' } }), problem);
  });

misuse('a filter that names no function for its events does not start, and says why', ({ filter }) => {
  assert.throws(
    () => driveFilter(loadFilter('misused', filter.folder), { config: { mistake: 'deaf', name: '' } }),
    /^filter misused: expected a call of events\(\), found none; correct the filter$/,
  );
});

misuse('a record that is open at the end of a batch is told there, not at the next event', ({ filter }) => {
  assert.throws(() => filter.run(['b', 'c'], { config: { mistake: 'open', name: '' } }), OPENED);
});

/** Faults of the engine's, the host's and the library's making, whose messages know no line; and what stands in it. */
const UNPLACED: Readonly<Record<string, readonly [problem: RegExp, text: string]>> = {
  divide: [/stopped: divide by zero/, '1 / <i64>'],
  endless: [/used up its fuel of \d+/, 'endless++'],
  deep: [/stopped: Maximum call stack size exceeded/, 'deeper(byte + 1)'],
  index: [/Index out of range/, 'counts[line'],
  allocate: [/a filter allocates only while it starts/, '[line.at(0)].length'],
  counter: [/table: expected a row .*, found another/, 'table.add(row, 2'],
};

for (const [mistake, [problem, text]] of Object.entries(UNPLACED))
  misuse(`${mistake}: the author is told the line of his own that it came to`, ({ filter }) => {
    const source = readFileSync(join(ROOT, 'test/filters/misused/filter.ts'), 'utf8').split('\n');
    const line = 1 + source.findIndex((found) => found.includes(text));
    const driven = driveFilter(loadFilter('misused', filter.folder), { config: { mistake, name: '' } });
    const wanted = new RegExp(`${problem.source} \\((near )?filter\\.ts:${line}\\), at event 1: b`);
    assert.throws(() => driven.feed(['b']), wanted);
  });

misuse('a field that stands twice in a record is no field of it', ({ filter }) => {
  const input = { name: 'a sample', bytes: Buffer.from('a\n') };
  const problemOf = (mistake: string) => {
    const settings = { config: { mistake, name: '' } };
    const found = propertiesOf(loadFilter('misused', filter.folder), [{ ...input, settings }]);
    return found.find(({ name }) => name === 'every record has each field once')?.prove();
  };
  assert.equal(problemOf('none'), []);
  assert.equal(problemOf('repeated'), [
    'a sample: expected each field once, found one again in {"stream":"told","ts":0,"line":1}',
  ]);
});

misuse('names that the library writes itself are refused at the start', ({ filter }) => {
  for (const name of ['ts', 'truncated', 'partial'])
    assert.throws(
      () => filter.run([], { config: { mistake: 'none', name } }),
      `key: expected a name other than ts, truncated and partial, which the library writes, found "${name}" (`,
    );
});

misuse('used as it is meant, it bears all of that', ({ filter }) => {
  const { records } = filter.run(['a', 'b', 'a'], { config: { mistake: 'none', name: 'other' } });
  assert.equal(
    records.map(({ line, count }) => [line, count]),
    [
      ['a', 1],
      ['b', 1],
      ['a', 2],
    ],
  );
});

misuse.run();
