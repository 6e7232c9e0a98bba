/**
 * What is trusted, on disk: whole, or not there.
 *
 *     <folder>/trusted -> trusted-<n>    metadata, and index.json, which says what there is
 *     <folder>/targets/<sha256>          targets
 *     <folder>/staging                   an update that is being made
 *     <folder>/highwater                 see highwater.ts
 */
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { sha256Of } from '../digest.js';
import { makeFolder, replaceFile, sealed, syncFolder, unsealed } from '../durable.js';
import { WeirError } from '../errors.js';
import { type HighWater, NO_HIGH_WATER } from './highwater.js';

export interface Target {
  readonly length: number;
  readonly sha256: string;
}

/** What is trusted. */
export interface Trusted {
  /** Versions of the roles that were looked at. */
  readonly versions: Readonly<Record<string, number>>;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  /** Those of them that are signed. */
  readonly targets: Readonly<Record<string, Target>>;
  /** When the first of the metadata expires. */
  readonly expiresMs: number;
  readonly highWater: HighWater;
  /** SHA-256 of the root of trust from which it was reached. */
  readonly anchor: string;
}

interface Index extends Trusted {
  /** File to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

export interface TrustFiles {
  trusted(): Trusted | undefined;
  /** Something of what was trusted was not whole when it was opened. */
  readonly isDamaged: boolean;
  /** The highest that was ever trusted. Throws METADATA_REFUSED when nothing on the disk tells any more. */
  highWater(): HighWater;
  /** A file of the trusted metadata; nothing when it is not there, or damaged. */
  metadata(file: string): Buffer | undefined;
  /** A new folder for an update, with these files of the trusted metadata in it. */
  stage(files: readonly string[]): string;
  target(target: Target): Buffer | undefined;
  keepTarget(target: Target, bytes: Uint8Array): void;
  /** Nothing that is older than this is trusted from now on. */
  raise(highWater: HighWater): void;
  /** Trusts what is staged. A kill at any moment leaves the one or the other. */
  commit(trusted: Trusted): void;
}

export function openTrustFiles(folder: string): TrustFiles {
  const staging = join(folder, 'staging');
  let index = readSealed<Index>(join(folder, 'trusted', 'index.json'));

  function metadata(file: string): Buffer | undefined {
    const expected = index?.files[file];
    return expected === undefined ? undefined : wholeFile(join(folder, 'trusted', file), expected);
  }

  const target = ({ length, sha256 }: Target) => {
    const bytes = wholeFile(join(folder, 'targets', sha256), sha256);
    return bytes?.length === length ? bytes : undefined;
  };

  const files = Object.keys(index?.files ?? {});
  return {
    trusted: () => index,
    isDamaged: existsSync(join(folder, 'trusted')) && (!index || files.some((file) => !metadata(file))),
    highWater() {
      const path = join(folder, 'highwater');
      const found = readSealed<HighWater>(path) ?? index?.highWater;
      if (found) return found;
      if (!existsSync(path)) return NO_HIGH_WATER;
      const problem = 'expected the versions that were trusted, found a damaged file';
      throw new WeirError('METADATA_REFUSED', `${path}: ${problem}`);
    },
    metadata,
    stage(files) {
      rmSync(staging, { recursive: true, force: true });
      // Not at the start: the disk may be full then.
      for (const place of [staging, join(folder, 'targets')]) makeFolder(place);
      for (const file of files) {
        const bytes = metadata(file);
        if (bytes) replaceFile(join(staging, file), bytes, false);
      }
      return staging;
    },
    target,
    keepTarget(wanted, bytes) {
      if (!target(wanted)) replaceFile(join(folder, 'targets', wanted.sha256), bytes, true);
    },
    raise: (highWater) => writeHighWater(folder, highWater),
    commit(trusted) {
      const names = readdirSync(staging);
      const contents = names.map((name): [string, Buffer] => [name, readFileSync(join(staging, name))]);
      // tuf-js wrote them; what makes them safe is ours.
      for (const [name, bytes] of contents) replaceFile(join(staging, name), bytes, true);
      const files = Object.fromEntries(contents.map(([name, bytes]) => [name, sha256Of(bytes)]));
      const next: Index = { ...trusted, files };
      replaceFile(join(staging, 'index.json'), sealed(JSON.stringify(next)), true);
      // First, so that what is older cannot come in between.
      writeHighWater(folder, trusted.highWater);
      turnTo(folder, staging);
      index = next;
      const wanted = new Set(Object.values(trusted.targets).map(({ sha256 }) => sha256));
      for (const name of readdirSync(join(folder, 'targets')))
        if (!wanted.has(name)) rmSync(join(folder, 'targets', name), { force: true });
    },
  };
}

function writeHighWater(folder: string, highWater: HighWater): void {
  replaceFile(join(folder, 'highwater'), sealed(JSON.stringify(highWater)), true);
}

/** The staged folder takes the place of the trusted one, by a rename of a link. */
function turnTo(folder: string, staging: string): void {
  const link = join(folder, 'trusted');
  const before = existsSync(link) ? readlinkSync(link) : '';
  const name = `trusted-${Number(/^trusted-(\d{1,15})$/.exec(before)?.[1] ?? 0) + 1}`;
  rmSync(join(folder, name), { recursive: true, force: true });
  renameSync(staging, join(folder, name));
  rmSync(`${link}.new`, { force: true });
  symlinkSync(name, `${link}.new`);
  syncFolder(folder);
  renameSync(`${link}.new`, link);
  syncFolder(folder);
  for (const old of readdirSync(folder))
    if (/^trusted-\d+$/.test(old) && old !== name)
      rmSync(join(folder, old), { recursive: true, force: true });
}

function wholeFile(path: string, sha256: string): Buffer | undefined {
  try {
    const bytes = readFileSync(path);
    return sha256Of(bytes) === sha256 ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function readSealed<T>(path: string): T | undefined {
  try {
    const text = unsealed(readFileSync(path, 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}
