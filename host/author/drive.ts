/**
 * A filter driven by hand: lines and times go in, records come out, with the engine that runs on the appliance.
 *
 * The clock is what the caller says it is. Nothing is read, sent or waited for, so the same calls always give the same
 * bytes.
 */
import type { DeadLetter } from '../deadletters.js';
import { createEngine, type FilterEvent } from '../engine.js';
import { printable, WeirError } from '../errors.js';
import type { Ledger } from '../filter/abi.js';
import { FilterFault } from '../filter/fault.js';
import { type FilterInstance, startFilter } from '../filter/instance.js';
import type { InstalledFilter } from '../filter/library.js';
import { BATCH_BYTES_DEFAULT } from '../limits.js';
import { jsonLines } from '../pack.js';
import type { Cursor, ReadAgain } from '../source/source.js';
import { instanceZones, type Transition } from '../timezone.js';
import { CONTENT_CBOR, decodeRecords, type WireRecord } from '../wire.js';
import { authorsPlace } from './place.js';
import { counted } from './report.js';

/** A time, as milliseconds since 1970 or in ISO 8601. */
export type Time = number | string;

export interface DriveOptions {
  /** The filter's config, as under `config` in weir.json. */
  readonly config?: unknown;
  /** Zone of dates that have none; default UTC. */
  readonly timezone?: string;
  /** When events are received, until a call says otherwise; default 2026-01-31T12:00:00Z, so that no test depends on the day. */
  readonly now?: Time;
  /** Bytes handed to the filter at a time; the records do not depend on it. */
  readonly batchBytes?: number;
}

export interface DrivenFilter {
  /** Hands over lines, or bytes as they are, as received at `now`, from where the clock then goes on. */
  feed(input: readonly string[] | Uint8Array, options?: { readonly now?: Time }): DrivenFilter;
  /** Sets the clock. Windows that are over are closed once nothing was fed for 5 s, as on the appliance. */
  tick(at: Time): DrivenFilter;
  /** Closes all windows: there will be no more events. */
  end(): DrivenFilter;
  /** The records so far, in order: those of one stream, or all with their stream under `stream`. */
  records(stream?: string): WireRecord[];
  /** The records so far as `weir replay` prints them. */
  text(): string;
  /** The records' bytes, one after the other. */
  bytes(): Buffer;
  /** The first record in which a field stands twice, of which a reader would see one; nothing when there is none. */
  repeating(): string | undefined;
  /** What became of the events so far. */
  ledger(): Ledger;
  /** Instructions so far, as the meter counts them: the same number on every machine. */
  fuelUsed(): number;
  /** What the dearest turn used of it; where `batchBytes` is 1, of an event or of a part of what was due. */
  dearestTurn(): number;
  /** Size of the filter's memory now. */
  memoryBytes(): number;
}

/** What is shown of an event at fault. */
const SHOWN_BYTES_MAX = 200;

export const DEFAULT_NOW = '2026-01-31T12:00:00Z';

/** Starts a filter. Throws a WeirError when it may not run, and from each call in which it breaks the rules. */
export function driveFilter(installed: InstalledFilter, options: DriveOptions = {}): DrivenFilter {
  const zones = instanceZones(options.timezone ?? 'UTC', 'timezone');
  const filter = startForAuthor(installed, options.config ?? {}, zones);
  const { name } = installed.manifest;
  const found: { readonly stream: string; readonly record: Buffer }[] = [];
  const cursor = memoryCursor();
  const engine = createEngine({
    appliance: 'test',
    batchBytes: options.batchBytes ?? BATCH_BYTES_DEFAULT,
    filters: [{ instance: name, filter, format: 'cbor', cursors: new Map([['memory', cursor]]) }],
    onRecord: (_instance, stream, record) => void found.push({ stream, record: Buffer.from(record) }),
    onFilterEvent(_instance, event) {
      throw faultOf(event, filter.ledger().in, installed);
    },
  });
  let nowMs = milliseconds(options.now ?? DEFAULT_NOW);

  const driven: DrivenFilter = {
    feed(input, { now } = {}) {
      if (now !== undefined) nowMs = milliseconds(now);
      cursor.put(
        input instanceof Uint8Array ? input : Buffer.from(input.map((line) => `${line}\n`).join('')),
      );
      while (engine.turn(nowMs));
      return driven;
    },
    tick(at) {
      nowMs = milliseconds(at);
      engine.tick(nowMs);
      while (engine.turn(nowMs));
      return driven;
    },
    end() {
      engine.closeWindows(nowMs);
      return driven;
    },
    records(wanted) {
      const records: WireRecord[] = [];
      for (const { stream, record } of found) {
        if (wanted !== undefined && stream !== wanted) continue;
        const shape = (fields: WireRecord) => (wanted === undefined ? { stream, ...fields } : fields);
        decodeRecords(record, CONTENT_CBOR, (fields) => records.push(shape(fields)));
      }
      return records;
    },
    text: () => found.map(({ stream, record }) => recordLine(name, stream, record)).join(''),
    bytes: () => Buffer.concat(found.map(({ record }) => record)),
    repeating() {
      const one = found.find(({ record }) => isRepeating(record));
      return one && recordLine(name, one.stream, one.record).trimEnd();
    },
    ledger: () => filter.ledger(),
    fuelUsed: filter.fuelUsed,
    dearestTurn: filter.dearestTurn,
    memoryBytes: () => filter.input.buffer.byteLength,
  };
  return driven;
}

/** It is read to fewer fields than its head says, which is that of a map of up to 255 pairs (RFC 8949, section 3.1). */
function isRepeating(record: Buffer): boolean {
  let fields = 0;
  decodeRecords(record, CONTENT_CBOR, (read) => (fields = Object.keys(read).length));
  const [head = 0, next = 0] = record;
  const count = head & 0x1f;
  return fields !== (count < 24 ? count : next);
}

/** Starts a filter; what it does wrong is told with its author's line. */
export function startForAuthor(
  installed: InstalledFilter,
  config: unknown,
  zones: readonly Transition[],
): FilterInstance {
  const { manifest, module } = installed;
  try {
    return startFilter({ manifest, module, config, zones });
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== 'FILTER_FAULT') throw error;
    throw forAuthor(error, authorsPlace(installed, error));
  }
}

/**
 * The error for an author, who wants to see the event, or what was due, and the line of his that it came to: here a filter is
 * not forgiven anything.
 */
export function faultOf(event: FilterEvent, eventsBefore: number, installed?: InstalledFilter): unknown {
  if (event.kind === 'approved') return undefined;
  const { error } = event;
  if (!(error instanceof WeirError)) return error;
  const place = installed ? authorsPlace(installed, error) : '';
  const where = event.kind === 'fault' ? whereOf(event.letter, eventsBefore) : '';
  return forAuthor(error, `${place}${where}`);
}

/** What the filter was at; things that are due are told in the order of their first events. */
function whereOf({ error, source, line, lost }: DeadLetter, eventsBefore: number): string {
  if (source !== undefined) {
    const shown = printable(Buffer.from(line).toString('utf8', 0, SHOWN_BYTES_MAX).trimEnd());
    return `, at event ${eventsBefore + 1}: ${shown}`;
  }
  if (!(error instanceof FilterFault) || error.at === undefined || lost === undefined) return '';
  return `, at number ${error.at.number} of what was due, with ${counted(lost, 'event')} in it`;
}

/** The same, with more, for whoever runs the filter over that input just now. */
function forAuthor(error: WeirError, more: string): WeirError {
  const remedy = error.code === 'FILTER_FAULT' ? { remedy: 'correct the filter' } : {};
  return new WeirError(error.code, `${error.problem}${more}`, { cause: error, ...remedy });
}

/** A record as `weir replay` prints it. */
export function recordLine(filter: string, stream: string, record: Uint8Array): string {
  return jsonLines(filter, record, (fields) => ({ stream, ...fields }));
}

/** A place in bytes that are all there; `put` adds what comes after them. */
export function memoryCursor(bytes: Uint8Array = new Uint8Array()): Cursor & {
  put(bytes: Uint8Array): void;
} {
  let held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  let lastRead: ReadAgain = () => false;
  return {
    skipping: false,
    put(more) {
      held = Buffer.concat([held.subarray(at), more]);
      at = 0;
    },
    read(target) {
      const part = held.subarray(at, at + target.length);
      target.set(part);
      lastRead = (from, again) => part.copy(again, 0, from) === again.length;
      return { bytes: part.length, final: at + part.length === held.length };
    },
    advance(count) {
      at += count;
    },
    keepLastRead: () => lastRead,
    lastPlace: () => ({ offset: 0 }),
    readAt: () => false,
    goTo: () => false,
    isPressed: () => false,
    settle() {},
    pass() {},
    ended: () => at === held.length,
    position: () => undefined,
    lostEvents: () => 0,
    cutEvents: () => 0,
    close() {},
    reopen() {},
  };
}

/** Throws a TypeError for what is no time. */
export function milliseconds(time: Time): number {
  const value = typeof time === 'number' ? time : Date.parse(time);
  if (Number.isSafeInteger(value)) return value;
  throw new TypeError(
    `expected a time such as "2026-01-31T12:00:00Z" or milliseconds since 1970, found ${time}`,
  );
}
