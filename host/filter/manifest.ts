/**
 * The manifest of a filter, `filter.json`: who it is, why it exists, its streams, and the memory it gets.
 *
 * What it says of purpose and selection is for auditors and never empty; what it says of memory is exact, and decided
 * before the filter's module is looked at. Unknown keys are errors.
 */
import * as v from 'valibot';
import {
  FAULT_BATCHES,
  FAULTS_DEFAULT,
  FILTER_MEMORY_BYTES_MAX,
  FUEL_DEFAULT,
  FUEL_MAX,
  FUEL_MIN,
  MANIFEST_BYTES_MAX,
  OUTPUT_BYTES_MAX,
  PAGE_BYTES,
} from '../limits.js';
import {
  check,
  mismatch,
  name,
  named,
  needRegularFile,
  pathOf,
  object,
  readJson,
  readSize,
  sizeText,
  refusal,
  text,
  textAs,
} from '../validate.js';
import { DEAD_STREAM, LEDGER_STREAM } from '../wire.js';

/** Bytes of each region, in the order of the memory. */
export interface MemoryRegions {
  readonly static: number;
  readonly state: number;
  readonly scratch: number;
  readonly input: number;
  readonly output: number;
}

/** `line`: the event as it was; `masked`: its shape, as `mask.ts` makes it; `length`: only how long it was. */
export type DeadLetter = (typeof DEAD_LETTERS)[number];
const DEAD_LETTERS = ['line', 'masked', 'length'] as const;

/** `low`: left out while the spool is half full; `normal`: waits; `high`: goes on where others wait. */
export type Priority = (typeof PRIORITIES)[number];
const PRIORITIES = ['low', 'normal', 'high'] as const;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly abi: number;
  /** Why this data is collected: what an auditor reads. */
  readonly purpose: string;
  readonly selects: string;
  readonly excludes: string;
  /** How long these data may be kept. A filter runs without it, but is not bundled. */
  readonly retention?: string;
  /** Who answers for it; needed as `retention` is. */
  readonly owner?: string;
  /** Name to description, in the order in which the module numbers them. */
  readonly streams: Readonly<Record<string, string>>;
  readonly memory: MemoryRegions;
  /** Instructions that one batch or tick may take; an event that is alone in its batch, more for its bytes. */
  readonly fuel: number;
  /** Faults in `FAULT_BATCHES` batches that are forgiven. */
  readonly faults: number;
  /** What a dead letter tells of its event. */
  readonly deadLetter: DeadLetter;
  /** What goes first, by stream, when the disk has not room for all; a stream that is not named is `normal`. */
  readonly priority: Readonly<Record<string, Priority>>;
  /** All regions, in whole pages: the exact size of the filter's memory. */
  readonly memoryBytes: number;
}

/** The guest ABI of this host. */
const ABI = 1;
const STREAMS_MAX = 16;
const VERSION_CHARACTERS_MAX = 64;
const REGION_BYTES_MIN = 4096;
/** Semantic Versioning 2.0.0 without build metadata: a message's header adds the module's hash in its place. */
export const VERSION_PATTERN =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*)?$/;

const sentence = text('a sentence');
const Manifest = object({
  name: name(),
  version: text('a version such as "1.0.0"', isVersion),
  abi: v.literal(ABI, `${ABI}, the ABI of this host`),
  purpose: sentence,
  selects: sentence,
  excludes: sentence,
  retention: v.exactOptional(sentence),
  owner: v.exactOptional(sentence),
  streams: v.pipe(
    named('streams', sentence, 1, STREAMS_MAX),
    v.rawCheck(checkNames),
    v.transform((streams): Readonly<Record<string, string>> => Object.fromEntries(streams)),
  ),
  memory: object({
    static: region(1024),
    state: region(0),
    scratch: region(REGION_BYTES_MIN),
    input: region(REGION_BYTES_MIN),
    output: region(REGION_BYTES_MIN, OUTPUT_BYTES_MAX),
  }),
  fuel: v.optional(wholeNumber(FUEL_MIN, FUEL_MAX), FUEL_DEFAULT),
  faults: v.optional(wholeNumber(0, FAULT_BATCHES), FAULTS_DEFAULT),
  dead_letter: v.optional(v.picklist(DEAD_LETTERS, `one of ${DEAD_LETTERS.join(', ')}`), 'line'),
  priority: v.optional(
    v.pipe(
      named('streams', v.picklist(PRIORITIES, `one of ${PRIORITIES.join(', ')}`), 0, STREAMS_MAX),
      v.transform((streams): Readonly<Record<string, Priority>> => Object.fromEntries(streams)),
    ),
    {},
  ),
});

/** Reads and checks a manifest. Throws MANIFEST_INVALID with the path of the wrong key. */
export function loadManifest(path: string): Manifest {
  needRegularFile('MANIFEST_INVALID', path);
  const codes = { unreadable: 'MANIFEST_INVALID', invalid: 'MANIFEST_INVALID' } as const;
  return parseManifest(readJson(path, MANIFEST_BYTES_MAX, codes), path);
}

/** Checks a manifest; `where` names it in errors. */
export function parseManifest(value: unknown, where: string): Manifest {
  const manifest = check('MANIFEST_INVALID', where, Manifest, value);
  const sum = Object.values(manifest.memory).reduce((total, bytes) => total + bytes, 0);
  const memoryBytes = Math.ceil(sum / PAGE_BYTES) * PAGE_BYTES;
  if (memoryBytes > FILTER_MEMORY_BYTES_MAX) {
    const problem = `memory: expected at most ${sizeText(FILTER_MEMORY_BYTES_MAX)} in all, found ${sizeText(memoryBytes)}`;
    throw refusal('MANIFEST_INVALID', where, problem);
  }
  const unknown = Object.keys(manifest.priority).find((stream) => !(stream in manifest.streams));
  if (unknown !== undefined) {
    const problem = mismatch(`streams of this filter (${Object.keys(manifest.streams).join(', ')})`, unknown);
    throw refusal('MANIFEST_INVALID', where, `priority: ${problem}`);
  }
  const { dead_letter: deadLetter, ...rest } = manifest;
  return { ...rest, deadLetter, memoryBytes };
}

/** A manifest as it would be written in a file: `parseManifest` gives the same again. */
export function manifestSource({ deadLetter, memoryBytes: _, memory, priority, ...rest }: Manifest): unknown {
  const regions = Object.entries(memory).map(([name, bytes]) => [name, sizeText(bytes)]);
  const some = Object.keys(priority).length > 0 ? { priority } : {};
  return { ...rest, ...some, memory: Object.fromEntries(regions), dead_letter: deadLetter };
}

function region(least: number, most = FILTER_MEMORY_BYTES_MAX) {
  const expected = `a size from ${sizeText(least)} to ${sizeText(most)} in multiples of 16 B, such as "64KiB"`;
  return textAs(expected, (value) => {
    const bytes = readSize(value);
    return bytes !== undefined && bytes % 16 === 0 && bytes >= least && bytes <= most ? bytes : undefined;
  });
}

function wholeNumber(least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`;
  return v.custom<number>(
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
    expected,
  );
}

function isVersion(value: string): boolean {
  return value.length <= VERSION_CHARACTERS_MAX && VERSION_PATTERN.test(value);
}

/** JavaScript objects put keys that are numbers first; the module numbers its streams as they are written. */
function checkNames({ dataset, addIssue }: v.RawCheckContext<readonly (readonly [string, string])[]>): void {
  if (!dataset.typed) return;
  for (const [stream] of dataset.value) {
    if (/^\d+$/.test(stream)) {
      addIssue({ message: mismatch('a name that is not a number', stream), path: pathOf(stream) });
    }
    if (stream === LEDGER_STREAM || stream === DEAD_STREAM) {
      const expected = 'another name, because the host writes the stream of this one';
      addIssue({ message: mismatch(expected, stream), path: pathOf(stream) });
    }
  }
}
