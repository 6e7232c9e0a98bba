/**
 * An operator's folder: his keys, the root of trust, what he has seen, and a change that is not finished.
 *
 *     <fleet>/fleet.json       who he is
 *     <fleet>/root.json        the root of trust: for appliances, in "fleet.root" of their config
 *     <fleet>/keys/NAME.json   keys, sealed with a passphrase
 *     <fleet>/known.json       the last root and the versions that he has seen
 *     <fleet>/pending.json     what is being published
 *     <fleet>/owed.json        entries of the audit that the broker has not taken
 *     <fleet>/copy/            what is published
 *     <fleet>/lock             which command writes these four just now
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceFile, sealed, unsealed } from '../durable.js';
import { WeirError } from '../errors.js';
import { CONFIG_BYTES_MAX } from '../limits.js';
import { check, object, readJson, text } from '../validate.js';
import { NAME_PATTERN } from '../wire.js';
import type { Act } from './audit.js';
import { type Copy, openCopy } from './copy.js';
import type { Edition, KeyRing } from './edition.js';
import { createKeyFile, type KeyFile, keyIdOf, readKeyFile, type SigningKey, unlock } from './keys.js';
import { writing } from './folderwrite.js';
import { readRoot } from './metadata.js';
import { type Known, type State, versionsIn } from './state.js';

/** What is being published, and what is written down of it. */
export interface Pending {
  readonly edition: Edition;
  readonly act: Act;
}

/** The keys in a folder. */
export interface Keys {
  keys(): readonly KeyFile[];
  keyPath(name: string): string;
  /** Makes a key, sealed as those that are there; it is not kept yet. Throws FILE_EXISTS, PASSPHRASE_WRONG or PASSPHRASE_WEAK. */
  makeKey(name: string, passphrase: string): KeyFile;
  keepKey(file: KeyFile): void;
  /** Of the keys that are here, and of those that are not kept yet. */
  ring(passphrase: string, more?: readonly KeyFile[]): KeyRing;
}

export interface FleetFolder extends Keys {
  readonly path: string;
  /** Who signs what is written down. */
  readonly operator: string;
  /** The root of trust. */
  readonly anchor: Buffer;
  known(): Known;
  /** Never what is older than what is known. */
  remember(state: State): void;
  /** What was published, as this operator has seen it last. */
  readonly copy: Copy;
  pending(): Pending | undefined;
  setPending(pending: Pending | undefined): void;
  /** What is in force without its entry in the audit, in its order. */
  owed(): readonly Act[];
  setOwed(acts: readonly Act[]): void;
}

const Settings = object({
  format: v.literal(1, '1'),
  operator: text('a name', (value) => value.trim() !== '' && value.length <= 100),
});
const CODES = { unreadable: 'FLEET_MISSING', invalid: 'FLEET_MISSING' } as const;

/** Makes the folder of a new fleet, without a root yet. */
export function createFleetFolder(path: string, operator: string): void {
  const settings = `${JSON.stringify({ format: 1, operator }, undefined, 2)}\n`;
  writing(path, () => mkdirSync(join(path, 'keys'), { recursive: true, mode: 0o700 }));
  replaceOwn(join(path, 'fleet.json'), settings);
}

/** Throws FLEET_MISSING when there is no fleet. */
export function openFleetFolder(path: string, anchor?: Buffer): FleetFolder {
  const settingsPath = join(path, 'fleet.json');
  const { operator } = check(
    'FLEET_MISSING',
    settingsPath,
    Settings,
    readJson(settingsPath, CONFIG_BYTES_MAX, CODES),
  );
  const rootPath = join(path, 'root.json');
  if (anchor && !existsSync(rootPath))
    writing(rootPath, () => writeFileSync(rootPath, anchor, { mode: 0o644, flag: 'wx' }));
  if (!existsSync(rootPath))
    throw new WeirError('FLEET_MISSING', `${rootPath}: expected the root of trust, found none`);
  const root = readFileSync(rootPath);
  const knownPath = join(path, 'known.json');
  const known = (): Known => {
    const found = readSealed(knownPath) as { root: string; versions: Record<string, number> } | undefined;
    return found
      ? { root: Buffer.from(found.root, 'base64'), versions: found.versions }
      : { root, versions: {} };
  };

  return {
    path,
    operator,
    anchor: root,
    ...keysIn(path),
    ...pendingIn(join(path, 'pending.json')),
    ...owedIn(join(path, 'owed.json')),
    copy: openCopy(join(path, 'copy')),
    known,
    remember(state) {
      const bytes = Buffer.from(JSON.stringify(state.root.toJSON()));
      // Only what is behind the root of trust can be verified from there.
      readRoot(bytes);
      const versions = versionsIn(state);
      const isOlder = Object.entries(known().versions).some(
        ([role, version]) => (versions[role] ?? version) < version,
      );
      if (isOlder) return;
      const next = { root: bytes.toString('base64'), versions };
      replaceOwn(knownPath, sealed(JSON.stringify(next)));
    },
  };
}

function pendingIn(path: string): Pick<FleetFolder, 'pending' | 'setPending'> {
  return {
    pending() {
      const found = readSealed(path) as { edition: readonly StoredFile[]; act: Act } | undefined;
      return (
        found && {
          act: found.act,
          edition: found.edition.map(({ bytes, ...file }) => ({
            ...file,
            bytes: Buffer.from(bytes, 'base64'),
          })),
        }
      );
    },
    setPending(pending) {
      if (!pending) return writing(path, () => rmSync(path, { force: true }));
      const edition: StoredFile[] = pending.edition.map(({ bytes, ...file }) => ({
        ...file,
        bytes: Buffer.from(bytes).toString('base64'),
      }));
      replaceOwn(path, sealed(JSON.stringify({ act: pending.act, edition })));
    },
  };
}

function owedIn(path: string): Pick<FleetFolder, 'owed' | 'setOwed'> {
  return {
    owed: () => (readSealed(path) as { acts: readonly Act[] } | undefined)?.acts ?? [],
    setOwed(acts) {
      if (acts.length === 0) writing(path, () => rmSync(path, { force: true }));
      else replaceOwn(path, sealed(JSON.stringify({ acts })));
    },
  };
}

/** What whoever has the root of trust knows: with a folder of an operator, what that has seen, too. Throws FLEET_MISSING. */
export function knownIn(path: string): Known {
  if (existsSync(join(path, 'fleet.json'))) return openFleetFolder(path).known();
  const rootPath = join(path, 'root.json');
  if (!existsSync(rootPath))
    throw new WeirError('FLEET_MISSING', `${rootPath}: expected the root of trust, found none`);
  return { root: readFileSync(rootPath), versions: {} };
}

export function keysIn(path: string): Keys {
  const folder = join(path, 'keys');
  const keyPath = (name: string) => join(folder, `${name}.json`);
  const keys = () =>
    (existsSync(folder) ? readdirSync(folder) : [])
      .filter(isKey)
      .sort()
      .map((file) => readKeyFile(join(folder, file)));
  return {
    keys,
    keyPath,
    makeKey(name, passphrase) {
      if (!NAME_PATTERN.test(name))
        throw new WeirError('USAGE', `expected the name of a key, found "${name}"`);
      if (existsSync(keyPath(name)))
        throw new WeirError('FILE_EXISTS', `${keyPath(name)}: a key of this name is there`);
      // One passphrase opens all of them: who mistypes it must not make a key that he cannot open.
      const [other] = keys();
      if (other) unlock(other, passphrase);
      return createKeyFile(name, passphrase, other?.sealed.salt);
    },
    keepKey(file) {
      writing(folder, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
      replaceOwn(keyPath(file.name), `${JSON.stringify(file, undefined, 2)}\n`);
    },
    ring: (passphrase, more = []) => ringOf([...keys(), ...more], passphrase),
  };
}

interface StoredFile {
  readonly path: string;
  readonly revision: number;
  readonly bytes: string;
}

function replaceOwn(path: string, text: string): void {
  writing(path, () => replaceFile(path, text, true));
}

function isKey(file: string): boolean {
  return file.endsWith('.json') && NAME_PATTERN.test(file.slice(0, -'.json'.length));
}

/** Opens keys when they are needed, once. */
function ringOf(files: readonly KeyFile[], passphrase: string): KeyRing {
  const opened = new Map<string, SigningKey>();
  return {
    open(ids) {
      return files.flatMap((file) => {
        const id = keyIdOf(file.public);
        if (!ids.includes(id)) return [];
        const key = opened.get(id) ?? unlock(file, passphrase);
        opened.set(id, key);
        return [key];
      });
    },
  };
}

function readSealed(path: string): unknown {
  if (!existsSync(path)) return undefined;
  const text = unsealed(readFileSync(path, 'utf8'));
  if (text !== undefined) return JSON.parse(text);
  throw new WeirError('FLEET_MISSING', `${path}: expected what was written there, found a damaged file`);
}
