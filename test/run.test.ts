/**
 * `weir run` as a user runs it: a process, files, a real broker.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createSocket } from 'node:dgram';
import { connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_SHARE_MAX } from '../host/limits.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker, type TestBroker } from './broker.js';
import { freePort, temporaryFolder, until, WAIT_MS } from './help.js';

const MAIN = fileURLToPath(new URL('../host/cli/main.js', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  output(): string;
  readonly exited: Promise<number | null>;
}

function weir(args: readonly string[], folder: string, environment: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, output: () => output, exited };
}

async function stopped(running: Running): Promise<number | null> {
  running.child.kill('SIGTERM');
  return running.exited;
}

function sshLine(at: number, user = 'root', address = `10.0.0.${at % 250}`): string {
  const clock = new Date(Date.UTC(2026, 0, 31, 10, 0, at % 3600)).toISOString().slice(11, 19);
  return `Jan 31 ${clock} fw sshd[${at}]: Failed password for ${user} from ${address} port ${1024 + (at % 60_000)} ssh2\n`;
}

const run = suite<{ broker: TestBroker; folder: string }>('weir run');
run.before(async (context) => {
  context.broker = await startTestBroker();
});
run.after(async ({ broker }) => broker.stop());
run.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
run.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function writeConfig(folder: string, config: object): void {
  writeFileSync(
    join(folder, 'weir.json'),
    JSON.stringify({ data: 'data', inboxes: 'inboxes', limits: { cpu: CPU_SHARE_MAX }, ...config }),
  );
}

run(
  'the records on NATS are those of a replay, with headers that account for every event',
  async ({ broker, folder }) => {
    const lines = Array.from({ length: 20_000 }, (_, at) =>
      at % 10 ? `Jan 31 10:00:00 fw cron[1]: job ${at}\n` : sshLine(at),
    );
    writeFileSync(join(folder, 'auth.log'), lines.join(''));
    writeConfig(folder, {
      appliance: 'fw-replay',
      nats: { servers: [broker.url] },
      sources: { auth: { file: 'auth.log' } },
      filters: { 'ssh-auth': { from: ['auth'] } },
    });
    const now = ['--now', '2026-02-01T00:00:00Z'];
    const ran = weir(['run', '--until-eof', ...now], folder);
    assert.is(await ran.exited, 0, ran.output());
    const replayed = weir(['replay', 'ssh-auth', 'auth.log', ...now], folder);
    assert.is(await replayed.exited, 0, replayed.output());
    const expected = replayed
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

    for (const stream of ['logins', 'sources', 'ledger']) {
      const messages = await readStream(broker.url, `weir.ev.fw-replay.ssh-auth.${stream}`);
      const wanted = expected
        .filter((record) => record.stream === stream)
        .map(({ stream: _, ...record }) => record);
      assert.equal(recordsOf(messages), wanted, stream);
      assert.equal(
        messages.map(({ headers }) => Number(headers['Weir-Seq'])),
        messages.map((_, at) => at + 1),
      );
      const sum = (name: string) => messages.reduce((total, { headers }) => total + Number(headers[name]), 0);
      assert.is(sum('Weir-Records'), wanted.length);
      assert.ok(sum('Weir-Events') <= 20_000);
      const first = messages[0]?.headers ?? {};
      assert.is(first['Content-Type'], 'application/cbor-seq');
      assert.is(first['Content-Encoding'], 'gzip');
      assert.is(first['Weir-Appliance'], 'fw-replay');
      assert.is(first['Weir-Stream'], stream);
      assert.match(first['Weir-Filter'] ?? '', /^ssh-auth@\d+\.\d+\.\d+\+[0-9a-f]{12}$/);
      assert.match(first['Nats-Msg-Id'] ?? '', new RegExp(`^fw-replay/ssh-auth/${stream}/[0-9a-f]+-1$`));
    }
  },
);

run('a file is followed, and after a restart read on from where it was', async ({ broker, folder }) => {
  const log = join(folder, 'auth.log');
  writeFileSync(log, sshLine(1, 'one'));
  writeConfig(folder, {
    appliance: 'fw-tail',
    nats: { servers: [broker.url] },
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  });
  const users = async () =>
    recordsOf(await readStream(broker.url, 'weir.ev.fw-tail.ssh-auth.logins').catch(() => [])).map(
      ({ user }) => user,
    );
  const seen = (...names: string[]) =>
    until(async () => (await users()).join() === names.join(), WAIT_MS, `records of ${names}`);

  const first = weir(['run'], folder);
  await seen('one');
  appendFileSync(log, sshLine(2, 'two').slice(0, 20));
  appendFileSync(log, sshLine(2, 'two').slice(20));
  await seen('one', 'two');
  renameSync(log, `${log}.1`);
  writeFileSync(log, sshLine(3, 'three'));
  await seen('one', 'two', 'three');
  assert.is(await stopped(first), 0, first.output());

  appendFileSync(log, sshLine(4, 'four'));
  const second = weir(['run'], folder);
  await seen('one', 'two', 'three', 'four');
  assert.is(await stopped(second), 0, second.output());
});

run('syslog over UDP and TCP, a command and a watched folder all arrive', async ({ broker, folder }) => {
  const port = await freePort();
  mkdirSync(join(folder, 'etc'));
  writeConfig(folder, {
    appliance: 'fw-all',
    nats: { servers: [broker.url] },
    sources: {
      syslog: { syslog: { udp: `127.0.0.1:${port}`, tcp: `127.0.0.1:${port}` } },
      shell: { command: ['sh', '-c', 'echo \'{"from":"command"}\'; exec sleep 60'] },
      etc: { watch: ['etc'] },
    },
    filters: {
      'ssh-auth': { from: ['syslog'] },
      files: { from: ['etc'] },
      lines: {
        filter: 'json-select',
        from: ['shell'],
        format: 'ndjson',
        config: { where: [{ field: 'from', equals: 'command' }] },
      },
    },
  });
  const host = weir(['run'], folder);
  await until(() => /: reading syslog, shell, etc; filters/.test(host.output()), WAIT_MS, 'the host reads');
  const line = (user: string) => sshLine(7, user).trimEnd();
  const udp = createSocket('udp4');
  await new Promise((resolve) => udp.send(`<38>${line('udp')}`, port, '127.0.0.1', resolve));
  udp.close();
  const tcp = connectTcp(port, '127.0.0.1');
  const counted = `<38>${line('counted')}`;
  tcp.end(`${counted.length} ${counted}<38>${line('newline')}\n`);
  writeFileSync(join(folder, 'etc', 'tool'), '#!/bin/sh\n', { mode: 0o755 });

  const records = async (subject: string) =>
    recordsOf(await readStream(broker.url, `weir.ev.fw-all.${subject}`).catch(() => []));
  await until(async () => (await records('ssh-auth.logins')).length === 3, WAIT_MS, 'three logins');
  assert.equal((await records('ssh-auth.logins')).map(({ user }) => user).sort(), [
    'counted',
    'newline',
    'udp',
  ]);
  await until(async () => (await records('files.changes')).length > 0, WAIT_MS, 'a change');
  const [change] = await records('files.changes');
  assert.is(change?.path, join(folder, 'etc', 'tool'));
  assert.is(change?.executable, true);
  await until(async () => (await records('lines.selected')).length === 1, WAIT_MS, 'a line of the command');
  assert.is((await records('lines.selected'))[0]?.line, '{"from":"command"}');
  assert.is(await stopped(host), 0, host.output());
});

run('a broker that dies in between costs nothing and repeats nothing', async ({ folder }) => {
  const broker = await startTestBroker();
  const lines = Array.from({ length: 60_000 }, (_, at) => sshLine(at, `user-${at}`));
  writeFileSync(join(folder, 'auth.log'), lines.slice(0, 30_000).join(''));
  writeConfig(folder, {
    appliance: 'fw-kill',
    nats: { servers: [broker.url] },
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  });
  const count = async () =>
    recordsOf(await readStream(broker.url, 'weir.ev.fw-kill.ssh-auth.logins').catch(() => [])).length;
  const host = weir(['run'], folder);
  await until(async () => (await count()) > 0, WAIT_MS, 'first records');
  await broker.kill();
  appendFileSync(join(folder, 'auth.log'), lines.slice(30_000).join(''));
  await until(() => /lost/.test(host.output()), WAIT_MS, 'the host has noticed');
  await broker.restart();
  await until(async () => (await count()) >= 60_000, 2 * WAIT_MS, 'all records');
  assert.is(await stopped(host), 0, host.output());
  const users = recordsOf(await readStream(broker.url, 'weir.ev.fw-kill.ssh-auth.logins')).map(
    ({ user }) => user,
  );
  assert.equal(
    users,
    lines.map((_, at) => `user-${at}`),
  );
  await broker.stop();
});

run('without a configured broker the host starts one, and ends it', async ({ folder }) => {
  writeFileSync(join(folder, 'auth.log'), sshLine(1));
  writeConfig(folder, {
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  });
  const host = weir(['run'], folder);
  await until(() => /started nats-server at/.test(host.output()), WAIT_MS, 'the broker stands');
  const url = /nats:\/\/127\.0\.0\.1:\d+/.exec(host.output())?.[0] as string;
  const refused = weir(['tap', '--server', url], folder);
  assert.is(await refused.exited, 1, 'a client without the password is refused');
  assert.match(refused.output(), /BROKER_REFUSED/);
  assert.is(await stopped(host), 0, host.output());
  const pid = Number(readFileSync(join(folder, 'data/broker/nats-server.pid'), 'utf8') || '0');
  assert.throws(() => process.kill(pid, 0), /ESRCH/, 'nats-server has ended');
});

run('tap shows what is published', async ({ broker, folder }) => {
  const tap = weir(['tap', 'weir.ev.fw-tap.>', '--server', broker.url, '--json', '--count', '1'], folder);
  await until(() => /listening/.test(tap.output()), WAIT_MS, 'tap listens');
  writeFileSync(join(folder, 'auth.log'), sshLine(1, 'tapped'));
  writeConfig(folder, {
    appliance: 'fw-tap',
    nats: { servers: [broker.url] },
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  });
  assert.is(await weir(['run', '--until-eof'], folder).exited, 0);
  assert.is(await tap.exited, 0);
  const shown = JSON.parse(
    tap
      .output()
      .split('\n')
      .find((line) => line.startsWith('{')) as string,
  );
  assert.is(shown.subject, 'weir.ev.fw-tap.ssh-auth.logins');
  assert.is(shown.record.user, 'tapped');
});

run(
  'each thing that cannot work is one line that says what to do, and no stack trace',
  async ({ broker, folder }) => {
    const base = {
      nats: { servers: [broker.url] },
      sources: { auth: { file: 'auth.log' } },
      filters: { 'ssh-auth': { from: ['auth'] } },
    };
    writeFileSync(join(folder, 'auth.log'), '');
    const busy = createServer().listen(0, '127.0.0.1');
    await until(() => busy.listening, WAIT_MS, 'a busy port');
    const { port } = busy.address() as { port: number };
    const cases: [object, RegExp][] = [
      [
        { ...base, filters: { nothing: { from: ['auth'] } } },
        /FILTER_UNKNOWN: filter "nothing": expected one of .*files, .*json-select, /,
      ],
      [
        { ...base, filters: { 'ssh-auth': { from: 'auth' } } },
        /CONFIG_INVALID: weir\.json: filters\.ssh-auth\.from: expected a list of source names, found "auth" \(a string\)/,
      ],
      [
        { ...base, filters: { 'json-select': { from: ['auth'], config: { wher: [] } } } },
        /FILTER_CONFIG: filter json-select: config: expected only where/,
      ],
      [
        { ...base, sources: { auth: { file: 'missing.log' } } },
        /SOURCE_UNREADABLE: source auth: .*missing\.log: no such file/,
      ],
      [{ ...base, sources: { auth: { file: '.' } } }, /SOURCE_UNREADABLE: .*not a regular file/],
      [
        {
          ...base,
          sources: { ...base.sources, s: { syslog: { tcp: `127.0.0.1:${port}` } } },
          filters: { 'ssh-auth': { from: ['auth', 's'] } },
        },
        /PORT_UNAVAILABLE: .*127\.0\.0\.1:\d+/,
      ],
      [
        { ...base, limits: { memory: '96MiB' } },
        /MEMORY_BUDGET: limits\.memory: expected at least [\d.]+ MiB = process .* \+ ssh-auth .* \+ queue 2\.\d MiB, found 96\.0 MiB; raise limits\.memory/,
      ],
      [{ ...base, data: 'auth.log' }, /DATA_UNWRITABLE/],
      [
        {
          ...base,
          inboxes: '/proc/inboxes',
          sources: { s: { syslog: { tcp: '127.0.0.1:0' } } },
          filters: { 'ssh-auth': { from: ['s'] } },
        },
        /INBOX_UNWRITABLE: inboxes: \/proc\/inboxes\/weir-.*: expected a folder for this user alone, found ENOENT.*; make room there/,
      ],
      [
        { ...base, nats: { servers: [broker.url], creds: 'missing.creds' } },
        /CREDENTIALS_UNREADABLE: nats\.creds: .*missing\.creds: expected a readable file, found ENOENT;/,
      ],
    ];
    for (const [config, expected] of cases) {
      writeConfig(folder, config);
      const host = weir(['run', '--until-eof'], folder);
      const code = await host.exited;
      assert.match(host.output(), expected);
      assert.is(code, 1, host.output());
      assert.not.match(host.output(), /\n\s+at /);
      assert.is(host.output().trim().split('\n').length, 1, host.output());
    }
    busy.close();
  },
);

run('credentials that the broker refuses end the host with one line', async ({ folder }) => {
  const guarded = await startTestBroker('authorization { user: "weir", password: "right" }');
  writeFileSync(join(folder, 'auth.log'), '');
  writeConfig(folder, {
    nats: { servers: [guarded.url.replace('//', '//weir:wrong@')] },
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  });
  const host = weir(['run', '--until-eof'], folder);
  assert.is(await host.exited, 1);
  assert.match(host.output(), /BROKER_REFUSED: broker: nats:\/\/127\.0\.0\.1:\d+\/? refuses the credentials/);
  assert.not.match(host.output(), /wrong/);
  await guarded.stop();
});

run('without nats-server the host says how to get it and keeps messages on its disk', async ({ folder }) => {
  writeFileSync(join(folder, 'auth.log'), sshLine(1));
  writeConfig(folder, {
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  });
  const host = weir(['run'], folder, { PATH: folder });
  await until(
    () =>
      /BROKER_MISSING: no nats-server on PATH; install it \("apt-get install nats-server"\)/.test(
        host.output(),
      ),
    WAIT_MS,
    'the line',
  );
  await until(
    () => readdirSync(join(folder, 'data/spool/ssh-auth')).length > 1,
    WAIT_MS,
    'a message on disk',
  );
  assert.is(await stopped(host), 0);
  assert.match(host.output(), /messages that the broker has not acknowledged: they wait on the disk/);
});

if (brokerAvailable()) run.run();
