/**
 * The ledger on the wire: what became of every event of a filter, as records on a stream that the host writes.
 *
 * A record tells of one window of the host's clock: the events that entered and the class of each, as the filter
 * counts them, and for each source the events that were lost before the filter could read them or from its state, those
 * that were cut there, and those at which the filter was at fault and that were left out (`dead`); and for each stream the records that
 * were shed. It holds what was counted since the record before it. So the sum over the records of a run
 * is the filter's counters, exactly, and in = kept + aggregated + discarded + malformed in each one of them.
 */
import { LEDGER, type Ledger } from './filter/abi.js';
import { LEDGER_WINDOW_MS } from './limits.js';
import type { Cursor } from './source/source.js';
import type { WireRecord } from './wire.js';

/** A span of the host's clock: one window, or more where the one before could not be told in time. */
export interface Span {
  readonly startMs: number;
  readonly lengthMs: number;
}

export interface Tally {
  /** From now on the filter is out; records say so. */
  takeOut(): void;
  /** It has come back. */
  bringBack(): void;
  /**
   * Counts events as lost that were read from here, or from any source, and never looked at, or of which the filter remembers nothing any
   * more.
   */
  lose(cursor: Cursor | undefined, events: number): void;
  /** Counts an event from here that the filter could not bear. */
  leaveOut(cursor: Cursor): void;
  /** Events that were left out. */
  leftOut(): number;
  /** What was counted by source, or for `shed` by stream, since the data folder was made. */
  counted(): ByName;
  /** What was counted since the last record; with `changes` nothing when there is nothing new. */
  take(span: Span, what: 'changes' | 'everything'): WireRecord | undefined;
  /** A record that was told in an earlier run. */
  tellAgain(record: WireRecord): void;
  standing(): TallyStanding;
  goOn(from: TallyStanding): void;
}

/** What was told, and what the host has counted by source. */
export interface TallyStanding {
  readonly told: Told;
  readonly lost: Counts;
  readonly dead: Counts;
}

/** Stands for all sources of a filter, where it is not known which: no source can have this name. */
export const ANY_SOURCE = '*';

type Counts = Readonly<Record<string, number>>;
export type ByName = Readonly<Record<'lost' | 'cut' | 'dead' | 'shed', Counts>>;
type Told = ByName & { readonly counters: Counts };

/** `ledger`, `cursors` and `shedCounts` (records by stream) are those of one filter, from its start. */
export function createTally(
  ledger: () => Ledger,
  cursors: ReadonlyMap<string, Cursor>,
  shedCounts: () => Counts = () => ({}),
): Tally {
  // What a run before has counted, its own records have told.
  let told: Told = {
    counters: {},
    lost: bySource((cursor) => cursor.countsBefore?.lostEvents ?? 0),
    cut: bySource((cursor) => cursor.countsBefore?.cutEvents ?? 0),
    dead: {},
    shed: {},
  };
  let isOut = false;
  /** It has been taken out since the last record. */
  let isNewlyOut = false;

  const lostHere = new Map<Cursor, number>();
  let lostOfAny = 0;
  const dead = new Map<Cursor, number>();

  function bySource(count: (cursor: Cursor) => number): Counts {
    return Object.fromEntries([...cursors].map(([source, cursor]) => [source, count(cursor)]));
  }

  const withAny = (counts: Counts): Counts =>
    lostOfAny > 0 ? { ...counts, [ANY_SOURCE]: lostOfAny } : counts;

  const counted = (): ByName => ({
    lost: withAny(bySource((cursor) => cursor.lostEvents() + (lostHere.get(cursor) ?? 0))),
    cut: bySource((cursor) => cursor.cutEvents()),
    dead: bySource((cursor) => dead.get(cursor) ?? 0),
    shed: shedCounts(),
  });

  return {
    counted,
    takeOut() {
      isOut = true;
      isNewlyOut = true;
    },
    bringBack() {
      isOut = false;
    },
    lose(cursor, events) {
      if (!cursor) lostOfAny += events;
      else lostHere.set(cursor, (lostHere.get(cursor) ?? 0) + events);
    },
    leaveOut(cursor) {
      dead.set(cursor, (dead.get(cursor) ?? 0) + 1);
    },
    leftOut: () => [...dead.values()].reduce((sum, events) => sum + events, 0),
    take({ startMs, lengthMs }, what) {
      const now = { counters: ledger(), ...counted() };
      const counters = since(now.counters, told.counters);
      const lost = nonzero(since(now.lost, told.lost));
      const cut = nonzero(since(now.cut, told.cut));
      const left = nonzero(since(now.dead, told.dead));
      const shed = nonzero(since(now.shed, told.shed));
      const isNew =
        isNewlyOut || [counters, lost, cut, left, shed].some((counts) => Object.values(counts).some(Boolean));
      if (!isNew && what === 'changes') return undefined;
      told = now;
      const out = isOut || isNewlyOut ? { taken_out: true } : {};
      isNewlyOut = false;
      return { ts: startMs, window_ms: lengthMs, ...counters, lost, cut, dead: left, shed, ...out };
    },
    tellAgain(record) {
      const group = (name: keyof Told) =>
        plus(told[name], (name === 'counters' ? countersOf(record) : record[name]) as Counts);
      told = {
        counters: group('counters'),
        lost: group('lost'),
        cut: group('cut'),
        dead: group('dead'),
        shed: group('shed'),
      };
    },
    standing() {
      const named = (counts: ReadonlyMap<Cursor, number>) => bySource((cursor) => counts.get(cursor) ?? 0);
      return { told, lost: withAny(named(lostHere)), dead: named(dead) };
    },
    goOn(from) {
      told = from.told;
      lostOfAny = from.lost[ANY_SOURCE] ?? 0;
      for (const [source, cursor] of cursors) {
        lostHere.set(cursor, from.lost[source] ?? 0);
        dead.set(cursor, from.dead[source] ?? 0);
      }
    },
  };
}

/** The counters of a record, which stand beside its other fields. */
function countersOf(record: WireRecord): Counts {
  return Object.fromEntries(LEDGER.map((counter) => [counter, Number(record[counter] ?? 0)]));
}

function plus(before: Counts, more: Counts): Counts {
  const sum = { ...before };
  for (const [key, count] of Object.entries(more ?? {})) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

/** Where the window of a time begins. */
export function windowStart(nowMs: number): number {
  return Math.floor(nowMs / LEDGER_WINDOW_MS) * LEDGER_WINDOW_MS;
}

function since(now: Counts, before: Counts): Counts {
  return Object.fromEntries(Object.entries(now).map(([key, count]) => [key, count - (before[key] ?? 0)]));
}

function nonzero(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
