/**
 * An operator's folder that takes nothing more: who reads goes on, and who publishes is told which file, and that nothing was changed.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { alone } from '../../host/fleet/folderlock.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import { audit, codeOf, type Fleet, fleetInMemory, open, push, taken } from './fleets.js';

const folders = suite<Fleet>('a folder that takes nothing');

folders('stops who publishes, before anything is changed, and nobody who reads', async () => {
  const { fleet: context, ring } = await fleetInMemory();
  const { fleet, broker, server } = context;
  const look = (...args: string[]) => saidHere(['fleet', ...args, '--server', server.url, '--fleet', fleet]);
  try {
    await push(await open(context, broker, ring), ring, 1);
    const operator = await open(context, broker, ring);
    const before = await taken(context);
    // In the way of what is written there, for every user and on every disk.
    const inTheWay = (name: string) => join(fleet, `${name}.new`);

    mkdirSync(inTheWay('pending.json'));
    const unwritable = `FLEET_UNWRITABLE: ${join(fleet, 'pending.json')}: EISDIR`;
    assert.match(await codeOf(push(operator, ring, 2)), unwritable);
    assert.is(openFleetFolder(fleet).pending(), undefined);
    rmSync(inTheWay('pending.json'), { recursive: true });

    mkdirSync(inTheWay('known.json'));
    assert.match(
      await codeOf(open(context, broker, ring)),
      `FLEET_UNWRITABLE: ${join(fleet, 'known.json')}: `,
    );
    for (const args of [['status'], ['audit', '--verify'], ['keys', 'list'], ['policy', '--group', 'edge']]) {
      const { code, out, err } = await look(...args);
      assert.is(code, 0, `${args[0]}: ${err}`);
      assert.match(err, `weir: fleet: nothing is kept of what is read: ${join(fleet, 'known.json')}: EISDIR`);
      assert.not.equal(out, '');
    }
    assert.is(await taken(context), before);
    assert.is((await audit(context)).length, 2);
  } finally {
    await context.stop();
  }
});

folders('names the file that says who is at work there', async () => {
  const nowhere = '/proc/self/none';
  assert.match(
    await codeOf(alone(nowhere, async () => {})),
    `FLEET_UNWRITABLE: ${nowhere}/lock: ENOENT: no such file or directory`,
  );
});

if (brokerAvailable()) folders.run();
