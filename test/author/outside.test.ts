/**
 * An author who has only the package: `filters/README.md` as a newcomer follows it, outside of this repository.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSamples } from '../../host/author/samples.js';
import { parseConfig } from '../../host/config.js';
import { ROOT } from '../command.js';
import { type TestProject, testProject } from './project.js';

const PAGE = readFileSync(join(ROOT, 'filters/README.md'), 'utf8');
const STEP_MS_MAX = 100_000;

const author = suite<{ project: TestProject }>('outside');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

function blocks(language: string): string[] {
  return [...PAGE.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text as string);
}

/** Whatever npm was told where the tests were started. */
const NPM = {
  npm_config_loglevel: 'notice',
  npm_config_prefer_offline: 'true',
  npm_config_update_notifier: 'false',
};

function run(command: string, args: readonly string[], folder: string) {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...NPM },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), STEP_MS_MAX);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** A `Distinct` of precision 4, and a `TopK` of 16 keys, as `filters/REFERENCE.md` has their bytes. */
const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64');
const registers = (number: number) => base64(`${'00'.repeat(number)}01${'00'.repeat(15 - number)}`);
const entry = (count: number, key: string) =>
  `0${count}${'00'.repeat(15)}0${key.length}000000${Buffer.from(key).toString('hex')}`;
const top = (sum: number, ...entries: string[]) =>
  base64(`0${sum}${'00'.repeat(7)}100000000${entries.length}000000${entries.join('')}`);
const HOUR = [
  { users: registers(3), talkers: top(5, entry(3, 'ann'), entry(2, 'bob')) },
  { users: registers(7), talkers: top(4, entry(2, 'ann'), entry(2, 'bob')) },
];

author('a newcomer follows the page from an empty folder to a filter that passes', async ({ project }) => {
  mkdirSync(join(project.folder, 'weir'));
  const packed = await run('npm', ['pack', '--pack-destination', join(project.folder, 'weir')], ROOT);
  assert.is(packed.code, 0, packed.output);
  assert.match(packed.output, /\nweir-0\.1\.0\.tgz\n$/);
  assert.not.match(packed.output, /\.test\./, 'what is packed is not what tests need');

  const followed = await run('sh', ['-ec', blocks('sh').join('\n')], project.folder);
  assert.is(followed.code, 0, followed.output);
  for (const shown of blocks(''))
    assert.ok(followed.output.includes(shown), `${shown}\nin\n${followed.output}`);
  assert.match(followed.output, /one check fails, as it should\n/);
  assert.match(followed.output, /1 filter, 8 checks, 0 failed\n$/);

  const own = join(project.folder, 'my-filters');
  const filter = join(own, 'filters/my-filter');
  const [source] = blocks('ts');
  assert.is(
    readFileSync(join(filter, 'filter.ts'), 'utf8'),
    source?.replace("select(['error'])", "select(['error', 'failed'])"),
  );
  writeFileSync(join(filter, 'filter.test.mjs'), blocks('js')[0] as string);
  const [settings, config] = blocks('json');
  writeFileSync(join(filter, 'samples/first.log.json'), settings as string);
  assert.equal(readSamples(filter)[0]?.settings, JSON.parse(settings as string));
  const { filters, sources } = parseConfig(JSON.parse(config as string), own);
  assert.equal([filters[0]?.filter, filters[0]?.from], ['my-filter', [sources[0]?.name]]);
  const plain = await run('node', ['filters/my-filter/filter.test.mjs'], own);
  assert.match(plain.output, /Passed: {4}1\n/, 'a unit test also runs by itself');

  const [, copies] = /`(cp -r \S+ \S+)`/.exec(PAGE) ?? [];
  assert.is((await run('sh', ['-ec', copies as string], own)).output, '');
  const example = join(own, 'filters/ssh-auth');
  assert.equal(
    readSamples(example).map(({ name }) => name),
    ['forged-names.log', 'guessing.log'],
  );
  assert.ok(existsSync(join(example, 'filter.ts')), 'its types are checked with the others');

  writeFileSync(join(own, 'merge.mjs'), blocks('js')[1] as string);
  writeFileSync(join(own, 'hour.json'), HOUR.map((record) => `${JSON.stringify(record)}\n`).join(''));
  const merged = await run('sh', ['-c', 'node merge.mjs < hour.json'], own);
  assert.is(merged.output, '2 users, give or take 1\n"ann": 5 to 5\n"bob": 4 to 4\n');

  const tsc = await run(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'filters'],
    own,
  );
  assert.is(tsc.output, '');
  writeFileSync(join(filter, 'filter.ts'), 'nothing();\n');
  const broken = await run('npx', ['weir', 'build', 'my-filter'], own);
  assert.match(
    broken.output,
    /^filters\/my-filter\/filter\.ts:1:1: ERROR TS2304: Cannot find name 'nothing'\.\n/,
  );
  assert.match(broken.output, /\nweir: BUILD_FAILED: .*\n$/);
});

author('the page names every command of authors, and only what they take', async ({ project }) => {
  for (const [, name, rest] of PAGE.matchAll(/`(?:npx )?weir (\w+)([^`]*)`(?:[^|\n]*\| ([^\n]*) \|)?/g)) {
    const { code, out } = await project.said(`${name} --help`);
    assert.is(code, 0, name);
    for (const [option] of rest?.matchAll(/--[\w-]+/g) ?? [])
      assert.ok(out.includes(option), `${name} ${option}`);
  }
});

author.run();
