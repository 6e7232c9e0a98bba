/**
 * What a group of appliances collects, why, by whose approval, and what it does not: read from what is signed, for auditors.
 */
import { sha256Of } from '../digest.js';
import { WeirError } from '../errors.js';
import type { DeadLetter } from '../filter/manifest.js';
import { SECRET_KEY } from '../validate.js';
import { assignmentPath, othersText, type Release } from './assignment.js';
import { bundleHash, unpackBundle } from './bundle.js';
import { readKnown } from './members.js';
import { neededRole, signersOf, type Targets, type Metadata } from './metadata.js';
import { type Operator, readTarget, roleFor } from './operator.js';

/** Whose signatures something has, and how many it takes. */
export interface Approval {
  readonly role: string;
  readonly version: number;
  readonly threshold: number;
  /** Ids of all keys that may sign, and of those that have. */
  readonly keys: readonly string[];
  readonly signed: readonly string[];
  readonly expires: string;
}

/** A version of a filter, and whom it is for. */
export interface FilterPolicy {
  readonly filter: string;
  readonly version: string;
  readonly module_sha256: string;
  readonly bundle_sha256: string;
  /** How much of the group runs it. */
  readonly percent: number;
  /** What the others run, where it is being rolled out. */
  readonly others: string | null;
  readonly not_before: string | null;
  readonly purpose: string;
  readonly selects: string;
  readonly excludes: string;
  readonly retention: string;
  readonly owner: string;
  readonly streams: Readonly<Record<string, string>>;
  readonly dead_letter: DeadLetter;
  readonly sources: readonly string[];
  readonly format: string;
  readonly timezone: string;
  /** Without the values of keys. */
  readonly config: unknown;
  readonly by: string;
  readonly at: string;
  readonly reason: string;
  readonly ticket: string | null;
  /** The role that has signed the bundle. */
  readonly role: string;
}

export interface Policy {
  readonly group: string;
  readonly serial: number;
  /** The role that has signed the assignment. */
  readonly role: string;
  readonly filters: readonly FilterPolicy[];
  readonly approvals: readonly Approval[];
}

/** Throws GROUP_UNKNOWN, ROLLOUT_REFUSED when nothing is assigned to the group, BUNDLE_INVALID or METADATA_REFUSED when something is not as it was signed. */
export async function policyOf(operator: Operator, group: string): Promise<Policy> {
  const assignment = await readKnown(operator, group);
  if (!assignment)
    throw new WeirError('ROLLOUT_REFUSED', `group ${group}: expected filters of it, found none`);
  const filters: FilterPolicy[] = [];
  for (const [filter, { release, before }] of Object.entries(assignment.filters)) {
    const others = othersText(release.percent, before?.version) ?? null;
    filters.push({ ...(await filterPolicy(operator, filter, release, release.percent)), others });
    if (before && release.percent < 100)
      filters.push(await filterPolicy(operator, filter, before, 100 - release.percent));
  }
  const role = roleFor(operator, assignmentPath(group));
  const roles = new Set(['targets', role, ...filters.map((found) => found.role)]);
  const approvals = [rootApproval(operator), ...[...roles].map((name) => approvalOf(operator, name))];
  return { group, serial: assignment.serial, role, filters, approvals };
}

async function filterPolicy(
  operator: Operator,
  filter: string,
  release: Release,
  percent: number,
): Promise<FilterPolicy> {
  const bytes = await readTarget(operator, release.bundle);
  if (!bytes)
    throw new WeirError('BUNDLE_INVALID', `${release.bundle}: expected it to be signed, found none`);
  const { manifest, module } = unpackBundle(bytes, release.bundle);
  const { purpose, selects, excludes, retention = '', owner = '', streams, deadLetter } = manifest;
  return {
    filter,
    version: release.version,
    module_sha256: sha256Of(module),
    bundle_sha256: bundleHash(bytes),
    percent,
    others: null,
    not_before: release.not_before ?? null,
    ...{ purpose, selects, excludes, retention, owner, streams, dead_letter: deadLetter },
    sources: release.from,
    format: release.format ?? 'cbor',
    timezone: release.timezone ?? 'UTC',
    config: withoutKeys(release.config ?? {}),
    by: release.by,
    at: release.at,
    reason: release.reason,
    ticket: release.ticket ?? null,
    role: roleFor(operator, release.bundle),
  };
}

/** A page that is filed must not hold what values are hashed with. */
function withoutKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, key === SECRET_KEY ? '***' : withoutKeys(inner)]),
  );
}

function rootApproval({ state }: Operator): Approval {
  const { root } = state;
  const { ids, threshold } = neededRole(root, 'root');
  const { version, expires } = root.signed;
  return { role: 'root', version, threshold, keys: ids, signed: signersOf(root, 'root', root), expires };
}

function approvalOf(operator: Operator, role: string): Approval {
  const { root, targets } = operator.state;
  const delegator = role === 'targets' ? root : (targets.get('targets') as Metadata<Targets>);
  const metadata = targets.get(role) as Metadata<Targets>;
  const { ids, threshold } = neededRole(delegator, role);
  const { version, expires } = metadata.signed;
  const signed = signersOf(delegator, role, metadata);
  return { role, version, threshold, keys: ids, signed, expires };
}
