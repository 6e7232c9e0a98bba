/**
 * Automatic promotion: on while all is well, back at the first trouble, and never without somebody who can say so.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WeirError } from '../../host/errors.js';
import { type Advancing, advance } from '../../host/fleet/advance.js';
import { type Assignment, isIncluded, type Release } from '../../host/fleet/assignment.js';
import { readStatus, type Told } from '../../host/fleet/statuses.js';
import { errorOf } from '../connecting.js';
import { attemptOf, NAMES, releaseOf, spread, statusOf } from './operators.js';

const START_MS = Date.parse('2026-01-31T12:00:00Z');

interface Scene {
  readonly release: Release;
  readonly before?: Release;
  /** What an appliance says at a time since the start, when so much is assigned. */
  says(name: string, release: Release, sinceMs: number): object | string | undefined;
  readonly isCurrent?: (sinceMs: number) => boolean;
  readonly hasNews?: () => boolean;
  /** What others have assigned since: `undefined` is no change, nothing that the filter was taken away. */
  readonly others?: (sinceMs: number, release: Release) => Release | 'nothing' | undefined;
}

/** Promotes in a time of its own, in which each look takes a second. */
async function play({
  release,
  before,
  says,
  isCurrent = () => true,
  hasNews = () => true,
  others = () => undefined,
}: Scene) {
  let nowMs = START_MS;
  let current: Release = release;
  const all = new Map<string, Told>();
  const steps: string[] = [];
  const lines: string[] = [];
  const theirs = () => others(nowMs - START_MS, current);
  const hear = () => {
    for (const name of NAMES) {
      const other = theirs();
      if (typeof other === 'object') current = other;
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
        filters: theirs() === 'nothing' ? {} : { f: { release: current, ...(before ? { before } : {}) } },
      };
    },
    hasNews,
    promoterOf: async (percent) => `by bob, who says ${percent}`,
    async promote(rollout, percent) {
      if (current.rollout !== rollout || current.percent >= percent) return false;
      current = { ...current, percent };
      steps.push(`${percent} at ${(nowMs - START_MS) / 1_000} s`);
      return true;
    },
    async giveBack(_rollout, why) {
      steps.push(`back: ${why}`);
      return 'before for all';
    },
  };
  hear();
  const times = { stepMs: 60_000, soakMs: 30_000 };
  const options = {
    group: 'edge',
    instance: 'f',
    ...times,
    now: () => nowMs,
    print: (line: string) => void lines.push(line),
  };
  const outcome = await advance(fleet, options);
  return { outcome, steps, lines };
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
    [
      'at fault at a row of a window',
      (name, release) => obeys(name, release, {}, { dead: 5, dead_letters: 8 }),
      /8 faults since it runs the release, as dead letters tell$/,
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

steps('another release meanwhile ends it, and nobody is blamed for running that', async () => {
  const release = spread();
  const other = releaseOf('1.9.0', { by: 'bob', ticket: 'T-9', at: '2026-01-31T12:00:40Z' });
  const says = (name: string, current: Release) => obeys(name, current);
  const at40 = (one: Release | 'nothing') => (sinceMs: number) => (sinceMs >= 40_000 ? one : undefined);
  const { outcome, steps } = await play({ release, before, says, others: at40(other) });
  const has = `edge has another release of f since ${other.at}: ${other.version} for 100 %, by bob, ticket T-9`;
  assert.equal(outcome, { kind: 'overtaken', percent: 50, why: `${has}: nothing is promoted any more` });
  assert.equal(steps, ['1 at 0 s', '10 at 0 s', '50 at 31 s']);
  const gone = (await play({ release, before, says, others: at40('nothing') })).outcome;
  assert.equal([gone.kind, gone.percent], ['overtaken', 50]);
  assert.match(
    gone.why as string,
    /^edge has no f any more, "weir fleet audit" says why: nothing is promoted/,
  );
  // Nothing was announced: it is seen before an appliance is blamed.
  const unannounced = await play({
    release,
    before,
    says: (name, current, sinceMs) => obeys(name, sinceMs >= 40_000 ? other : current),
    hasNews: () => false,
    others: (sinceMs) => (sinceMs === 101_000 ? other : undefined),
  });
  assert.equal(unannounced.outcome, outcome);
});

steps(
  'promoted by others meanwhile, it goes on from there, and takes from nobody what all have',
  async () => {
    const to = (percent: number, sinceMs: number) => (nowMs: number, current: Release) =>
      nowMs >= sinceMs && current.percent < percent ? { ...current, percent } : undefined;
    const says = (name: string, release: Release) => obeys(name, release);
    const scene = { release: spread(), before, says };
    const { outcome, steps, lines } = await play({ ...scene, others: to(50, 10_000) });
    assert.is(outcome.kind, 'done');
    assert.equal(steps, ['1 at 0 s', '10 at 0 s', '100 at 40 s']);
    const line = 'promoted to 50 % of edge meanwhile, by bob, who says 50: going on from there';
    assert.ok(lines.includes(line), lines.join('\n'));
    const all = await play({
      ...scene,
      says: (name, release, sinceMs) => obeys(name, release, { stale: sinceMs > 20_000 ? 'expired' : null }),
      others: to(100, 10_000),
    });
    assert.equal([all.outcome.kind, all.outcome.percent], ['stopped', 100]);
  },
);

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
