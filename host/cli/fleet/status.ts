/**
 * `weir fleet status`: who runs what, who lags, who refused and why.
 */
import { actText } from '../../fleet/audittext.js';
import { brokerClock } from '../../fleet/clock.js';
import { fullLines, fullStreams } from '../../fleet/fullstreams.js';
import { needGroup } from '../../fleet/members.js';
import { groupsOf, lookAtAssignment, onlyRead, type Operator, readFleet } from '../../fleet/operator.js';
import {
  type AssignedTo,
  groupsIn,
  isOver,
  isWrong,
  type Overview,
  overviewOf,
} from '../../fleet/overview.js';
import { type Interruption, interruptionIn } from '../../fleet/overtaken.js';
import { changedLines, overviewLines, standingLines } from '../../fleet/overviewtext.js';
import { type DamagedFile, damagedFiles, findDamage } from '../../fleet/restore.js';
import { readStatuses, type Told, watchStatuses } from '../../fleet/statuses.js';
import { AUDIT_STREAM, FLEET_STREAM, REPOSITORY_STREAM, STATUS_STREAM } from '../../wire.js';
import { type Command, parseCommand } from '../command.js';
import { watchNews } from './news.js';
import { answer, type FleetValues, observe, READER_HELP, READER_OPTIONS, print } from './operate.js';

/** How often ages are shown anew, and an appliance that has become silent is seen. */
const LOOK_MS = 1_000;

export const status: Command = {
  summary: 'tell who runs what, who lags, and who refused why',
  help: `Usage: weir fleet status [OPTIONS]

Compares what is signed for each group with the last status of each appliance, which the stream WEIR_STATUS keeps. An appliance
belongs to the group that it names. For each of its filters:

  release   runs the release that was pushed last
  before    runs the one before, because the release is not for its part of the group yet
  none      neither is for it
  lags      does not run what it should yet
  refused   has tried it in vain (refused, returned or out), and why
  silent    its last status is older than 30 s
  own       a filter of its own config
  unknown   what is assigned to its group cannot be read

A file of the repository that is missing or damaged is told, too, with what helps. Groups whose last filter was taken away, and of which no appliance
is, are only named ("empty" with --json).

With --json, "interrupted" is a change that was interrupted in this folder, or null: "what" it was, and its "state": "not begun" (nobody has seen
it), "begun" (the next command that signs completes it), or, where somebody else has published since, "in force" (until then), "noted" (and the audit
has it), "never in force" or "unknown". "owed" are the changes of this folder that are in force without their entry, because the audit took nothing.
Else lines tell both.

A status is signed by nobody: an appliance in somebody else's hands says what it likes under its own name.

  --group GROUP     this group only
  --watch           go on until every release is for its whole group and nobody lags, or Ctrl-C; where standard output is no terminal,
                    a line for each change
${READER_HELP}
Exit code: 1 when an appliance refused something, is stale or silent, or its status, what is assigned or a file of the repository cannot be read;
when something is assigned to a group of which no appliance tells its status, or to the whole of one in which nobody runs it (as for a moment behind a push);
when a change of keys, or another one that was begun in this folder and may be in force,
is not completed; when a stream of the fleet is full; and when the group has neither an assignment nor an appliance; else 0.

Example: weir fleet status --group edge --watch
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: {
        ...READER_OPTIONS,
        group: { type: 'string' },
        watch: { type: 'boolean', default: false },
      },
    });
    return observe(values, async (operator) => {
      const told = await readStatuses(operator.broker);
      if (values.group !== undefined) needGroup(operator, values.group, told);
      if (values.watch) return watch(values, operator);
      const assignments = await assignmentsOf(operator, values.group, told, new Map());
      const more = { repository: await damageOf(operator), unfinished: operator.state.halfRotated };
      const overview = overviewOf(assignments, told, (await brokerClock(operator.broker))(), more);
      const open = await openIn(operator);
      answer(values, { schema: 1, ...overview, ...open }, linesOf(overview, open));
      return exitCodeOf(overview, open);
    });
  },
};

/** What has not come to its end in an operator's folder. */
interface Open {
  readonly interrupted: Interruption | null;
  readonly owed: readonly string[];
  /** Streams that take no more. */
  readonly full: readonly string[];
}

async function openIn(operator: Operator): Promise<Open> {
  const interrupted = (await interruptionIn(operator)) ?? null;
  const full = await fullStreams(operator.broker, [
    STATUS_STREAM,
    AUDIT_STREAM,
    FLEET_STREAM,
    REPOSITORY_STREAM,
  ]);
  return { interrupted, owed: operator.folder.owed().map(actText), full };
}

function linesOf(overview: Overview, { full }: Open): string[] {
  return [...overviewLines(overview), ...fullLines(full)];
}

/** What is begun and not completed has no entry in the audit yet, and may be half a change of keys. */
function exitCodeOf(overview: Overview, { interrupted, full }: Open): number {
  return isWrong(overview) || interrupted?.state === 'begun' || full.length > 0 ? 1 : 0;
}

/** Reads every file of the repository. */
async function damageOf({ broker, folder }: Operator): Promise<DamagedFile[]> {
  return damagedFiles(await findDamage(broker, onlyRead(folder)));
}

/** What is assigned to one group, or to all that have an assignment or an appliance; `known` has been read before. */
async function assignmentsOf(
  operator: Operator,
  group: string | undefined,
  told: ReadonlyMap<string, Told>,
  known: ReadonlyMap<string, AssignedTo>,
): Promise<Map<string, AssignedTo>> {
  const groups = group === undefined ? [...groupsOf(operator), ...groupsIn(told)] : [group];
  const found = new Map<string, AssignedTo>();
  for (const name of [...new Set(groups)].sort())
    found.set(name, known.has(name) ? known.get(name) : await lookAtAssignment(operator, name));
  return found;
}

async function watch(values: FleetValues & { group?: string }, first: Operator): Promise<number> {
  const { broker, folder } = first;
  let operator = first;
  let isStopped = false;
  const news = watchNews(broker);
  const stop = () => {
    isStopped = true;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const now = await brokerClock(broker);
  const statuses = await watchStatuses(broker, now);
  const show = createView(values);
  let assignments = new Map<string, AssignedTo>();
  let repository = await damageOf(operator);
  let open = await openIn(operator);
  try {
    for (;;) {
      if (statuses.isCurrent() && news.isDue()) {
        const wasNew = news.isNew();
        news.reading();
        operator = await readFleet(folder, broker, print);
        open = await openIn(operator);
        // All of it, which may be much, only where somebody has published, or restored, something.
        if (wasNew) repository = await damageOf(operator);
        assignments = new Map();
      }
      const told = statuses.all();
      assignments = await assignmentsOf(operator, values.group, told, assignments);
      const more = { repository, unfinished: operator.state.halfRotated };
      const overview = overviewOf(assignments, told, now(), more);
      show(overview, open);
      if (isStopped || (isOver(overview) && !news.isNew())) return exitCodeOf(overview, open);
      await statuses.next(LOOK_MS);
    }
  } finally {
    statuses.close();
    news.close();
  }
}

/** Shows what has changed since the last time: the whole anew on a terminal, lines elsewhere. */
function createView({ json }: FleetValues): (overview: Overview, open: Open) => void {
  let before = new Map<string, string>();
  let isFirst = true;
  return (overview, open) => {
    const now = standingLines(overview);
    const changed = changedLines(before, now);
    before = now;
    if (process.stdout.isTTY && json !== true) {
      process.stdout.write(`${CLEAR}${lines(linesOf(overview, open))}`);
      return;
    }
    if (json === true) {
      if (changed.length > 0 || isFirst)
        process.stdout.write(`${JSON.stringify({ schema: 1, ...overview, ...open })}\n`);
    } else process.stdout.write(lines(isFirst ? linesOf(overview, open) : changed));
    isFirst = false;
  };
}

/** To the first place of the screen, and nothing behind it. */
const CLEAR = '\u001b[H\u001b[2J';

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
