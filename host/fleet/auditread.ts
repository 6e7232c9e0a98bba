/**
 * Reads the audit from the broker, with what there is to prove it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker } from '../broker.js';
import { AUDIT_STREAM, AUDIT_WILDCARD, auditSubject, FLEET_AUDIT_SUBJECT } from '../wire.js';
import { acknowledgedIn } from './acknowledge.js';
import type { Assignment } from './assignment.js';
import { type AuditHead, OPERATORS_AUDIT } from './audit.js';
import { type ChainReport, createProof, type Evidence } from './auditproof.js';
import type { AuditLine } from './audittext.js';
import type { Metadata, Root } from './metadata.js';
import { groupsOf, lookAtAssignment, type Operator } from './operator.js';
import { loadRoots } from './state.js';
import { readStatuses } from './statuses.js';

/** An entry that a status names already may still be on its way. */
const SETTLE_MS = 1_000;
const SETTLE_ATTEMPTS = 5;

/** What the streams of the audit have: of one appliance or of all and the operators, since a time. */
export async function readAudit(
  { broker }: Operator,
  appliance: string | undefined,
  sinceMs: number | undefined,
): Promise<AuditLine[]> {
  const since = sinceMs === undefined ? {} : { sinceMs };
  if (appliance !== undefined)
    return readLines(broker, { stream: AUDIT_STREAM, subject: auditSubject(appliance), ...since });
  const operators = await readLines(broker, { ...OPERATORS_AUDIT, ...since });
  return [...operators, ...(await readLines(broker, { ...APPLIANCES, ...since }))];
}

const APPLIANCES = { stream: AUDIT_STREAM, subject: AUDIT_WILDCARD };

async function readLines(
  broker: Broker,
  of: { readonly stream: string; readonly subject?: string; readonly sinceMs?: number },
): Promise<AuditLine[]> {
  const lines: AuditLine[] = [];
  await broker.read(of, ({ subject, body, storedMs }) => {
    lines.push({ subject, line: Buffer.from(body).toString('utf8'), storedMs });
  });
  return lines;
}

/** Reads all of it, because a chain is proved from its beginning on; answers the entries since a time, and what is found. */
export async function readProved(
  operator: Operator,
  appliance: string | undefined,
  sinceMs: number,
): Promise<{ lines: AuditLine[]; reports: readonly ChainReport[]; marks: readonly string[] }> {
  // First, so that what they name has been written before the chains are read.
  const { roots, ...evidence } = await evidenceFor(operator, appliance);
  for (let attempt = 1; ; attempt++) {
    const lines = await readAudit(operator, appliance, undefined);
    const operators =
      appliance === undefined
        ? lines.filter(({ subject }) => subject === FLEET_AUDIT_SUBJECT)
        : await readLines(operator.broker, OPERATORS_AUDIT);
    const known = acknowledgedIn(
      operators.map(({ line }) => line),
      roots,
    );
    const proof = createProof({ ...evidence, known });
    for (const { subject, line } of lines) proof.take(subject, line);
    const reports = proof.result();
    if (attempt < SETTLE_ATTEMPTS && reports.some(({ isBehind }) => isBehind)) await pause(SETTLE_MS);
    else {
      const since = lines.filter(({ storedMs }) => storedMs >= sinceMs);
      return { lines: since, reports, marks: proof.marks() };
    }
  }
}

async function evidenceFor(
  operator: Operator,
  appliance: string | undefined,
): Promise<Omit<Evidence, 'known'> & { readonly roots: readonly Metadata<Root>[] }> {
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
  return { heads, keys, assignments, unreadable, roots };
}
