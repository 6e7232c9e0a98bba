/**
 * What an appliance, or an operator, trusts: metadata of The Update Framework (TUF), verified by `tuf-js`.
 *
 * An update is made in a staging folder that holds a copy of what is trusted; only when everything in it is verified, down to the
 * targets that were asked for, does it take the place of that. `tuf-js` writes its files in place, takes a torn one for
 * none, and then accepts what is older: hence the copy, the digests of all files, and the high-water mark. Time is the later one of
 * the clock and of that mark.
 *
 * To start again needs no network and no clock: what was trusted last goes on, also when it has expired since.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import type { TargetFile } from '@tufjs/models';
import { type Fetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { sha256Of } from '../digest.js';
import { naming, takesNothing } from '../durable.js';
import { oneLine, WeirError } from '../errors.js';
import {
  DELEGATIONS_MAX,
  ROOT_BYTES_MAX,
  ROOT_ROTATIONS_MAX,
  SNAPSHOT_BYTES_MAX,
  TARGET_BYTES_MAX,
  TARGETS_BYTES_MAX,
  TIMESTAMP_BYTES_MAX,
} from '../fleetlimits.js';
import { checkMetadata } from './checks.js';
import { goneBack, type HighWater, raised } from './highwater.js';
import { isRelated, readRoot, TOP_LEVEL } from './metadata.js';
import { openTrustFiles, type Target, type Trusted } from './trustfiles.js';

/** Gets a file of the repository, of up to so many bytes; nothing when there is none. Rejects when it cannot be asked. */
export type Fetch = (path: string, bytesMax: number) => Promise<Uint8Array | undefined>;

/** New metadata, verified, on its way to be trusted. */
export interface Update {
  /** Gets a target, verified; nothing when no role that may has signed one of this path. Throws METADATA_REFUSED. */
  target(path: string): Promise<Buffer | undefined>;
  /** Trusts it from now on, with the targets that were asked for. */
  commit(): void;
}

export interface Trust {
  trusted(): Trusted | undefined;
  /** What was trusted was damaged on the disk when this was made. */
  readonly isDamaged: boolean;
  /** The root of trust is another one than that from which it was reached, and as far as keys tell of another fleet. It changes nothing. */
  readonly isOtherFleet: boolean;
  /** A target of what is trusted; nothing when none is signed or it was not asked for. Throws METADATA_REFUSED when it is damaged. */
  target(path: string): Buffer | undefined;
  /**
   * Fetches and verifies what the repository has; nothing when all of that is trusted already and `path` was asked for.
   * Throws METADATA_REFUSED, METADATA_STALE (expired, or older than what was known), or what `fetch` throws; what is trusted stays.
   */
  update(fetch: Fetch, nowMs: number, path: string): Promise<Update | undefined>;
}

/** `anchor`: the root metadata that the operator has handed over. Throws METADATA_REFUSED when it is none. */
export function createTrust(folder: string, anchor: Uint8Array): Trust {
  checkAnchor(anchor);
  const files = openTrustFiles(folder);
  const digest = sha256Of(anchor);
  const from = files.trusted()?.anchor ?? digest;
  const root = files.metadata('root.json');
  const isOtherFleet = from !== digest && root !== undefined && !isRelated(readRoot(anchor), readRoot(root));

  /** Without a write: most of the time there is nothing new. */
  async function isKnown(fetch: Fetch, atMs: number, path: string): Promise<boolean> {
    const trusted = files.trusted();
    const known = TOP_LEVEL.map((role) => files.metadata(`${role}.json`));
    if (!trusted?.asked.includes(path) || known.includes(undefined) || trusted.expiresMs <= atMs)
      return false;
    if (!Object.values(trusted.targets).every((target) => files.target(target))) return false;
    const nextRoot = `metadata/${(trusted.versions.root ?? 0) + 1}.root.json`;
    if (await fetch(nextRoot, ROOT_BYTES_MAX)) return false;
    const timestamp = await fetch('metadata/timestamp.json', TIMESTAMP_BYTES_MAX);
    return timestamp !== undefined && files.metadata('timestamp.json')?.equals(timestamp) === true;
  }

  async function update(fetch: Fetch, nowMs: number, path: string): Promise<Update | undefined> {
    const highWater = files.highWater();
    const atMs = Math.max(nowMs, highWater.timeMs);
    if (await isKnown(fetch, atMs, path)) return undefined;
    const staging = files.stage(TOP_LEVEL.map((role) => `${role}.json`));
    const root = join(staging, 'root.json');
    // Where it is missing, the way from the first one on is gone again.
    if (!existsSync(root)) naming(root, () => writeFileSync(root, anchor, { mode: 0o600 }));
    const updater = new Updater({
      metadataDir: staging,
      metadataBaseUrl: METADATA_URL,
      fetcher: fetcherOf(fetch),
      config: CONFIG,
    });
    try {
      await refusing(updater.refresh());
      judge(staging, highWater, atMs);
    } catch (error) {
      files.raise(raised(highWater, seenIn(staging)));
      throw error;
    }
    const asked: string[] = [];
    const targets: Record<string, Target> = {};
    return {
      async target(wanted) {
        const found = await refusing(updater.getTargetInfo(wanted));
        // The roles that were asked on the way have their metadata in the folder now.
        judge(staging, highWater, atMs);
        asked.push(wanted);
        if (!found) return undefined;
        const target = { length: found.length, sha256: found.hashes.sha256 as string };
        const bytes = files.target(target) ?? (await fetchTarget(fetch, found, isConsistent(root)));
        files.keepTarget(target, bytes);
        targets[wanted] = target;
        return bytes;
      },
      commit() {
        const now = judge(staging, highWater, atMs);
        const mark = raised(highWater, now.highWater);
        const { versions } = now.highWater;
        const anchored = { anchor: isOtherFleet ? from : digest };
        files.commit({ versions, asked, targets, expiresMs: now.expiresMs, highWater: mark, ...anchored });
      },
    };
  }

  return {
    trusted: files.trusted,
    isDamaged: files.isDamaged,
    isOtherFleet,
    target(path) {
      const target = files.trusted()?.targets[path];
      const bytes = target && files.target(target);
      if (!target || bytes) return bytes;
      throw new WeirError('METADATA_REFUSED', `${path}: what was trusted is damaged on the disk`);
    },
    update,
  };
}

const METADATA_URL = 'weir://repository/metadata/';
const CONFIG = {
  maxRootRotations: ROOT_ROTATIONS_MAX,
  maxDelegations: DELEGATIONS_MAX,
  rootMaxLength: ROOT_BYTES_MAX,
  timestampMaxLength: TIMESTAMP_BYTES_MAX,
  snapshotMaxLength: SNAPSHOT_BYTES_MAX,
  targetsMaxLength: TARGETS_BYTES_MAX,
};

function checkAnchor(anchor: Uint8Array): void {
  checkMetadata('root of trust', anchor);
  try {
    const root = readRoot(anchor);
    root.verifyDelegate('root', root);
  } catch (error) {
    throw new WeirError('METADATA_REFUSED', `root of trust: ${oneLine(error)}`, { cause: error });
  }
}

/** What goes through here is checked before anybody believes it. */
function fetcherOf(fetch: Fetch): Fetcher {
  async function downloadBytes(url: string, bytesMax: number): Promise<Buffer> {
    const file = url.slice(METADATA_URL.length);
    const bytes = await fetch(`metadata/${file}`, bytesMax);
    if (!bytes) throw new DownloadHTTPError(`${file} is not there`, 404);
    if (bytes.length > bytesMax)
      throw new WeirError('METADATA_REFUSED', `${file}: expected up to ${bytesMax} bytes, found more`);
    checkMetadata(file, bytes);
    return Buffer.from(bytes);
  }
  return { downloadBytes, downloadFile: () => Promise.reject(new Error('targets come without a file')) };
}

/** Looks at all that is staged. Throws METADATA_STALE when any of it is expired, or older than what was known. */
function judge(
  staging: string,
  before: HighWater,
  atMs: number,
): { highWater: HighWater; expiresMs: number } {
  const versions: Record<string, number> = {};
  let expiresMs = Number.POSITIVE_INFINITY;
  for (const file of readdirSync(staging)) {
    const found = checkMetadata(file, readFileSync(join(staging, file)));
    versions[decodeURIComponent(basename(file, '.json'))] = found.version;
    expiresMs = Math.min(expiresMs, found.expiresMs);
    if (found.expiresMs > atMs) continue;
    const since = new Date(found.expiresMs).toISOString();
    throw new WeirError(
      'METADATA_STALE',
      `${file}: expected it not to be expired, found that it is since ${since}`,
    );
  }
  const onlineKeys = onlineKeysOf(readFileSync(join(staging, 'root.json')));
  const highWater = { versions, onlineKeys, timeMs: Math.min(atMs, expiresMs) };
  const back = goneBack(before, highWater);
  if (back) throw new WeirError('METADATA_STALE', back);
  return { highWater, expiresMs };
}

/**
 * What was verified before something else was refused: a root that takes a key away must not be forgotten because whoever has that
 * key holds back what comes after it. `tuf-js` writes each of these once it is verified.
 */
function seenIn(staging: string): HighWater {
  const versions: Record<string, number> = {};
  for (const role of ['root', 'timestamp']) {
    const path = join(staging, `${role}.json`);
    if (existsSync(path)) versions[role] = checkMetadata(role, readFileSync(path)).version;
  }
  return { versions, onlineKeys: onlineKeysOf(readFileSync(join(staging, 'root.json'))), timeMs: 0 };
}

/** Of the keys that may sign timestamp and snapshot, and how many of them have to. */
function onlineKeysOf(root: Buffer): string {
  const { roles } = readRoot(root).signed;
  return sha256Of(JSON.stringify([roles.timestamp?.toJSON(), roles.snapshot?.toJSON()]));
}

function isConsistent(root: string): boolean {
  return readRoot(readFileSync(root)).signed.consistentSnapshot;
}

/** TUF specification 5.7.3: with consistent snapshots a target is stored under one of its digests and its name. */
async function fetchTarget(fetch: Fetch, target: TargetFile, isHashed: boolean): Promise<Buffer> {
  const { path, length } = target;
  const refuse = (problem: string) => new WeirError('METADATA_REFUSED', `${path}: ${problem}`);
  if (length > TARGET_BYTES_MAX) throw refuse(`expected up to ${TARGET_BYTES_MAX} bytes, found ${length}`);
  const name = path.lastIndexOf('/') + 1;
  const prefix = isHashed ? `${Object.values(target.hashes)[0]}.` : '';
  const bytes = await fetch(`targets/${path.slice(0, name)}${prefix}${path.slice(name)}`, length);
  if (!bytes) throw refuse('it is signed, but not there');
  await target.verify(Readable.from([Buffer.from(bytes)])).catch(() => {
    throw refuse('expected what was signed, found other bytes');
  });
  return Buffer.from(bytes);
}

/** Gives what `tuf-js` throws, some of it wrapped into text, a code of ours. */
async function refusing<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WeirError || takesNothing(error)) throw error;
    const found = oneLine(error).replace(/^Unable to load (\w+)( metadata)? error (\w*Error: )*/, '$1: ');
    const [, code, problem] = /^(METADATA_\w+): (.*?)(; [^;]*)?$/.exec(found.replace(/^\w+: /, '')) ?? [];
    if (code) throw new WeirError(code as 'METADATA_REFUSED', problem ?? found, { cause: error });
    // Nothing is wrong with the repository: what tuf-js has verified cannot be written.
    if (/^(.*: )?(ENOSPC|EDQUOT|EROFS)\b/.test(found))
      throw new WeirError('DATA_UNWRITABLE', `fleet: ${found}`, { cause: error });
    const isOld = /expired|is less than current version/.test(found);
    throw new WeirError(isOld ? 'METADATA_STALE' : 'METADATA_REFUSED', `repository: ${found}`, {
      cause: error,
    });
  }
}
