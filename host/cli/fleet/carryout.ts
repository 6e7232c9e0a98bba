/**
 * The end of every command that changes a fleet: the change is published, or with `--propose` written to a file for others to sign.
 */
import { existsSync, rmSync } from 'node:fs';
import { replaceFile } from '../../durable.js';
import { oneLine, WeirError } from '../../errors.js';
import type { Act } from '../../fleet/audit.js';
import { needClock } from '../../fleet/clock.js';
import { type Duty, dutiesOf } from '../../fleet/change.js';
import type { Change, KeyRing } from '../../fleet/edition.js';
import { type Operator, publish } from '../../fleet/operator.js';
import { fileOf, type Proposal } from '../../fleet/proposal.js';
import { proposalBytes } from '../../fleet/proposalfile.js';
import { makeProposal } from '../../fleet/propose.js';
import { shortId } from '../../fleet/words.js';
import { answer, type FleetValues, keyRing } from './operate.js';

/** For `parseCommand`, of a command that changes what people sign. */
export const PROPOSE_OPTIONS = { propose: { type: 'string' } } as const;
export const PROPOSE_HELP = `  --propose FILE    publish nothing: write it to FILE, signed with the keys that are here, for "weir fleet sign FILE" of others
                    and then "weir fleet publish FILE"
`;

export interface Done {
  /** What is printed with --json. */
  readonly value: object;
  readonly lines: readonly string[];
}

/** Publishes or proposes a change, and says so. Throws CLOCK_WRONG, SIGNATURES_MISSING, KEYS_MISSING or REPOSITORY_MOVED, and nothing was changed. */
export async function carryOut(
  values: FleetValues & { readonly propose?: string | undefined },
  operator: Operator,
  change: Change,
  act: Act,
  done: Done,
  opened?: KeyRing,
): Promise<void> {
  const { propose } = values;
  if (propose !== undefined && existsSync(propose))
    throw new WeirError('FILE_EXISTS', `${propose}: expected a new file`);
  // What is published asks by itself.
  if (propose !== undefined) await needClock(operator.broker, operator.now());
  const ring = opened ?? (await keyRing(values, operator.folder));
  if (propose === undefined) {
    await publish(operator, ring, change, act);
    return answer(values, done.value, done.lines);
  }
  const proposal = await makeProposal(operator, ring, change, act);
  const { keys = [] } = change;
  for (const key of keys) operator.folder.keepKey(key);
  try {
    writeProposal(propose, proposal);
  } catch (error) {
    for (const { name } of keys) rmSync(operator.folder.keyPath(name));
    throw error;
  }
  const duties = dutiesOf(proposal.base, proposal.change);
  answer(values, { proposal: propose, ...signaturesOf(duties) }, [
    `proposed, and nothing is published yet: ${propose}`,
    ...dutyLines(duties, propose),
  ]);
}

export function writeProposal(path: string, proposal: Proposal): void {
  const bytes = proposalBytes(fileOf(proposal));
  try {
    replaceFile(path, bytes, true);
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: ${oneLine(error)}`);
  }
}

/** Who has signed, as JSON. */
export function signaturesOf(duties: readonly Duty[]) {
  return {
    signatures: duties.map(({ who, threshold, signed, ids }) => ({ who, threshold, signed, keys: ids })),
    complete: duties.every(isComplete),
  };
}

/** Who has signed, and what to do next. */
export function dutyLines(duties: readonly Duty[], path: string): string[] {
  const lines = duties.map(({ who, threshold, signed }) => {
    const by = signed.length > 0 ? ` (${signed.map(shortId).join(', ')})` : '';
    return `${who}: ${signed.length} of ${threshold} signatures${by}`;
  });
  const isReady = duties.every(isComplete);
  const missing = duties.filter((duty) => !isComplete(duty));
  const keys = missing.flatMap(({ ids, signed }) => ids.filter((id) => !signed.includes(id)));
  const next = isReady
    ? `next: weir fleet publish ${path}`
    : `next: "weir fleet sign ${path}" of those who have ${[...new Set(keys)].map(shortId).join(', ')}`;
  return [...lines, next];
}

function isComplete({ signed, threshold }: Duty): boolean {
  return signed.length >= threshold;
}
