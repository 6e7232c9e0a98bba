/**
 * Who runs what: what is signed for a group against what its appliances say. An appliance belongs to the group that it names.
 */
import { FLEET_SILENT_MS } from '../fleetlimits.js';
import { type Assigned, type Assignment, chosen, isDue, isIncluded, type Release } from './assignment.js';
import type { DamagedFile } from './restore.js';
import type { FleetWord, HostWord, Told } from './statuses.js';

/**
 * How it stands with a filter on an appliance. `release`, `before`, `none`: as wanted; `lags`: not yet; `refused`: it was tried there, in
 * vain; `silent`: whatever it said is old; `own`: of the config of that machine; `unknown`: what is assigned cannot be read.
 */
export type Standing = 'release' | 'before' | 'none' | 'lags' | 'refused' | 'silent' | 'own' | 'unknown';

/** What is assigned to a group; a text says why it cannot be read, nothing that there is none. */
export type AssignedTo = Assignment | string | undefined;

export interface FilterView {
  readonly filter: string;
  readonly wanted: string | null;
  readonly running: string | null;
  readonly state: string | null;
  readonly standing: Standing;
  /** Why it does not run what is wanted, where that is known. */
  readonly why: string | null;
}

export interface ApplianceView {
  readonly appliance: string;
  readonly age_ms: number;
  readonly silent: boolean;
  readonly stale: string | null;
  readonly error: string | null;
  readonly serial: number;
  readonly filters: readonly FilterView[];
}

export interface ReleaseView {
  readonly filter: string;
  readonly version: string;
  readonly percent: number;
  readonly before: string | null;
  /** Appliances may begin then; null where they may at once. */
  readonly not_before: string | null;
  readonly counts: Readonly<Record<Exclude<Standing, 'own' | 'unknown'>, number>>;
  /** It is for the whole group by now, and no appliance runs it. */
  readonly run_by_nobody: boolean;
}

export interface GroupView {
  readonly group: string;
  /** 0 where nothing is assigned. */
  readonly serial: number;
  /** Why what is assigned cannot be read. */
  readonly problem: string | null;
  readonly releases: readonly ReleaseView[];
  readonly appliances: readonly ApplianceView[];
}

export interface Overview {
  readonly groups: readonly GroupView[];
  /** Groups whose last filter was taken away, and of which no appliance is: nothing is to be asked of them. */
  readonly empty: readonly string[];
  /** Appliances whose status says nothing, in whichever group they are, and what is wrong with it. */
  readonly unreadable: readonly { readonly appliance: string; readonly problem: string }[];
  /** Hosts in no fleet. */
  readonly others: readonly string[];
  /** What appliances cannot have as it was published: they stay as they are, and are stale. */
  readonly repository: readonly DamagedFile[];
  /** Roles that have to be signed anew, because a change of keys was interrupted. */
  readonly unfinished: readonly string[];
}

/** `assignments`: by group, of those that are looked at. */
export function overviewOf(
  assignments: ReadonlyMap<string, AssignedTo>,
  told: ReadonlyMap<string, Told>,
  nowMs: number,
  { repository = [], unfinished = [] }: Partial<Pick<Overview, 'repository' | 'unfinished'>> = {},
): Overview {
  const all = [...told.values()].sort((one, other) => (one.appliance < other.appliance ? -1 : 1));
  const views = [...assignments].map(([group, assigned]): GroupView => {
    const assignment = typeof assigned === 'string' ? undefined : assigned;
    const problem = typeof assigned === 'string' ? assigned : null;
    const appliances = all.flatMap((one) => {
      const { word } = one;
      const isMember = typeof word !== 'string' && word.fleet?.group === group;
      return isMember ? [applianceView(one, word, word.fleet, assigned, nowMs)] : [];
    });
    const releases = Object.entries(assignment?.filters ?? {}).map(([filter, assigned]) =>
      releaseView(filter, assigned, appliances, nowMs),
    );
    return { group, serial: assignment?.serial ?? 0, problem, releases, appliances };
  });
  const isEmpty = ({ serial, releases, appliances }: GroupView) =>
    serial > 0 && releases.length + appliances.length === 0;
  return {
    groups: views.filter((view) => !isEmpty(view)),
    empty: views.filter(isEmpty).map(({ group }) => group),
    repository,
    unfinished,
    unreadable: all.flatMap(({ appliance, word }) =>
      typeof word === 'string' ? [{ appliance, problem: word }] : [],
    ),
    others: all.flatMap(({ appliance, word }) =>
      typeof word !== 'string' && word.fleet === undefined ? [appliance] : [],
    ),
  };
}

/** Groups that appliances name. */
export function groupsIn(told: ReadonlyMap<string, Told>): string[] {
  return [...told.values()].flatMap(({ word }) =>
    typeof word === 'string' ? [] : (word.fleet?.group ?? []),
  );
}

/** Something needs a person. */
export function isWrong({ groups, unreadable, repository, unfinished }: Overview): boolean {
  const appliances = groups.flatMap((group) => group.appliances);
  return (
    unreadable.length + repository.length + unfinished.length > 0 ||
    groups.some((group) => group.problem !== null || isUnheard(group)) ||
    groups.some(({ releases }) => releases.some((release) => release.run_by_nobody)) ||
    appliances.some(({ silent, stale }) => silent || stale !== null) ||
    appliances.some(({ filters }) => filters.some(({ standing }) => standing === 'refused'))
  );
}

/** Something is assigned, and nobody tells whether it runs: the statuses may be gone. */
export function isUnheard({ releases, appliances }: GroupView): boolean {
  return releases.length > 0 && appliances.length === 0;
}

/** Every release is for the whole of its group, and nobody lags. */
export function isOver({ groups }: Overview): boolean {
  return groups.every(
    ({ problem, releases }) =>
      problem === null && releases.every(({ percent, counts }) => percent === 100 && counts.lags === 0),
  );
}

export function isSilent({ heardMs }: Told, nowMs: number): boolean {
  return nowMs - heardMs > FLEET_SILENT_MS;
}

function applianceView(
  told: Told,
  { filters }: HostWord,
  fleet: FleetWord,
  assignedTo: AssignedTo,
  nowMs: number,
): ApplianceView {
  const silent = isSilent(told, nowMs);
  const isKnown = typeof assignedTo !== 'string';
  const assigned = (isKnown && assignedTo?.filters) || {};
  const names = new Set([...Object.keys(assigned), ...fleet.runs.keys(), ...filters.keys()]);
  const views = [...names].map((filter): FilterView => {
    const judged = judge(told.appliance, filter, assigned[filter], filters, fleet, nowMs);
    const running = filters.get(filter)?.running ?? null;
    const known = isKnown || judged.standing === 'own' ? judged.standing : 'unknown';
    const standing = silent && judged.standing !== 'own' ? 'silent' : known;
    return { filter, running, state: filters.get(filter)?.state ?? null, ...judged, standing };
  });
  return {
    appliance: told.appliance,
    age_ms: Math.max(0, nowMs - told.heardMs),
    silent,
    stale: fleet.stale ?? null,
    error: fleet.error ?? null,
    serial: fleet.serial,
    filters: views,
  };
}

/** How it stands with one filter, by what an appliance has said last. */
function judge(
  appliance: string,
  filter: string,
  assigned: Assigned | undefined,
  filters: HostWord['filters'],
  fleet: FleetWord,
  nowMs: number,
): Pick<FilterView, 'wanted' | 'standing' | 'why'> {
  const wanted = assigned && chosen(appliance, assigned, nowMs, () => false);
  const rollout = fleet.runs.get(filter);
  const view = (standing: Standing, why: string | null = null) => ({
    wanted: wanted?.version ?? null,
    standing,
    why,
  });
  if (!wanted) {
    if (rollout !== undefined) return view('lags');
    return view(assigned || !filters.has(filter) ? 'none' : 'own');
  }
  const failure = failureOf(filter, wanted, filters, fleet);
  if (failure !== undefined) return view('refused', failure);
  if (rollout !== wanted.rollout) return view('lags', fleet.error ?? null);
  return view(wanted === assigned.release ? 'release' : 'before');
}

/** Why a release does not run on an appliance that has tried it. */
export function failureOf(
  filter: string,
  { rollout }: Release,
  filters: HostWord['filters'],
  fleet: FleetWord,
): string | undefined {
  const attempt = fleet.attempted.get(filter);
  if (attempt?.rollout === rollout) return `${attempt.state}: ${attempt.reason}`;
  const isOut = fleet.runs.get(filter) === rollout && filters.get(filter)?.state === 'out';
  return isOut ? 'out: it was taken out' : undefined;
}

function releaseView(
  filter: string,
  { release, before }: Assigned,
  appliances: readonly ApplianceView[],
  nowMs: number,
): ReleaseView {
  const counts = { release: 0, before: 0, none: 0, lags: 0, refused: 0, silent: 0 };
  for (const { filters } of appliances)
    for (const { filter: name, standing } of filters)
      if (name === filter && standing !== 'own' && standing !== 'unknown') counts[standing]++;
  const { version, percent, not_before = null } = release;
  const run_by_nobody = percent === 100 && isDue(release, nowMs) && counts.release === 0;
  return { filter, version, percent, before: before?.version ?? null, not_before, counts, run_by_nobody };
}

/** Appliances of a group that are alive and in the part to which a rollout has come. */
export function includedIn(
  group: string,
  release: Release,
  told: ReadonlyMap<string, Told>,
  nowMs: number,
): string[] {
  const isMember = ({ word }: Told) => typeof word !== 'string' && word.fleet?.group === group;
  return [...told.values()]
    .filter((one) => isMember(one) && !isSilent(one, nowMs) && isIncluded(one.appliance, release))
    .map(({ appliance }) => appliance);
}
