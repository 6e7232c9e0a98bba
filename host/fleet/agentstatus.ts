/**
 * What the agent of a fleet says of itself in the status of its host: what it has taken over, what of that runs, and what came in its way.
 *
 * It is signed by nobody: it shows operators where to look, and decides nothing. Texts are cut, so that a whole fleet has room in the stream.
 */
import { STATUS_TEXT_CHARACTERS_MAX } from '../limits.js';
import type { Installed } from '../versions.js';
import { isSame } from './apply.js';
import type { Attempt, Selection } from './assigned.js';
import type { AuditHead } from './audit.js';
import type { Trusted } from './trustfiles.js';

/** Why the last look has found nothing: what was there is refused, or nothing answers. */
export interface Trouble {
  readonly text: string;
  /** Without what helps, which is something else where the clock is wrong. */
  readonly problem: string;
  readonly isRefused: boolean;
}

export interface AgentState {
  readonly group: string;
  readonly selection: Selection;
  readonly trusted: Trusted | undefined;
  /** What is wrong with the root of trust in the config. */
  readonly wrongRoot: string | undefined;
  readonly trouble: Trouble | undefined;
  /** How far the clock is off. */
  readonly wrongClock: string | undefined;
  readonly attempts: Readonly<Record<string, Attempt>>;
  readonly head: AuditHead;
  readonly running: (instance: string) => Installed | undefined;
  readonly sources: readonly string[];
  readonly nowMs: number;
}

/** The object `fleet` of a status; the README has it field by field. */
export function agentStatus(state: AgentState): object {
  const { group, selection, trusted, trouble, wrongRoot, attempts, head, running, sources } = state;
  return {
    group,
    sources,
    serial: selection.assignment?.serial ?? 0,
    stale: wrongRoot ?? staleness(state),
    error: trouble ? short(troubleText(trouble, state.wrongClock)) : null,
    metadata: trusted?.versions ?? {},
    runs: runsOf(selection, running),
    attempted: Object.fromEntries(
      Object.entries(attempts).map(([instance, one]) => [instance, { ...one, reason: short(one.reason) }]),
    ),
    audit: head,
  };
}

/** Why what is trusted may not be the latest; nothing when it is. */
function staleness({ trusted, trouble, wrongClock, nowMs }: AgentState): string | null {
  if (trusted && trusted.expiresMs <= nowMs) {
    const problem = `what is trusted has expired at ${new Date(trusted.expiresMs).toISOString()}`;
    return troubleText({ text: problem, problem }, wrongClock);
  }
  return trouble?.isRefused ? short(troubleText(trouble, wrongClock)) : null;
}

/** By a wrong clock something is expired that is not, and nobody can renew it. */
function troubleText(
  { text, problem }: Pick<Trouble, 'text' | 'problem'>,
  wrongClock: string | undefined,
): string {
  return wrongClock === undefined ? text : `${wrongClock}; ${problem}`;
}

/** The rollouts of which the release runs here, by filter: the version alone does not tell of another config. */
function runsOf({ wanted }: Selection, running: AgentState['running']): Record<string, string> {
  const found = [...wanted].filter(([instance, one]) => isSame(running(instance), one.installed));
  return Object.fromEntries(found.map(([instance, { release }]) => [instance, release.rollout]));
}

function short(text: string): string {
  return text.slice(0, STATUS_TEXT_CHARACTERS_MAX);
}
