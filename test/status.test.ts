/**
 * The status of a host as a subscriber hears it: what is counted, where messages wait and why, and what numbers of streams did.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Broker } from '../host/broker.js';
import { STATUS_EVERY_MS } from '../host/limits.js';
import { unpack } from '../host/pack.js';
import { brokerAvailable, readStream, startTestBroker } from './broker.js';
import { type Appliance, createAppliance } from './chaos/appliance.js';
import { open } from './connecting.js';
import { type TemporaryFolder, temporaryFolder, until } from './help.js';

const WAIT_MS = 3 * STATUS_EVERY_MS;

/** As the README has it. */
interface HostStatus {
  readonly schema: number;
  readonly ts: number;
  readonly appliance: string;
  readonly uptime_ms: number;
  readonly filters: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly spool: {
    readonly bytes: number;
    readonly limit_bytes: number;
    readonly full: string | null;
    readonly wait_ms: number;
    readonly damaged: number;
  };
  readonly broker: {
    readonly connected: boolean;
    readonly messages: number;
    readonly bytes: number;
    readonly retries: number;
  };
  readonly memory: { readonly resident_bytes: number; readonly limit_bytes: number };
  readonly epochs: readonly { filter: string; stream: string; reason: string; lost: number; ts: number }[];
}

interface Context {
  folder: TemporaryFolder;
  log: string;
  hosts: Appliance[];
}

const status = suite<Context>('status');
status.before.each(async (context) => {
  context.folder = await temporaryFolder();
  context.log = join(context.folder.path, 'app.log');
  context.hosts = [];
  writeFileSync(context.log, '');
});
status.after.each(async ({ folder, hosts }) => {
  for (const host of hosts) await host.kill();
  await folder.remove();
});

const SELECT = { filter: 'json-select', from: ['log'], config: { where: [{ field: 'a', equals: 'b' }] } };

/** A host of one filter, `f`, in a folder of this name. */
function hostIn({ folder, log, hosts }: Context, name: string, url: string, limits: object = {}): Appliance {
  const host = createAppliance(join(folder.path, name), {
    appliance: 'fw',
    nats: { servers: [url] },
    sources: { log: { file: log } },
    filters: { f: SELECT },
    limits: { cpu: 64, memory: '400MiB', ...limits },
  });
  hosts.push(host);
  return host;
}

/** Hears what hosts of this appliance say; answers the first that is as wanted. */
async function listen(url: string) {
  const listener: Broker = await open(url);
  let last: HostStatus | undefined;
  listener.subscribe('weir.status.fw', (_subject, headers, body) =>
    unpack(headers, body, (found) => {
      last = found as unknown as HostStatus;
    }),
  );
  await listener.flush();
  return {
    close: () => listener.close(),
    async says(what: string, isWanted: (status: HostStatus) => boolean): Promise<HostStatus> {
      await until(() => last !== undefined && isWanted(last), WAIT_MS, what).catch((error) => {
        throw new Error(`${error.message}: ${JSON.stringify(last)}`);
      });
      return last as HostStatus;
    },
  };
}

const lines = (count: number, text = () => 'x') =>
  Array.from({ length: count }, () => `${JSON.stringify({ a: 'b', text: text() })}\n`).join('');

status('counts what a filter did not tell, and says that messages get through', async (context) => {
  const broker = await startTestBroker();
  const listener = await listen(broker.url);
  appendFileSync(context.log, lines(1_000));
  hostIn(context, 'one', broker.url, { records: 1 }).start();
  const found = await listener.says('all is stored', ({ filters, broker: { messages }, spool }) => {
    return filters.f?.in === 1_000 && messages > 0 && spool.wait_ms === 0;
  });
  const { shed = 0, dead, lost, cut, kept } = found.filters.f as HostStatus['filters'][string];
  assert.equal([dead, lost, cut, kept], [0, 0, 0, 1_000]);
  assert.ok(shed > 900 && shed < 1_000, `${shed} records were shed`);
  assert.is(found.schema, 1);
  assert.ok(found.uptime_ms > 0 && found.uptime_ms < 10 * WAIT_MS);
  assert.equal([found.spool.full, found.spool.damaged, found.spool.limit_bytes], [null, 0, 64 * 2 ** 20]);
  assert.ok(found.spool.bytes > 0 && found.broker.connected && found.broker.bytes > 0);
  assert.is(found.memory.limit_bytes, 400 * 2 ** 20);
  assert.ok(found.memory.resident_bytes > 2 ** 20);
  assert.equal(found.epochs, []);
  await listener.close();
  await broker.stop();
});

status('says why nothing is made any more, and how long messages have waited', async (context) => {
  // Connected, and none of it is stored.
  const broker = await startTestBroker('accounts { A: { users: [ { user: a, password: a } ] } }');
  const url = broker.url.replace('//', '//a:a@');
  const listener = await listen(url);
  appendFileSync(
    context.log,
    lines(3_000, () => randomBytes(600).toString('base64')),
  );
  hostIn(context, 'one', url, { spool: '1MiB' }).start();
  const found = await listener.says(
    'it is full',
    ({ spool }) => spool.full !== null && spool.wait_ms > 1_000,
  );
  assert.is(found.spool.full, 'limits.spool');
  assert.ok(found.spool.bytes > 0.8 * found.spool.limit_bytes);
  assert.equal([found.broker.connected, found.broker.messages], [true, 0]);
  await listener.close();
  await broker.stop();
});

status('says what numbers of streams did, with the reason', async (context) => {
  const broker = await startTestBroker();
  const listener = await listen(broker.url);
  const stored = async () => (await readStream(broker.url, 'weir.ev.fw.f.selected').catch(() => [])).length;
  const one = hostIn(context, 'one', broker.url);
  for (const [at, host] of [one, hostIn(context, 'two', broker.url), one].entries()) {
    appendFileSync(context.log, lines(10));
    host.start();
    await until(async () => (await stored()) > at, WAIT_MS, `a message: ${host.output()}`);
    if (at < 2) assert.is(await host.stop(), 0);
  }
  const { epochs } = await listener.says('an epoch began', (told) => told.epochs.length > 0);
  const [{ ts = 0, ...change } = {}] = epochs.filter(({ stream }) => stream === 'selected');
  assert.equal(change, { filter: 'f', stream: 'selected', reason: 'other-writer', lost: 0 });
  assert.ok(Math.abs(Date.now() - ts) < 10 * WAIT_MS);
  await listener.close();
  await broker.stop();
});

if (brokerAvailable()) status.run();
