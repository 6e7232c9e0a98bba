/**
 * Assignments: what is refused, who is included, and how releases follow each other.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WeirError } from '../../host/errors.js';
import {
  type Assignment,
  assignmentBytes,
  chosen,
  isIncluded,
  nextDueMs,
  parseAssignment,
  type Release,
} from '../../host/fleet/assignment.js';
import { openAttempts } from '../../host/fleet/assigned.js';
import { openPassed } from '../../host/fleet/passed.js';
import { promoted, pushed, removed, rolledBack } from '../../host/fleet/rollout.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const MOTIVE = { reason: 'why', by: 'alice', at: '2026-01-31T12:00:00Z' };

const release = (version: string, part: Partial<Release> = {}): Release => ({
  version: `ssh-auth@${version}+0123456789ab`,
  bundle: `filters/ssh-auth-${version}-0123456789ab.bundle`,
  from: ['auth'],
  percent: 100,
  rollout: version.replaceAll('.', '').padStart(16, '0'),
  ...MOTIVE,
  ...part,
});

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'nothing thrown';
  } catch (error) {
    return error instanceof WeirError ? `${error.code} ${error.problem}` : String(error);
  }
}

test('what is written is read again', () => {
  const assignment = pushed(
    undefined,
    'edge',
    'ssh-auth',
    release('1.0.0', { config: { a: 1 }, ticket: 'T-1' }),
  );
  assert.equal(parseAssignment(assignmentBytes(assignment), 'edge'), assignment);
});

test('what is wrong is named', () => {
  const good = JSON.parse(
    assignmentBytes(pushed(undefined, 'edge', 'ssh-auth', release('1.0.0'))).toString(),
  );
  const changed = (part: object) => ({
    ...good,
    filters: { 'ssh-auth': { release: { ...good.filters['ssh-auth'].release, ...part } } },
  });
  for (const [value, expected] of [
    ['{', /^ASSIGNMENT_REFUSED/],
    [{ ...good, format: 2 }, /format/],
    [{ ...good, group: 'other' }, /group: expected edge, found "other"/],
    [{ ...good, serial: 0 }, /serial/],
    [{ ...good, more: 1 }, /more/],
    [changed({ percent: 101 }), /percent/],
    [changed({ percent: 1.5 }), /percent/],
    [changed({ bundle: '../evil' }), /bundle/],
    [
      changed({ bundle: 'filters/ssh-auth-2.0.0-0123456789ab.bundle' }),
      /bundle: expected that of ssh-auth@1\.0\.0/,
    ],
    [changed({ from: [] }), /from/],
    [changed({ rollout: 'x' }), /rollout/],
    [changed({ not_before: 'soon' }), /not_before/],
    [changed({ reason: '' }), /reason/],
    [changed({ timezone: 'Mars' }), /timezone/],
  ] as const) {
    const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    assert.match(
      codeOf(() => parseAssignment(bytes, 'edge')),
      expected,
    );
  }
  assert.match(
    codeOf(() => parseAssignment(Buffer.alloc(2 ** 20, ' '), 'edge')),
    /ASSIGNMENT_REFUSED .*up to \d+/,
  );
});

test('a part of the group is so large, grows, and is another one with each rollout', () => {
  const ids = Array.from({ length: 10_000 }, (_, at) => `fw-${at}`);
  const part = (percent: number, rollout = '00000000000000aa') =>
    ids.filter((id) => isIncluded(id, release('1.0.0', { percent, rollout })));
  assert.is(part(0).length, 0);
  assert.is(part(100).length, ids.length);
  const [one, ten, half] = [part(1), part(10), part(50)];
  // Five times the standard deviation of a binomial distribution.
  for (const [found, expected] of [
    [one, 100],
    [ten, 1_000],
    [half, 5_000],
  ] as const)
    assert.ok(Math.abs(found.length - expected) < 5 * Math.sqrt(expected), `${found.length} of ${expected}`);
  assert.ok(one.every((id) => ten.includes(id)) && ten.every((id) => half.includes(id)));
  const other = part(10, '00000000000000bb');
  assert.ok(other.filter((id) => ten.includes(id)).length < 200);
});

test('whoever is not included, or has failed with it, runs the release before', () => {
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const second = pushed(first, 'edge', 'f', release('2.0.0', { percent: 0 }));
  const versionOf = (assignment: Assignment, failed: readonly string[] = [], nowMs = NOW_MS) =>
    chosen('fw', assignment.filters.f as Assignment['filters'][string], nowMs, ({ version }) =>
      failed.some((one) => version.includes(one)),
    )?.version.slice(9, 14);
  assert.is(versionOf(second), '1.0.0');
  const all = promoted(second, 'edge', 'f', 100);
  assert.is(versionOf(all), '2.0.0');
  assert.is(versionOf(all, ['@2.0.0']), '1.0.0');
  assert.is(versionOf(all, ['@2.0.0', '@1.0.0']), undefined);
  const later = pushed(first, 'edge', 'f', release('2.0.0', { not_before: '2026-01-31T12:00:01Z' }));
  assert.is(versionOf(later), '1.0.0');
  assert.is(versionOf(later, [], NOW_MS + 1_000), '2.0.0');
  assert.is(nextDueMs(later, NOW_MS), NOW_MS + 1_000);
  assert.is(nextDueMs(later, NOW_MS + 1_000), Number.POSITIVE_INFINITY);
});

test('the same version with another config, for a part of the group, leaves the rest what it has', () => {
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const staged = { rollout: '00000000000000aa', config: { a: 1 } };
  for (const part of [{ percent: 0 }, { percent: 50 }, { not_before: '2026-01-31T12:00:01Z' }]) {
    const { f } = pushed(first, 'edge', 'f', release('1.0.0', { ...staged, ...part })).filters;
    assert.is(f?.before, first.filters.f?.release, JSON.stringify(part));
  }
  const all = pushed(first, 'edge', 'f', release('1.0.0', staged));
  assert.is(all.filters.f?.before, first.filters.f?.release, 'another config is a release of its own');
});

test('the same release once more is no way back, for however many: what was before it stays that', () => {
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const bad = pushed(first, 'edge', 'f', release('2.0.0', { config: { a: 1, b: 2 } }));
  const same = { rollout: '00000000000000aa', config: { b: 2, a: 1 }, timezone: 'UTC' };
  for (const part of [{}, { percent: 10 }, { percent: 0 }, { not_before: '2026-01-31T12:00:01Z' }]) {
    const again = pushed(bad, 'edge', 'f', release('2.0.0', { ...same, ...part }));
    assert.is(again.filters.f?.before, first.filters.f?.release, JSON.stringify(part));
    const back = rolledBack(again, 'edge', 'f', MOTIVE);
    assert.is(back.filters.f?.release.version, first.filters.f?.release.version);
  }
  const alone = pushed(first, 'edge', 'f', release('1.0.0', { percent: 10, rollout: '00000000000000aa' }));
  assert.is(alone.filters.f?.before, first.filters.f?.release, 'it is taken from nobody');
  assert.match(
    codeOf(() => rolledBack(promoted(alone, 'edge', 'f', 100), 'edge', 'f', MOTIVE)),
    /^ROLLOUT_REFUSED .*expected a release before/,
  );
});

test('what was rolled back to is the way back of the next push', () => {
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const back = rolledBack(pushed(first, 'edge', 'f', release('2.0.0')), 'edge', 'f', MOTIVE);
  const staged = pushed(back, 'edge', 'f', release('3.0.0', { percent: 1 }));
  assert.is(staged.filters.f?.before, back.filters.f?.release);
  const again = rolledBack(staged, 'edge', 'f', MOTIVE).filters.f;
  assert.equal([again?.release.version, again?.release.percent], [release('1.0.0').version, 100]);
});

test('a release whose time has not come is the way back only where there is no other, and not before its time', () => {
  const later = release('2.0.0', { not_before: '2026-01-31T12:00:01Z' });
  const staged = release('3.0.0', { percent: 0 });
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const kept = pushed(pushed(first, 'edge', 'f', later), 'edge', 'f', staged);
  assert.is(kept.filters.f?.before, first.filters.f?.release);
  const alone = pushed(pushed(undefined, 'edge', 'f', later), 'edge', 'f', staged);
  const assigned = alone.filters.f as Assignment['filters'][string];
  const none = () => false;
  assert.is(chosen('fw', assigned, NOW_MS, none), undefined);
  assert.is(nextDueMs(alone, NOW_MS), NOW_MS + 1_000);
  assert.is(chosen('fw', assigned, NOW_MS + 1_000, none), later);
});

test('there is no way back to what all of the group has already', () => {
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const second = pushed(first, 'edge', 'f', release('2.0.0', { percent: 10 }));
  const again = pushed(second, 'edge', 'f', release('1.0.0', { percent: 50 }));
  assert.is(rolledBack(again, 'edge', 'f', MOTIVE).filters.f?.release.percent, 100);
  assert.match(
    codeOf(() => rolledBack(promoted(again, 'edge', 'f', 100), 'edge', 'f', MOTIVE)),
    /^ROLLOUT_REFUSED .*expected a release before/,
  );
});

test('a name that every object has is the name of no filter', () => {
  const first = pushed(undefined, 'edge', 'toString', release('1.0.0'));
  assert.equal(
    Object.keys((first.filters as Record<string, object>).toString as unknown as object).includes('before'),
    false,
  );
  assert.match(
    codeOf(() => promoted(pushed(undefined, 'edge', 'f', release('1.0.0')), 'edge', 'toString', 100)),
    /^ROLLOUT_REFUSED group edge: expected one of its filters \(f\), found toString/,
  );
});

test('what has passed its samples is not tried again after a start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-test-'));
  const passed = openPassed(folder, assert.unreachable);
  for (const hash of ['one', 'two', 'one']) passed.add(hash);
  const again = openPassed(folder, assert.unreachable);
  assert.equal(
    ['one', 'two', 'three'].map((hash) => again.has(hash)),
    [true, true, false],
  );
  writeFileSync(join(folder, 'passed.json'), '{"damaged"');
  assert.is(openPassed(folder, assert.unreachable).has('one'), false);
  rmSync(folder, { recursive: true });
});

test('what was refused for a source or room is tried again after a start; what failed its samples, or was at fault, is not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-test-'));
  const [one, two, three] = [release('1.0.0'), release('2.0.0'), release('3.0.0')];
  const attempts = openAttempts(folder, assert.unreachable);
  const attempt = ({ version, rollout }: Release, reason: string) => ({
    version,
    rollout,
    reason,
    ts: NOW_MS,
  });
  attempts.note('f', { ...attempt(one, 'MEMORY_BUDGET: it grew'), state: 'returned' });
  attempts.note('f', { ...attempt(two, 'MEMORY_BUDGET: no room'), state: 'refused' });
  attempts.note('f', { ...attempt(three, 'SELF_TEST_FAILED: line 1'), state: 'refused' });
  attempts.note('g', { ...attempt(two, 'SOURCE_INVALID: none'), state: 'refused' });
  assert.ok(attempts.hasFailed('f', two));
  const again = openAttempts(folder, assert.unreachable);
  assert.equal(
    [one, two, three].map((each) => again.hasFailed('f', each)),
    [true, false, true],
  );
  assert.equal(Object.keys(again.all()), ['f']);
  rmSync(folder, { recursive: true });
});

test('what was tried is remembered while a disk takes no note of it, and written when it does', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-test-'));
  const told: string[] = [];
  const attempts = openAttempts(folder, (line) => told.push(line));
  const one = release('1.0.0');
  const { version, rollout } = one;
  const inTheWay = join(folder, 'attempts.json.new');
  mkdirSync(inTheWay);
  attempts.note('f', { version, rollout, reason: 'it was at fault', ts: NOW_MS, state: 'returned' });
  assert.match(told.join('\n'), /^fleet: EISDIR: .*attempts\.json.*; it is remembered until the host ends/);
  assert.ok(attempts.hasFailed('f', one));
  rmSync(inTheWay, { recursive: true });
  attempts.flush();
  assert.ok(openAttempts(folder, assert.unreachable).hasFailed('f', one));
  rmSync(folder, { recursive: true });
});

test('releases follow each other: pushed, promoted, pushed again while it is on its way, rolled back, removed', () => {
  const first = pushed(undefined, 'edge', 'f', release('1.0.0'));
  const second = pushed(first, 'edge', 'f', release('2.0.0', { percent: 10 }));
  const third = pushed(second, 'edge', 'f', release('3.0.0', { percent: 10 }));
  const versions = (assignment: Assignment) => {
    const { release: now, before } = assignment.filters.f as Assignment['filters'][string];
    return [now.version, now.percent, before?.version].map((one) => String(one).slice(0, 14));
  };
  assert.equal(versions(third), ['ssh-auth@3.0.0', '10', 'ssh-auth@1.0.0']);
  assert.match(
    codeOf(() => promoted(third, 'edge', 'f', 5)),
    /^ROLLOUT_REFUSED filter f: expected more than 10 percent/,
  );
  assert.is(promoted(third, 'edge', 'f', 10), third);
  const whole = promoted(third, 'edge', 'f', 100);
  const fourth = pushed(whole, 'edge', 'f', release('4.0.0'));
  assert.equal(versions(fourth), ['ssh-auth@4.0.0', '100', 'ssh-auth@3.0.0']);
  const back = rolledBack(fourth, 'edge', 'f', { ...MOTIVE, reason: 'it was bad' });
  assert.equal(versions(back), ['ssh-auth@3.0.0', '100', 'undefined']);
  assert.is(back.filters.f?.release.reason, 'it was bad');
  assert.is.not(back.filters.f?.release.rollout, third.filters.f?.release.rollout);
  assert.match(
    codeOf(() => rolledBack(back, 'edge', 'f', MOTIVE)),
    /^ROLLOUT_REFUSED .*expected a release before/,
  );
  const gone = removed(back, 'edge', 'f');
  assert.equal(gone.filters, {});
  assert.is(
    codeOf(() => rolledBack(gone, 'edge', 'f', MOTIVE)),
    'ROLLOUT_REFUSED group edge: it has no filters, found f; "weir push" brings back what was removed',
  );
  assert.match(
    codeOf(() => removed(back, 'edge', 'g')),
    /^ROLLOUT_REFUSED group edge: expected one of its filters \(f\)/,
  );
  assert.equal(
    [first, second, third, whole, fourth, back].map(({ serial }) => serial),
    [1, 2, 3, 4, 5, 6],
  );
});

test.run();
