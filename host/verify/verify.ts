/**
 * What a JetStream stream holds, checked: each message against its headers, its number and its subject, and the ledgers against
 * the events that messages count.
 *
 * What it proves: from the first message of a subject that the stream still holds to the last one, nothing is missing that
 * is not counted, nothing is there twice, each message holds the records that it says, and each ledger adds up to the
 * events that its messages count. What it cannot know: what the stream let go before, whether anything came behind the last
 * message, and who wrote a message: whoever may publish on a subject, or delete from the stream's ends, can write what adds up.
 *
 * Everything that is remembered has a limit, whatever is written there.
 */
import { oneLine, printable } from '../errors.js';
import { VERIFIED_FINDINGS_MAX, VERIFIED_SUBJECTS_MAX } from '../limits.js';
import type { Why } from '../numbering.js';
import { unpack } from '../pack.js';
import type { KeptMessage } from '../readback.js';
import { HEADER, LEDGER_STREAM, type StreamName, streamOf, type WireRecord } from '../wire.js';
import { type Books, createBooks, type Link } from './books.js';
import { type Envelope, countsEvents, placeBefore, readEnvelope } from './message.js';
import { createNumbers, type Numbers, type Step } from './numbers.js';

/** What cannot be explained. */
export const PROBLEMS = ['hole', 'duplicate', 'order', 'header', 'body', 'records', 'ledger'] as const;
export type Problem = (typeof PROBLEMS)[number];

export interface Finding {
  readonly kind: Problem | 'subject';
  readonly subject: string;
  /** Place in the stream. */
  readonly sequence: number;
  readonly text: string;
}

/** One subject, as far as it was read. */
export interface Checked {
  readonly subject: string;
  readonly name: StreamName;
  messages: number;
  /** Of messages that could be decoded, each once. */
  records: number;
  /** Sum of `Weir-Events`, each message once. */
  events: number;
  firstSequence: number;
  lastSequence: number;
  /** Epochs that began here, and the messages that are gone before them, by the reason told. */
  readonly epochs: Map<Why, { count: number; lost: number; repeated: number }>;
  /** An epoch of this reason began, and may tell again what was told before it, in so many messages from here on. */
  mayRepeat: { why: Why; messages: number } | undefined;
  readonly numbers: Numbers;
  /** Of a ledger. */
  readonly books: Books | undefined;
  readonly problems: Map<Problem, number>;
  readonly findings: Finding[];
  /** The message before says nothing of what comes behind it. */
  isInterrupted: boolean;
}

export interface Verifier {
  take(message: KeptMessage): void;
  result(): Verified;
}

export interface Verified {
  readonly subjects: readonly Checked[];
  /** On subjects under `weir.ev.` and `weir.dead.` that no host has. */
  readonly strangers: { readonly count: number; readonly findings: readonly Finding[] };
  /** Messages on subjects that are more than can be remembered. */
  readonly unread: number;
  /** Messages on subjects that are none of weir's. */
  readonly others: number;
  /** Place of the first message that was read; 0 when there was none. */
  readonly firstSequence: number;
}

export function createVerifier(): Verifier {
  const subjects = new Map<string, Checked>();
  const strangers = { count: 0, findings: [] as Finding[] };
  let firstSequence = 0;
  let unread = 0;
  let others = 0;

  function checkedOf(subject: string, name: StreamName): Checked | undefined {
    const found = subjects.get(subject);
    if (found || subjects.size >= VERIFIED_SUBJECTS_MAX) return found;
    const begun = begin(subject, name);
    subjects.set(subject, begun);
    return begun;
  }

  function takeStranger({ subject, sequence }: KeptMessage): void {
    if (!/^weir\.(ev|dead)\./.test(subject)) {
      others++;
      return;
    }
    const text = 'expected weir.ev.<appliance>.<filter>.<stream> or weir.dead.<appliance>.<filter>';
    if (strangers.count++ < VERIFIED_FINDINGS_MAX)
      strangers.findings.push({ kind: 'subject', subject: subject.slice(0, 200), sequence, text });
  }

  return {
    take(message) {
      firstSequence ||= message.sequence;
      const name = streamOf(message.subject);
      const checked = name && checkedOf(message.subject, name);
      if (checked) check(checked, message);
      else if (name) unread++;
      else takeStranger(message);
    },
    result: () => ({ subjects: [...subjects.values()], strangers, unread, others, firstSequence }),
  };
}

function begin(subject: string, name: StreamName): Checked {
  return {
    subject,
    name,
    messages: 0,
    records: 0,
    events: 0,
    firstSequence: 0,
    lastSequence: 0,
    epochs: new Map(),
    mayRepeat: undefined,
    numbers: createNumbers(),
    books: name.stream === LEDGER_STREAM ? createBooks() : undefined,
    problems: new Map(),
    findings: [],
    isInterrupted: false,
  };
}

function check(checked: Checked, message: KeptMessage): void {
  const { headers, sequence } = message;
  checked.messages++;
  checked.firstSequence ||= sequence;
  checked.lastSequence = sequence;
  const envelope = readEnvelope(checked.name, headers);
  if (typeof envelope === 'string') {
    checked.numbers.pass(sequence);
    checked.isInterrupted = true;
    tell(checked, 'header', sequence, envelope);
    return;
  }
  const isCopy = headers[HEADER.copyOf] !== undefined;
  const step = checked.numbers.take({ ...envelope, sequence, follows: placeBefore(headers), isCopy });
  if (step.kind === 'duplicate' || step.kind === 'order') tell(checked, step.kind, sequence, step.text);
  // What is there twice counts once.
  if (step.kind === 'duplicate') return;
  if (envelope.why !== undefined) countEpoch(checked, envelope.why, envelope.lost);
  countRepeated(checked);
  if (countsEvents(checked.name)) checked.events += envelope.events;
  checkBody(checked, message, envelope, step);
}

function checkBody(checked: Checked, message: KeptMessage, envelope: Envelope, step: Step): void {
  const { headers, body, sequence } = message;
  const { books } = checked;
  const link = linkOf(step, envelope, checked.isInterrupted);
  checked.isInterrupted = step.kind === 'order';
  const entries: WireRecord[] = [];
  let records = 0;
  try {
    unpack(headers, body, (record) => {
      records++;
      if (books) entries.push(record);
    });
  } catch (error) {
    checked.isInterrupted = true;
    // It may quote what is there.
    tell(checked, 'body', sequence, `cannot be decoded: ${printable(oneLine(error)).slice(0, 200)}`);
    return;
  }
  checked.records += records;
  if (records !== envelope.records)
    tell(
      checked,
      'records',
      sequence,
      `expected ${envelope.records} records, as its header says, found ${records}`,
    );
  const problem = books?.enter(entries, envelope.events, link);
  if (problem !== undefined) tell(checked, 'ledger', sequence, problem);
}

/** A data folder that is new begins with nothing told and nothing read. */
function linkOf({ kind }: Step, { why }: Envelope, isInterrupted: boolean): Link {
  if (kind === 'begins') return why === 'started' ? 'begins' : 'unknown';
  return kind === 'next' && !isInterrupted ? 'continues' : 'unknown';
}

function countEpoch(checked: Checked, why: Why, lost: number): void {
  const { epochs, messages } = checked;
  const known = epochs.get(why) ?? { count: 0, lost: 0, repeated: 0 };
  epochs.set(why, { ...known, count: known.count + 1, lost: known.lost + lost });
  // Who begins so does not know what is out: at most all that was there before. Other epochs may begin within it.
  if (why === 'restored' || why === 'started') checked.mayRepeat = { why, messages: messages - 1 };
}

function countRepeated({ epochs, mayRepeat }: Checked): void {
  const known = mayRepeat && epochs.get(mayRepeat.why);
  if (!known || mayRepeat.messages === 0) return;
  mayRepeat.messages--;
  known.repeated++;
}

function tell({ subject, problems, findings }: Checked, kind: Problem, sequence: number, text: string): void {
  problems.set(kind, (problems.get(kind) ?? 0) + 1);
  if (findings.length < VERIFIED_FINDINGS_MAX) findings.push({ kind, subject, sequence, text });
}
