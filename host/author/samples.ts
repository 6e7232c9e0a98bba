/**
 * Samples of a filter: `samples/X` is input, `samples/X.expected` the records that it gives, as `weir replay` prints
 * them, and `samples/X.json`, where there is one, the settings: config, now and timezone.
 */
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import * as v from 'valibot';
import { systemCode, WeirError } from '../errors.js';
import { MANIFEST_BYTES_MAX } from '../limits.js';
import { isTimezone } from '../timezone.js';
import { check, object, plainObject, readJson, text } from '../validate.js';
import type { DriveOptions } from './drive.js';
import { lineDiff } from './linediff.js';
import { packedAs } from './packed.js';

export interface Sample {
  readonly name: string;
  readonly path: string;
  readonly bytes: Buffer;
  readonly settings: SampleSettings;
}

/** What a sample needs besides its lines: as `DriveOptions`, of which it is a part. */
export type SampleSettings = v.InferOutput<typeof Settings>;

/** What becomes of expected records that differ. */
export type GoldenMode = 'compare' | 'update';

export type Golden =
  | { readonly kind: 'same' | 'written' }
  /** Lines that say what is wrong. */
  | { readonly kind: 'differs'; readonly lines: readonly string[] };

/** What follows the name of a sample in those of its expected records and its settings. */
export const EXPECTED = '.expected';
export const SETTINGS = '.json';

const Settings = object({
  config: v.exactOptional(plainObject('an object')),
  now: v.exactOptional(
    text('a time such as "2026-01-31T12:00:00Z"', (value) => !Number.isNaN(Date.parse(value))),
  ),
  timezone: v.exactOptional(text('a zone such as "Europe/Berlin"', isTimezone)),
});

/** The samples of the filter in `folder`, by name. Throws SAMPLE_INVALID for settings that cannot be. */
export function readSamples(folder: string): Sample[] {
  const samples = join(folder, 'samples');
  if (!existsSync(samples)) return [];
  const files = readdirSync(samples).filter((file) => statSync(join(samples, file)).isFile());
  return sampleNames(files).map((name) => {
    const path = join(samples, name);
    const packed = packedAs(path);
    if (packed !== undefined)
      throw new WeirError(
        'INPUT_UNREADABLE',
        `${path}: expected lines, found data compressed with ${packed}`,
      );
    return { name, path, bytes: readFileSync(path), settings: readSettings(`${path}${SETTINGS}`) };
  });
}

/** What is beside the samples of the filter in `folder` and takes part in nothing, a line each. */
export function strayNotes(folder: string): string[] {
  const samples = join(folder, 'samples');
  if (!existsSync(samples)) return [];
  const entries = readdirSync(samples).filter((name) => !name.startsWith('.'));
  return entries.flatMap((name) => {
    const path = join(samples, name);
    if (statSync(path).isDirectory()) return [`${relative('', path)}: not looked into: samples are files`];
    const isStray = name.endsWith(EXPECTED) && !entries.includes(name.slice(0, -EXPECTED.length));
    return isStray ? [`${relative('', path)}: expected records of no sample`] : [];
  });
}

/** Which of these files are samples: all but hidden ones, expected records, and the settings of another one. */
export function sampleNames(files: readonly string[]): string[] {
  const isSettings = (file: string) =>
    file.endsWith(SETTINGS) && files.includes(file.slice(0, -SETTINGS.length));
  return files.filter((file) => !file.startsWith('.') && !file.endsWith(EXPECTED) && !isSettings(file));
}

/** Checks the settings of a sample. Throws SAMPLE_INVALID; `where` names their file. */
export function checkSettings(settings: unknown, where: string): SampleSettings {
  return check('SAMPLE_INVALID', where, Settings, settings);
}

/**
 * The settings of a run over `inputs`: what is given, and for the rest, where the input is one sample of the filter
 * (`NAME/samples/X`), what lies beside it. `tell` hears which settings those are.
 */
export function settingsFor(
  filter: string,
  inputs: readonly string[],
  given: DriveOptions,
  tell: (line: string) => void,
): DriveOptions {
  const [input = '', ...others] = inputs;
  const folder = dirname(resolve(input));
  const path = `${input}${SETTINGS}`;
  const isSample = basename(folder) === 'samples' && basename(dirname(folder)) === filter;
  if (!isSample || others.length > 0 || !existsSync(path)) return given;
  const beside: DriveOptions = readSettings(path);
  const used = Object.keys(beside).filter((name) => !(name in given));
  if (used.length > 0) tell(`${used.join(', ')} as in ${path}`);
  return { ...beside, ...given };
}

/** Compares the records of a sample with the expected ones, or writes them. */
export function holdAgainst({ path }: Sample, found: string, mode: GoldenMode): Golden {
  const expectedPath = `${path}${EXPECTED}`;
  const expected = existsSync(expectedPath) ? readFileSync(expectedPath, 'utf8') : undefined;
  if (found === expected) return { kind: 'same' };
  if (mode === 'update') {
    writeOutput(expectedPath, found);
    return { kind: 'written' };
  }
  if (expected === undefined)
    return {
      kind: 'differs',
      lines: [`${relative('', expectedPath)}: expected this file, found none; --update writes it`],
    };
  const differences = lineDiff(expected, found);
  return {
    kind: 'differs',
    lines: [
      '- expected, + found; --update takes over what is found',
      ...(differences.length > 0 ? differences : ['only the ends of lines differ']),
    ],
  };
}

/** Says at once that a file cannot be written, rather than after the work whose result it is to hold. */
export function needWritable(path: string): void {
  const folder = path.endsWith(sep) ? path : dirname(path);
  const unwritable = (what: string) => new WeirError('OUTPUT_UNWRITABLE', `${path}: ${what}`);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found?.isDirectory())
    throw unwritable(`expected the folder ${folder}, found ${found ? 'a file' : 'none'}`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw unwritable('expected a path of a file, found a folder');
  try {
    accessSync(existsSync(path) ? path : folder, constants.W_OK);
  } catch (error) {
    throw unwritable(`expected to write it, found ${systemCode(error)}`);
  }
}

/** Writes a file for the author. Throws OUTPUT_UNWRITABLE. */
export function writeOutput(path: string, content: string | Uint8Array): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: expected to write it, found ${systemCode(error)}`);
  }
}

function readSettings(path: string): SampleSettings {
  if (!existsSync(path)) return {};
  const codes = { unreadable: 'SAMPLE_INVALID', invalid: 'SAMPLE_INVALID' } as const;
  return checkSettings(readJson(path, MANIFEST_BYTES_MAX, codes), path);
}
