/**
 * A whole host with the rights of an appliance and no others, and with TLS on both sides.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOSS_DOUBT_MS } from '../../host/limits.js';
import { brokerAvailable, startTestServer } from '../broker.js';
import { endAll, said, weir } from '../command.js';
import { errorOf, message, open } from '../connecting.js';
import { temporaryFolder, until, WAIT_MS } from '../help.js';
import { startWorld, type World } from './accounts.js';

/** A start, its first message stored: less than one request that nobody answers would take. */
const READY_MS_MAX = 4_500;
/** What a host must not say of rights that it does not need. */
const ALARMING = /REFUSED|permission|Violation|messages wait|in time/i;

const confined = suite<{ folder: string }>('a host with the rights of an appliance');
confined.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
confined.after.each(async ({ folder }) => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function lines(from: number, count: number): string {
  const one = (at: number) =>
    `2026-01-31T10:00:${String(at % 60).padStart(2, '0')}Z fw sshd[${at}]: Failed password for root from 10.0.0.${at % 250} port ${1024 + at} ssh2\n`;
  return Array.from({ length: count }, (_, at) => one(from + at)).join('');
}

function writeConfig(folder: string, world: World, part: object = {}): void {
  writeFileSync(
    join(folder, 'weir.json'),
    JSON.stringify({
      appliance: 'mine',
      data: 'data',
      nats: { servers: [world.server.url], nkey: world.seedOf('mine') },
      sources: { auth: { file: 'auth.log' } },
      filters: { 'ssh-auth': { from: ['auth'] } },
      limits: { cpu: 64 },
      ...part,
    }),
  );
}

/** Messages of the stream of logins. */
async function stored({ manager }: World): Promise<number> {
  const subject = 'weir.ev.mine.ssh-auth.logins';
  const { state } = await manager.streams.info('WEIR', { subjects_filter: subject });
  return state.subjects?.[subject] ?? 0;
}

/** What an operator finds of the appliance. */
async function verified(world: World) {
  const login = ['--server', world.server.url, '--nkey', world.seedOf('operator')];
  const { code, out, err, records } = await said(['verify', 'weir.*.mine.>', '--json', ...login]);
  assert.is(code, 0, out + err);
  const [report] = records();
  const logins = report.streams.find(({ stream }: { stream: string }) => stream === 'logins');
  return { logins, explained: JSON.stringify(report.explained) };
}

confined('it publishes, and after kills goes on without a hole or a duplicate', async ({ folder }) => {
  const world = await startWorld();
  writeConfig(folder, world);
  writeFileSync(join(folder, 'auth.log'), '');
  for (let time = 0; time < 3; time++) {
    const startedMs = performance.now();
    const host = weir(['run'], folder);
    await until(() => /reading auth/.test(host.err()), WAIT_MS, `the host reads: ${host.err()}`);
    const before = await stored(world);
    appendFileSync(join(folder, 'auth.log'), lines(time * 100, 100));
    await until(async () => (await stored(world)) > before, WAIT_MS, `events: ${host.err()}`);
    assert.ok(
      performance.now() - startedMs < READY_MS_MAX,
      'no request waits for an answer that never comes',
    );
    assert.not.match(host.err(), ALARMING);
    host.child.kill('SIGKILL');
    await host.exited;
  }
  appendFileSync(join(folder, 'auth.log'), lines(300, 10));
  const last = await said(['run', '--until-eof'], folder);
  assert.is(last.code, 0, last.err);
  assert.not.match(last.err, ALARMING);
  const { logins } = await verified(world);
  assert.equal([logins.records, logins.lost], [310, 0]);
  const status = await world.manager.streams.getMessage('WEIR_STATUS', { last_by_subj: 'weir.status.mine' });
  assert.is(JSON.parse(status.string()).appliance, 'mine');
  await world.stop();
});

confined(
  'what its broker has lost it sends again, though it may not look at the stream',
  async ({ folder }) => {
    const world = await startWorld();
    writeConfig(folder, world, { disk: { keep: '5m' } });
    writeFileSync(join(folder, 'auth.log'), lines(0, 100));
    const host = weir(['run'], folder);
    await until(async () => (await stored(world)) > 0, WAIT_MS, `events: ${host.err()}`);
    const { config } = await world.manager.streams.info('WEIR');
    await world.manager.streams.delete('WEIR');
    await world.manager.streams.add(config);
    appendFileSync(join(folder, 'auth.log'), lines(100, 100));
    await until(async () => (await stored(world)) >= 2, LOSS_DOUBT_MS + 2 * WAIT_MS, `events: ${host.err()}`);
    host.child.kill('SIGTERM');
    assert.is(await host.exited, 0, host.err());
    const { logins } = await verified(world);
    assert.equal([logins.records, logins.lost], [200, 0]);
    await world.stop();
  },
);

/** Certificates of an authority, for the broker and for clients, as files in a folder. */
function certify(
  folder: string,
  name = 'IP:127.0.0.1',
): { readonly cert: string; readonly key: string; readonly ca: string } {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority');
  openssl('req', ...fresh.slice(0, -2), '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=weir');
  writeFileSync(join(folder, 'names'), `subjectAltName=${name}\n`);
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
  openssl('x509', '-req', '-in', 'request.pem', '-out', 'cert.pem', ...signing);
  return { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), ca: join(folder, 'ca.pem') };
}

confined('with TLS on both sides, a key is not enough without a certificate', async ({ folder }) => {
  const tls = certify(join(folder, 'ours'));
  const strange = certify(join(folder, 'strange'));
  const world = await startWorld((config) => config, tls);
  const broker = await world.open('mine');
  await broker.publish(message(1, 'weir.ev.mine.f.s'), 0);
  await broker.close();
  for (const others of [{ ca: tls.ca }, { ...strange, ca: tls.ca }, { ...tls, ca: strange.ca }]) {
    const error = await errorOf(world.open('mine', { tls: others }));
    assert.ok(['BROKER_REFUSED', 'BROKER_UNREACHABLE'].includes(error.code), error.message);
  }
  const options = ['--tls-ca', tls.ca, '--tls-cert', tls.cert, '--tls-key', tls.key];
  const login = ['--server', world.server.url, '--nkey', world.seedOf('operator')];
  const made = await said(['fleet', 'streams', ...login, ...options]);
  assert.is(made.code, 0, made.err);
  await world.stop();
});

confined('a certificate for another name is not taken for one of an address', async ({ folder }) => {
  const { cert, key, ca } = certify(folder, 'DNS:localhost');
  const server = await startTestServer(() => `tls { cert_file: "${cert}", key_file: "${key}" }`);
  for (const url of [server.url, server.url.replace('nats:', 'tls:')]) {
    const error = await errorOf(open(url, { tls: { ca } }));
    assert.match(error.message, /does not match certificate's altnames/);
  }
  await (await open(server.url.replace('127.0.0.1', 'localhost'), { tls: { ca } })).close();
  await server.stop();
});

if (brokerAvailable()) confined.run();
