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
  readonly isRefused: boolean;
}

export interface AgentState {
  readonly group: string;
  readonly selection: Selection;
  readonly trusted: Trusted | undefined;
  /** What is wrong with the root of trust in the config. */
  readonly wrongRoot: string | undefined;
  readonly trouble: Trouble | undefined;
  readonly attempts: Readonly<Record<string, Attempt>>;
  readonly head: AuditHead;
  readonly running: (instance: string) => Installed | undefined;
  readonly sources: readonly string[];
  readonly nowMs: number;
}

/** The object `fleet` of a status; the README has it field by field. */
export function agentStatus(state: AgentState): object {
  const { group, selection, trusted, trouble, wrongRoot, attempts, head, running, sources, nowMs } = state;
  return {
    group,
    sources,
    serial: selection.assignment?.serial ?? 0,
    stale: wrongRoot ?? staleness(trusted, trouble, nowMs),
    error: trouble ? short(trouble.text) : null,
    metadata: trusted?.versions ?? {},
    runs: runsOf(selection, running),
    attempted: Object.fromEntries(
      Object.entries(attempts).map(([instance, one]) => [instance, { ...one, reason: short(one.reason) }]),
    ),
    audit: head,
  };
}

/** Why what is trusted may not be the latest; nothing when it is. */
function staleness(trusted: Trusted | undefined, trouble: Trouble | undefined, nowMs: number): string | null {
  if (trusted && trusted.expiresMs <= nowMs)
    return `what is trusted has expired at ${new Date(trusted.expiresMs).toISOString()}`;
  return trouble?.isRefused ? short(trouble.text) : null;
}

/** The rollouts of which the release runs here, by filter: the version alone does not tell of another config. */
function runsOf({ wanted }: Selection, running: AgentState['running']): Record<string, string> {
  const found = [...wanted].filter(([instance, one]) => isSame(running(instance), one.installed));
  return Object.fromEntries(found.map(([instance, { release }]) => [instance, release.rollout]));
}

function short(text: string): string {
  return text.slice(0, STATUS_TEXT_CHARACTERS_MAX);
}
