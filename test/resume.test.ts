/**
 * What a host goes on with after it was stopped or killed: open windows, another version, another config, a file that is gone.
 */
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../host/wire.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker, type TestBroker } from './broker.js';
import { type Appliance, createAppliance } from './chaos/appliance.js';
import { ROOT } from './command.js';
import { temporaryFolder, until } from './help.js';

const WAIT_MS = 20_000;

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

const COUNTS = { count_by: ['user'], window: '1h' };

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

/** Waits until the filter has told in its ledger, or the spool in its rows, of so many events. */
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
    await until(() => isIdle(host), WAIT_MS, 'all is read');
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

/** The status of a process: what it has read of its log is all there is. */
function isIdle(host: Appliance): boolean {
  const size = readFileSync(join(host.folder, 'app.log')).length;
  const fds = readFileSync(`/proc/${host.pid()}/io`, 'utf8');
  return Number(/rchar: (\d+)/.exec(fds)?.[1] ?? 0) > size && performance.now() - startedAt(host) > 1_200;
}

const startTimes = new WeakMap<Appliance, { pid: number; at: number }>();
function startedAt(host: Appliance): number {
  const seen = startTimes.get(host);
  if (seen?.pid === host.pid()) return seen.at;
  startTimes.set(host, { pid: host.pid(), at: performance.now() });
  return performance.now();
}

resume(
  'another version that is installed meanwhile takes over what the old one remembers',
  async (context) => {
    const host = hostOf(context);
    grow(context, 10);
    await started(host);
    await until(() => isIdle(host), WAIT_MS, 'all is read');
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
  await until(() => isIdle(host), WAIT_MS, 'all is read');
  assert.is(await host.stop(), 0, host.output());
  grow(context, 5);
  const changed = hostOf(context, { count_by: ['user'], window: '30m' });
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

if (brokerAvailable()) resume.run();
