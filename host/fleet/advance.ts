/**
 * Automatic promotion: a release goes to more and more of its group, as long as the appliances that have it say that all is well.
 *
 * In each step the appliances that are alive and included have to say that they run the release, and then for the time of the soak no
 * trouble: none has given it up, is stale, has left out an event because of it, or has fallen silent. At the first trouble the group goes back.
 * Who merely lags is no such sign: then it stops where it is, and goes on when it is started again. Nothing is remembered: what is
 * assigned says how far it has come. Where others publish meanwhile it goes on from their percent, or stops where they have assigned
 * something else, and blames nobody.
 *
 * Statuses are not signed, so an appliance in somebody else's hands can stop a promotion, but not make one go on past others.
 */
import { WeirError } from '../errors.js';
import { type Assignment, isDue, type Release } from './assignment.js';
import { meanwhile } from './meanwhile.js';
import { failureOf, includedIn, isSilent } from './overview.js';
import { assignedOf } from './rollout.js';
import type { FilterWord, FleetWord, HostWord, Statuses } from './statuses.js';

/** Parts of the group, in percent. */
export const STEPS: readonly number[] = [1, 10, 50, 100];
/** How often statuses are looked at where none comes: silence is no message. */
const LOOK_MS = 1_000;

export interface AdvanceOptions {
  readonly group: string;
  readonly instance: string;
  /** How long an appliance may take to run the release. */
  readonly stepMs: number;
  /** How long all has to be well when all run it. */
  readonly soakMs: number;
  readonly now: () => number;
  readonly print: (line: string) => void;
}

/** What an operator does, and sees. */
export interface Advancing {
  readonly statuses: Statuses;
  /** What is assigned now. */
  read(): Promise<Assignment | undefined>;
  /** Others may have published since that. */
  hasNews(): boolean;
  /** Who has promoted it to so much of the group. */
  promoterOf(percent: number): Promise<string>;
  /** Publishes the release of this rollout for so much of the group; false where another one is assigned by now, or it is for as much already. */
  promote(rollout: string, percent: number): Promise<boolean>;
  /** Publishes the release before it for all, or, where there is none, the release for nobody; answers what runs then, nothing where another one is assigned by now. */
  giveBack(rollout: string, why: string): Promise<string | undefined>;
}

/** How it has ended. */
export interface Outcome {
  readonly kind: 'done' | 'stopped' | 'returned' | 'overtaken';
  /** How far it has come, before others have published something else. */
  readonly percent: number;
  /** Why it did not go on. */
  readonly why: string | null;
}

/** Throws ROLLOUT_REFUSED when there is nothing to promote, or nobody alive who could say that all is well; and what `fleet` throws. */
export async function advance(fleet: Advancing, options: AdvanceOptions): Promise<Outcome> {
  const { print, group, instance } = options;
  const release = await releaseOf(fleet, options);
  const watch = createWatch(fleet, release, options);
  watch.needSomebody();
  let { percent } = release;
  // What others have given to the whole group is no rollout any more, and an appliance that says this or that does not take it away from all.
  let isOver = percent === 100;
  if (percent > 0 && !isOver) print(`${percent} % of ${group} have it already: going on from there`);
  const others = async () => meanwhile(await fleet.read(), group, instance, { ...release, percent });
  const isMoved = async () => {
    try {
      return (await others()) !== undefined;
    } catch (error) {
      // While the connection is away the next look asks.
      if (fleet.statuses.isCurrent()) throw error;
      return false;
    }
  };
  for (;;) {
    const change = await others();
    if (change?.kind === 'overtaken') return { kind: 'overtaken', percent, why: change.why };
    if (change) {
      percent = change.percent;
      isOver = percent === 100;
      const by = await fleet.promoterOf(percent);
      print(`promoted to ${percent} % of ${group} meanwhile, ${by}: going on from there`);
    }
    const found = percent === 0 ? undefined : await watch.step(percent, isMoved);
    if (found?.kind === 'moved') continue;
    if (found && (found.kind === 'late' || isOver)) return { kind: 'stopped', percent, why: found.why };
    if (found) {
      print(`${found.why}: going back`);
      const to = await fleet.giveBack(release.rollout, found.why);
      if (to === undefined) continue;
      return { kind: 'returned', percent, why: `${found.why}; ${to}` };
    }
    const step = STEPS.find((one) => one > percent);
    if (step === undefined) return { kind: 'done', percent, why: null };
    const stale = watch.staleIn(step);
    if (stale !== undefined) return { kind: 'stopped', percent, why: stale };
    if (await fleet.promote(release.rollout, step)) percent = step;
  }
}

async function releaseOf(fleet: Advancing, { group, instance, now }: AdvanceOptions): Promise<Release> {
  const { release } = assignedOf(await fleet.read(), group, instance);
  if (isDue(release, now())) return release;
  const problem = `filter ${instance}: expected a release whose time has come, found one for ${release.not_before}`;
  throw new WeirError('ROLLOUT_REFUSED', problem);
}

/** Why a step does not end well: something is wrong, or somebody lags. */
interface Found {
  readonly kind: 'trouble' | 'late';
  readonly why: string;
}

type LeftOut = Pick<FilterWord, 'dead' | 'letters'>;

function createWatch({ statuses, hasNews }: Advancing, release: Release, options: AdvanceOptions) {
  const { group, instance, stepMs, soakMs, now, print } = options;
  /** What an appliance had left out when it did not run the release yet. */
  const leftOutBefore = new Map<string, LeftOut>();
  /** Those that the steps so far have come to, and those for which they have ended well. */
  const watched = new Set<string>();
  const settled = new Set<string>();
  const lagsSinceMs = new Map<string, number>();

  const runs = ({ runs }: FleetWord) => runs.get(instance) === release.rollout;
  const leftOutOf = ({ filters }: HostWord): LeftOut => filters.get(instance) ?? { dead: 0, letters: 0 };
  const wordOf = (appliance: string) => statuses.all().get(appliance)?.word;

  /** What was before the release is not its fault. */
  function remember(): void {
    for (const { appliance, word } of statuses.all().values()) {
      if (typeof word === 'string' || word.fleet?.group !== group) continue;
      if (!runs(word.fleet) || !leftOutBefore.has(appliance)) leftOutBefore.set(appliance, leftOutOf(word));
    }
  }

  function troubleOf(appliance: string): string | undefined {
    const told = statuses.all().get(appliance);
    if (!told) return undefined;
    const { word, heardMs } = told;
    if (typeof word === 'string') return `its status cannot be read: ${word}`;
    // It has gone to another group.
    if (word.fleet?.group !== group) {
      watched.delete(appliance);
      return undefined;
    }
    if (isSilent(told, now())) return `silent for ${Math.round((now() - heardMs) / 1_000)} s`;
    const failure = failureOf(instance, release, word.filters, word.fleet);
    if (failure !== undefined) return failure;
    if (word.fleet.stale !== undefined) return `stale: ${word.fleet.stale}`;
    return runs(word.fleet) ? moreLeftOut(leftOutOf(word), leftOutBefore.get(appliance)) : undefined;
  }

  /** Who of those that are watched does not run it yet. */
  function lagging(): string[] {
    return [...watched].filter((appliance) => {
      const word = wordOf(appliance);
      const isLagging = typeof word === 'object' && word.fleet?.group === group && !runs(word.fleet);
      if (!isLagging) lagsSinceMs.delete(appliance);
      else if (!lagsSinceMs.has(appliance)) lagsSinceMs.set(appliance, now());
      return isLagging;
    });
  }

  /** Each has said that all is well when the time was over: of one that has died meanwhile nothing else would tell yet. */
  function isSoaked(sinceMs: number): boolean {
    const heardMs = [...watched].map((appliance) => statuses.all().get(appliance)?.heardMs ?? 0);
    return soakMs === 0 || heardMs.every((ms) => ms >= sinceMs + soakMs);
  }

  function look(percent: number): { readonly found?: Found; readonly isAll: boolean } {
    remember();
    for (const appliance of includedIn(group, { ...release, percent }, statuses.all(), now()))
      watched.add(appliance);
    for (const appliance of watched) {
      const trouble = troubleOf(appliance);
      if (trouble !== undefined)
        return { found: { kind: 'trouble', why: `${appliance}: ${trouble}` }, isAll: false };
    }
    const lags = lagging();
    const late = lags.find((appliance) => now() - (lagsSinceMs.get(appliance) ?? now()) > stepMs);
    if (late === undefined) return { isAll: lags.length === 0 };
    const word = wordOf(late);
    const error = typeof word === 'object' ? word.fleet?.error : undefined;
    const why = `${late}: does not run it within ${Math.round(stepMs / 1_000)} s${error === undefined ? '' : `: ${error}`}`;
    return { found: { kind: 'late', why }, isAll: false };
  }

  return {
    needSomebody(): void {
      remember();
      if (includedIn(group, { ...release, percent: 100 }, statuses.all(), now()).length > 0) return;
      const problem = `group ${group}: expected an appliance that has told its status within 30 s, found none`;
      throw new WeirError('ROLLOUT_REFUSED', problem);
    },
    /** An appliance that could not take the release anyway. */
    staleIn(percent: number): string | undefined {
      remember();
      for (const appliance of includedIn(group, { ...release, percent }, statuses.all(), now())) {
        const word = wordOf(appliance);
        const stale = typeof word === 'object' ? word.fleet?.stale : undefined;
        if (stale !== undefined) return `${appliance}: stale: ${stale}`;
      }
      return undefined;
    },
    /** Resolves when all is well, or with what is not, or where others have published something else of it. */
    async step(
      percent: number,
      isMoved: () => Promise<boolean>,
    ): Promise<Found | { readonly kind: 'moved' } | undefined> {
      let allSinceMs: number | undefined;
      let seenMs = now();
      for (;;) {
        if (statuses.isCurrent()) {
          seenMs = now();
          const { found, isAll } = look(percent);
          const isNew = [...watched].some((appliance) => !settled.has(appliance));
          if (isAll && allSinceMs === undefined)
            print(
              `${percent} %: run by all appliances of it that are alive: ${watched.size}${isNew ? '' : ', none of them new'}`,
            );
          allSinceMs = isAll ? (allSinceMs ?? now()) : undefined;
          const isWell = allSinceMs !== undefined && (!isNew || isSoaked(allSinceMs));
          if ((found || isWell || hasNews()) && (await isMoved())) return { kind: 'moved' };
          if (found) return found;
          if (isWell) break;
        } else if (now() - seenMs > stepMs)
          return { kind: 'late', why: 'the connection to the broker is away' };
        await statuses.next(LOOK_MS);
      }
      for (const appliance of watched) settled.add(appliance);
      return undefined;
    },
  };
}

/** What a release has left out, as a sentence; nothing where that is nothing. */
function moreLeftOut(now: LeftOut, before: LeftOut = { dead: 0, letters: 0 }): string | undefined {
  const events = now.dead - before.dead;
  if (events > 0) return `${events} events left out since it runs the release, as dead letters tell`;
  // Of ticks and of what is due, which are no events.
  const letters = now.letters - before.letters;
  return letters > 0 ? `${letters} faults since it runs the release, as dead letters tell` : undefined;
}
