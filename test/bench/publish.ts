/**
 * File to acknowledged JetStream messages: weir's own engine and publisher beside a plain Node program with the same
 * client, the same gzip level and the same size of messages, both on one broker that this job starts.
 */
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { connect, headers } from 'nats';
import { type Broker, connectBroker } from '../../host/broker.js';
import { createCourier } from '../../host/courier.js';
import { createEngine } from '../../host/engine.js';
import { startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { BATCH_BYTES_DEFAULT, COURIER_BYTES, GZIP_LEVEL, IN_FLIGHT_MAX } from '../../host/limits.js';
import { MESSAGE_BYTES_MAX, SPOOL_BYTES_DEFAULT, TICK_MS } from '../../host/limits.js';
import { createOutbox, directOutbox, type Outbox } from '../../host/outbox.js';
import { createPublisher } from '../../host/publish.js';
import { createFileSource } from '../../host/source/file.js';
import { createSpoolSpace } from '../../host/spool/space.js';
import { HEADER } from '../../host/wire.js';
import { readStream, recordsOf, startTestBroker } from '../broker.js';
import { temporaryFolder } from '../help.js';
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
  const records = { weir: 0, withoutSpool: 0, simple: 0 };
  const seconds = await bestOf({
    weir: async () => {
      records.weir = await weirPublish(path, broker.url, `run-${++runs}`, true);
    },
    withoutSpool: async () => {
      records.withoutSpool = await weirPublish(path, broker.url, `run-${++runs}`, false);
    },
    simple: async () => {
      records.simple = await plainPublish(path, broker.url, `run-${++runs}`);
    },
  });
  const count = async (subject: string) => recordsOf(await readStream(broker.url, subject)).length;
  const found = await count(`weir.ev.run-1.json-select.selected`);
  if (found !== records.weir || records.weir !== records.simple || found !== records.withoutSpool) {
    throw new Error(`publish: the sides do not agree: ${found} stored, ${JSON.stringify(records)} sent`);
  }
  await broker.stop();
  const share = ((100 * seconds.withoutSpool) / seconds.weir).toFixed(0);
  return {
    job: `file to ${found} records in acknowledged JetStream messages`,
    weir: `${(1 / seconds.weir).toFixed(1)} M events/s`,
    ratios: `${ratio(seconds.simple, seconds.weir)} simple, ${share} % of the rate without a spool`,
    target: '8x simple, 80 % of the rate without a spool',
  };
}

/** The engine and the publisher with a spool on disk between them; or each message straight to the broker, one after the other. */
async function weirPublish(path: string, url: string, appliance: string, hasSpool: boolean): Promise<number> {
  const notice = console.error;
  const broker = await connectBroker({ servers: [url], name: 'bench', wait: 'fail-fast', notice });
  const { manifest, module } = loadFilter('json-select');
  const filter = startFilter({ manifest, module, config: SELECT, zones: [] });
  const source = createFileSource('bench', [path], { untilEof: true });
  await source.open();
  const way = hasSpool ? await throughSpool(broker, appliance) : straight(broker);
  const engine = createEngine({
    appliance,
    batchBytes: BATCH_BYTES_DEFAULT,
    filters: [
      {
        instance: 'json-select',
        filter,
        format: 'cbor',
        cursors: new Map([['bench', source.cursor()]]),
        outbox: way.outbox,
      },
    ],
    onFilterEvent(_instance, event) {
      throw event;
    },
  });
  while (engine.turn(NOW_MS)) await breathe();
  engine.closeWindows(NOW_MS);
  engine.cut();
  await way.end();
  await broker.close();
  await source.close();
  return engine.totals().records;
}

interface Way {
  readonly outbox: Outbox;
  end(): Promise<void>;
}

async function throughSpool(broker: Broker, appliance: string): Promise<Way> {
  const folder = await temporaryFolder();
  const notice = console.error;
  const publisher = createPublisher({ broker, ownSubjects: `weir.ev.${appliance}.>`, notice });
  const space = createSpoolSpace({
    dataFolder: folder.path,
    bytesMax: SPOOL_BYTES_DEFAULT,
    freeBytes: 0,
    sync: 'interval',
    notice,
    onSafe() {},
  });
  const instance = 'json-select';
  const spool = space.open(instance, 0);
  const outbox = createOutbox({ spool, space, onAppended: publisher.wake });
  const courier = createCourier({
    appliance,
    instance,
    folder: join(folder.path, 'spool', instance),
    spool,
    safe: () => space.safe(spool),
    produced: () => Number.POSITIVE_INFINITY,
    bytesMax: COURIER_BYTES,
    notice,
  });
  publisher.add(courier);
  const timer = setInterval(space.tick, TICK_MS);
  return {
    outbox,
    async end() {
      if (!(await publisher.drain(60_000))) throw new Error('publish: not all messages were acknowledged');
      clearInterval(timer);
      publisher.stop();
      courier.close();
      await space.close();
      await folder.remove();
    },
  };
}

function straight(broker: Broker): Way {
  const lanes = new Map<string, Promise<unknown>>();
  let seq = 0;
  const outbox = directOutbox((message) => {
    const headers = { ...message.headers, [HEADER.messageId]: `${message.subject}/${++seq}` };
    const before = lanes.get(message.subject) ?? broker.ensureStream();
    lanes.set(
      message.subject,
      before.then(() => broker.publish({ ...message, headers })),
    );
  });
  return {
    outbox,
    async end() {
      await Promise.all(lanes.values());
    },
  };
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
