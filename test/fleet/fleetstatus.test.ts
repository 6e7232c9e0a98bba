/**
 * `weir fleet status`: who runs what, who lags, who refused and why, whatever anybody says.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { isIncluded, type Assignment } from '../../host/fleet/assignment.js';
import { pathsOf } from '../../host/fleet/copy.js';
import { isOver, isWrong, overviewOf } from '../../host/fleet/overview.js';
import { overviewLines } from '../../host/fleet/overviewtext.js';
import { removeFile } from '../../host/fleet/repository.js';
import { readStatus, type Told } from '../../host/fleet/statuses.js';
import { FLEET_SILENT_MS, FLEET_STATUS_BYTES_MAX } from '../../host/fleetlimits.js';
import { STATUS_STREAM, statusSubject } from '../../host/wire.js';
import { brokerAvailable } from '../broker.js';
import { endAll, weir } from '../command.js';
import { until, WAIT_MS } from '../help.js';
import { attemptOf, releaseOf, startFleet, statusOf, type TestFleet } from './operators.js';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const told = (appliance: string, value: object, heardMs = 0): Told => ({
  appliance,
  heardMs,
  word: readStatus(appliance, bytes(value)),
});

const hostile = suite('statuses of appliances');

function refusalOf(body: Uint8Array, appliance = 'fw'): string {
  try {
    readStatus(appliance, body);
  } catch (error) {
    assert.is((error as WeirError).code, 'STATUS_INVALID');
    return (error as WeirError).problem;
  }
  throw new Error('expected it to be refused');
}

hostile('what is no status is refused with what is wrong', () => {
  const good = statusOf('fw', releaseOf('1.0.0'));
  const { fleet } = good;
  const of = (part: object) => refusalOf(bytes({ ...good, ...part }));
  const ofFleet = (part: object) => of({ fleet: { ...fleet, ...part } });
  assert.is(refusalOf(Buffer.from([0xff, 0xfe, 0])), 'expected JSON, found something else');
  assert.is(refusalOf(Buffer.from('{"a":')), 'expected JSON, found something else');
  assert.is(refusalOf(bytes([good])), 'a status: expected an object');
  assert.match(
    refusalOf(Buffer.alloc(FLEET_STATUS_BYTES_MAX + 1, 32)),
    /^expected up to 262144 bytes, found /,
  );
  assert.is(
    refusalOf(Buffer.from('['.repeat(100_000) + ']'.repeat(100_000))),
    'a status: expected an object',
  );
  assert.is(of({ schema: 2 }), 'schema: expected 1');
  assert.is(of({ appliance: 'other' }), 'appliance: expected the one of the subject');
  assert.is(of({ filters: [] }), 'filters: expected an object');
  assert.is(of({ filters: { 'a.b': {} } }), 'filters: expected names of filters');
  assert.is(of({ filters: { f: { running: 1 } } }), 'filters.f.running: expected a text');
  assert.is(
    of({ filters: { f: { running: 'f', state: 'runs', dead: -1 } } }),
    'filters.f.dead: expected a whole number',
  );
  assert.is(
    of({ filters: { f: { running: 'f', state: 'runs', dead: 0, dead_letters: '1' } } }),
    'filters.f.dead_letters: expected a whole number',
  );
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`f${at}`, {}]));
  assert.is(of({ filters: many }), 'filters: expected up to 64 filters');
  assert.is(of({ fleet: null }), 'fleet: expected an object');
  assert.is(ofFleet({ group: 'a/../b' }), 'fleet.group: expected a name');
  assert.is(ofFleet({ serial: '1' }), 'fleet.serial: expected a whole number');
  assert.is(ofFleet({ stale: {} }), 'fleet.stale: expected a text');
  assert.is(ofFleet({ runs: { f: 1 } }), 'fleet.runs.f: expected a text');
  assert.is(
    ofFleet({ attempted: { f: { version: 'f', rollout: 'a' } } }),
    'fleet.attempted.f.state: expected a text',
  );
  assert.is(ofFleet({ audit: null }), 'fleet.audit: expected an object');
  assert.is(refusalOf(bytes(good), 'a\u001bb'), 'expected the name of an appliance in the subject');
});

hostile('texts are cut, and names have no meaning of their own', () => {
  const good = statusOf('fw', releaseOf('1.0.0'), { error: 'x'.repeat(10_000) });
  const text = JSON.stringify(good).replace(
    '"filters":{',
    '"filters":{"__proto__":{"running":"p","state":"runs","dead":0},',
  );
  const word = readStatus('fw', Buffer.from(text));
  assert.is(word.fleet?.error?.length, 500);
  assert.equal([...word.filters.keys()], ['__proto__', 'f']);
});

hostile('each appliance stands as it says, against what is signed', () => {
  const nowMs = Date.now();
  const before = releaseOf('1.0.0');
  const release = releaseOf('1.1.0', { percent: 50 });
  const names = Array.from({ length: 40 }, (_, at) => `fw-${at}`);
  const [first = '', second = '', third = '', fourth = ''] = names.filter((name) =>
    isIncluded(name, release),
  );
  const [outside = ''] = names.filter((name) => !isIncluded(name, release));
  const assignment: Assignment = { format: 1, group: 'edge', serial: 7, filters: { f: { release, before } } };
  const all = [
    told(first, statusOf(first, release), nowMs),
    told(second, statusOf(second, before, { error: 'broker: \u001b[31mno answer' }), nowMs),
    told(
      third,
      statusOf(third, before, { attempted: attemptOf(release, 'returned', 'a fault\nat once') }),
      nowMs,
    ),
    told(fourth, statusOf(fourth, release), nowMs - FLEET_SILENT_MS - 1),
    told(outside, statusOf(outside, before, { stale: 'timestamp.json: expired' }), nowMs),
    told('elsewhere', statusOf('elsewhere', before, { group: 'core' }), nowMs),
    told('alone', { ...statusOf('alone', before), fleet: undefined }, nowMs),
    { appliance: 'broken', heardMs: nowMs, word: 'schema: expected 1' },
  ];
  const view = overviewOf(
    new Map([['edge', assignment]]),
    new Map(all.map((one) => [one.appliance, one])),
    nowMs,
  );
  const [edge] = view.groups;
  const standing = Object.fromEntries(
    edge?.appliances.map(({ appliance, filters }) => [appliance, filters[0]?.standing]) ?? [],
  );
  assert.equal(standing, {
    [first]: 'release',
    [second]: 'lags',
    [third]: 'refused',
    [fourth]: 'silent',
    [outside]: 'before',
  });
  assert.equal(edge?.releases, [
    {
      filter: 'f',
      version: release.version,
      percent: 50,
      before: before.version,
      not_before: null,
      counts: { release: 1, before: 1, none: 0, lags: 1, refused: 1, silent: 1 },
      run_by_nobody: false,
    },
  ]);
  assert.equal(view.unreadable, [{ appliance: 'broken', problem: 'schema: expected 1' }]);
  assert.equal(view.others, ['alone']);
  assert.equal([isWrong(view), isOver(view)], [true, false]);
  const text = overviewLines(view);
  for (const line of text) assert.not.match(line, /\p{Cc}/u);
  const lineOf = (name: string) => text.find((line) => line.startsWith(`  ${name} `)) ?? '';
  assert.match(lineOf(second), /lags +f@1\.0\.0\S+ +wants f@1\.1\.0\S+; broker: \\u001b\[31mno answer$/);
  assert.match(lineOf(third), /refused +f@1\.0\.0\S+ +returned: a fault\\u000aat once$/);
  assert.ok(text.some((line) => line.includes(outside) && line.includes('stale')));
});

hostile(
  'the same version with another config lags until its rollout runs; a filter that was taken away, until it is gone',
  () => {
    const nowMs = Date.now();
    const release = releaseOf('1.0.0', { config: { a: 1 } });
    const view = (filters: Assignment['filters'], running: ReturnType<typeof releaseOf>) => {
      const one = told('fw', statusOf('fw', running), nowMs);
      const assignment: Assignment = { format: 1, group: 'edge', serial: 2, filters };
      return overviewOf(new Map([['edge', assignment]]), new Map([['fw', one]]), nowMs);
    };
    const standing = (...of: Parameters<typeof view>) =>
      view(...of).groups[0]?.appliances[0]?.filters[0]?.standing;
    assert.is(standing({ f: { release } }, releaseOf('1.0.0')), 'lags');
    assert.is(standing({ f: { release } }, release), 'release');
    assert.is(standing({}, release), 'lags');
    assert.is(isWrong(view({ f: { release } }, release)), false);
    const own = told('fw', statusOf('fw', release, { runs: {} }), nowMs);
    const found = overviewOf(new Map([['edge', undefined]]), new Map([['fw', own]]), nowMs);
    assert.is(found.groups[0]?.appliances[0]?.filters[0]?.standing, 'own');
    assert.is(isOver(found), true);
    const later = { release: releaseOf('1.0.0', { not_before: '2099-01-31T12:00:00Z' }) };
    const [, line] = overviewLines(view({ f: later }, release));
    assert.match(line as string, / for 100 % from 2099-01-31T12:00:00Z on$/);
  },
);

hostile('what is assigned, and nobody tells of or runs, is not well', () => {
  const nowMs = Date.now();
  const before = releaseOf('1.0.0');
  const view = (release: ReturnType<typeof releaseOf>, ...words: (typeof before | undefined)[]) => {
    const all = words.map((word, at) => told(`fw-${at}`, statusOf(`fw-${at}`, word), nowMs));
    const assignment: Assignment = {
      format: 1,
      group: 'edge',
      serial: 2,
      filters: { f: { release, before } },
    };
    const found = overviewOf(
      new Map([['edge', assignment]]),
      new Map(all.map((one) => [one.appliance, one])),
      nowMs,
    );
    return { isWrong: isWrong(found), text: overviewLines(found).join('\n') };
  };
  const nobody = /no appliance has told its status, so that nobody knows whether what is assigned runs/;
  for (const percent of [0, 100]) {
    const unheard = view(releaseOf('1.1.0', { percent }));
    assert.is(unheard.isWrong, true);
    assert.match(unheard.text, nobody);
  }
  const release = releaseOf('1.1.0');
  const unrun = view(release, before, before);
  assert.is(unrun.isWrong, true);
  assert.match(unrun.text, /2 lag.*\n {4}it is for the whole group, and nobody runs it\n/);
  const begun = view(release, before, release);
  assert.equal([begun.isWrong, begun.text.includes('nobody')], [false, false]);
  const later = view(releaseOf('1.1.0', { not_before: '2099-01-31T12:00:00Z' }), before);
  assert.is(later.isWrong, false);
});

hostile.run();

const command = suite<{ fleet: TestFleet }>('weir fleet status');
command.before(async (context) => {
  context.fleet = await startFleet();
});
command.after(({ fleet }) => fleet.stop());
command.after.each(endAll);

command('tells who runs it, who refused and why, and what is no status', async ({ fleet }) => {
  const release = releaseOf('1.0.0');
  await fleet.assign('edge', { f: { release } });
  await fleet.say('fw-1', statusOf('fw-1', release));
  const well = await fleet.weirFleet('status', '--group', 'edge');
  assert.equal([well.code, well.err], [0, '']);
  assert.match(
    well.out,
    /^group edge, serial 1\n {2}f: f@1\.0\.0\+\S+ for 100 %\n {4}1 run the release, 0 the one before, /,
  );
  await fleet.say(
    'fw-2',
    statusOf('fw-2', undefined, { attempted: attemptOf(release, 'refused', 'no memory\u001b[2J') }),
  );
  await fleet.say('fw-3', Buffer.from([0xff, 0, 0xff]));
  await fleet.say('fw-4', statusOf('fw-4', release, { group: 'nowhere' }));
  const wrong = await fleet.weirFleet('status');
  assert.is(wrong.code, 1);
  assert.match(wrong.out, /fw-2 +\ds +f +refused +- +refused: no memory\\u001b\[2J\n/);
  assert.match(wrong.out, 'fw-3: its status cannot be read: expected JSON, found something else\n');
  assert.match(wrong.out, 'group nowhere: nothing is assigned\n');
  assert.not.match(wrong.out, '\u001b');
  const json = JSON.parse((await fleet.weirFleet('status', '--json')).out);
  assert.is(json.schema, 1);
  assert.equal(
    json.groups.map(({ group, appliances }: { group: string; appliances: object[] }) => [
      group,
      appliances.length,
    ]),
    [
      ['edge', 2],
      ['nowhere', 1],
    ],
  );
  assert.match(
    (await fleet.weirFleet('status', '--group', 'nowhere')).out,
    /^group nowhere: nothing is assigned\n/,
  );
});

command('a group whose statuses are gone is not well', async () => {
  const fleet = await startFleet();
  try {
    const release = releaseOf('1.0.0');
    await fleet.assign('edge', { f: { release } });
    await fleet.say('fw-1', statusOf('fw-1', release));
    assert.is((await fleet.weirFleet('status', '--group', 'edge')).code, 0);
    await fleet.broker.purge(STATUS_STREAM, statusSubject('fw-1'));
    const { code, out } = await fleet.weirFleet('status', '--group', 'edge');
    assert.is(code, 1);
    assert.match(out, /no appliance has told its status, so that nobody knows whether what is assigned runs/);
  } finally {
    await fleet.stop();
  }
});

command('a group that nobody knows is an error, not a group where all is well', async ({ fleet }) => {
  await fleet.assign('centre', { f: { release: releaseOf('1.0.0') } });
  await fleet.say('s-1', statusOf('s-1', undefined, { group: 'site' }));
  for (const more of [[], ['--watch'], ['--json']]) {
    const { code, out, err } = await fleet.weirFleet('status', '--group', 'centrw', ...more);
    assert.equal([code, out], [1, '']);
    assert.match(err, /weir: GROUP_UNKNOWN: group centrw: expected one of centre, .*site; name a group /);
  }
});

command('a group without filters and appliances is named, and nothing is asked of it', async () => {
  const fleet = await startFleet();
  try {
    const release = releaseOf('1.0.0');
    await fleet.assign('edge', { f: { release } });
    await fleet.assign('egde', { f: { release } });
    await fleet.say('fw-1', statusOf('fw-1', release));
    assert.is((await fleet.weirFleet('status')).code, 1);
    const taken = await fleet.weirFleet('remove', 'f', '--group', 'egde', '--reason', 'mistyped');
    assert.is(taken.code, 0, taken.err);
    const { code, out } = await fleet.weirFleet('status');
    assert.is(code, 0, out);
    assert.not.match(out, 'group egde');
    assert.match(out, '\nwithout filters and appliances: egde\n');
    const json = JSON.parse((await fleet.weirFleet('status', '--json')).out);
    assert.equal([json.groups.length, json.empty], [1, ['egde']]);
    await fleet.say('fw-2', statusOf('fw-2', undefined, { group: 'egde' }));
    assert.match((await fleet.weirFleet('status')).out, 'group egde, serial 2\n');
  } finally {
    await fleet.stop();
  }
});

command('--watch tells each change, and ends when all have it', async ({ fleet }) => {
  const release = releaseOf('1.1.0', { percent: 0 });
  const before = releaseOf('1.0.0');
  await fleet.assign('watched', { f: { release, before } });
  await fleet.say('w-1', statusOf('w-1', before, { group: 'watched' }));
  const args = ['fleet', 'status', '--group', 'watched', '--watch', '--fleet', fleet.folder.path, '--server'];
  const watching = weir([...args, fleet.server.url]);
  await until(() => /w-1 +\ds +f +before/.test(watching.out()), WAIT_MS, 'the first view');
  const all = { ...release, percent: 100 };
  await fleet.assign('watched', { f: { release: all, before } });
  await until(() => watching.out().includes('w-1: f: lags'), WAIT_MS, 'it lags');
  await fleet.say('w-1', statusOf('w-1', all, { group: 'watched', serial: 2 }));
  assert.is(await watching.exited, 1, 'of another test there is a status that cannot be read');
  assert.match(
    watching.out(),
    /watched: f: f@1\.1\.0\S+ for 100 %\nw-1: f: lags .* wants f@1\.1\.0\S+\nw-1: f: release f@1\.1\.0\S+\n$/,
  );
});

command('what is missing or damaged in the repository is told, with what helps', async () => {
  const fleet = await startFleet();
  try {
    const [release, other] = [releaseOf('1.0.0'), releaseOf('2.0.0')];
    await fleet.assign('edge', { f: { release }, g: { release: other } });
    const paths = [...pathsOf((await fleet.operator()).state)];
    const [missing = '', damaged = ''] = [release, other].map(
      ({ bundle }) => paths.find((path) => path.endsWith(bundle.split('/').at(-1) as string)) as string,
    );
    const targets = paths.find((path) => path.endsWith('.targets.json')) as string;
    const write = (path: string, text: string) =>
      fleet.broker.publish({ subject: `$KV.WEIR_REPO.${path}`, headers: {}, body: Buffer.from(text) });
    const well = statusOf('fw', release, { runs: { f: release.rollout, g: other.rollout } });
    await fleet.say('fw', well);
    assert.equal((await fleet.weirFleet('status')).code, 0);
    await removeFile(fleet.broker, missing);
    await write(damaged, 'x');
    await write(targets, '{}');
    const { code, out } = await fleet.weirFleet('status');
    assert.is(code, 1);
    for (const line of [
      `${missing}: is not there`,
      `${damaged}: is damaged`,
      `${targets}: is damaged`,
      '"weir fleet restore" writes anew what this folder has a copy of',
    ])
      assert.ok(out.includes(`\nrepository: ${line}\n`), `${line}: ${out}`);
    const { repository } = JSON.parse((await fleet.weirFleet('status', '--json')).out);
    const byPath = (one: { path: string }, two: { path: string }) => (one.path < two.path ? -1 : 1);
    assert.equal(
      repository.sort(byPath),
      [
        { path: missing, problem: 'missing', copy: true },
        { path: damaged, problem: 'damaged', copy: true },
        { path: targets, problem: 'damaged', copy: true },
      ].sort(byPath),
    );

    const args = ['fleet', 'status', '--watch', '--fleet', fleet.folder.path, '--server', fleet.server.url];
    await fleet.say('fw', statusOf('fw', undefined));
    const watching = weir(args);
    await until(() => watching.out().includes(`repository: ${missing}`), WAIT_MS, 'it is told');
    assert.is((await fleet.weirFleet('restore')).code, 0);
    await fleet.say('fw', well);
    assert.is(await watching.exited, 0, watching.out());
    rmSync(join(fleet.folder.path, 'copy', missing));
    await removeFile(fleet.broker, missing);
    const lost = await fleet.weirFleet('status');
    assert.match(
      lost.out,
      `repository: ${missing}: is not there as it was signed, and this folder has no copy\n`,
    );
    assert.match(lost.out, 'repository: let whoever has published last run "weir fleet restore"\n');
  } finally {
    await fleet.stop();
  }
});

if (brokerAvailable()) command.run();
