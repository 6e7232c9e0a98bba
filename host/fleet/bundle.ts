/**
 * A bundle: what is signed and pushed to appliances. One archive with all that a reviewer, and the appliance, needs of one version of a filter:
 *
 *     filter.wasm                 the module
 *     filter.json                 the manifest, as the author wrote it
 *     LICENSE                     under which both may be used
 *     samples/NAME                lines of events
 *     samples/NAME.expected       the records that they give
 *     samples/NAME.json           where there is one, settings: config, now and timezone
 *
 * Who unpacks a bundle has checked that it is whole, that each file is one of these, and what is in it but for two things: whether the module may
 * run, and whether it gives those records, which `selftest.ts` finds out beside a host that works.
 */
import { sha256Of } from '../digest.js';
import { checkSettings, EXPECTED, type SampleSettings, sampleNames, SETTINGS } from '../author/samples.js';
import { WeirError } from '../errors.js';
import { type InstalledFilter, versionLabel } from '../filter/library.js';
import { type Manifest, parseManifest, VERSION_PATTERN } from '../filter/manifest.js';
import { BUNDLE_SAMPLES_MAX, MANIFEST_BYTES_MAX, MODULE_BYTES_MAX } from '../limits.js';
import { parseJson, refusal } from '../validate.js';
import { NAME_PATTERN } from '../wire.js';
import { type ArchiveFiles, packArchive, unpackArchive } from './archive.js';

/** What goes into a bundle, as bytes. */
export interface BundleParts {
  readonly module: Uint8Array;
  /** `filter.json`. */
  readonly manifest: Uint8Array;
  readonly licence: Uint8Array;
  /** The files of `samples`, by their names in it. */
  readonly samples: ArchiveFiles;
}

export interface BundleSample {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The records that it gives, as `weir replay` prints them. */
  readonly expected: string;
  readonly settings: SampleSettings;
}

/** A filter that can be installed, and what belongs to it. */
export interface Bundle extends InstalledFilter {
  readonly samples: readonly BundleSample[];
  readonly licence: string;
  /** `name@version+hash`. */
  readonly label: string;
}

const MODULE = 'filter.wasm';
const MANIFEST = 'filter.json';
const LICENCE = 'LICENSE';
const SAMPLES = 'samples/';

/** What a manifest says of the data, which a fleet has to know and a trial need not. */
const ANSWERED = {
  retention: 'a sentence that says how long the records may be kept, such as "Records are kept for 90 days."',
  owner: 'who answers for the filter and its records, such as "Security operations"',
} as const;

/** Packs a bundle; the same parts give the same bytes everywhere. Throws BUNDLE_INVALID for what `unpackBundle` would refuse. */
export function packBundle(
  { module, manifest, licence, samples }: BundleParts,
  where = 'bundle',
): Uint8Array {
  const files = new Map([
    [MODULE, module],
    [MANIFEST, manifest],
    [LICENCE, licence],
    ...[...samples].map(([name, bytes]): [string, Uint8Array] => [`${SAMPLES}${name}`, bytes]),
  ]);
  bundleOf(files, where);
  return packArchive(files, where);
}

/** Unpacks a bundle and checks all of it. Throws BUNDLE_INVALID with the file, what was expected and what was found; `where` names the bundle. */
export function unpackBundle(bytes: Uint8Array, where = 'bundle'): Bundle {
  return bundleOf(unpackArchive(bytes, where), where);
}

/** SHA-256 of a bundle's bytes, in hex: what is signed. */
export function bundleHash(bytes: Uint8Array): string {
  return sha256Of(bytes);
}

/** Paths of bundles: name, version and the beginning of the module's hash. A name has no dot, so it can be read in one way only. */
export const BUNDLE_PATH_PATTERN = new RegExp(
  `^filters/(${inner(NAME_PATTERN)})-(${inner(VERSION_PATTERN)})-([0-9a-f]{12})\\.bundle$`,
);

/** The path of a bundle among all that is signed, `filters/NAME-VERSION-HASH.bundle`, from its label. */
export function bundlePath(label: string): string {
  return `filters/${label.replace(/[@+]/g, '-')}.bundle`;
}

/** The label of the bundle that lies at a path; `undefined` where no bundle can. */
export function labelOfPath(path: string): string | undefined {
  const [, name, version, hash] = BUNDLE_PATH_PATTERN.exec(path) ?? [];
  return name === undefined ? undefined : `${name}@${version}+${hash}`;
}

function bundleOf(files: ArchiveFiles, where: string): Bundle {
  const module = needFile(files, MODULE, where);
  if (module.length === 0 || module.length > MODULE_BYTES_MAX)
    throw invalid(
      where,
      MODULE,
      `expected a module of up to ${MODULE_BYTES_MAX} bytes, found ${module.length}`,
    );
  const manifest = manifestOf(needFile(files, MANIFEST, where), where);
  const licence = textOf(needFile(files, LICENCE, where), where, LICENCE);
  if (licence.trim() === '')
    throw invalid(where, LICENCE, 'expected the text of a licence, found nothing in it');
  const samples = samplesOf(files, where);
  return { manifest, module, samples, licence, label: versionLabel({ manifest, module }) };
}

function manifestOf(bytes: Uint8Array, where: string): Manifest {
  const manifest = asInvalid(() => parseManifest(jsonOf(bytes, where, MANIFEST), `${where}: ${MANIFEST}`));
  for (const key of ['retention', 'owner'] as const)
    if (manifest[key] === undefined)
      throw invalid(where, MANIFEST, `${key}: expected ${ANSWERED[key]}, found nothing`);
  return manifest;
}

/** Every file but the three is a sample or belongs to one: what nobody looks at could hold anything. */
function samplesOf(files: ArchiveFiles, where: string): BundleSample[] {
  const others = [...files.keys()].filter((name) => ![MODULE, MANIFEST, LICENCE].includes(name));
  const names = sampleNames(others.filter((name) => name.startsWith(SAMPLES)));
  const known = new Set(names.flatMap((name) => [name, `${name}${EXPECTED}`, `${name}${SETTINGS}`]));
  const unknown = others.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw invalid(
      where,
      unknown,
      `expected only ${MODULE}, ${MANIFEST}, ${LICENCE} and samples with their records and settings, found this file`,
    );
  if (names.length === 0 || names.length > BUNDLE_SAMPLES_MAX)
    throw invalid(
      where,
      'samples',
      `expected 1 to ${BUNDLE_SAMPLES_MAX} of them, found ${names.length || 'none'}`,
    );
  return names.map((name) => {
    const expected = textOf(needFile(files, `${name}${EXPECTED}`, where), where, `${name}${EXPECTED}`);
    const settings = settingsOf(files.get(`${name}${SETTINGS}`), where, `${name}${SETTINGS}`);
    return { name: name.slice(SAMPLES.length), bytes: needFile(files, name, where), expected, settings };
  });
}

function settingsOf(bytes: Uint8Array | undefined, where: string, file: string): SampleSettings {
  if (bytes === undefined) return {};
  return asInvalid(() => checkSettings(jsonOf(bytes, where, file), `${where}: ${file}`));
}

function needFile(files: ArchiveFiles, name: string, where: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes !== undefined) return bytes;
  throw invalid(where, name, 'expected this file, found none');
}

function textOf(bytes: Uint8Array, where: string, file: string): string {
  try {
    // Kept as it is: what is compared later has no other beginning than the file.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid(where, file, 'expected text in UTF-8, found bytes that are not UTF-8');
  }
}

function jsonOf(bytes: Uint8Array, where: string, file: string): unknown {
  if (bytes.length > MANIFEST_BYTES_MAX)
    throw invalid(where, file, `expected up to ${MANIFEST_BYTES_MAX} bytes, found ${bytes.length}`);
  return parseJson(bytes, `${where}: ${file}`, 'BUNDLE_INVALID');
}

/** What is wrong in a part of a bundle is wrong with the bundle. */
function asInvalid<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof WeirError)) throw cause;
    throw new WeirError('BUNDLE_INVALID', cause.problem, { cause, others: cause.others });
  }
}

function invalid(where: string, file: string, problem: string): WeirError {
  return refusal('BUNDLE_INVALID', where, `${file}: ${problem}`);
}

/** A pattern of a whole text, as a part of another one. */
function inner({ source }: RegExp): string {
  return source.replace(/^\^|\$$/g, '');
}
