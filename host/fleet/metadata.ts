/**
 * Metadata as operators write it: the models of `@tufjs/models`, with our choices of expiry, hashes and form.
 *
 * Root and targets are signed by people, and live long; snapshot and timestamp are signed by a job that runs each day, and
 * say within a week that nobody holds back what is newer.
 */
import {
  Key,
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models';
import { sha256Of } from '../digest.js';
import { WeirError } from '../errors.js';
import type { PublicKey, SigningKey } from './keys.js';

export { Metadata, type MetaFile, type Root, type Snapshot, type Targets, type Timestamp };

/** Role to metadata: the four of TUF, and delegated ones. */
export type TopLevel = 'root' | 'targets' | 'snapshot' | 'timestamp';
export const TOP_LEVEL: readonly TopLevel[] = ['root', 'targets', 'snapshot', 'timestamp'];

export interface RoleKeys {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

const DAY_MS = 86_400_000;
/** For how long what is signed is good. */
const LIFE_DAYS: Readonly<Record<string, number>> = { root: 730, targets: 365, snapshot: 30, timestamp: 7 };
const SPEC_VERSION = '1.0.31';

/** When metadata of this role, signed now, expires; delegated roles are as those of `targets`. */
function expiryOf(role: string, nowMs: number): string {
  return `${new Date(nowMs + lifeMs(role)).toISOString().slice(0, 19)}Z`;
}

/** For how long metadata of a role is good. */
function lifeMs(role: string): number {
  return (LIFE_DAYS[role] ?? (LIFE_DAYS.targets as number)) * DAY_MS;
}

export function tufKey({ id, public: raw }: PublicKey): Key {
  return new Key({ keyID: id, keyType: 'ed25519', scheme: 'ed25519', keyVal: { public: raw } });
}

/** A root with these keys for the four roles. */
export function newRoot(
  roles: Readonly<Record<TopLevel, RoleKeys>>,
  version: number,
  nowMs: number,
): Metadata<Root> {
  const keys = Object.values(roles).flatMap(({ keys }) => keys);
  const root = Root.fromJSON({
    _type: 'root',
    spec_version: SPEC_VERSION,
    version,
    expires: expiryOf('root', nowMs),
    consistent_snapshot: true,
    keys: Object.fromEntries(keys.map((key) => [key.id, tufKey(key).toJSON()])),
    roles: Object.fromEntries(
      TOP_LEVEL.map((role) => [
        role,
        { keyids: roles[role].keys.map(({ id }) => id), threshold: roles[role].threshold },
      ]),
    ),
  });
  return new Metadata(root);
}

/** Metadata of targets; `before` is what it takes the place of. */
export function nextTargets(
  role: string,
  before:
    | (Pick<Targets, 'version' | 'targets'> & { readonly delegations?: Targets['delegations'] })
    | undefined,
  nowMs: number,
): Metadata<Targets> {
  const { targets, delegations } = before ?? {};
  return new Metadata(
    new Targets({
      specVersion: SPEC_VERSION,
      version: (before?.version ?? 0) + 1,
      expires: expiryOf(role, nowMs),
      targets: { ...targets },
      ...(delegations ? { delegations } : {}),
    }),
  );
}

/** A role that may sign for some paths, and nothing else. */
export interface Delegation {
  readonly name: string;
  /** Patterns such as `filters/net-*`; a `*` stands for anything but a slash. */
  readonly paths: readonly string[];
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

/** The delegations of these targets, in the order in which they are asked for a path. */
export function delegationsIn(targets: Targets): Delegation[] {
  return Object.keys(targets.delegations?.roles ?? {}).map((name) => {
    const { keys, threshold, paths } = roleIn(targets, name) as RoleIn;
    return { name, keys, threshold, paths };
  });
}

/** Names of the delegated roles that have a path; the first one signs for it. */
export function rolesForPath(targets: Targets, path: string): string[] {
  return [...(targets.delegations?.rolesForTarget(path) ?? [])].map(({ role }) => role);
}

/** The same targets with these delegations. The paths that one of them has are its alone. */
export function withDelegations(targets: Targets, delegations: readonly Delegation[]): Metadata<Targets> {
  const { delegations: _, ...rest } = targets.toJSON() as Record<string, unknown>;
  const roles = delegations.map(({ name, paths, keys, threshold }) => ({
    keyids: keys.map(({ id }) => id),
    threshold,
    name,
    terminating: true,
    paths: [...paths],
  }));
  const keys = Object.fromEntries(
    delegations.flatMap((one) => one.keys.map((key) => [key.id, tufKey(key).toJSON()])),
  );
  const other = roles.length > 0 ? { delegations: { keys, roles } } : {};
  return new Metadata(Targets.fromJSON({ ...rest, ...other } as never));
}

export function nextSnapshot(
  before: Snapshot | undefined,
  files: Readonly<Record<string, { readonly version: number; readonly bytes: Uint8Array }>>,
  version: number,
  nowMs: number,
): Metadata<Snapshot> {
  const changed = Object.entries(files).map(([role, { version, bytes }]): [string, MetaFile] => [
    `${role}.json`,
    metaFile(version, bytes),
  ]);
  return new Metadata(
    new Snapshot({
      specVersion: SPEC_VERSION,
      version,
      expires: expiryOf('snapshot', nowMs),
      meta: { ...before?.meta, ...Object.fromEntries(changed) },
    }),
  );
}

/** `snapshot`: what the timestamp says of it; the same again where only the time is new. */
export function nextTimestamp(
  before: Pick<Timestamp, 'version'> | undefined,
  snapshot: MetaFile,
  nowMs: number,
): Metadata<Timestamp> {
  return new Metadata(
    new Timestamp({
      specVersion: SPEC_VERSION,
      version: (before?.version ?? 0) + 1,
      expires: expiryOf('timestamp', nowMs),
      snapshotMeta: snapshot,
    }),
  );
}

export function metaFile(version: number, bytes: Uint8Array): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });
}

export function targetFile(path: string, bytes: Uint8Array): TargetFile {
  return new TargetFile({ path, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });
}

/** Parts of a subject: what a path in the repository may be, so that it names one file there, and one in a folder. */
const PATH = /^[A-Za-z0-9_=%@+-]+(\.[A-Za-z0-9_=%@+-]+)*(\/[A-Za-z0-9_=%@+-]+(\.[A-Za-z0-9_=%@+-]+)*)*$/;

export function isFilePath(path: string): boolean {
  return PATH.test(path);
}

/** Where a target lies in the repository. */
export function storedPath(path: string, sha256: string): string {
  const name = path.lastIndexOf('/') + 1;
  return `targets/${path.slice(0, name)}${sha256}.${path.slice(name)}`;
}

export function signWith(metadata: Metadata<Root | Targets | Snapshot | Timestamp>, key: SigningKey): void {
  metadata.sign((bytes) => new Signature({ keyID: key.id, sig: key.sign(bytes) }));
}

/** As it is stored. */
export function bytesOf(metadata: Metadata<Root | Targets | Snapshot | Timestamp>): Buffer {
  return Buffer.from(`${JSON.stringify(metadata.toJSON(), undefined, 1)}\n`);
}

/** These throw METADATA_REFUSED for what is no metadata of the kind. Who has signed it is for others to see. */
export function readRoot(bytes: Uint8Array): Metadata<Root> {
  return read(bytes, 'root', (json) => Metadata.fromJSON(MetadataKind.Root, json) as Metadata<Root>);
}

export function readSnapshot(bytes: Uint8Array): Metadata<Snapshot> {
  return read(
    bytes,
    'snapshot',
    (json) => Metadata.fromJSON(MetadataKind.Snapshot, json) as Metadata<Snapshot>,
  );
}

export function readTimestamp(bytes: Uint8Array): Metadata<Timestamp> {
  return read(
    bytes,
    'timestamp',
    (json) => Metadata.fromJSON(MetadataKind.Timestamp, json) as Metadata<Timestamp>,
  );
}

export function readTargets(bytes: Uint8Array): Metadata<Targets> {
  return read(bytes, 'targets', (json) => Metadata.fromJSON(MetadataKind.Targets, json) as Metadata<Targets>);
}

function read<T>(
  bytes: Uint8Array,
  kind: string,
  parse: (json: Parameters<typeof Metadata.fromJSON>[1]) => T,
): T {
  try {
    return parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    const problem = `expected metadata of the kind ${kind}, found something else`;
    throw new WeirError('METADATA_REFUSED', problem, { cause: error });
  }
}

export interface RoleIn extends RoleKeys {
  /** Ids of the keys that may sign. */
  readonly ids: readonly string[];
  /** Patterns of what a delegated role may sign. */
  readonly paths: readonly string[];
}

/** Who may sign a role, and how many have to; nothing when there is no such role. */
export function roleIn(delegator: Root | Targets, role: string): RoleIn | undefined {
  const { roles = {}, keys = {} } = delegator instanceof Root ? delegator : (delegator.delegations ?? {});
  const found = Object.hasOwn(roles, role) ? roles[role] : undefined;
  if (!found) return undefined;
  const known = found.keyIDs.flatMap((id) => {
    const value = Object.hasOwn(keys, id) ? keys[id]?.keyVal.public : undefined;
    return value === undefined ? [] : [{ id, public: value }];
  });
  const { paths = [] } = found as { readonly paths?: readonly string[] };
  return { ids: found.keyIDs, threshold: found.threshold, keys: known, paths };
}

/** The same of a role that has to be there. Throws METADATA_REFUSED. */
export function neededRole(delegator: Metadata<Root> | Metadata<Targets>, role: string): RoleIn {
  const found = roleIn(delegator.signed, role);
  if (found) return found;
  throw new WeirError('METADATA_REFUSED', `${role}: there is no such role`);
}

export type Delegator = Metadata<Root> | Metadata<Targets>;
export type Signed = Metadata<Root | Targets | Snapshot | Timestamp>;

/** As many keys of the role have signed as have to. */
export function isSigned(delegator: Delegator, role: string, metadata: Signed): boolean {
  try {
    delegator.verifyDelegate(role, metadata);
    return true;
  } catch {
    return false;
  }
}

/** One of two roots is signed by keys of the other: so are those that follow each other, and one and the same. */
export function isRelated(one: Metadata<Root>, other: Metadata<Root>): boolean {
  return isSigned(one, 'root', other) || isSigned(other, 'root', one);
}

/** How many keys of the role have signed; their ids. */
export function signersOf(
  delegator: Metadata<Root> | Metadata<Targets>,
  role: string,
  metadata: Metadata<Root | Targets | Snapshot | Timestamp>,
): string[] {
  const { signed } = delegator;
  const keys = signed instanceof Root ? signed.keys : (signed.delegations?.keys ?? {});
  return (roleIn(signed, role)?.ids ?? []).filter((id) => {
    try {
      keys[id]?.verifySignature(metadata);
      return keys[id] !== undefined;
    } catch {
      return false;
    }
  });
}
