/**
 * Several commands in one folder of an operator: one writes at a time, and who only reads is kept from nothing.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { alone, aloneNow } from '../../host/fleet/folderlock.js';
import { publishEdition, readFleet } from '../../host/fleet/operator.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import { temporaryFolder } from '../help.js';
import { assignment, codeOf, type Fleet, open, push, suiteInMemory, taken } from './fleets.js';

test('one at a time is alone in a folder, and nobody who has ended is', async () => {
  const { path, remove } = await temporaryFolder();
  const lock = join(path, 'lock');
  const work = async () => 'done';
  await alone(path, async () => {
    assert.match(readFileSync(lock, 'utf8'), new RegExp(`^${process.pid} `));
    assert.is(await aloneNow(path, work), undefined);
    const inUse = `FLEET_IN_USE: ${path}: expected to be alone there within 0 s, found process ${process.pid}`;
    assert.is(await codeOf(alone(path, work, 0)), inUse);
  });
  assert.is(existsSync(lock), false);
  writeFileSync(lock, `${process.pid} 1\n`);
  assert.is(await alone(path, work, 0), 'done');
  writeFileSync(lock, '');
  assert.match(await codeOf(alone(path, work, 0)), 'found process unknown', 'it is being written');
  await remove();
});

const folders = suiteInMemory('two commands in one folder');

const look = ({ server, fleet }: Fleet) =>
  saidHere(['fleet', 'audit', '--json', '--server', server.url, '--fleet', fleet]);

folders('who reads beside one that publishes writes nothing, and sees what is there', async (context) => {
  const { fleet, broker, ring } = context;
  await push(await open(context, broker, ring), ring, 1);
  await open(context, broker, ring);
  const known = join(fleet, 'known.json');
  const before = statSync(known).ino;
  await alone(fleet, async () => {
    const { code, out, err } = await look(context);
    assert.is(code, 0, err);
    assert.match(out, '"pushed"');
  });
  assert.is(statSync(known).ino, before);
});

folders('who publishes waits for the other, and builds on what that has left', async (context) => {
  const { fleet, broker, ring } = context;
  let opening: ReturnType<typeof open> | undefined;
  let isOpen = false;
  await alone(fleet, async () => {
    opening = open(context, broker, ring).then((operator) => {
      isOpen = true;
      return operator;
    });
    // Longer than it takes to read it all.
    await readFleet(openFleetFolder(fleet), broker, () => {});
    await look(context);
    assert.is(isOpen, false);
  });
  const first = (await opening) as Awaited<ReturnType<typeof open>>;
  await push(first, ring, 1);
  const { folder, state } = await open(context, broker, ring);
  folder.remember(first.state);
  assert.is(folder.known().versions.timestamp, state.timestamp.signed.version, 'older than what is known');
  assert.is(await taken(context), assignment(1).toString());
});

folders('what another command has begun is not overwritten', async (context) => {
  const { fleet, broker, ring } = context;
  const folder = openFleetFolder(fleet);
  const pending = { edition: [], act: { action: 'pushed' } };
  folder.setPending(pending);
  const moved =
    /^REPOSITORY_MOVED: .*expected nothing that has to be completed, found what was interrupted: pushed$/;
  assert.match(await codeOf(publishEdition(folder, broker, [], { action: 'refreshed' }, ring)), moved);
  assert.equal(folder.pending(), pending);
});

test.run();
if (brokerAvailable()) folders.run();
