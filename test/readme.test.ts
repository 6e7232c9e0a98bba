/**
 * The README as a user follows it: its code blocks are what the host takes and prints.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { budgetOf, HEAP_BYTES } from '../host/budget.js';
import { parseConfig } from '../host/config.js';
import { loadFilter } from '../host/filter/library.js';
import { brokerAvailable } from './broker.js';
import { ROOT, said } from './command.js';
import { runFilter } from './filter.js';
import { temporaryFolder } from './help.js';
import { compiledModule } from './runtime/testfilter.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

const readme = suite<{ folder: string }>('README');
readme.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
readme.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** The blocks of the README in one language. */
function blocks(language: string): string[] {
  const found = README.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].filter(([, name]) => name === language).map(([, , text]) => text as string);
}

readme("the README's filter of ten lines compiles and tells every command of sudo", async ({ folder }) => {
  const [source] = blocks('ts');
  const sudo = join(folder, 'sudo');
  mkdirSync(sudo);
  writeFileSync(join(sudo, 'filter.ts'), source as string);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'filters/ssh-auth/filter.json'), 'utf8'));
  const write = (part: object) =>
    writeFileSync(join(sudo, 'filter.json'), JSON.stringify({ ...manifest, ...part }));
  copyFileSync(await compiledModule(sudo), join(sudo, 'filter.wasm'));
  write({ name: 'sudo', streams: { commands: 'one record a command' } });
  const { records } = runFilter(
    'sudo',
    [
      'Jan 31 10:00:00 fw sudo: ann : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/sh',
      'Jan 31 10:00:01 fw cron: COMMAND=/bin/sh',
      '<5>1 - fw sudo - - - COMMAND=/bin/id',
    ],
    { folder, now: '2026-01-31T12:00:00Z' },
  );
  assert.equal(records, [
    {
      stream: 'commands',
      ts: Date.parse('2026-01-31T10:00:00Z'),
      command: 'ann : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/sh',
    },
    { stream: 'commands', ts: Date.parse('2026-01-31T12:00:00Z'), command: 'COMMAND=/bin/id' },
  ]);
  write({});
  assert.throws(
    () => loadFilter('sudo', folder),
    /filter\.json: name: expected "sudo", as its folder is called, found "ssh-auth" \(a string\); correct filter\.json/,
  );
});

readme("the README's config, commands and output are what the host takes and prints", async () => {
  const [json] = blocks('json');
  const config = parseConfig(JSON.parse(json as string), '/etc/weir/weir.json');
  assert.equal(
    config.filters.map(({ filter }) => filter),
    ['ssh-auth', 'files', 'processes', 'json-select', 'json-select'],
  );
  const manifests = new Map(
    config.filters.map((entry) => [entry.instance, loadFilter(entry.filter).manifest]),
  );
  assert.is(budgetOf(config, manifests, HEAP_BYTES).warning, undefined);
  for (const { filter, config: settings } of config.filters) runFilter(filter, [], { config: settings });

  const replay = blocks('sh').find((block) => block.startsWith('weir replay')) as string;
  const { code, out } = await said(replay.trim().split(' ').slice(1));
  assert.is(code, 0);
  const shown = blocks('').find((block) => block.startsWith('{"stream"')) as string;
  assert.ok(out.startsWith(shown.slice(0, shown.indexOf('...'))), out.split('\n')[0]);
  const mentioned = [...README.matchAll(/`?weir (\w+)((?: --[\w-]+)*)/g)].filter(([, name]) =>
    ['run', 'replay', 'tap', 'verify', 'new', 'build', 'test', 'dev', 'capture', 'inspect'].includes(
      name as string,
    ),
  );
  for (const [, name, options] of mentioned) {
    const { out: help } = await said([name as string, '--help']);
    for (const option of options?.trim().split(' ').filter(Boolean) ?? [])
      assert.ok(help.includes(option), option);
  }
});

if (brokerAvailable())
  readme("nats-server takes the README's configurations", ({ folder }) => {
    const found = blocks('conf');
    assert.is(found.length, 2);
    for (const [at, text] of found.entries()) {
      const path = join(folder, `${at}.conf`);
      writeFileSync(path, text);
      const { status, stderr } = spawnSync('nats-server', ['-t', '-c', path], { encoding: 'utf8' });
      assert.is(status, 0, stderr);
    }
  });

readme.run();
