/**
 * `weir push`: what it says of whom a release is for, and what of it the audit has.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Release } from '../../host/fleet/assignment.js';
import { audienceOf } from '../../host/fleet/audience.js';
import { pushed } from '../../host/fleet/rollout.js';
import { readStatus, type Told } from '../../host/fleet/statuses.js';
import { brokerAvailable } from '../broker.js';
import { endAll, saidHere } from '../command.js';
import { releaseOf, startFleet, statusOf, type TestFleet } from './operators.js';

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

audience('what nobody of the group has run is known, where anybody has said something', () => {
  const [one, two] = [releaseOf('1.0.0'), releaseOf('2.0.0')];
  const { hasRun } = audienceOf('edge', told(statusOf('a', one), statusOf('c', two, { group: 'core' })));
  assert.equal(
    [one, two].map((release) => hasRun('f', release)),
    [true, false],
  );
  assert.ok(audienceOf('edge', told(statusOf('c', two, { group: 'core' }))).hasRun('f', one));
  const first = pushed(undefined, 'edge', 'f', one);
  const failed = pushed(first, 'edge', 'f', two, hasRun);
  assert.is(failed.filters.f?.before, one);
  assert.is(pushed(failed, 'edge', 'f', releaseOf('3.0.0'), hasRun).filters.f?.before, one);
});

interface Context {
  fleet: TestFleet;
}

const command = suite<Context>('weir push');
command.before.each(async (context) => {
  context.fleet = await startFleet();
});
command.after.each(async ({ fleet }) => {
  await endAll();
  await fleet.stop();
});

command(
  'says what is mistyped, and what was before, which is the way back where somebody has run it',
  async ({ fleet }) => {
    const push = async (filter: string, ...more: string[]) => {
      const { code, err } = await fleet.weirPush(filter, '--as', 'f', '--group', 'edge', ...more);
      assert.is(code, 0, err);
      const { release, before } = (await fleet.assigned('edge'))?.filters.f ?? {};
      return { err, release: release as Release, before };
    };
    const first = await push('ssh-auth', '--from', 'auth', '--reason', 'logins');
    assert.match(first.err, 'weir: no appliance has told that it is of group edge\n');

    // Nobody could run it, so it is no way back.
    await fleet.say('fw', statusOf('fw', undefined, { sources: ['auth'] }));
    const second = await push('ssh-attempts', '--from', 'auht', '--reason', 'attempts');
    assert.match(second.err, 'weir: 1 of 1 appliances of edge have no source auht; they have auth\n');
    assert.is(second.before, undefined);

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
