/**
 * Going on after a restart, a kill, or a loss of power: what a filter stood at when its checkpoint was made, and what was
 * done to it since, from its spool.
 *
 * The calls are made again over the same bytes, which gives the same state and the same records. Those that are in messages of
 * the spool are out already and are left out; those that are in none had not been published, and go out now. Where that is
 * impossible (a file is gone or was written anew, an entry of the spool was damaged) the filter goes on from its
 * checkpoint, and the events that it had counted into its state since are told as lost.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Ledger } from './filter/abi.js';
import type { BatchCall, Call } from './filter/journal.js';
import type { Remembered } from './filter/snapshot.js';
import { ANY_SOURCE, type TallyStanding } from './ledger.js';
import type { StreamStanding } from './pack.js';
import type { Position } from './source/source.js';
import { addLedger, addTo, countEvents, type Running } from './running.js';
import type { ShedStanding } from './shed.js';
import type { BatchRow, Commit, DeadRow, Row, SentMessage } from './spool/rows.js';
import { DEAD_STREAM } from './wire.js';

/** Everything that a filter's going on depends on, but for its memory. */
export interface Standing {
  /** `name@version+hash`. */
  readonly filter: string;
  /** It was taken out: the next run begins anew, from these positions. */
  readonly isOut: boolean;
  /** It was on probation: another version that is installed is not to fall back to it. */
  readonly isOnProbation?: boolean;
  readonly globals: readonly string[];
  /** The filter's own counters, and those of all versions. */
  readonly counters: Ledger;
  readonly total: Ledger;
  /** By source. */
  readonly positions: Readonly<Record<string, Position>>;
  readonly streams: Readonly<Record<string, StreamStanding>>;
  readonly tally: TallyStanding;
  readonly shed?: ShedStanding;
  /** Records by stream that found no room. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** Number of the last entry of the spool that it includes. */
  readonly through: number;
}

/** What a filter stands at, between two calls, with nothing in its outbox; the memory is the live one. */
export function standingOf(filter: Running): { readonly standing: Standing; readonly memory: Uint8Array } {
  const { slot, pack, deadLetters, tally, shed, leftOut, cursors, outbox } = filter;
  const { memory, globals, ledger } = slot.filter().remembered();
  const positions = [...cursors].map(([source, cursor]) => [source, cursor.position()] as const);
  const standing: Standing = {
    filter: slot.filter().label,
    isOut: slot.isOut(),
    isOnProbation: slot.isOnProbation(),
    globals,
    counters: ledger,
    total: slot.ledger(),
    positions: Object.fromEntries(positions.filter(([, position]) => position !== undefined)),
    streams: { ...pack.standing(), [DEAD_STREAM]: { seq: deadLetters.seq(), events: 0 } },
    tally: tally.standing(),
    ...(shed ? { shed: shed.standing() } : {}),
    leftOut: Object.fromEntries(leftOut),
    through: outbox.last(),
  };
  return { standing, memory };
}

/** What the spool holds behind a checkpoint. */
export interface Since {
  readonly messages: readonly SentMessage[];
  /** Those of which only the commits know: what they held is to be told again. */
  readonly damaged: readonly SentMessage[];
  readonly commits: readonly Commit[];
}

/** How it went: exactly, or with so many events lost from the filter's state. */
export interface Resumed {
  readonly isExact: boolean;
  readonly lostEvents: number;
}

/**
 * Puts a filter that was just started where it was; the cursors have been opened at the positions of the checkpoint. Without a
 * memory that fits, it begins anew.
 */
export function goOn(filter: Running, standing: Standing, memory: Uint8Array, since: Since): Resumed {
  const { slot, pack, deadLetters, tally, shed } = filter;
  const saved: Remembered & { ledger: Ledger } = {
    memory,
    globals: standing.globals,
    ledger: standing.counters,
  };
  const streams = lastOf(standing, since.messages);
  pack.goOn(streams);
  deadLetters.goOn(streams[DEAD_STREAM]?.seq ?? 0);
  countFrom(filter, standing);
  if (standing.shed) shed?.goOn(standing.shed);
  for (const message of since.messages) expectOut(filter, standing, message);
  for (const { rows } of since.commits)
    for (const row of rows) if (row.kind === 'left out') addTo(filter.isOut, row.stream, row.records);
  const isThere = slot.earlier.goOnFrom(saved, standing.total);
  if (!isThere) slot.earlier.keepTotal(standing.total);
  const eventsBefore = standing.total.in + tally.leftOut();
  filter.eventsBefore = eventsBefore;
  const isExact = isThere && doAgain(filter, since.commits, standing);
  if (isExact) slot.earlier.save();
  countEvents(filter);
  filter.isOut.clear();
  const last = since.commits[since.commits.length - 1];
  if (isExact || !last) return { isExact, lostEvents: 0 };
  // Then their numbers are gone, so that the next message shows it.
  pack.goOn(lastOf(standing, [...since.messages, ...since.damaged]));
  // Some of them may have been counted again, up to where it went another way.
  filter.eventsBefore = eventsBefore;
  if (isThere) slot.earlier.goOnFrom(saved, standing.total);
  const droppedEvents = isThere ? endOpen(filter, standing, since.messages) : 0;
  return {
    isExact,
    lostEvents: droppedEvents + giveUp(filter, standing, since.commits, last, droppedEvents),
  };
}

/** How far each stream has come by the checkpoint and the messages behind it; what was read since counts on. */
function lastOf({ streams }: Standing, messages: readonly SentMessage[]): Record<string, StreamStanding> {
  const last: Record<string, { seq: number; events: number }> = {};
  for (const [name, { seq, events }] of Object.entries(streams)) last[name] = { seq, events };
  for (const { stream, seq, events } of messages) {
    if (seq <= (streams[stream]?.seq ?? 0)) continue;
    const found = last[stream] ?? { seq: 0, events: 0 };
    last[stream] = found;
    found.seq = Math.max(found.seq, seq);
    found.events -= events;
  }
  return last;
}

function expectOut({ isOut }: Running, { streams }: Standing, { stream, seq, records }: SentMessage): void {
  if (stream === DEAD_STREAM || seq <= (streams[stream]?.seq ?? 0)) return;
  addTo(isOut, stream, records);
}

/** Does all of it again; false as soon as something goes another way. */
function doAgain(filter: Running, commits: readonly Commit[], { filter: label, through }: Standing): boolean {
  let behind = through;
  for (const commit of commits) {
    if (commit.filter !== label || commit.behind !== behind) return false;
    for (const row of commit.rows) if (!doRowAgain(filter, row)) return false;
    if (!isDeepStrictEqual(filter.slot.ledger(), commit.ledger)) return false;
    behind = commit.number;
  }
  return true;
}

function doRowAgain(filter: Running, row: Row): boolean {
  const { slot } = filter;
  switch (row.kind) {
    case 'batch': {
      const call = callOf(filter, row);
      if (!call || !slot.earlier.makeAgain(call, row.fuel)) return false;
      countEvents(filter);
      moveBehind(filter, row);
      return true;
    }
    case 'tick':
    case 'close':
    case 'flush':
      return slot.earlier.makeAgain(row as Call, row.fuel);
    default:
      countRow(filter, row);
      if (row.kind === 'dead') moveBehind(filter, row);
      if (row.kind === 'ledger') addLedger(filter, row.record);
      countEvents(filter);
      return true;
  }
}

/** The call of a row; nothing when its source is not there any more. */
function callOf({ cursors }: Running, row: BatchRow): BatchCall | undefined {
  const { source, place, bytes, moved, isTruncated, nowMs, spared } = row;
  const cursor = cursors.get(source);
  if (!cursor) return undefined;
  const end = place.offset + moved;
  const readAgain = (from: number, target: Uint8Array) =>
    cursor.readAt({ ...place, offset: place.offset + from }, target);
  const how = { isTruncated, nowMs, ...(spared ? { spared } : {}) };
  return { kind: 'batch', cursor, readAgain, place, end, from: 0, bytes, ...how };
}

function moveBehind({ cursors }: Running, { source, place, moved, isTruncated }: BatchRow | DeadRow): void {
  // A cursor that is not of files was opened where it was after all of it.
  if (place.file !== undefined)
    cursors.get(source)?.goTo({ ...place, offset: place.offset + moved }, isTruncated);
}

/** What the host had counted by the checkpoint. */
function countFrom({ tally, leftOut }: Running, standing: Standing): void {
  tally.goOn(standing.tally);
  leftOut.clear();
  for (const [stream, records] of Object.entries(standing.leftOut)) addTo(leftOut, stream, records);
}

/** What it has counted since. */
function countRow(
  { cursors, tally, leftOut }: Pick<Running, 'cursors' | 'tally' | 'leftOut'>,
  row: Row,
): void {
  const cursor = 'source' in row ? cursors.get(row.source) : undefined;
  if (row.kind === 'ledger') tally.tellAgain(row.record);
  else if (row.kind === 'dead' && cursor) tally.leaveOut(cursor);
  else if (row.kind === 'left out') addTo(leftOut, row.stream, row.records);
  else if (row.kind === 'lost' && (cursor || row.source === ANY_SOURCE)) tally.lose(cursor, row.events);
}

/** More records than there are. */
const ALL = Number.MAX_SAFE_INTEGER;

/**
 * Ends the windows that were open when the checkpoint was made: what they have got since is gone. They are told as partial, but for those of
 * streams that have told anything since: it may have been these very windows, and nothing is told twice. Answers how many
 * events those may have held that are not told.
 */
function endOpen(filter: Running, standing: Standing, messages: readonly SentMessage[]): number {
  const { isOut, slot } = filter;
  isOut.clear();
  const isNew = ({ stream, seq, records }: SentMessage) =>
    records > 0 && seq > (standing.streams[stream]?.seq ?? 0);
  const told = new Set(messages.filter(isNew).map(({ stream }) => stream));
  for (const stream of told) isOut.set(stream, ALL);
  slot.earlier.tellOpen();
  let dropped = 0;
  for (const stream of told)
    if (isOut.get(stream) !== ALL) dropped = Math.max(dropped, standing.streams[stream]?.events ?? 0);
  isOut.clear();
  return dropped;
}

/** Goes on behind all that was done since: it is out, and will not be done again. Answers how many events are gone from the filter's state. */
function giveUp(
  filter: Running,
  standing: Standing,
  commits: readonly Commit[],
  last: Commit,
  droppedEvents: number,
): number {
  const { slot, tally, cursors } = filter;
  countFrom(filter, standing);
  for (const row of commits.flatMap(({ rows }) => rows)) {
    countRow(filter, row);
    if (row.kind === 'batch' || row.kind === 'dead') moveBehind(filter, row);
  }
  slot.earlier.keepTotal(last.ledger);
  // Messages that are out have counted them: what comes next counts the rest, whatever was not read again.
  countEvents(filter);
  // An event that is kept may be counted into a window, too, of a filter that has any.
  const remembers = slot.filter().collections.length > 0;
  const counted = ({ kept, aggregated }: Ledger) => aggregated + (remembers ? kept : 0);
  const lost = counted(last.ledger) - counted(standing.total);
  const [cursor] = cursors.values();
  if (cursor && lost + droppedEvents > 0) tally.lose(cursor, lost + droppedEvents);
  return lost;
}
