/**
 * `weir run` with a filter that an author has built, and that does not end.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_SHARE_MAX } from '../host/limits.js';
import { brokerAvailable, readStream, recordsOf, startTestBroker } from './broker.js';
import { ROOT, said } from './command.js';
import { temporaryFolder } from './help.js';
import { compiledModule } from './runtime/testfilter.js';

const RUN_MS_MAX = 60_000;
/** Tells every line, until it meets one that never ends. */
const ENDLESS = `import { Stream, Text, events, key, literal, receivedAt } from 'weir/runtime';
const BOOM = literal('boom');
const LINE = key('line');
const lines = new Stream('lines');
let turns = 0;
events((line: Text): void => {
  while (line.equals(BOOM)) turns++;
  lines.open(receivedAt()).text(LINE, line).close();
});
`;

async function buildEndless(folder: string): Promise<void> {
  const own = join(folder, 'filters/endless');
  for (const made of [own, join(folder, 'built/endless')]) mkdirSync(made, { recursive: true });
  writeFileSync(join(own, 'filter.ts'), ENDLESS);
  copyFileSync(await compiledModule(own), join(folder, 'built/endless/filter.wasm'));
  const manifest = readFileSync(join(ROOT, 'filters/ssh-attempts/filter.json'), 'utf8');
  writeFileSync(
    join(folder, 'built/endless/filter.json'),
    JSON.stringify({ ...JSON.parse(manifest), name: 'endless', streams: { lines: 'one record a line' } }),
  );
}

function login(at: number): string {
  return `Jan 31 10:00:00 fw sshd[${at}]: Failed password for root from 10.0.0.${at % 250} port ${1024 + at} ssh2`;
}

test("an author's own filter that never ends on a line leaves out that line alone, and tells it", async () => {
  const broker = await startTestBroker();
  const { path: folder, remove } = await temporaryFolder();
  await buildEndless(folder);
  const lines = Array.from({ length: 20_000 }, (_, at) => (at === 15_000 ? 'boom' : login(at)));
  writeFileSync(join(folder, 'auth.log'), `${lines.join('\n')}\n`);
  const config = {
    data: 'data',
    limits: { cpu: CPU_SHARE_MAX },
    appliance: 'fw-endless',
    nats: { servers: [broker.url] },
    sources: { auth: { file: 'auth.log' } },
    filters: { endless: { from: ['auth'] }, 'ssh-auth': { from: ['auth'] } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  const { code, err } = await said(['run', '--until-eof', '--filter-dir', 'built'], folder, RUN_MS_MAX);
  assert.is(code, 0, err);
  assert.match(err, /filter endless: at fault at an event of auth, which is left out: .* used up its fuel/);
  const told = recordsOf(await readStream(broker.url, 'weir.ev.fw-endless.endless.lines'));
  const [ledger] = recordsOf(await readStream(broker.url, 'weir.ev.fw-endless.endless.ledger'));
  assert.equal([ledger?.in, ledger?.kept, ledger?.lost, ledger?.dead], [19_999, 19_999, {}, { auth: 1 }]);
  assert.equal(
    told.map(({ line }) => line),
    lines.filter((line) => line !== 'boom'),
  );
  const [dead] = recordsOf(await readStream(broker.url, 'weir.dead.fw-endless.endless'));
  assert.equal([dead?.kind, dead?.line], ['fuel', 'boom']);
  const logins = recordsOf(await readStream(broker.url, 'weir.ev.fw-endless.ssh-auth.logins'));
  assert.is(logins.length, lines.length - 1);
  await broker.stop();
  await remove();
});

test('a host of which no filter is left stops, so that who supervises it starts it again', async () => {
  const broker = await startTestBroker();
  const { path: folder, remove } = await temporaryFolder();
  await buildEndless(folder);
  const config = {
    data: 'data',
    inboxes: 'inboxes',
    limits: { cpu: CPU_SHARE_MAX },
    appliance: 'fw-none',
    nats: { servers: [broker.url] },
    sources: {
      lines: { command: ['/bin/sh', '-c', 'echo boom; echo boom; echo boom; echo boom; exec sleep 60'] },
    },
    filters: { endless: { from: ['lines'] } },
  };
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
  const { code, err } = await said(['run', '--filter-dir', 'built'], folder, RUN_MS_MAX);
  assert.is(code, 1, err);
  assert.match(
    err,
    /filter endless: taken out \(faults in 100 batches: 4, forgiven: 3\): .*\n(.*\n)*weir: no filter is left, taken out: endless: stopping\n/,
  );
  await broker.stop();
  await remove();
});

if (brokerAvailable()) test.run();
