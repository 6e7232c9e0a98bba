/**
 * The self-test of a bundle: every sample gives the records that are beside it, on this device, before the filter takes the place of
 * another one. What the author saw is then what this device does, with its processor, its Node and its memory.
 *
 * It runs beside a host that works. The module is judged and compiled in a thread of its own; lines are handed over a batch at a
 * time, and between two of them events flow. What it can take is bounded: bytes by the archive, each call by the filter's fuel, all
 * calls together by `SELF_TEST_FUEL_MAX`, which is the same on every machine; the first record that differs ends it.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { DEFAULT_NOW, faultOf, memoryCursor, recordLine } from '../author/drive.js';
import { createEngine } from '../engine.js';
import { printable, WeirError } from '../errors.js';
import { type FilterInstance, startFilter } from '../filter/instance.js';
import { type Admission, admitBeside, warm } from '../filter/prepare.js';
import { SELF_TEST_BATCH_BYTES, SELF_TEST_FUEL_MAX } from '../limits.js';
import { instanceZonesBeside } from '../timezone.js';
import type { Bundle, BundleSample } from './bundle.js';

/** What is shown of a line that differs, and of what both begin with. */
const SHOWN_CHARACTERS_MAX = 200;
const SHOWN_BEFORE_CHARACTERS = 40;

/**
 * Runs all samples of a bundle; answers its module, judged and compiled. Throws SELF_TEST_FAILED with the sample and the first line that differs, or why it did not run.
 * Another `fuelMax` than the limit only for tests.
 */
export async function selfTest(
  bundle: Bundle,
  admit: Admission['admit'] = admitBeside,
  fuelMax = SELF_TEST_FUEL_MAX,
): Promise<WebAssembly.Module> {
  const { manifest, module, label } = bundle;
  const compiled = await failing(label, () => admit(manifest.name, module));
  let fuelLeft = fuelMax;
  for (const sample of bundle.samples) {
    const where = `${label}: samples/${sample.name}`;
    fuelLeft = await failing(where, () => testSample(bundle, compiled, sample, fuelLeft));
  }
  return compiled;
}

/** Answers how much of the fuel is left. */
async function testSample(
  { manifest, module }: Bundle,
  compiled: WebAssembly.Module,
  { bytes, expected, settings }: BundleSample,
  fuelMax: number,
): Promise<number> {
  const { config = {}, now = DEFAULT_NOW, timezone = 'UTC' } = settings;
  const zones = await instanceZonesBeside(timezone, 'timezone');
  const filter = startFilter({ manifest, module, config, zones, compile: () => compiled });
  for (const _ of warm(filter)) await breathe();
  const nowMs = Date.parse(now);
  const comparison = createComparison(manifest.name, expected);
  const engine = engineOf(filter, bytes, comparison.add);

  function look(): void {
    comparison.look();
    if (filter.fuelUsed() > fuelMax)
      throw failed(`expected up to ${fuelMax} fuel, which is left of what all samples may take, found more`);
  }
  async function goOn(): Promise<void> {
    while (engine.turn(nowMs)) {
      look();
      await breathe();
    }
  }
  await goOn();
  // Begins it; the rest is done in turns.
  engine.closeWindows(nowMs, Number.NEGATIVE_INFINITY);
  await goOn();
  look();
  comparison.end();
  await breathe();
  return fuelMax - filter.fuelUsed();
}

/** Time stands still, and nothing is sent, as in `weir test`; a filter is not forgiven anything. */
function engineOf(
  filter: FilterInstance,
  bytes: Uint8Array,
  add: (stream: string, record: Uint8Array) => void,
) {
  const { name } = filter.manifest;
  return createEngine({
    appliance: 'test',
    batchBytes: SELF_TEST_BATCH_BYTES,
    filters: [
      { instance: name, filter, format: 'cbor', cursors: new Map([['sample', memoryCursor(bytes)]]) },
    ],
    onRecord: (_instance, stream, record) => add(stream, record),
    onFilterEvent(_instance, event) {
      if (event.kind !== 'approved') throw faultOf(event, filter.ledger().in);
    },
  });
}

/** Holds records against the expected ones as they come. */
function createComparison(filter: string, expected: string) {
  let unseen: { readonly stream: string; readonly record: Buffer }[] = [];
  /** How far what was expected has come. */
  let at = 0;
  let lines = 0;

  function differ(found: string): never {
    const wanted = expected.slice(at, expected.indexOf('\n', at) + 1 || expected.length);
    throw failed(`line ${lines + 1}: ${differenceOf(wanted, found)}`);
  }
  return {
    add: (stream: string, record: Uint8Array) => void unseen.push({ stream, record: Buffer.from(record) }),
    /** Looks at what came since the last time. */
    look(): void {
      for (const { stream, record } of unseen) {
        const found = recordLine(filter, stream, record);
        if (!expected.startsWith(found, at)) differ(found);
        at += found.length;
        lines++;
      }
      unseen = [];
    },
    /** No more records will come. */
    end(): void {
      if (at < expected.length) differ('');
    },
  };
}

/** Two lines, from shortly before where they begin to differ. */
function differenceOf(wanted: string, found: string): string {
  let same = 0;
  while (same < wanted.length && wanted[same] === found[same]) same++;
  const from = same > SHOWN_CHARACTERS_MAX / 2 ? same - SHOWN_BEFORE_CHARACTERS : 0;
  const shown = (line: string) => {
    const text = line.trimEnd();
    if (text === '') return line === '' ? 'no record' : 'an empty line';
    const part = text.slice(from, from + SHOWN_CHARACTERS_MAX);
    return `${from > 0 ? '...' : ''}${part}${from + part.length < text.length ? '...' : ''}`;
  };
  return `expected ${shown(wanted)}, found ${shown(found)}`;
}

function failed(problem: string): WeirError {
  return new WeirError('SELF_TEST_FAILED', problem);
}

/** Whatever keeps a sample from giving its records, with its place. */
async function failing<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof WeirError)) throw cause;
    throw new WeirError('SELF_TEST_FAILED', printable(`${where}: ${cause.problem}`), { cause });
  }
}
