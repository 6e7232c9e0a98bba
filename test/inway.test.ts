import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerAvailable, startTestBroker } from './broker.js';
import { endAll, type Running, said, weir } from './command.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';

const host = suite<{ folder: string }>('host');
host.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  writeFileSync(
    join(context.folder, 'auth.log'),
    'Jan 31 10:00:00 fw sshd[1]: Failed password for root from ::1 port 22 ssh2\n',
  );
});
host.after.each(async ({ folder }) => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function writeConfig(folder: string, part: object): void {
  const config = {
    data: 'data',
    inboxes: 'inboxes',
    sources: { a: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['a'] } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify({ ...config, ...part }));
}

const reads = (run: Running) =>
  until(() => /: reading a/.test(run.err()), WAIT_MS, `the host reads: ${run.err()}`);

host('one host at a time has a data folder, and a killed one leaves it free', async ({ folder }) => {
  const broker = await startTestBroker();
  writeConfig(folder, { nats: { servers: [broker.url] } });
  const first = weir(['run'], folder);
  await reads(first);
  const second = await said(['run'], folder);
  assert.is(second.code, 1);
  assert.is(
    second.err,
    `weir: DATA_IN_USE: data: process ${first.child.pid} runs with ${join(folder, 'data')}; stop the other "weir run", or set "data" to another folder\n`,
  );
  first.child.kill('SIGKILL');
  await first.exited;
  const third = weir(['run'], folder);
  await reads(third);
  third.child.kill('SIGINT');
  assert.is(await third.exited, 0, third.err());
  assert.is(readFileSync(join(folder, 'data/host.pid'), 'utf8').trim(), '');
  await broker.stop();
});

host(
  'tap finds the broker of a host, and the next one after the host has been killed',
  async ({ folder }) => {
    writeConfig(folder, {});
    const first = weir(['run'], folder);
    await reads(first);
    const command = /"weir (tap --data [^"]+)" listens/.exec(first.err())?.[1] as string;
    const tap = weir([...command.split(' '), '--count', '2'], folder);
    const listens = (times: number) =>
      until(() => tap.err().split('listening to').length > times, WAIT_MS, `tap listens: ${tap.err()}`);
    await listens(1);
    first.child.kill('SIGKILL');
    await first.exited;
    const second = weir(['run'], folder);
    await listens(2);
    writeFileSync(
      join(folder, 'auth.log'),
      'Jan 31 10:05:00 fw sshd[1]: Failed password for eve from ::1 port 22 ssh2\n',
      {
        flag: 'a',
      },
    );
    assert.is(await tap.exited, 0, tap.err());
    assert.match(
      tap.out(),
      /^\d{4}-01-31T10:05:00\.000Z [\w-]+\.ssh-auth\.logins outcome="failure" method="password" user="eve" /m,
    );
    second.child.kill('SIGTERM');
    await second.exited;
  },
);

host(
  'what is in the way in the data folder is one line, and no broker is left behind',
  async ({ folder }) => {
    writeConfig(folder, {});
    for (const inTheWay of ['data/broker.json/x', 'data/broker/nats-server.conf/x', 'data/host.pid/x']) {
      mkdirSync(join(folder, inTheWay), { recursive: true });
      const { code, err } = await said(['run'], folder);
      assert.is(code, 1, err);
      assert.match(
        err,
        /^weir: DATA_UNWRITABLE: data: .*; make room there, or set "data" to a folder that this user may write\n$/,
      );
      const pid = join(folder, 'data/broker/nats-server.pid');
      if (existsSync(pid)) assert.throws(() => process.kill(Number(readFileSync(pid, 'utf8')), 0), /ESRCH/);
      rmSync(join(folder, 'data'), { recursive: true });
    }
  },
);

host('a busy UDP port is one line', async ({ folder }) => {
  const busy = createSocket('udp4');
  busy.bind(0, '127.0.0.1');
  await once(busy, 'listening');
  const udp = `127.0.0.1:${(busy.address() as AddressInfo).port}`;
  const nats = { servers: ['nats://127.0.0.1:9'] };
  writeConfig(folder, { nats, sources: { a: { syslog: { udp } } } });
  const { code, err } = await said(['run'], folder);
  busy.close();
  assert.is(code, 1);
  assert.match(
    err,
    new RegExp(`^weir: PORT_UNAVAILABLE: source a: udp ${udp}: .*; stop what uses the address, or`, 'm'),
  );
});

if (brokerAvailable()) host.run();
