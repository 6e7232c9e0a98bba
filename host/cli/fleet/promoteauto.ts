/**
 * `weir fleet promote --auto`: step by step, and back at the first trouble.
 */
import { printable, WeirError } from '../../errors.js';
import { type Advancing, advance, STEPS } from '../../fleet/advance.js';
import type { Assignment, Release } from '../../fleet/assignment.js';
import { brokerClock } from '../../fleet/clock.js';
import type { KeyRing } from '../../fleet/edition.js';
import { readKnown } from '../../fleet/members.js';
import { promoterOf } from '../../fleet/meanwhile.js';
import { type Operator, publish, readAssignment, readFleet } from '../../fleet/operator.js';
import { REASON_CHARACTERS_MAX } from '../../fleetlimits.js';
import { assignedOf, type Motive, ofFilter, promoted, rolledBack, withdrawn } from '../../fleet/rollout.js';
import { watchStatuses } from '../../fleet/statuses.js';
import { changeOf } from './assign.js';
import { motiveOf } from './motive.js';
import { watchNews } from './news.js';
import { answer, type FleetValues, isSure, keyRing, operate, print } from './operate.js';

/** Another operator, or the daily job that renews the timestamp, may publish at the same time. */
const PUBLISH_ATTEMPTS = 5;

export interface AutoValues extends FleetValues {
  readonly reason?: string;
  readonly ticket?: string;
}

/** Answers the exit code: 0 when all of the group runs it. */
export async function promoteAuto(
  values: AutoValues,
  group: string,
  name: string,
  times: { readonly stepMs: number; readonly soakMs: number },
): Promise<number> {
  return operate(values, async (operator) => {
    const question = `${name} of ${group}: promote to ${STEPS.join(', ')} %, and back at the first trouble?`;
    if (!(await isSure(values, question))) return 1;
    const ring = await keyRing(values, operator.folder);
    const now = await brokerClock(operator.broker);
    const news = watchNews(operator.broker);
    const statuses = await watchStatuses(operator.broker, now);
    try {
      const fleet: Advancing = {
        statuses,
        hasNews: news.isDue,
        async read() {
          news.reading();
          return readKnown(await readFleet(operator.folder, operator.broker, print, operator.now), group);
        },
        promoterOf: (percent) => promoterOf(operator.broker, group, name, percent),
        ...publishing(operator, ring, values, group, name),
      };
      const outcome = await advance(fleet, { group, instance: name, ...times, now, print });
      const { kind, percent, why } = outcome;
      const lines = {
        done: `${name}: for all of ${group}`,
        stopped: `${name}: stopped at ${percent} % of ${group}: ${why}`,
        returned: `${name}: given back at ${percent} % of ${group}: ${why}`,
        overtaken: `${name}: ${why}`,
      };
      answer(values, { group, filter: name, outcome: kind, percent, why }, [lines[kind]]);
      return kind === 'done' ? 0 : 1;
    } finally {
      statuses.close();
      news.close();
    }
  });
}

function publishing(
  { folder, broker, now }: Operator,
  ring: KeyRing,
  values: AutoValues,
  group: string,
  name: string,
): Pick<Advancing, 'promote' | 'giveBack'> {
  const motive = (reason: string) => motiveOf(folder, reason, values.ticket);

  /** Publishes a change of what is assigned, if that is still the release that was begun with, and `make` makes one of it. */
  async function change(
    rollout: string,
    why: Motive,
    make: (before: Assignment) => readonly [action: string, next: Assignment] | undefined,
  ): Promise<Release | undefined> {
    for (let attempt = 1; ; attempt++) {
      const operator = await readFleet(folder, broker, print, now);
      const before = await readAssignment(operator, group);
      const made = ofFilter(before, name)?.release.rollout === rollout && before && make(before);
      if (!made) return undefined;
      const [action, next] = made;
      try {
        const { change, act } = await changeOf(operator, name, before, next, action, why);
        await publish(operator, ring, change, act);
        return assignedOf(next, group, name).release;
      } catch (error) {
        const isMoved = error instanceof WeirError && error.code === 'REPOSITORY_MOVED';
        if (!isMoved || attempt >= PUBLISH_ATTEMPTS) throw error;
      }
    }
  }

  return {
    async promote(rollout, percent) {
      const why = motive(values.reason ?? 'promoted step by step');
      const release = await change(rollout, why, (before) =>
        assignedOf(before, group, name).release.percent < percent
          ? ['promoted', promoted(before, group, name, percent)]
          : undefined,
      );
      if (release) print(`${name}: ${release.version} for ${percent} % of ${group}`);
      return release !== undefined;
    },
    async giveBack(rollout, trouble) {
      const why = motive(printable(`automatic: ${trouble}`).slice(0, REASON_CHARACTERS_MAX));
      const release = await change(rollout, why, (before) =>
        before.filters[name]?.before === undefined
          ? ['withdrawn', withdrawn(before, group, name)]
          : ['rolled back', rolledBack(before, group, name, why)],
      );
      if (!release) return undefined;
      return release.percent === 0 ? 'for nobody now' : `${release.version} for all again`;
    },
  };
}
