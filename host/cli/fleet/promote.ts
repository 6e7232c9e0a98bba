/**
 * `weir fleet promote`, `rollback` and `remove`: how far a release has come.
 */
import { WeirError } from '../../errors.js';
import type { Assignment, Release } from '../../fleet/assignment.js';
import { audienceOf } from '../../fleet/audience.js';
import { readKnown } from '../../fleet/members.js';
import type { Operator } from '../../fleet/operator.js';
import {
  fromText,
  type Motive,
  ofFilter,
  othersOf,
  promoted,
  removed,
  rolledBack,
} from '../../fleet/rollout.js';
import { readStatuses } from '../../fleet/statuses.js';
import { type Command, duration, parseCommand, wholeNumber } from '../command.js';
import { changeOf } from './assign.js';
import { motiveOf } from './motive.js';
import { carryOut, PROPOSE_HELP, PROPOSE_OPTIONS } from './carryout.js';
import { answer, FLEET_HELP, FLEET_OPTIONS, type FleetValues, isSure, operate, print } from './operate.js';
import { promoteAuto } from './promoteauto.js';

const OPTIONS = {
  ...FLEET_OPTIONS,
  ...PROPOSE_OPTIONS,
  group: { type: 'string' },
  reason: { type: 'string' },
  ticket: { type: 'string' },
} as const;
const HELP = `  --group GROUP     whose filter it is
  --reason TEXT     why, for the audit
  --ticket TEXT     where that was decided
${PROPOSE_HELP}${FLEET_HELP}`;

export const promote: Command = {
  summary: 'let more of a group run what was pushed',
  help: `Usage: weir fleet promote NAME --group GROUP --percent P [OPTIONS]
       weir fleet promote NAME --group GROUP --auto [OPTIONS]

Lets a larger part of the group run the release that was pushed last. Those that run it already are among it. Where the group has that part
already, nothing is changed ("changed" with --json).

With --auto step by step: 1, 10, 50 and 100 %, from where it is now on. In each step all appliances of the part that are alive have to say that they run the
release, and then, for the time of the soak, that all is well. At the first trouble (an appliance refused the release, gave it up or was taken out of it, leaves out
events since, is stale, falls silent, or tells what is no status) the whole group goes back to the release before, or where there is none nobody runs it.
Where an appliance only lags behind it stops, and changes nothing; run it again to go on. Where somebody else has promoted it further meanwhile it goes
on from there; where the group has another release by then it stops, and changes nothing.

  --percent P       how much of the group, up to 100
  --auto            step by step, with a look at the appliances between
  --step-time TIME  with --auto: how long an appliance may take to run the release (default: 60s)
  --soak TIME       with --auto: how long all has to be well after that (default: 30s)
${HELP}
Exit code: with --auto 0 only when all of the group runs it.

Example: weir fleet promote ssh-auth --group edge --percent 50 --reason "a day without faults"
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        ...OPTIONS,
        percent: { type: 'string' },
        auto: { type: 'boolean', default: false },
        'step-time': { type: 'string' },
        soak: { type: 'string' },
      },
    });
    const [name, group] = named(positionals, values.group);
    if ((values.percent === undefined) !== values.auto)
      throw new WeirError('USAGE', 'expected one of --percent and --auto');
    if (values.auto && values.propose !== undefined)
      throw new WeirError('USAGE', 'expected one of --auto and --propose: each step is published');
    if (values.percent === undefined)
      return promoteAuto(values, group, name, {
        stepMs: duration('--step-time', values['step-time'] ?? '60s'),
        soakMs: duration('--soak', values.soak ?? '30s'),
      });
    if (values['step-time'] !== undefined || values.soak !== undefined)
      throw new WeirError('USAGE', '--step-time and --soak: expected --auto beside them');
    const percent = wholeNumber('--percent', values.percent, 1, 100);
    return change(values, group, name, `${percent} %`, 'promoted', (before) =>
      promoted(before, group, name, percent),
    );
  },
};

export const rollback: Command = {
  summary: 'let a group go back to the release before',
  help: `Usage: weir fleet rollback NAME --group GROUP --reason TEXT [OPTIONS]

Lets the whole group run the release before the one that was pushed last.

${HELP}`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: OPTIONS });
    const [name, group] = named(positionals, values.group);
    if (values.reason === undefined) throw new WeirError('USAGE', 'expected --reason');
    return change(values, group, name, 'the release before', 'rolled back', (before, motive) =>
      rolledBack(before, group, name, motive),
    );
  },
};

export const remove: Command = {
  summary: 'take a filter away from a group',
  help: `Usage: weir fleet remove NAME --group GROUP --reason TEXT [OPTIONS]

Takes a filter away from a group. What it had told goes out; what it remembers is kept until its data folder is cleared.

${HELP}`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: OPTIONS });
    const [name, group] = named(positionals, values.group);
    if (values.reason === undefined) throw new WeirError('USAGE', 'expected --reason');
    return change(values, group, name, 'nothing', 'removed', (before) => removed(before, group, name));
  },
};

function named(positionals: readonly string[], group: string | undefined): [string, string] {
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0 || group === undefined)
    throw new WeirError('USAGE', `expected NAME and --group, found ${positionals.join(' ') || 'no name'}`);
  return [name, group];
}

/** Publishes another assignment of the group. */
async function change(
  values: FleetValues & { reason?: string; ticket?: string; propose?: string },
  group: string,
  name: string,
  to: string,
  action: string,
  make: (before: Assignment | undefined, motive: Motive) => Assignment,
): Promise<number> {
  return operate(values, async (operator) => {
    const motive = motiveOf(operator.folder, values.reason ?? action, values.ticket);
    const before = await readKnown(operator, group);
    const next = make(before, motive);
    const changed = next !== before;
    const { release, before: rest } = ofFilter(next, name) ?? {};
    const value = {
      group,
      serial: next.serial,
      filter: name,
      release: release ?? null,
      before: rest?.version ?? null,
      changed,
    };
    const others = othersOf(next, name);
    if (!changed) {
      answer(values, value, [
        `${name}: ${release?.percent} % of ${group} have it already, nothing was changed`,
      ]);
      return 0;
    }
    if (action === 'rolled back') await tellFailure(operator, group, name, ofFilter(before, name)?.before);
    const question = `${name} of ${group}: change to ${to}${others}?`;
    if (!(await isSure(values, question))) return 1;
    const line = release
      ? `${name}: ${release.version} for ${release.percent} % of ${group}${fromText(release)}${others}`
      : `${name}: taken away from ${group}`;
    const { change: made, act } = await changeOf(operator, name, before, next, action, motive);
    await carryOut(values, operator, made, act, { value, lines: [line] });
    return 0;
  });
}

/** Says what appliances say of what a group is to go back to. Where they cannot be asked it goes back all the same. */
async function tellFailure(
  { broker }: Operator,
  group: string,
  name: string,
  release: Release | undefined,
): Promise<void> {
  const told = await readStatuses(broker).catch((error: unknown) => {
    if (error instanceof WeirError) return undefined;
    throw error;
  });
  const failed = release && told && audienceOf(group, told).failure(name, release);
  if (failed !== undefined) print(`${failed}; "weir push" assigns another one`);
}
