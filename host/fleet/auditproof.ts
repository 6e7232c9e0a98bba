/**
 * Proves that nobody has left out, changed or added an entry of the audit.
 *
 * Of each chain: it begins with its first entry, each entry names the digest of the one before, and the entry that the appliance's
 * last status names as its end is in it, so that a chain that was cut off or written anew shows. Of the operators' chain: each entry is signed by a
 * key that a root of the fleet has ever named, and every release that is assigned has its entry, because their end is named nowhere else.
 *
 * What is wrong stays wrong for ever, also where it is known why. So an operator can sign that he knows it (`acknowledge.ts`): each finding has
 * a mark, which names the digest of the entry at which it shows, and covers no other one.
 */
import { AUDIT_FINDINGS_MAX, AUDIT_MARKS_MAX } from '../fleetlimits.js';
import { sha256Of } from '../digest.js';
import { auditSubject, FLEET_AUDIT_SUBJECT } from '../wire.js';
import type { Assignment, Release } from './assignment.js';
import { type AuditEntry, type AuditHead, brokenLink, headOf, parseEntry } from './audit.js';
import { signerOf } from './auditsign.js';

/** What there is to compare with. */
export interface Evidence {
  /** Ends of chains, as statuses name them, by appliance. */
  readonly heads: ReadonlyMap<string, AuditHead>;
  /** Public keys that roots of the fleet have ever named, by their ids. */
  readonly keys: ReadonlyMap<string, string>;
  readonly assignments: readonly Assignment[];
  /** Why what is assigned to a group cannot be read, by group. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** Marks of findings that operators have acknowledged. */
  readonly known: ReadonlySet<string>;
}

export interface ChainReport {
  /** The appliance; nothing for the operators. */
  readonly appliance: string | null;
  readonly entries: number;
  readonly last: number;
  /** The first of what is wrong. */
  readonly findings: readonly string[];
  /** All of it. */
  readonly wrong: number;
  /** How much more there is that an operator has acknowledged. */
  readonly known: number;
  /** The status names an entry that is behind the end: it may still be on its way. */
  readonly isBehind: boolean;
}

export interface Proof {
  /** A message of the audit stream; in its order. */
  take(subject: string, line: string): void;
  result(): readonly ChainReport[];
  /** Of the first findings in the result that can be acknowledged. */
  marks(): readonly string[];
}

interface Chain {
  entries: number;
  head: AuditHead | undefined;
  /** The entry that the status names was there. */
  isEndSeen: boolean;
  wrong: number;
  known: number;
  readonly findings: string[];
}

export function createProof({ heads, keys, assignments, unreadable, known }: Evidence): Proof {
  const marks = new Set<string>();
  const chains = new Map<string, Chain>();
  const pushes = new Set<string>();

  function chainOf(subject: string): Chain {
    const chain = chains.get(subject) ?? {
      entries: 0,
      head: undefined,
      isEndSeen: false,
      wrong: 0,
      known: 0,
      findings: [],
    };
    chains.set(subject, chain);
    return chain;
  }

  /** `digest`: of the entry at which it shows. */
  function find(subject: string, finding: string, digest?: string): void {
    const chain = chainOf(subject);
    const mark = [`${applianceOf(subject) ?? 'operators'}: ${finding}`, digest].filter(Boolean).join(' ');
    if (known.has(mark)) {
      chain.known++;
      return;
    }
    if (marks.size < AUDIT_MARKS_MAX) marks.add(mark);
    tell(chain, finding);
  }

  function tell(chain: Chain, finding: string): void {
    chain.wrong++;
    if (chain.findings.length < AUDIT_FINDINGS_MAX) chain.findings.push(finding);
  }

  function checkOperator(line: string, entry: AuditEntry): void {
    if (signerOf(line, keys) === undefined) {
      const found = entry.sig === undefined ? 'none' : 'one that is none of them, or of another entry';
      const finding = `entry ${entry.seq}: expected a signature by a key of the fleet, found ${found}`;
      find(FLEET_AUDIT_SUBJECT, finding, sha256Of(line));
      return;
    }
    for (const version of String(entry.after ?? '').split(', ')) pushes.add(markOf(version, entry));
  }

  function checkEnds(): void {
    for (const [appliance, { seq }] of heads) if (seq > 0) chainOf(auditSubject(appliance));
    for (const [subject, chain] of chains) {
      const head = heads.get(applianceOf(subject) ?? '');
      if (!head || head.seq === 0 || chain.isEndSeen) continue;
      const last = chain.head?.seq ?? 0;
      const found = last < head.seq ? `it to end with entry ${last}` : 'another one in its place';
      const finding = `expected entry ${head.seq}, as the status of the appliance names it, found ${found}`;
      find(subject, finding, head.digest);
    }
  }

  function checkReleases(): void {
    for (const [group, problem] of unreadable)
      tell(chainOf(FLEET_AUDIT_SUBJECT), `what is assigned to ${group} cannot be read: ${problem}`);
    for (const { group, filters } of assignments)
      for (const [filter, { release, before }] of Object.entries(filters))
        for (const one of [release, before]) {
          if (!one || pushes.has(markOf(one.version, one))) continue;
          const what = `${filter} of ${group}: ${one.version}, assigned by ${one.by} at ${one.at}`;
          find(FLEET_AUDIT_SUBJECT, `${what}: expected a signed entry of that, found none`);
        }
  }

  return {
    take(subject, line) {
      const chain = chainOf(subject);
      const appliance = applianceOf(subject);
      const entry = parseEntry(line);
      const broken = brokenLink(chain.head, line);
      if (broken !== undefined) find(subject, broken, sha256Of(line));
      else if (chain.entries === 0 && entry && entry.seq !== 1)
        find(subject, `entry ${entry.seq}: expected the chain to begin with entry 1`, sha256Of(line));
      chain.entries++;
      if (!entry) return;
      // Behind a hole it is checked on from there.
      chain.head = headOf(line);
      if (appliance === undefined) return checkOperator(line, entry);
      if (entry.who !== appliance)
        find(subject, `entry ${entry.seq}: expected one of ${appliance}`, chain.head.digest);
      const end = heads.get(appliance);
      if (end?.seq === entry.seq && end.digest === chain.head.digest) chain.isEndSeen = true;
    },
    result() {
      checkEnds();
      checkReleases();
      return [...chains].map(([subject, { entries, head, findings, wrong, known, isEndSeen }]) => {
        const appliance = applianceOf(subject) ?? null;
        const last = head?.seq ?? 0;
        const isBehind = wrong > 0 && !isEndSeen && (heads.get(appliance ?? '')?.seq ?? 0) > last;
        return { appliance, entries, last, findings, wrong, known, isBehind };
      });
    },
    marks: () => [...marks],
  };
}

/** What the entry of a push and what it has assigned have in common. */
function markOf(version: string, { by, at }: Pick<Release, 'by' | 'at'> | AuditEntry): string {
  return JSON.stringify([version, by, at]);
}

const PREFIX = 'weir.audit.';

/** Whose chain it is; nothing for the operators'. */
export function applianceOf(subject: string): string | undefined {
  return subject.startsWith(PREFIX) ? subject.slice(PREFIX.length) : undefined;
}
