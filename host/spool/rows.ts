/**
 * The record of what was done to a filter, so that after a kill it can be done again: each call by the place of its bytes, its
 * time, and the fuel it took, which tells that it went the same way. It goes to the spool in one append with the messages that
 * came of it; what came of nothing that was published need not be known.
 */
import type { Ledger } from '../filter/abi.js';
import type { Spared } from '../filter/calls.js';
import type { Position, ReadPlace } from '../source/source.js';
import type { WireRecord } from '../wire.js';
import type { Entry } from './entry.js';
import { readJson } from './payload.js';
import type { NewEntry } from './spool.js';

export type Row = BatchRow | TickRow | DeadRow | LostRow | LedgerRow | LeftOutRow;

export interface BatchRow {
  readonly kind: 'batch';
  readonly source: string;
  readonly place: ReadPlace;
  /** With the LF of the last event, which may not be in the source. */
  readonly bytes: number;
  /** What the source's place moved on by. */
  readonly moved: number;
  readonly isTruncated: boolean;
  readonly nowMs: number;
  readonly fuel: number;
  /** As in the call. */
  readonly spared?: Spared;
}

export interface TickRow {
  readonly kind: 'tick' | 'close' | 'flush';
  readonly nowMs: number;
  /** Absent where it stands for several of which none but the last told anything. */
  readonly fuel?: number;
  readonly spared?: Spared;
}

/** An event that was left out. */
export interface DeadRow extends Pick<BatchRow, 'source' | 'place' | 'moved' | 'isTruncated'> {
  readonly kind: 'dead';
}

export interface LostRow {
  readonly kind: 'lost';
  readonly source: string;
  readonly events: number;
}

export interface LedgerRow {
  readonly kind: 'ledger';
  readonly record: WireRecord;
}

/** Records of a stream that found no room. */
export interface LeftOutRow {
  readonly kind: 'left out';
  readonly stream: string;
  readonly records: number;
}

/** What was done between two appends, and where that led; with what was done before, once more, should that entry be damaged. */
export interface Commit extends Done {
  /** Number of its own entry. */
  readonly number: number;
  readonly previous?: Done;
}

export interface Done {
  /** `name@version+hash` that it was done to. */
  readonly filter: string;
  /** Number of the last entry that belongs to what was done before. */
  readonly behind: number;
  readonly rows: readonly Row[];
  /** The filter's counters after it. */
  readonly ledger: Ledger;
  /** Where its cursors were then, by source, but for those of files, which the rows tell. */
  readonly positions: Readonly<Record<string, Position>>;
  /** The messages that came of it, beside which it lies. */
  readonly messages: readonly SentMessage[];
}

/** A message, as far as it matters to whoever does the same again. */
export interface SentMessage {
  readonly stream: string;
  readonly seq: number;
  readonly records: number;
  readonly events: number;
}

export function commitEntry(commit: Omit<Commit, 'number'>): NewEntry {
  return { kind: 'commit', payload: [Buffer.from(JSON.stringify(commit))] };
}

/** The commit of an entry; nothing when it cannot be understood. */
export function readCommit({ payload, number }: Entry): Commit | undefined {
  const found = readJson(payload) as Partial<Commit> | undefined;
  const { previous } = found ?? {};
  if (!isDone(found) || (previous !== undefined && !isDone(previous))) return undefined;
  return { ...found, ...(previous ? { previous } : {}), number };
}

function isDone(value: Partial<Done> | undefined): value is Done {
  return (
    typeof value?.filter === 'string' &&
    Number.isSafeInteger(value.behind) &&
    Array.isArray(value.rows) &&
    Array.isArray(value.messages) &&
    typeof value.ledger === 'object' &&
    typeof value.positions === 'object'
  );
}
