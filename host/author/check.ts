/**
 * `weir test`: everything that is checked of one filter. It is built where it is stale; then its unit tests, its
 * samples and the properties of every filter are looked at, and its cost is measured on this machine.
 */
import { join, relative } from 'node:path';
import { oneLine, WeirError } from '../errors.js';
import type { InstalledFilter } from '../filter/library.js';
import { driveFilter } from './drive.js';
import { findFilter, type Project, type Tell } from './project.js';
import { propertiesOf, repeated } from './properties.js';
import { type GoldenMode, holdAgainst, readSamples, type Sample, strayNotes } from './samples.js';
import { runUnitTests } from './unittests.js';

export interface Check {
  /** The same whatever comes of it: machines follow it from run to run. */
  readonly name: string;
  /** How many tests have passed in it, where it is many. */
  readonly tests?: number;
  /** Those that told of themselves. */
  readonly parts?: readonly Check[];
  /** Lines that say what is wrong; none when it passed. */
  readonly problem: readonly string[];
  readonly ms: number;
}

/** What the samples come to, all together. */
export interface Figures {
  readonly events: number;
  readonly records: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Instructions for an event, as the meter counts them. */
  readonly eventFuel: number;
  /** What the dearest event, or part of a closing window, takes, and may take. */
  readonly turnFuel: number;
  readonly turnFuelMax: number;
  /** Filtering and packing an event, on the machine that ran this. */
  readonly eventNs: number;
}

export interface FilterReport {
  readonly filter: string;
  readonly checks: readonly Check[];
  readonly notes: readonly string[];
  /** Absent where it does not build. */
  readonly memoryBytes?: number;
  /** Absent without samples that run. */
  readonly figures?: Figures;
}

export interface CheckOptions {
  readonly project: Project;
  /** Where unit tests run. */
  readonly folder: string;
  readonly golden: GoldenMode;
  /** What happens meanwhile. */
  readonly tell: Tell;
}

/** Runs of a sample of which the fastest counts: the first ones are slow while the module is still optimised. */
const MEASURED_RUNS = 5;

/** Checks a filter. One that does not build, or whose samples cannot be read, has that one check, which failed. */
export async function checkFilter(name: string, options: CheckOptions): Promise<FilterReport> {
  const startMs = performance.now();
  let mistakes = '';
  try {
    const filter = await findFilter(options.project, name, (text) => (mistakes += text));
    return await checkBuilt(name, filter, readSamples(join(options.project.sources, name)), options);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    const check = {
      name: 'it builds, and its samples can be read',
      problem: [...mistakes.split('\n').filter((line) => line !== ''), oneLine(error), ...error.others],
      ms: performance.now() - startMs,
    };
    return { filter: name, checks: [check], notes: [] };
  }
}

async function checkBuilt(
  name: string,
  filter: InstalledFilter,
  samples: readonly Sample[],
  options: CheckOptions,
): Promise<FilterReport> {
  const { project, golden } = options;
  const { memoryBytes } = filter.manifest;
  const notes = strayNotes(join(project.sources, name));
  const checks: Check[] = [];
  const start = timed('it starts', () => startProblem(filter, samples));
  const isStarting = start.problem.length === 0;
  // Unit tests bring configs of their own.
  if (isStarting || start.problem[0]?.startsWith('FILTER_CONFIG'))
    checks.push(...(await unitTestCheck(name, options, notes)));
  if (samples.length === 0) {
    notes.push(
      `no samples: put lines into ${relative('', join(project.sources, name, 'samples'))}, then "weir test ${name} --update"`,
    );
  }
  if (!isStarting) {
    const others = checks.length > 0 ? '' : 'unit tests, ';
    notes.push(`left out, because it does not start: ${others}samples, and what holds for every filter`);
    return { filter: name, checks: [start, ...checks], notes, memoryBytes };
  }
  const running: Sample[] = [];
  for (const sample of samples) {
    const prove = () => {
      const found = driveFilter(filter, sample.settings).feed(sample.bytes).end().text();
      running.push(sample);
      return goldenProblem(sample, found, golden, notes);
    };
    checks.push(timed(`samples/${sample.name}`, prove));
  }
  if (running.length < samples.length)
    notes.push('samples that fail to run are left out of what holds for every filter');
  if (running.length > 0 || samples.length === 0)
    for (const { name: claim, prove } of propertiesOf(filter, running)) checks.push(timed(claim, prove));
  const figures = measured(filter, samples);
  return { filter: name, checks: toldOnce(checks), notes, memoryBytes, ...(figures ? { figures } : {}) };
}

/** Why it starts with none of the settings that it is meant for: then every other check would say the same. */
function startProblem(filter: InstalledFilter, samples: readonly Sample[]): string[] {
  const settings = samples.length > 0 ? samples.map((sample) => sample.settings) : [{}];
  let problem: string[] = [];
  for (const each of settings) {
    try {
      driveFilter(filter, each);
      return [];
    } catch (error) {
      if (problem.length === 0) problem = [oneLine(error)];
    }
  }
  return problem;
}

async function unitTestCheck(
  name: string,
  { project, folder, tell }: CheckOptions,
  notes: string[],
): Promise<Check[]> {
  const startMs = performance.now();
  const unit = await runUnitTests(project, name, folder, tell);
  if (unit.kind === 'none') {
    notes.push('no unit tests: write filter.test.mjs beside the filter');
    return [];
  }
  const problem = unit.kind === 'failed' ? unit.lines : [];
  const tests = unit.kind === 'passed' ? { tests: unit.tests } : {};
  const parts = unit.told.map((test) => ({ ...test, name: `unit tests: ${test.name}` }));
  return [{ name: 'unit tests', problem, ms: performance.now() - startMs, parts, ...tests }];
}

/** What fails several checks for the same reason is told with the first of them. */
function toldOnce(checks: readonly Check[]): Check[] {
  const toldBy = new Map<string, string>();
  return checks.map((check) => {
    const problem = check.problem.join('\n');
    const first = toldBy.get(problem);
    if (problem === '' || first === undefined) {
      toldBy.set(problem, check.name);
      return check;
    }
    return { ...check, problem: [`for the same reason as "${first}"`] };
  });
}

export function hasFailed({ checks }: FilterReport): boolean {
  return checks.some(({ problem }) => problem.length > 0);
}

function timed(name: string, prove: () => readonly string[]): Check {
  const startMs = performance.now();
  let problem: readonly string[];
  try {
    problem = prove();
  } catch (error) {
    problem = [oneLine(error)];
  }
  return { name, problem, ms: performance.now() - startMs };
}

function goldenProblem(sample: Sample, found: string, mode: GoldenMode, notes: string[]): readonly string[] {
  const golden = holdAgainst(sample, found, mode);
  if (golden.kind === 'written') notes.push(`wrote ${relative('', sample.path)}.expected`);
  return golden.kind === 'differs' ? golden.lines : [];
}

/** The figures of all samples together; `undefined` where there are none, or one does not run. */
function measured(filter: InstalledFilter, samples: readonly Sample[]): Figures | undefined {
  if (samples.length === 0) return undefined;
  try {
    const parts = samples.map((sample) => measuredSample(filter, sample));
    const sum = (of: (part: (typeof parts)[number]) => number) =>
      parts.reduce((total, part) => total + of(part), 0);
    return {
      events: sum(({ events }) => events),
      records: sum(({ records }) => records),
      bytesIn: sum(({ bytesIn }) => bytesIn),
      bytesOut: sum(({ bytesOut }) => bytesOut),
      eventFuel:
        sum(({ fuel }) => fuel) /
        Math.max(
          1,
          sum(({ events }) => events),
        ),
      turnFuel: Math.max(...parts.map(({ turnFuel }) => turnFuel)),
      turnFuelMax: filter.manifest.fuel,
      eventNs:
        sum(({ fastestMs }) => fastestMs * 1e6) /
        Math.max(
          1,
          sum(({ measuredEvents }) => measuredEvents),
        ),
    };
  } catch {
    // What keeps it from running is told by the checks.
    return undefined;
  }
}

function measuredSample(filter: InstalledFilter, { bytes, settings }: Sample) {
  const once = driveFilter(filter, settings).feed(bytes).end();
  const input = repeated(bytes);
  let fastestMs = Number.POSITIVE_INFINITY;
  let measuredEvents = 0;
  for (let run = 0; run < MEASURED_RUNS; run++) {
    const driven = driveFilter(filter, settings);
    const startMs = performance.now();
    driven.feed(input).end();
    fastestMs = Math.min(fastestMs, performance.now() - startMs);
    measuredEvents = driven.ledger().in;
  }
  const { in: events } = once.ledger();
  const records = once.records().length;
  return {
    events,
    records,
    bytesIn: bytes.length,
    bytesOut: once.bytes().length,
    fuel: once.fuelUsed(),
    turnFuel: driveFilter(filter, { ...settings, batchBytes: 1 })
      .feed(bytes)
      .end()
      .dearestTurn(),
    fastestMs,
    measuredEvents,
  };
}
