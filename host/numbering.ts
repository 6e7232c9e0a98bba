/**
 * Numbers of a stream on the wire, and how the broker and the spool come to agree on them.
 *
 * Within an epoch messages are numbered from 1 without holes. The last message on the subject says which of them the broker
 * has, whatever was in flight when somebody died, so the next one is the next. Where that is impossible, because the
 * broker lost what it had, the disk did, or somebody else wrote there, another epoch begins, and its first
 * message says why and how many messages are gone. So a hole is never silent. Because that is told to every subscriber, no
 * epoch begins on a suspicion.
 *
 * Own numbers of messages go on over all epochs. What a broker has lost is counted in them, and comes again as far as the spool
 * holds it, of earlier epochs, too: so these are remembered, the last ones.
 */
import { randomBytes } from 'node:crypto';
import { PAST_EPOCHS_MAX } from './limits.js';

/** Why an epoch began. */
export const WHYS = [
  'started',
  'store-lost',
  'spool-damaged',
  'restored',
  'other-writer',
  'refused',
] as const;
export type Why = (typeof WHYS)[number];

export interface Numbering {
  readonly epoch: string;
  /** A message's number on the wire is its own one less this. */
  readonly base: number;
  /** Its own number of the last message that the broker has. */
  readonly stored: number;
  /** Where that lies in the broker's stream; 0 when the subject is empty. */
  readonly sequence: number;
  readonly why: Why;
  /** Messages that are gone for good between the epoch before and this one. */
  readonly lost: number;
  /** Why those behind `stored` are missing, if any are; absent where only damage can have taken them. */
  readonly missing?: 'store-lost' | 'refused';
  /** The broker has lost messages of another stream since: `sequence` may be of a store that is gone, so places prove nothing. */
  readonly isDoubted?: true;
  /** Epochs before it, oldest first. */
  readonly past: readonly Past[];
}

/**
 * An epoch that is over, or one of another writer: where the subject ends with a message of it, the broker has the messages with own
 * numbers up to `base` and the number of that one, but up to `end` at most.
 */
export interface Past {
  readonly epoch: string;
  readonly base: number;
  readonly end: number;
}

/** The last message that the broker holds on a subject. */
export interface LastStored {
  readonly epoch: string;
  readonly number: number;
  readonly sequence: number;
}

/** Numbers behind the message `stored`, of a stream of which nothing else is known. */
export function newEpoch(stored: number, sequence: number, why: Why): Numbering {
  return {
    epoch: randomBytes(8).toString('hex'),
    base: stored,
    stored,
    sequence,
    why,
    lost: 0,
    past: [],
  };
}

/** Another epoch behind the message `stored`, and behind `other`, an epoch of another writer. */
export function nextEpoch(
  before: Numbering,
  stored: number,
  sequence: number,
  why: Why,
  other?: string,
): Numbering {
  return { ...newEpoch(stored, sequence, why), past: pastBehind(before, stored, other) };
}

function pastBehind(before: Numbering, stored: number, other?: string): readonly Past[] {
  const { epoch, base, stored: end } = before;
  const past = [
    ...before.past,
    ...(isUnused(before) ? [] : [{ epoch, base, end }]),
    ...(other === undefined ? [] : [{ epoch: other, base: stored, end: stored }]),
  ];
  // From here on the same own numbers may be those of other messages.
  return past.map((one) => ({ ...one, end: Math.min(one.end, stored) })).slice(-PAST_EPOCHS_MAX);
}

/** Whether the broker has what it acknowledged, judged by the last message that it holds on the subject. */
export function hasAcknowledged(numbering: Numbering, last: LastStored | undefined): boolean {
  const acknowledged = acknowledgedOf(numbering);
  if (acknowledged === 0) return true;
  if (!last) return false;
  if ((storedBy(numbering, last) ?? 0) >= acknowledged) return true;
  return isUnused(numbering) && last.sequence >= numbering.sequence;
}

/** Own number of the last message that the broker has acknowledged, in this epoch or one before. */
export function acknowledgedOf(numbering: Numbering): number {
  return isUnused(numbering) ? (numbering.past.at(-1)?.end ?? 0) : numbering.stored;
}

/** No message of the epoch is known to be stored. */
function isUnused({ stored, base }: Numbering): boolean {
  return stored === base;
}

/** Own number of the last message that the broker has; nothing where the subject ends with a message of an unknown epoch. */
function storedBy({ epoch, base, past }: Numbering, last: LastStored): number | undefined {
  if (last.epoch === epoch) return base + last.number;
  const found = past.findLast((one) => one.epoch === last.epoch);
  return found && Math.min(found.base + last.number, found.end);
}

/**
 * Whether a leader that does not have it can be believed: one that was cut off from the others does not know of what they have
 * stored since. So it is believed when it is not behind what is known here, or when the subject ends there for sure (`end`).
 */
export function isCurrent(numbering: Numbering, last: LastStored | undefined, end?: number): boolean {
  const sequence = last?.sequence ?? 0;
  return sequence >= numbering.sequence || sequence === end;
}

export interface Agreement {
  readonly numbering: Numbering;
  /** The broker lacks messages that it had acknowledged: what the spool still holds of them is to be sent again. */
  readonly rewinds: boolean;
}

/**
 * `isLetGo`: what is missing was dropped from the stream in its order, not lost; `produced`: number of the last message that
 * there is.
 */
export function agree(
  numbering: Numbering,
  last: LastStored | undefined,
  isLetGo: boolean,
  produced: number,
): Agreement {
  const { epoch, stored } = numbering;
  const goesOn = (next: Numbering) => ({ numbering: trusted(next), rewinds: false });
  if (!last) {
    if (isLetGo || acknowledgedOf(numbering) === 0) return goesOn({ ...numbering, sequence: 0 });
    return sendAgain(numbering, 0, 0);
  }
  const { sequence } = last;
  const found = storedBy(numbering, last);
  if (last.epoch === epoch && found !== undefined) {
    if (found > produced)
      return goesOn(nextEpoch(numbering, Math.min(stored, produced), sequence, 'restored'));
    return found < stored
      ? sendAgain(numbering, found, sequence)
      : goesOn({ ...numbering, stored: found, sequence });
  }
  // Behind what is known here others may have written; before it there is nothing that it could have lost.
  if (sequence < numbering.sequence && (found ?? 0) < acknowledgedOf(numbering))
    return sendAgain(numbering, found ?? 0, sequence);
  if (!isUnused(numbering)) return goesOn(nextEpoch(numbering, stored, sequence, 'other-writer', last.epoch));
  if (found !== undefined) return goesOn({ ...numbering, sequence });
  // Of an image or a folder that knows less than the broker: what it takes for stored lies before that message.
  return goesOn({ ...numbering, sequence, past: pastBehind(numbering, stored, last.epoch) });
}

/** The messages behind `found` go out again: in another epoch, where they were in one before this. */
function sendAgain(numbering: Numbering, found: number, sequence: number): Agreement {
  const why = 'store-lost';
  const isEarlier = found < numbering.base;
  const again = isEarlier ? nextEpoch(numbering, found, sequence, why) : numbering;
  return { numbering: { ...trusted(again), stored: found, sequence, why, missing: why }, rewinds: true };
}

/** The numbering under which the message with its own number `seq` goes out: another epoch, where those before it are gone. */
export function numberingFor(numbering: Numbering, seq: number): Numbering {
  const gone = seq - numbering.stored - 1;
  if (gone <= 0) return numbering;
  const why = numbering.missing ?? 'spool-damaged';
  return { ...nextEpoch(numbering, seq - 1, numbering.sequence, why), lost: gone };
}

/** Behind its message with the own number `seq`, which the broker has stored in this place. */
export function storedTo({ missing: _, ...numbering }: Numbering, seq: number, sequence: number): Numbering {
  return { ...trusted(numbering), stored: seq, sequence };
}

/** After another stream has lost what the broker had acknowledged of it. */
export function doubted(numbering: Numbering): Numbering {
  return acknowledgedOf(numbering) === 0 ? numbering : { ...numbering, isDoubted: true };
}

/** Its place is one of what the broker holds now. */
function trusted({ isDoubted: _, ...numbering }: Numbering): Numbering {
  return numbering;
}
