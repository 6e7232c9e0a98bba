/**
 * Writes the repository anew from an operator's copy, where it is damaged, older than what he has seen, or gone.
 *
 * Where what is published can be read, with the copy's help, it stays what it is, and only files that are not as they should be are written.
 * Else the copy is published anew, under a timestamp that is newer than what others may have signed since.
 */
import type { Broker } from '../broker.js';
import { unlessRefused, WeirError } from '../errors.js';
import { RESTORED_AHEAD } from '../fleetlimits.js';
import { type Copy, keepCopy, pathsOf, repositoryOf } from './copy.js';
import { composeEdition, type Edition, type EditionFile, type KeyRing, TIMESTAMP } from './edition.js';
import type { FleetFolder } from './folder.js';
import { aloneNow } from './folderlock.js';
import { nextSnapshot, nextTimestamp } from './metadata.js';
import { publishEdition } from './operator.js';
import { needOwn } from './ownfleet.js';
import { openRepository, removeFile, storedFile } from './repository.js';
import { type Known, loadRoots, loadState, type Repository, type State, UNREADABLE } from './state.js';

/** What is not as it should be. */
export interface Damage {
  /** Files of the copy that are not in the repository as they are here. */
  readonly files: readonly EditionFile[];
  /** Path of a root that nobody has signed, which keeps everybody from reading on. */
  readonly wrongRoot: string | undefined;
  /** What is published cannot be read: the copy is to be published in its place. */
  readonly isAnew: boolean;
  /** Files that are signed, and neither there nor here. */
  readonly missing: readonly string[];
  /** What is published, or will be. */
  readonly state: State;
}

/** A file of the repository that is not as it was published; `copy`: this operator can write it anew. */
export interface DamagedFile {
  readonly path: string;
  readonly problem: 'missing' | 'damaged' | 'unsigned';
  readonly copy: boolean;
}

/** Compares the repository with the copy, which is completed. Throws COPY_MISSING where neither can be read, and FLEET_EXISTS. */
export async function findDamage(
  broker: Pick<Broker, 'value' | 'revision' | 'publish'>,
  { copy, anchor, known }: Pick<FleetFolder, 'known' | 'copy' | 'anchor'>,
): Promise<Damage> {
  const whole = openRepository(broker);
  await needOwn(whole, anchor);
  const wrongRoot = await wrongRootIn(whole, known());
  const get: Repository['get'] = async (path, bytesMax) =>
    path === wrongRoot ? undefined : whole.get(path, bytesMax);
  const repository = { ...whole, get };
  const published = await unlessRefused(loadState(repository, known(), copy), UNREADABLE);
  const state = published ?? (await copied(copy, known()));
  const missing = await keepCopy(repository, state, copy, anchor);
  const isAnew = published === undefined;
  // The timestamp is as it should be where it could be read, and may be replaced by somebody just now; else it is made anew.
  const own = [...pathsOf(state)].filter((path) => path !== TIMESTAMP);
  const files: EditionFile[] = [];
  for (const path of own) {
    const bytes = copy.get(path);
    const stored = await storedFile(broker, path);
    if (bytes && !(stored && bytes.equals(stored.bytes)))
      files.push({ path, bytes, revision: stored?.revision ?? 0 });
  }
  return { files, wrongRoot, isAnew, missing, state };
}

export function damagedFiles({ files, wrongRoot, missing }: Damage): DamagedFile[] {
  return [
    ...files.map(
      ({ path, revision }): DamagedFile => ({
        path,
        problem: revision === 0 ? 'missing' : 'damaged',
        copy: true,
      }),
    ),
    ...(wrongRoot === undefined
      ? []
      : [{ path: wrongRoot, problem: 'unsigned', copy: false } satisfies DamagedFile]),
    ...missing.map((path): DamagedFile => ({ path, problem: 'missing', copy: false })),
  ];
}

const LINES_MAX = 20;

/** A line for each of the first files, and what helps; none where nothing is wrong. */
export function damageLines(files: readonly DamagedFile[]): string[] {
  if (files.length === 0) return [];
  const lines = files.slice(0, LINES_MAX).map(({ path, problem, copy }) => {
    if (problem === 'damaged') return `${path}: is damaged`;
    if (problem === 'unsigned') return `${path}: is not signed by the root before it`;
    return copy
      ? `${path}: is not there`
      : `${path}: is not there as it was signed, and this folder has no copy`;
  });
  const more = files.length > LINES_MAX ? [`and ${files.length - LINES_MAX} more`] : [];
  const helps = files.some(({ problem, copy }) => copy || problem === 'unsigned')
    ? '"weir fleet restore" writes anew what this folder has a copy of'
    : 'let whoever has published last run "weir fleet restore"';
  return [...lines, ...more, helps];
}

/** Writes it as it should be; answers how many files. Throws KEYS_MISSING where keys are needed that are not here, and REPOSITORY_MOVED. */
export async function repair(
  folder: FleetFolder,
  broker: Broker,
  damage: Damage,
  ring: KeyRing,
  nowMs: number,
): Promise<number> {
  const { files, isAnew, wrongRoot, state } = damage;
  const edition = isAnew ? [...files, ...(await publishedAnew(broker, state, ring, nowMs))] : files;
  if (wrongRoot !== undefined) await removeFile(broker, wrongRoot);
  const act = { action: 'restored', files: edition.length, by: folder.operator };
  await publishEdition(folder, broker, edition, act, ring, () => nowMs);
  await aloneNow(folder.path, async () => folder.remember(state));
  return edition.length;
}

/** What says that the copy is the latest. */
async function publishedAnew(broker: Broker, state: State, ring: KeyRing, nowMs: number): Promise<Edition> {
  const { snapshotMeta, version } = state.timestamp.signed;
  const { signed } = state.snapshot;
  const ahead: State = {
    ...state,
    timestamp: nextTimestamp({ version: version + RESTORED_AHEAD }, snapshotMeta, nowMs),
    timestampRevision: (await storedFile(broker, TIMESTAMP))?.revision ?? 0,
    snapshot: nextSnapshot(signed, {}, signed.version + RESTORED_AHEAD, nowMs),
  };
  return composeEdition(openRepository(broker), ahead, ring, nowMs, { renews: true });
}

async function copied(copy: Copy, known: Known): Promise<State> {
  try {
    return await loadState(repositoryOf(copy), known);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    const problem = `expected a copy of what was published in this folder, found that ${error.problem}`;
    throw new WeirError('COPY_MISSING', problem, { cause: error });
  }
}

/** Path of the root behind the last one that is known, where it does not follow that. */
async function wrongRootIn(repository: Repository, known: Known): Promise<string | undefined> {
  let last: string | undefined;
  const get: Repository['get'] = (path, bytesMax) => {
    last = path;
    return repository.get(path, bytesMax);
  };
  const roots = await unlessRefused(loadRoots({ get }, known.root), UNREADABLE);
  return roots ? undefined : last;
}
