/**
 * What an operator does with a fleet: reads the repository, changes something of it, and publishes that with a signature and an entry in the audit.
 *
 * What is written in his folder is written by one command at a time.
 */
import { randomBytes } from 'node:crypto';
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { TARGET_BYTES_MAX } from '../fleetlimits.js';
import { type Assignment, assignmentBytes, assignmentPath, parseAssignment } from './assignment.js';
import type { Act } from './audit.js';
import {
  type Change,
  composeEdition,
  draftTargets,
  type Edition,
  type KeyRing,
  needBase,
  type NewTargets,
} from './edition.js';
import { needAllSigned, signChange } from './change.js';
import type { FleetFolder } from './folder.js';
import { alone, aloneNow } from './folderlock.js';
import type { KeyFile } from './keys.js';
import { keepCopy, orCopy, readOnly } from './copy.js';
import { needClock } from './clock.js';
import { rolesForPath, storedPath, targetFile } from './metadata.js';
import { needOwn } from './ownfleet.js';
import { openRepository, tellAppliances } from './repository.js';
import { completeBegun, finish, hasRoot, needNoneBegun } from './interrupted.js';
import { needRoom, type OpenRing } from './owed.js';
import { keysOfNoRole, needWhole } from './roles.js';
import { loadState, type Repository, type State, UNREADABLE } from './state.js';

/** An operator at work. */
export interface Operator {
  readonly folder: FleetFolder;
  readonly broker: Broker;
  readonly repository: Repository;
  readonly state: State;
  readonly now: () => number;
}

/** Reads the repository, after it has completed what was begun. Throws FLEET_IN_USE, FLEET_UNWRITABLE, or what reading it throws. */
export async function openOperator(
  folder: FleetFolder,
  broker: Broker,
  print: (line: string) => void,
  ring: OpenRing,
  now: () => number = Date.now,
): Promise<Operator> {
  return alone(folder.path, async () => {
    await completeBegun(folder, broker, print, ring, now);
    return { folder, broker, now, ...(await readInto(folder, broker, print)) };
  });
}

/**
 * Reads the repository as it is now, and changes nothing there. Where another command writes in the folder, or nobody can, nothing is
 * written there.
 */
export async function readFleet(
  folder: FleetFolder,
  broker: Broker,
  print: (line: string) => void,
  now: () => number = Date.now,
): Promise<Operator> {
  const kept = aloneNow(folder.path, () => readInto(folder, broker, print));
  const done = await kept.catch((error: unknown) => {
    if (!(error instanceof WeirError) || error.code !== 'FLEET_UNWRITABLE') throw error;
    print(`fleet: nothing is kept of what is read: ${error.problem}`);
    return undefined;
  });
  return { folder, broker, now, ...(done?.value ?? (await readInto(onlyRead(folder), broker, print))) };
}

/** What a folder knows of the repository. */
type Seen = Pick<FleetFolder, 'known' | 'remember' | 'copy' | 'anchor'>;

/** The folder for who only looks, beside others who write in it. */
export function onlyRead({ known, copy, anchor }: Seen): Seen {
  return { known, remember() {}, copy: readOnly(copy), anchor };
}

async function readInto(
  folder: Seen,
  broker: Broker,
  print: (line: string) => void,
): Promise<Pick<Operator, 'repository' | 'state'>> {
  const repository = openRepository(broker);
  const state = await loadState(repository, folder.known(), folder.copy).catch(async (error: unknown) => {
    // What is of another fleet looks damaged from here, and is to be left alone.
    await needOwn(repository, folder.anchor);
    throw damaged(error);
  });
  if (state.halfRotated.length > 0) {
    const roles = state.halfRotated.join(', ');
    print(`fleet: a rotation of keys was interrupted: ${roles} have to be signed anew`);
    if (state.halfRotated.includes('targets')) print('fleet: "weir fleet keys renew targets" does that');
    // What the roots before have allowed can be verified only from there on.
  } else folder.remember(state);
  for (const path of state.fromCopy)
    print(`fleet: ${path} is damaged in the repository; "weir fleet restore" writes it anew`);
  for (const path of await keepCopy(repository, state, folder.copy, folder.anchor))
    print(`fleet: ${path}: it is signed, but not there as it was, and this folder has no copy`);
  return { repository, state };
}

/** What is published cannot be read; whoever has a copy can write it anew. */
function damaged(error: unknown): unknown {
  if (!(error instanceof WeirError) || !UNREADABLE.includes(error.code)) return error;
  return new WeirError('REPOSITORY_DAMAGED', error.problem, { cause: error });
}

/** Signs a change with the keys that are here, and publishes it. Throws SIGNATURES_MISSING, KEYS_MISSING or REPOSITORY_MOVED, and nothing was changed. */
export async function publish(operator: Operator, ring: KeyRing, change: Change, act: Act): Promise<void> {
  signChange(operator.state, change, ring);
  await publishSigned(operator, ring, change, act);
}

/** Publishes a change that others have signed; what says what is the latest is signed here. Throws as above. */
export async function publishSigned(
  operator: Operator,
  ring: KeyRing,
  change: Change,
  act: Act,
): Promise<void> {
  const { folder, broker, repository, state, now } = operator;
  needAllSigned(state, change);
  const renews = change.renews === true || state.halfRotated.includes('snapshot');
  const composed = composeEdition(repository, state, ring, now(), { ...change, renews });
  const edition = await composed.catch((error: unknown) => {
    const here = keysOfNoRole(state, folder.keys()).map(({ id, name }) => `${name} (${id.slice(0, 12)})`);
    if (!(error instanceof WeirError) || error.code !== 'KEYS_MISSING' || here.length === 0) throw error;
    const problem = `${error.problem}; keys of this folder that count for no role now: ${here.join(', ')}`;
    throw new WeirError('KEYS_MISSING', problem);
  });
  await publishEdition(folder, broker, edition, act, ring, now, change.keys);
}

/**
 * Publishes what is composed and signed already. Throws CLOCK_WRONG, STREAM_FULL, FLEET_IN_USE, FLEET_UNWRITABLE or REPOSITORY_MOVED, and nothing was
 * changed; AUDIT_OWED, and it is in force.
 */
export async function publishEdition(
  folder: FleetFolder,
  broker: Broker,
  edition: Edition,
  act: Act,
  ring: KeyRing,
  now: () => number = Date.now,
  keys: readonly KeyFile[] = [],
): Promise<void> {
  await needClock(broker, now());
  await needRoom(broker, folder, act, edition);
  const owed = await alone(folder.path, async () => {
    await needBase(openRepository(broker), edition);
    await needNoneBegun(folder, broker);
    for (const key of keys) folder.keepKey(key);
    const pending = { edition, act: { ...act, id: randomBytes(8).toString('hex') } };
    folder.setPending(pending);
    return finish(folder, broker, pending, ring, now).catch((error: unknown) => {
      // A root is read as soon as it is there: what became of it is found out later.
      const isNothing = error instanceof WeirError && error.code === 'REPOSITORY_MOVED' && !hasRoot(edition);
      if (isNothing) folder.setPending(undefined);
      throw error;
    });
  });
  await tellAppliances(broker);
  if (owed) throw owed;
}

/** The role that signs for a path: a delegated one whose pattern it matches, or else `targets`. */
export function roleFor({ state }: Pick<Operator, 'state'>, path: string): string {
  const targets = state.targets.get('targets')?.signed;
  return (targets && rolesForPath(targets, path)[0]) ?? 'targets';
}

/** A change of targets, by path; `undefined` takes one away. By role, not signed yet. Throws ROTATION_UNFINISHED. */
export async function draftChange(
  operator: Operator,
  files: ReadonlyMap<string, Uint8Array | undefined>,
): Promise<NewTargets[]> {
  needWhole(operator.state);
  const byRole = new Map<string, Map<string, Uint8Array | undefined>>();
  for (const [path, bytes] of files) {
    const role = roleFor(operator, path);
    byRole.set(role, (byRole.get(role) ?? new Map()).set(path, bytes));
  }
  const { repository, state, now } = operator;
  const drafts = [...byRole].map(async ([role, own]): Promise<NewTargets> => {
    const metadata = await draftTargets(repository, state, role, now(), (targets) => {
      for (const [path, bytes] of own) {
        if (bytes) targets[path] = targetFile(path, bytes);
        else delete targets[path];
      }
    });
    const contents = [...own].filter((entry): entry is [string, Uint8Array] => entry[1] !== undefined);
    return { role, metadata, contents: new Map(contents) };
  });
  return Promise.all(drafts);
}

/** A target as it is published; nothing when none is. */
export async function readTarget(operator: Operator, path: string): Promise<Uint8Array | undefined> {
  const { state, repository, folder } = operator;
  const target = state.targets.get(roleFor(operator, path))?.signed.targets[path];
  if (!target) return undefined;
  const place = storedPath(path, target.hashes.sha256 as string);
  const isIt = (bytes: Uint8Array) => targetFile(path, bytes).equals(target);
  return orCopy(place, repository.get(place, TARGET_BYTES_MAX), folder.copy, isIt);
}

/** What a group runs; nothing before the first push to it. Throws ASSIGNMENT_UNREADABLE. */
export async function readAssignment(operator: Operator, group: string): Promise<Assignment | undefined> {
  try {
    const bytes = await readTarget(operator, assignmentPath(group));
    return bytes && parseAssignment(bytes, group);
  } catch (error) {
    if (!(error instanceof WeirError) || !/^(METADATA|ASSIGNMENT)_REFUSED$/.test(error.code)) throw error;
    throw new WeirError('ASSIGNMENT_UNREADABLE', error.problem, { cause: error });
  }
}

/** The same of any group, or a text that says why it cannot be read. */
export async function lookAtAssignment(
  operator: Operator,
  group: string,
): Promise<Assignment | string | undefined> {
  try {
    return await readAssignment(operator, group);
  } catch (error) {
    if (error instanceof WeirError && error.code === 'ASSIGNMENT_UNREADABLE') return error.problem;
    throw error;
  }
}

/**
 * Nothing, in the place of an assignment that cannot be read. What is signed behind it is newer for every appliance, whatever it has taken:
 * each change of an assignment was a new version of the targets of some role, and the snapshot names all of these.
 */
export function emptyAssignment({ state }: Pick<Operator, 'state'>, group: string): Assignment {
  const versions = Object.values(state.snapshot.signed.meta).map(({ version }) => version);
  return { format: 1, group, serial: versions.reduce((sum, version) => sum + version, 0), filters: {} };
}

/** Names of all groups that have an assignment. */
export function groupsOf({ state }: Pick<Operator, 'state'>): string[] {
  const paths = [...state.targets.values()].flatMap(({ signed }) => Object.keys(signed.targets));
  const names = paths.flatMap((path) => /^assignments\/(.+)\.json$/.exec(path)?.[1] ?? []);
  return [...new Set(names)].sort();
}

/** Files of an assignment that is to be published: itself, new bundles, and without bundles that no group has any more. Throws ASSIGNMENT_REFUSED. */
export async function filesOf(
  operator: Operator,
  assignment: Assignment,
  bundles: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<Map<string, Uint8Array | undefined>> {
  const files = new Map<string, Uint8Array | undefined>(bundles);
  const bytes = assignmentBytes(assignment);
  // What appliances would refuse is not signed: nobody could read it, or build on it.
  parseAssignment(bytes, assignment.group);
  files.set(assignmentPath(assignment.group), bytes);
  const used = new Set<string>();
  const assignments = [assignment];
  for (const group of groupsOf(operator)) {
    if (group === assignment.group) continue;
    // One that cannot be read must not keep others from theirs: what it needs is not known, so all of it stays.
    const other = await lookAtAssignment(operator, group);
    if (typeof other !== 'object') return files;
    assignments.push(other);
  }
  for (const { filters } of assignments)
    for (const { release, before } of Object.values(filters))
      for (const one of [release, before]) if (one) used.add(one.bundle);
  // Only those of the roles that sign this change anyway.
  const roles = new Set([...files.keys()].map((path) => roleFor(operator, path)));
  for (const role of roles)
    for (const path of Object.keys(operator.state.targets.get(role)?.signed.targets ?? {}))
      if (path.startsWith('filters/') && !used.has(path)) files.set(path, undefined);
  return files;
}
