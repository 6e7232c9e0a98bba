/**
 * A host that starts with a backlog of a gigabyte on its disk: how much later it begins to read, how fast the backlog goes out,
 * and what memory that takes.
 */
import { randomFillSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { CPU_SHARE_MAX, MESSAGE_BYTES_MAX } from '../../host/limits.js';
import { messageEntry } from '../../host/spool/payload.js';
import { createSpoolSpace } from '../../host/spool/space.js';
import { startTestBroker } from '../broker.js';
import { type Appliance, createAppliance } from '../chaos/appliance.js';
import { temporaryFolder, until, WAIT_MS } from '../help.js';
import type { Row } from './run.js';
import { SELECT } from './select.js';

const BACKLOG_BYTES = 2 ** 30;
const STREAMS = ['selected', 'counts'];
const SAMPLE_MS = 20;

export async function backlogJob(): Promise<Row> {
  const folder = await temporaryFolder();
  const broker = await startTestBroker();
  const config = (server: string) => ({
    appliance: 'backlog',
    limits: { cpu: CPU_SHARE_MAX, spool: '4GiB' },
    nats: { servers: [server] },
    sources: { input: { file: 'none.log' } },
    filters: { 'json-select': { from: ['input'], config: SELECT } },
  });
  const empty = createAppliance(join(folder.path, 'empty'), config('nats://127.0.0.1:9'));
  const emptyMs = await startMs(empty);
  await empty.kill();

  const data = join(folder.path, 'full');
  const messages = await fill(join(data, 'data'));
  const before = createAppliance(data, config('nats://127.0.0.1:9'));
  // It has been there when the backlog came, so it has a checkpoint behind it.
  await startMs(before);
  await until(() => existsSync(join(data, 'data/checkpoints/json-select/1.ckp')), WAIT_MS, 'a checkpoint');
  await before.kill();

  const host = createAppliance(data, config(broker.url));
  const openMs = (await startMs(host)) - emptyMs;
  const residentMiB = sample(host);
  const drainMs = performance.now();
  const connection = await connect({ servers: broker.url });
  const manager = await connection.jetstreamManager();
  const stored = async () => (await manager.streams.info('WEIR').catch(() => undefined))?.state.last_seq ?? 0;
  await until(async () => (await stored()) >= messages, WAIT_MS, 'all messages');
  const seconds = (performance.now() - drainMs) / 1_000;
  const most = residentMiB();
  await connection.close();
  await host.stop();
  await broker.stop();
  await folder.remove();
  return {
    job: 'a backlog of 1 GiB on disk, stored by the broker',
    weir: `${(BACKLOG_BYTES / 1e6 / seconds).toFixed(0)} MB/s`,
    ratios: `the host starts ${openMs.toFixed(0)} ms later than without; ${most.toFixed(0)} MiB resident at most`,
    target: '100 MB/s, 200 ms, under 110 MiB',
  };
}

/** From nothing to reading. */
async function startMs(host: Appliance): Promise<number> {
  const start = performance.now();
  host.start();
  await until(() => host.isReading(), WAIT_MS, `the host reads: ${host.output()}`);
  return performance.now() - start;
}

/** Samples resident memory until it is asked for the most. */
function sample(host: Appliance): () => number {
  let most = 0;
  const timer = setInterval(() => {
    const status = readFileSync(`/proc/${host.pid()}/status`, 'utf8');
    most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    return most;
  };
}

/** Fills a spool with messages that do not compress; answers how many. */
async function fill(dataFolder: string): Promise<number> {
  const space = createSpoolSpace({
    dataFolder,
    bytesMax: 4 * BACKLOG_BYTES,
    freeBytes: 0,
    sync: 'none',
    notice: console.error,
    onSafe() {},
  });
  const spool = space.open('json-select', 0);
  writeFileSync(join(dataFolder, 'format'), '1\n');
  const body = randomFillSync(Buffer.alloc(MESSAGE_BYTES_MAX));
  const count = BACKLOG_BYTES / body.length;
  for (let at = 0; at < count; at++) {
    const stream = STREAMS[at % STREAMS.length] as string;
    const subject = `weir.ev.backlog.json-select.${stream}`;
    const seq = Math.floor(at / STREAMS.length) + 1;
    const message = { subject, headers: {}, body, stream, seq, records: 1, events: 1 };
    spool.append([messageEntry(message), { kind: 'commit', payload: [Buffer.from('{}')] }]);
  }
  await space.close();
  return count;
}
