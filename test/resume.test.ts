/**
 * What a host goes on with after it was stopped or killed: open windows, another version, another config, a file that is gone.
 */
import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../host/wire.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker, type TestBroker } from './broker.js';
import { type Appliance, createAppliance, unproven } from './chaos/appliance.js';
import { ROOT } from './command.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';
import { createRandom } from './source/reading.js';

interface Context {
  broker: TestBroker;
  folder: string;
  appliance: string;
}

const resume = suite<Context>('resume');
let number = 0;
resume.before(async (context) => {
  context.broker = await startTestBroker();
});
resume.after(async ({ broker }) => broker.stop());
resume.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.appliance = `resume-${++number}`;
  cpSync(join(ROOT, 'dist/filters/json-select'), join(context.folder, 'filters/json-select'), {
    recursive: true,
  });
  writeFileSync(join(context.folder, 'app.log'), '');
});
resume.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const SELECT = { where: [{ field: 'user', equals: 'alice' }] };
const COUNTS = { ...SELECT, count_by: ['user'], window: '1h' };

function hostOf({ folder, broker, appliance }: Context, config: object = COUNTS): Appliance {
  return createAppliance(folder, {
    appliance,
    nats: { servers: [broker.url] },
    sources: { log: { file: 'app.log' } },
    filters: { 'json-select': { from: ['log'], config } },
  });
}

async function started(host: Appliance): Promise<void> {
  host.start('--filter-dir', 'filters');
  await until(() => host.isReading(), WAIT_MS, `the host reads: ${host.output()}`);
}

function setVersion({ folder }: Context, version: string): void {
  const path = join(folder, 'filters/json-select/filter.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), version }));
}

/** Lines of one hour, by alice. */
function grow({ folder }: Context, lines: number): void {
  const line = `${JSON.stringify({ ts: '2026-01-31T12:00:01Z', user: 'alice' })}\n`;
  appendFileSync(join(folder, 'app.log'), line.repeat(lines));
}

const records = async ({ broker, appliance }: Context, stream: string): Promise<WireRecord[]> =>
  recordsOf(await readStream(broker.url, `weir.ev.${appliance}.json-select.${stream}`).catch(() => []));

const sum = (found: readonly WireRecord[], field: string) =>
  found.reduce((total, record) => total + Number(record[field]), 0);

/** Waits until so many events have been read: each is told at once. */
async function hasSelected(context: Context, events: number): Promise<void> {
  const found = async () => (await records(context, 'selected')).length;
  await until(async () => (await found()) === events, WAIT_MS, `${events} events are selected`);
}

/** Waits until the ledger tells of so many events. */
async function hasRead(context: Context, events: number): Promise<void> {
  const told = async () => sum(await records(context, 'ledger'), 'in');
  await until(async () => (await told()) === events, WAIT_MS, `${events} events in the ledger`);
}

/** Reads to the end, and closes all windows. */
async function finished(host: Appliance): Promise<void> {
  host.start('--until-eof', '--filter-dir', 'filters');
  assert.is(await host.ended(), 0, host.output());
}

resume('a window that is open when the host stops is told once, whole, after it', async (context) => {
  const host = hostOf(context);
  for (const lines of [10, 20]) {
    grow(context, lines);
    await started(host);
    await hasSelected(context, lines === 10 ? 10 : 30);
    assert.is(await host.stop(), 0, host.output());
  }
  assert.equal(await records(context, 'counts'), [], 'a stop is not the end of an hour');
  await finished(host);
  assert.equal(
    (await records(context, 'counts')).map(({ user, count, partial }) => [user, count, partial]),
    [['alice', 30, undefined]],
  );
  await hasRead(context, 30);
});

resume(
  'another version that is installed meanwhile takes over what the old one remembers',
  async (context) => {
    const host = hostOf(context);
    grow(context, 10);
    await started(host);
    await hasSelected(context, 10);
    await host.kill();
    setVersion(context, '9.0.0');
    grow(context, 5);
    await finished(host);
    assert.match(host.output(), /json-select@1\.\S+ -> json-select@9\.0\.0\S+; state taken over/);
    assert.is(sum(await records(context, 'counts'), 'count'), 15);
    assert.equal(
      (await records(context, 'counts')).map(({ partial }) => partial),
      [undefined],
    );
    await hasRead(context, 15);
  },
);

resume('with another config the open windows of the old one are told as partial', async (context) => {
  grow(context, 10);
  const host = hostOf(context);
  await started(host);
  await hasSelected(context, 10);
  assert.is(await host.stop(), 0, host.output());
  grow(context, 5);
  const changed = hostOf(context, { ...COUNTS, window: '30m' });
  await finished(changed);
  assert.match(changed.output(), /open windows were told as partial ones/);
  assert.equal(
    (await records(context, 'counts')).map(({ window_ms, count, partial }) => [window_ms, count, partial]),
    [
      [3_600_000, 10, true],
      [1_800_000, 5, undefined],
    ],
  );
});

resume('what a filter had told goes out, also when the next config has it not any more', async (context) => {
  const { folder, broker, appliance } = context;
  const filters = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, { filter: 'json-select', from: ['log'], config: SELECT }]));
  const config = (names: readonly string[], url: string) => ({
    appliance,
    nats: { servers: [url] },
    sources: { log: { file: 'app.log' } },
    filters: filters(names),
  });
  const away = createAppliance(folder, config(['json-select', 'other'], 'nats://127.0.0.1:9'));
  grow(context, 3);
  await finishedWithout(away);
  const next = createAppliance(folder, config(['other'], broker.url));
  await finished(next);
  assert.match(
    next.output(),
    /filter json-select: it is not in the config any more; what it had told goes out/,
  );
  assert.is((await records(context, 'selected')).length, 3);
});

/** Reads all, and is killed while it waits for its broker. */
async function finishedWithout(host: Appliance): Promise<void> {
  await started(host);
  const spool = join(host.folder, 'data/spool/json-select');
  await until(
    () => readdirSync(spool).some((name) => name.endsWith('.seg') && statSync(join(spool, name)).size > 0),
    WAIT_MS,
    'a message on the disk',
  );
  await host.kill();
}

resume('what cannot be read again after a kill is told as lost, and what is new goes on', async (context) => {
  const host = hostOf(context, { count_by: ['user'], window: '1h' });
  await started(host);
  grow(context, 1_000);
  // A record that goes out makes what was done before it known.
  const bob = `${JSON.stringify({ ts: '2026-01-31T18:00:01Z', user: 'bob' })}\n`;
  appendFileSync(join(context.folder, 'app.log'), bob);
  await until(async () => (await records(context, 'counts')).length > 0, WAIT_MS, 'a window is over');
  await host.kill();
  truncateSync(join(context.folder, 'app.log'), 0);
  grow(context, 7);
  await finished(host);
  assert.match(host.output(), /cannot be done again; \d+ events are lost from its state/);
  const ledgers = await records(context, 'ledger');
  const lost = ledgers.reduce((total, { lost: found }) => total + Number((found as WireRecord).log ?? 0), 0);
  assert.is(sum(ledgers, 'in'), 1_008);
  assert.ok(lost >= 1 && lost <= 1_001, `${lost} are told as lost`);
  const counted = sum(await records(context, 'counts'), 'count');
  assert.ok(counted + lost >= 1_008, `${counted} counted, ${lost} lost`);
});

/** Events that the ledger tells as lost. */
async function lost(context: Context): Promise<number> {
  const ledgers = await records(context, 'ledger');
  return ledgers.reduce((total, { lost: found }) => total + Number((found as WireRecord).log ?? 0), 0);
}

/** Lines of a minute, by alice. */
function growMinute({ folder }: Context, minute: number, lines: number): void {
  const ts = new Date(Date.UTC(2026, 0, 31, 12, minute, 30)).toISOString();
  appendFileSync(join(folder, 'app.log'), `${JSON.stringify({ ts, user: 'alice' })}\n`.repeat(lines));
}

resume('a window that was told is not told again where its lines cannot be read again', async (context) => {
  const { folder, broker } = context;
  const host = hostOf(context, { ...COUNTS, window: '60s' });
  await started(host);
  growMinute(context, 0, 800);
  await hasSelected(context, 800);
  assert.is(await host.stop(), 0, host.output());
  await started(host);
  growMinute(context, 0, 400);
  growMinute(context, 1, 600);
  growMinute(context, 2, 1);
  let selected = 1_801;
  await hasSelected(context, selected);
  await until(async () => (await records(context, 'counts')).length === 2, WAIT_MS, 'two windows');
  await host.kill();
  for (const minute of [3, 4]) {
    rmSync(join(folder, 'app.log'));
    growMinute(context, minute, 100 * minute);
    await started(host);
    selected += 100 * minute;
    await hasSelected(context, selected);
    await host.kill();
  }
  await finished(host);
  const counts = await records(context, 'counts');
  const whole = counts.filter(({ partial }) => partial === undefined);
  assert.equal(
    whole.slice(0, 2).map(({ count }) => count),
    [1_200, 600],
  );
  assert.is(new Set(whole.map(({ ts }) => ts)).size, whole.length, 'each window once');
  const counted = sum(counts, 'count');
  assert.ok(counted + (await lost(context)) >= selected, `${counted} counted, ${await lost(context)} lost`);
  assert.is(await unproven(broker.url, context.appliance), undefined);
});

resume('kept events that were counted into a window, too, are told as lost with it', async (context) => {
  const host = hostOf(context);
  await started(host);
  growMinute(context, 0, 500);
  await hasSelected(context, 500);
  await host.kill();
  rmSync(join(context.folder, 'app.log'));
  growMinute(context, 1, 700);
  await finished(host);
  assert.is(sum(await records(context, 'ledger'), 'in'), 1_200);
  assert.is(sum(await records(context, 'counts'), 'count') + (await lost(context)), 1_200);
  assert.is(await unproven(context.broker.url, context.appliance), undefined);
});

resume(
  'what goes another way half way through is counted once in what messages say of events',
  async (context) => {
    const { folder, broker } = context;
    const host = hostOf(context, SELECT);
    growMinute(context, 0, 500);
    await started(host);
    await hasSelected(context, 500);
    assert.is(await host.stop(), 0, host.output());
    // Of two files that were read since the checkpoint the second one is gone.
    growMinute(context, 1, 500);
    renameSync(join(folder, 'app.log'), join(folder, 'app.log.1'));
    growMinute(context, 2, 500);
    await started(host);
    await hasSelected(context, 1_500);
    await host.kill();
    rmSync(join(folder, 'app.log'));
    growMinute(context, 3, 300);
    await finished(host);
    assert.match(host.output(), /cannot be done again/);
    assert.is((await records(context, 'selected')).length, 1_800);
    assert.is(await unproven(broker.url, context.appliance), undefined);
  },
);

resume('a spool that was full while the broker was away empties, and reading goes on', async (context) => {
  const { folder, appliance } = context;
  const away = await startTestBroker();
  const host = createAppliance(folder, {
    appliance,
    nats: { servers: [away.url] },
    limits: { cpu: 64, memory: '400MiB', spool: '1MiB' },
    sources: { log: { file: 'app.log' } },
    filters: { 'json-select': { from: ['log'], config: SELECT } },
  });
  await away.kill();
  // What does not compress, and more than fits.
  const random = createRandom(1);
  const noise = () => Array.from({ length: 40 }, () => random(2 ** 31).toString(36)).join('');
  for (let line = 0; line < 12_000; line++) {
    const event = { ts: '2026-01-31T12:00:01Z', user: 'alice', noise: noise() };
    appendFileSync(join(folder, 'app.log'), `${JSON.stringify(event)}\n`);
  }
  await started(host);
  await until(() => host.output().includes('spool: full'), WAIT_MS, 'it is full');
  await away.restart();
  const told = async () =>
    recordsOf(await readStream(away.url, `weir.ev.${appliance}.json-select.selected`).catch(() => [])).length;
  await until(async () => (await told()) === 12_000, WAIT_MS, 'all events');
  assert.is(await host.stop(), 0, host.output());
  await away.stop();
});

if (brokerAvailable()) resume.run();
