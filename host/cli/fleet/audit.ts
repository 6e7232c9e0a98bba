/**
 * `weir fleet audit`: what operators and appliances have done, and the proof that nothing of it is missing.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { WeirError } from '../../errors.js';
import type { Assignment } from '../../fleet/assignment.js';
import type { AuditHead } from '../../fleet/audit.js';
import { type ChainReport, createProof, type Evidence } from '../../fleet/auditproof.js';
import { type AuditLine, auditJson, auditText, proofLines, timeOfLine } from '../../fleet/audittext.js';
import { groupsOf, lookAtAssignment, type Operator } from '../../fleet/operator.js';
import { loadRoots } from '../../fleet/state.js';
import { readStatuses } from '../../fleet/statuses.js';
import { AUDIT_STREAM, auditSubject, NAME_PATTERN } from '../../wire.js';
import { type Command, parseCommand, timeOrAge } from '../command.js';
import { answer, observe, READER_HELP, READER_OPTIONS } from './operate.js';

/** An entry that a status names already may still be on its way. */
const SETTLE_MS = 1_000;
const SETTLE_ATTEMPTS = 5;

export const audit: Command = {
  summary: 'tell what was done, by whom and why, and prove that nothing is missing',
  help: `Usage: weir fleet audit [OPTIONS]

Prints what operators and appliances have written in the audit, by time: who, the number of the entry, what, the version before and after, and
why. Nothing of the stream WEIR_AUDIT can be deleted.

  --appliance ID    entries of this appliance only
  --since TIME      what the broker has from this time on, or an age such as 24h
  --verify          prove it: each chain begins with entry 1, each entry names the digest of the one before, the last one that an appliance's status
                    names is there, operators' entries are signed by a key that a root of the fleet has named, and each release that
                    is assigned has its entry
${READER_HELP}
Exit code: 1 when --verify has found something, else 0.

Example: weir fleet audit --since 24h --verify
`,
  async run(args) {
    const { values } = parseCommand(args, {
      options: {
        ...READER_OPTIONS,
        appliance: { type: 'string' },
        since: { type: 'string' },
        verify: { type: 'boolean', default: false },
      },
    });
    const { appliance } = values;
    if (appliance !== undefined && !NAME_PATTERN.test(appliance))
      throw new WeirError('USAGE', `--appliance: expected a name, found "${appliance}"`);
    const sinceMs = values.since === undefined ? undefined : timeOrAge('--since', values.since, Date.now());
    return observe(values, async (operator) => {
      const { lines, reports } = values.verify
        ? await readProved(operator, appliance, sinceMs ?? 0)
        : { lines: await readLines(operator, appliance, sinceMs), reports: undefined };
      lines.sort((one, other) => timeOfLine(one) - timeOfLine(other));
      answer(values, { schema: 1, entries: lines.map(auditJson), ...(reports ? { chains: reports } : {}) }, [
        ...lines.map(auditText),
        ...(reports ? proofLines(reports) : []),
      ]);
      return reports?.some(({ wrong }) => wrong > 0) ? 1 : 0;
    });
  },
};

async function readLines(
  { broker }: Operator,
  appliance: string | undefined,
  sinceMs: number | undefined,
  each: (found: AuditLine) => void = () => {},
): Promise<AuditLine[]> {
  const lines: AuditLine[] = [];
  const options = {
    stream: AUDIT_STREAM,
    ...(appliance === undefined ? {} : { subject: auditSubject(appliance) }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  };
  await broker.read(options, ({ subject, body, storedMs }) => {
    const found = { subject, line: Buffer.from(body).toString('utf8'), storedMs };
    lines.push(found);
    each(found);
  });
  return lines;
}

/** Reads all of it, because a chain is proved from its beginning on; answers the entries since a time. */
async function readProved(
  operator: Operator,
  appliance: string | undefined,
  sinceMs: number,
): Promise<{ lines: AuditLine[]; reports: readonly ChainReport[] }> {
  // First, so that what they name has been written before the chains are read.
  const evidence = await evidenceFor(operator, appliance);
  for (let attempt = 1; ; attempt++) {
    const proof = createProof(evidence);
    const lines = await readLines(operator, appliance, undefined, ({ subject, line }) =>
      proof.take(subject, line),
    );
    const reports = proof.result();
    if (attempt < SETTLE_ATTEMPTS && reports.some(({ isBehind }) => isBehind)) await pause(SETTLE_MS);
    else return { lines: lines.filter(({ storedMs }) => storedMs >= sinceMs), reports };
  }
}

async function evidenceFor(operator: Operator, appliance: string | undefined): Promise<Evidence> {
  const { broker, repository, folder } = operator;
  const heads = new Map<string, AuditHead>();
  for (const { appliance: id, word } of (await readStatuses(broker)).values())
    if (typeof word !== 'string' && word.fleet && (appliance ?? id) === id) heads.set(id, word.fleet.audit);
  const roots = await loadRoots(repository, folder.anchor);
  const named = roots.flatMap(({ signed }) => Object.entries(signed.keys));
  const keys = new Map(named.map(([id, key]) => [id, key.keyVal.public ?? '']));
  const assignments: Assignment[] = [];
  const unreadable = new Map<string, string>();
  // The operators' chain is not looked at where one appliance is.
  for (const group of appliance === undefined ? groupsOf(operator) : []) {
    const found = await lookAtAssignment(operator, group);
    if (typeof found === 'string') unreadable.set(group, found);
    else if (found) assignments.push(found);
  }
  return { heads, keys, assignments, unreadable };
}
