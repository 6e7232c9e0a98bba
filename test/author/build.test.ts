/**
 * `weir build`, and the builds that other commands begin by themselves.
 */
import { readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { driveFilter } from '../../host/author/drive.js';
import { buildFilter, filterIn, findFilter, projectIn } from '../../host/author/project.js';
import { ECHO, filterFiles, type TestProject, testProject } from './project.js';

const author = suite<{ project: TestProject }>('weir build');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

const quiet = () => {};
const ECHO_TEXT = ECHO.replace("key('line')", "key('text')");

author('each mistake is told once, with its line, and the last line is one error', async ({ project }) => {
  project.write(filterFiles('broken', `${ECHO}\tnothing();\nconst a: i32 = 'text';\n`));
  const { code, out, err } = await project.said('build broken');
  assert.is(code, 1);
  assert.is(out, '');
  assert.is(
    err,
    `filters/broken/filter.ts:7:2: ERROR TS2304: Cannot find name 'nothing'.
    \tnothing();
    \t^^^^^^^
filters/broken/filter.ts:8:16: ERROR TS2322: Type '~lib/string/String' is not assignable to type 'i32'.
    const a: i32 = 'text';
                   ^^^^^^
weir: BUILD_FAILED: filter broken: expected a module, found the 2 mistakes above; correct the lines that the compiler names
`,
  );
  project.write({ 'filters/broken/filter.ts': 'let a = ;\n' });
  const syntax = await project.said('build broken');
  assert.match(syntax.err, /^filters\/broken\/filter\.ts:1:9: ERROR TS1109: Expression expected\.\n/);
  assert.is(syntax.err.split('Expression expected').length, 2, syntax.err);
  assert.match(
    syntax.err,
    /\nweir: BUILD_FAILED: filter broken: expected a module, found the mistake above; /,
  );
});

author('a broken filter does not keep the others from being built', async ({ project }) => {
  project.write({
    ...filterFiles('a', 'let a = ;\n'),
    ...filterFiles('b'),
    ...filterFiles('c'),
    'filters/c/filter.json': '{}',
  });
  const { code, out, err } = await project.said('build');
  assert.is(code, 1);
  assert.is(out, 'built b\n');
  assert.match(
    err,
    /BUILD_FAILED: filter a: .*\nweir: MANIFEST_INVALID: .*c\/filter\.json: [\s\S]*\nweir: 2 of 3 not built: a, c\n$/,
  );
});

author('a folder without filters is a clear error, for build and test', async ({ project }) => {
  for (const command of ['build', 'test', 'build some', 'test some']) {
    const { code, err } = await project.said(command);
    assert.is(code, 1);
    assert.is(
      err,
      `weir: FILTERS_MISSING: ${join(project.folder, 'filters')}: expected filters, found none; run "weir new NAME" to write one, or go to the folder that has "filters"\n`,
    );
  }
});

author(
  'a module does not depend on the folder, and its source may be in several files',
  async ({ project }) => {
    const source = ECHO.replace("key('line')", 'key(NAME)').replace(/^/, "import { NAME } from './names';\n");
    const files = {
      ...filterFiles('parts', source),
      'filters/parts/names.ts': "export const NAME = 'text';\n",
    };
    project.write(files);
    project.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`deep/${name}`, text])));
    const modules = [];
    for (const folder of [project.folder, join(project.folder, 'deep')]) {
      await buildFilter(projectIn(folder), 'parts', quiet);
      modules.push(readFileSync(join(folder, 'dist/filters/parts/filter.wasm')));
    }
    assert.ok(modules[0]?.equals(modules[1] as Buffer));
    const filter = await filterIn(join(project.folder, 'deep/filters/parts'), 'parts', quiet);
    assert.equal(driveFilter(filter, { now: 7 }).feed(['one']).records('lines'), [{ ts: 7, text: 'one' }]);
  },
);

author('what is newer than its module is built first, what is not is left alone', async ({ project }) => {
  project.write(filterFiles('echo'));
  const own = projectIn(project.folder);
  const records = async () =>
    driveFilter(await findFilter(own, 'echo', quiet), { now: 7 })
      .feed(['one'])
      .records();
  assert.equal(await records(), [{ stream: 'lines', ts: 7, line: 'one' }]);
  const builtMs = () => statSync(join(own.built, 'echo/filter.wasm')).mtimeMs;
  const first = builtMs();
  await records();
  assert.is(builtMs(), first);
  project.write({ 'filters/echo/filter.ts': ECHO_TEXT });
  const later = new Date(first + 5_000);
  utimesSync(join(own.sources, 'echo/filter.ts'), later, later);
  assert.equal(await records(), [{ stream: 'lines', ts: 7, text: 'one' }]);
});

author('a filter whose source is gone still runs, and is told of', async ({ project }) => {
  project.write({ ...filterFiles('echo'), ...filterFiles('other'), 'in.log': 'one\n' });
  await project.build('echo');
  rmSync(join(project.folder, 'filters/echo'), { recursive: true });
  const { code, err } = await project.said('replay echo in.log');
  assert.is(code, 0);
  assert.is(err, `weir: echo as it was built once: its source ${project.folder}/filters/echo is gone\n`);
});

author(
  'replay takes a filter of the project before a shipped one of its name, and of a folder',
  async ({ project }) => {
    project.write({ ...filterFiles('files'), 'in.log': 'one\n' });
    await buildFilter(projectIn(project.folder), 'files', quiet);
    const lines = /^\{"stream":"lines","ts":\d+,"line":"one"\}\n\{"stream":"ledger",.*\}\n$/;
    assert.match((await project.said('replay files in.log')).out, lines);
    for (const directory of ['dist/filters', 'dist/filters/files'])
      assert.match(
        (await project.said(`replay files in.log --filter-dir ${directory}`)).out,
        lines,
        directory,
      );
    assert.is((await project.said('replay ssh-auth in.log')).err, '');
    const { err } = await project.said('replay nothing in.log');
    assert.match(
      err,
      /FILTER_UNKNOWN: filter "nothing": expected one of .*files, .*json-select, .*ssh-auth, /,
    );
    const inFolder = await project.said('replay ssh-auth in.log --filter-dir filters');
    assert.match(inFolder.err, /FILTER_UNKNOWN: filter "ssh-auth": expected one of files; /);
  },
);

author.run();
