/**
 * A host without its process: store, engine, sources and publisher as `host/index.ts` puts them together, and a broker in memory
 * that checks places as JetStream does. A start takes milliseconds, so that what a disk can do to a file is tried at every byte.
 */
import { writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { FilterConfig } from '../host/config.js';
import type { Courier } from '../host/courier.js';
import { createEngine, type Engine } from '../host/engine.js';
import { Misplaced } from '../host/jetstream.js';
import { unpack } from '../host/pack.js';
import { createPublisher } from '../host/publish.js';
import type { KeptMessage } from '../host/readback.js';
import { createSources } from '../host/source/create.js';
import { createStore } from '../host/store.js';
import { type Report, reportOf } from '../host/verify/report.js';
import { createVerifier } from '../host/verify/verify.js';
import { type Installed, loadEntry, startEntry } from '../host/versions.js';
import { HEADER, type WireRecord } from '../host/wire.js';
import { parse } from './configs.js';
import { WAIT_MS } from './help.js';

const NOON = Date.parse('2026-01-31T12:00:00Z');
const BATCH_BYTES = 4_096;

type PublisherBroker = Parameters<typeof createPublisher>[0]['broker'];

/** A broker in memory, with one stream of one replica. */
export interface MemoryBroker extends PublisherBroker {
  readonly messages: KeptMessage[];
  setConnected(value: boolean): void;
  /** What `weir verify` says of it. */
  verify(): Report;
  /** The records of a stream of the filter, one behind the other. */
  records(stream: string): WireRecord[];
}

export function memoryBroker(): MemoryBroker {
  const messages: KeptMessage[] = [];
  let isConnected = true;
  let tellConnected = () => {};
  const lastOn = (subject: string) => messages.findLast((message) => message.subject === subject);
  return {
    messages,
    hasOneReplica: () => true,
    connected: () => isConnected,
    onConnected(listener) {
      tellConnected = listener;
      if (isConnected) listener();
    },
    async last(subject) {
      return subject.endsWith('>') ? messages.at(-1) : lastOn(subject);
    },
    first: async () => messages[0]?.sequence ?? 1,
    async ensureStream() {},
    async publish({ subject, headers, body }, follows = 0) {
      const end = lastOn(subject)?.sequence ?? 0;
      if (follows !== end) throw new Misplaced(subject, follows, end);
      const sequence = (messages.at(-1)?.sequence ?? 0) + 1;
      const marked = { ...headers, [HEADER.follows]: String(follows) };
      messages.push({ subject, headers: marked, body, sequence, storedMs: Date.now() });
      return { duplicate: false, sequence };
    },
    setConnected(value) {
      isConnected = value;
      if (value) tellConnected();
    },
    verify() {
      const verifier = createVerifier();
      for (const message of messages) verifier.take(message);
      const last = messages.at(-1)?.sequence ?? 0;
      const kept = { firstBefore: 1, firstAfter: 1, last, perSubjectMax: 0 };
      return reportOf(verifier.result(), kept, { stream: 'WEIR', subject: undefined, sinceMs: undefined });
    },
    records(stream) {
      const found: WireRecord[] = [];
      for (const { subject, headers, body } of messages)
        if (subject.endsWith(`.f.${stream}`)) unpack(headers, body, (record) => found.push(record));
      return found;
    },
  };
}

export interface Life {
  readonly notices: readonly string[];
  readonly courier: Courier;
  readonly engine: Engine;
  /** Reads all that was there at the start, and writes what came of each batch to the spool. */
  read(): void;
  /** Waits until the broker has all of it. */
  published(): Promise<void>;
  kill(): Promise<void>;
  /** In order: with a ledger and a checkpoint. */
  stop(): Promise<void>;
}

export interface Living {
  /** The file that is read. */
  readonly log: string;
  readonly data: string;
  readonly broker: MemoryBroker;
  readonly disk?: object;
  /** Another filter than the one that selects the events of alice. */
  readonly filter?: { readonly filter: string; readonly config?: object };
  /** Folder of built filters. */
  readonly filterDir?: string;
}

/** Those that run, so that a test that fails leaves nothing behind. */
const lives = new Set<Life>();

export async function endLives(): Promise<void> {
  for (const life of lives) await life.kill();
}

const ALICE = {
  filter: 'json-select',
  config: { where: [{ field: 'user', equals: 'alice' }], count_by: ['user'], window: '1h' },
};

/** Shipped modules that were loaded: lives share them, so that each is judged and compiled once. */
const known = new Map<string, Installed['loaded']>();

function shipped(entry: FilterConfig): Installed {
  const loaded = known.get(entry.filter) ?? loadEntry(entry, undefined).loaded;
  known.set(entry.filter, loaded);
  return { entry, loaded };
}

/** Starts a filter `f`: unless told otherwise one that selects the events of alice and counts all by user. */
export async function live(living: Living): Promise<Life> {
  const { log, data, broker, disk = { sync: 'none' }, filter: wanted = ALICE, filterDir } = living;
  const notices: string[] = [];
  const notice = (line: string) => notices.push(line);
  const config = parse({
    appliance: 'a',
    data,
    nats: { servers: ['nats://127.0.0.1:9'] },
    sources: { log: { file: log } },
    filters: { f: { from: ['log'], ...wanted } },
    disk,
  });
  const load = (entry: FilterConfig) =>
    filterDir === undefined ? shipped(entry) : loadEntry(entry, filterDir);
  const installed = config.filters.map(load);
  let wake = () => {};
  const store = createStore({ config, installed, notice, onAppended: () => wake() });
  const sources = createSources(config, false, notice);
  const [source] = [...sources.values()];
  const first = store.toStart('f');
  assert.ok(source);
  await source.open();
  const cursor = source.cursor(store.position('f', 'log'));
  const filter = { instance: 'f', filter: startEntry(first), format: 'cbor' as const };
  const engine = createEngine({
    appliance: 'a',
    batchBytes: BATCH_BYTES,
    filters: [{ ...filter, cursors: new Map([['log', cursor]]), outbox: store.outbox('f') }],
    keepsReads: true,
    onFilterEvent() {},
  });
  store.resume(engine);
  const publisher = createPublisher({ broker, ownSubjects: 'weir.ev.a.>', notice, retryMs: 1 });
  wake = publisher.wake;
  for (const courier of store.couriers()) publisher.add(courier);
  const [courier] = store.couriers();
  const published = async () => assert.ok(await publisher.drain(WAIT_MS), notices.join('\n'));
  const read = () => {
    while (engine.turn(NOON)) engine.cut();
  };
  const end = async (close: () => Promise<void>) => {
    lives.delete(life);
    publisher.stop();
    await source.close();
    await close();
  };
  const life: Life = {
    notices,
    courier: courier as Courier,
    engine,
    read,
    published,
    kill: () => end(store.space.close),
    async stop() {
      read();
      engine.closeLedgers(NOON, 'keep places');
      engine.cut();
      publisher.wake();
      if (broker.connected()) await published();
      await end(store.close);
    },
  };
  lives.add(life);
  return life;
}

/** Writes lines with these numbers behind what is in the file; every third is of alice. */
export function grow({ log }: Living, from: number, to: number): void {
  let text = '';
  for (let at = from; at < to; at++) {
    const user = at % 3 === 0 ? 'alice' : 'bob';
    text += `${JSON.stringify({ ts: new Date(NOON + at).toISOString(), user, at })}\n`;
  }
  writeFileSync(log, text, { flag: 'a' });
}

/** Numbers of the lines that were selected, in the order in which they are told. */
export function selected(broker: MemoryBroker): number[] {
  return broker.records('selected').map(({ at, line }) => at ?? JSON.parse(String(line)).at);
}
