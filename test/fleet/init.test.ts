/**
 * `weir fleet init`: into a folder that is new, half made, or has a fleet.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createFleetFolder, keysIn, openFleetFolder } from '../../host/fleet/folder.js';
import { brokerAvailable, startTestBroker, type TestBroker } from '../broker.js';
import { endAll, type Said, saidHere } from '../command.js';
import { temporaryFolder } from '../help.js';
import { PASSPHRASE } from './fleets.js';

interface Context {
  server: TestBroker;
  fleet: string;
  init(...args: string[]): Promise<Said>;
  remove(): Promise<void>;
}

const inits = suite<Context>('weir fleet init');
inits.before.each(async (context) => {
  const { path, remove } = await temporaryFolder();
  const server = await startTestBroker();
  const fleet = join(path, 'fleet');
  process.env.WEIR_PASSPHRASE = PASSPHRASE;
  const init = (...args: string[]) =>
    saidHere(['fleet', 'init', '--server', server.url, '--fleet', fleet, '--yes', ...args]);
  Object.assign(context, { server, fleet, init, remove });
});
inits.after.each(async ({ server, remove }) => {
  await endAll();
  await server.stop();
  await remove();
});

inits('says what it has made, and a second time that it was there', async ({ fleet, init }) => {
  const made = await init('--operator', 'ann');
  assert.match(
    made.out,
    `the fleet is made: ${fleet}, of operator ann, with the keys root, snapshot, targets, timestamp\n`,
  );
  const again = await init();
  assert.is(again.code, 0);
  assert.match(
    again.out,
    `nothing was made: ${fleet} has a fleet already, of operator ann, with the keys root, `,
  );
  assert.match(again.out, `give ${fleet}/root.json to each appliance`);
  const root = join(fleet, 'root.json');
  assert.equal(JSON.parse((await init('--json')).out), { fleet, root, operator: 'ann', made: false });
  const other = await init('--operator', 'bob');
  assert.equal([other.code, other.out], [1, '']);
  assert.match(other.err, `FLEET_EXISTS: --operator: expected ann, whose fleet is in ${fleet}, found bob; `);
});

inits('completes what was interrupted before there was a root', async ({ fleet, init }) => {
  createFleetFolder(fleet, 'ann');
  const { makeKey, keepKey } = keysIn(fleet);
  const file = makeKey('root', PASSPHRASE);
  keepKey(file);
  const { code, out, err } = await init('--operator', 'ann', '--json');
  assert.is(code, 0, err);
  assert.is(JSON.parse(out).made, true);
  assert.equal(readdirSync(join(fleet, 'keys')).sort(), [
    'root.json',
    'snapshot.json',
    'targets.json',
    'timestamp.json',
  ]);
  assert.is(keysIn(fleet).keys()[0]?.public, file.public);
});

inits('completes what was interrupted while it was published', async ({ fleet, init, server }) => {
  await init('--operator', 'ann');
  const whole = openFleetFolder(fleet);
  const edition = whole.copy
    .paths()
    .map((path) => ({ path, bytes: whole.copy.get(path) as Buffer, revision: 0 }));
  edition.sort(({ path }) => (path.endsWith('timestamp.json') ? 1 : -1));
  await server.stop();
  const next = await startTestBroker();
  try {
    whole.setPending({ edition, act: { action: 'fleet made', by: 'ann', id: '1' } });
    const { code, out, err } = await init('--server', next.url, '--json');
    assert.is(code, 0, err);
    assert.match(err, 'completing what was interrupted: fleet made\n');
    assert.is(JSON.parse(out).made, true);
  } finally {
    await next.stop();
  }
});

inits('a folder of somebody who signs for another fleet is left alone', async ({ fleet, init }) => {
  mkdirSync(fleet);
  writeFileSync(join(fleet, 'root.json'), '{}');
  const { code, err } = await init();
  assert.is(code, 1);
  assert.match(err, `FLEET_EXISTS: ${fleet}: expected a new folder, found the root of trust of a fleet; `);
  assert.equal(readdirSync(fleet), ['root.json']);
});

if (brokerAvailable()) inits.run();
