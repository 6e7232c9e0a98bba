/**
 * `weir dev` and `weir test --watch` while folders are moved, replaced and made: they go on with what is there.
 */
import { appendFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Running, weir } from '../command.js';
import { until } from '../help.js';
import { COMPILE_MS_MAX, filterFiles, type TestProject, testProject } from './project.js';

const author = suite<{ project: TestProject }>('saves');
author.before.each(async (context) => {
  context.project = await testProject();
  context.project.write({
    ...filterFiles('echo'),
    'filters/other/filter.json': '{}',
    'filters/echo/samples/a.log': 'one\n',
    'filters/echo/samples/a.log.expected': '{"stream":"lines","ts":1769860800000,"line":"one"}\n',
  });
  await context.project.build('echo');
});
author.after.each(({ project }) => project.remove());

const ended = async ({ child, exited }: Running) => {
  child.kill('SIGINT');
  return exited;
};

/** Waits until a command says what it has not said before the last call. */
const seen = new WeakMap<Running, { readonly out: number; readonly err: number }>();
const saw = async (running: Running, text: RegExp) => {
  const from = seen.get(running) ?? { out: 0, err: 0 };
  const said = () => `${running.out().slice(from.out)}\n${running.err().slice(from.err)}`;
  await until(() => text.test(said()), COMPILE_MS_MAX, `${text}: ${said()}`);
  seen.set(running, { out: running.out().length, err: running.err().length });
};

for (const [where, input] of Object.entries({ inside: 'filters/echo/samples/a.log', elsewhere: 'in.log' }))
  author(`dev goes on when the filter's folder was away, with its input ${where}`, async ({ project }) => {
    project.write({ 'in.log': 'one\n' });
    const at = (path: string) => join(project.folder, path);
    const dev = weir(['dev', 'echo', '--input', input], project.folder);
    await saw(dev, /1 event, /);
    renameSync(at('filters/echo'), at('away'));
    await saw(dev, /weir: FILTERS_MISSING: .*filters: expected filters, found none; .*\n/);
    renameSync(at('away'), at('filters/echo'));
    await saw(dev, /1 event, /);
    appendFileSync(at(input), 'two\n');
    await saw(dev, /2 events, /);
    assert.is(await ended(dev), 0);
  });

author('test --watch NAME goes on when its folder was away', async ({ project }) => {
  const at = (path: string) => join(project.folder, path);
  const test = weir(['test', '--watch', 'echo'], project.folder);
  await saw(test, /1 filter, 7 checks, 0 failed/);
  renameSync(at('filters'), at('away'));
  await saw(test, /weir: FILTERS_MISSING: /);
  renameSync(at('away'), at('filters'));
  await saw(test, /1 filter, 7 checks, 0 failed/);
  appendFileSync(at('filters/echo/samples/a.log'), 'two\n');
  await saw(test, /1 filter, 7 checks, 1 failed/);
  assert.is(await ended(test), 0);
});

author('test --watch sees a filter that is written meanwhile', async ({ project }) => {
  const test = weir(['test', '--watch'], project.folder);
  await saw(test, /1 filter, 7 checks, 0 failed/);
  project.write(filterFiles('new'));
  await saw(test, /2 filters, 13 checks, 0 failed/);
  assert.is(await ended(test), 0);
});

author.run();
