/**
 * An edition: what a change writes to the repository, in an order in which whoever reads meanwhile sees the old or the new.
 *
 * Targets and numbered metadata are new files; the timestamp, last, is the one that is replaced, and only if it is still the one that
 * the change was built on. So of two operators at once one wins and the other is told. A number that is taken (by a change that was
 * interrupted, or by one that lost) is left out: versions of targets and snapshots grow, but need not be without holes.
 */
import { sha256Of } from '../digest.js';
import { WeirError } from '../errors.js';
import { EDITION_NUMBERS_MAX, TARGETS_BYTES_MAX, TIMESTAMP_BYTES_MAX } from '../fleetlimits.js';
import type { KeyFile, SigningKey } from './keys.js';
import {
  bytesOf,
  metaFile,
  type Metadata,
  neededRole,
  nextSnapshot,
  nextTargets,
  nextTimestamp,
  type Root,
  type Snapshot,
  signersOf,
  signWith,
  storedPath,
  type Targets,
  type Timestamp,
  type targetFile,
} from './metadata.js';
import type { Repository, State } from './state.js';

/** The one file that is replaced, and says what is the latest. */
export const TIMESTAMP = 'metadata/timestamp.json';

export interface EditionFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** What it replaces; 0 for a new file. */
  readonly revision: number;
}

export type Edition = readonly EditionFile[];

/** Finds keys by their ids. Throws PASSPHRASE_WRONG where one that is here cannot be opened. */
export interface KeyRing {
  /** Those of these keys that are here, opened. */
  open(ids: readonly string[]): SigningKey[];
}

/** Targets of a role that are to be published, signed by as many as the role asks for. */
export interface NewTargets {
  readonly role: string;
  readonly metadata: Metadata<Targets>;
  /** Path to content, of targets that are not in the repository yet. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

/** A change of what is published. */
export interface Change {
  /** A new root, signed by the keys before and by its own. */
  readonly root?: Metadata<Root>;
  readonly targets?: readonly NewTargets[];
  /** Sign the snapshot anew, too. */
  readonly renews?: boolean;
  /** New keys that it names: they come to the disk right before anything is published, so that a refusal leaves none. */
  readonly keys?: readonly KeyFile[];
}

/** The next targets of a role, with what `edit` makes of them; not signed yet. */
export async function draftTargets(
  repository: Repository,
  state: State,
  role: string,
  nowMs: number,
  edit: (targets: Record<string, ReturnType<typeof targetFile>>) => void,
): Promise<Metadata<Targets>> {
  const before = state.targets.get(role)?.signed;
  // A role that was taken away goes on where it was: no file of metadata ever leaves a snapshot (TUF 5.5.5).
  const known = before?.version ?? state.snapshot.signed.meta[`${role}.json`]?.version ?? 0;
  const version = await freeNumber(repository, role, known + 1);
  const { targets = {}, delegations } = before ?? {};
  const base = { version: version - 1, targets, ...(delegations ? { delegations } : {}) };
  const draft = nextTargets(role, base, nowMs);
  edit(draft.signed.targets);
  return draft;
}

/** The first number of a role's file that nothing has. Throws REPOSITORY_MOVED when none is near. */
async function freeNumber(repository: Repository, role: string, from: number): Promise<number> {
  for (let number = from; number < from + EDITION_NUMBERS_MAX; number++)
    if (!(await repository.get(`metadata/${number}.${role}.json`, TARGETS_BYTES_MAX))) return number;
  throw new WeirError('REPOSITORY_MOVED', `${role}.json: expected a number that is free from ${from} on`);
}

/** Signs with every key of the role that the ring has; answers how many signatures of how many there are. */
export function signRole(
  delegator: Metadata<Root> | Metadata<Targets>,
  role: string,
  metadata: Metadata<Root | Targets | Snapshot | Timestamp>,
  ring: KeyRing,
): { readonly signed: number; readonly threshold: number } {
  const known = neededRole(delegator, role);
  for (const key of ring.open(known.ids)) signWith(metadata, key);
  return { signed: signersOf(delegator, role, metadata).length, threshold: known.threshold };
}

/** The same of what is signed where it is published, and by nobody elsewhere. Throws KEYS_MISSING where fewer keys have signed than have to. */
function signHere(
  root: Metadata<Root>,
  role: string,
  metadata: Metadata<Root | Targets | Snapshot | Timestamp>,
  ring: KeyRing,
): void {
  const { signed, threshold } = signRole(root, role, metadata, ring);
  if (signed >= threshold) return;
  const ids = neededRole(root, role).ids.map((id) => id.slice(0, 12));
  throw new WeirError(
    'KEYS_MISSING',
    `${role}: expected ${threshold} signatures of ${ids.join(', ')}, found ${signed}`,
  );
}

/**
 * What is written so that a change is published, in its order: a new root goes first. An empty change renews the timestamp only, and the
 * snapshot with it where `renews` says so. Throws KEYS_MISSING where `ring` lacks keys of these two.
 */
export async function composeEdition(
  repository: Repository,
  state: State,
  ring: KeyRing,
  nowMs: number,
  change: Change,
): Promise<Edition> {
  const { targets = [], renews = false } = change;
  const root = change.root ?? state.root;
  const files: EditionFile[] = [];
  const meta: Record<string, { version: number; bytes: Uint8Array }> = {};
  for (const { role, metadata, contents } of targets) {
    for (const [path, bytes] of contents) {
      const stored = storedPath(path, sha256Of(bytes));
      if (!(await repository.get(stored, bytes.length))) files.push({ path: stored, bytes, revision: 0 });
    }
    const { version } = metadata.signed;
    const bytes = bytesOf(metadata);
    meta[role] = { version, bytes };
    files.push({ path: `metadata/${version}.${role}.json`, bytes, revision: 0 });
  }
  if (change.root) {
    const { version } = change.root.signed;
    files.unshift({ path: `metadata/${version}.root.json`, bytes: bytesOf(change.root), revision: 0 });
  }
  let snapshotMeta = state.timestamp.signed.snapshotMeta;
  if (targets.length > 0 || renews || change.root) {
    const version = await freeNumber(repository, 'snapshot', state.snapshot.signed.version + 1);
    const snapshot = nextSnapshot(state.snapshot.signed, meta, version, nowMs);
    signHere(root, 'snapshot', snapshot, ring);
    const bytes = bytesOf(snapshot);
    files.push({ path: `metadata/${version}.snapshot.json`, bytes, revision: 0 });
    snapshotMeta = metaFile(version, bytes);
  }
  const timestamp = nextTimestamp(state.timestamp.signed, snapshotMeta, nowMs);
  signHere(root, 'timestamp', timestamp, ring);
  files.push({ path: TIMESTAMP, bytes: bytesOf(timestamp), revision: state.timestampRevision });
  return files;
}

/** The files of a fleet that is new: a root that is signed, and nothing assigned. */
export function firstEdition(root: Metadata<Root>, ring: KeyRing, nowMs: number): Edition {
  const targets = nextTargets('targets', undefined, nowMs);
  const snapshot = (bytes: Uint8Array) =>
    nextSnapshot(undefined, { targets: { version: 1, bytes } }, 1, nowMs);
  const signed = (role: string, metadata: Parameters<typeof signRole>[2]) => {
    signHere(root, role, metadata, ring);
    return bytesOf(metadata);
  };
  const targetsBytes = signed('targets', targets);
  const snapshotBytes = signed('snapshot', snapshot(targetsBytes));
  const timestampBytes = signed('timestamp', nextTimestamp(undefined, metaFile(1, snapshotBytes), nowMs));
  const files: [string, Uint8Array][] = [
    ['metadata/1.root.json', signed('root', root)],
    ['metadata/1.targets.json', targetsBytes],
    ['metadata/1.snapshot.json', snapshotBytes],
    [TIMESTAMP, timestampBytes],
  ];
  return files.map(([path, bytes]) => ({ path, bytes, revision: 0 }));
}

/**
 * Writes an edition. Files that are there already, byte for byte, are left: so one that was interrupted is completed by writing
 * it again. Throws REPOSITORY_MOVED when somebody else has published meanwhile; then nothing that anybody reads was changed.
 */
export async function writeEdition(repository: Repository, edition: Edition): Promise<void> {
  await needBase(repository, edition);
  for (const { path, bytes, revision } of edition) {
    const stored = await repository.get(path, bytes.length);
    const isThere = stored && Buffer.from(stored.bytes).equals(bytes);
    if (!isThere) await repository.put(path, bytes, revision);
  }
}

/**
 * A new root is read as soon as it is there: so none is written where it is known already that the timestamp will be refused. Throws
 * REPOSITORY_MOVED.
 */
export async function needBase(repository: Repository, edition: Edition): Promise<void> {
  const timestamp = edition.find(({ path }) => path === TIMESTAMP);
  const stored = timestamp && (await repository.get(TIMESTAMP, TIMESTAMP_BYTES_MAX));
  if (!timestamp || (stored && Buffer.from(stored.bytes).equals(timestamp.bytes))) return;
  const [expected, found] = [timestamp.revision, stored?.revision ?? 0];
  if (found === expected) return;
  throw new WeirError('REPOSITORY_MOVED', `${TIMESTAMP}: expected revision ${expected}, found ${found}`);
}
