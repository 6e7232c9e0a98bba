/**
 * Brings what is assigned to run: tried on this device first, then swapped in while events flow. Whatever fails costs its own filter
 * alone, which goes on as it is.
 *
 * What is new among the filters, or reads other sources, needs the host put together anew: it is stopped in order and goes on
 * at once, with nothing lost of what can be read again.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AssignedHost } from '../assigner.js';
import { type ErrorCode, oneLine, WeirError } from '../errors.js';
import { versionLabel } from '../filter/library.js';
import type { Admission } from '../filter/prepare.js';
import { mismatch } from '../validate.js';
import { type Installed, prepared } from '../versions.js';
import type { Attempts, Selection, Wanted } from './assigned.js';
import type { Release } from './assignment.js';
import type { Act } from './audit.js';
import type { Passed } from './passed.js';
import { selfTest } from './selftest.js';

export interface ApplyOptions {
  /** Names of filters in the config of this machine, which no assignment touches. */
  readonly own: readonly string[];
  readonly attempts: Attempts;
  readonly passed: Passed;
  readonly admission: Admission;
  readonly note: (act: Act) => void;
  readonly now: () => number;
  readonly print: (line: string) => void;
}

/** What helps where a release is at fault that was pushed: not the config of this machine. */
const REMEDIES_OF_A_PUSH: Partial<Record<ErrorCode, string>> = {
  SOURCE_INVALID: 'push it with --from of a source that this machine has',
  FILTER_CONFIG: 'push it with another --filter-config',
};

function whyNot(error: unknown): string {
  const remedy = error instanceof WeirError ? REMEDIES_OF_A_PUSH[error.code] : undefined;
  if (!(error instanceof WeirError) || remedy === undefined) return oneLine(error);
  return oneLine(`${error.code}: ${error.problem}; ${remedy}`);
}

/**
 * `done`: all that is wanted runs, or will with the restart that was asked for. `choose again`: some of it cannot run here. `later`: a filter
 * is in the middle of something.
 */
export type Applied = 'done' | 'choose again' | 'later';

export interface Apply {
  apply(host: AssignedHost, selection: Selection): Promise<Applied>;
  /** Tries what has not been tried here yet, before a host starts with it; false when some of it cannot run, and is to be chosen again. */
  tryAll(selection: Selection): Promise<boolean>;
}

export function createApply(options: ApplyOptions): Apply {
  const { own, attempts, passed, admission, note, now, print } = options;
  function refuse(instance: string, release: Release, reason: string): void {
    if (attempts.hasFailed(instance, release)) return;
    const { version, rollout } = release;
    attempts.note(instance, { version, rollout, state: 'refused', reason, ts: now() });
    print(`fleet: filter ${instance}: ${version} refused: ${reason}`);
    note({ ...actOf('refused', instance, null, release), error: reason });
  }

  /** What is wanted, tried here; nothing when it cannot run, which is written down. */
  async function tried(
    host: AssignedHost,
    instance: string,
    wanted: Wanted,
    beside: readonly [string, Wanted][],
  ): Promise<Wanted | undefined> {
    const { release, bundle } = wanted;
    try {
      if (own.includes(instance)) {
        const problem = `filter ${instance}: the config of this machine has one of this name`;
        throw new WeirError('ASSIGNMENT_REFUSED', problem);
      }
      const running = host.running(instance)?.loaded.manifest.name;
      if (running !== undefined && running !== bundle.manifest.name) {
        const problem = mismatch(`a version of ${running}, which runs under this name`, bundle.manifest.name);
        throw new WeirError('ASSIGNMENT_REFUSED', `filter ${instance}: ${problem}`);
      }
      const compiled = await selfTest(bundle, admission.admit);
      passed.add(wanted.hash);
      const installed = await prepared({ ...wanted.installed, compiled });
      host.check([...beside.map(([, one]) => one.installed), installed]);
      return { ...wanted, installed };
    } catch (error) {
      refuse(instance, release, whyNot(error));
      return undefined;
    }
  }

  async function swap(
    host: AssignedHost,
    instance: string,
    { release, installed }: Wanted,
  ): Promise<Applied> {
    const before = host.running(instance);
    try {
      print(`fleet: filter ${instance}: ${await host.swap(installed)}`);
      note(actOf('swapped', instance, labelOf(before), release));
      return 'done';
    } catch (error) {
      // It recovers from a fault, or somebody else swaps it just now.
      if (error instanceof WeirError && error.code === 'SWAP_REFUSED') {
        print(`fleet: ${oneLine(error)}`);
        return 'later';
      }
      refuse(instance, release, whyNot(error));
      return 'choose again';
    }
  }

  function restart(host: AssignedHost, gone: readonly string[], changed: readonly [string, Wanted][]): void {
    for (const instance of gone)
      note({ action: 'removed', filter: instance, before: labelOf(host.running(instance)), after: null });
    for (const [instance, { release }] of changed) {
      const before = labelOf(host.running(instance));
      note(actOf(before === null ? 'added' : 'changed', instance, before, release));
    }
    const names = [...gone, ...changed.map(([instance]) => instance)].join(', ');
    print(`fleet: the host goes on with other filters or sources: ${names}`);
    host.restart();
  }

  async function tryAll({ wanted }: Selection): Promise<boolean> {
    let isGood = true;
    for (const [instance, { release, bundle, hash }] of wanted) {
      if (own.includes(instance) || passed.has(hash)) continue;
      try {
        await selfTest(bundle, admission.admit);
        passed.add(hash);
      } catch (error) {
        refuse(instance, release, whyNot(error));
        isGood = false;
      }
    }
    return isGood;
  }

  async function apply(host: AssignedHost, { assignment, wanted, refused }: Selection): Promise<Applied> {
    for (const [instance, { release, reason }] of refused) refuse(instance, release, reason);
    const changed: [string, Wanted][] = [];
    let applied: Applied = 'done';
    for (const [instance, one] of wanted) {
      if (isSame(host.running(instance), one.installed)) continue;
      const fit = await tried(host, instance, one, changed);
      if (fit) changed.push([instance, fit]);
      else applied = 'choose again';
    }
    // What could not be prepared is chosen again first, so that nothing is restarted twice.
    if (applied !== 'done') return applied;
    // What is assigned and cannot run leaves what runs as it is.
    const hasFailed = (instance: string) => {
      const { release, before } = assignment?.filters[instance] ?? {};
      return [release, before].some((one) => one !== undefined && attempts.hasFailed(instance, one));
    };
    const gone = host
      .instances()
      .filter((instance) => !own.includes(instance) && !wanted.has(instance) && !hasFailed(instance));
    const needsRestart = ([instance, { installed }]: [string, Wanted]) =>
      !isWiredAlike(host.running(instance), installed);
    if (gone.length > 0 || changed.some(needsRestart)) {
      restart(host, gone, changed);
      return 'done';
    }
    for (const [instance, one] of changed) {
      const swapped = await swap(host, instance, one);
      if (swapped !== 'done') applied = swapped;
    }
    return applied;
  }

  return { apply, tryAll };
}

export function labelOf(installed: Installed | undefined): string | null {
  return installed ? versionLabel(installed.loaded) : null;
}

function actOf(action: string, filter: string, before: string | null, release: Release): Act {
  const { version, reason, ticket, by } = release;
  return { action, filter, before, after: version, reason, by, ...(ticket ? { ticket } : {}) };
}

/** What runs is what is wanted: the same module, manifest, config and sources. */
export function isSame(running: Installed | undefined, next: Installed): boolean {
  return (
    running !== undefined &&
    labelOf(running) === labelOf(next) &&
    isDeepStrictEqual(running.loaded.manifest, next.loaded.manifest) &&
    isDeepStrictEqual(running.entry, next.entry)
  );
}

/** It reads the same sources and packs in the same form: what is made when a host is put together. */
function isWiredAlike(running: Installed | undefined, { entry }: Installed): boolean {
  return (
    running !== undefined &&
    isDeepStrictEqual([running.entry.from, running.entry.format], [entry.from, entry.format])
  );
}
