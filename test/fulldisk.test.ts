/**
 * A host that is started while its disk is full or read-only: it runs, tells so, and goes on by itself when there is room.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerAvailable, readStream, startTestBroker, type TestBroker } from './broker.js';
import { type Appliance, createAppliance } from './chaos/appliance.js';
import { canMount, mountSmall, remount, unmount } from './chaos/disks.js';
import { type Fleet, runs, startFleet } from './fleet/fleet.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';

const DISK_BYTES = 2 << 20;
/** Gzip finds nothing in it. */
const LINE = `{"k":"x","t":"${randomBytes(6_000).toString('hex')}"}\n`;
/** A bare error of the system, as the last word of a host. */
const BARE = /^weir: E[A-Z]+: /m;

interface Context {
  folder: string;
  disk: string;
  broker: TestBroker;
  remove(): Promise<void>;
}

const full = suite<Context>('a disk that takes nothing at the start');
full.before.each(async (context) => {
  const { path, remove } = await temporaryFolder();
  Object.assign(context, { folder: path, disk: join(path, 'disk'), broker: await startTestBroker(), remove });
  mountSmall(context.disk, DISK_BYTES);
  writeFileSync(join(path, 'app.log'), '');
});
full.after.each(async ({ disk, broker, remove }) => {
  unmount(disk);
  await broker.stop();
  await remove();
});

/** To the last byte. */
function fill(disk: string): void {
  const fd = openSync(join(disk, 'filler'), 'w');
  for (const bytes of [65_536, 4_096, 1])
    for (let written = bytes; written === bytes; ) {
      try {
        written = writeSync(fd, Buffer.alloc(bytes));
      } catch {
        break;
      }
    }
  closeSync(fd);
}

const makeRoom = (disk: string) => rmSync(join(disk, 'filler'));

function appliance({ folder, disk, broker }: Context, config: object = {}): Appliance {
  return createAppliance(folder, {
    appliance: 'a',
    data: join(disk, 'data'),
    nats: { servers: [broker.url] },
    sources: { log: { file: 'app.log' } },
    filters: {
      f: { filter: 'json-select', from: ['log'], config: { where: [{ field: 'k', equals: 'x' }] } },
    },
    disk: { free: '0B' },
    ...config,
  });
}

/** Ten lines, which together are more than the rest of a page. */
const append = ({ folder }: Context) => appendFileSync(join(folder, 'app.log'), LINE.repeat(10));
const reads = (host: Appliance) =>
  until(() => host.isReading(), WAIT_MS, 'it reads').catch((error) =>
    assert.unreachable(`${error}\n${host.output()}`),
  );
const tells = (host: Appliance, what: RegExp) =>
  until(() => what.test(host.output()), WAIT_MS, `it tells ${what}: ${host.output()}`);

async function stored({ broker }: Context): Promise<number> {
  const found = await readStream(broker.url, 'weir.ev.a.f.selected').catch(() => []);
  return found.reduce((sum, { headers }) => sum + Number(headers['Weir-Records']), 0);
}

async function endsWell(context: Context, host: Appliance, records: number): Promise<void> {
  await until(async () => (await stored(context)) === records, WAIT_MS, 'all records').catch((error) =>
    assert.unreachable(`${error}\n${host.output()}`),
  );
  assert.is(await host.stop(), 0, host.output());
  assert.not.match(host.output(), BARE);
}

for (const end of ['stop', 'kill'] as const)
  full(`it is full, behind a ${end}`, async (context) => {
    const host = appliance(context);
    host.start();
    await reads(host);
    append(context);
    await until(async () => (await stored(context)) === 10, WAIT_MS, 'the first records');
    await host[end]();
    fill(context.disk);
    host.start();
    await reads(host);
    append(context);
    await tells(host, /spool: ENOSPC: .*; until there is room files wait/);
    await host[end]();
    host.start();
    await reads(host);
    append(context);
    makeRoom(context.disk);
    await endsWell(context, host, 30);
  });

full('it is full at the first start', async (context) => {
  mkdirSync(join(context.disk, 'data'));
  fill(context.disk);
  const host = appliance(context);
  host.start();
  await reads(host);
  append(context);
  await tells(host, /data: its disk takes nothing now/);
  makeRoom(context.disk);
  await endsWell(context, host, 10);
});

full('it is read-only', async (context) => {
  const host = appliance(context);
  host.start();
  await reads(host);
  await host.stop();
  remount(context.disk, 'ro');
  host.start();
  await reads(host);
  append(context);
  await tells(host, /spool: EROFS: .*; until there is room files wait/);
  remount(context.disk, 'rw');
  await endsWell(context, host, 10);
});

for (const trouble of ['full', 'read-only'] as const)
  full(`it is ${trouble}, and the broker of the host lies on it`, async (context) => {
    const data = join(context.disk, 'data');
    mkdirSync(data);
    if (trouble === 'full') fill(context.disk);
    else remount(context.disk, 'ro');
    const host = appliance(context, { nats: undefined });
    host.start();
    await reads(host);
    await tells(host, /broker: .* it is started as soon as there is room/);
    if (trouble === 'full') makeRoom(context.disk);
    else remount(context.disk, 'rw');
    await tells(host, /broker: connected/);
    assert.is(await host.stop(), 0, host.output());
    assert.not.match(host.output(), BARE);
  });

full('the agent of a fleet goes on, and takes over what is new when there is room', async (context) => {
  const fleet: Fleet = await startFleet();
  try {
    const host = fleet.host('a', { data: join(context.disk, 'data'), disk: { free: '0B' } });
    await fleet.push({ version: '1.0.0' });
    await fleet.has('a', 'it runs', runs('1.0.0'));
    fill(context.disk);
    await fleet.push({ version: '1.1.0' });
    await tells(host, /fleet: .*ENOSPC/);
    await host.stop();
    host.start();
    await reads(host);
    makeRoom(context.disk);
    await fleet.push({ version: '1.2.0' });
    await fleet.has('a', 'the newest runs', runs('1.2.0'));
    const numbers = (await fleet.audit('a')).map(({ seq }) => seq);
    assert.equal(
      numbers,
      numbers.map((_, at) => at + 1),
    );
    assert.is(await host.stop(), 0, host.output());
    assert.not.match(host.output(), BARE);
  } finally {
    await fleet.stop();
  }
});

if (brokerAvailable() && (await canMount())) full.run();
