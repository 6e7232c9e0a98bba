/**
 * The books of one filter: the records of its ledger, added up and compared with the events that the messages count.
 *
 * `Weir-Events` of a ledger message counts the events read up to the moment at which the message was cut; its records tell of the
 * events up to a moment before that. So what is counted and not told yet is never below zero, and the next record tells all of
 * it. Where the messages do not reach back to the beginning, how much was not told yet at first is unknown, and so a
 * range is carried along: as long as it holds a number, books and messages can both be true.
 */
import { LEDGER, type Ledger } from '../filter/abi.js';
import { ANY_SOURCE } from '../ledger.js';
import { VERIFIED_NAMES_MAX } from '../limits.js';
import { NAME_PATTERN, type WireRecord } from '../wire.js';

/** What a ledger counts by name: sources, or for `shed` streams. */
export const BY_NAME = ['lost', 'cut', 'dead', 'shed'] as const;
export type ByName = Readonly<Record<(typeof BY_NAME)[number], Readonly<Record<string, number>>>>;

export interface Entered {
  /** Sums over all records. */
  readonly counters: Ledger;
  readonly byName: ByName;
  /** Records that say that the filter was taken out. */
  readonly takenOut: number;
}

/** What of a message's events and records continues what was there before. */
export type Link = 'continues' | 'begins' | 'unknown';

export interface Books {
  /** The records of one ledger message, which counts so many events; answers what cannot be true. */
  enter(records: readonly WireRecord[], events: number, link: Link): string | undefined;
  entered(): Entered;
  /** Events that the ledger's messages count and none of their records tells: at least, at most. */
  untold(): Range;
}

export function createBooks(): Books {
  let counters = Object.fromEntries(LEDGER.map((name) => [name, 0])) as Ledger;
  const byName = new Map(BY_NAME.map((kind) => [kind, new Map<string, number>()]));
  let untold: Range = UNKNOWN;
  let takenOut = 0;

  function add(record: WireRecord): void {
    counters = Object.fromEntries(
      LEDGER.map((name) => [name, counters[name] + Number(record[name])]),
    ) as Ledger;
    if (record.taken_out === true) takenOut++;
    for (const [kind, sums] of byName)
      for (const [name, count] of Object.entries(record[kind] as Record<string, number>)) {
        // A host has no more; who writes anything there is counted all the same.
        const known = sums.has(name) || sums.size < VERIFIED_NAMES_MAX ? name : OTHERS;
        sums.set(known, (sums.get(known) ?? 0) + count);
      }
  }

  return {
    enter(records, events, link) {
      const problem = records.map(misread).find((found) => found !== undefined);
      if (problem === undefined) for (const record of records) add(record);
      if (link !== 'continues') untold = link === 'begins' ? NOTHING : UNKNOWN;
      const next = problem === undefined ? goOn(untold, records.map(eventsOf), events) : undefined;
      const [least, most] = untold;
      untold = next ?? UNKNOWN;
      if (problem !== undefined || next) return problem;
      const told = records.map(eventsOf).join(', ');
      return `expected records that tell of ${least} to ${most} events from before and up to ${events} more, found such of ${told}`;
    },
    entered: () => ({
      counters,
      takenOut,
      byName: Object.fromEntries(
        [...byName].map(([kind, sums]) => [kind, Object.fromEntries(sums)]),
      ) as unknown as ByName,
    }),
    untold: () => untold,
  };
}

/** How much is not told behind a message, of what was not told before it; nothing when that cannot be. */
function goOn([least, most]: Range, told: readonly number[], events: number): Range | undefined {
  const [first = 0] = told;
  const now = events - told.reduce((sum, count) => sum + count, 0);
  const before = [least, Math.min(most, first)] as const;
  const after = [Math.max(before[0] + now, 0), before[1] + now] as const;
  return before[0] <= before[1] && after[0] <= after[1] ? after : undefined;
}

type Range = readonly [number, number];
const UNKNOWN = [0, Number.POSITIVE_INFINITY] as const;
const NOTHING = [0, 0] as const;
const OTHERS = 'others';

/** Events that a record tells of. */
function eventsOf(record: WireRecord): number {
  return Number(record.in) + sumOf(record.dead as Record<string, number>);
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** What is wrong with a record of a ledger. */
function misread(record: WireRecord): string | undefined {
  const wrong = LEDGER.find((name) => !isCount(record[name]));
  if (wrong !== undefined) return `${wrong}: expected a count, found ${shown(record[wrong])}`;
  for (const kind of BY_NAME)
    if (!areCounts(record[kind])) return `${kind}: expected counts by name, found ${shown(record[kind])}`;
  const { kept, aggregated, discarded, malformed } = record as unknown as Ledger;
  if (record.in === kept + aggregated + discarded + malformed) return undefined;
  return `expected in = kept + aggregated + discarded + malformed, found ${record.in} = ${kept} + ${aggregated} + ${discarded} + ${malformed}`;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areCounts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(
    ([name, count]) => (NAME_PATTERN.test(name) || name === ANY_SOURCE) && isCount(count),
  );
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'none').slice(0, 100);
}
