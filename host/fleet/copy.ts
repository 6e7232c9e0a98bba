/**
 * A copy of what is published, in an operator's folder: where a file of the repository is damaged or gone, he goes on with his own, and
 * `restore.ts` writes it anew.
 *
 * Only what was verified comes here, and it is verified again when it is used: metadata and targets by the digest that what is above
 * them names, roots and the timestamp by their signatures.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unlessRefused, WeirError } from '../errors.js';
import { replaceFile } from '../durable.js';
import { ROOT_BYTES_MAX, TARGET_BYTES_MAX } from '../fleetlimits.js';
import { TIMESTAMP } from './edition.js';
import { writing } from './folderwrite.js';
import { isFilePath, isSigned, readRoot, storedPath, targetFile } from './metadata.js';
import type { Repository, State } from './state.js';

export interface Copy {
  /** Paths of all that is here, as in the repository. */
  paths(): string[];
  get(path: string): Buffer | undefined;
  /** Keeps what was verified. */
  put(path: string, bytes: Uint8Array): void;
  /** Lets go of everything else. */
  keepOnly(paths: ReadonlySet<string>): void;
}

/** The same, and nothing is written. */
export const readOnly = ({ paths, get }: Copy): Copy => ({ paths, get, put() {}, keepOnly() {} });

/** Where nothing is kept. */
export const NO_COPY: Copy = { paths: () => [], get: () => undefined, put() {}, keepOnly() {} };

export function openCopy(folder: string): Copy {
  const paths = () =>
    existsSync(folder)
      ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((path) => statSync(join(folder, path)).isFile())
          .sort()
      : [];
  const get = (path: string) =>
    isFilePath(path) && existsSync(join(folder, path)) ? readFileSync(join(folder, path)) : undefined;
  return {
    paths,
    get,
    put(path, bytes) {
      if (!isFilePath(path) || get(path)?.equals(bytes)) return;
      const place = join(folder, path);
      writing(place, () => {
        mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
        replaceFile(place, bytes, false);
      });
    },
    keepOnly(wanted) {
      for (const path of paths()) {
        const place = join(folder, path);
        if (!wanted.has(path)) writing(place, () => rmSync(place, { force: true }));
      }
    },
  };
}

/** The copy in the place of the repository. */
export function repositoryOf(copy: Copy): Repository {
  return {
    get: async (path) => {
      const bytes = copy.get(path);
      return bytes && { bytes, revision: 0 };
    },
    put: () => Promise.reject(new Error('a copy is written by its own operator only')),
  };
}

/** Where all that is published now lies: every root, the other metadata, and targets. */
export function pathsOf({ root, snapshot, targets }: State): Set<string> {
  const roots = Array.from({ length: root.signed.version }, (_, at) => rootPath(at + 1));
  const roles = [...targets].map(([role, { signed }]) => `metadata/${signed.version}.${role}.json`);
  const contents = [...targets.values()].flatMap(({ signed }) => Object.values(signed.targets).map(placeOf));
  return new Set([
    ...roots,
    TIMESTAMP,
    `metadata/${snapshot.signed.version}.snapshot.json`,
    ...roles,
    ...contents,
  ]);
}

/**
 * Completes the copy of what is published, of which metadata but the roots is here already, and lets go of what is not published any more.
 * `anchor`: the root of trust, from which on roots are kept. Answers the paths of what could not be had.
 */
export async function keepCopy(
  repository: Repository,
  state: State,
  copy: Copy,
  anchor: Uint8Array,
): Promise<string[]> {
  const missing: string[] = [];
  let root = readRoot(anchor);
  copy.put(rootPath(root.signed.version), anchor);
  for (let version = root.signed.version + 1; version <= state.root.signed.version; version++) {
    const before = root;
    const isNext = (bytes: Uint8Array) => {
      root = readRoot(bytes);
      return root.signed.version === version && [before, root].every((one) => isSigned(one, 'root', root));
    };
    if (!(await keep(rootPath(version), ROOT_BYTES_MAX, isNext))) break;
  }
  for (const { signed } of state.targets.values())
    for (const target of Object.values(signed.targets))
      await keep(placeOf(target), TARGET_BYTES_MAX, (bytes) => targetFile(target.path, bytes).equals(target));
  copy.keepOnly(pathsOf(state));
  return missing;

  async function keep(
    path: string,
    bytesMax: number,
    isIt: (bytes: Uint8Array) => boolean,
  ): Promise<boolean> {
    const kept = copy.get(path);
    if (kept && isSound(kept, isIt)) return true;
    const bytes = (await unlessRefused(repository.get(path, bytesMax), TOO_LARGE))?.bytes;
    const isFound = bytes !== undefined && isSound(bytes, isIt);
    if (isFound) copy.put(path, bytes);
    else missing.push(path);
    return isFound;
  }
}

function isSound(bytes: Uint8Array, isIt: (bytes: Uint8Array) => boolean): boolean {
  try {
    return isIt(bytes);
  } catch (error) {
    if (error instanceof WeirError) return false;
    throw error;
  }
}

/** What is too large is as good as not there. */
const TOO_LARGE = ['METADATA_REFUSED'] as const;

function rootPath(version: number): string {
  return `metadata/${version}.root.json`;
}

function placeOf({
  path,
  hashes,
}: {
  readonly path: string;
  readonly hashes: Record<string, string>;
}): string {
  return storedPath(path, hashes.sha256 as string);
}

/** A file of the repository, or the copy of it, which is told, where that is damaged or gone. Throws METADATA_REFUSED where the copy is no help. */
export async function orCopy(
  path: string,
  stored: Promise<{ readonly bytes: Uint8Array } | undefined>,
  copy: Copy,
  isIt: (bytes: Uint8Array) => boolean,
  taken: (path: string) => void = () => {},
): Promise<Uint8Array> {
  const found = (await unlessRefused(stored, TOO_LARGE))?.bytes;
  if (found && isIt(found)) return found;
  const kept = copy.get(path);
  if (kept && isIt(kept)) {
    taken(path);
    return kept;
  }
  const problem = found ? 'expected what was signed, found other bytes' : 'it is signed, but not there';
  throw new WeirError('METADATA_REFUSED', `${path}: ${problem}`);
}
