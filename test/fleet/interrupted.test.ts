/**
 * A push that is interrupted at any step: the same again completes it, and nothing else publishes it unasked.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { assignmentBytes, type Release } from '../../host/fleet/assignment.js';
import { parseEntry } from '../../host/fleet/audit.js';
import type { KeyRing } from '../../host/fleet/edition.js';
import { openFleetFolder } from '../../host/fleet/folder.js';
import { draftChange, type Operator, openOperator, publish } from '../../host/fleet/operator.js';
import { settleOvertaken } from '../../host/fleet/overtaken.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import {
  assignment,
  audit,
  codeOf,
  cutAfter,
  type Fleet,
  open,
  PATH,
  push,
  suiteInMemory,
  taken,
} from './fleets.js';
import { releaseOf } from './operators.js';

type Context = Fleet & { ring: KeyRing };

const pushes = suiteInMemory('a push that was interrupted');

/** Opens the folder, and what was said of it. */
async function opened({ fleet, broker, ring }: Context) {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const operator = await openOperator(openFleetFolder(fleet), broker, print, async () => ring);
  await settleOvertaken(operator, print, async () => ring);
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
  const json = await saidHere(['fleet', 'status', '--json', '--server', server.url, '--fleet', fleet]);
  assert.equal(JSON.parse(json.out).interrupted, { state: 'not begun', what: 'pushed' });
  const { operator, lines } = await opened(context);
  assert.equal(lines, [told]);
  await publish(operator, ring, { renews: true }, { action: 'refreshed' });
  assert.equal((await opened(context)).lines, []);
  const later = await saidHere(['fleet', 'status', '--json', '--server', server.url, '--fleet', fleet]);
  assert.is(JSON.parse(later.out).interrupted, null);
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
  assert.is(status.code, 1);
  // Who has read before must not forget it.
  const renewed = publish({ ...reader, state: (await cut).state }, ring, {}, { action: 'refreshed' });
  assert.match(await codeOf(renewed), /^REPOSITORY_MOVED/);
  assert.ok(folder.pending());
  assert.equal((await opened(context)).lines, ['fleet: completing what was interrupted: pushed']);
  assert.equal(await pushedIn(context), [1]);
});

/** Another operator's folder, who has seen what this one has. */
function theirs({ fleet, path }: Context): { fleet: string } {
  const other = join(path, 'other');
  cpSync(fleet, other, { recursive: true });
  return { fleet: other };
}

/** A push as `weir push` makes it: the last of these filters is the one that is pushed. */
async function pushLast(operator: Operator, ring: KeyRing, releases: readonly Release[]): Promise<void> {
  const filters = Object.fromEntries(releases.map((release, at) => [`f${at}`, { release }]));
  const bytes = assignmentBytes({ format: 1, group: 'edge', serial: releases.length, filters });
  const targets = await draftChange(operator, new Map([[PATH, bytes]]));
  const { by, at, version: after } = releases.at(-1) as Release;
  await publish(operator, ring, { targets }, { action: 'pushed', group: 'edge', after, by, at });
}

const told = async ({ server }: Context, fleet: string) =>
  (await saidHere(['fleet', 'status', '--server', server.url, '--fleet', fleet])).err;
const pushedEntries = async (context: Context) =>
  (await audit(context))
    .flatMap((line) => parseEntry(line) ?? [])
    .filter(({ action }) => action === 'pushed');

pushes('of a promotion is told with its percent', async (context) => {
  const { fleet, broker, ring } = context;
  const cut = await open(context, cutAfter(broker, BEFORE_ENTRY), ring);
  const targets = await draftChange(cut, new Map([[PATH, assignment(1)]]));
  const act = { action: 'promoted', group: 'edge', filter: 'f', after: 'f@1.6.0+c0ffee123456', percent: 50 };
  assert.is(await codeOf(publish(cut, ring, { targets }, act)), 'Error: cut');
  const what = 'promoted f (f@1.6.0+c0ffee123456) for 50 % of edge';
  assert.match(await told(context, fleet), `weir: fleet: interrupted: ${what}; the next command`);
});

pushes('that was in force when somebody else published has its entry in the audit', async (context) => {
  const { fleet, broker, ring } = context;
  const other = theirs(context);
  const releases = ['1.0.0', '2.0.0'].map((version) =>
    releaseOf(version, { at: `202${version[0]}-01-31T12:00:00Z` }),
  );
  const cut = await open(context, cutAfter(broker, BEFORE_ENTRY), ring);
  assert.is(await codeOf(push(cut, ring, 1)), 'Error: cut');
  await publish(await open(other, broker, ring), ring, {}, { action: 'refreshed' });
  const line = (what: string) =>
    `fleet: interrupted, but published: ${what}; somebody else has published since`;
  assert.match(await told(context, fleet), `weir: ${line('pushed')}\n`);
  assert.equal((await opened(context)).lines, [line('pushed'), 'fleet: it is in the audit now']);
  assert.equal((await opened(context)).lines, []);
  // Also where others have changed the same: the release is assigned still.
  const again = await open(context, cutAfter(broker, BEFORE_ENTRY), ring);
  assert.is(await codeOf(pushLast(again, ring, releases.slice(0, 1))), 'Error: cut');
  await pushLast(await open(other, broker, ring), ring, releases);
  assert.equal((await opened(context)).lines, [line('pushed in edge'), 'fleet: it is in the audit now']);
  assert.equal(
    (await pushedEntries(context)).map(({ interrupted }) => interrupted),
    [undefined, undefined, undefined],
  );
  const proved = await saidHere([
    'fleet',
    'audit',
    '--verify',
    '--server',
    context.server.url,
    '--fleet',
    fleet,
  ]);
  assert.match(proved.out, 'operators: 5 entries, whole');
});

pushes('that nobody had seen when somebody else published is told, and is in no entry', async (context) => {
  const { fleet, broker, ring } = context;
  const other = theirs(context);
  const cut = await open(context, cutAfter(broker, BEFORE_TIMESTAMP), ring);
  assert.is(await codeOf(push(cut, ring, 1)), 'Error: cut');
  await push(await open(other, broker, ring), ring, 2);
  const line =
    'fleet: interrupted, and not published: pushed; somebody else has published since; run it again if it is wanted';
  assert.match(await told(context, fleet), `weir: ${line}\n`);
  assert.equal((await opened(context)).lines, [line]);
  assert.equal((await opened(context)).lines, []);
  assert.equal(await pushedIn(context), [2]);
});

pushes('of which nothing is left has an entry that says that it is not known', async (context) => {
  const { fleet, broker, ring } = context;
  const other = theirs(context);
  const cut = await open(context, cutAfter(broker, BEFORE_ENTRY), ring);
  assert.is(await codeOf(push(cut, ring, 1)), 'Error: cut');
  await push(await open(other, broker, ring), ring, 2);
  assert.match(await told(context, fleet), /interrupted: pushed; .*in force until then, or never: look with/);
  assert.match(
    (await opened(context)).lines.join('\n'),
    /in force until then, or never.*\n.*in the audit now$/,
  );
  assert.equal((await opened(context)).lines, []);
  const entries = (await pushedEntries(context)).map(({ serial, interrupted }) => [serial, interrupted]);
  const unknown = 'interrupted, and somebody else has published since: it was in force until then, or never';
  assert.equal(entries, [
    [2, undefined],
    [1, unknown],
  ]);
});

pushes('that was written down already is not written down again', async (context) => {
  const { fleet, broker, ring } = context;
  const other = theirs(context);
  const cut = await open(context, cutAfter(broker, BEFORE_ENTRY), ring);
  assert.is(await codeOf(push(cut, ring, 1)), 'Error: cut');
  const pending = readFileSync(join(fleet, 'pending.json'));
  await opened(context);
  writeFileSync(join(fleet, 'pending.json'), pending);
  await push(await open(other, broker, ring), ring, 2);
  assert.match(
    (await opened(context)).lines.join(),
    /^fleet: interrupted, but published and in the audit: pushed;/,
  );
  assert.is(existsSync(join(fleet, 'pending.json')), false);
  assert.equal(await pushedIn(context), [1, 2]);
});

if (brokerAvailable()) pushes.run();
