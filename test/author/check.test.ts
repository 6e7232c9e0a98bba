/**
 * What `weir test` checks: that it finds what is wrong, and tells it so that an author can mend it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkFilter, type FilterReport } from '../../host/author/check.js';
import { projectIn } from '../../host/author/project.js';
import { junitXml, reportText } from '../../host/author/report.js';
import type { GoldenMode } from '../../host/author/samples.js';
import { weir } from '../command.js';
import { until, WAIT_MS } from '../help.js';
import { ECHO, filterFiles, type TestProject, testProject } from './project.js';

const author = suite<{ project: TestProject }>('weir test');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

async function check(
  project: TestProject,
  name: string,
  golden: GoldenMode = 'compare',
): Promise<FilterReport> {
  const { folder } = project;
  await project.build(name);
  return checkFilter(name, {
    project: projectIn(folder),
    folder,
    golden,
    tell: () => {},
  });
}

/** Names of checks that failed with the lines that say why. */
const failures = ({ checks }: FilterReport) =>
  checks.filter(({ problem }) => problem.length > 0).map(({ name, problem }) => [name, ...problem]);

/** A filter of the stream `lines` whose events are handled by this body. */
const filterOf = (body: string, before = '') =>
  ECHO.replace('{ NO_TIME,', '{ malformed, NO_TIME,')
    .replace('events((', `${before}\nevents((`)
    .replace('  lines.open(NO_TIME).text(LINE, line).close();', body);

author(
  'a sample that differs is told as a diff of lines, and --update takes over what is found',
  async ({ project }) => {
    project.write({
      ...filterFiles('echo'),
      'filters/echo/samples/a.log': 'one\ntwo\nthree\n',
      'filters/echo/samples/a.log.json': '{"now":"1970-01-01T00:00:07Z"}',
      'filters/echo/samples/a.log.expected': ['one', 'zwei', 'three']
        .map((line) => `{"stream":"lines","ts":7000,"line":"${line}"}\n`)
        .join(''),
    });
    assert.equal(failures(await check(project, 'echo')), [
      [
        'samples/a.log',
        '- expected, + found; --update takes over what is found',
        '  {"stream":"lines","ts":7000,"line":"one"}',
        '- {"stream":"lines","ts":7000,"line":"zwei"}',
        '+ {"stream":"lines","ts":7000,"line":"two"}',
        '  {"stream":"lines","ts":7000,"line":"three"}',
      ],
    ]);
    project.write({ 'filters/echo/samples/b.log': 'more\n' });
    const updated = await check(project, 'echo', 'update');
    assert.equal(failures(updated), []);
    assert.is(
      updated.notes.filter((note) => /^wrote .*\/samples\/[ab]\.log\.expected$/.test(note)).length,
      2,
    );
    assert.match(
      readFileSync(join(project.folder, 'filters/echo/samples/a.log.expected'), 'utf8'),
      /"line":"two"/,
    );
    assert.not.ok(existsSync(join(project.folder, 'filters/echo/samples/a.log.json.expected')));
    const { figures, memoryBytes } = await check(project, 'echo');
    assert.equal([figures?.events, figures?.records, figures?.bytesIn, memoryBytes], [4, 4, 19, 320 * 1024]);
    assert.ok((figures?.eventNs ?? 0) > 0);

    project.write({ 'filters/echo/samples/a.log.json': '{"nwo":"1970-01-01T00:00:07Z"}' });
    const [[, why] = []] = failures(await check(project, 'echo'));
    assert.match(
      why as string,
      /^SAMPLE_INVALID: .*a\.log\.json: nwo: expected one of the keys config, now, timezone, found "nwo" \(did you mean now\?\); correct the settings/,
    );
  },
);

author('a filter without samples and tests is told so, and still gets junk', async ({ project }) => {
  const body = "  if (line.length == 3000) abort('three thousand');\n  malformed();";
  project.write(filterFiles('bare', filterOf(body)));
  const report = await check(project, 'bare');
  assert.match(
    report.notes.join('\n'),
    /^no unit tests: .*\nno samples: put lines into .*filters\/bare\/samples, then "weir test bare --update"$/,
  );
  const [[name, what, why] = []] = failures(report);
  assert.is(name, 'junk lines stop nothing and change no record');
  assert.match(what as string, /^NUL bytes stops the filter: (\\u0000){120}\.\.\. \(3000 bytes\)$/);
  assert.match(why as string, /^FILTER_FAULT: filter bare: .*three thousand/);
});

author('one cause is told once, whatever could not be checked because of it', async ({ project }) => {
  const passes = "import { test } from 'weir/test';\ntest('passes', () => {});\ntest.run();\n";
  project.write({
    ...filterFiles('start', ECHO.replace("Stream('lines')", "Stream('other')")),
    'filters/start/filter.test.mjs': passes,
    'filters/start/samples/a.log': 'one\n',
  });
  const start = await check(project, 'start');
  assert.equal(
    start.checks.map(({ name }) => name),
    ['it starts'],
  );
  assert.match(failures(start)[0]?.[1] as string, /^MANIFEST_INVALID: filter start: streams: .*other/);
  assert.equal(start.notes, [
    'left out, because it does not start: unit tests, samples, and what holds for every filter',
  ]);

  project.write({
    ...filterFiles('fault', filterOf("  if (line.length > 3) abort('too long');")),
    'filters/fault/samples/a.log': 'longer\n',
    'filters/fault/samples/b.log': 'one\n',
    'filters/fault/samples/b.log.expected': '',
  });
  const fault = await check(project, 'fault');
  const told = failures(fault).flat().join('\n').split('too long (filter.ts:6), at event 1: longer');
  assert.is(told.length, 2, told.join());
  assert.ok(fault.notes.includes('samples that fail to run are left out of what holds for every filter'));
  assert.is(fault.checks.length, 8);
});

author('records that depend on how events are batched are found', async ({ project }) => {
  project.write({
    ...filterFiles('cut', ECHO.replace('.text(LINE, line)', '.int(LINE, <i64>line.start)')),
    'filters/cut/samples/a.log': 'one\ntwo\n',
  });
  const found = failures(await check(project, 'cut', 'update'));
  assert.equal(
    found.map(([name, first]) => [name, first]),
    [
      [
        'the same records for batches of one event, 4 KiB and 1 MiB',
        'a.log: the records differ between batches of one event (-) and of 4 KiB (+)',
      ],
    ],
  );
});

author('a difference is shown in lines that fit a screen, however often it is there', async ({ project }) => {
  const body = `  past.set(line.start, line.start + line.length + 3);
  lines.open(NO_TIME).text(LINE, past).close();`;
  project.write({
    ...filterFiles('past', filterOf(body, 'const past = new Text();')),
    'filters/past/samples/a.log': 'one\ntwo\nthree\nfour\n',
  });
  const problems = failures(await check(project, 'past', 'update'));
  const lines = problems.find(
    ([name]) => name === 'the same records for batches of one event, 4 KiB and 1 MiB',
  );
  assert.ok(lines, 'it reads past its line');
  const [, , ...diff] = lines;
  assert.ok(diff.length <= 25, diff.join('\n'));
  assert.ok(diff.some((line) => line.startsWith('- {')) && diff.some((line) => line.startsWith('+ {')));
  assert.match(diff.at(-1) as string, /^ {2}\.\.\. and [\d,]+ more that differ$/);
});

author('a discarded line that changes what is told of the next one is found', async ({ project }) => {
  const body = `  seen++;
  if (line.length != 4) return;
  lines.open(NO_TIME).int(LINE, seen).close();`;
  project.write({
    ...filterFiles('memory', filterOf(body, 'let seen: i64 = 0;')),
    'filters/memory/samples/a.log': 'four\nfour\n',
  });
  const [[name, what, ...diff] = []] = failures(await check(project, 'memory', 'update'));
  assert.is(name, 'junk lines stop nothing and change no record');
  assert.is(what, 'the records differ between good lines alone (-) and with junk between them (+)');
  assert.ok(diff.includes('- {"stream":"lines","ts":1769860800000,"line":3}'), diff.join('\n'));
});

author(
  'unit tests that fail, hang up or run nothing fail, each with what they print',
  async ({ project }) => {
    const unit = (text: string) => {
      project.write({ 'filters/echo/filter.test.mjs': text });
      return check(project, 'echo').then(failures);
    };
    project.write(filterFiles('echo'));
    const head = "import { assert, load, test } from 'weir/test';\n";
    const passes = `${head}test('echoes', async () => {
    const filter = await load('echo');
    filter.feed(['a'], { now: 5 });
    assert.equal(filter.records(), [{ stream: 'lines', ts: 5, line: 'a' }]);
  });\n`;
    assert.equal(await unit(`${passes}test.run();\n`), []);
    const [[name, ...lines] = []] = await unit(`${passes.replace("line: 'a'", "line: 'b'")}test.run();\n`);
    assert.is(name, 'unit tests');
    assert.match(lines.join('\n'), /FAIL "echoes"[\s\S]*- .*line: 'b'[\s\S]*\+ .*line: 'a'/);
    assert.match(
      String(await unit(passes)),
      /expected tests, found none that ran; a file ends with "test\.run\(\)"/,
    );
    assert.match(
      String(await unit(`${passes}test.run();\nprocess.exit(0);\n`)),
      /expected tests, found none that ran/,
    );
  },
);

author('every file of tests runs, and one that takes long is told of meanwhile', async ({ project }) => {
  const file = (body: string) => `import { assert, test } from 'weir/test';\n${body}\ntest.run();\n`;
  const good = file("test('good', () => {});");
  project.write({ ...filterFiles('echo'), 'filters/echo/filter.test.mjs': good });
  project.write({ 'filters/echo/more.test.mjs': good });
  assert.is((await check(project, 'echo')).checks[0]?.tests, 2);
  project.write({ 'filters/echo/more.test.mjs': file("test('bad', () => assert.ok(false));") });
  const [[name, first, second] = []] = failures(await check(project, 'echo'));
  assert.equal([name, first, second], ['unit tests', 'more.test.mjs:', 'FAIL "bad"']);

  const body =
    "import { writeFileSync } from 'node:fs';\ntest('ends', () => { writeFileSync('pid', String(process.pid)); while (true); });";
  project.write({ 'filters/echo/more.test.mjs': file(body) });
  const endless = weir(['test', 'echo'], project.folder);
  const told = 'weir: filters/echo/more.test.mjs runs; it is stopped after 120 s\n';
  await until(() => endless.err() === told, WAIT_MS, endless.err());
  endless.child.kill('SIGTERM');
  await endless.exited;
  const pid = Number(readFileSync(join(project.folder, 'pid'), 'utf8'));
  await until(() => !existsSync(`/proc/${pid}`), WAIT_MS, 'the tests have ended with what started them');
});

author('each unit test is a case of JUnit, and what none of them tells is one, too', async ({ project }) => {
  const cases = async (body: string) => {
    const text = `import { assert, suite, test } from 'weir/test';\n${body}`;
    project.write({ 'filters/echo/filter.test.mjs': text });
    const xml = junitXml([await check(project, 'echo')]);
    return [...xml.matchAll(/name="(unit tests[^"]*)"[^>]*?(\/?)>/g)].map(([, name, end]) => [
      name,
      end !== '/',
    ]);
  };
  project.write(filterFiles('echo'));
  const tests = "test('good', () => {});\ntest('bad', () => assert.ok(false));\n";
  assert.equal(
    await cases(`${tests}test.run();\nconst more = suite('more');\nmore('one', () => {});\nmore.run();\n`),
    [
      ['unit tests: good', false],
      ['unit tests: bad', true],
      ['unit tests: more one', false],
    ],
  );
  assert.equal(await cases("test('good', () => {});\ntest.run();\n"), [['unit tests: good', false]]);
  const ends = "test('good', () => {});\ntest('ends', () => process.exit(0));\ntest.run();\n";
  assert.equal(await cases(ends), [
    ['unit tests: good', false],
    ['unit tests', true],
  ]);
});

author('what lies among samples and is none is told', async ({ project }) => {
  project.write({
    ...filterFiles('echo'),
    'filters/echo/samples/gone.log.expected': '',
    'filters/echo/samples/deep/a.log': 'one\n',
    'filters/echo/samples/empty.log': '',
    'filters/echo/samples/empty.log.expected': '',
  });
  const report = await check(project, 'echo');
  assert.match(
    report.notes.join('\n'),
    /^\S*filters\/echo\/samples\/deep: not looked into: samples are files\n\S*gone\.log\.expected: expected records of no sample\nno unit tests/,
  );
  assert.equal(failures(report), []);
  assert.match(reportText(report), /\n {2}320 KiB of memory\n$/, 'nothing is measured of no event');
  writeFileSync(join(project.folder, 'filters/echo/samples/old.log'), gzipSync('one\n'));
  const [[, packed] = []] = failures(await check(project, 'echo'));
  assert.match(
    packed as string,
    /^INPUT_UNREADABLE: .*samples\/old\.log: expected lines, found data compressed with gzip; /,
  );
});

author(
  'a unit test that fails shows what differs and where, and nothing of the libraries',
  async ({ project }) => {
    project.write({
      ...filterFiles('echo'),
      'filters/echo/filter.test.mjs': `import { assert, load, suite, test } from 'weir/test';
test('differs', async () => {
  const filter = await load('echo');
  filter.feed(['a', 'b'], { now: 5 });
  assert.equal(filter.records(), [{ stream: 'lines', ts: 5, line: 'a' }, { stream: 'lines', ts: 5, line: 'c' }]);
});
test('throws', () => undefined.nothing);
test('throws a text', () => {
  throw 'a text';
});
test('passes', () => assert.ok(true));
test.run();
const more = suite('more');
more('has a message', () => assert.match('abc', /x/, 'no x'));
more.run();
`,
    });
    const { out } = await project.said('test echo');
    const frame = (place: string) => `    at filters/echo/filter.test.mjs:${place}`;
    const expected = [
      'FAIL "differs"',
      '    Expected values to be deeply equal: - expected, + found',
      '',
      '          [',
      "            { line: 'a', stream: 'lines', ts: 5 }",
      "        -   { line: 'c', stream: 'lines', ts: 5 }",
      "        +   { line: 'b', stream: 'lines', ts: 5 }",
      '          ]',
      frame('5:10'),
      '',
      'FAIL "throws"',
      "    TypeError: Cannot read properties of undefined (reading 'nothing')",
      '',
      frame('7:32'),
      '',
      'FAIL "throws a text"',
      "    expected an error where one is thrown, found 'a text'",
      '',
      'FAIL more  "has a message"',
      '    no x',
      '',
      "        found 'abc'",
      frame('14:36'),
    ];
    const lines = expected.map((line) => `         ${line}\n`).join('');
    assert.ok(out.startsWith(`echo\n  FAIL unit tests\n${lines}  ok   `), out);
  },
);

author.run();
