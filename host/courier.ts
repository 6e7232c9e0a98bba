/**
 * The courier of one filter: reads its spool, gives each message its number on the wire, and knows what the broker has.
 *
 * It holds a few messages of each stream, whatever the backlog. What is settled, for all streams up to one entry, is written
 * down before a segment goes: in the reverse order a crash would look for what is not there any more.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile, sealed, unsealed } from './durable.js';
import { COURIER_MESSAGES_MAX, EPOCH_CHANGES_MAX } from './limits.js';
import {
  agree,
  type LastStored,
  type Numbering,
  newEpoch,
  numberingFor,
  type Why,
  WHYS,
} from './numbering.js';
import { readMessage, type SpooledMessage } from './spool/payload.js';
import type { Spool, SpoolReader } from './spool/spool.js';
import { DEAD_STREAM, deadSubject, eventSubject, HEADER, type Message, messageId } from './wire.js';

export interface CourierOptions {
  readonly appliance: string;
  readonly instance: string;
  readonly folder: string;
  readonly spool: Spool;
  /** Number of the last entry that may go out. */
  readonly safe: () => number;
  /** Number of the last message of a stream that was made. */
  readonly produced: (stream: string) => number;
  readonly bytesMax: number;
  readonly notice: (line: string) => void;
}

/** The messages of one stream that are held, oldest first. */
export interface Line {
  readonly stream: string;
  readonly subject: string;
  readonly held: { readonly entry: number; readonly message: SpooledMessage }[];
  numbering: Numbering;
}

/** An epoch that began, or one that goes on behind messages that the broker had lost. */
export interface EpochChange {
  readonly ts: number;
  readonly filter: string;
  readonly stream: string;
  readonly reason: Why;
  /** Messages that are gone for good. */
  readonly lost: number;
}

export interface Courier {
  /** The lines of which something was stored before this start. */
  published(): Line[];
  /** Reads on in the spool, as far as there is room; answers the lines that have got something. */
  load(): Line[];
  /** The first message of a line as it goes out, and the number in the broker's stream it has to follow. */
  next(line: Line): { readonly message: Message; readonly follows: number };
  /** Compares with what the broker has; `isLetGo` as in `agree`. True when all lines were emptied, to be read again. */
  agreeWith(line: Line, last: LastStored | undefined, isLetGo: boolean): boolean;
  /** The first message of the line is stored, in this place of the broker's stream. */
  stored(line: Line, sequence: number): void;
  /** The first message of the line will not be sent. */
  drop(line: Line): void;
  /** Number of the last message of a stream that the broker has, as far as is known; 0 when nothing is. */
  storedTo(stream: string): number;
  /** Everything up to this entry of the spool is settled. */
  settled(): number;
  /** Nothing is left to be sent. */
  isEmpty(): boolean;
  /** Writes down what is settled; `isSafe` before a segment goes. */
  save(isSafe: boolean): void;
  /** Entries at which the spool was damaged. */
  damaged(): number;
  /** Number of the last entry of the spool. */
  last(): number;
  /** What numbers of streams did since the start, but for the first epoch of each: the last of it. */
  changes(): readonly EpochChange[];
  close(): void;
}

export function createCourier(options: CourierOptions): Courier {
  const { appliance, instance, folder, spool, safe, produced, bytesMax, notice } = options;
  const path = join(folder, 'published.json');
  const saved = readSaved(path);
  const isNew = !saved && spool.last() === 0;
  const numberings = new Map(Object.entries(saved?.streams ?? {}));
  const lines = new Map<string, Line>();
  /** Entries that are held, ascending. */
  const outstanding = new Set<number>();
  let heldBytes = 0;
  let damagedBefore = 0;
  let readTo = Math.min(saved?.through ?? 0, spool.last());
  let reader: SpoolReader = spool.read(readTo);
  let written = '';
  const changes: EpochChange[] = [];

  function noteChange({ stream }: Line, { why, lost }: Numbering): void {
    changes.push({ ts: Date.now(), filter: instance, stream, reason: why, lost });
    if (changes.length > EPOCH_CHANGES_MAX) changes.shift();
  }

  function lineOf(stream: string, subject: string, seq: number): Line {
    const found = lines.get(stream);
    if (found) return found;
    const numbering = numberings.get(stream) ?? firstNumbering(seq);
    const line: Line = { stream, subject, held: [], numbering };
    lines.set(stream, line);
    return line;
  }

  /** Of a stream of which nothing is written down. */
  function firstNumbering(seq: number): Numbering {
    // Before anything of a stream goes out it is written down: so nothing has, and what is missing before this one is gone.
    if (saved || isNew) return newEpoch(0, 0, 'started');
    // What was written down is lost, and what is still here may have gone out.
    return newEpoch(seq - 1, 0, 'restored');
  }

  function subjectOf(stream: string): string {
    if (stream === DEAD_STREAM) return deadSubject(appliance, instance);
    return eventSubject(appliance, instance, stream);
  }

  function settledTo(): number {
    return (outstanding.values().next().value ?? readTo + 1) - 1;
  }

  function save(isSafe: boolean): void {
    for (const { stream, numbering } of lines.values()) numberings.set(stream, numbering);
    const text = JSON.stringify({
      version: VERSION,
      through: settledTo(),
      streams: Object.fromEntries(numberings),
    });
    if (text === written) return;
    replaceFile(path, sealed(text), isSafe);
    written = text;
  }

  /** From the first moment on, so that it is known to be new. */
  function saveQuietly(): void {
    try {
      save(false);
    } catch {
      // A disk that takes nothing is told of by whoever has something to write.
    }
  }

  /** The first message of a line is done with. */
  function shift(line: Line): void {
    const first = line.held.shift();
    if (!first) return;
    outstanding.delete(first.entry);
    heldBytes -= first.message.body.length;
  }

  function rewind(): void {
    damagedBefore += reader.damaged();
    reader.close();
    readTo = spool.first() - 1;
    reader = spool.read(readTo);
    outstanding.clear();
    heldBytes = 0;
    for (const line of lines.values()) line.held.length = 0;
  }

  if (isNew) saveQuietly();

  return {
    published: () =>
      [...numberings].map(([stream, { stored }]) => lineOf(stream, subjectOf(stream), stored + 1)),
    load() {
      const changed = new Set<Line>();
      while (heldBytes < bytesMax && outstanding.size < COURIER_MESSAGES_MAX && readTo < safe()) {
        const entry = reader.next();
        if (!entry) break;
        readTo = entry.number;
        const message = entry.kind === 'message' ? readMessage(entry) : undefined;
        if (!message) continue;
        const line = lineOf(message.stream, message.subject, message.seq);
        if (message.seq <= line.numbering.stored) continue;
        line.held.push({ entry: entry.number, message });
        outstanding.add(entry.number);
        heldBytes += message.body.length;
        changed.add(line);
      }
      return [...changed];
    },
    next(line) {
      const { message } = line.held[0] as Line['held'][0];
      const numbering = numberingFor(line.numbering, message.seq);
      if (numbering !== line.numbering || numbering.stored === numbering.base) {
        if (numbering.lost > 0 && numbering !== line.numbering) {
          notice(`stream ${instance}.${line.stream}: ${numbering.lost} messages are gone (${numbering.why})`);
          noteChange(line, numbering);
        }
        line.numbering = numbering;
        // Known before anybody sees it, or after a crash it would be taken for another host's.
        save(false);
      }
      const follows = numbering.sequence;
      return { message: onWire(appliance, instance, message, numbering), follows };
    },
    agreeWith(line, last, isLetGo) {
      const { numbering, rewinds } = agree(line.numbering, last, isLetGo, produced(line.stream));
      if (numbering.epoch !== line.numbering.epoch || rewinds) {
        const problem = `the broker has not what it should have (${numbering.why})`;
        notice(`stream ${instance}.${line.stream}: ${problem}`);
        noteChange(line, numbering);
      }
      line.numbering = numbering;
      numberings.set(line.stream, numbering);
      if (rewinds) rewind();
      while ((line.held[0]?.message.seq ?? Number.POSITIVE_INFINITY) <= numbering.stored) shift(line);
      return rewinds;
    },
    stored(line, sequence) {
      const seq = line.held[0]?.message.seq ?? line.numbering.stored;
      line.numbering = { ...line.numbering, stored: seq, sequence };
      shift(line);
    },
    drop(line) {
      line.numbering = { ...line.numbering, why: 'refused' };
      shift(line);
    },
    storedTo: (stream) => (lines.get(stream)?.numbering ?? numberings.get(stream))?.stored ?? 0,
    settled: settledTo,
    isEmpty: () => outstanding.size === 0 && readTo >= spool.last(),
    save,
    damaged: () => damagedBefore + reader.damaged(),
    last: () => spool.last(),
    changes: () => changes,
    close: () => reader.close(),
  };
}

/** A message with its number: where it begins an epoch it says why, and what is gone before it. */
function onWire(
  appliance: string,
  instance: string,
  { subject, headers, body, stream, seq, isOptional }: SpooledMessage,
  { epoch, base, why, lost }: Numbering,
): Message {
  const number = seq - base;
  const begins =
    number === 1 ? { [HEADER.epoch]: why, ...(lost > 0 ? { [HEADER.lost]: String(lost) } : {}) } : {};
  return {
    subject,
    headers: {
      ...headers,
      [HEADER.messageId]: messageId(appliance, instance, stream, epoch, number),
      [HEADER.seq]: String(number),
      ...begins,
    },
    body,
    ...(isOptional ? { isOptional } : {}),
  };
}

const VERSION = 1;

interface Saved {
  readonly through: number;
  readonly streams: Readonly<Record<string, Numbering>>;
}

/** What was written down last; nothing when there is no such file, or another one. */
function readSaved(path: string): Saved | undefined {
  try {
    const text = unsealed(readFileSync(path, 'utf8'));
    const saved = text && (JSON.parse(text) as Partial<Saved> & { version?: unknown });
    if (!saved || saved.version !== VERSION || !Number.isSafeInteger(saved.through)) return undefined;
    const { through, streams = {} } = saved as Saved;
    return Object.values(streams).every(isNumbering) ? { through, streams } : undefined;
  } catch {
    return undefined;
  }
}

function isNumbering(value: Partial<Numbering> | null): boolean {
  const { epoch, base, stored, sequence, lost, why } = value ?? {};
  return (
    /^[0-9a-f]{16}$/.test(epoch ?? '') &&
    WHYS.some((one) => one === why) &&
    [base, stored, sequence, lost].every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
  );
}
