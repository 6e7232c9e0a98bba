/**
 * The courier of one filter: reads its spool, gives each message its number on the wire, and knows what the broker has.
 *
 * It holds a few messages of each stream, whatever the backlog. What is settled, for all streams up to one entry, is written
 * down before a segment goes: in the reverse order a crash would look for what is not there any more.
 */
import { existsSync } from 'node:fs';
import { COURIER_MESSAGES_MAX, EPOCH_CHANGES_MAX } from './limits.js';
import {
  acknowledgedOf,
  agree,
  doubted,
  type LastStored,
  type Numbering,
  newEpoch,
  nextEpoch,
  numberingFor,
  storedTo,
  type Why,
} from './numbering.js';
import { openNotes } from './published.js';
import { readMessage, type SpooledMessage } from './spool/payload.js';
import type { Damage, Spool, SpoolReader } from './spool/spool.js';
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
  readonly held: Held[];
  numbering: Numbering;
  /** Entry of the last message that was held and is not any more. */
  entry: number;
  /** This run has sent something, or asked the broker: what is there may be its own. */
  isOwn: boolean;
}

interface Held {
  readonly entry: number;
  readonly message: SpooledMessage;
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
  /** The filter stands where it goes on from: what was published beyond that is not known here, and comes again. */
  resumed(): void;
  /** The lines of which something was stored before this start. */
  published(): Line[];
  /** Reads on in the spool, as far as there is room; answers the lines that have got something. */
  load(): Line[];
  /** The first message of a line as it goes out, and the number in the broker's stream it has to follow. */
  next(line: Line): { readonly message: Message; readonly follows: number };
  /** Compares with what the broker has; `isLetGo` as in `agree`. True when all lines were emptied, to be read again. */
  agreeWith(line: Line, last: LastStored | undefined, isLetGo: boolean): boolean;
  /** The broker has lost messages of a stream: what it had in the same store may be gone, too, and is not taken for let go. `agreed`: that stream. */
  doubt(agreed: Line): void;
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
  const notes = openNotes(folder);
  const { saved } = notes;
  const isNew = !saved && spool.last() === 0;
  const numberings = new Map(Object.entries(saved?.streams ?? {}));
  const lines = new Map<string, Line>();
  /** Entries that are held, ascending. */
  const outstanding = new Set<number>();
  let heldBytes = 0;
  let damagedBefore = 0;
  let readTo = Math.min(saved?.through ?? 0, spool.last());
  let reader: SpoolReader = spool.read(readTo);
  /** Where each stream stood when this run went on with it. */
  const resumedAt = new Map<string, number>();
  const changes: EpochChange[] = [];
  const subjectOf = (stream: string) =>
    stream === DEAD_STREAM ? deadSubject(appliance, instance) : eventSubject(appliance, instance, stream);

  /** A line has other numbers from here on: why, for the operator and the status. */
  function change(line: Line, numbering: Numbering, text: string): void {
    const { stream } = line;
    notice(`stream ${instance}.${stream}: ${text}`);
    changes.push({ ts: Date.now(), filter: instance, stream, reason: numbering.why, lost: numbering.lost });
    if (changes.length > EPOCH_CHANGES_MAX) changes.shift();
    line.numbering = numbering;
  }

  function lineOf(stream: string, subject: string, seq: number): Line {
    const found = lines.get(stream);
    if (found) return found;
    const numbering = numberings.get(stream) ?? firstNumbering(seq, isNew || saved !== undefined);
    const line: Line = { stream, subject, held: [], numbering, entry: 0, isOwn: false };
    lines.set(stream, line);
    return line;
  }

  function settledTo(): number {
    return (outstanding.values().next().value ?? readTo + 1) - 1;
  }

  function save(isSafe: boolean): void {
    for (const { stream, numbering } of lines.values()) numberings.set(stream, numbering);
    notes.save({ through: settledTo(), streams: Object.fromEntries(numberings) }, isSafe);
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
    line.entry = first.entry;
    heldBytes -= first.message.body.length;
  }

  function rewind(): void {
    damagedBefore += reader.damaged();
    reader.close();
    readTo = spool.first() - 1;
    reader = spool.read(readTo);
    outstanding.clear();
    heldBytes = 0;
    for (const line of lines.values()) Object.assign(line, { entry: 0 }).held.length = 0;
  }

  if (isNew) saveQuietly();
  else if (!saved) notice(unknownText(instance, notes.path));

  return {
    resumed() {
      for (const [stream, numbering] of numberings) {
        const stands = produced(stream);
        resumedAt.set(stream, stands);
        if (numbering.stored <= stands) continue;
        const next = nextEpoch(numbering, stands, numbering.sequence, 'restored');
        change(lineOf(stream, subjectOf(stream), 0), next, surpriseText(numbering, next));
      }
    },
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
      const first = line.held[0] as Held;
      const numbering = numberingFor(line.numbering, first.message.seq);
      const damage = reader.damageBetween(line.entry, first.entry);
      if (numbering !== line.numbering) change(line, numbering, goneText(numbering, damage));
      line.isOwn = true;
      // Known before anybody sees it, or after a crash it would be taken for another host's.
      if (numbering.stored === numbering.base) save(false);
      return {
        message: onWire(appliance, instance, first.message, numbering),
        follows: numbering.sequence,
      };
    },
    agreeWith(line, last, isLetGo) {
      const before = line.numbering;
      // Until this run has sent something, what the broker has is of the runs before.
      const made = line.isOwn ? undefined : resumedAt.get(line.stream);
      const { numbering, rewinds } = agree(before, last, isLetGo, made ?? produced(line.stream));
      if (numbering.epoch !== before.epoch || rewinds)
        change(line, numbering, surpriseText(before, numbering));
      line.isOwn = true;
      line.numbering = numbering;
      numberings.set(line.stream, numbering);
      if (rewinds) rewind();
      while ((line.held[0]?.message.seq ?? Number.POSITIVE_INFINITY) <= numbering.stored) shift(line);
      return rewinds;
    },
    doubt(agreed) {
      for (const line of lines.values()) if (line !== agreed) line.numbering = doubted(line.numbering);
      // Before anything goes into the new store: after a kill it would look as if that were the old one.
      saveQuietly();
    },
    stored(line, sequence) {
      const seq = line.held[0]?.message.seq ?? line.numbering.stored;
      line.numbering = storedTo(line.numbering, seq, sequence);
      shift(line);
    },
    drop(line) {
      line.numbering = { ...line.numbering, missing: 'refused' };
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

/** Of a stream of which nothing is written down; `isKnown`: where something of it had gone out, that would be. */
function firstNumbering(seq: number, isKnown: boolean): Numbering {
  // Before anything of a stream goes out it is written down: so nothing has, and what is missing before this one is gone.
  if (isKnown) return newEpoch(0, 0, 'started');
  // What was written down is lost, and what is still here may have gone out.
  return newEpoch(seq - 1, 0, 'restored');
}

/** What was written down is lost, and with it which messages of the spool are out. */
function unknownText(instance: string, path: string): string {
  const what = existsSync(path) ? 'is damaged' : 'is not there';
  return `filter ${instance}: ${path} ${what}: which messages are out is not known, so those of the spool go out, perhaps again, in epochs that say so (restored)`;
}

/** Messages are gone before the first one of an epoch; `damage` is where they may have been. */
function goneText({ lost, why }: Numbering, damage: Damage | undefined): string {
  const where = why === 'spool-damaged' && damage ? `: byte ${damage.offset} of ${damage.path}` : '';
  return `${lost === 1 ? '1 message is' : `${lost} messages are`} gone (${why}${where})`;
}

/** What the broker has otherwise than it should. */
function surpriseText(before: Numbering, { why, stored }: Numbering): string {
  if (why === 'restored')
    return 'the broker has messages that are not known here, as when an old state of the disk comes back: what they told may come again, in another epoch (restored)';
  if (why === 'other-writer')
    return 'another host has written there under this name: another epoch begins behind its messages (other-writer)';
  const lost = acknowledgedOf(before) - stored;
  // Where there were epochs before, some of these were gone already.
  const many = `${before.past.length > 0 ? 'up to ' : ''}${lost} message${lost === 1 ? '' : 's'}`;
  return `the broker has lost ${many} that it had acknowledged: what the spool still holds of them is sent again (store-lost)`;
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
