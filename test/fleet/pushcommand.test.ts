/**
 * `weir push`: what it says of whom a release is for, and what of it the audit has.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Release } from '../../host/fleet/assignment.js';
import { audienceOf } from '../../host/fleet/audience.js';
import { readStatus, type Told } from '../../host/fleet/statuses.js';
import { brokerAvailable } from '../broker.js';
import { saidHere } from '../command.js';
import { attemptOf, fleetSuite, releaseOf, statusOf } from './operators.js';

const told = (...statuses: readonly ReturnType<typeof statusOf>[]) =>
  new Map(
    statuses.map((status): [string, Told] => {
      const { appliance } = status;
      return [
        appliance,
        { appliance, heardMs: 0, word: readStatus(appliance, Buffer.from(JSON.stringify(status))) },
      ];
    }),
  );

const audience = suite('whom a push is for');

audience('a group that nobody is of, and sources that are missing, are named', () => {
  const found = told(
    statusOf('a', undefined, { sources: ['auth', 'kernel'] }),
    statusOf('b', undefined, { sources: ['kernel'] }),
    statusOf('old', undefined),
    statusOf('c', undefined, { group: 'core', sources: ['x'] }),
  );
  assert.equal(audienceOf('edge', found).warnings(['kernel']), []);
  assert.equal(audienceOf('edge', found).warnings(['auth', 'auth', 'audit']), [
    '1 of 3 appliances of edge have no source auth; they have kernel',
    '2 of 3 appliances of edge have no source audit; they have auth, kernel',
  ]);
  assert.equal(audienceOf('egde', found).warnings(['auth']), [
    'no appliance has told that it is of group egde; appliances are of core, edge',
  ]);
  assert.equal(audienceOf('edge', new Map()).warnings(['auth']), [
    'no appliance has told that it is of group edge',
  ]);
});

audience('sources that are no list of names are no status', () => {
  for (const sources of [{}, 'auth', ['a b'], [1], Array.from({ length: 65 }, (_, at) => `s${at}`)])
    assert.throws(
      () => told(statusOf('a', undefined, { sources })),
      (error: Error) => error.message.startsWith('fleet.sources: expected up to 64 names'),
    );
});

audience('what has failed is told where some say so, and none that it runs; silence is no failure', () => {
  const [one, two] = [releaseOf('1.0.0'), releaseOf('2.0.0')];
  const failed = { attempted: attemptOf(two, 'returned', 'a fault') };
  const failure = (release: Release, ...statuses: readonly ReturnType<typeof statusOf>[]) =>
    audienceOf('edge', told(...statuses)).failure('f', release);
  assert.is(
    failure(two, statusOf('a', one, failed), statusOf('b', undefined)),
    `1 of 2 appliances of edge say that ${two.version} has failed there, none that it runs`,
  );
  for (const statuses of [
    [],
    [statusOf('a', undefined)],
    [statusOf('a', one, failed), statusOf('b', two)],
    [statusOf('c', one, { ...failed, group: 'core' })],
    [statusOf('a', one, { attempted: attemptOf(releaseOf('2.0.0'), 'returned', 'another rollout') })],
  ])
    assert.is(failure(two, ...statuses), undefined);
});

const command = fleetSuite('weir push');

command(
  'says what is mistyped, and what was before, which is the way back whatever appliances say',
  async ({ fleet }) => {
    const push = async (filter: string, ...more: string[]) => {
      const { code, err } = await fleet.weirPush(filter, '--as', 'f', '--group', 'edge', ...more);
      assert.is(code, 0, err);
      const { release, before } = (await fleet.assigned('edge'))?.filters.f ?? {};
      return { err, release: release as Release, before };
    };
    const first = await push('ssh-auth', '--from', 'auth', '--reason', 'logins');
    assert.match(first.err, 'weir: no appliance has told that it is of group edge\n');

    // Nobody says that it runs, which nobody has signed.
    await fleet.say('fw', statusOf('fw', undefined, { sources: ['auth'] }));
    const second = await push('ssh-attempts', '--from', 'auht', '--reason', 'attempts');
    assert.match(second.err, 'weir: 1 of 1 appliances of edge have no source auht; they have auth\n');
    assert.equal(second.before, first.release);

    const { entries } = JSON.parse((await fleet.weirFleet('audit', '--json')).out);
    const pushes = entries
      .map(({ entry }: { entry: Record<string, unknown> }) => entry)
      .filter(({ action }: { action: string }) => action === 'pushed');
    assert.equal(
      pushes.map(({ filter, before, after }: Record<string, unknown>) => [filter, before, after]),
      [
        ['f', null, first.release.version],
        ['f', first.release.version, second.release.version],
      ],
    );
  },
);

command('a push to 1 % leaves the others what is for all, whatever statuses say', async ({ fleet }) => {
  const [old, running] = [releaseOf('1.0.0'), releaseOf('1.1.0')];
  const push = async (...more: string[]) => {
    const from = ['--from', 'auth', '--as', 'f', '--group', 'edge', '--reason', 'r'];
    const said = await fleet.weirPush('ssh-auth', ...from, ...more);
    assert.is(said.code, 0, said.err);
    return { ...said, before: (await fleet.assigned('edge'))?.filters.f?.before };
  };
  // All are away, and what they have said last is of the release that is left.
  await fleet.assign('edge', { f: { release: running, before: old } });
  await fleet.say('fw', statusOf('fw', running));
  const back = await fleet.weirFleet('rollback', 'f', '--group', 'edge', '--reason', 'r');
  assert.is(back.code, 0, back.err);
  const rolled = (await fleet.assigned('edge'))?.filters.f?.release as Release;
  const staged = await push('--percent', '1');
  assert.equal(staged.before, rolled);
  assert.match(staged.out, ` to 1 % of edge; the other 99 % run ${old.version}\n`);
  const again = await fleet.weirFleet('rollback', 'f', '--group', 'edge', '--reason', 'r');
  assert.match(again.out, `f: ${old.version} for 100 % of edge\n`);

  // What begins later says so.
  const later = await push('--not-before', '2100-01-01T00:00:00Z');
  assert.match(later.out, / to 100 % of edge from 2100-01-01T00:00:00Z on\b/);

  // A genuine status, said again by somebody else with nothing that runs; and one of a failure.
  await fleet.assign('edge', { f: { release: running } });
  await fleet.say('fw', { ...statusOf('fw', undefined), filters: {} });
  assert.equal((await push('--percent', '1')).before, running);
  await fleet.assign('edge', { f: { release: running, before: old } });
  await fleet.say('fw', statusOf('fw', old, { attempted: attemptOf(running, 'returned', 'a fault') }));
  const { before, err } = await push('--percent', '1');
  assert.equal(before, running);
  const failed = `weir: 1 of 1 appliances of edge say that ${running.version} has failed there, none that it runs; `;
  const left =
    'it is what a push leaves to whoever does not run the new one, and after a restart such an appliance runs none';
  assert.match(err, `${failed}${left}; "weir fleet rollback" first keeps ${old.version}\n`);
  const onto = await fleet.weirFleet('rollback', 'f', '--group', 'edge', '--reason', 'r');
  assert.match(onto.err, `${failed}"weir push" assigns another one\n`);
  assert.is(onto.code, 0, onto.err);
});

command('it is said where the others run none of it', async ({ fleet }) => {
  const release = releaseOf('1.0.0', { percent: 50 });
  await fleet.assign('edge', { f: { release } });
  const push = ['ssh-auth', '--from', 'auth', '--as', 'f', '--group', 'edge', '--reason', 'r'];
  const { code, out, err } = await fleet.weirPush(...push, '--percent', '1');
  assert.is(code, 0, err);
  const those = 'those of them that this is not for, or not yet, will run NONE of it';
  assert.match(err, `weir: f: 50 % of edge have ${release.version} now, with nothing before it: ${those}\n`);
  assert.match(out, ' to 1 % of edge; the other 99 % run NONE of it\n');
  const promoted = await fleet.weirFleet('promote', 'f', '--group', 'edge', '--percent', '10');
  assert.match(promoted.out, ' for 10 % of edge; the other 90 % run NONE of it\n');
  const status = await fleet.weirFleet('status', '--group', 'edge');
  assert.match(status.out, ' for 10 %, the other 90 % run NONE of it\n');
  const policy = await fleet.weirFleet('policy', '--group', 'edge');
  assert.match(policy.out, '**Staged.** A release on its way: the other 90 % run NONE of it.\n');
  const whole = await fleet.weirPush(...push);
  assert.not.match(whole.err + whole.out, 'NONE');
});

command('options that would do nothing are refused, and a fleet is not made twice', async ({ fleet }) => {
  const promote = ['promote', 'f', '--group', 'edge', '--percent', '10'];
  const soaked = await fleet.weirFleet(...promote, '--soak', '10m');
  assert.match(soaked.err, 'USAGE: --step-time and --soak: expected --auto beside them');
  const blank = await fleet.weirPush('ssh-auth', '--group', 'edge', '--reason', 'r', '--ticket', '');
  assert.match(blank.err, 'USAGE: --ticket: expected 1 to 500 characters, found ""');
  const wrong = await fleet.weirPush(
    ...['ssh-auth', '--group', 'edge', '--from', 'auth', '--reason', 'r', '--filter-config', '{"bogus":1}'],
  );
  assert.match(wrong.err, /FILTER_CONFIG: filter ssh-auth: config\.?.*bogus/);
  const login = ['--server', fleet.server.url];
  const listed = await saidHere(['fleet', 'keys', 'list', '--yes', ...login]);
  assert.match(listed.err, "USAGE: Unknown option '--yes'");
  const again = await saidHere(['fleet', 'init', '--yes', '--fleet', `${fleet.path}/other`, ...login]);
  assert.match(again.err, 'FLEET_EXISTS: repository: expected an empty one');
});

command('what is mistyped is told before anything is built', async ({ fleet }) => {
  await fleet.say('fw', statusOf('fw', undefined, { sources: ['auth'] }));
  const good = ['ssh-auth', '--group', 'edge', '--from', 'auth', '--reason', 'r'];
  const there = `${fleet.path}/there.json`;
  writeFileSync(there, '');
  const cases: readonly [string, ...string[]][] = [
    ['FILTER_UNKNOWN: filter "ssh-aut": expected one of ', 'ssh-aut'],
    ['USAGE: --group: expected a name of letters, digits, - and _, found "ed ge"', '--group', 'ed ge'],
    ['USAGE: --from: expected a name of letters, digits, - and _, found "a.b"', '--from', 'a.b'],
    ['USAGE: --as: expected a name of letters, digits, - and _, found "a/b"', '--as', 'a/b'],
    ['USAGE: --percent: expected a whole number from 0 to 100, found "101"', '--percent', '101'],
    ['USAGE: --ticket: expected 1 to 500 characters, found " "', '--ticket', ' '],
    ['USAGE: --format: expected cbor or ndjson, found "json"', '--format', 'json'],
    ['USAGE: --timezone: expected a zone such as "Europe/Berlin", found "Mars"', '--timezone', 'Mars'],
    ['USAGE: --filter-config: expected a JSON object, found ', '--filter-config', '{'],
    ['USAGE: --not-before: expected a time such as ', '--not-before', 'tomorrow'],
    ['FILE_EXISTS: ', '--propose', there],
    ['KEY_UNREADABLE: --passphrase-file: ', '--passphrase-file', '/nowhere'],
    ['FLEET_MISSING: ', '--fleet', '/nowhere'],
    ['BROKER_UNREACHABLE: ', '--server', 'nats://127.0.0.1:1'],
    ['USAGE: --anew: expected ', '--anew'],
  ];
  const login = ['--fleet', fleet.folder.path, '--server', fleet.server.url, '--yes'];
  const keys = ['--passphrase-file', `${fleet.path}/passphrase`];
  const runs = cases.map(([, ...more]) =>
    saidHere(['push', ...good, ...login, ...keys, ...more], undefined, 60_000),
  );
  for (const [at, { code, err }] of (await Promise.all(runs)).entries()) {
    assert.is(code, cases[at]?.[0].startsWith('USAGE') ? 2 : 1, err);
    assert.match(err, cases[at]?.[0] as string);
    assert.not.match(err, /tested|built|compil/i);
  }
  const elsewhere = await saidHere(['push', ...good, ...login, ...keys], fleet.path);
  const shipped =
    'FILTER_UNKNOWN: filter "ssh-auth": expected its source in filters, found a shipped one, whose';
  assert.match(elsewhere.err, `${shipped} samples are not here; `);
  mkdirSync(`${fleet.path}/filters/boom`, { recursive: true });
  writeFileSync(`${fleet.path}/filters/boom/filter.ts`, '');
  const beside = await saidHere(['push', ...good, ...login, ...keys], fleet.path);
  assert.match(beside.err, 'FILTER_UNKNOWN: filter "ssh-auth": expected one of boom, found a shipped one, ');
  const without = await fleet.weirPush('ssh-auth', '--group', 'edge', '--reason', 'r');
  assert.equal(without.code, 2);
  assert.match(
    without.err,
    /^weir: USAGE: --from: expected a source for ssh-auth, which the group does not run yet/,
  );
});

command('a promotion to what a group has already signs nothing', async ({ fleet }) => {
  const release = releaseOf('1.0.0', { percent: 10 });
  await fleet.assign('edge', { f: { release } });
  const entries = async () => JSON.parse((await fleet.weirFleet('audit', '--json')).out).entries.length;
  const before = await entries();
  const promote = (percent: string) =>
    fleet.weirFleet('promote', 'f', '--group', 'edge', '--percent', percent, '--json');
  const [same, less, more] = [await promote('10'), await promote('9'), await promote('11')];
  const { serial, release: found } = JSON.parse(same.out);
  assert.equal([same.code, serial, found], [0, 1, release]);
  assert.match(less.err, 'ROLLOUT_REFUSED: filter f: expected more than 10 percent, which run it, found 9');
  assert.equal([more.code, JSON.parse(more.out).serial], [0, 2], more.err);
  assert.is(await entries(), before + 1);
});

audience.run();
if (brokerAvailable()) command.run();
