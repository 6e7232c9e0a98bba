/**
 * Automatic promotion: on while all is well, back at the first trouble, and never without somebody who can say so.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { type Advancing, advance } from '../../host/fleet/advance.js';
import { type Assignment, isIncluded, type Release } from '../../host/fleet/assignment.js';
import { readStatus, type Told } from '../../host/fleet/statuses.js';
import { brokerAvailable } from '../broker.js';
import { endAll, said, WAIT_MS, weir } from '../command.js';
import { errorOf } from '../connecting.js';
import { until } from '../help.js';
import { attemptOf, followers, releaseOf, startFleet, statusOf, type TestFleet } from './operators.js';

const NAMES = Array.from({ length: 10 }, (_, at) => `fw-${at}`);
const START_MS = Date.parse('2026-01-31T12:00:00Z');

/** A rollout that comes to nobody of these with 1 %, and to somebody with 10 and 50. */
function spread(part: Partial<Release> = {}): Release {
  const count = (release: Release, percent: number) =>
    NAMES.filter((name) => isIncluded(name, { ...release, percent })).length;
  for (;;) {
    const release = releaseOf('1.1.0', { percent: 0, ...part });
    const [one, ten, half] = [count(release, 1), count(release, 10), count(release, 50)];
    if (one === 0 && ten > 0 && half > ten && half < NAMES.length) return release;
  }
}

interface Scene {
  readonly release: Release;
  readonly before?: Release;
  /** What an appliance says at a time since the start, when so much is assigned. */
  says(name: string, release: Release, sinceMs: number): object | string | undefined;
  readonly isCurrent?: (sinceMs: number) => boolean;
}

/** Promotes in a time of its own, in which each look takes a second. */
async function play({ release, before, says, isCurrent = () => true }: Scene) {
  let nowMs = START_MS;
  let current: Release = release;
  const all = new Map<string, Told>();
  const steps: string[] = [];
  const hear = () => {
    for (const name of NAMES) {
      const said = says(name, current, nowMs - START_MS);
      if (said === undefined) continue;
      const word = typeof said === 'string' ? said : readStatus(name, Buffer.from(JSON.stringify(said)));
      all.set(name, { appliance: name, heardMs: nowMs, word });
    }
  };
  const fleet: Advancing = {
    statuses: {
      all: () => all,
      isCurrent: () => isCurrent(nowMs - START_MS),
      async next(ms) {
        nowMs += ms;
        hear();
      },
      close() {},
    },
    async read(): Promise<Assignment> {
      return {
        format: 1,
        group: 'edge',
        serial: 1,
        filters: { f: { release: current, ...(before ? { before } : {}) } },
      };
    },
    async promote(_rollout, percent) {
      current = { ...current, percent };
      steps.push(`${percent} at ${(nowMs - START_MS) / 1_000} s`);
    },
    async giveBack(_rollout, why) {
      steps.push(`back: ${why}`);
      return 'before for all';
    },
  };
  hear();
  const times = { stepMs: 60_000, soakMs: 30_000 };
  const options = { group: 'edge', instance: 'f', ...times, now: () => nowMs, print: () => {} };
  const outcome = await advance(fleet, options);
  return { outcome, steps };
}

const before = releaseOf('1.0.0');
/** Does at once what is assigned. */
const obeys = (name: string, release: Release, fleet: object = {}, filter: object = {}) =>
  statusOf(name, isIncluded(name, release) ? release : before, fleet, filter);

const steps = suite('automatic promotion');

steps('goes on at once where nobody is included, and after the soak where all is well', async () => {
  const { outcome, steps } = await play({
    release: spread(),
    before,
    says: (name, release) => obeys(name, release),
  });
  assert.equal(outcome, { kind: 'done', percent: 100, why: null });
  assert.equal(steps, ['1 at 0 s', '10 at 0 s', '50 at 31 s', '100 at 62 s']);
});

steps('what is for all already is taken from nobody, whatever an appliance says', async () => {
  const release = spread({ percent: 100 });
  const says = (name: string) => statusOf(name, release, { stale: 'expired' });
  const { outcome, steps } = await play({ release, says });
  assert.equal([outcome.kind, outcome.percent], ['stopped', 100]);
  assert.match(outcome.why as string, /stale: expired$/);
  assert.equal(steps, []);
});

steps('goes on from where it was', async () => {
  const release = spread({ percent: 10 });
  const { outcome, steps } = await play({ release, before, says: (name, release) => obeys(name, release) });
  assert.is(outcome.kind, 'done');
  assert.equal(steps, ['50 at 30 s', '100 at 61 s']);
});

/** What the part of 10 % says 10 s after it began to run the release. */
const troubles: readonly [string, (name: string, release: Release) => object | string | undefined, RegExp][] =
  [
    [
      'refused',
      (name, release) =>
        obeys(name, release, { runs: {}, attempted: attemptOf(release, 'refused', 'no\nroom') }),
      /refused: no\nroom$/,
    ],
    ['taken out', (name, release) => obeys(name, release, {}, { state: 'out' }), /out: it was taken out$/],
    ['stale', (name, release) => obeys(name, release, { stale: 'expired' }), /stale: expired$/],
    [
      'dead letters',
      (name, release) => obeys(name, release, {}, { dead: 12 }),
      /7 events left out since it runs the release/,
    ],
    ['unreadable', () => 'schema: expected 1', /its status cannot be read: schema: expected 1$/],
    ['silent', () => undefined, /silent for 31 s$/],
  ];

for (const [what, says, expected] of troubles)
  steps(`goes back when an appliance is ${what}`, async () => {
    const release = spread();
    const [bad] = NAMES.filter((name) => isIncluded(name, { ...release, percent: 10 }));
    const { outcome, steps } = await play({
      release,
      before,
      says: (name, current, sinceMs) =>
        name === bad && current.percent === 10 && sinceMs > 10_000
          ? says(name, current)
          : obeys(name, current, {}, { dead: 5 }),
    });
    assert.is(outcome.kind, 'returned');
    assert.is(outcome.percent, 10);
    assert.match(outcome.why as string, `${bad}: `);
    assert.equal(steps.slice(0, 2), ['1 at 0 s', '10 at 0 s']);
    assert.match(steps.at(-1) as string, expected);
    assert.is(steps.length, 3);
  });

steps('what is wrong outside of the part, or was before, is no trouble', async () => {
  const release = spread();
  const [gone] = NAMES.filter((name) => !isIncluded(name, { ...release, percent: 50 }));
  const dead = new Map<string, number>();
  const { outcome } = await play({
    release,
    before,
    says(name, current, sinceMs) {
      if (name === gone) return undefined;
      // The version before leaves out an event a second.
      if (!isIncluded(name, current)) dead.set(name, sinceMs / 1_000);
      return obeys(name, current, {}, { dead: dead.get(name) });
    },
  });
  assert.is(outcome.kind, 'done');
});

steps('who lags stops it, and nothing goes back', async () => {
  const { outcome, steps } = await play({
    release: spread(),
    before,
    says: (name, release) =>
      isIncluded(name, release) ? statusOf(name, before, { error: 'no answer' }) : obeys(name, release),
  });
  assert.is(outcome.kind, 'stopped');
  assert.match(outcome.why as string, /^fw-\d: does not run it within 60 s: no answer$/);
  assert.equal(steps, ['1 at 0 s', '10 at 0 s']);
});

steps('an appliance that comes back has time of its own', async () => {
  const release = spread();
  const [late] = NAMES.filter((name) => isIncluded(name, { ...release, percent: 10 }));
  const { outcome } = await play({
    release,
    before,
    says(name, current, sinceMs) {
      if (name !== late) return obeys(name, current);
      if (sinceMs < 80_000) return undefined;
      return sinceMs < 120_000 ? statusOf(name, before) : obeys(name, current);
    },
  });
  assert.is(outcome.kind, 'done');
});

steps('a part that could not take it is not promoted to', async () => {
  const release = spread();
  const [stale] = NAMES.filter((name) => !isIncluded(name, { ...release, percent: 50 }));
  const { outcome, steps } = await play({
    release,
    before,
    says: (name, current) => obeys(name, current, { stale: name === stale ? 'expired' : null }),
  });
  assert.equal([outcome.kind, outcome.percent, outcome.why], ['stopped', 50, `${stale}: stale: expired`]);
  assert.not.match(steps.join(), 'back');
});

steps('while the connection is away nobody is taken for silent', async () => {
  const isAway = (sinceMs: number) => sinceMs > 5_000 && sinceMs < 50_000;
  const says = (name: string, release: Release, sinceMs: number) =>
    isAway(sinceMs) ? undefined : obeys(name, release);
  const scene = { release: spread(), before, says };
  assert.is((await play({ ...scene, isCurrent: (sinceMs) => !isAway(sinceMs) })).outcome.kind, 'done');
  const { outcome } = await play({ ...scene, isCurrent: (sinceMs) => sinceMs < 5_000 });
  assert.equal([outcome.kind, outcome.why], ['stopped', 'the connection to the broker is away']);
});

steps('what cannot be promoted is refused, and nothing was changed', async () => {
  const refused = async (scene: Partial<Scene>) => {
    const error: WeirError = await errorOf(
      play({ release: spread(), says: (name, one) => obeys(name, one), ...scene }),
    );
    assert.is(error.code, 'ROLLOUT_REFUSED');
    return error.problem;
  };
  assert.match(
    await refused({ says: () => undefined }),
    /expected an appliance that has told its status within 30 s, found none/,
  );
  assert.match(
    await refused({ release: spread({ not_before: '2027-01-01T00:00:00Z' }) }),
    /expected a release whose time has come, found one for 2027-01-01T00:00:00Z/,
  );
});

steps.run();

const command = suite<{ fleet: TestFleet }>('weir fleet promote --auto');
command.before.each(async (context) => {
  context.fleet = await startFleet();
});
command.after.each(async ({ fleet }) => {
  await endAll();
  await fleet.stop();
});

const AUTO = ['promote', 'f', '--group', 'edge', '--auto', '--soak', '0s', '--step-time', '20s'];

command('ten appliances that are well: all of the group runs it', async ({ fleet }) => {
  const release = spread();
  await fleet.assign('edge', { f: { release, before } });
  const fakes = await followers(fleet, NAMES, {});
  const { code, out, err } = await fleet.weirFleet(...AUTO, '--reason', 'no faults', '--ticket', 'T-7');
  await fakes.stop();
  assert.equal([code, out], [0, 'f: for all of edge\n'], err);
  assert.equal(
    fakes.told.slice(1),
    ['1', '10', '50', '100'].map((percent) => `${release.version} ${percent}`),
  );
  assert.is((await fleet.weirFleet('status')).code, 0);
  const audit = JSON.parse((await fleet.weirFleet('audit', '--verify', '--json')).out);
  const promotions = audit.entries.map(({ entry }: { entry: Record<string, unknown> }) => entry).slice(-4);
  assert.equal(
    promotions.map(({ action, percent, reason, ticket }: Record<string, unknown>) => [
      action,
      percent,
      reason,
      ticket,
    ]),
    [1, 10, 50, 100].map((percent) => ['promoted', percent, 'no faults', 'T-7']),
  );
  assert.equal(
    audit.chains.map(({ wrong }: { wrong: number }) => wrong),
    [0],
  );
});

command('one of them gives it up: the group goes back, and it is told which and why', async ({ fleet }) => {
  const release = spread();
  await fleet.assign('edge', { f: { release, before } });
  const [bad = ''] = NAMES.filter((name) => isIncluded(name, { ...release, percent: 10 }));
  const fakes = await followers(fleet, NAMES, { [bad]: release.version });
  const { code, out } = await fleet.weirFleet(...AUTO);
  await fakes.stop();
  assert.is(code, 1);
  assert.is(
    out,
    `f: given back at 10 % of edge: ${bad}: returned: a fault\\u001b[2J; ${before.version} for all again\n`,
  );
  const found = (await fleet.assigned('edge'))?.filters.f;
  assert.equal(
    [found?.release.version, found?.release.percent, found?.release.reason, found?.before],
    [before.version, 100, `automatic: ${bad}: returned: a fault\\u001b[2J`, undefined],
  );
  const audit = await fleet.weirFleet('audit', '--verify');
  assert.is(audit.code, 0, audit.out);
  assert.match(
    audit.out,
    /operator ann #\d+ rolled back f f@1\.1\.0\S+ -> f@1\.0\.0\S+ .*"automatic: fw-\d: returned: /,
  );
});

command(
  'killed in the middle, it goes on from there, also in the hands of another operator',
  async ({ fleet }) => {
    const release = spread();
    await fleet.assign('edge', { f: { release, before } });
    const fakes = await followers(fleet, NAMES, {});
    const other = join(fleet.path, 'other');
    cpSync(fleet.folder.path, other, { recursive: true });
    const login = [
      '--server',
      fleet.server.url,
      '--yes',
      '--passphrase-file',
      join(fleet.path, 'passphrase'),
    ];
    const auto = ['fleet', 'promote', 'f', '--group', 'edge', '--auto', ...login, '--fleet'];
    const first = weir([...auto, fleet.folder.path, '--soak', '1h']);
    await until(() => first.err().includes('10 %: run by all appliances'), WAIT_MS, 'the part of 10 %');
    first.child.kill('SIGKILL');
    await first.exited;
    const { code, out, err } = await said([...auto, other, '--soak', '0s'], undefined, WAIT_MS);
    await fakes.stop();
    assert.equal([code, out], [0, 'f: for all of edge\n'], err);
    assert.match(err, 'weir: 10 % of edge have it already: going on from there\n');
    assert.equal(
      fakes.told.slice(1),
      ['1', '10', '50', '100'].map((percent) => `${release.version} ${percent}`),
    );
  },
);

command('without a release before it nobody runs it then', async ({ fleet }) => {
  const release = spread({ percent: 10 });
  await fleet.assign('edge', { f: { release } });
  const [bad = ''] = NAMES.filter((name) => isIncluded(name, release));
  const fakes = await followers(fleet, NAMES, { [bad]: release.version });
  const { code, out } = await fleet.weirFleet(...AUTO, '--json');
  await fakes.stop();
  assert.is(code, 1);
  const { outcome, percent } = JSON.parse(out);
  assert.equal([outcome, percent], ['returned', 10]);
  assert.is((await fleet.assigned('edge'))?.filters.f?.release.percent, 0);
});

if (brokerAvailable()) command.run();
