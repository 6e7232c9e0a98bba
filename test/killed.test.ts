/**
 * A host that is killed: what was in its inboxes comes out, whatever its filters and the broker had of it.
 *
 * What TCP has acknowledged and the host has not read yet lies in the kernel, and goes with the connection: that is out of
 * scope, as are datagrams that the kernel drops.
 */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { INBOX_DEFAULTS } from '../host/source/inbox.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker } from './broker.js';
import { endAll, type Running, weir } from './command.js';
import { freePort, temporaryFolder, until, WAIT_MS } from './help.js';
import { open } from './source/keeping.js';
import { createRandom, readText } from './source/reading.js';

/** All rounds together are less than the inbox holds, so that it tells of every line that was ever in it. */
const ROUND_LINES = 20_000;
const EARLY_LINES = 100;
const ROUNDS = 4;

/** Sends lines with the numbers from one to another, as far as the host takes them. */
function sendNumbers(port: number, from: number, to: number): { end(): void } {
  const socket = connect(port, '127.0.0.1');
  let next = from;
  function send(): void {
    let isTaken = true;
    while (isTaken && next < to) {
      isTaken = socket.write(`{"from":"sender","n":${next}}\n`);
      next += 1;
    }
  }
  socket.on('connect', send);
  socket.on('drain', send);
  socket.on('error', () => {});
  return { end: () => socket.destroy() };
}

/** The numbers of all lines in the inbox, as it is at this moment. */
function numbersIn(folder: string, source: string): number[] {
  const [own = ''] = readdirSync(join(folder, 'inboxes'));
  const copy = join(folder, 'copy.ring');
  copyFileSync(join(folder, 'inboxes', own, `${source}.ring`), copy);
  const { inbox, notices } = open(copy, INBOX_DEFAULTS);
  const lines = readText(inbox.cursor()).split('\n').slice(0, -1);
  inbox.end();
  assert.equal(notices, []);
  return lines.map((line) => (JSON.parse(line) as { n: number }).n);
}

/** Selects what `sendNumbers` sends. */
const NUMBERS = { where: [{ field: 'from', equals: 'sender' }], keep: ['n'] };

async function started(folder: string): Promise<Running> {
  const host = weir(['run'], folder);
  await until(() => /: reading syslog/.test(host.err()), WAIT_MS, 'the host reads');
  return host;
}

test('every line that was in the inbox when the host was killed comes out once, in order', async () => {
  const seed = Date.now() % 1_000_000;
  console.log(`note: seed ${seed}`);
  const random = createRandom(seed);
  const broker = await startTestBroker();
  const { path: folder, remove } = await temporaryFolder();
  const port = await freePort();
  const config = {
    appliance: 'fw-killed',
    data: 'data',
    inboxes: 'inboxes',
    nats: { servers: [broker.url] },
    sources: { syslog: { syslog: { tcp: `127.0.0.1:${port}` } } },
    filters: { lines: { filter: 'json-select', from: ['syslog'], config: NUMBERS } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  const published = async () => {
    const messages = await readStream(broker.url, 'weir.ev.fw-killed.lines.selected').catch(() => []);
    return recordsOf(messages).map(({ n }) => n as number);
  };

  let held: number[] = [];
  const missing = async () => {
    const seen = new Set(await published());
    return held.filter((number) => !seen.has(number));
  };
  const allPublished = () => until(async () => (await missing()).length === 0, WAIT_MS, 'all lines');

  // In the first round there is no broker: nothing is acknowledged, so all of it has to come out of the inbox later.
  await broker.kill();
  for (let round = 0; round < ROUNDS; round += 1) {
    const host = await started(folder);
    const from = round * ROUND_LINES;
    if (round > 0) {
      if (round === 1) await broker.restart();
      // A second or more in which places are saved.
      const early = sendNumbers(port, from, from + EARLY_LINES);
      held = [...held, from + EARLY_LINES - 1];
      await allPublished();
      early.end();
    }
    const sender = sendNumbers(port, from + EARLY_LINES, from + ROUND_LINES);
    const wanted = numbersIn(folder, 'syslog').length + 1 + random(ROUND_LINES - EARLY_LINES);
    await until(() => numbersIn(folder, 'syslog').length >= wanted, WAIT_MS, `${wanted} lines in the inbox`);
    host.child.kill('SIGKILL');
    await host.exited;
    sender.end();
    held = numbersIn(folder, 'syslog');
  }
  assert.ok(held.length >= ROUNDS);
  held.forEach((number, at) => {
    const before = held[at - 1] ?? -1;
    const isFirst = [0, EARLY_LINES].includes(number % ROUND_LINES);
    assert.ok(number === before + 1 || isFirst, `${before}, then ${number}`);
  });

  const last = await started(folder);
  await allPublished().catch(() => {});
  assert.equal(await published(), held, 'each line once, in the order of the inbox');
  last.child.kill('SIGTERM');
  assert.is(await last.exited, 0, last.err());

  const before = (await published()).length;
  const again = await started(folder);
  again.child.kill('SIGTERM');
  assert.is(await again.exited, 0, again.err());
  assert.is((await published()).length, before, 'after an orderly stop nothing comes twice');
  await broker.stop();
  await remove();
});

test('standard input: what a killed run had not told comes before what is new, and once it is told, not again', async () => {
  const broker = await startTestBroker();
  const { path: folder, remove } = await temporaryFolder();
  const config = {
    appliance: 'fw-stdin',
    data: 'data',
    inboxes: 'inboxes',
    nats: { servers: [broker.url] },
    sources: { in: { stdin: true } },
    filters: { lines: { filter: 'json-select', from: ['in'], config: NUMBERS } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  const run = (numbers: readonly number[]): Running => {
    const running = weir(['run', '--until-eof'], folder, 'pipe');
    running.child.stdin?.end(numbers.map((n) => `{"from":"sender","n":${n}}\n`).join(''));
    return running;
  };
  await broker.kill();
  const killed = run([1, 2, 3]);
  await until(() => /: reading in/.test(killed.err()), WAIT_MS, 'the host reads');
  await until(() => numbersIn(folder, 'in').length === 3, WAIT_MS, 'three lines in the inbox');
  killed.child.kill('SIGKILL');
  await killed.exited;
  await broker.restart();
  for (const numbers of [[4, 5], [], [6]]) {
    const { exited, err } = run(numbers);
    assert.is(await exited, 0, err());
  }
  const records = async (stream: string) =>
    recordsOf(await readStream(broker.url, `weir.ev.fw-stdin.lines.${stream}`));
  assert.equal(
    (await records('selected')).map(({ n }) => n),
    [1, 2, 3, 4, 5, 6],
  );
  // The killed run may have come so far that it told its own.
  const ledgers = await records('ledger');
  assert.is(
    ledgers.reduce((sum, ledger) => sum + (ledger.in as number), 0),
    6,
  );
  assert.ok(ledgers.every(({ lost }) => Object.keys(lost as object).length === 0));
  await broker.stop();
  await remove();
});

test.after(endAll);
if (brokerAvailable()) test.run();
