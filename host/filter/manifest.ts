/**
 * The manifest of a filter, `filter.json`: who it is, why it exists, its streams, and the memory it gets.
 */
import { readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { oneLine, WeirError } from '../errors.js';
import { FILTER_MEMORY_BYTES_MAX, MANIFEST_BYTES_MAX, OUTPUT_BYTES_MAX, PAGE_BYTES } from '../limits.js';
import { check, object, readSize, text, textAs } from '../validate.js';
import { NAME_PATTERN } from '../wire.js';

/** Bytes of each region, in the order of the memory. */
export interface MemoryRegions {
  readonly static: number;
  readonly state: number;
  readonly scratch: number;
  readonly input: number;
  readonly output: number;
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly abi: number;
  /** Why this data is collected: what an auditor reads. */
  readonly purpose: string;
  readonly selects: string;
  readonly excludes: string;
  /** Name to description, in the order in which the module numbers them. */
  readonly streams: Readonly<Record<string, string>>;
  readonly memory: MemoryRegions;
  /** All regions, in whole pages: the exact size of the filter's memory. */
  readonly memoryBytes: number;
}

const STREAMS_MAX = 16;
const REGION_BYTES_MIN = 4096;
const SEMVER = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]{1,32})?$/;

function region(least: number, most = FILTER_MEMORY_BYTES_MAX) {
  const expected = `a size from ${least} B to ${most} B in multiples of 16 B, such as "64KiB"`;
  return textAs(expected, (value) => {
    const bytes = readSize(value);
    return bytes !== undefined && bytes % 16 === 0 && bytes >= least && bytes <= most ? bytes : undefined;
  });
}

const name = text('a name of 1 to 63 letters, digits, _ and -', (value) => NAME_PATTERN.test(value));
const sentence = text('a sentence');
const Manifest = object({
  name,
  version: text('a version such as "1.0.0"', (value) => SEMVER.test(value)),
  abi: v.number('a whole number'),
  purpose: sentence,
  selects: sentence,
  excludes: sentence,
  streams: v.pipe(
    v.record(name, sentence, 'an object of stream names and descriptions'),
    v.check((streams) => inRange(Object.keys(streams).length, 1, STREAMS_MAX), `1 to ${STREAMS_MAX} streams`),
  ),
  memory: object({
    static: region(1024),
    state: region(0),
    scratch: region(REGION_BYTES_MIN),
    input: region(REGION_BYTES_MIN),
    output: region(REGION_BYTES_MIN, OUTPUT_BYTES_MAX),
  }),
});

/** Reads and checks a manifest. Throws MANIFEST_INVALID with the path of the wrong key. */
export function loadManifest(path: string): Manifest {
  let value: unknown;
  try {
    const { size } = statSync(path);
    if (size > MANIFEST_BYTES_MAX)
      throw new Error(`expected up to ${MANIFEST_BYTES_MAX} bytes, found ${size}`);
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new WeirError('MANIFEST_INVALID', `${path}: ${oneLine(error)}`);
  }
  return parseManifest(value, path);
}

/** Checks a manifest; `where` names it in errors. */
export function parseManifest(value: unknown, where: string): Manifest {
  const manifest = check('MANIFEST_INVALID', where, Manifest, value);
  const sum = Object.values(manifest.memory).reduce((total, bytes) => total + bytes, 0);
  const memoryBytes = Math.ceil(sum / PAGE_BYTES) * PAGE_BYTES;
  if (memoryBytes > FILTER_MEMORY_BYTES_MAX) {
    throw new WeirError(
      'MANIFEST_INVALID',
      `${where}: memory: expected at most ${FILTER_MEMORY_BYTES_MAX} bytes in all, found ${memoryBytes}`,
    );
  }
  return { ...manifest, memoryBytes };
}

function inRange(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
