/**
 * Changes of keys that are interrupted at any step, and two operators at once, with a real broker.
 */
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { parseEntry } from '../../host/fleet/audit.js';
import type { KeyRing } from '../../host/fleet/edition.js';
import { keysIn } from '../../host/fleet/folder.js';
import { unlock } from '../../host/fleet/keys.js';
import { publish } from '../../host/fleet/operator.js';
import { settleOvertaken } from '../../host/fleet/overtaken.js';
import { openRepository } from '../../host/fleet/repository.js';
import { renewed, withKeys } from '../../host/fleet/roles.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import {
  assignment,
  audit,
  codeOf,
  cutAfter,
  open,
  PASSPHRASE,
  push,
  refused,
  suiteInMemory,
  taken,
  weirFleet,
} from './fleets.js';
import { ringOf, testKey } from './world.js';

const keys = suiteInMemory('changes of keys');

function freshKey(fleet: string, name: string) {
  const file = keysIn(fleet).makeKey(name, PASSPHRASE);
  return { file, fresh: unlock(file, PASSPHRASE) };
}

const joined = (...rings: readonly KeyRing[]): KeyRing => ({
  open: (ids) => rings.flatMap((ring) => ring.open(ids)),
});

keys('interrupted at any step, a rotation is completed by the next command', async (context) => {
  const { fleet, broker } = context;
  let { ring } = context;
  for (let steps = 0; steps <= 5; steps++) {
    const { file, fresh } = freshKey(fleet, `targets-${steps}`);
    ring = joined(ring, ringOf(fresh));
    const operator = await open(context, cutAfter(broker, steps), ring);
    const drafted = await withKeys(operator, 'targets', { keys: [fresh], threshold: 1 });
    const change = { ...drafted, keys: [file] };
    const act = { action: 'keys rotated', role: 'targets', step: steps };
    assert.is(await codeOf(publish(operator, ring, change, act)), steps < 5 ? 'Error: cut' : 'done');
    assert.is(existsSync(join(fleet, 'pending.json')), steps < 5);
    assert.is(keysIn(fleet).keys().length, steps + 1, 'what is begun may need the key');
    const next = await open(context, broker, ring);
    assert.equal(next.state.halfRotated, []);
    await push(next, ring, steps + 1);
    assert.is(await taken(context), assignment(steps + 1).toString(), `after ${steps} steps`);
  }
  const entries = (await audit(context)).map((line) => parseEntry(line));
  const rotated = entries.filter((entry) => entry?.action === 'keys rotated');
  assert.equal(
    rotated.map((entry) => entry?.step),
    [0, 1, 2, 3, 4, 5],
  );
});

keys('interrupted, and its folder lost: another operator sees what is left to sign', async (context) => {
  const { fleet, broker, path } = context;
  const theirs = { ...context, fleet: join(path, 'other') };
  cpSync(fleet, theirs.fleet, { recursive: true });
  const fresh = testKey('targets-2');
  const ring = joined(context.ring, ringOf(fresh));
  const operator = await open(context, cutAfter(broker, 1), ring);
  const change = await withKeys(operator, 'targets', { keys: [fresh], threshold: 1 });
  assert.is(await codeOf(publish(operator, ring, change, { action: 'keys rotated' })), 'Error: cut');

  // However often they look: the root that says what was right before must not be forgotten.
  for (let look = 0; look < 2; look++) {
    const listed = await weirFleet(theirs, 'keys', 'list');
    assert.match(listed.err, 'a rotation of keys was interrupted: targets have to be signed anew');
    assert.match(listed.out, 'targets: has to be signed anew');
  }
  const status = await saidHere(['fleet', 'status', '--server', theirs.server.url, '--fleet', theirs.fleet]);
  assert.is(status.code, 1);
  assert.match(status.out, 'keys: targets: has to be signed anew, a change of keys was interrupted\n');
  const unfinished = /ROTATION_UNFINISHED: targets: .*root 2.*"weir fleet keys renew targets"/;
  await refused(theirs, unfinished, 'keys', 'add', 'snapshot', '--threshold', '1');
  await refused(theirs, /all that they have:\n.*SIGNATURES_MISSING: targets/s, 'keys', 'renew', 'targets');
  const next = await open(theirs, broker, ring);
  await publish(next, ring, await renewed(next, 'targets'), { action: 'renewed' });
  const whole = await open(theirs, broker, ring);
  assert.equal(whole.state.halfRotated, []);
  await push(whole, ring, 1);
  assert.is(await taken(context), assignment(1).toString());
  // Who comes back hears that his root counts, and writes that down.
  const back = await open(context, broker, ring);
  const lines: string[] = [];
  await settleOvertaken(
    back,
    (line) => void lines.push(line),
    async () => ring,
  );
  assert.match(lines.join(), /interrupted, but published: keys rotated; somebody else has published since/);
  const entries = (await audit(context)).map((line) => parseEntry(line)?.action);
  assert.equal(entries, ['fleet made', 'renewed', 'pushed', 'keys rotated']);
});

keys('of two operators at once the second is told, and nothing is overwritten', async (context) => {
  const { fleet, broker, path, ring } = context;
  const other = join(path, 'other');
  cpSync(fleet, other, { recursive: true });
  const [mine, theirs] = [await open(context, broker, ring), await open({ fleet: other }, broker, ring)];
  await push(theirs, ring, 1);
  const { file, fresh } = freshKey(fleet, 'targets-2');
  const drafted = await withKeys(mine, 'targets', { keys: [fresh], threshold: 1 });
  const change = { ...drafted, keys: [file] };
  const both = joined(ring, ringOf(fresh));
  assert.match(await codeOf(publish(mine, both, change, { action: 'keys rotated' })), /^REPOSITORY_MOVED/);
  assert.is(existsSync(join(fleet, 'pending.json')), false);
  assert.equal(keysIn(fleet).keys(), [], 'of what was refused no key is left');
  assert.is(await openRepository(broker).get('metadata/2.root.json', 2 ** 17), undefined);
  assert.is(await taken(context), assignment(1).toString());
  await push(await open(context, broker, ring), ring, 2);
  assert.is(await taken(context), assignment(2).toString());
});

if (brokerAvailable()) keys.run();
