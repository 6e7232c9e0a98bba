/**
 * The filters that are installed: folders with a `filter.wasm` and a `filter.json`, found by name.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256Of } from '../digest.js';
import { systemCode, WeirError } from '../errors.js';
import { MODULE_BYTES_MAX } from '../limits.js';
import { mismatch, needRegularFile, refusal } from '../validate.js';
import { NAME_PATTERN } from '../wire.js';
import { loadManifest, type Manifest } from './manifest.js';

/** Where `npm run build` puts the shipped filters. */
export const SHIPPED_FILTERS = fileURLToPath(new URL('../../filters', import.meta.url));

export interface InstalledFilter {
  readonly manifest: Manifest;
  readonly module: Uint8Array;
  /** The source map of its build, where that was kept: for an author, who wants to see his own lines. */
  readonly sourceMap?: () => string | undefined;
}

/** `name@version+hash`, the hash being the first 12 hex digits of the module's SHA-256: as messages and people name a version. */
export function versionLabel({ manifest, module }: InstalledFilter): string {
  const hash = sha256Of(module).slice(0, 12);
  return `${manifest.name}@${manifest.version}+${hash}`;
}

/** Reads a filter by its name. Throws FILTER_UNKNOWN, or what is wrong with its manifest. */
export function loadFilter(name: string, folder: string = SHIPPED_FILTERS): InstalledFilter {
  const modulePath = join(folder, name, 'filter.wasm');
  if (!NAME_PATTERN.test(name) || !existsSync(modulePath)) {
    const known = installedFilters(folder).join(', ') || 'none';
    throw new WeirError('FILTER_UNKNOWN', `filter "${name}": expected one of ${known}`);
  }
  const sourceMap = () => readSourceMap(`${modulePath}.map`);
  return { manifest: loadManifestOf(name, folder), module: readModuleFile(modulePath), sourceMap };
}

function readSourceMap(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** Reads a module. Throws MODULE_UNREADABLE, or MODULE_REFUSED when it is too large. */
export function readModuleFile(path: string): Uint8Array {
  needRegularFile('MODULE_UNREADABLE', path);
  try {
    const { size } = statSync(path);
    if (size <= MODULE_BYTES_MAX) return readFileSync(path);
    throw new WeirError(
      'MODULE_REFUSED',
      `${path}: expected a module of up to ${MODULE_BYTES_MAX} bytes, found ${size}`,
    );
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw new WeirError('MODULE_UNREADABLE', `${path}: expected a module, found ${systemCode(error)}`);
  }
}

/** Reads the manifest of a filter by its name. A copied one would sign messages with the name of another filter. */
export function loadManifestOf(name: string, folder: string): Manifest {
  const path = join(folder, name, 'filter.json');
  const manifest = loadManifest(path);
  if (manifest.name === name) return manifest;
  const problem = mismatch(`"${name}", as its folder is called`, manifest.name);
  throw refusal('MANIFEST_INVALID', path, `name: ${problem}`);
}

export function installedFilters(folder: string = SHIPPED_FILTERS): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => existsSync(join(folder, name, 'filter.wasm')))
      .sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
