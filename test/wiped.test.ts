/**
 * A broker that loses all that it had, after other epochs have begun: what the spool still holds comes again, whichever epoch it
 * was of, and what is gone is counted.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TemporaryFolder, temporaryFolder } from './help.js';
import { endLives, grow, type Life, live, type Living, memoryBroker, selected } from './inprocess.js';

const wiped = suite<Living & { root: TemporaryFolder }>('wiped');
wiped.before.each(async (context) => {
  context.root = await temporaryFolder();
  const { path } = context.root;
  const disk = { sync: 'none', keep: '1h' };
  Object.assign(context, {
    log: join(path, 'app.log'),
    data: join(path, 'data'),
    broker: memoryBroker(),
    disk,
  });
});
wiped.after.each(async ({ root }) => {
  await endLives();
  await root.remove();
});

const LINES = 90;
const ALICES = (lives: number) => Array.from({ length: (lives * LINES) / 3 }, (_, at) => 3 * at);

/** Another run, which reads what is new and publishes it. */
async function run(context: Living, number: number): Promise<Life> {
  grow(context, number * LINES, (number + 1) * LINES);
  const life = await live(context);
  life.read();
  if (context.broker.connected()) await life.published();
  return life;
}

function wipe({ broker }: Living): void {
  broker.setConnected(false);
  broker.messages.length = 0;
  broker.setConnected(true);
}

/** What the broker holds has to be verified; answers messages that are told as gone, by stream. */
function lost({ broker }: Living): Record<string, number> {
  const report = broker.verify();
  assert.equal(report.findings, []);
  return Object.fromEntries(report.streams.map(({ stream, lost: gone }) => [stream, gone]));
}

/** Changes a bit of the last message of the stream in the spool. */
function damageLast({ data }: Living, stream: string): string {
  const folder = join(data, 'spool/f');
  const [path = ''] = readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .map((name) => join(folder, name));
  const bytes = readFileSync(path);
  const at = bytes.lastIndexOf(`{"subject":"weir.ev.a.f.${stream}"`);
  bytes.writeUInt8((bytes[at + 3] as number) ^ 4, at + 3);
  writeFileSync(path, bytes);
  // The header of an entry and the length of the head are before it.
  return `byte ${at - 28} of ${path}`;
}

wiped('after a damaged message: all but that one comes again, in order', async (context) => {
  const first = await run(context, 0);
  await first.stop();
  context.broker.setConnected(false);
  await (await run(context, 1)).stop();
  const place = damageLast(context, 'selected');
  context.broker.setConnected(true);
  const third = await run(context, 2);
  assert.equal(lost(context), { ledger: 0, selected: 1 });
  assert.equal(third.notices, [`stream f.selected: 1 message is gone (spool-damaged: ${place})`]);
  const before = selected(context.broker);
  assert.ok(before.length > LINES / 3 && before.length < LINES);

  wipe(context);
  await third.stop();
  assert.equal(selected(context.broker), before);
  assert.equal(lost(context), { ledger: 0, selected: 1 });
  const acknowledged = third.notices.find((line) => line.includes('f.selected: the broker'));
  assert.match(
    acknowledged ?? '',
    /has lost up to \d+ messages that it had acknowledged: what the spool still/,
  );
  assert.is(third.notices.at(-1), third.notices[0], 'and is told as what it is');
});

wiped('after an old image of the disk: what was out before it comes again', async (context) => {
  const first = await run(context, 0);
  await first.stop();
  cpSync(context.data, `${context.data}.image`, { recursive: true });
  await (await run(context, 1)).stop();
  rmSync(context.data, { recursive: true });
  cpSync(`${context.data}.image`, context.data, { recursive: true });
  const third = await run(context, 2);
  assert.match(third.notices.join('\n'), /f\.selected: the broker has messages that are not known here/);
  assert.equal(
    selected(context.broker).length,
    4 * (LINES / 3),
    'the second 90 lines twice, as that epoch says',
  );
  wipe(context);
  await third.published();
  await third.stop();
  assert.equal(selected(context.broker), ALICES(3));
  assert.equal(lost(context), { ledger: 0, selected: 0 });
});

wiped('after what was written down is lost: all of the spool comes again', async (context) => {
  await (await run(context, 0)).stop();
  rmSync(join(context.data, 'spool/f/published.json'));
  const second = await run(context, 1);
  assert.match(
    second.notices[0] ?? '',
    /^filter f: \S*published\.json is not there: .* perhaps again, .*\(restored\)$/,
  );
  const repeated = selected(context.broker).length - ALICES(2).length;
  assert.ok(repeated > 0);
  const { explained } = context.broker.verify();
  const bound = explained.find(({ stream, what }) => stream === 'selected' && what === 'repeated');
  assert.ok(
    Number(bound?.count) > 0 && bound?.reason === 'restored',
    'verify says that, and how much at most',
  );
  wipe(context);
  await second.stop();
  assert.equal(selected(context.broker), ALICES(2));
  assert.equal(lost(context), { ledger: 0, selected: 0 });
});

wiped('what the spool does not hold any more is counted, of epochs before, too', async (context) => {
  await (await run(context, 0)).stop();
  const published = context.broker.messages.filter(({ subject }) => subject.endsWith('selected')).length;
  context.broker.setConnected(false);
  await (await run(context, 1)).stop();
  damageLast(context, 'selected');
  context.broker.setConnected(true);
  const third = await run(context, 2);
  const all = context.broker.messages.filter(({ subject }) => subject.endsWith('selected')).length;
  await third.stop();
  // As if the segment had been let go in its time.
  const folder = join(context.data, 'spool/f');
  for (const name of readdirSync(folder)) if (name.endsWith('.seg')) rmSync(join(folder, name));
  context.broker.messages.length = 0;
  await (await run(context, 3)).stop();
  assert.ok(published > 0 && all > published);
  assert.equal(selected(context.broker), ALICES(4).slice(LINES));
  assert.is(lost(context).selected, all + 1, 'all that it had, and the damaged one');
});

wiped('a loss between two epochs: what was out of the second one comes again', async (context) => {
  await (await run(context, 0)).stop();
  const { messages } = context.broker;
  const forgets = messages.length;
  context.broker.setConnected(false);
  await (await run(context, 1)).stop();
  damageLast(context, 'selected');
  context.broker.setConnected(true);
  const third = await run(context, 2);
  const before = selected(context.broker);
  // As a loss of power on the side of the broker.
  context.broker.setConnected(false);
  messages.splice(forgets);
  context.broker.setConnected(true);
  await third.published();
  await third.stop();
  assert.equal(selected(context.broker), before);
  assert.equal(lost(context), { ledger: 0, selected: 1 });
});

wiped.run();
