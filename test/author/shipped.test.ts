/**
 * The shipped filters pass what `weir test` asks of every filter; and the command itself, from JUnit to a save.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT, said, saidHere, weir } from '../command.js';
import { until } from '../help.js';
import { COMPILE_MS_MAX, type TestProject, testProject } from './project.js';

const author = suite<{ project: TestProject }>('weir test');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

author('every shipped filter passes all its checks', async () => {
  const { code, out, err } = await said(['test'], ROOT, COMPILE_MS_MAX);
  assert.is(code, 0, out + err);
  assert.match(out, /^files\n {2}ok {3}\d+ unit tests\n/m);
  assert.match(out, /\n[1-9]\d* filters, \d+ checks, 0 failed\n$/);
});

author(
  'a new filter passes; --junit writes the results, --watch tests again after a save',
  async ({ project }) => {
    await project.said('new echo');
    const junit = join(project.folder, 'junit.xml');
    const watching = weir(['test', 'echo', '--watch', '--junit', junit], project.folder);
    const rounds = (count: number) =>
      until(
        () => watching.out().split('waiting for the next save').length > count,
        COMPILE_MS_MAX,
        `round ${count}: ${watching.out()}${watching.err()}`,
      );
    await rounds(1);
    assert.match(watching.out(), /^echo\n {2}ok {3}1 unit test\n {2}ok {3}samples\/first\.log\n/);
    assert.match(watching.out(), /\n1 filter, 8 checks, 0 failed\n/);
    assert.match(readFileSync(junit, 'utf8'), /<testsuite name="echo" tests="8" failures="0"/);
    assert.match(
      readFileSync(junit, 'utf8'),
      /<testcase classname="echo" name="unit tests: an error is told with its program, other lines are counted" time="[\d.]+"\/>/,
    );
    writeFileSync(join(project.folder, 'filters/echo/samples/first.log'), 'error without a header\n');
    await rounds(2);
    assert.match(watching.out(), /FAIL samples\/first\.log\n[\s\S]*- \{"stream":"errors"/);
    assert.match(readFileSync(junit, 'utf8'), /failures="1"/);
    writeFileSync(join(project.folder, 'filters/echo/filter.ts'), 'nothing();\n');
    await rounds(3);
    assert.is(watching.err(), '');
    assert.match(
      watching.out(),
      /\necho\n {2}FAIL it builds, and its samples can be read\n {9}filters\/echo\/filter\.ts:1:1: ERROR TS2304: .*\n {13}nothing\(\);\n {13}\^+\n {9}BUILD_FAILED: filter echo: .*\n\n1 filter, 1 check, 1 failed\n/,
    );
    assert.match(
      readFileSync(junit, 'utf8'),
      /<failure message="filters\/echo\/filter\.ts:1:1: ERROR TS2304: /,
    );
    watching.child.kill('SIGINT');
    assert.is(await watching.exited, 0);
  },
);

author('every mistake of a manifest is told', async ({ project }) => {
  await project.said('new echo');
  const path = join(project.folder, 'filters/echo/filter.json');
  const { purpose: _, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...rest, fuel: 5 }));
  const { code, out } = await project.said('test echo');
  assert.is(code, 1, out);
  assert.match(out, / {9}MANIFEST_INVALID: .*purpose: expected a sentence, found nothing \(and 1 more\); /);
  assert.match(out, /\n {9}fuel: expected a whole number from 100000 to 1000000000, found 5/);
});

author('a filter that never ends starting is told of once, not in every check', async ({ project }) => {
  await project.said('new echo');
  writeFileSync(join(project.folder, 'filters/echo/filter.ts'), 'while (true) {}\n');
  const { code, out } = await project.said('test echo');
  assert.is(code, 1, out);
  assert.match(
    out,
    /^echo\n {2}FAIL it starts\n {9}FILTER_FAULT: filter echo: weir_start used up the fuel of 100000000 .*\n {2}note left out, .*\n.*\n\n1 filter, 1 check, 1 failed\n$/,
  );
});

author('an output that cannot be written is one line, before anything is tested', async () => {
  const { code, out, err } = await saidHere(
    ['test', 'files', '--junit', '/proc/none/junit.xml'],
    ROOT,
    COMPILE_MS_MAX,
  );
  assert.equal([code, out], [1, '']);
  assert.match(
    err,
    /^weir: OUTPUT_UNWRITABLE: \/proc\/none\/junit\.xml: expected the folder \/proc\/none, found none; .*\n$/,
  );
});

author.run();
