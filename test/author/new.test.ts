/**
 * `weir new`: a filter to begin with. That it passes as it is, `shipped.test.ts` and `outside.test.ts` show.
 */
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../command.js';
import { type TestProject, testProject } from './project.js';

const author = suite<{ project: TestProject }>('weir new');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

author('a new filter is told file by file, with what to do next', async ({ project }) => {
  const { code, out, err } = await project.said('new my-filter');
  assert.is(code, 0, err);
  const files = [
    'filter.ts',
    'filter.json',
    'filter.test.mjs',
    'samples/first.log',
    'samples/first.log.expected',
  ];
  const wrote = [...files.map((file) => `my-filter/${file}`), 'tsconfig.json'].map(
    (file) => `wrote filters/${file}\n`,
  );
  assert.is(out, `${wrote.join('')}next: weir test my-filter\n`);
});

author('a name that a shipped filter has is told', async ({ project }) => {
  const { code, out } = await project.said('new ssh-auth');
  assert.is(code, 0);
  assert.match(out, /\nnote: weir ships a ssh-auth, whose place this one takes in this folder\nnext: .*\n$/);
});

author('editors and tsc know the types of AssemblyScript and of the library', async ({ project }) => {
  await project.said('new typed');
  mkdirSync(join(project.folder, 'node_modules'));
  symlinkSync(ROOT, join(project.folder, 'node_modules/weir'));
  symlinkSync(join(ROOT, 'node_modules/assemblyscript'), join(project.folder, 'node_modules/assemblyscript'));
  const tsc = () =>
    spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'filters'], {
      cwd: project.folder,
      encoding: 'utf8',
    }).stdout;
  assert.is(tsc(), '');
  const source = join(project.folder, 'filters/typed/filter.ts');
  writeFileSync(
    source,
    `${readFileSync(source, 'utf8')}const wrong: i32 = key('a');\nconst wide: v128 = 1;\n`,
  );
  assert.match(tsc(), /^filters\/typed\/filter\.ts\(14,7\): .*'Key' is not assignable to type 'number'/);
});

author('nothing is overwritten, and a name that cannot be one is refused', async ({ project }) => {
  project.write({ 'filters/taken/notes.txt': 'mine', 'filters/tsconfig.json': '{}' });
  const taken = await project.said('new taken');
  assert.is(taken.code, 1);
  assert.match(
    taken.err,
    /^weir: FILE_EXISTS: .*filters\/taken: expected no such folder, found one; choose another name.*\n$/,
  );
  assert.not.ok(existsSync(join(project.folder, 'filters/taken/filter.ts')));
  await project.said('new free');
  assert.is(readFileSync(join(project.folder, 'filters/tsconfig.json'), 'utf8'), '{}');
  for (const name of ['../up', 'a.b', 'ä', `${'n'.repeat(64)}`]) {
    const { code, err } = await project.said(`new ${name}`);
    assert.is(code, 2, name);
    assert.match(
      err,
      /^weir: USAGE: NAME: expected 1 to 63 letters, digits, "_" and "-", found ".*"; see --help\n$/,
    );
  }
});

author('where nothing can be written the error is one line', async ({ project }) => {
  project.write({ filters: 'a file' });
  const { code, err } = await project.said('new any');
  assert.is(code, 1);
  assert.match(
    err,
    /^weir: OUTPUT_UNWRITABLE: .*filters\/any\/filter\.ts: expected to write it, found \w+; make room there, or choose .*\n$/,
  );
});

author.run();
