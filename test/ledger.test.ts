/**
 * The ledger on the wire: whoever adds its records up knows what became of every event, and how many were never seen.
 */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Engine } from '../host/engine.js';
import { LEDGER, type Ledger } from '../host/filter/abi.js';
import { type FilterInstance, startFilter } from '../host/filter/instance.js';
import { installedFilters, loadFilter } from '../host/filter/library.js';
import { CPU_SHARE_MAX } from '../host/limits.js';
import { unpack } from '../host/pack.js';
import { createInbox } from '../host/source/inbox.js';
import type { Cursor } from '../host/source/source.js';
import { createSyslogSource } from '../host/source/syslog.js';
import { encodeRecord, type Message, type WireRecord } from '../host/wire.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker, type TestBroker } from './broker.js';
import { endAll, said, weir } from './command.js';
import { corpusFiles } from './corpus.js';
import { assemble, batch, CONSUMED, LEDGER as COUNTERS, load } from './filter/hostile.js';
import { memoryCursor } from '../host/author/drive.js';
import { ledgerAddsUp } from './filter.js';
import { temporaryFolder, until } from './help.js';
import { arrive, open } from './source/keeping.js';
import { readText, sendDatagrams } from './source/reading.js';

const SMALL = { capacityBytes: 1_000, eventBytesMax: 100 };
const NOON = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;
const LF = 10;

const sshLine = (at: number) =>
  `Jan 31 10:00:00 fw sshd[${at}]: Failed password for u${at} from 10.0.0.1 port 22 ssh2`;

function started(name: string, config: object = {}): FilterInstance {
  const { manifest, module } = loadFilter(name);
  return startFilter({ manifest, module, config, zones: [] });
}

interface Watched {
  readonly engine: Engine;
  /** What the messages of the stream `ledger` hold so far. */
  readonly ledgers: () => WireRecord[];
}

/** One filter in an engine of its own. */
function engineOf(
  filter: FilterInstance,
  cursors: Record<string, Cursor>,
  send = (_: Message) => {},
): Watched {
  const ledgers: WireRecord[] = [];
  const engine = createEngine({
    appliance: 'fw-01',
    batchBytes: 4_096,
    filters: [{ instance: 'f', filter, format: 'cbor', cursors: new Map(Object.entries(cursors)) }],
    send(message) {
      send(message);
      const { headers, body, subject } = message;
      if (subject === 'weir.ev.fw-01.f.ledger') unpack(headers, body, (record) => ledgers.push(record));
    },
    onFilterEvent: () => {},
  });
  return {
    engine,
    ledgers() {
      engine.cut();
      return ledgers;
    },
  };
}

/** The sum of all records: each counter, and the counts of all sources together. */
function sumOf(records: readonly WireRecord[]): Ledger & { readonly lost: number; readonly cut: number } {
  const sum = (of: (record: WireRecord) => number) =>
    records.reduce((total, record) => total + of(record), 0);
  const all = (counts: unknown) => Object.values(counts as object).reduce((total, n) => total + n, 0);
  const counters = LEDGER.map((name) => [name, sum((record) => record[name] as number)]);
  return {
    ...(Object.fromEntries(counters) as Ledger),
    lost: sum(({ lost }) => all(lost)),
    cut: sum(({ cut }) => all(cut)),
  };
}

test('each window that saw something is one record of what it saw, aligned to the minute', () => {
  const inbox = createInbox(SMALL);
  const { engine, ledgers } = engineOf(started('ssh-auth'), { s: inbox.cursor() });
  const read = (nowMs: number, ...lines: string[]) => {
    for (const line of lines) inbox.append(Buffer.from(line));
    engine.turn(nowMs);
  };
  read(NOON + 59_000, sshLine(1), 'cron: nothing');
  read(NOON + 59_999, sshLine(2));
  assert.equal(ledgers(), [], 'the window is not over');
  read(NOON + MINUTE, sshLine(3));
  const zeros = Object.fromEntries(LEDGER.map((name) => [name, 0]));
  const first = {
    ...zeros,
    ts: NOON,
    window_ms: MINUTE,
    in: 3,
    kept: 2,
    discarded: 1,
    lost: {},
    cut: {},
    dead: {},
    shed: {},
  };
  assert.equal(ledgers(), [first]);
  engine.tellLedgers(NOON + 2 * MINUTE);
  engine.tellLedgers(NOON + 3 * MINUTE);
  assert.equal(
    ledgers().map(({ ts, in: events }) => [ts, events]),
    [
      [NOON, 3],
      [NOON + MINUTE, 1],
    ],
    'a minute without events is not told',
  );
  read(NOON + 3 * MINUTE, sshLine(4));
  engine.tellLedgers(NOON + 6 * MINUTE);
  assert.equal(ledgers()[2], {
    ...first,
    ts: NOON + 3 * MINUTE,
    window_ms: 3 * MINUTE,
    in: 1,
    kept: 1,
    discarded: 0,
  });
  read(NOON + 6 * MINUTE, sshLine(5));
  read(NOON, sshLine(6));
  assert.is(ledgers()[3]?.window_ms, MINUTE, 'also when the clock is set back');
  engine.closeLedgers(NOON);
  assert.equal(
    ledgers().map(({ ts }) => ts),
    [NOON, NOON + MINUTE, NOON + 3 * MINUTE, NOON + 6 * MINUTE, NOON],
  );
  assert.is(sumOf(ledgers()).in, 7);
});

test('the last record comes in any case', () => {
  const { engine, ledgers } = engineOf(started('ssh-auth'), { s: memoryCursor(Buffer.alloc(0)) });
  engine.closeLedgers(NOON);
  assert.is(ledgers().length, 1);
  assert.is(sumOf(ledgers()).in, 0);
});

test('whole numbers are integers of CBOR (RFC 8949, section 3), however large', () => {
  const encoded = Buffer.from(encodeRecord({ ts: NOON, in: 7, lost: { s: 2 ** 33 } })).toString('hex');
  assert.is(
    encoded,
    `a36274731b${NOON.toString(16).padStart(16, '0')}62696e07646c6f7374a161731b0000000200000000`,
  );
});

test('what a source loses, cuts or still holds at the end is told by its name', () => {
  const [small, quiet] = [createInbox(SMALL), createInbox(SMALL)];
  const { engine, ledgers } = engineOf(started('ssh-auth'), { small: small.cursor(), quiet: quiet.cursor() });
  for (let at = 0; at < 300; at++) small.append(Buffer.from(`event ${String(at).padStart(3, '0')}`));
  small.append(Buffer.from('x'.repeat(101)));
  while (engine.turn(NOON));
  engine.tellLedgers(NOON + MINUTE);
  assert.equal([ledgers()[0]?.lost, ledgers()[0]?.cut], [{ small: 211 }, { small: 1 }]);
  assert.is(sumOf(ledgers()).in, 90);
  quiet.append(Buffer.from('one'));
  quiet.append(Buffer.from('two'));
  engine.closeLedgers(NOON + MINUTE);
  quiet.append(Buffer.from('x'.repeat(101)));
  engine.closeLedgers(NOON + MINUTE);
  assert.equal(
    ledgers().map(({ lost, cut }) => [lost, cut]),
    [
      [{ small: 211 }, { small: 1 }],
      [{ quiet: 2 }, {}],
      [{}, {}],
    ],
  );
});

test('over a restart only that is told which the run before could not tell', async () => {
  const { path: folder, remove } = await temporaryFolder();
  const first = open(join(folder, 'first.ring'), SMALL);
  const cursor = first.inbox.cursor();
  const event = (at: number) => `event ${String(at).padStart(3, '0')}`;
  for (let at = 0; at < 300; at++) first.inbox.append(Buffer.from(event(at)));
  readText(cursor);
  const saved = JSON.parse(JSON.stringify(cursor.position()));
  await arrive(first.inbox, ['x'.repeat(101), ...Array.from({ length: 150 }, (_, at) => event(at))]);
  // As a kill leaves it.
  copyFileSync(join(folder, 'first.ring'), join(folder, 'second.ring'));
  first.inbox.end();
  const { inbox } = open(join(folder, 'second.ring'), SMALL);
  const again = inbox.cursor(saved);
  assert.equal([cursor.lostEvents(), again.lostEvents()], [251, 251]);
  const { engine, ledgers } = engineOf(started('ssh-auth'), { s: again });
  while (engine.turn(NOON));
  inbox.end();
  engine.closeLedgers(NOON);
  assert.equal([ledgers()[0]?.in, ledgers()[0]?.lost, ledgers()[0]?.cut], [100, { s: 51 }, { s: 1 }]);
  await remove();
});

test('an event whose beginning was read is not lost when its reader goes', () => {
  const inbox = createInbox(SMALL);
  const cursor = inbox.cursor();
  for (const text of ['0123456789', 'abc', 'def']) inbox.append(Buffer.from(text));
  cursor.read(Buffer.alloc(4));
  cursor.advance(4);
  cursor.skipping = true;
  cursor.close();
  cursor.close();
  assert.is(cursor.lostEvents(), 2);
});

test('a filter that is taken out says so once, with all that it had counted, and what it leaves behind', () => {
  const store = (at: number, word: string) => `(i32.store (i32.const ${at}) ${word})`;
  const countsTwoThenTraps = batch(`(if (i32.load (i32.const 800)) (then unreachable))
    ${store(800, '(i32.const 1)')} ${store(CONSUMED, '(local.get $bytes)')}
    ${store(COUNTERS, '(i32.const 2)')} ${store(COUNTERS + 24, '(i32.const 2)')} (i32.const 0)`);
  const inbox = createInbox({ capacityBytes: 10_000, eventBytesMax: 3_000 });
  const filter = load(assemble({ batch: countsTwoThenTraps }), {}, { faults: 0 });
  const { engine, ledgers } = engineOf(filter, { s: inbox.cursor() });
  inbox.append(Buffer.from('one'));
  inbox.append(Buffer.from('two'));
  engine.turn(NOON);
  for (let at = 0; at < 3; at++) inbox.append(Buffer.alloc(2_500, 'x'));
  while (engine.turn(NOON));
  engine.tellLedgers(NOON + MINUTE);
  engine.tellLedgers(NOON + 2 * MINUTE);
  assert.equal(
    ledgers().map(({ in: events, lost, taken_out }) => [events, lost, taken_out]),
    [[2, { s: 2 }, true]],
    'one event is a dead letter, two it had not read',
  );
  engine.closeLedgers(NOON + 2 * MINUTE);
  assert.is(ledgers()[1]?.taken_out, true);
  assert.is(sumOf(ledgers()).in, filter.ledger().in);
});

test('for every filter and every file of the corpus the ledger adds up, and counts each line once', () => {
  const configs: Record<string, object> = { 'json-select': { count_by: ['user'] } };
  const files = corpusFiles().map(({ path, read }) => ({ path, bytes: read() }));
  for (const name of installedFilters()) {
    const filter = startFilter({ ...loadFilter(name), config: configs[name] ?? {}, zones: [] });
    const cursor = memoryCursor();
    const { engine } = engineOf(filter, { s: cursor });
    let lines = 0;
    for (const { path, bytes } of files) {
      cursor.put(bytes);
      while (engine.turn(NOON));
      engine.closeWindows(NOON);
      lines += linesIn(bytes);
      const ledger = filter.ledger();
      assert.ok(ledgerAddsUp({ ledger }), `${name} on ${path}`);
      assert.is(ledger.in, lines, `${name} on ${path}`);
    }
  }
});

/** Lines, of which the last one may lack its LF. */
function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines++;
  return bytes.length > 0 && bytes[bytes.length - 1] !== LF ? lines + 1 : lines;
}

const published = suite<{ broker: TestBroker; folder: string }>('ledger on NATS');
published.before(async (context) => {
  context.broker = await startTestBroker();
});
published.after(async ({ broker }) => broker.stop());
published.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
});
published.after.each(async ({ folder }) => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

published(
  'the sum over all records is the number of lines in the file, in both formats',
  async ({ broker, folder }) => {
    const lines = Array.from({ length: 5_000 }, (_, at) => (at % 5 ? 'cron: nothing' : sshLine(at)));
    writeFileSync(join(folder, 'auth.log'), `${lines.join('\n')}\nFailed nonsense`);
    const from = { filter: 'ssh-auth', from: ['auth'] };
    const config = {
      appliance: 'fw-sum',
      data: 'data',
      limits: { cpu: CPU_SHARE_MAX },
      nats: { servers: [broker.url] },
      sources: { auth: { file: 'auth.log' } },
      filters: { cbor: from, text: { ...from, format: 'ndjson' } },
    };
    writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
    const { code, err } = await said(['run', '--until-eof', '--now', '2026-02-01T00:00:30Z'], folder);
    assert.is(code, 0, err);
    for (const instance of ['cbor', 'text']) {
      const messages = await readStream(broker.url, `weir.ev.fw-sum.${instance}.ledger`);
      const [ledger, ...more] = recordsOf(messages);
      assert.equal(ledger, {
        ts: Date.parse('2026-02-01T00:00:00Z'),
        window_ms: MINUTE,
        in: 5_001,
        kept: 1_000,
        aggregated: 0,
        discarded: 4_000,
        malformed: 1,
        truncated: 0,
        late: 0,
        overflowed: 0,
        lost: {},
        cut: {},
        dead: {},
        shed: {},
      });
      assert.is(more.length, 0);
      assert.is(messages[0]?.headers['Weir-Events'], '5001');
      assert.is(messages[0]?.headers['Weir-Stream'], 'ledger');
      assert.is(messages[0]?.headers['Weir-Seq'], '1');
    }
  },
);

published('an orderly stop tells what was counted since the last record', async ({ broker, folder }) => {
  writeFileSync(join(folder, 'auth.log'), `${sshLine(1)}\n${sshLine(2)}\n`);
  const config = {
    appliance: 'fw-stop',
    data: 'data',
    nats: { servers: [broker.url] },
    sources: { auth: { file: 'auth.log' } },
    filters: { 'ssh-auth': { from: ['auth'] } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  for (const run of [1, 2]) {
    const host = weir(['run'], folder);
    const logins = async () => readStream(broker.url, 'weir.ev.fw-stop.ssh-auth.logins').catch(() => []);
    await until(async () => (await logins()).length === 1, 15_000, 'the logins');
    await until(() => /: reading auth/.test(host.err()), 15_000, 'the host reads');
    host.child.kill('SIGTERM');
    assert.is(await host.exited, 0, host.err());
    const ledgers = recordsOf(await readStream(broker.url, 'weir.ev.fw-stop.ssh-auth.ledger'));
    assert.ok(ledgers.length >= run, `a record of run ${run}, also where it has read nothing`);
    assert.is(sumOf(ledgers).in, 2);
  }
});

test('datagrams that an inbox had to drop are told: in and lost are all that arrived', async () => {
  const source = createSyslogSource('udp', { udp: '127.0.0.1:0' }, { inbox: SMALL });
  await source.open();
  let received = 0;
  source.onData(() => {
    received++;
  });
  const ledgers: WireRecord[] = [];
  const { engine } = engineOf(started('ssh-auth'), { udp: source.cursor() }, ({ subject, headers, body }) => {
    if (subject.endsWith('.ledger')) unpack(headers, body, (record) => ledgers.push(record));
  });
  const datagrams = Array.from({ length: 300 }, (_, at) => Buffer.from(sshLine(at)));
  const address = source.addresses().udp as string;
  await sendDatagrams(address, datagrams);
  await until(() => received === 300, 10_000, 'all datagrams');
  while (engine.turn(NOON));
  await sendDatagrams(address, datagrams.slice(0, 100));
  await until(() => received === 400, 10_000, 'more datagrams');
  await source.close();
  engine.closeLedgers(NOON + MINUTE);
  engine.cut();
  assert.is(ledgers.length, 2);
  const sum = sumOf(ledgers);
  assert.ok(sum.in > 0 && sum.lost > 100, JSON.stringify(sum));
  assert.is(sum.in + sum.lost, 400);
  assert.is(sum.in, sum.kept + sum.aggregated + sum.discarded + sum.malformed);
});

test.run();
if (brokerAvailable()) published.run();
