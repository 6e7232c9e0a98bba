/**
 * `weir bundle`, as a process.
 */
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TestProject, testProject } from '../author/project.js';
import { saidHere, ROOT } from '../command.js';
import { bundledFiles, echoed } from './bundles.js';

const command = suite<{ project: TestProject }>('weir bundle');
command.before.each(async (context) => {
  context.project = await testProject();
});
command.after.each(({ project }) => project.remove());

command('what "weir new" writes can be bundled once there is a licence', async ({ project }) => {
  await project.said('new my-filter');
  const without = await project.said('bundle my-filter');
  assert.is(without.code, 1);
  assert.match(
    without.err,
    /^weir: BUNDLE_INVALID: .*\/LICENSE: expected the text of a licence, here or in .*\/my-filter\/LICENSE, found neither; .*\n$/,
  );
  project.write({ LICENSE: 'Do as you like.\n' });
  const { code, out, err } = await project.said('bundle my-filter');
  assert.is(code, 0, err);
  const [, path = '', label, bytes, hash] =
    /^(my-filter-0\.1\.0-[0-9a-f]{12}\.bundle)\n {2}label {3}(.*)\n {2}bytes {3}(.*)\n {2}sha256 {2}(.*)\n$/.exec(
      out,
    ) ?? [];
  const found = readFileSync(join(project.folder, path));
  assert.is(label, path.replace('-0.1.0-', '@0.1.0+').replace('.bundle', ''));
  assert.is(bytes, String(found.length));
  assert.is(hash, createHash('sha256').update(found).digest('hex'));
  assert.is(
    spawnSync('tar', ['tzf', path], { cwd: project.folder, encoding: 'utf8' }).stdout,
    'LICENSE\nfilter.json\nfilter.wasm\nsamples/first.log\nsamples/first.log.expected\n',
  );
});

command('several shipped filters go into a folder, each told as JSON', async ({ project }) => {
  const folder = join(project.folder, 'a/b');
  const { code, err, records } = await saidHere(
    ['bundle', 'ssh-auth', 'files', 'ssh-auth', '--out', folder, '--json'],
    ROOT,
  );
  assert.is(code, 0, err);
  const found = records() as { path: string; bytes: number; sha256: string; label: string; target: string }[];
  assert.equal(
    found.map(({ label }) => label.split('@')[0]),
    ['ssh-auth', 'files'],
  );
  for (const { path, bytes, sha256, target } of found) {
    assert.is(path, join(folder, target.replace('filters/', '')));
    const content = readFileSync(path);
    assert.equal([bytes, sha256], [content.length, createHash('sha256').update(content).digest('hex')]);
  }
});

command('a sample that gives other records is refused before anything is written', async ({ project }) => {
  project.write({ ...bundledFiles('echo'), 'filters/echo/samples/a.log.expected': echoed('one', 'zwei') });
  await project.build('echo');
  const { code, out, err } = await project.said('bundle echo -o mine.bundle');
  assert.is(code, 1);
  assert.is(out, '');
  assert.match(
    err,
    /^weir: SELF_TEST_FAILED: echo@1\.0\.0\+[0-9a-f]{12}: samples\/a\.log: line 2: expected \{.*"zwei"\}, found \{.*"two"\}; .*\n$/,
  );
  assert.not.ok(existsSync(join(project.folder, 'mine.bundle')));
  project.write({ 'filters/echo/samples/a.log.expected': echoed('one', 'two') });
  assert.is((await project.said('bundle echo -o mine.bundle')).code, 0);
  assert.ok(existsSync(join(project.folder, 'mine.bundle')));
});

command('options that do not go together are told, and what cannot be written', async ({ project }) => {
  project.write(bundledFiles('echo'));
  await project.build('echo');
  for (const [args, expected] of [
    ['bundle', 'expected at least one NAME, found 0'],
    ['bundle a b -o x', '--file: expected one NAME and no --out, because it names one file'],
    ['bundle a -o x --out y', '--file: expected one NAME and no --out, because it names one file'],
  ] as const) {
    const { code, err } = await project.said(args);
    assert.equal([code, err], [2, `weir: USAGE: ${expected}; see --help\n`]);
  }
  const { code, err } = await project.said('bundle echo --out LICENSE');
  assert.is(code, 1);
  assert.match(err, /^weir: OUTPUT_UNWRITABLE: LICENSE: expected a folder, found EEXIST; /);
});

command.run();
