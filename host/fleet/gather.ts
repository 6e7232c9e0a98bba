/**
 * Makes the bundle of a filter of an author's project: the module and manifest that were built, the samples beside its source, and the
 * licence. It is not for appliances, which only unpack.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findFilter, type Project, type Tell } from '../author/project.js';
import { EXPECTED, sampleNames, SETTINGS } from '../author/samples.js';
import { systemCode, WeirError } from '../errors.js';
import { SHIPPED_FILTERS } from '../filter/library.js';
import { BUNDLE_UNPACKED_BYTES_MAX } from '../limits.js';
import { needRegularFile, refusal } from '../validate.js';
import type { ArchiveFiles } from './archive.js';
import { packBundle } from './bundle.js';

const LICENCE = 'LICENSE';

/** The bundle of a filter of the project, built first where it is stale, or of a shipped one. Throws BUNDLE_INVALID for what is missing. */
export async function bundleFilter(project: Project, name: string, tell: Tell): Promise<Uint8Array> {
  const { module } = await findFilter(project, name, tell);
  const source = join(project.sources, name);
  const built = existsSync(join(project.built, name, 'filter.wasm')) ? project.built : SHIPPED_FILTERS;
  return packBundle(
    {
      module,
      manifest: readPart(join(built, name, 'filter.json')),
      licence: readPart(licencePath(source, dirname(project.sources))),
      samples: sampleFiles(join(source, 'samples')),
    },
    `bundle of ${name}`,
  );
}

/** That of the filter, where it has one of its own, else that of the project. */
function licencePath(source: string, root: string): string {
  const own = join(source, LICENCE);
  const common = join(root, LICENCE);
  if (existsSync(own)) return own;
  if (existsSync(common)) return common;
  throw refusal('BUNDLE_INVALID', common, `expected the text of a licence, here or in ${own}, found neither`);
}

/** The files of all samples; others in their folder stay there. */
function sampleFiles(folder: string): ArchiveFiles {
  const files = existsSync(folder)
    ? readdirSync(folder).filter((file) => statSync(join(folder, file)).isFile())
    : [];
  const names = sampleNames(files);
  if (names.length === 0)
    throw refusal(
      'BUNDLE_INVALID',
      folder,
      'expected samples with the records that they give, found none; a filter is tested on each appliance before it runs',
    );
  const wanted = names.flatMap((name) => [name, `${name}${EXPECTED}`, `${name}${SETTINGS}`]);
  return new Map(
    wanted.filter((file) => files.includes(file)).map((file) => [file, readPart(join(folder, file))]),
  );
}

/** Reads a file that has room in a bundle. */
function readPart(path: string): Uint8Array {
  needRegularFile('BUNDLE_INVALID', path);
  try {
    const { size } = statSync(path);
    if (size <= BUNDLE_UNPACKED_BYTES_MAX) return readFileSync(path);
    throw refusal('BUNDLE_INVALID', path, `expected up to ${BUNDLE_UNPACKED_BYTES_MAX} bytes, found ${size}`);
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw refusal('BUNDLE_INVALID', path, `expected a readable file, found ${systemCode(error)}`);
  }
}
