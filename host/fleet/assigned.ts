/**
 * From what is trusted to filters that can run: the assignment of the group, what of it is for this appliance, and its bundles.
 *
 * What was tried here in vain is remembered until it is assigned anew.
 */
import { join } from 'node:path';
import type { FilterConfig } from '../config.js';
import { oneLine, WeirError } from '../errors.js';
import type { Installed } from '../versions.js';
import { type Assignment, assignmentPath, chosen, parseAssignment, type Release } from './assignment.js';
import { type Bundle, bundleHash, unpackBundle } from './bundle.js';
import { createMemo, readMemo } from './memo.js';

/** A release that is to run here, with what is in its bundle. */
export interface Wanted {
  readonly release: Release;
  readonly bundle: Bundle;
  /** SHA-256 of the bundle. */
  readonly hash: string;
  readonly installed: Installed;
}

/** A version that was tried, and what became of it. */
export interface Attempt {
  readonly version: string;
  readonly rollout: string;
  readonly state: 'refused' | 'returned' | 'out';
  readonly reason: string;
  readonly ts: number;
}

/** What is remembered of attempts, by the filter's name in the assignment. */
export interface Attempts {
  /** The last one of each filter. */
  all(): Readonly<Record<string, Attempt>>;
  hasFailed(instance: string, release: Release): boolean;
  note(instance: string, attempt: Attempt): void;
  /** Forgets those of filters and releases that are not assigned any more. */
  keepOnly(assignment: Assignment | undefined): void;
  /** Writes what the disk has not taken. */
  flush(): void;
}

export function openAttempts(folder: string, notice: (line: string) => void): Attempts {
  const path = join(folder, 'attempts.json');
  const tried = Object.entries(readMemo<Record<string, Attempt[]>>(path) ?? {}).map(
    ([instance, all]): [string, Attempt[]] => [instance, all.filter((attempt) => !mayRunNow(attempt))],
  );
  const attempts = new Map(tried.filter(([, all]) => all.length > 0));
  const memo = createMemo(path, () => Object.fromEntries(attempts), notice);
  const of = (instance: string) => attempts.get(instance) ?? [];
  return {
    all: () =>
      Object.fromEntries([...attempts].map(([instance, tried]) => [instance, tried.at(-1) as Attempt])),
    hasFailed: (instance, { rollout }) => of(instance).some((one) => one.rollout === rollout),
    note(instance, attempt) {
      attempts.set(instance, [...of(instance), attempt].slice(-ATTEMPTS_MAX));
      memo.changed();
    },
    keepOnly(assignment) {
      for (const [instance, tried] of [...attempts]) {
        const { release, before } = assignment?.filters[instance] ?? {};
        const kept = tried.filter(({ rollout }) => [release?.rollout, before?.rollout].includes(rollout));
        if (kept.length === tried.length) continue;
        if (kept.length > 0) attempts.set(instance, kept);
        else attempts.delete(instance);
        memo.changed();
      }
    },
    flush: memo.flush,
  };
}

/**
 * What was refused only because this machine had no such source, or no room: its config may be another one by now. Its samples had passed
 * before that was looked at; what has failed them, or was at fault, must not run again by a mere start.
 */
function mayRunNow({ state, reason }: Attempt): boolean {
  return state === 'refused' && /^(SOURCE_INVALID|MEMORY_BUDGET): /.test(reason);
}

/** Releases of a filter: the one that is rolled out and the one before, and some that were so just now. */
const ATTEMPTS_MAX = 8;

/** Without it versions that have failed are tried once more, which is no harm. */
/** Gets a target that is signed, verified; nothing when none is. */
export type GetTarget = (path: string) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

export interface Selection {
  readonly assignment: Assignment | undefined;
  readonly wanted: ReadonlyMap<string, Wanted>;
  /** Releases that cannot run, by filter, and why. */
  readonly refused: ReadonlyMap<string, { readonly release: Release; readonly reason: string }>;
}

/**
 * What of the group's assignment is for this appliance. A bundle that is bad costs its own filter alone, for which the release before
 * is taken. Throws ASSIGNMENT_REFUSED, and what `target` throws.
 */
export async function select(
  appliance: string,
  group: string,
  nowMs: number,
  attempts: Pick<Attempts, 'hasFailed'>,
  target: GetTarget,
): Promise<Selection> {
  const bytes = await target(assignmentPath(group));
  const wanted = new Map<string, Wanted>();
  const refused = new Map<string, { release: Release; reason: string }>();
  if (!bytes) return { assignment: undefined, wanted, refused };
  const assignment = parseAssignment(bytes, group);
  for (const [instance, assigned] of Object.entries(assignment.filters)) {
    const bad = new Set<string>();
    const hasFailed = (release: Release) => bad.has(release.rollout) || attempts.hasFailed(instance, release);
    for (let release = next(); release; release = next()) {
      const content = await target(release.bundle);
      try {
        wanted.set(instance, wantedOf(instance, release, content));
        break;
      } catch (error) {
        if (!(error instanceof WeirError)) throw error;
        bad.add(release.rollout);
        if (!refused.has(instance)) refused.set(instance, { release, reason: oneLine(error) });
      }
    }
    function next() {
      return chosen(appliance, assigned, nowMs, hasFailed);
    }
    // Each may be needed later, when there is no network; one that is damaged is told when it is.
    for (const one of [assigned.release, assigned.before])
      if (one) await (async () => target(one.bundle))().catch(() => {});
  }
  return { assignment, wanted, refused };
}

function wantedOf(instance: string, release: Release, content: Uint8Array | undefined): Wanted {
  if (!content)
    throw new WeirError('BUNDLE_INVALID', `${release.bundle}: expected it to be signed, found none`);
  const bundle = unpackBundle(content, release.bundle);
  const hash = bundleHash(content);
  if (bundle.label !== release.version) {
    const problem = `expected ${release.version}, found ${bundle.label} (${hash.slice(0, 12)})`;
    throw new WeirError('BUNDLE_INVALID', `${release.bundle}: ${problem}`);
  }
  return { release, bundle, hash, installed: { entry: entryOf(instance, release, bundle), loaded: bundle } };
}

function entryOf(instance: string, release: Release, { manifest }: Bundle): FilterConfig {
  return {
    instance,
    filter: manifest.name,
    from: release.from,
    timezone: release.timezone ?? 'UTC',
    format: release.format ?? 'cbor',
    config: release.config ?? {},
  };
}
