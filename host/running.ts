/**
 * A filter that runs, and the table of contents: the imports stand in the order of an event's way. Its slot, and what becomes of its records, its dead letters and its counts,
 * wired together.
 *
 * What is done to it is noted in its outbox beside the messages that come of it (`spool/rows.ts`).
 */
import type { Cursor } from './source/source.js';
import { nextBatch } from './batch.js';
import type { FilterInstance } from './filter/instance.js';
import { batchCall, type Call, placeBehind } from './filter/journal.js';
import type { Manifest } from './filter/manifest.js';
import { createSlot, type Slot, type SlotEvent } from './filter/slot.js';
import { createShed, type Shed } from './shed.js';
import { createPack, type Pack, type PackedFilter } from './pack.js';
import { createDeadLetters, type DeadLetter, type DeadLetters } from './deadletters.js';
import { ANY_SOURCE, createTally, type Span, type Tally, windowStart } from './ledger.js';
import { LEDGER_WINDOW_MS } from './limits.js';
import type { After, Outbox } from './outbox.js';
import type { BatchRow, Row } from './spool/rows.js';
import { encodeRecord, LEDGER_STREAM } from './wire.js';

/** A filter of the config, started. */
export interface EngineFilter {
  /** Its name in the config. */
  readonly instance: string;
  readonly filter: FilterInstance;
  readonly format: 'cbor' | 'ndjson';
  /** Its places in its sources, by source name. */
  readonly cursors: ReadonlyMap<string, Cursor>;
  readonly outbox: Outbox;
}

/** What happens to a filter besides its work; people are told. */
export type FilterEvent =
  /** It was at fault at one event, in a tick, or at one thing that was due: that is left out. */
  | { readonly kind: 'fault'; readonly error: unknown; readonly letter: DeadLetter }
  | Exclude<SlotEvent, { kind: 'dead' | 'spared' | 'lost' | 'untold' | 'unread' }>;

export interface RunningOptions {
  readonly appliance: string;
  readonly recordsMax?: number;
  /** The owner says when what was read need not be kept any more. */
  readonly keepsReads?: boolean;
  readonly onRecord?: (instance: string, stream: string, record: Uint8Array) => void;
  readonly onFilterEvent: (instance: string, event: FilterEvent) => void;
  /** Something found no room in a version: told once of each, by its next ledger. */
  readonly onOverflow?: (instance: string, manifest: Manifest) => void;
}

export interface Running extends EngineFilter {
  readonly slot: Slot;
  readonly pack: Pack;
  readonly deadLetters: DeadLetters;
  readonly shed: Shed | undefined;
  /** Records by stream that found no room in the spool. */
  readonly leftOut: Map<string, number>;
  readonly tally: Tally;
  /** Something found no room in the version that runs. */
  readonly overflowed: () => void;
  /** What is packed is another version's from here on. */
  readonly become: (next: FilterInstance) => void;
  readonly add: (stream: number, output: Uint8Array, start: number, end: number) => void;
  /** Records of a stream that are out already, when what gave them is done again. */
  readonly isOut: Map<string, number>;
  readonly lanes: readonly Cursor[];
  /** Events that have been told to the pack. */
  eventsBefore: number;
  /**
   * Another version goes on, and no checkpoint says so: what it does is not written before one does, because what was done before would not
   * lead to it.
   */
  isUnmarked: boolean;
  bytes: number;
  quietSinceMs: number;
}

export function createRunning(options: RunningOptions, filter: EngineFilter): Running {
  const { appliance, onRecord, onFilterEvent, recordsMax, keepsReads = false } = options;
  const { instance, format, cursors, outbox } = filter;
  const { send } = outbox;
  const leftOut = new Map<string, number>();
  const pack = createPack({
    appliance,
    instance,
    from: packed(filter.filter),
    format,
    send,
    admits(stream, records) {
      if (slot.filter().manifest.priority[stream] !== 'low' || !outbox.isTight()) return true;
      outbox.note({ kind: 'left out', stream, records });
      addTo(leftOut, stream, records);
      return false;
    },
    onFault: (error) => slot.spoil(error),
  });
  const deadLetters = createDeadLetters({ appliance, instance, send });
  const shed = recordsMax === undefined ? undefined : createShed(recordsMax);
  const isOut = new Map<string, number>();
  /** By their numbers in the version that runs; behind them the ledger, which is never shed: it tells what was. */
  let streams = Object.keys(filter.filter.manifest.streams);

  const add: Running['add'] = (stream, output, start, end) => {
    const name = streams[stream] ?? LEDGER_STREAM;
    if (shed && name !== LEDGER_STREAM && !shed.admits(name, slot.nowMs())) return;
    const left = isOut.get(name) ?? 0;
    if (left > 0) return void isOut.set(name, left - 1);
    onRecord?.(instance, name, output.subarray(start, end));
    pack.add(stream, output, start, end);
  };

  const lanes = [...cursors.values()];
  const nameOf = (cursor: Cursor) => [...cursors].find(([, found]) => found === cursor)?.[0] ?? '';
  let recordsBefore = 0;
  const made = (call: Call, fuel: number) => {
    const isSilent = call.kind === 'tick' && !call.spared && pack.totals.records === recordsBefore;
    recordsBefore = pack.totals.records;
    outbox.note(isSilent ? { kind: 'tick', nowMs: call.nowMs } : rowOf(call, fuel, nameOf));
  };
  const slot: Slot = createSlot({ first: filter.filter, sink: add, tell, made, keepsReads });
  const tally = createTally(
    () => slot.ledger(),
    cursors,
    () => sumOf(shed?.counts() ?? {}, leftOut),
  );

  let toldOf: Manifest | undefined;
  function overflowed(): void {
    const { manifest } = slot.filter();
    if (manifest === toldOf) return;
    toldOf = manifest;
    options.onOverflow?.(instance, manifest);
  }

  function become(next: FilterInstance): void {
    running.isUnmarked = keepsReads;
    pack.become(packed(next));
    streams = Object.keys(next.manifest.streams);
  }

  /** From a source, or from any of several. */
  function lose(events: number, cursor = lanes.length === 1 ? lanes[0] : undefined): void {
    if (events <= 0) return;
    tally.lose(cursor, events);
    outbox.note({ kind: 'lost', source: cursor ? nameOf(cursor) : ANY_SOURCE, events });
  }

  function tell(event: SlotEvent): void {
    switch (event.kind) {
      case 'unread':
        if (!isLeftInFile(event)) lose(event.events, event.cursor);
        return;
      case 'lost':
        lose(event.events, event.cursor);
        return;
      case 'untold':
        lose(event.events);
        return;
      case 'dead':
        tellDead(event);
        return;
      case 'spared':
        lose(event.events);
        bury({ ...event, source: undefined, line: new Uint8Array(), lost: event.events });
        return;
      case 'returned':
        become(event.to);
        break;
      case 'out':
        // Its sources wait for it no more, so that other filters go on reading them.
        tally.takeOut();
        for (const cursor of lanes) cursor.close();
        tellAtOnce();
        break;
    }
    onFilterEvent(instance, event);
  }

  /** That it is out is not to wait for the end of a window: a host may die before, and who reads the ledger would never hear of it. */
  function tellAtOnce(): void {
    countEvents(running);
    tellLedger(running, { startMs: windowStart(slot.nowMs()), lengthMs: LEDGER_WINDOW_MS }, 'everything');
    pack.cut();
  }

  function tellDead({ call, error, line }: Extract<SlotEvent, { kind: 'dead' }>): void {
    const source = call.kind === 'batch' ? nameOf(call.cursor) : undefined;
    if (call.kind === 'batch') {
      tally.leaveOut(call.cursor);
      outbox.note({ ...(rowOf(call, 0, nameOf) as BatchRow), kind: 'dead' });
    }
    bury({ nowMs: call.nowMs, error, source, line });
  }

  function bury(found: Omit<DeadLetter, 'manifest' | 'filter'>): void {
    const { manifest, label } = slot.filter();
    const letter = { ...found, manifest, filter: label };
    deadLetters.bury(letter);
    onFilterEvent(instance, { kind: 'fault', error: letter.error, letter });
  }

  const counts = { eventsBefore: 0, isUnmarked: false, bytes: 0, quietSinceMs: 0 };
  const does = { become, overflowed, add };
  const parts = { slot, pack, deadLetters, shed, leftOut, tally, isOut, lanes };
  const running: Running = { ...filter, ...does, ...parts, ...counts };
  return running;
}

/** A file holds what was not looked at until the filter comes back; what was received once and for all does not wait. */
function isLeftInFile({ cursor, place, isSkipping }: Extract<SlotEvent, { kind: 'unread' }>): boolean {
  return place.file !== undefined && cursor.goTo(place, isSkipping);
}

/** Adds to a count by name. */
export function addTo(counts: Map<string, number>, name: string, more: number): void {
  counts.set(name, (counts.get(name) ?? 0) + more);
}

function sumOf(shed: Readonly<Record<string, number>>, leftOut: ReadonlyMap<string, number>) {
  const sum = new Map(Object.entries(shed));
  for (const [stream, records] of leftOut) addTo(sum, stream, records);
  return Object.fromEntries(sum);
}

/** What is to be known of a call to make it again. */
function rowOf(call: Call, fuel: number, nameOf: (cursor: Cursor) => string): Row {
  const how = { fuel, ...(call.spared ? { spared: call.spared } : {}) };
  if (call.kind !== 'batch') return { kind: call.kind, nowMs: call.nowMs, ...how };
  const { cursor, place, from, bytes, isTruncated, nowMs } = call;
  const offset = place.offset + from;
  return {
    kind: 'batch',
    source: nameOf(cursor),
    place: { ...place, offset },
    bytes,
    moved: placeBehind(call).offset - offset,
    isTruncated,
    nowMs,
    ...how,
  };
}

/** Gives a filter one batch from a cursor; false when there is none. `steadyMs` is a clock that nobody sets. */
export function feed(
  filter: Running,
  cursor: Cursor,
  batchBytes: number,
  nowMs: number,
  steadyMs: number,
): boolean {
  const { slot } = filter;
  const batch = nextBatch(cursor, slot.filter().input, slot.batchBytes(batchBytes));
  if (batch.kind === 'none') return false;
  if (batch.kind === 'events') {
    filter.bytes += batch.bytes;
    filter.quietSinceMs = steadyMs;
    slot.call(batchCall(cursor, batch, nowMs));
    countEvents(filter);
  }
  return true;
}

/** Tells the pack of the events that were processed or left out since the last time, once all of their records are there. */
export function countEvents(filter: Running): void {
  if (filter.slot.isMidCall()) return;
  const events = filter.slot.eventsIn() + filter.tally.leftOut();
  filter.pack.countEvents(events - filter.eventsBefore);
  filter.eventsBefore = events;
}

export function tellLedger(filter: Running, span: Span, what: 'changes' | 'everything'): void {
  const record = filter.tally.take(span, what);
  if (!record) return;
  if (Number(record.overflowed) > 0) filter.overflowed();
  filter.outbox.note({ kind: 'ledger', record });
  addLedger(filter, record);
}

/** The ledger is the stream behind those of the manifest. */
export function addLedger({ slot, add }: Running, record: Parameters<typeof encodeRecord>[0]): void {
  const bytes = encodeRecord(record);
  add(Object.keys(slot.filter().manifest.streams).length, bytes, 0, bytes.length);
}

/** True when the filter must not be called: there is no room for what it would emit. A call that has begun is ended first. */
export function isHeld({ outbox, slot, isUnmarked }: Running): boolean {
  if (slot.isMidCall()) return false;
  // What it has in hand waits for the checkpoint, which waits for the end of the recovery.
  if (isUnmarked && slot.isRecovering()) return false;
  const isUrgent = Object.values(slot.filter().manifest.priority).includes('high');
  return outbox.isFull(isUrgent);
}

/** Writes what is in the outbox, where there is a message in it; not in the middle of a call, of which it would be a part. */
export function commit(filter: Running): void {
  if (filter.slot.isMidCall() || filter.isUnmarked) return;
  filter.outbox.commit(() => afterwards(filter));
}

/** Writes what is in the outbox; false when the disk does not take it. */
export function commitAll(filter: Running): boolean {
  return filter.outbox.commitAll(() => afterwards(filter));
}

function afterwards({ slot, cursors }: Running): After {
  const positions = [...cursors]
    .filter(([, cursor]) => cursor.lastPlace().file === undefined)
    .map(([source, cursor]) => [source, cursor.position()]);
  return { filter: slot.filter().label, ledger: slot.ledger(), positions: Object.fromEntries(positions) };
}

/** Whose records a version's are, on the wire. */
function packed({ manifest, label }: FilterInstance): PackedFilter {
  return {
    filter: label,
    streams: [...Object.keys(manifest.streams), LEDGER_STREAM],
    recordBytesMax: manifest.memory.output,
  };
}
