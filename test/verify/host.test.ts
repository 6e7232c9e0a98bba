/**
 * What hosts write verifies, whatever happened to them, their broker and their files.
 */
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Report } from '../../host/verify/report.js';
import { brokerAvailable, readStream, startTestBroker, type TestBroker } from '../broker.js';
import { type Appliance, createAppliance } from '../chaos/appliance.js';
import { FILTERS, inputLines } from '../chaos/kills.js';
import { saidHere } from '../command.js';
import { type TemporaryFolder, temporaryFolder, until, WAIT_MS } from '../help.js';
import { createRandom } from '../source/reading.js';

interface Context {
  broker: TestBroker;
  folder: TemporaryFolder;
  log: string;
  host: Appliance;
}

const hosts = suite<Context>('what a host wrote');
const random = createRandom(20_260_301);
hosts.before.each(async (context) => {
  context.broker = await startTestBroker();
  context.folder = await temporaryFolder();
  context.log = join(context.folder.path, 'app.log');
  writeFileSync(context.log, '');
  context.host = hostIn(context, 'one');
});
hosts.after.each(async ({ broker, folder, host }) => {
  await host.kill();
  await broker.stop();
  await folder.remove();
});

function hostIn({ broker, folder, log }: Context, name: string): Appliance {
  return createAppliance(join(folder.path, name), {
    appliance: 'fw',
    nats: { servers: [broker.url] },
    sources: { log: { file: log } },
    filters: FILTERS,
  });
}

/** As the operator of the host does it. */
async function verified({ folder }: Context): Promise<{ code: number | null; report: Report }> {
  const config = join(folder.path, 'one/weir.json');
  const { code, out, err } = await saidHere(
    ['verify', 'weir.*.fw.>', '--config', config, '--json'],
    folder.path,
  );
  assert.is(err, '');
  return { code, report: JSON.parse(out) };
}

async function toTheEnd(host: Appliance): Promise<void> {
  host.start('--until-eof');
  assert.is(await host.ended(), 0, host.output());
}

/** Appends lines, and waits until each of the two filters has published something of them. */
async function appendAndSee({ broker, log }: Context, from: number, count: number): Promise<void> {
  const seen = async () => new Set((await stored(broker)).map(({ subject }) => subject)).size;
  const stored = (of: TestBroker) => readStream(of.url, 'weir.ev.fw.>').catch(() => []);
  const before = (await stored(broker)).length;
  appendFileSync(log, inputLines(random, from, count));
  await until(
    async () => (await stored(broker)).length >= before + 2 && (await seen()) >= 2,
    WAIT_MS,
    'messages',
  );
}

const reads = (host: Appliance) => until(() => host.isReading(), WAIT_MS, `a start: ${host.output()}`);

hosts('is complete after a run to the end, with every event in the ledgers', async (context) => {
  appendFileSync(context.log, inputLines(random, 0, 3_000));
  await toTheEnd(context.host);
  const { code, report } = await verified(context);
  assert.equal([code, report.findings, report.explained], [0, [], []]);
  assert.equal(
    report.ledgers.map(({ filter, in: events, not_told }) => [filter, events, not_told]),
    [
      ['counts', 3_000, 0],
      ['failed', 3_000, 0],
    ],
  );
});

hosts('is complete after kills, and no event is counted twice', async (context) => {
  const { host, log } = context;
  for (let kill = 0; kill < 3; kill++) {
    host.start();
    await reads(host);
    await appendAndSee(context, kill * 2_000, 1_000);
    appendFileSync(log, inputLines(random, kill * 2_000 + 1_000, 1_000));
    await host.kill();
  }
  await toTheEnd(host);
  const { code, report } = await verified(context);
  assert.equal([code, report.findings, report.explained], [0, [], []], host.output());
  for (const { in: events, not_told } of report.ledgers) assert.equal([events, not_told], [6_000, 0]);
});

hosts(
  'tells what cannot be read again after a kill, and counts each event once all the same',
  async (context) => {
    const { host, log } = context;
    host.start();
    await reads(host);
    await appendAndSee(context, 0, 1_000);
    await appendAndSee(context, 1_000, 1_000);
    await host.kill();
    // Another file takes its place; the one that was read is gone.
    writeFileSync(`${log}.new`, inputLines(random, 2_000, 500));
    renameSync(`${log}.new`, log);
    await toTheEnd(host);
    const { code, report } = await verified(context);
    assert.equal([code, report.findings], [0, []], host.output());
    for (const { in: events, not_told } of report.ledgers) assert.equal([events, not_told], [2_500, 0]);
    // At most so many: what a filter keeps it may count into a window, too.
    const [counts, failed] = report.explained;
    assert.equal([counts?.filter, counts?.what, counts?.count], ['counts', 'lost', 2_000]);
    assert.equal([failed?.filter, failed?.what, report.explained.length], ['failed', 'lost', 2]);
    assert.ok((failed?.count ?? 0) > 0 && (failed?.count ?? 0) < 2_000, `${failed?.count}`);
  },
);

hosts('says what a broker has lost, and begins anew', async (context) => {
  const { host, broker, log } = context;
  appendFileSync(log, inputLines(random, 0, 2_000));
  await toTheEnd(host);
  const connection = await connect({ servers: broker.url });
  const manager = await connection.jetstreamManager();
  await manager.streams.delete('WEIR');
  await connection.close();
  appendFileSync(log, inputLines(random, 2_000, 2_000));
  await toTheEnd(host);
  const { code, report } = await verified(context);
  assert.equal([code, report.findings], [0, []], host.output());
  const reasons = new Set(report.explained.map(({ reason }) => reason));
  assert.ok(reasons.has('store-lost'), JSON.stringify(report.explained));
});

hosts('of two under one name is told as such, and nothing of either is missing', async (context) => {
  const { host, log } = context;
  const other = hostIn(context, 'two');
  for (let turn = 0; turn < 4; turn++) {
    appendFileSync(log, inputLines(random, turn * 1_000, 1_000));
    await toTheEnd(turn % 2 === 0 ? host : other);
  }
  const { code, report } = await verified(context);
  assert.equal([code, report.findings], [0, []]);
  const epochs = report.explained.filter(
    ({ stream, filter }) => stream === 'selected' && filter === 'failed',
  );
  assert.equal(
    epochs.map(({ what, count, reason }) => [what, count, reason]),
    [
      ['epoch', 1, 'started'],
      // It reads the file from its beginning.
      ['repeated', 1, 'started'],
      ['epoch', 2, 'other-writer'],
    ],
  );
});

if (brokerAvailable()) hosts.run();
