/**
 * Numbers of a stream on the wire, and how the broker and the spool come to agree on them.
 *
 * Within an epoch messages are numbered from 1 without holes. The last message on the subject says which of them the broker
 * has, whatever was in flight when somebody died, so the next one is the next. Where that is impossible, because the
 * broker lost what it had, the disk did, or somebody else wrote there, another epoch begins, and its first
 * message says why and how many messages are gone. So a hole is never silent. Because that is told to every subscriber, no
 * epoch begins on a suspicion.
 */
import { randomBytes } from 'node:crypto';

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
}

/** The last message that the broker holds on a subject. */
export interface LastStored {
  readonly epoch: string;
  readonly number: number;
  readonly sequence: number;
}

/** Numbers behind the message `stored`. */
export function newEpoch(stored: number, sequence: number, why: Why, lost = 0): Numbering {
  return { epoch: randomBytes(8).toString('hex'), base: stored, stored, sequence, why, lost };
}

/** Whether the broker has what it acknowledged, judged by the last message that it holds on the subject. */
export function hasAcknowledged(numbering: Numbering, last: LastStored | undefined): boolean {
  const { epoch, base, stored } = numbering;
  return isUnused(numbering) || (last?.epoch === epoch && base + last.number >= stored);
}

/** No message of the epoch is known to be stored. */
function isUnused({ stored, base }: Numbering): boolean {
  return stored === base;
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
  const { epoch, base, stored } = numbering;
  if (!last) {
    if (isUnused(numbering) || isLetGo) return { numbering: { ...numbering, sequence: 0 }, rewinds: false };
    return { numbering: { ...numbering, stored: base, sequence: 0, why: 'store-lost' }, rewinds: true };
  }
  const { sequence } = last;
  if (last.epoch !== epoch) {
    const next = isUnused(numbering)
      ? { ...numbering, sequence }
      : newEpoch(stored, sequence, 'other-writer');
    return { numbering: next, rewinds: false };
  }
  const found = base + last.number;
  if (found > produced) return { numbering: newEpoch(stored, sequence, 'restored'), rewinds: false };
  if (found < stored)
    return { numbering: { ...numbering, stored: found, sequence, why: 'store-lost' }, rewinds: true };
  return { numbering: { ...numbering, stored: found, sequence }, rewinds: false };
}

/** The numbering under which the message with its own number `seq` goes out: another epoch, where those before it are gone. */
export function numberingFor(numbering: Numbering, seq: number): Numbering {
  const gone = seq - numbering.stored - 1;
  if (gone <= 0) return numbering;
  const why = numbering.why === 'store-lost' || numbering.why === 'refused' ? numbering.why : 'spool-damaged';
  return newEpoch(seq - 1, numbering.sequence, why, gone);
}
