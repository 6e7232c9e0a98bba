/**
 * An assignment that cannot be read, because it was signed by another weir or is gone: operators see it, and can replace it.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { assignmentPath } from '../../host/fleet/assignment.js';
import { pathsOf } from '../../host/fleet/copy.js';
import { draftChange, publish } from '../../host/fleet/operator.js';
import { removeFile } from '../../host/fleet/repository.js';
import { brokerAvailable } from '../broker.js';
import type { Loose } from './fleets.js';
import { fleetSuite, releaseOf, statusOf, type TestFleet } from './operators.js';

const release = releaseOf('1.0.0');

const unreadable = fleetSuite('an assignment that cannot be read');
unreadable.before.each(async (context) => {
  for (const group of ['core', 'edge'])
    for (let change = 0; change < 3; change++) await context.fleet.assign(group, { f: { release } });
  await context.fleet.say('fw', statusOf('fw', release));
});

/** Another weir signs what this one cannot read. */
async function assignRaw({ operator, ring }: TestFleet, group: string, text: string): Promise<void> {
  const one = await operator();
  const targets = await draftChange(one, new Map([[assignmentPath(group), Buffer.from(text)]]));
  await publish(one, ring, { targets }, { action: 'pushed', group });
}

const PUSH = ['ssh-auth', '--as', 'f', '--group', 'edge', '--from', 'log', '--reason', 'anew'];

unreadable(
  'is told beside the other groups, changed by nothing, and replaced where that is asked for',
  async ({ fleet }) => {
    const whole = await fleet.weirPush(...PUSH, '--anew');
    assert.match(
      whole.err,
      'USAGE: --anew: expected what is assigned to edge to be unreadable, found it whole',
    );
    await assignRaw(fleet, 'edge', '{ "format": 2, "group": "edge", "serial": 4, "filters": {} }');
    const problem = /assignments\/edge\.json: format: expected 1, found 2/;

    const status = await fleet.weirFleet('status');
    assert.is(status.code, 1);
    assert.match(status.out, /^group core, serial 3\n/);
    assert.match(status.out, /^group edge: what is assigned cannot be read: .*format.*"weir push --anew"$/m);
    assert.match(status.out, /^ {2}fw +\d+s +f +unknown +f@1\.0\.0/m);
    const { groups } = JSON.parse((await fleet.weirFleet('status', '--json')).out);
    assert.equal(
      groups.map((group: Loose) => [group.group, problem.test(group.problem ?? '')]),
      [
        ['core', false],
        ['edge', true],
      ],
    );
    assert.is(
      JSON.parse((await fleet.weirFleet('status', '--group', 'core', '--json')).out).groups[0].problem,
      null,
    );

    for (const args of [
      ['remove', 'f'],
      ['rollback', 'f'],
      ['promote', 'f', '--percent', '100'],
    ]) {
      const { code, err } = await fleet.weirFleet(...args, '--group', 'edge', '--reason', 'a test');
      assert.is(code, 1);
      assert.match(err, new RegExp(`ASSIGNMENT_UNREADABLE: ${problem.source}`), args[0]);
    }
    const audit = await fleet.weirFleet('audit', '--verify');
    assert.match(
      audit.out,
      new RegExp(`operators: what is assigned to edge cannot be read: ${problem.source}`),
    );

    const proposal = join(fleet.path, 'proposal.json');
    const proposed = await fleet.weirPush(...PUSH, '--anew', '--propose', proposal);
    assert.is(proposed.code, 0, proposed.err);
    const published = await fleet.weirFleet('publish', proposal);
    assert.is(published.code, 0, published.err);
    assert.match(
      published.err,
      /group edge: what it was cannot be read, and all of it is replaced: .*format/,
    );
    const found = await fleet.assigned('edge');
    assert.equal(Object.keys(found?.filters ?? {}), ['f']);
    // Each of seven changes and the first edition has a number; the other weir may have taken any serial up to that.
    assert.is(found?.serial, 9);
    const { entries } = JSON.parse((await fleet.weirFleet('audit', '--json')).out);
    assert.is(entries.at(-1).entry.before, 'what could not be read');
    const next = await fleet.weirFleet('remove', 'f', '--group', 'edge', '--reason', 'a test');
    assert.is(next.code, 0, next.err);
    assert.is((await fleet.assigned('edge'))?.serial, 10);
  },
);

unreadable('the same where it is gone, and nobody has a copy', async ({ fleet }) => {
  const { state } = await fleet.operator();
  const path = [...pathsOf(state)].find(
    (one) => one.startsWith('targets/assignments/') && one.endsWith('edge.json'),
  );
  await removeFile(fleet.broker, path as string);
  const restorable = await fleet.weirFleet('remove', 'f', '--group', 'core', '--reason', 'a test');
  assert.is(restorable.code, 0, restorable.err);
  rmSync(join(fleet.folder.path, 'copy', path as string));
  const status = await fleet.weirFleet('status');
  assert.match(status.out, /^group edge: what is assigned cannot be read: .*it is signed, but not there/m);
  const pushed = await fleet.weirPush(...PUSH, '--anew');
  assert.is(pushed.code, 0, pushed.err);
  assert.match(pushed.err, 'what is assigned to edge cannot be read, and is replaced: ');
  assert.equal(Object.keys((await fleet.assigned('edge'))?.filters ?? {}), ['f']);
});

if (brokerAvailable()) unreadable.run();
