/**
 * An author's project: a folder with `filters/NAME/`, each a filter's source, manifest, tests and samples. What is
 * built of them goes to `dist/filters/NAME/`, as in this repository, which is such a project itself.
 *
 * A filter is looked for in the project first, then among the shipped ones. One whose source, manifest or library
 * is newer than its module is built before it is used, so that nobody ever tests what he has not written.
 */
import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemCode, WeirError } from '../errors.js';
import { compileFilter, compileModule } from '../filter/compile.js';
import {
  type InstalledFilter,
  installedFilters,
  loadFilter,
  loadManifestOf,
  SHIPPED_FILTERS,
} from '../filter/library.js';
import { NAME_PATTERN } from '../wire.js';

/** Receives what is meant for the author's eyes: lines, each with its end. */
export type Tell = (text: string) => void;

export interface Project {
  /** `filters/`: what the author writes. */
  readonly sources: string;
  /** `dist/filters/`: what is built of it. */
  readonly built: string;
}

const PACKAGE_FOLDER = fileURLToPath(new URL('../../..', import.meta.url));

export function projectIn(folder: string): Project {
  return { sources: join(folder, 'filters'), built: join(folder, 'dist/filters') };
}

/** Names of the filters that have a source, sorted. */
export function authoredFilters({ sources }: Project): string[] {
  if (!existsSync(sources)) return [];
  return readdirSync(sources).filter((name) => isAuthored(sources, name));
}

/** The filters that a command is for: those that are named, or all. Throws when there are none, or one is unknown. */
export function chosenFilters(project: Project, names: readonly string[]): readonly string[] {
  const known = authoredFilters(project);
  if (known.length === 0) {
    throw new WeirError('FILTERS_MISSING', `${project.sources}: expected filters, found none`);
  }
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownFilter(unknown, known);
  return names.length > 0 ? names : known;
}

/** Builds a filter of the project, whatever is there already. */
export async function buildFilter({ sources, built }: Project, name: string, tell: Tell): Promise<void> {
  loadManifestOf(name, sources);
  await compileFilter(PACKAGE_FOLDER, join(sources, name), join(built, name, 'filter.wasm'), tell);
  const from = join(sources, name, 'filter.json');
  try {
    copyFileSync(from, join(built, name, 'filter.json'));
  } catch (error) {
    throw new WeirError(
      'BUILD_FAILED',
      `${from}: expected to copy it into ${built}, found ${systemCode(error)}`,
    );
  }
}

/** Reads a filter of the project, built first where it is stale, or a shipped one. */
export async function findFilter(project: Project, name: string, tell: Tell): Promise<InstalledFilter> {
  if (isAuthored(project.sources, name)) {
    if (isStale(project, name)) await buildFilter(project, name, tell);
    return loadFilter(name, project.built);
  }
  const own = installedFilters(project.built);
  if (own.includes(name)) {
    const folder = join(project.sources, name);
    if (existsSync(project.sources))
      tell(`weir: ${name} as it was built once: its source ${folder} is gone\n`);
    return loadFilter(name, project.built);
  }
  const shipped = installedFilters();
  if (!shipped.includes(name)) throw unknownFilter(name, [...authoredFilters(project), ...own, ...shipped]);
  return loadFilter(name, SHIPPED_FILTERS);
}

/** Throws FILTER_UNKNOWN for one that cannot be packed here: the samples of a filter are beside its source, and not beside shipped modules. */
export function needSources({ sources }: Project, names: readonly string[]): void {
  const known = existsSync(sources)
    ? readdirSync(sources).filter(
        (name) => isAuthored(sources, name) || existsSync(join(sources, name, 'samples')),
      )
    : [];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const isShipped = installedFilters().includes(unknown);
  const found = isShipped ? `, found a shipped one, whose samples are not here` : '';
  const expected = known.length > 0 ? `one of ${known.sort().join(', ')}` : `its source in ${sources}`;
  throw new WeirError('FILTER_UNKNOWN', `filter "${unknown}": expected ${expected}${found}`);
}

/** Reads a filter from a folder of built or source filters, or from its own; a source is compiled into memory. */
export async function filterIn(folder: string, name: string, tell: Tell): Promise<InstalledFilter> {
  const isOwn = existsSync(join(folder, 'filter.json'));
  const parent = isOwn ? dirname(resolve(folder)) : folder;
  const known = isOwn
    ? [basename(resolve(folder))]
    : [...installedFilters(folder), ...authoredFilters({ sources: folder, built: '' })];
  if (known.length === 0)
    throw new WeirError(
      'FILTER_UNKNOWN',
      `filter "${name}": expected it in ${folder}, found no filter there`,
    );
  if (!known.includes(name)) throw unknownFilter(name, known);
  if (existsSync(join(parent, name, 'filter.wasm'))) return loadFilter(name, parent);
  const manifest = loadManifestOf(name, parent);
  const { module, sourceMap } = await compileModule(PACKAGE_FOLDER, join(parent, name), tell);
  return { manifest, module, sourceMap: () => sourceMap };
}

function isAuthored(sources: string, name: string): boolean {
  return NAME_PATTERN.test(name) && existsSync(join(sources, name, 'filter.ts'));
}

function unknownFilter(name: string, known: readonly string[]): WeirError {
  const expected = [...new Set(known)].sort().join(', ');
  return new WeirError('FILTER_UNKNOWN', `filter "${name}": expected one of ${expected}`);
}

/** True when the module is missing, or older than what it is made from. */
function isStale({ sources, built }: Project, name: string): boolean {
  const module = statSync(join(built, name, 'filter.wasm'), { throwIfNoEntry: false });
  const manifest = statSync(join(built, name, 'filter.json'), { throwIfNoEntry: false });
  if (!module || !manifest) return true;
  const folder = join(sources, name);
  const own = readdirSync(folder).filter(
    (file) => /\.ts$|^filter\.json$/.test(file) && !/\.test\.ts$/.test(file),
  );
  const isNewer = (path: string) => statSync(path).mtimeMs > module.mtimeMs;
  return own.some((file) => isNewer(join(folder, file))) || libraryChangedMs() > module.mtimeMs;
}

/** When the library last changed here: packages keep the times of their files, so that of their arrival counts. */
function libraryChangedMs(): number {
  const folder = join(PACKAGE_FOLDER, 'runtime');
  return Math.max(...readdirSync(folder).map((file) => statSync(join(folder, file)).ctimeMs));
}
