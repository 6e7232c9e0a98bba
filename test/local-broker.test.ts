/**
 * The broker that the host starts for itself: closed to others, bounded, and never left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connectBroker } from '../host/broker.js';
import { WeirError } from '../host/errors.js';
import { BROKER_STORE_BYTES_MAX } from '../host/limits.js';
import { startLocalBroker } from '../host/local-broker.js';
import { brokerAvailable } from './broker.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';

const MODULE = fileURLToPath(new URL('../host/local-broker.js', import.meta.url));

const local = suite<{ data: string; notices: string[] }>('local broker');
local.before.each(async (context) => {
  context.data = (await temporaryFolder()).path;
  context.notices = [];
});
local.after.each(({ data }) => rmSync(data, { recursive: true, force: true }));

function pidOf(data: string): number {
  return Number(readFileSync(join(data, 'broker/nats-server.pid'), 'utf8'));
}

/** Processes that run with this data folder's configuration. */
function processesOf(data: string): number[] {
  const config = join(data, 'broker/nats-server.conf');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => textOf(`/proc/${pid}/cmdline`).split('\0').includes(config))
    .map(Number);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Local addresses of a process's listening sockets, as /proc/net writes them. */
function listeningAddresses(pid: number): string[] {
  const sockets = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  return ['tcp', 'tcp6']
    .flatMap((table) => textOf(`/proc/net/${table}`).split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && sockets.includes(`socket:[${fields[9]}]`))
    .map((fields) => fields[1] as string);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** A host in a process of its own, which starts the broker and then does as `then` says. */
async function otherHost(data: string, then: string): Promise<ChildProcess> {
  const script = `
    import { startLocalBroker } from ${JSON.stringify(MODULE)};
    await startLocalBroker({ dataFolder: ${JSON.stringify(data)}, notice: () => {} });
    ${then}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until(() => textOf(join(data, 'broker.json')) !== '', WAIT_MS, 'the other host has its broker');
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  await until(
    () => child.exitCode !== null || child.signalCode !== null,
    WAIT_MS,
    'the other host has ended',
  );
}

local('it listens on loopback alone, and takes only who has the password', async ({ data, notices }) => {
  const broker = await startLocalBroker({ dataFolder: data, notice: (line) => notices.push(line) });
  const pid = pidOf(data);
  const port = Number(new URL(broker.url).port);
  assert.is(broker.shownUrl, `nats://127.0.0.1:${port}`);
  assert.equal(listeningAddresses(pid), [`0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`]);

  const settings = { name: 'test', wait: 'fail-fast', notice: () => {} } as const;
  const refused = await connectBroker({ ...settings, servers: [broker.shownUrl] }).catch((error) => error);
  assert.instance(refused, WeirError);
  assert.is(refused.code, 'BROKER_REFUSED');
  const address = JSON.parse(readFileSync(join(data, 'broker.json'), 'utf8'));
  assert.equal(address, { url: broker.url });
  const connection = await connectBroker({ ...settings, servers: [address.url] });
  await connection.ensureStream();
  await connection.publish({ subject: 'weir.ev.a.b.c', headers: {}, body: Buffer.alloc(10) });
  await connection.close();

  const { password } = new URL(broker.url);
  assert.ok(password.length >= 32);
  assert.not.match(textOf(`/proc/${pid}/cmdline`), password);
  assert.not.match(textOf(join(data, 'broker/nats-server.log')), password);
  const modeOf = (name: string) => (statSync(join(data, name)).mode & 0o777).toString(8);
  assert.is(modeOf('broker'), '700');
  for (const name of ['broker.json', 'broker/nats-server.conf', 'broker/nats-server.log']) {
    assert.is(modeOf(name), '600', name);
  }
  const log = textOf(join(data, 'broker/nats-server.log'));
  assert.match(log, `Max Storage:     ${BROKER_STORE_BYTES_MAX / 2 ** 30}.00 GB`);
  assert.match(log, /Max Memory: +0 B/);

  await broker.stop();
  assert.equal(processesOf(data), []);
  assert.is(textOf(join(data, 'broker.json')), '');
  assert.equal(notices, []);
});

local('what it stored is there after a restart, under another password', async ({ data }) => {
  const urls: string[] = [];
  const sequences: number[] = [];
  for (let time = 0; time < 2; time++) {
    const broker = await startLocalBroker({ dataFolder: data, notice: () => {} });
    urls.push(new URL(broker.url).password);
    const connection = await connectBroker({
      servers: [broker.url],
      name: 'test',
      wait: 'fail-fast',
      notice: () => {},
    });
    await connection.ensureStream();
    const stored = await connection.publish({
      subject: 'weir.ev.a.b.c',
      headers: {},
      body: Buffer.alloc(10),
    });
    sequences.push(stored.sequence);
    await connection.close();
    await broker.stop();
  }
  assert.equal(sequences, [1, 2]);
  assert.is.not(urls[0], urls[1]);
});

local('files that stood open before are closed to others', async ({ data }) => {
  mkdirSync(join(data, 'broker'), { mode: 0o755 });
  for (const name of ['broker.json', 'broker/nats-server.conf']) {
    writeFileSync(join(data, name), 'old', { mode: 0o644 });
  }
  const broker = await startLocalBroker({ dataFolder: data, notice: () => {} });
  for (const [name, mode] of [
    ['broker', 0o700],
    ['broker.json', 0o600],
    ['broker/nats-server.conf', 0o600],
  ] as const) {
    assert.is(statSync(join(data, name)).mode & 0o777, mode, name);
  }
  await broker.stop();
});

local('without the binary there is an error of its own, and nothing is started', async ({ data }) => {
  const before = process.env.PATH;
  // A folder of that name is no program.
  mkdirSync(join(data, 'nats-server'));
  try {
    for (const path of ['', data]) {
      process.env.PATH = path;
      const error = await startLocalBroker({ dataFolder: data, notice: () => {} }).catch((thrown) => thrown);
      assert.is(error.code, 'BROKER_MISSING');
    }
  } finally {
    process.env.PATH = before;
  }
  assert.equal(readdirSync(data), ['nats-server']);
});

local('one that cannot start says why in one line, and leaves no process', async ({ data }) => {
  mkdirSync(join(data, 'broker'));
  writeFileSync(join(data, 'broker/jetstream'), 'in the way');
  const error = await startLocalBroker({ dataFolder: data, notice: () => {} }).catch((thrown) => thrown);
  assert.is(error.code, 'BROKER_UNREACHABLE');
  assert.match(error.message, /^nats-server does not start: Can't start JetStream: .*; its log is .*\n?/);
  assert.not.match(error.message, '\n');
  assert.equal(processesOf(data), []);
});

local('one that dies is started again at the same port, and clients come back', async ({ data, notices }) => {
  const broker = await startLocalBroker({ dataFolder: data, notice: (line) => notices.push(line) });
  const connection = await connectBroker({
    servers: [broker.url],
    name: 'test',
    wait: 'fail-fast',
    notice: () => {},
  });
  let connections = 0;
  connection.onConnected(() => connections++);
  for (const time of [2, 3]) {
    process.kill(pidOf(data), 'SIGKILL');
    await until(() => connections === time, WAIT_MS, 'connected again');
  }
  assert.equal(notices, Array(2).fill('broker: nats-server ended (SIGKILL); starting it again'));
  await connection.close();
  await broker.stop();
  assert.equal(processesOf(data), []);
});

local('stopping while it is being started again leaves no process', async ({ data, notices }) => {
  for (const waitMs of [0, 200, 260, 320]) {
    const broker = await startLocalBroker({ dataFolder: data, notice: (line) => notices.push(line) });
    notices.length = 0;
    process.kill(pidOf(data), 'SIGKILL');
    await until(() => notices.length > 0, WAIT_MS, 'the end is noticed');
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await broker.stop();
    assert.equal(processesOf(data), [], `after ${waitMs} ms`);
  }
});

local('a Ctrl-C in the terminal does not reach it', async ({ data }) => {
  const broker = await startLocalBroker({ dataFolder: data, notice: () => {} });
  const pid = pidOf(data);
  // proc(5): state, parent, process group.
  const group = textOf(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ')[2];
  assert.is(group, `${pid}`);
  await broker.stop();
});

local('a host that exits without stopping takes it along', async ({ data }) => {
  await ended(await otherHost(data, 'process.exit(3);'));
  await until(() => processesOf(data).length === 0, WAIT_MS, 'the broker is gone');
});

local('that of a host that runs is left alone, that of one that was killed is ended', async ({ data }) => {
  const other = await otherHost(data, 'setInterval(() => {}, 1000);');
  const [pid] = processesOf(data);
  const error = await startLocalBroker({ dataFolder: data, notice: () => {} }).catch((thrown) => thrown);
  assert.is(error.code, 'DATA_IN_USE');
  assert.match(error.message, `process ${other.pid} runs a broker in ${data}`);
  assert.equal(processesOf(data), [pid]);

  other.kill('SIGKILL');
  await ended(other);
  assert.equal(processesOf(data), [pid], 'nobody has ended it yet');
  const broker = await startLocalBroker({ dataFolder: data, notice: () => {} });
  assert.equal(processesOf(data), [pidOf(data)]);
  assert.is.not(pidOf(data), pid);
  await broker.stop();
});

local('another process that has the number by now is not touched', async ({ data }) => {
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
  mkdirSync(join(data, 'broker'));
  for (const pid of [`${bystander.pid}`, '1', '0', '-1', 'x', '']) {
    writeFileSync(join(data, 'broker/nats-server.pid'), pid);
    await (await startLocalBroker({ dataFolder: data, notice: () => {} })).stop();
    assert.is(bystander.exitCode ?? bystander.signalCode, null);
  }
  bystander.kill('SIGKILL');
  await ended(bystander);
});

local('of the logs that nats-server puts aside only the newest is kept', async ({ data }) => {
  const folder = join(data, 'broker');
  mkdirSync(folder);
  const aside = (day: number) => `nats-server.log.2026.01.0${day}.00.00.00.1`;
  for (const day of [2, 3, 1]) writeFileSync(join(folder, aside(day)), 'old');
  const broker = await startLocalBroker({ dataFolder: data, notice: () => {} });
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith('nats-server.log.')),
    [aside(3)],
  );
  assert.match(textOf(join(folder, 'nats-server.conf')), /^logfile_size_limit: \d+$/m);
  await broker.stop();
});

if (brokerAvailable()) local.run();
