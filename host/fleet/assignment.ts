/**
 * Assignments: which filters a group of appliances runs, signed as a target of the repository.
 *
 * Of each filter there is the release that is being rolled out, to a part of the group, and the one before it, which the others run.
 * Who belongs to the part is decided by a hash of the appliance and of the rollout: so no server keeps state, a larger part always
 * includes a smaller one, and no appliance is always the first.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { ASSIGNMENT_BYTES_MAX, REASON_CHARACTERS_MAX } from '../fleetlimits.js';
import { FILTERS_MAX, SOURCES_MAX } from '../limits.js';
import { isTimezone } from '../timezone.js';
import {
  check,
  list,
  mismatch,
  name,
  named,
  object,
  parseJson,
  plainObject,
  refusal,
  text,
} from '../validate.js';
import { labelOfPath } from './bundle.js';
import { timeOf } from './checks.js';

/** A version of a filter, for a group or a part of it, and who wants it why. */
export interface Release {
  /** `name@version+hash`. */
  readonly version: string;
  /** Path of the bundle in the repository. */
  readonly bundle: string;
  readonly from: readonly string[];
  readonly timezone?: string;
  readonly format?: 'cbor' | 'ndjson';
  readonly config?: object;
  /** How much of the group runs it. */
  readonly percent: number;
  /** Another one with each push: a version that has failed is tried again where it is other than then. */
  readonly rollout: string;
  /** Not before this time. */
  readonly not_before?: string;
  readonly reason: string;
  readonly ticket?: string;
  /** Who wants it, and since when. */
  readonly by: string;
  readonly at: string;
}

export interface Assigned {
  readonly release: Release;
  /** What the rest of the group runs, and whoever cannot run the release. */
  readonly before?: Release;
}

export interface Assignment {
  readonly format: 1;
  readonly group: string;
  /** Grows with each change. */
  readonly serial: number;
  /** By the name under which it runs: the subject's token. */
  readonly filters: Readonly<Record<string, Assigned>>;
}

const time = text('a time such as "2026-01-31T12:00:00Z"', (value) => timeOf(value) !== undefined);
const sentence = (what: string) =>
  text(what, (value) => value.trim() !== '' && value.length <= REASON_CHARACTERS_MAX);
const Release = object({
  version: sentence('a version such as "ssh-auth@1.0.0+0123456789ab"'),
  bundle: text('the path of a bundle', (value) => labelOfPath(value) !== undefined),
  from: list('a list of source names', name(), 1, SOURCES_MAX),
  timezone: v.exactOptional(text('a zone such as "Europe/Berlin"', isTimezone)),
  format: v.exactOptional(v.picklist(['cbor', 'ndjson'], '"cbor" or "ndjson"')),
  config: v.exactOptional(plainObject('an object')),
  percent: v.custom<number>(
    (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 100,
    'a whole number from 0 to 100',
  ),
  rollout: text('16 digits in hex', (value) => /^[0-9a-f]{16}$/.test(value)),
  not_before: v.exactOptional(time),
  reason: sentence('a reason'),
  ticket: v.exactOptional(sentence('a ticket')),
  by: sentence('a name'),
  at: time,
});
const Assignment = object({
  format: v.literal(1, '1'),
  group: name(),
  serial: v.custom<number>(
    (value) => Number.isSafeInteger(value) && (value as number) > 0,
    'a whole number from 1 on',
  ),
  filters: named('filters', object({ release: Release, before: v.exactOptional(Release) }), 0, FILTERS_MAX),
});

export function assignmentPath(group: string): string {
  return `assignments/${group}.json`;
}

/** Reads an assignment for a group. Throws ASSIGNMENT_REFUSED. */
export function parseAssignment(bytes: Uint8Array, group: string): Assignment {
  const where = assignmentPath(group);
  if (bytes.length > ASSIGNMENT_BYTES_MAX)
    throw refusal('ASSIGNMENT_REFUSED', where, mismatch(`up to ${ASSIGNMENT_BYTES_MAX} bytes`, bytes.length));
  const value = parseJson(bytes, where, 'ASSIGNMENT_REFUSED');
  const found = check('ASSIGNMENT_REFUSED', where, Assignment, value);
  if (found.group !== group)
    throw refusal('ASSIGNMENT_REFUSED', where, `group: ${mismatch(group, found.group)}`);
  const filters = Object.fromEntries(found.filters);
  for (const [instance, { release, before }] of Object.entries(filters)) {
    for (const one of [release, before]) {
      if (!one || labelOfPath(one.bundle) === one.version) continue;
      const problem = `filters.${instance}.bundle: ${mismatch(`that of ${one.version}`, one.bundle)}`;
      throw refusal('ASSIGNMENT_REFUSED', where, problem);
    }
  }
  return { ...found, filters } as Assignment;
}

/** As it is signed. */
export function assignmentBytes(assignment: Assignment): Buffer {
  return Buffer.from(`${JSON.stringify(assignment, undefined, 2)}\n`);
}

/** True for the part of the group that a rollout has come to. */
export function isIncluded(appliance: string, { rollout, percent }: Release): boolean {
  const digest = createHash('sha256').update(`${rollout} ${appliance}`).digest();
  return (digest.readUInt32BE() / 2 ** 32) * 100 < percent;
}

/** Its time has come. */
export function isDue({ not_before }: Release, nowMs: number): boolean {
  return not_before === undefined || (timeOf(not_before) ?? Number.POSITIVE_INFINITY) <= nowMs;
}

/** What an appliance is to run of a filter; nothing when that is none of its versions. `hasFailed`: it was tried here, in vain. */
export function chosen(
  appliance: string,
  { release, before }: Assigned,
  nowMs: number,
  hasFailed: (release: Release) => boolean,
): Release | undefined {
  const isWanted = isIncluded(appliance, release) && isDue(release, nowMs);
  if (isWanted && !hasFailed(release)) return release;
  return before && isDue(before, nowMs) && !hasFailed(before) ? before : undefined;
}

/** What whoever is not of the part runs; nothing of a release for all. */
export function othersText(
  percent: number,
  before: Release['version'] | null | undefined,
): string | undefined {
  return percent === 100 ? undefined : `the other ${100 - percent} % run ${before ?? 'NONE of it'}`;
}

/** When the next release of it is due; never where none is ahead. */
export function nextDueMs(assignment: Assignment | undefined, nowMs: number): number {
  const times = Object.values(assignment?.filters ?? {}).flatMap(({ release, before }) =>
    [release, before].map((one) => timeOf(one?.not_before) ?? 0),
  );
  return Math.min(Number.POSITIVE_INFINITY, ...times.filter((ms) => ms > nowMs));
}
