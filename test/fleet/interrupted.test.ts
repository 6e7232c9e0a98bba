/**
 * A push that is interrupted at any step: the same again completes it, and nothing else publishes it unasked.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { parseEntry } from '../../host/fleet/audit.js';
import type { KeyRing } from '../../host/fleet/edition.js';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { openOperator, publish } from '../../host/fleet/operator.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import {
  assignment,
  audit,
  codeOf,
  cutAfter,
  type Fleet,
  open,
  push,
  suiteInMemory,
  taken,
} from './fleets.js';

type Context = Fleet & { ring: KeyRing };

const pushes = suiteInMemory('a push that was interrupted');

/** Opens the folder, and what was said of it. */
async function opened({ fleet, broker, ring }: Context) {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const operator = await openOperator(openFleetFolder(fleet), broker, print, async () => ring);
  return { operator, lines };
}

const pushedIn = async (context: Context) =>
  (await audit(context)).flatMap((line) => parseEntry(line)?.serial ?? []);

/** The assignment, the targets, the snapshot, the timestamp; then the entry of the audit. */
const [BEFORE_TIMESTAMP, BEFORE_ENTRY] = [3, 4];

pushes('at any step is completed by a second run, and the audit has it once', async (context) => {
  const { broker, ring, fleet } = context;
  for (let steps = 0; steps <= BEFORE_ENTRY; steps++) {
    const serial = steps + 1;
    const cut = await open(context, cutAfter(broker, steps), ring);
    assert.is(await codeOf(push(cut, ring, serial)), 'Error: cut');
    assert.is(existsSync(join(fleet, 'pending.json')), true);
    const { operator } = await opened(context);
    if (steps <= BEFORE_TIMESTAMP) await push(operator, ring, serial);
    assert.is(existsSync(join(fleet, 'pending.json')), false);
    assert.is(await taken(context), assignment(serial).toString(), `after ${steps} steps`);
  }
  assert.equal(await pushedIn(context), [1, 2, 3, 4, 5]);
});

pushes('is told, and is published by nobody who wants something else', async (context) => {
  const { server, fleet, broker, ring } = context;
  await push(await open(context, broker, ring), ring, 1);
  const cut = await open(context, cutAfter(broker, BEFORE_TIMESTAMP), ring);
  assert.is(await codeOf(push(cut, ring, 2)), 'Error: cut');
  const status = await saidHere(['fleet', 'status', '--server', server.url, '--fleet', fleet]);
  const told =
    'fleet: interrupted, and not published: pushed; run it again if it is wanted: what is published next from this folder takes its place';
  assert.match(status.err, `weir: ${told}\n`);
  const { operator, lines } = await opened(context);
  assert.equal(lines, [told]);
  await publish(operator, ring, { renews: true }, { action: 'refreshed' });
  assert.equal((await opened(context)).lines, []);
  assert.is(await taken(context), assignment(1).toString());
  assert.equal(await pushedIn(context), [1]);
});

pushes('that is published already is told as that, and completed by whoever signs next', async (context) => {
  const { server, fleet, broker, ring } = context;
  const folder = openFleetFolder(fleet);
  const reader = await open(context, broker, ring);
  const cut = await open(context, cutAfter(broker, BEFORE_ENTRY), ring);
  assert.is(await codeOf(push(cut, ring, 1)), 'Error: cut');
  const status = await saidHere(['fleet', 'status', '--server', server.url, '--fleet', fleet]);
  assert.match(status.err, 'fleet: interrupted: pushed; the next command that signs completes it\n');
  // Who has read before must not forget it.
  const renewed = publish({ ...reader, state: (await cut).state }, ring, {}, { action: 'refreshed' });
  assert.match(await codeOf(renewed), /^REPOSITORY_MOVED/);
  assert.ok(folder.pending());
  assert.equal((await opened(context)).lines, ['fleet: completing what was interrupted: pushed']);
  assert.equal(await pushedIn(context), [1]);
});

if (brokerAvailable()) pushes.run();
