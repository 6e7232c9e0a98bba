/**
 * The versions of the filters that the config names: which one is started first, and how another one takes its place.
 *
 * A swap is prepared beside the running filter, and refused for any reason without touching it. The state goes over by name
 * where the config is the same; another config may mean other things by the same names, so then what is open is told first.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import type { Config, FilterConfig } from './config.js';
import type { Engine } from './engine.js';
import { oneLine, printable, WeirError } from './errors.js';
import { FilterFault } from './filter/fault.js';
import { type FilterInstance, startFilter } from './filter/instance.js';
import {
  type InstalledFilter,
  versionLabel,
  installedFilters,
  loadFilter,
  SHIPPED_FILTERS,
  readModuleFile,
} from './filter/library.js';
import { loadManifest } from './filter/manifest.js';
import { admitBeside, warm } from './filter/prepare.js';
import { instanceZones, instanceZonesBeside, type Transition } from './timezone.js';
import { RECOVERY_LOOK_MS } from './limits.js';
import { createProbations } from './probations.js';
import { mismatch } from './validate.js';

/** Versions that are remembered to name them when they come back. */
const EARLIER_MAX = 8;

/** What ran before. One that is not known to be good comes back only from the probation of the one behind it. */
interface Earlier {
  readonly version: Installed;
  readonly isProven: boolean;
}

/** A filter of the config and what it runs. */
export interface Installed {
  readonly entry: FilterConfig;
  readonly loaded: InstalledFilter;
  /** What takes time, where it was made already beside a host that works: its module, judged and compiled, and its zone. */
  readonly compiled?: WebAssembly.Module;
  readonly zones?: readonly Transition[];
}

/** The same, ready to be started at once. Throws MODULE_REFUSED. */
export async function prepared(next: Installed): Promise<Installed> {
  const { entry, loaded } = next;
  const { manifest, module } = loaded;
  const compiled = next.compiled ?? (await admitBeside(manifest.name, module));
  const zones = next.zones ?? (await instanceZonesBeside(entry.timezone, zoneKey(entry)));
  return { ...next, compiled, zones };
}

function zoneKey({ instance }: FilterConfig): string {
  return `filters.${instance}.timezone`;
}

/** Loads what an entry of the config names. */
export function loadEntry(entry: FilterConfig, filterDir: string | undefined): Installed {
  return { entry, loaded: loadFilter(entry.filter, folderOf(entry, filterDir)) };
}

/** The same of all entries. Those of one filter share its module, which is then read, judged and compiled once. */
export function loadEntries(
  entries: readonly FilterConfig[],
  filterDir: string | undefined,
): readonly Installed[] {
  const known = new Map<string, InstalledFilter>();
  return entries.map((entry) => {
    const loaded = known.get(entry.filter) ?? loadEntry(entry, filterDir).loaded;
    known.set(entry.filter, loaded);
    return { entry, loaded };
  });
}

/** Where the filter of an entry lies: an own one, or one that is shipped. */
function folderOf({ filter }: FilterConfig, filterDir: string | undefined): string {
  const isOwn = filterDir !== undefined && installedFilters(filterDir).includes(filter);
  return isOwn ? filterDir : SHIPPED_FILTERS;
}

export function startEntry(installed: Installed): FilterInstance {
  const { entry, loaded, compiled, zones = instanceZones(entry.timezone, zoneKey(entry)) } = installed;
  const { manifest, module } = loaded;
  const compile = compiled && (() => compiled);
  return startFilter({ manifest, module, config: entry.config, zones, ...(compile ? { compile } : {}) });
}

export interface VersionsOptions {
  readonly engine: Engine;
  readonly installed: readonly Installed[];
  readonly filterDir: string | undefined;
  readonly now: () => number;
  /** Throws MEMORY_BUDGET when these do not fit, beside the versions that are kept while their successors are on probation. */
  readonly checkMemory: (installed: readonly Installed[], kept: readonly Installed[]) => void;
  /** A filter was swapped. */
  readonly tell: (instance: string, line: string) => void;
}

export interface Versions {
  /**
   * Puts another version, read from files, in the place of a running filter, or brings one back that is out; answers a line that says
   * what was done. Throws a WeirError, and the running one is untouched.
   */
  swapFiles(instance: string, modulePath: string, manifestPath: string): Promise<string>;
  /** The same for a version that is loaded. */
  swapTo(next: Installed): Promise<string>;
  /** The same at the start, for what is installed: where what ran before is not known to be good, there is no way back to it. */
  upgrade(next: Installed, wasGood: boolean): Promise<string>;
  /**
   * Goes over to another config: swaps every filter whose module, manifest or config is another one. Answers a line for each thing that
   * was done, that could not be done, or that needs a restart, which is what is otherwise than in the config that the host started with.
   */
  reload(config: Config, started: Config): Promise<readonly string[]>;
  /** Waits until the version that runs has passed its probation, and answers a line. Throws PROBATION_FAILED when it has not. */
  passed(instance: string): Promise<string>;
  /** The version that runs has passed its probation, the one before took over again, or none runs any more, as the text says. */
  happened(instance: string, kind: 'approved' | 'returned' | 'out', text: string): void;
  /** What runs. */
  running(instance: string): Installed;
  /** The host stops: who waits for a probation hears it. */
  stop(): void;
}

export function createVersions(options: VersionsOptions): Versions {
  const { engine, installed, filterDir, now, checkMemory, tell } = options;
  const running = new Map(installed.map((one) => [one.entry.instance, one]));
  /** What may come back, the latest last. */
  const earlier = new Map<string, Earlier[]>();
  const busy = new Set<string>();
  const probations = createProbations();

  function runningOf(instance: string): Installed {
    const current = running.get(instance);
    if (current) return current;
    const known = [...running.keys()].join(', ');
    throw new WeirError('SWAP_REFUSED', `filter "${printable(instance)}": expected one that runs (${known})`);
  }

  function provenOf(instance: string): Earlier[] {
    return (earlier.get(instance) ?? []).filter(({ isProven }) => isProven);
  }

  const isOut = (instance: string) => engine.slot(instance)?.isOut() === true;

  async function prepare(next: Installed): Promise<FilterInstance> {
    const { instance } = next.entry;
    const kept = [...running.keys()].filter((one) => one !== instance && engine.slot(one)?.isOnProbation());
    checkMemory(
      [...running.values()].map((one) => (one.entry.instance === instance ? next : one)),
      kept.flatMap((one) => earlier.get(one)?.at(-1)?.version ?? []),
    );
    const filter = startEntry(await prepared(next));
    for (const _ of warm(filter)) await breathe();
    return filter;
  }

  /** A new version takes over from the one that runs. */
  function handOver(current: Installed, next: Installed, filter: FilterInstance, keeps: boolean): string {
    const { instance } = next.entry;
    const flushes = isOtherwiseMeant(current, next);
    const isProven = keeps && !engine.slot(instance)?.isOnProbation();
    const missing = engine.swap(instance, filter, now(), { flushes, keeps });
    const before = keeps ? [{ version: current, isProven }] : [];
    earlier.set(instance, [...provenOf(instance), ...before].slice(-EARLIER_MAX));
    return `${changeText(current, next)}${told(flushes, missing)}`;
  }

  /** At rest: to ask all the time would use up the processor time that the recovery needs. */
  async function atRest(instance: string): Promise<void> {
    while (engine.isBusy(instance)) await pause(RECOVERY_LOOK_MS);
  }

  /** Open windows that the next version cannot take over are told before, in turns, which holds up nobody else. */
  async function tellOpen(next: Installed, filter: FilterInstance): Promise<void> {
    const { instance } = next.entry;
    const current = runningOf(instance);
    if (isOut(instance)) return;
    if (!isOtherwiseMeant(current, next) && engine.missing(instance, filter).length === 0) return;
    const fault = await engine.tellOpen(instance, now());
    if (fault !== undefined) throw untold(instance, current, next, fault);
  }

  /** One that is out goes on; there is nothing that it could fall back to. */
  function bringBack(out: Installed, next: Installed, filter: FilterInstance): string {
    const { instance } = next.entry;
    engine.bringBack(instance, filter, now());
    earlier.delete(instance);
    return `${changeText(out, next)}; it was taken out, so it begins anew, in files where it had stopped`;
  }

  async function swap(next: Installed, keeps = true): Promise<string> {
    const { instance } = next.entry;
    let current = runningOf(instance);
    checkSame(current, next);
    if (isSame(current, next) && !isOut(instance)) return `${versionLabel(next.loaded)} runs already`;
    if (busy.has(instance))
      throw new WeirError('SWAP_REFUSED', `filter ${instance}: another swap of it is being prepared`);
    busy.add(instance);
    try {
      const filter = await prepare(next);
      await atRest(instance);
      await tellOpen(next, filter);
      // The version before may have come back meanwhile.
      current = runningOf(instance);
      const line = isOut(instance)
        ? bringBack(current, next, filter)
        : handOver(current, next, filter, keeps);
      tell(instance, line);
      probations.end(instance, `${versionLabel(next.loaded)} has taken its place`);
      running.set(instance, next);
      return line;
    } finally {
      engine.release(instance);
      busy.delete(instance);
    }
  }

  return {
    async swapFiles(instance, modulePath, manifestPath) {
      // First what was named: a path that is not there has no manifest beside it either.
      const module = readModuleFile(modulePath);
      const manifest = loadManifest(manifestPath);
      const { entry } = runningOf(instance);
      return swap({ entry, loaded: { manifest, module } });
    },
    swapTo: (next) => swap(next),
    upgrade: swap,
    async reload(config, started) {
      const lines = restartNeeded(config, started);
      for (const entry of config.filters) {
        // Another one may be under way, as at the start.
        while (busy.has(entry.instance)) await pause(RECOVERY_LOOK_MS);
        const current = running.get(entry.instance);
        if (!current) continue;
        const { from, format } = current.entry;
        try {
          const next = loadEntry({ ...entry, from, format }, filterDir);
          if (!isSame(current, next)) lines.push(`filter ${entry.instance}: ${await swap(next)}`);
        } catch (error) {
          const path = join(folderOf(entry, filterDir), entry.filter);
          lines.push(
            `filter ${entry.instance}: ${path} is not taken, nothing was changed: ${oneLine(error)}`,
          );
        }
      }
      return lines;
    },
    running: runningOf,
    stop: () => probations.endAll('the host stopped before it was over'),
    async passed(instance) {
      const version = versionLabel(runningOf(instance).loaded);
      await probations.passed(instance, version);
      return `${version} has passed its probation`;
    },
    happened(instance, kind, text) {
      if (kind === 'approved') earlier.set(instance, provenOf(instance));
      const previous = kind === 'returned' ? earlier.get(instance)?.pop() : undefined;
      if (previous) running.set(instance, previous.version);
      probations.end(instance, kind === 'approved' ? undefined : text);
    },
  };
}

/** What a reload does not touch, a line for each. */
function restartNeeded(next: Config, started: Config): string[] {
  const lines: string[] = [];
  const add = (what: string, how = 'changed') => lines.push(`${what}: ${how}; it needs a restart`);
  for (const key of ['appliance', 'data', 'inboxes', 'nats', 'sources', 'limits', 'disk'] as const)
    if (!isDeepStrictEqual(next[key], started[key])) add(key);
  const gone = new Map(started.filters.map((filter) => [filter.instance, filter]));
  for (const { instance, from, format } of next.filters) {
    const old = gone.get(instance);
    if (!old) add(`filters.${instance}`, 'new');
    else if (!isDeepStrictEqual([old.from, old.format], [from, format]))
      add(`filters.${instance}.from or format`);
    gone.delete(instance);
  }
  for (const instance of gone.keys()) add(`filters.${instance}`, 'gone');
  return lines;
}

/** The label is that of the module and the version's name: what else is another one would not show. */
function changeText(current: Installed, next: Installed): string {
  const [from, to] = [current, next].map(({ loaded }) => versionLabel(loaded));
  if (from !== to) return `${from} -> ${to}`;
  return isDeepStrictEqual(current.loaded.manifest, next.loaded.manifest)
    ? `${to}`
    : `${to} with another manifest`;
}

/** What the one counts the other cannot go on with. */
function isOtherwiseMeant(current: Installed, next: Installed): boolean {
  return (
    !isDeepStrictEqual(current.entry.config, next.entry.config) ||
    current.entry.timezone !== next.entry.timezone
  );
}

function told(flushes: boolean, missing: readonly string[]): string {
  if (missing.length > 0)
    return `; begins anew, declared otherwise than before: ${missing.join(', ')}; open windows were told as partial ones`;
  return flushes
    ? '; its config is another one, so open windows were told as partial ones'
    : '; state taken over';
}

/** What the present version does wrong when it is to tell its windows must not look as if the next one did it. */
function untold(instance: string, current: Installed, next: Installed, fault: unknown): unknown {
  if (!(fault instanceof FilterFault)) return fault;
  const [is, wanted] = [current, next].map(({ loaded }) => versionLabel(loaded));
  return new WeirError(
    'SWAP_REFUSED',
    `filter ${instance}: ${is}, which runs on, cannot tell its open windows (${fault.problem}), and ${wanted} cannot take them over: expected a version that declares the same tables, with the same config, first`,
    { cause: fault },
  );
}

/** Another filter under the same name would be a surprise to whoever reads its records. */
function checkSame(current: Installed, next: Installed): void {
  const [is, name] = [current.loaded.manifest.name, next.loaded.manifest.name];
  if (is === name) return;
  throw new WeirError(
    'SWAP_REFUSED',
    `filter ${current.entry.instance}: ${mismatch(`a version of ${is}`, name)}`,
  );
}

function isSame(one: Installed, other: Installed): boolean {
  return (
    isDeepStrictEqual(one.entry, other.entry) &&
    isDeepStrictEqual(one.loaded.manifest, other.loaded.manifest) &&
    Buffer.compare(one.loaded.module, other.loaded.module) === 0
  );
}
