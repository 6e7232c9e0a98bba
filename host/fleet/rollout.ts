/**
 * Changes of an assignment: a release for a part of the group, for more of it, for all, and back.
 */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { WeirError } from '../errors.js';
import { type Assigned, type Assignment, isDue, othersText, type Release } from './assignment.js';
import { timeOf } from './checks.js';

/** Who changes it why. */
export interface Motive {
  readonly reason: string;
  readonly ticket?: string;
  readonly by: string;
  readonly at: string;
}

/** Of a rollout that is new. */
export function newRollout(): string {
  return randomBytes(8).toString('hex');
}

/**
 * A release is pushed. What is for the whole group stays for the rest of it, and to go back to, whatever appliances say of it: what is
 * signed decides, and nobody signs statuses.
 */
export function pushed(
  before: Assignment | undefined,
  group: string,
  instance: string,
  release: Release,
): Assignment {
  const current = ofFilter(before, instance);
  const stable = current && wayBack(current, release);
  return changed(before, group, instance, { release, ...(stable ? { before: stable } : {}) });
}

/** Where that is the same release, or its time has not come, what was before it is; never nothing where one was for all. */
function wayBack({ release, before }: Assigned, next: Release): Release | undefined {
  if (release.percent < 100) return before;
  const isOther = !isSame(release, next) && isDue(release, timeOf(next.at) ?? 0);
  return isOther ? release : (before ?? release);
}

/** Behind a release that begins later: from when on it is for anybody. */
export function fromText(release: Pick<Release, 'not_before'> | undefined): string {
  return release?.not_before === undefined ? '' : ` from ${release.not_before} on`;
}

/** Behind whom a release is for: what the others run. */
export function othersOf(assignment: Assignment, instance: string): string {
  const { release, before } = ofFilter(assignment, instance) ?? {};
  const others = release && othersText(release.percent, before?.version);
  return others === undefined ? '' : `; ${others}`;
}

/** A line where a part of the group runs what goes, and the rest of that part gets nothing for it. */
export function lossIn(before: Assignment | undefined, next: Assignment, instance: string): string[] {
  const [was, is] = [before, next].map((assignment) => ofFilter(assignment, instance));
  if (!was || !is || is.before || was.release.percent === 0) return [];
  if (is.release.percent === 100 && is.release.not_before === undefined) return [];
  const { version, percent } = was.release;
  const those = 'those of them that this is not for, or not yet, will run NONE of it';
  return [`${instance}: ${percent} % of ${next.group} have ${version} now, with nothing before it: ${those}`];
}

/** The same release for a larger part of the group; the assignment as it is where it is for that part already. Throws ROLLOUT_REFUSED. */
export function promoted(
  before: Assignment | undefined,
  group: string,
  instance: string,
  percent: number,
): Assignment {
  const current = assignedOf(before, group, instance);
  const { release } = current;
  if (percent < release.percent)
    throw new WeirError(
      'ROLLOUT_REFUSED',
      `filter ${instance}: expected more than ${release.percent} percent, which run it, found ${percent}`,
    );
  if (before && percent === release.percent) return before;
  return changed(before, group, instance, { ...current, release: { ...release, percent } });
}

/** The release for nobody, where there is none before it. Throws ROLLOUT_REFUSED. */
export function withdrawn(before: Assignment | undefined, group: string, instance: string): Assignment {
  const current = assignedOf(before, group, instance);
  return changed(before, group, instance, { ...current, release: { ...current.release, percent: 0 } });
}

/** The release before, for all. Throws ROLLOUT_REFUSED. */
export function rolledBack(
  before: Assignment | undefined,
  group: string,
  instance: string,
  motive: Motive,
): Assignment {
  const { before: stable, release } = assignedOf(
    before,
    group,
    instance,
    '; "weir push" brings back what was removed',
  );
  // What was pushed may be what was before: then all of the group has it already.
  if (!stable || (release.percent === 100 && isSame(stable, release))) {
    const problem = `filter ${instance}: expected a release before this one, found none`;
    throw new WeirError('ROLLOUT_REFUSED', `${problem}; "weir fleet remove" takes it away`);
  }
  const { ticket: _, ...rest } = stable;
  return changed(before, group, instance, {
    release: { ...rest, ...motive, percent: 100, rollout: newRollout() },
  });
}

/** Without the filter. Throws ROLLOUT_REFUSED. */
export function removed(before: Assignment | undefined, group: string, instance: string): Assignment {
  assignedOf(before, group, instance);
  return changed(before, group, instance, undefined);
}

/** What is assigned of a filter; nothing where that is nothing. */
export function ofFilter(assignment: Assignment | undefined, instance: string): Assigned | undefined {
  const { filters = {} } = assignment ?? {};
  return Object.hasOwn(filters, instance) ? filters[instance] : undefined;
}

/** What is assigned of a filter. Throws ROLLOUT_REFUSED, with a hint, when that is nothing. */
export function assignedOf(
  before: Assignment | undefined,
  group: string,
  instance: string,
  hint = '',
): Assigned {
  const found = ofFilter(before, instance);
  if (found) return found;
  const known = Object.keys(before?.filters ?? {});
  const expected =
    known.length > 0 ? `expected one of its filters (${known.join(', ')})` : 'it has no filters';
  throw new WeirError('ROLLOUT_REFUSED', `group ${group}: ${expected}, found ${instance}${hint}`);
}

/** The same bundle, sources and settings: whoever runs one does what he would with the other. */
function isSame(one: Release, other: Release): boolean {
  return isDeepStrictEqual(whatRuns(one), whatRuns(other));
}

function whatRuns({ version, from, timezone = 'UTC', format = 'cbor', config = {} }: Release) {
  return { version, from, timezone, format, config };
}

function changed(
  before: Assignment | undefined,
  group: string,
  instance: string,
  assigned: Assigned | undefined,
): Assignment {
  const { [instance]: _, ...others } = before?.filters ?? {};
  const filters = assigned ? { ...others, [instance]: assigned } : others;
  return { format: 1, group, serial: (before?.serial ?? 0) + 1, filters };
}
