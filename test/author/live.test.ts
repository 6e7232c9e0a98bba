/**
 * What authors do with live things: a replay of a pipe, `weir dev` while they save.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { weir } from '../command.js';
import { until } from '../help.js';
import { COMPILE_MS_MAX, ECHO, filterFiles, type TestProject, testProject } from './project.js';

const NOW = '2026-02-01T00:00:00Z';
const line = (user: string, address = '10.0.0.1') =>
  `Jan 31 10:00:00 fw sshd[7]: Failed password for ${user} from ${address} port 22 ssh2\n`;

const author = suite<{ project: TestProject }>('authors');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

author('replay reads standard input where - stands, and sums up for people', async ({ project }) => {
  project.write({ 'a.log': line('one').trimEnd(), 'b.log': `${line('three')}cron\n` });
  const args = ['replay', 'ssh-auth', 'a.log', '-', 'b.log', '--now', NOW, '--summary'];
  const { child, exited, out, err } = weir(args, project.folder, 'pipe');
  child.stdin?.write(line('two').slice(0, 30));
  child.stdin?.end(line('two').slice(30));
  assert.is(await exited, 0, err());
  const records = out()
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text));
  assert.equal(
    records.filter(({ stream }) => stream === 'logins').map(({ user }) => user),
    ['one', 'two', 'three'],
  );
  assert.match(
    err(),
    /^ssh-auth 1\.0\.0, 1\.9 MiB of memory\n +4 events, \d+ bytes\n +3 kept\n +0 aggregated\n +1 discarded\n +0 malformed\n +3 records of logins\n +1 record of sources\n +1 record of ledger\n +\d+ bytes out, \d+ compressed \([\d.]+ to 1\)\n +[\d,]+ fuel an event\n +[\d.]+ seconds, [\d,]+ events\/s\n$/,
  );
});

author(
  'dev and replay take the settings beside a sample, and options go before them',
  async ({ project }) => {
    const settings = { now: '1970-01-01T00:00:07Z', timezone: 'Europe/Berlin' };
    project.write({
      ...filterFiles('echo'),
      'filters/echo/samples/a.log': 'one\n',
      'filters/echo/samples/a.log.json': JSON.stringify(settings),
      'a.log': 'one\n',
      'a.log.json': JSON.stringify(settings),
    });
    await project.build('echo');
    const beside = 'now, timezone as in filters/echo/samples/a.log.json\n';
    const time = (out: string) => JSON.parse(out.split('\n')[0] as string).ts;
    const sample = await project.said('replay echo filters/echo/samples/a.log');
    assert.equal([time(sample.out), sample.err], [7000, `weir: ${beside}`]);
    const given = '--now 1970-01-01T00:00:09Z --timezone UTC';
    const explicit = await project.said(`replay echo filters/echo/samples/a.log ${given}`);
    assert.equal([time(explicit.out), explicit.err], [9000, '']);
    const other = await project.said('replay echo a.log');
    assert.ok(time(other.out) > 9000);
    assert.is(other.err, '');

    const args = ['dev', 'echo', '--input', 'filters/echo/samples/a.log', '--timezone', 'UTC'];
    const dev = weir(args, project.folder);
    await until(() => dev.err().includes('waiting for the next save'), COMPILE_MS_MAX, 'a round');
    assert.is(time(dev.out()), 7000);
    assert.ok(dev.err().startsWith('now as in filters/echo/samples/a.log.json\n'), dev.err());
  },
);

author('dev shows what a save has changed, and mistakes in their place', async ({ project }) => {
  project.write({ ...filterFiles('echo'), 'input/in.log': 'one\ntwo\n' });
  const dev = weir(
    ['dev', 'echo', '--input', 'input/in.log', '--now', '1970-01-01T00:00:07Z'],
    project.folder,
  );
  const round = (count: number) =>
    until(
      () => dev.err().split('waiting for the next save').length > count,
      COMPILE_MS_MAX,
      `round ${count}: ${dev.out()}${dev.err()}`,
    );
  await round(1);
  const record = (text: string, key = 'line') => `{"stream":"lines","ts":7000,"${key}":"${text}"}\n`;
  assert.is(dev.out(), record('one') + record('two'));
  appendFileSync(join(project.folder, 'input/in.log'), 'three\n');
  await round(2);
  assert.is(dev.out().split(record('two')).slice(2).join(''), `+ ${record('three')}`);
  writeFileSync(join(project.folder, 'filters/echo/filter.ts'), `${ECHO}nothing();\n`);
  await round(3);
  assert.match(dev.err(), /\nfilters\/echo\/filter\.ts:7:1: ERROR TS2304: Cannot find name 'nothing'\.\n/);
  writeFileSync(join(project.folder, 'filters/echo/filter.ts'), ECHO.replace("key('line')", "key('text')"));
  await round(4);
  const changed = dev.out().slice(dev.out().indexOf(`+ ${record('three')}`) + `+ ${record('three')}`.length);
  const names = ['one', 'two', 'three'];
  assert.is(
    changed,
    [...names.map((name) => `- ${record(name)}`), ...names.map((name) => `+ ${record(name, 'text')}`)].join(
      '',
    ),
  );
  dev.child.kill('SIGINT');
  assert.is(await dev.exited, 0);
});

author.run();
