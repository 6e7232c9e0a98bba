/**
 * Changes of who may sign what: keys of roles, thresholds, and roles for a part of the paths.
 *
 * Of the four roles that TUF has, a new root says it; of delegated ones, new targets. A file whose signatures are not enough any more is
 * signed anew in the same change. What would leave a role that nobody can sign for is refused.
 */
import { WeirError } from '../errors.js';
import { DELEGATIONS_MAX, METADATA_KEYS_MAX } from '../fleetlimits.js';
import { NAME_PATTERN } from '../wire.js';
import { type Change, draftTargets, type NewTargets } from './edition.js';
import { type KeyFile, keyIdOf } from './keys.js';
import {
  type Delegation,
  delegationsIn,
  type Metadata,
  newRoot,
  type RoleIn,
  type RoleKeys,
  roleIn,
  rolesForPath,
  signersOf,
  type Targets,
  TOP_LEVEL,
  type TopLevel,
  withDelegations,
} from './metadata.js';
import type { Repository, State } from './state.js';

/** An operator at work, as far as roles have to do with him. */
export interface Drafter {
  readonly repository: Repository;
  readonly state: State;
  readonly now: () => number;
}

/** What a delegated role may sign: `*` stands for anything but a slash. */
export const PATTERN = /^(filters|assignments)\/[A-Za-z0-9_@+*-]+(\.[A-Za-z0-9_@+*-]+)*$/;

/** The role, with its keys as they are. Throws KEYS_REFUSED when there is none of this name. */
export function roleOf(state: Pick<State, 'root' | 'targets'>, role: string): RoleIn {
  const targets = topOf(state);
  const found = roleIn(isTopLevel(role) ? state.root.signed : targets.signed, role);
  if (found) return found;
  const names = [...TOP_LEVEL, ...delegationsIn(targets.signed).map(({ name }) => name)];
  throw refused(`expected a role (${names.join(', ')}), found ${role}`);
}

export interface NamedKey {
  readonly id: string;
  readonly name: string;
}

/** Keys by their ids, with the names of their files. */
export function namedKeys(files: readonly KeyFile[]): NamedKey[] {
  return files.map(({ name, public: raw }) => ({ id: keyIdOf(raw), name }));
}

/** Keys of no role: nobody has given them one, or it has other keys by now. */
export function keysOfNoRole(state: Pick<State, 'root' | 'targets'>, files: readonly KeyFile[]): NamedKey[] {
  const roles = [...TOP_LEVEL, ...delegationsIn(topOf(state).signed).map(({ name }) => name)];
  const used = new Set(roles.flatMap((role) => roleOf(state, role).ids));
  return namedKeys(files).filter(({ id }) => !used.has(id));
}

/** Gives a role other keys, or another threshold. Throws KEYS_REFUSED. */
export async function withKeys(drafter: Drafter, role: string, next: RoleKeys): Promise<Change> {
  const { state, now } = drafter;
  needWhole(state);
  roleOf(state, role);
  checkKeys(role, next);
  if (!isTopLevel(role)) {
    const delegations = delegationsIn(topOf(state).signed);
    return withOthers(
      drafter,
      delegations.map((one) => (one.name === role ? { ...one, ...next } : one)),
    );
  }
  const root = newRoot({ ...topRoles(state), [role]: next }, state.root.signed.version + 1, now());
  const targets = topOf(state);
  const { threshold } = roleIn(root.signed, 'targets') as RoleIn;
  const isEnough = signersOf(root, 'targets', targets).length >= threshold;
  return { root, targets: isEnough ? [] : [await draft(drafter, 'targets')] };
}

/** Signs a role's file anew, as it is, for as long as such a file is good. */
export async function renewed(drafter: Drafter, role: string): Promise<Change> {
  const { state, now } = drafter;
  roleOf(state, role);
  if (role === 'root') return { root: newRoot(topRoles(state), state.root.signed.version + 1, now()) };
  if (role === 'snapshot' || role === 'timestamp') return { renews: role === 'snapshot' };
  if (role !== 'targets') needWhole(state);
  return { targets: [await draft(drafter, role)] };
}

/** A new role for some paths; what is there of them goes over to it. Throws KEYS_REFUSED. */
export async function delegated(drafter: Drafter, delegation: Delegation): Promise<Change> {
  const { name, paths } = delegation;
  needWhole(drafter.state);
  const before = delegationsIn(topOf(drafter.state).signed);
  if (!NAME_PATTERN.test(name) || isTopLevel(name) || name in {})
    throw refused(`expected a name of 1 to 63 letters, digits, _ and -, found "${name}"`);
  if (before.some((one) => one.name === name)) throw refused(`role ${name}: there is one of this name`);
  if (before.length >= DELEGATIONS_MAX) throw refused(`expected up to ${DELEGATIONS_MAX} delegated roles`);
  if (paths.length === 0) throw refused(`role ${name}: expected a path, found none`);
  for (const path of paths) {
    if (!PATTERN.test(path))
      throw refused(`role ${name}: expected a pattern such as filters/net-*, found "${path}"`);
    // A pattern that is within another one, taken as a path, matches that: its role goes first.
    const [first] = rolesForPath(topOf(drafter.state).signed, path);
    if (first !== undefined)
      throw refused(`role ${name}: ${path}: role ${first} has it already, and is asked first`);
  }
  checkKeys(name, delegation);
  return withOthers(drafter, [...before, delegation]);
}

/** Takes a delegated role away; what it has signed, and may, goes to whom its paths are now. Throws KEYS_REFUSED. */
export async function undelegated(drafter: Drafter, name: string): Promise<Change> {
  needWhole(drafter.state);
  const before = delegationsIn(topOf(drafter.state).signed);
  if (!before.some((one) => one.name === name)) {
    const known = before.map((one) => one.name).join(', ') || 'none';
    throw refused(`expected a delegated role (${known}), found ${name}`);
  }
  return withOthers(
    drafter,
    before.filter((one) => one.name !== name),
  );
}

/**
 * Throws ROTATION_UNFINISHED where a rotation of the keys of `targets` was interrupted: who has the old ones may have written these targets
 * since, and nobody is to build on them who has not looked.
 */
export function needWhole({ root, halfRotated }: Pick<State, 'root' | 'halfRotated'>): void {
  if (!halfRotated.includes('targets')) return;
  const problem = `targets: expected signatures of the keys that root ${root.signed.version} names`;
  throw new WeirError('ROTATION_UNFINISHED', `${problem}, found those of a root before it`);
}

/** Targets with these delegations, each target where its role is then, and all that has to be signed anew. */
async function withOthers(drafter: Drafter, delegations: readonly Delegation[]): Promise<Change> {
  const { state } = drafter;
  const before = topOf(state).signed;
  const next = withDelegations(before, delegations);
  const after = next.signed;
  const ownerIn = (targets: Targets, path: string) => rolesForPath(targets, path)[0] ?? 'targets';
  const edits = new Map<string, Map<string, Targets['targets'][string] | undefined>>();
  const edit = (role: string) => edits.get(role) ?? edits.set(role, new Map()).get(role);
  for (const [role, { signed }] of state.targets) {
    for (const [path, target] of Object.entries(signed.targets)) {
      const owner = ownerIn(after, path);
      // What a role lists outside of its paths counts for nothing, and is given to nobody.
      if (owner === role || ownerIn(before, path) !== role) continue;
      edit(role)?.set(path, undefined);
      edit(owner)?.set(path, target);
    }
  }
  for (const { name, threshold } of delegations) {
    const own = state.targets.get(name);
    const signed = own ? signersOf(next, name, own).length : 0;
    if (signed < threshold) edit(name);
  }
  const gone = (role: string) => role !== 'targets' && !delegations.some(({ name }) => name === role);
  const others = [...edits].filter(([role]) => role !== 'targets' && !gone(role));
  const drafts = others.map(([role, own]) => draft(drafter, role, own));
  const top = await draft(drafter, 'targets', edits.get('targets'));
  const targets = { ...top, metadata: withDelegations(top.metadata.signed, delegations) };
  return { targets: [targets, ...(await Promise.all(drafts))] };
}

async function draft(
  { repository, state, now }: Drafter,
  role: string,
  own: ReadonlyMap<string, Targets['targets'][string] | undefined> = new Map(),
): Promise<NewTargets> {
  const metadata = await draftTargets(repository, state, role, now(), (targets) => {
    for (const [path, target] of own) {
      if (target) targets[path] = target;
      else delete targets[path];
    }
  });
  return { role, metadata, contents: new Map() };
}

/** Throws KEYS_REFUSED where nobody, or not enough, could sign. */
export function checkKeys(role: string, { keys, threshold }: RoleKeys): void {
  const ids = new Set(keys.map(({ id }) => id));
  if (keys.length === 0) throw refused(`role ${role}: expected a key, or nobody can sign for it`);
  if (ids.size < keys.length) throw refused(`role ${role}: expected each key once`);
  if (keys.length > METADATA_KEYS_MAX)
    throw refused(`role ${role}: expected up to ${METADATA_KEYS_MAX} keys`);
  if (threshold >= 1 && threshold <= keys.length) return;
  throw refused(`role ${role}: expected a threshold from 1 to its ${keys.length} keys, found ${threshold}`);
}

function topRoles({ root }: Pick<State, 'root'>): Record<TopLevel, RoleKeys> {
  const of = (role: TopLevel) => roleIn(root.signed, role) as RoleIn;
  return { root: of('root'), targets: of('targets'), snapshot: of('snapshot'), timestamp: of('timestamp') };
}

function topOf({ targets }: Pick<State, 'targets'>): Metadata<Targets> {
  return targets.get('targets') as Metadata<Targets>;
}

export function isTopLevel(role: string): role is TopLevel {
  return (TOP_LEVEL as readonly string[]).includes(role);
}

function refused(problem: string): WeirError {
  return new WeirError('KEYS_REFUSED', problem);
}
