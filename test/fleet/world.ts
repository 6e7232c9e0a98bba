/**
 * A fleet in memory, for tests: keys, a repository that anybody can change, and changes made as operators make them.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { WeirError } from '../../host/errors.js';
import {
  composeEdition,
  draftTargets,
  firstEdition,
  type KeyRing,
  signRole,
  writeEdition,
} from '../../host/fleet/edition.js';
import { keyIdOf, type SigningKey } from '../../host/fleet/keys.js';
import {
  bytesOf,
  type Metadata,
  newRoot,
  type RoleKeys,
  type Root,
  signWith,
  targetFile,
  type TopLevel,
  delegationsIn,
  withDelegations,
} from '../../host/fleet/metadata.js';
import { loadState, type Repository, type State } from '../../host/fleet/state.js';
import type { Fetch } from '../../host/fleet/trust.js';

export const NOW_MS = Date.now();

export function testKey(name: string): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
  return {
    name,
    id: keyIdOf(raw),
    public: raw,
    sign: (bytes) => sign(null, bytes, privateKey).toString('hex'),
  };
}

export interface MemoryRepository extends Repository {
  readonly files: Map<string, { bytes: Buffer; revision: number }>;
  readonly fetch: Fetch;
  /** Paths that were fetched. */
  readonly fetched: string[];
  /** What an attacker, or a broken disk, does. */
  set(path: string, bytes: Uint8Array): void;
  copy(): Map<string, { bytes: Buffer; revision: number }>;
}

export function memoryRepository(): MemoryRepository {
  const files: MemoryRepository['files'] = new Map();
  const fetched: string[] = [];
  let revisions = 0;
  const set = (path: string, bytes: Uint8Array) =>
    void files.set(path, { bytes: Buffer.from(bytes), revision: ++revisions });
  return {
    files,
    fetched,
    set,
    copy: () => new Map(files),
    async get(path) {
      return files.get(path);
    },
    async put(path, bytes, revision) {
      const found = files.get(path)?.revision ?? 0;
      if (found !== revision)
        throw new WeirError('REPOSITORY_MOVED', `${path}: expected revision ${revision}, found ${found}`);
      set(path, bytes);
    },
    async fetch(path) {
      fetched.push(path);
      return files.get(path)?.bytes;
    },
  };
}

export function ringOf(...keys: readonly SigningKey[]): KeyRing {
  return { open: (ids) => keys.filter(({ id }) => ids.includes(id)) };
}

export interface World {
  readonly repository: MemoryRepository;
  readonly anchor: Buffer;
  /** The keys of the four roles as they are now. */
  keys: Record<TopLevel, SigningKey[]>;
  state(): Promise<State>;
  /** Publishes targets, by their paths; `undefined` takes one away. */
  push(
    targets: Readonly<Record<string, string | Uint8Array | undefined>>,
    options?: PushOptions,
  ): Promise<void>;
  /** Another root: other keys, or another threshold, for some roles. */
  rotate(
    keys: Partial<Record<TopLevel, SigningKey[]>>,
    thresholds?: Partial<Record<TopLevel, number>>,
  ): Promise<void>;
}

export interface PushOptions {
  readonly role?: string;
  readonly signers?: readonly SigningKey[];
  readonly nowMs?: number;
  /** Delegates paths to a role, before anything else. */
  readonly delegate?: { name: string; paths: string[]; keys: SigningKey[]; threshold?: number };
}

export async function createWorld(
  options: {
    nowMs?: number;
    keys?: Partial<Record<TopLevel, SigningKey[]>>;
    thresholds?: Partial<Record<TopLevel, number>>;
  } = {},
): Promise<World> {
  const { nowMs = NOW_MS } = options;
  const keys: Record<TopLevel, SigningKey[]> = {
    root: [testKey('root')],
    targets: [testKey('targets')],
    snapshot: [testKey('snapshot')],
    timestamp: [testKey('timestamp')],
    ...options.keys,
  };
  const thresholds: Record<TopLevel, number> = {
    root: 1,
    targets: 1,
    snapshot: 1,
    timestamp: 1,
    ...options.thresholds,
  };
  const repository = memoryRepository();
  const ring = () => ringOf(...Object.values(world.keys).flat());
  const rolesOf = () => {
    const of = (role: TopLevel): RoleKeys => ({ keys: world.keys[role], threshold: thresholds[role] });
    return {
      root: of('root'),
      targets: of('targets'),
      snapshot: of('snapshot'),
      timestamp: of('timestamp'),
    };
  };
  const world: World = {
    repository,
    anchor: Buffer.alloc(0),
    keys,
    state: () => loadState(repository, { root: world.anchor, versions: {} }),
    async push(targets, { role = 'targets', signers, nowMs: atMs = nowMs, delegate } = {}) {
      const state = await world.state();
      const contents = new Map<string, Uint8Array>();
      const metadata = await draftTargets(repository, state, role, atMs, (files) => {
        for (const [path, text] of Object.entries(targets)) {
          delete files[path];
          if (text === undefined) continue;
          const bytes = Buffer.from(text);
          files[path] = targetFile(path, bytes);
          contents.set(path, bytes);
        }
      });
      const drafted = delegate
        ? withDelegations(metadata.signed, [...delegationsIn(metadata.signed), { threshold: 1, ...delegate }])
        : metadata;
      for (const key of signers ?? world.keys.targets) signWith(drafted, key);
      const change = { targets: [{ role, metadata: drafted, contents }] };
      await writeEdition(repository, await composeEdition(repository, state, ring(), atMs, change));
    },
    async rotate(changed, other = {}) {
      const state = await world.state();
      const before = world.keys.root;
      world.keys = { ...world.keys, ...changed };
      Object.assign(thresholds, other);
      const root = newRoot(rolesOf(), state.root.signed.version + 1, nowMs);
      for (const key of new Set([...before, ...world.keys.root])) signWith(root, key);
      const metadata = await draftTargets(repository, state, 'targets', nowMs, () => {});
      for (const key of world.keys.targets) signWith(metadata, key);
      const targets = [{ role: 'targets', metadata, contents: new Map() }];
      await writeEdition(
        repository,
        await composeEdition(repository, state, ring(), nowMs, { root, targets }),
      );
    },
  };
  const root = newRoot(rolesOf(), 1, nowMs);
  signRole(root, 'root', root, ring());
  Object.assign(world, { anchor: bytesOf(root as Metadata<Root>) });
  await writeEdition(repository, firstEdition(root, ring(), nowMs));
  return world;
}
