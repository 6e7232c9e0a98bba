/**
 * A filter that is taken out, as an operator sees it: what takes it out, and what brings it back.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { readStream, recordsOf } from './broker.js';
import { said } from './command.js';
import { until, WAIT_MS } from './help.js';
import {
  append,
  kept,
  setManifest,
  startHost,
  stopped,
  stumblingSuite,
  writeConfig,
} from './stumblinghost.js';

const commands = stumblingSuite('coming back');

commands('what was on probation, or out, when the host stopped is no way back', async (context) => {
  const version = async (config: object = {}) => {
    const host = await startHost(context, config);
    append(context, 'nothing');
    return host;
  };
  let host = await version();
  const swapped = await said(['swap', 'stumbling', 'next', '--data', 'data'], context.folder);
  assert.is(swapped.code, 0, swapped.err);
  append(context, 'nothing');
  await until(async () => (await kept(context)).length === 2, WAIT_MS, 'it works');
  assert.is(await stopped(host), 0, host.err());
  host = await version();
  await until(
    () => /filter stumbling: stumbling@2\.0\.0\+\S+ -> stumbling@1\.0\.0\+/.test(host.err()),
    WAIT_MS,
    'what is installed runs',
  );
  append(context, 'trap', 'nothing');
  await until(
    () => host.err().includes('which is left out'),
    WAIT_MS,
    'the version that is installed bears it',
  );
  await until(async () => (await kept(context)).length === 4, WAIT_MS, 'all others are there');
  assert.not.match(host.err(), 'runs again');
  assert.is(await stopped(host), 0, host.err());
  // A budget that forgives nothing, which somebody corrects: it goes on behind the event that took it out.
  rmSync(join(context.folder, 'data'), { recursive: true });
  writeFileSync(join(context.folder, 'a.log'), '');
  setManifest(context, 'filters/stumbling', { faults: 0 });
  host = await version();
  await until(async () => (await kept(context)).length === 5, WAIT_MS, 'it works');
  append(context, 'trap', 'nothing', 'nothing');
  assert.is(await host.exited, 1);
  assert.match(
    host.err(),
    /taken out \(faults in 100 batches: 1, forgiven: 0\): .*\n.*no filter is left, taken out: stumbling: stopping/s,
  );
  setManifest(context, 'filters/stumbling', { faults: 3 });
  host = await version();
  append(context, 'trap', 'nothing');
  await until(() => host.err().includes('which is left out'), WAIT_MS, 'the corrected one bears it');
  assert.not.match(host.err(), 'runs again');
  assert.is(await stopped(host), 0, host.err());
  assert.is((await kept(context)).length, 5 + 4, 'nothing of the file is lost');
});

commands(
  'windows that cannot be told when all input has ended are lost, which ends in 1',
  async (context) => {
    const { folder, broker, appliance } = context;
    // More rows than are left out one by one.
    const lines = Array.from({ length: 300 }, (_, at) => `t=${Date.now()} n=${at} k=x-${at}\n`);
    writeFileSync(join(folder, 'a.log'), lines.join(''));
    writeConfig(context, { is: 'mute' });
    const ran = await said(['run', '--filter-dir', 'filters', '--until-eof'], folder);
    assert.is(ran.code, 1, ran.err);
    assert.match(ran.err, /stumbling: taken out: .*, when windows were to be closed/);
    const [ledger] = recordsOf(await readStream(broker.url, `weir.ev.${appliance}.stumbling.ledger`));
    assert.equal([ledger?.aggregated, ledger?.lost, ledger?.taken_out], [240, { a: 300 }, true]);
  },
);

commands(
  'a filter that is out comes back with another version, and goes on where it stopped',
  async (context) => {
    const { folder, broker, appliance } = context;
    setManifest(context, 'filters/stumbling', { faults: 0 });
    // Where none is left the host stops.
    const other = { filter: 'stumbling', from: ['a'], config: { stumbles: 0 } };
    const host = await startHost(context, {}, { other });
    const isOut = (times: number) =>
      until(
        () => (host.err().match(/filter stumbling: taken out /g) ?? []).length === times,
        WAIT_MS,
        `out ${times} times`,
      );
    const has = (lines: number) =>
      until(async () => (await kept(context)).length === lines, WAIT_MS, `${lines} lines`);
    append(context, 'nothing', 'trap', 'nothing', 'trap', 'nothing');
    await isOut(1);
    // The same once more, to try it again.
    const again = await said(['swap', 'stumbling', 'filters/stumbling', '--data', 'data'], folder);
    assert.is(again.code, 0, again.err);
    assert.match(
      again.out,
      /^stumbling@1\S+; it was taken out, so it begins anew, in files where it had stopped\n$/,
    );
    await isOut(2);
    await has(2);
    // Files that were changed, and a signal, do the same; what has not changed stays out.
    host.child.kill('SIGHUP');
    await until(() => host.err().includes('reload: nothing has changed'), WAIT_MS, 'it was read anew');
    setManifest(context, 'filters/stumbling', { version: '1.1.0' });
    host.child.kill('SIGHUP');
    await has(3);
    await until(
      () =>
        /reload: filter stumbling: stumbling@1\.0\.0\S+ -> stumbling@1\.1\.0\S+; it was taken out/.test(
          host.err(),
        ),
      WAIT_MS,
      'the reload says so',
    );
    append(context, 'trap', 'nothing');
    await isOut(3);
    const swapped = await said(['swap', 'stumbling', 'next', '--data', 'data', '--wait'], folder);
    assert.is(swapped.code, 0, swapped.err);
    await has(4);
    append(context, 'trap', 'nothing');
    await has(5);
    assert.is(await stopped(host), 0, host.err());
    const ledgers = recordsOf(await readStream(broker.url, `weir.ev.${appliance}.stumbling.ledger`));
    assert.ok(ledgers.every(({ lost }) => Object.keys(lost as object).length === 0));
  },
);

commands.run();
