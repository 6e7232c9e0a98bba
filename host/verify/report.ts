/**
 * What was verified, as one object for machines: what each stream of each filter holds, what is explained, and what is not.
 */
import type { Ledger } from '../filter/abi.js';
import { REPORTED_FINDINGS_MAX, VERIFIED_FINDINGS_MAX } from '../limits.js';
import type { Kept } from '../readback.js';
import type { StreamName } from '../wire.js';
import { BY_NAME, type ByName, sumOf } from './books.js';
import { type Gap, missingIn } from './numbers.js';
import type { Checked, Finding, Problem, Verified } from './verify.js';

/** Version of the object; a field that is added does not change it. */
const SCHEMA = 1;

export interface ReportOptions {
  readonly stream: string;
  readonly subject: string | undefined;
  readonly sinceMs: number | undefined;
}

export interface Report {
  readonly schema: number;
  /** Of JetStream. */
  readonly stream: string;
  readonly subject: string | null;
  readonly since: string | null;
  /** Places in it that were read. */
  readonly first_sequence: number;
  readonly last_sequence: number;
  readonly messages: number;
  readonly records: number;
  /** All is explained. */
  readonly complete: boolean;
  readonly unexplained: number;
  readonly streams: readonly StreamReport[];
  readonly ledgers: readonly LedgerReport[];
  readonly explained: readonly Explained[];
  readonly findings: readonly Finding[];
  /** More of them, which are counted only. */
  readonly findings_left_out: number;
  /** Messages on subjects that are not weir's. */
  readonly other_messages: number;
}

export interface StreamReport extends StreamName {
  readonly first_sequence: number;
  readonly last_sequence: number;
  readonly messages: number;
  readonly records: number;
  readonly events: number;
  /** Messages that are gone for good, and counted. */
  readonly lost: number;
  /** Messages that are missing without a reason; at least so many. */
  readonly holes: number;
  readonly duplicates: number;
  /** All that is unexplained, holes and duplicates included. */
  readonly unexplained: number;
  readonly problems: Partial<Readonly<Record<Problem, number>>>;
}

/** A filter's ledger, added up. */
export interface LedgerReport extends Omit<StreamName, 'stream'>, Ledger, ByName {
  /** Records that say that it was taken out. */
  readonly taken_out: number;
  /** Events that its messages count and no record tells yet; null where that is not known. */
  readonly not_told: number | null;
  /** Why it is not: it begins before what is held, something is missing, or another epoch began. */
  readonly not_told_unknown: 'older' | 'hole' | 'epoch' | null;
}

export interface Explained extends StreamName {
  /** Messages, or for `lost`, `cut` and `dead` events, for `shed` records, for `taken_out` records of the ledger; null when it is not known how many. */
  readonly count: number | null;
  readonly what: 'older' | 'epoch' | 'gone' | 'repeated' | 'taken_out' | (typeof BY_NAME)[number];
  /**
   * Why: of `older` what let them go, of `epoch`, `gone` and `repeated` (which are so many at most) what the message says, of `taken_out`
   * that there were faults, else the source or stream.
   */
  readonly reason: string;
}

export function reportOf(verified: Verified, kept: Kept, options: ReportOptions): Report {
  const { stream, subject, sinceMs } = options;
  const subjects = [...verified.subjects].sort((one, other) => (one.subject < other.subject ? -1 : 1));
  const horizon = horizonOf(verified, kept, sinceMs);
  const rows = subjects.map((checked) => rowOf(checked, horizon));
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  const nothing =
    subject !== undefined && subjects.length + verified.strangers.count === 0 ? [nothingOn(subject)] : [];
  const unread = verified.unread > 0 ? [tooMany(subjects.length, verified.unread)] : [];
  const unexplained =
    sum((row) => row.stream.unexplained) + verified.strangers.count + verified.unread + nothing.length;
  const found = [
    ...nothing,
    ...unread,
    ...verified.strangers.findings,
    ...rows.flatMap(({ findings }) => findings),
  ];
  const findings = found.sort((one, other) => one.sequence - other.sequence).slice(0, REPORTED_FINDINGS_MAX);
  return {
    schema: SCHEMA,
    stream,
    subject: subject ?? null,
    since: sinceMs === undefined ? null : new Date(sinceMs).toISOString(),
    first_sequence: verified.firstSequence,
    last_sequence: kept.last,
    messages: sum((row) => row.stream.messages),
    records: sum((row) => row.stream.records),
    complete: unexplained === 0,
    unexplained,
    streams: rows.map((row) => row.stream),
    ledgers: rows.flatMap(({ ledger }) => ledger ?? []),
    explained: rows.flatMap((row) => row.explained),
    findings,
    findings_left_out:
      sum((row) => row.found) + verified.strangers.count + nothing.length + unread.length - findings.length,
    other_messages: verified.others,
  };
}

/** What lies before it cannot be expected: the stream has let it go, or it was not asked for. */
interface Horizon {
  readonly sequence: number;
  readonly reason: 'retention' | 'since';
  readonly perSubjectMax: number;
}

function horizonOf({ firstSequence }: Verified, kept: Kept, sinceMs: number | undefined): Horizon {
  const { firstAfter, perSubjectMax } = kept;
  const isSince = sinceMs !== undefined && firstSequence > firstAfter;
  return {
    sequence: isSince ? firstSequence : firstAfter,
    reason: isSince ? 'since' : 'retention',
    perSubjectMax,
  };
}

/** All that is told of one subject. */
interface Row {
  readonly stream: StreamReport;
  readonly ledger: LedgerReport | undefined;
  readonly explained: readonly Explained[];
  /** The first of them; `found` is how many there are. */
  readonly findings: readonly Finding[];
  readonly found: number;
}

function rowOf(checked: Checked, horizon: Horizon): Row {
  const { name, messages, records, events, problems, numbers } = checked;
  const gone = numbers.gaps().filter((gap) => isOlder(gap, horizon));
  const missing = numbers.gaps().filter((gap) => !isOlder(gap, horizon));
  const holes = missing.reduce((sum, gap) => sum + missingIn(gap), 0) + numbers.moreMissing();
  const others = [...problems.values()].reduce((sum, count) => sum + count, 0);
  const findings = [...checked.findings, ...missing.map((gap) => holeFinding(checked, gap))];
  const ledger = ledgerOf(checked, gone.length > 0, holes > 0);
  return {
    stream: {
      ...name,
      first_sequence: checked.firstSequence,
      last_sequence: checked.lastSequence,
      messages,
      records,
      events,
      lost: [...checked.epochs.values()].reduce((sum, { lost }) => sum + lost, 0),
      holes,
      duplicates: problems.get('duplicate') ?? 0,
      unexplained: holes + others,
      problems: { ...(holes > 0 ? { hole: holes } : {}), ...Object.fromEntries(problems) },
    },
    ledger,
    explained: [
      ...gone.map((gap) => olderThan(name, gap, horizon)),
      ...epochsOf(checked),
      ...(ledger ? entriesOf(name, ledger) : []),
    ],
    findings: findings.sort((one, other) => one.sequence - other.sequence).slice(0, VERIFIED_FINDINGS_MAX),
    found: others + missing.length + (numbers.moreMissing() > 0 ? 1 : 0),
  };
}

/** Whether what is missing can have been let go in its time. */
function isOlder(gap: Gap, { sequence, perSubjectMax }: Horizon): boolean {
  const { follows, isCopy, between } = gap;
  const [before, next] = between;
  if (before === 0 && (perSubjectMax > 0 || isCopy)) return true;
  if (follows) return follows < sequence;
  // Nothing says where it was: it may have been anywhere before. Where nothing has been let go, whatever was stored is there.
  return before === 0 ? sequence > 1 : next <= sequence;
}

function olderThan(name: StreamName, gap: Gap, { reason, perSubjectMax }: Horizon): Explained {
  const count = gap.numbers ? missingIn(gap) : null;
  return { ...name, count, what: 'older', reason: perSubjectMax > 0 ? 'max_msgs_per_subject' : reason };
}

/** The first epoch of a subject needs no explanation, unless something is gone before it. */
function epochsOf({ name, epochs }: Checked): Explained[] {
  return [...epochs].flatMap(([reason, { count, lost, repeated }]) => {
    const begun = reason === 'started' ? count - 1 : count;
    return [
      ...(begun > 0 ? [{ ...name, count: begun, what: 'epoch' as const, reason }] : []),
      ...(lost > 0 ? [{ ...name, count: lost, what: 'gone' as const, reason }] : []),
      ...(repeated > 0 ? [{ ...name, count: repeated, what: 'repeated' as const, reason }] : []),
    ];
  });
}

/** What the filter did not see, or did not tell, as its ledger says. */
function entriesOf(name: StreamName, ledger: LedgerReport): Explained[] {
  const counted = BY_NAME.flatMap((what) =>
    Object.entries(ledger[what]).map(([reason, count]) => ({ ...name, count, what, reason })),
  );
  const takenOut = { ...name, count: ledger.taken_out, what: 'taken_out' as const, reason: 'faults' };
  return [takenOut, ...counted].filter(({ count }) => count > 0);
}

function ledgerOf(
  { name, books, epochs, events }: Checked,
  isOlder: boolean,
  hasHoles: boolean,
): LedgerReport | undefined {
  if (!books) return undefined;
  const { counters, byName, takenOut } = books.entered();
  const begun = [...epochs.values()].reduce((sum, { count }) => sum + count, 0);
  const isAll = epochs.has('started') && !isOlder;
  const unknown = !isAll ? 'older' : hasHoles ? 'hole' : begun > 1 ? 'epoch' : null;
  const told = counters.in + sumOf(byName.dead);
  return {
    appliance: name.appliance,
    filter: name.filter,
    ...counters,
    ...byName,
    taken_out: takenOut,
    not_told: unknown === null ? events - told : null,
    not_told_unknown: unknown,
  };
}

function holeFinding({ subject }: Checked, { numbers, epoch, between, follows }: Gap): Finding {
  const [before, sequence] = between;
  const [first, last] = numbers ?? [];
  const many = first === last ? `message ${first}` : `messages ${first} to ${last}`;
  const what = first === undefined ? 'at least one message' : `${many} of epoch ${epoch}`;
  const where = before === 0 ? 'before the first one' : `behind place ${before}`;
  const removed = `removed, because the next one followed place ${follows}`;
  const how = follows === undefined ? 'missing' : follows === before ? 'never stored' : removed;
  return { kind: 'hole', subject, sequence, text: `${what}, ${where}: ${how}` };
}

function nothingOn(subject: string): Finding {
  return { kind: 'subject', subject, sequence: 0, text: 'expected messages there, found none' };
}

function tooMany(known: number, unread: number): Finding {
  const text = `expected at most ${known} subjects, found more; ${unread} messages were not looked at: choose with SUBJECT`;
  return { kind: 'subject', subject: '>', sequence: 0, text };
}
