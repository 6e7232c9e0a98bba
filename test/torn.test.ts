/**
 * A spool whose end is torn off, at every length, as by a loss of power: what was torn off is made again, or counted, exactly.
 */
import { cpSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, type TemporaryFolder } from './help.js';
import type { Report } from '../host/verify/report.js';
import { endLives, grow, live, type Living, type MemoryBroker, memoryBroker, selected } from './inprocess.js';

const torn = suite<Living & { root: TemporaryFolder }>('torn');
torn.before.each(async (context) => {
  context.root = await temporaryFolder();
  const { path } = context.root;
  Object.assign(context, { log: join(path, 'app.log'), data: join(path, 'data'), broker: memoryBroker() });
});
torn.after.each(async ({ root }) => {
  await endLives();
  await root.remove();
});

/** Bytes between the lengths of those that take longer; prime to those of everything else. */
const STEP = 71;
/** The same between those of the first test. */
const SHORT_STEP = 3;
const LINES = 30;
const NUMBERS = Array.from({ length: 3 * LINES }, (_, at) => at);
const ALICES = NUMBERS.filter((at) => at % 3 === 0);

const segmentOf = (data: string) => {
  const names = readdirSync(join(data, 'spool/f')).filter((name) => name.endsWith('.seg'));
  return join(data, 'spool/f', names.sort().at(-1) ?? '');
};

/** What went to the spool in the second of two lives: where it begins, and the whole of it. */
interface Tail {
  readonly from: number;
  readonly whole: number;
}

/** The first life is published; of the second one, which is killed, `publishes` says it. */
async function twoLives(context: Living, publishes: 'nothing' | 'all' | 'all, noted'): Promise<Tail> {
  const { data, broker } = context;
  grow(context, 0, LINES);
  const first = await live(context);
  first.read();
  await first.published();
  await first.stop();
  grow(context, LINES, 2 * LINES);
  if (publishes === 'nothing') broker.setConnected(false);
  const second = await live(context);
  const from = statSync(segmentOf(data)).size;
  second.read();
  if (publishes !== 'nothing') await second.published();
  if (publishes === 'all, noted') second.courier.save(false);
  await second.kill();
  return { from, whole: statSync(segmentOf(data)).size };
}

/** Each length to which the tail can be torn: the folder as it is then, and a last life in it. */
async function* tornLives(context: Living, { from, whole }: Tail, step = 1) {
  const { data, broker } = context;
  grow(context, 2 * LINES, 3 * LINES);
  for (let length = whole; length >= from; length -= step) {
    const copy = { ...context, data: `${data}-${length}`, broker: memoryBroker() };
    copy.broker.messages.push(...broker.messages);
    cpSync(data, copy.data, { recursive: true });
    truncateSync(segmentOf(copy.data), length);
    const last = await live(copy);
    last.read();
    await last.stop();
    yield { length, last, broker: copy.broker, isTorn: length < whole };
    rmSync(copy.data, { recursive: true });
  }
}

const eventsOf = (report: Report) => report.streams.map(({ stream, events }) => `${stream} ${events}`);
const countedOf = (broker: MemoryBroker) =>
  broker.records('ledger').reduce((sum, { in: events }) => sum + Number(events), 0);

torn(
  'what nobody has of it is made again: nothing is lost, nothing twice, nobody is told',
  async (context) => {
    const tail = await twoLives(context, 'nothing');
    assert.ok(tail.whole - tail.from > 500);
    let tries = 0;
    for await (const { length, last, broker } of tornLives(context, tail, SHORT_STEP)) {
      tries++;
      const what = `${length} of ${tail.whole}: ${last.notices.join()}`;
      assert.equal(selected(broker), ALICES, what);
      const report = broker.verify();
      assert.equal([report.findings, report.explained], [[], []], what);
      assert.equal(eventsOf(report), [`ledger ${3 * LINES}`, `selected ${3 * LINES}`], what);
      assert.is(countedOf(broker), 3 * LINES, what);
      assert.is(report.ledgers[0]?.not_told, 0, what);
      assert.equal(last.notices, [], what);
    }
    assert.is(tries, 1 + Math.floor((tail.whole - tail.from) / SHORT_STEP));
  },
);

for (const known of ['all', 'all, noted'] as const)
  torn(
    `what was out ${known === 'all' ? '' : 'and noted '}comes again in an epoch that says so, whole`,
    async (context) => {
      const tail = await twoLives(context, known);
      let repeated = 0;
      for await (const { length, last, broker, isTorn } of tornLives(context, tail, STEP)) {
        const what = `${length} of ${tail.whole}: ${last.notices.join()}`;
        const found = selected(broker);
        assert.equal([...new Set(found)], ALICES, what);
        // Once all, and again, in the same order, what was made again.
        const again = found.length - ALICES.length;
        assert.equal(found.slice(LINES * (2 / 3)), ALICES.slice(LINES * (2 / 3) - again), what);
        const report = broker.verify();
        const epochs = report.explained.map(
          ({ stream, what: kind, reason }) => `${stream} ${kind} ${reason}`,
        );
        assert.equal(report.findings, [], what);
        assert.equal(epochs, isTorn ? ['selected epoch restored', 'selected repeated restored'] : [], what);
        assert.is(again > 0, isTorn, what);
        assert.is(countedOf(broker), 3 * LINES, what);
        repeated += again;
      }
      assert.ok(repeated > 0);
    },
  );

torn('what is in a checkpoint, too, is counted exactly', async (context) => {
  const { data, broker } = context;
  const { from } = await twoLives(context, 'nothing');
  const second = await live(context);
  await second.stop();
  const whole = statSync(segmentOf(data)).size;
  for await (const { length, last, broker: found } of tornLives(context, { from, whole }, STEP)) {
    const what = `${length} of ${whole}: ${last.notices.join()}`;
    const report = found.verify();
    assert.equal(report.findings, [], what);
    const lost = report.streams.reduce((sum, stream) => sum + stream.lost, 0);
    const missing = ALICES.length - selected(found).length;
    const has = (stream: string) => report.streams.find((one) => one.stream === stream);
    assert.is(has('selected')?.lost, missing > 0 ? 1 : 0, what);
    assert.equal([...new Set(selected(found))], selected(found), what);
    assert.is(lost > 0, /gone \(spool-damaged/.test(what), what);
  }
  assert.is(broker.messages.length, 2);
});

torn.run();
