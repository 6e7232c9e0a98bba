/**
 * What a change would do, in words: for who is asked to sign it.
 *
 * Told is what appliances would take otherwise than before, read from the metadata and the contents that are to be signed.
 */
import { WeirError } from '../errors.js';
import { parseAssignment, type Assigned, type Assignment, type Release } from './assignment.js';
import { bundleHash, unpackBundle } from './bundle.js';
import type { Base } from './change.js';
import type { Change, NewTargets } from './edition.js';
import {
  delegationsIn,
  isSigned,
  type Metadata,
  roleIn,
  type RoleIn,
  type Root,
  rolesForPath,
  type Targets,
  TOP_LEVEL,
} from './metadata.js';

/** Enough of a key's id to tell it from others. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** Targets of all roles after a change; those of roles that nobody names any more are gone. */
export function overlaid(
  before: Base['targets'],
  changed: readonly Pick<NewTargets, 'role' | 'metadata'>[],
): Map<string, Metadata<Targets>> {
  const all = new Map([...before, ...changed.map(({ role, metadata }) => [role, metadata] as const)]);
  const top = all.get('targets') as Metadata<Targets>;
  const names = ['targets', ...delegationsIn(top.signed).map(({ name }) => name)];
  return new Map([...all].filter(([role]) => names.includes(role)));
}

type Target = Targets['targets'][string];

/** What an appliance finds under each path, and who has signed it. */
export function effectiveTargets(
  targets: Base['targets'],
): Map<string, { readonly role: string; readonly target: Target }> {
  const top = targets.get('targets') as Metadata<Targets>;
  const found = new Map<string, { role: string; target: Target }>();
  for (const [role, { signed }] of targets)
    for (const [path, target] of Object.entries(signed.targets)) {
      const isFirst = role === 'targets' || rolesForPath(top.signed, path)[0] === role;
      if (isFirst && (role === 'targets' || !top.signed.targets[path])) found.set(path, { role, target });
    }
  return found;
}

/** Lines; `before`: contents of assignments as they are, by their paths. Throws what is wrong with a new assignment or bundle. */
export function wordsOf(base: Base, change: Change, before: ReadonlyMap<string, Uint8Array>): string[] {
  const { root, targets = [] } = change;
  const files = targets.map(({ role, metadata: { signed } }) => {
    const from = base.targets.get(role)?.signed.version ?? 'none';
    return `${role}: version ${from} -> ${signed.version}, good until ${signed.expires}`;
  });
  return [
    ...unprovenWords(base),
    ...(root ? rootWords(base.root.signed, root.signed) : []),
    ...files,
    ...delegationWords(base, targets),
    ...targetWords(base, targets, before),
  ];
}

/** What there is of targets whose signatures do not count any more: whoever has the old keys may have written it since. */
export function unprovenWords({ root, targets }: Base): string[] {
  if (isSigned(root, 'targets', targets.get('targets') as Metadata<Targets>)) return [];
  const found = [...effectiveTargets(targets)].sort();
  return [
    'targets: signed with keys that do not count any more, and to be signed anew with all that they have:',
    ...found.map(([path, { role, target }]) => `${path} (${role}): SHA-256 ${target.hashes.sha256}`),
  ];
}

function rootWords(before: Root, after: Root): string[] {
  const lines = TOP_LEVEL.flatMap((role) => keyWords(role, roleIn(before, role), roleIn(after, role)));
  return [`root: version ${before.version} -> ${after.version}, good until ${after.expires}`, ...lines];
}

function keyWords(role: string, before: RoleIn | undefined, after: RoleIn | undefined): string[] {
  const [old, now] = [before?.ids ?? [], after?.ids ?? []];
  const [was, is] = [countOf(before), countOf(after)];
  return [
    ...now.filter((id) => !old.includes(id)).map((id) => `${role}: key ${shortId(id)} may sign from now on`),
    ...old.filter((id) => !now.includes(id)).map((id) => `${role}: key ${shortId(id)} may not sign any more`),
    ...(was === is ? [] : [`${role}: ${was} -> ${is} have to sign`]),
  ];
}

function countOf(role: RoleIn | undefined): string {
  return role ? `${role.threshold} of ${role.ids.length}` : 'nobody';
}

function delegationWords(base: Base, targets: readonly NewTargets[]): string[] {
  const old = (base.targets.get('targets') as Metadata<Targets>).signed;
  const now = (overlaid(base.targets, targets).get('targets') as Metadata<Targets>).signed;
  const [oldNames, names] = [old, now].map((one) => delegationsIn(one).map(({ name }) => name));
  const lines = [...new Set([...(oldNames ?? []), ...(names ?? [])])].flatMap((name) => {
    const [before, after] = [roleIn(old, name), roleIn(now, name)];
    const [was, is] = [before, after].map((role) => role?.paths.join(', '));
    if (was === is) return keyWords(name, before, after);
    const said = is === undefined ? `role ${name} is taken away` : `role ${name} alone may sign ${is}`;
    return [was === undefined ? said : `${said}; before, it alone could sign ${was}`].concat(
      keyWords(name, before, after),
    );
  });
  const kept = (all: string[] = []) =>
    all.filter((name) => oldNames?.includes(name) && names?.includes(name));
  const isMoved = kept(oldNames).join() !== kept(names).join();
  return isMoved ? [...lines, `roles are asked for a path in the order ${names?.join(', ')}`] : lines;
}

function targetWords(
  base: Base,
  targets: readonly NewTargets[],
  before: ReadonlyMap<string, Uint8Array>,
): string[] {
  const old = effectiveTargets(base.targets);
  const now = effectiveTargets(overlaid(base.targets, targets));
  const contents = new Map(targets.flatMap((one) => [...one.contents]));
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((path) => {
    const [from, to] = [old.get(path), now.get(path)];
    if (!to) return [`${path}: taken away`];
    const moved = from && from.role !== to.role ? [`${path}: from ${from.role} to ${to.role}`] : [];
    return from && to.target.equals(from.target) ? moved : [...moved, ...contentWords(path)];
  });

  function contentWords(path: string): string[] {
    const bytes = contents.get(path);
    if (!bytes)
      throw new WeirError('PROPOSAL_INVALID', `${path}: expected what is to be signed, found nothing`);
    const [, group] = /^assignments\/(.+)\.json$/.exec(path) ?? [];
    if (group === undefined) return [bundleWords(path, bytes)];
    const was = before.get(path);
    if (!was && old.has(path))
      throw new WeirError('PROPOSAL_INVALID', `${path}: expected it as it is published, found nothing`);
    const after = parseAssignment(bytes, group);
    try {
      return assignmentWords(was && parseAssignment(was, group), after);
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      const said = `group ${group}: what it was cannot be read, and all of it is replaced: ${error.problem}`;
      return [said, ...assignmentWords(undefined, after)];
    }
  }
}

function bundleWords(path: string, bytes: Uint8Array): string {
  const { label, manifest } = unpackBundle(bytes, path);
  const digest = bundleHash(bytes);
  return `${path}: new, ${label}, ${bytes.length} bytes, SHA-256 ${digest}: ${manifest.purpose}`;
}

/** Each filter of a group: what it runs from now on, and what it ran. */
function assignmentWords(before: Assignment | undefined, after: Assignment): string[] {
  const names = new Set([...Object.keys(before?.filters ?? {}), ...Object.keys(after.filters)]);
  const lines = [...names].sort().flatMap((name) => {
    const [was, is] = [before?.filters[name], after.filters[name]].map(assignedText);
    const where = `group ${after.group}: ${name}`;
    if (was === is) return [`${where}: stays ${is}`];
    return [
      ...(was === undefined ? [] : [`${where}: was ${was}`]),
      is === undefined ? `${where}: taken away` : `${where}: will be ${is}`,
    ];
  });
  return [`group ${after.group}: serial ${before?.serial ?? 0} -> ${after.serial}`, ...lines];
}

function assignedText(assigned: Assigned | undefined): string | undefined {
  if (!assigned) return undefined;
  const { release, before } = assigned;
  if (before) return `${releaseText(release)}; others run ${releaseText(before)}`;
  return release.percent === 100 ? releaseText(release) : `${releaseText(release)}; others run NONE of it`;
}

/** All that a release says but what follows from the rest of it. */
function releaseText({ version, percent, bundle: _, ...rest }: Release): string {
  const more = Object.entries(rest).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return `${version} for ${percent} % (${more.join(', ')})`;
}
