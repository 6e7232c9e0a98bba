/**
 * `weir capture`: live events into a sample, and what it says when that cannot be what its author wanted.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerAvailable, startTestBroker } from '../broker.js';
import { ROOT, saidHere, weir } from '../command.js';
import { until, WAIT_MS } from '../help.js';
import { type TestProject, testProject } from './project.js';

const NOW = '2026-02-01T00:00:00Z';
const CONFIG = JSON.stringify({
  sources: { auth: { file: 'auth.log' } },
  filters: { 'ssh-auth': { from: ['auth'] } },
});
const line = (user: string, address = '10.0.0.1') =>
  `Jan 31 10:00:00 fw sshd[7]: Failed password for ${user} from ${address} port 22 ssh2\n`;

const author = suite<{ project: TestProject }>('weir capture');
author.before.each(async (context) => {
  context.project = await testProject();
});
author.after.each(({ project }) => project.remove());

author(
  'capture takes events of a source until there are enough, redacted, and overwrites nothing',
  async ({ project }) => {
    project.write({
      'auth.log': line('ann') + line('bob', '10.0.0.2'),
      'weir.json': JSON.stringify({
        data: 'data',
        sources: { auth: { file: 'auth.log' } },
        filters: { 'ssh-auth': { from: ['auth'] } },
      }),
    });
    const args = ['capture', '--source', 'auth', '--events', '3', '-o', 'live.log', '--redact', 'addresses'];
    const { exited, err } = weir(args, project.folder);
    await until(() => err().includes('waiting for 3 events'), WAIT_MS, `it waits: ${err()}`);
    appendFileSync(join(project.folder, 'auth.log'), line('eve') + line('more'));
    assert.is(await exited, 0, err());
    assert.match(
      err(),
      /\nweir: wrote 3 events to live\.log\nweir: --redact addresses: 3 values replaced\n$/,
    );
    assert.is(
      readFileSync(join(project.folder, 'live.log'), 'utf8'),
      line('ann', '198.18.0.1') + line('bob', '198.18.0.2') + line('eve', '198.18.0.1'),
    );
    assert.not.ok(existsSync(join(project.folder, 'data')), 'no host is started');
    assert.match(
      (await project.said('capture --source auth --events 3 -o live.log')).err,
      /^weir: FILE_EXISTS: live\.log: /,
    );
    assert.match(
      (await project.said('capture --source nothing --events 3 -o new.log')).err,
      /^weir: USAGE: --source: expected one of auth, found "nothing"; see --help\n$/,
    );
  },
);

author('it tells what it has redacted, and warns of a name that it never found', async ({ project }) => {
  project.write({ 'auth.log': `${line('ann')}user=ann USER=bob\n`, 'weir.json': CONFIG });
  const { code, err } = await project.said(
    'capture --source auth --events 2 -o live.log --redact addresses,user,adresses,usr',
  );
  assert.is(code, 0, err);
  const warning = (name: string) =>
    `weir: warning: --redact ${name}: nothing replaced; if this name is misspelt, live.log still has what it was to hide\n`;
  const told = 'weir: --redact addresses: 1 value replaced\nweir: --redact user: 2 values replaced\n';
  assert.ok(
    err.endsWith(`weir: wrote 2 events to live.log\n${told}${warning('adresses')}${warning('usr')}`),
    err,
  );
});

author('it finds out before it waits that its file cannot be written', async ({ project }) => {
  project.write({ 'auth.log': line('ann'), 'weir.json': CONFIG });
  const places = {
    'nodir/x.log': 'the folder nodir, found none',
    'auth.log/x.log': 'the folder auth.log, found a file',
  };
  for (const [output, found] of Object.entries(places)) {
    const { code, err } = await project.said(`capture --source auth --events 1 -o ${output}`);
    assert.is(code, 1);
    assert.ok(err.startsWith(`weir: OUTPUT_UNWRITABLE: ${output}: expected ${found}; `), err);
  }
});

author('where nothing came no file is left in the way of the next run', async ({ project }) => {
  project.write({ 'auth.log': '', 'weir.json': CONFIG });
  const args = ['capture', '--source', 'auth', '--events', '9', '-o', 'live.log'];
  const { child, exited, err } = weir(args, project.folder);
  await until(() => err().includes('waiting for 9 events'), WAIT_MS, `it waits: ${err()}`);
  child.kill('SIGINT');
  assert.is(await exited, 1);
  assert.match(err(), /\nweir: no event came, so live\.log was not written\n$/);
  assert.not.ok(existsSync(join(project.folder, 'live.log')));
});

author('Ctrl-C ends a capture earlier and keeps what came', async ({ project }) => {
  project.write({
    'auth.log': line('ann'),
    'weir.json': CONFIG,
  });
  const { child, exited, err } = weir(
    ['capture', '--source', 'auth', '--events', '9', '-o', 'live.log'],
    project.folder,
  );
  await until(() => err().includes('waiting for 9 events'), WAIT_MS, `it waits: ${err()}`);
  child.kill('SIGINT');
  // The one event may not have come yet.
  const isKept = (await exited) === 0;
  assert.is(existsSync(join(project.folder, 'live.log')), isKept, err());
  if (isKept) assert.is(readFileSync(join(project.folder, 'live.log'), 'utf8'), line('ann'));
});

if (brokerAvailable()) {
  author('capture takes the records of a subject as a host publishes them', async ({ project }) => {
    const broker = await startTestBroker();
    project.write({
      'auth.log': line('ann') + line('bob', '10.0.0.2'),
      'weir.json': JSON.stringify({
        appliance: 'fw-capture',
        data: 'data',
        nats: { servers: [broker.url] },
        sources: { auth: { file: 'auth.log' } },
        filters: { 'ssh-auth': { from: ['auth'] } },
      }),
    });
    const args = ['capture', 'weir.ev.fw-capture.*.logins', '--events', '2', '-o', 'live.ndjson'];
    const { exited, err } = weir(
      [...args, '--server', broker.url, '--redact', 'user,addresses'],
      project.folder,
    );
    await until(() => err().includes('waiting for 2 events'), WAIT_MS, `it waits: ${err()}`);
    const ran = await saidHere(['run', '--until-eof', '--now', NOW], project.folder);
    assert.is(ran.code, 0, ran.err);
    assert.is(await exited, 0, err());
    const records = readFileSync(join(project.folder, 'live.ndjson'), 'utf8').trim().split('\n');
    assert.equal(
      records.map((text) => JSON.parse(text)).map(({ user, src_ip: address }) => [user, address]),
      [
        ['user-1', '198.18.0.1'],
        ['user-2', '198.18.0.2'],
      ],
    );
    const sample = join(project.folder, 'live.ndjson');
    const config = ['--config-json', '{"count_by":["user"]}', '--quiet', '--stats'];
    const { err: stats } = await saidHere(['replay', 'json-select', sample, ...config], ROOT);
    assert.is(JSON.parse(stats).ledger.malformed, 0);
    await broker.stop();
  });
}

author.run();
