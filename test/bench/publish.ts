/**
 * File to acknowledged JetStream messages: weir's own engine and publisher beside a plain Node program with the same
 * client, the same gzip level and the same size of messages, both on one broker that this job starts.
 */
import { gzipSync } from 'node:zlib';
import { connect, headers } from 'nats';
import { connectBroker } from '../../host/broker.js';
import { createEngine } from '../../host/engine.js';
import { startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { BATCH_BYTES_DEFAULT, GZIP_LEVEL, IN_FLIGHT_MAX, MESSAGE_BYTES_MAX } from '../../host/limits.js';
import { createPublisher } from '../../host/publish.js';
import { createFileSource } from '../../host/source/file.js';
import { readStream, recordsOf, startTestBroker } from '../broker.js';
import { benchFile } from './data.js';
import { bestOf, ratio } from './best.js';
import { selectSimple } from './plain.js';
import type { Row } from './run.js';
import { SELECT } from './select.js';

const NOW_MS = Date.UTC(2026, 1, 1);

export async function publishJob(): Promise<Row> {
  const path = benchFile('ndjson');
  const broker = await startTestBroker();
  let runs = 0;
  const records = { weir: 0, simple: 0 };
  const seconds = await bestOf({
    weir: async () => {
      records.weir = await weirPublish(path, broker.url, `run-${++runs}`);
    },
    simple: async () => {
      records.simple = await plainPublish(path, broker.url, `run-${++runs}`);
    },
  });
  const count = async (subject: string) => recordsOf(await readStream(broker.url, subject)).length;
  const found = await count(`weir.ev.run-1.json-select.selected`);
  if (found !== records.weir || records.weir !== records.simple) {
    throw new Error(`publish: the sides do not agree: ${found} stored, ${JSON.stringify(records)} sent`);
  }
  await broker.stop();
  return {
    job: `file to ${found} records in acknowledged JetStream messages`,
    weir: `${(1 / seconds.weir).toFixed(1)} M events/s`,
    ratios: `${ratio(seconds.simple, seconds.weir)} simple`,
    target: '8x simple',
  };
}

async function weirPublish(path: string, url: string, appliance: string): Promise<number> {
  const broker = await connectBroker({
    servers: [url],
    name: 'bench',
    wait: 'fail-fast',
    notice: console.error,
  });
  const publisher = createPublisher({ broker, notice: console.error });
  const { manifest, module } = loadFilter('json-select');
  const filter = startFilter({ manifest, module, config: SELECT, zones: [] });
  const source = createFileSource('bench', [path], { untilEof: true });
  await source.open();
  const engine = createEngine({
    appliance,
    epoch: '0',
    batchBytes: BATCH_BYTES_DEFAULT,
    filters: [
      { instance: 'json-select', filter, format: 'cbor', cursors: new Map([['bench', source.cursor()]]) },
    ],
    send: publisher.offer,
    onFilterEvent(_instance, event) {
      throw event;
    },
  });
  while (engine.turn(NOW_MS)) if (publisher.full()) await publisher.drain(60_000);
  engine.closeWindows(NOW_MS);
  engine.cut();
  if ((await publisher.drain(60_000)) > 0) throw new Error('publish: not all messages were acknowledged');
  publisher.stop();
  await broker.close();
  await source.close();
  return engine.totals().records;
}

/** Parse every line, keep the same fields, NDJSON, gzip, publish with acknowledgements, as many in flight. */
async function plainPublish(path: string, url: string, appliance: string): Promise<number> {
  const connection = await connect({ servers: url });
  const jetstream = connection.jetstream();
  const outstanding: Promise<unknown>[] = [];
  let lines: string[] = [];
  let bytes = 0;
  let records = 0;
  let seq = 0;
  const send = () => {
    const fields = headers();
    fields.set('Nats-Msg-Id', `${appliance}-${++seq}`);
    const body = gzipSync(Buffer.from(lines.join('')), { level: GZIP_LEVEL });
    outstanding.push(jetstream.publish(`weir.ev.${appliance}.plain.selected`, body, { headers: fields }));
    lines = [];
    bytes = 0;
  };
  selectSimple(path, (record) => {
    const line = `${JSON.stringify(record)}\n`;
    lines.push(line);
    bytes += line.length;
    records++;
    if (bytes >= MESSAGE_BYTES_MAX) send();
  });
  if (lines.length > 0) send();
  for (let at = 0; at < outstanding.length; at += IN_FLIGHT_MAX) {
    await Promise.all(outstanding.slice(at, at + IN_FLIGHT_MAX));
  }
  await connection.close();
  return records;
}
