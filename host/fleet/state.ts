/**
 * The repository as an operator sees it: all metadata, verified, whether or not it has expired, because to renew what has
 * is an operator's work. What an appliance does is in trust.ts.
 *
 * Nothing here is older than what this operator has seen before: a mirror of last week must not be what he builds on.
 */
import { sha256Of } from '../digest.js';
import { type ErrorCode, oneLine, WeirError } from '../errors.js';
import {
  DELEGATIONS_MAX,
  ROOT_BYTES_MAX,
  ROOT_ROTATIONS_MAX,
  SNAPSHOT_BYTES_MAX,
  TARGETS_BYTES_MAX,
  TIMESTAMP_BYTES_MAX,
} from '../fleetlimits.js';
import { checkMetadata } from './checks.js';
import { type Copy, NO_COPY, orCopy } from './copy.js';
import { TIMESTAMP } from './edition.js';
import {
  type Delegator,
  isSigned,
  type Metadata,
  type Signed,
  type Root,
  readRoot,
  readSnapshot,
  readTargets,
  readTimestamp,
  roleIn,
  type Snapshot,
  type Targets,
  type Timestamp,
} from './metadata.js';

/** Where the files of a fleet lie. */
export interface Repository {
  /** A file of up to so many bytes, and its revision; nothing when there is none. */
  get(path: string, bytesMax: number): Promise<{ bytes: Uint8Array; revision: number } | undefined>;
  /** Writes a file that has this revision now, 0 for one that is not there. Throws REPOSITORY_MOVED. */
  put(path: string, bytes: Uint8Array, revision: number): Promise<void>;
}

export interface State {
  readonly root: Metadata<Root>;
  readonly timestamp: Metadata<Timestamp>;
  readonly timestampRevision: number;
  readonly snapshot: Metadata<Snapshot>;
  /** `targets`, and every delegated role that is published. */
  readonly targets: ReadonlyMap<string, Metadata<Targets>>;
  /** Roles that have other keys by now than those that have signed: a rotation was interrupted, and they have to be signed anew. */
  readonly halfRotated: readonly string[];
  /** Metadata that is damaged or gone in the repository, and came from the copy. */
  readonly fromCopy: readonly string[];
}

/** What an operator has seen: the root, as it is stored, and versions of roles. */
export interface Known {
  readonly root: Uint8Array;
  readonly versions: Readonly<Record<string, number>>;
}

/** How `loadState` refuses what is published: it is damaged, older than what was seen, or not there. */
export const UNREADABLE: readonly ErrorCode[] = ['METADATA_REFUSED', 'METADATA_STALE', 'FLEET_MISSING'];

/**
 * Reads and verifies everything; what is damaged or gone comes from a copy where that has it, and what was verified goes there. Throws
 * METADATA_REFUSED, METADATA_STALE, FLEET_MISSING, or what the repository throws. */
export async function loadState(repository: Repository, known: Known, copy = NO_COPY): Promise<State> {
  const roots = await loadRoots(repository, known.root);
  const root = roots.at(-1) as Metadata<Root>;
  const stored = await repository.get(TIMESTAMP, TIMESTAMP_BYTES_MAX);
  if (!stored) throw new WeirError('FLEET_MISSING', `repository: expected ${TIMESTAMP}, found none`);
  checkMetadata('timestamp.json', stored.bytes);
  const timestamp = readTimestamp(stored.bytes);
  // A rotation that was interrupted leaves what a root before it allows.
  const halfRotated: string[] = [];
  const verifyTop = (role: string, metadata: Signed) => {
    const isOlder = () => roots.slice(0, -1).some((before) => isSigned(before, role, metadata));
    if (!isSigned(root, role, metadata) && isOlder()) halfRotated.push(role);
    else verify(root, role, metadata);
  };
  verifyTop('timestamp', timestamp);
  const { version, hashes, length } = timestamp.signed.snapshotMeta;
  const fromCopy: string[] = [];
  const fetch: FetchMeta = (role, meta, bytesMax) =>
    fetchMeta(repository, copy, role, meta, bytesMax, (path) => fromCopy.push(path));
  const snapshot = readSnapshot(await fetch('snapshot', { version, hashes, length }, SNAPSHOT_BYTES_MAX));
  verifyTop('snapshot', snapshot);
  const targets = await loadTargets(fetch, snapshot, verifyTop);
  const versions = { root: root.signed.version, timestamp: timestamp.signed.version, snapshot: version };
  for (const [role, found] of [...Object.entries(versions), ...versionsOf(targets)]) {
    const expected = known.versions[role] ?? 0;
    if (found < expected)
      throw new WeirError('METADATA_STALE', `${role}: expected version ${expected} or later, found ${found}`);
  }
  copy.put(TIMESTAMP, stored.bytes);
  return { root, timestamp, timestampRevision: stored.revision, snapshot, targets, halfRotated, fromCopy };
}

/** Versions of all roles, to be remembered. */
export function versionsIn({ root, timestamp, snapshot, targets }: State): Record<string, number> {
  return {
    root: root.signed.version,
    timestamp: timestamp.signed.version,
    snapshot: snapshot.signed.version,
    ...Object.fromEntries(versionsOf(targets)),
  };
}

function versionsOf(targets: ReadonlyMap<string, Metadata<Targets>>): [string, number][] {
  return [...targets].map(([role, { signed }]) => [role, signed.version]);
}

/** The root that is known, and all that follow it, each verified by the one before and by itself. Throws METADATA_REFUSED. */
export async function loadRoots(
  repository: Pick<Repository, 'get'>,
  first: Uint8Array,
): Promise<Metadata<Root>[]> {
  checkMetadata('root.json', first);
  const roots = [readRoot(first)];
  verify(roots[0] as Metadata<Root>, 'root', roots[0] as Metadata<Root>);
  for (let step = 0; step < ROOT_ROTATIONS_MAX; step++) {
    const before = roots.at(-1) as Metadata<Root>;
    const file = `${before.signed.version + 1}.root.json`;
    const stored = await repository.get(`metadata/${file}`, ROOT_BYTES_MAX);
    if (!stored) break;
    const { version } = checkMetadata(file, stored.bytes);
    const next = readRoot(stored.bytes);
    for (const judge of [before, next]) verify(judge, 'root', next);
    if (version !== before.signed.version + 1)
      throw new WeirError('METADATA_REFUSED', `${file}: expected its own version in it, found ${version}`);
    roots.push(next);
  }
  return roots;
}

async function loadTargets(
  fetch: FetchMeta,
  snapshot: Metadata<Snapshot>,
  verifyTop: (role: string, metadata: Signed) => void,
): Promise<Map<string, Metadata<Targets>>> {
  const load = async (role: string) => {
    const meta = snapshot.signed.meta[`${role}.json`];
    return meta && readTargets(await fetch(role, meta, TARGETS_BYTES_MAX));
  };
  const top = await load('targets');
  if (!top) throw new WeirError('METADATA_REFUSED', 'snapshot.json: expected targets.json in it, found none');
  verifyTop('targets', top);
  const found = new Map([['targets', top]]);
  for (const role of delegatedRoles(top.signed).slice(0, DELEGATIONS_MAX)) {
    const delegated = await load(role);
    if (!delegated) continue;
    verify(top, role, delegated);
    found.set(role, delegated);
  }
  return found;
}

export function delegatedRoles(targets: Targets): string[] {
  return Object.keys(targets.delegations?.roles ?? {});
}

interface Meta {
  readonly version: number;
  readonly hashes?: Record<string, string> | undefined;
  readonly length?: number | undefined;
}

type FetchMeta = (role: string, meta: Meta, bytesMax: number) => Promise<Uint8Array>;

async function fetchMeta(
  repository: Repository,
  copy: Copy,
  role: string,
  { version, hashes }: Meta,
  bytesMax: number,
  taken: (path: string) => void,
): Promise<Uint8Array> {
  const path = `metadata/${version}.${role}.json`;
  const isIt = (bytes: Uint8Array) => sha256Of(bytes) === hashes?.sha256;
  const bytes = await orCopy(path, repository.get(path, bytesMax), copy, isIt, taken);
  const found = checkMetadata(path, bytes);
  if (found.version !== version)
    throw new WeirError(
      'METADATA_REFUSED',
      `${path}: expected its own version in it, found ${found.version}`,
    );
  copy.put(path, bytes);
  return bytes;
}

/** Throws METADATA_REFUSED when fewer keys of the role have signed than have to. */
export function verify(delegator: Delegator, role: string, metadata: Signed): void {
  if (!roleIn(delegator.signed, role))
    throw new WeirError('METADATA_REFUSED', `${role}.json: no keys are named for it`);
  try {
    delegator.verifyDelegate(role, metadata);
  } catch (error) {
    throw new WeirError('METADATA_REFUSED', `${role}.json: ${oneLine(error)}`, { cause: error });
  }
}
