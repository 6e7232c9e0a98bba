/**
 * Filters beside those of the config: who brings them (the agent of a fleet), what he may do with a host, and which of them can run.
 */
import { getHeapStatistics } from 'node:v8';
import { type Budget, budgetOf } from './budget.js';
import type { Config } from './config.js';
import { oneLine, WeirError } from './errors.js';
import type { OpenBroker } from './ownbroker.js';
import { mismatch } from './validate.js';
import { type Installed, startEntry } from './versions.js';

export interface Assigner {
  /** What is to run beside the filters of the config, each tried here. */
  installed(): Promise<readonly Installed[]>;
  /** A host runs. */
  attach(host: AssignedHost, broker: OpenBroker['connection']): void;
  detach(): void;
  /** A version was at fault: the one before has taken over again, or it was taken out. */
  happened(instance: string, happening: { readonly kind: 'returned' | 'out'; readonly reason: string }): void;
  /** For the status of the host. */
  status(): object;
}

/** What an assigner may do with a host. */
export interface AssignedHost {
  /** What runs under a name; nothing when there is no such filter. */
  running(instance: string): Installed | undefined;
  instances(): readonly string[];
  /** Names of the sources of its config. */
  sources(): readonly string[];
  /** Puts another version in place of a filter; answers a line, or throws a WeirError and nothing is changed. */
  swap(next: Installed): Promise<string>;
  /** Throws a WeirError when these could not run here, in the place of those of their names and beside the others. */
  check(next: readonly Installed[]): void;
  /** What the assigner says of itself is otherwise than before: the status is said at once. */
  changed(): void;
  /** Stops in order, and starts again with what is installed then. */
  restart(): void;
}

/** Those that can run beside the own filters; what keeps the others from it is told, and must not keep the host from starting. */
export function usable(
  config: Config,
  own: readonly Installed[],
  assigned: readonly Installed[],
  print: (line: string) => void,
): Installed[] {
  const found: Installed[] = [];
  for (const one of assigned) {
    try {
      checkAssigned(config, own, [...found, one]);
      found.push(one);
    } catch (error) {
      print(`filter ${one.entry.instance}: assigned, but it cannot run: ${oneLine(error)}`);
    }
  }
  return found;
}

/** Throws when filters that are assigned could not run beside the own ones. */
export function checkAssigned(
  config: Config,
  own: readonly Installed[],
  assigned: readonly Installed[],
): void {
  const filters = [...own, ...assigned].map(({ entry }) => entry);
  const known = config.sources.map(({ name }) => name);
  for (const { entry } of assigned) {
    const missing = entry.from.find((source) => !known.includes(source));
    if (missing !== undefined) {
      const problem = `filter ${entry.instance}: from: ${mismatch(`sources of this machine (${known.join(', ')})`, missing)}`;
      throw new WeirError('SOURCE_INVALID', problem);
    }
  }
  checkBudget({ ...config, filters }, [...own, ...assigned]);
  const last = assigned.at(-1);
  if (last) startEntry(last);
}

/** The sum of what the config needs, before any of it is taken. */
export function checkBudget(
  config: Config,
  installed: readonly Installed[],
  kept: readonly Installed[] = [],
): Budget {
  const manifests = new Map(installed.map(({ entry, loaded }) => [entry.instance, loaded.manifest]));
  const onProbation = kept.map(({ loaded }) => loaded.manifest);
  return budgetOf(config, manifests, getHeapStatistics().heap_size_limit, onProbation);
}
