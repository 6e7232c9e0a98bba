/**
 * The status of a host, on `weir.status.<appliance>`: a JSON object every `STATUS_EVERY_MS`, and at once when something happens
 * to a filter or to what a fleet has assigned. Who listens sees what runs, what was at fault, and whether messages get through; in a fleet
 * the stream WEIR_STATUS keeps the last one.
 */
import type { Config } from './config.js';
import type { Courier, EpochChange } from './courier.js';
import type { DeadLetter } from './deadletters.js';
import type { Engine, FilterEvent } from './engine.js';
import { oneLine } from './errors.js';
import type { Faults } from './filter/fault.js';
import type { Manifest } from './filter/manifest.js';
import {
  EPOCH_CHANGES_MAX,
  FAULT_BATCHES,
  NOTICE_INTERVAL_MS,
  STATUS_TEXT_CHARACTERS_MAX,
  STATUS_EVERY_MS,
  STATUS_GAP_MS,
} from './limits.js';
import type { Publisher } from './publish.js';
import type { Running } from './running.js';
import type { Store } from './store.js';
import { sizeText } from './validate.js';
import { CONTENT_NDJSON, HEADER, type Message, statusSubject } from './wire.js';

/** Version of the object; a field that is added does not change it. */
const SCHEMA = 1;

export interface StatusOptions {
  readonly config: Pick<Config, 'appliance' | 'limits'>;
  readonly instances: readonly string[];
  readonly engine: Pick<Engine, 'running'>;
  readonly store: Pick<Store, 'space' | 'couriers'>;
  readonly publisher: Pick<Publisher, 'statistics'>;
  readonly isConnected: () => boolean;
  readonly say: (message: Message) => void;
  readonly now: () => number;
  /** What the agent of a fleet says of itself. */
  readonly fleet?: () => object;
}

export interface Status {
  /** Something happened to a filter. */
  tell(instance: string, text: string): void;
  /** What the agent of a fleet says of itself is otherwise than before. */
  changed(): void;
  /** Says it at once: the last word of a host that stops. */
  say(): void;
  /** To be called about once a second. */
  tick(): void;
}

/** What happened last to a filter, and how often something did. */
interface Happened {
  readonly ts: number;
  readonly text: string;
  readonly count: number;
}

/** What happens is told together, at most every `STATUS_GAP_MS`: the last thing of each filter. */
export function createStatus(options: StatusOptions): Status {
  const { config, instances, engine, store, say, now } = options;
  const { appliance } = config;
  const last = new Map<string, Happened>();
  const waits = createWaits(store.couriers());
  const startedMs = performance.now();
  let isNew = true;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  function sayNow(): void {
    saidAtMs = performance.now();
    isNew = false;
    const filters = instances.map((instance) => [
      instance,
      filterStatus(engine.running(instance) as Running, last.get(instance)),
    ]);
    const status = {
      schema: SCHEMA,
      ts: now(),
      appliance,
      uptime_ms: Math.round(saidAtMs - startedMs),
      filters: Object.fromEntries(filters),
      ...hostStatus(options, waits.longestMs()),
      ...(options.fleet ? { fleet: options.fleet() } : {}),
    };
    say({
      subject: statusSubject(appliance),
      headers: { [HEADER.contentType]: CONTENT_NDJSON, [HEADER.appliance]: appliance },
      body: Buffer.from(`${JSON.stringify(status)}\n`),
    });
  }

  function sayWhenDue(): void {
    const sinceMs = performance.now() - saidAtMs;
    if (sinceMs >= STATUS_EVERY_MS || (isNew && sinceMs >= STATUS_GAP_MS)) sayNow();
  }

  function changed(): void {
    isNew = true;
    sayWhenDue();
  }

  return {
    tell(instance, text) {
      const count = (last.get(instance)?.count ?? 0) + 1;
      last.set(instance, { ts: now(), text: text.slice(0, STATUS_TEXT_CHARACTERS_MAX), count });
      changed();
    },
    changed,
    say: sayNow,
    tick() {
      waits.look();
      sayWhenDue();
    },
  };
}

function filterStatus({ slot, tally, deadLetters }: Running, last: Happened | undefined) {
  const state = slot.isOut()
    ? 'out'
    : slot.isRecovering()
      ? 'recovering'
      : slot.isOnProbation()
        ? 'on probation'
        : 'runs';
  const byName = Object.entries(tally.counted()).map(([kind, counts]) => [kind, sumOf(counts)]);
  return {
    running: slot.filter().label,
    state,
    ...slot.ledger(),
    ...Object.fromEntries(byName),
    dead_letters: deadLetters.seq(),
    fuel: slot.filter().fuelUsed(),
    ...(last ? { last } : {}),
  };
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Where messages wait, whether they get through, and what that takes. */
function hostStatus({ config, store, publisher, isConnected }: StatusOptions, waitMs: number) {
  const { space } = store;
  const couriers = store.couriers();
  const { messages, bytes, retries } = publisher.statistics();
  return {
    spool: {
      bytes: space.bytes(),
      limit_bytes: space.bytesMax,
      full: space.whyFull() ?? null,
      wait_ms: Math.round(waitMs),
      damaged: couriers.reduce((sum, courier) => sum + courier.damaged(), 0),
    },
    broker: { connected: isConnected(), messages, bytes, retries },
    memory: { resident_bytes: process.memoryUsage.rss(), limit_bytes: config.limits.memoryBytes },
    epochs: lastChanges(couriers),
  };
}

function lastChanges(couriers: readonly Courier[]): readonly EpochChange[] {
  const changes = couriers.flatMap((courier) => courier.changes());
  return changes.sort((one, other) => one.ts - other.ts).slice(-EPOCH_CHANGES_MAX);
}

/**
 * How long messages wait for the broker. Entries have no time of their own, so at each look the last one is remembered, until all up
 * to it is settled: what is not is at least so old.
 */
function createWaits(couriers: readonly Courier[]) {
  const marks = new Map(couriers.map((courier) => [courier, { entry: 0, atMs: 0 }]));
  return {
    look(): void {
      for (const [courier, { entry }] of marks)
        if (courier.settled() >= entry)
          marks.set(courier, { entry: courier.last(), atMs: performance.now() });
    },
    longestMs(): number {
      const waiting = [...marks].filter(([courier, { entry }]) => courier.settled() < entry);
      return Math.max(0, ...waiting.map(([, { atMs }]) => performance.now() - atMs));
    },
  };
}

/** Passes on what happens to a filter at most once in `NOTICE_INTERVAL_MS`, with how much was left out: who writes events can cause faults. */
export function createSeldom(tell: (instance: string, text: string) => void) {
  const last = new Map<string, { atMs: number; untold: number }>();
  return {
    tell(instance: string, text: string): void {
      const seen = last.get(instance) ?? { atMs: Number.NEGATIVE_INFINITY, untold: 0 };
      last.set(instance, seen);
      if (performance.now() - seen.atMs < NOTICE_INTERVAL_MS) {
        seen.untold++;
        return;
      }
      tell(instance, seen.untold > 0 ? `${text} (and ${seen.untold} before it)` : text);
      seen.atMs = performance.now();
      seen.untold = 0;
    },
  };
}

/** A line for people. */
export function filterEventText(event: FilterEvent): string {
  switch (event.kind) {
    case 'fault':
      return `at fault at ${whereOf(event.letter)}: ${oneLine(event.error)}`;
    case 'returned': {
      const [from, to] = [event.from.label, event.to.label];
      const again =
        from === to ? 'runs again with the config or manifest of before' : `was at fault, ${to} runs again`;
      return `${from} ${again}: ${oneLine(event.error)}`;
    }
    case 'approved':
      return `${event.filter.label} has passed its probation`;
    case 'out':
      return `taken out${whyOut(event.faults)}: ${oneLine(event.error)}`;
  }
}

function whereOf({ source, lost }: DeadLetter): string {
  if (lost !== undefined) {
    const events = `${lost} event${lost === 1 ? '' : 's'}`;
    return `a row of a window, or an audit event, which is left out, and with it ${events}`;
  }
  return source === undefined ? 'a tick, which is left out' : `an event of ${source}, which is left out`;
}

/** The library leaves out a record that is larger than half of the output region, so that a call can always end. */
export function overflowText({ memory: { output } }: Manifest): string {
  const [half, whole] = [output / 2, output].map(sizeText);
  return `something found no room in it, as "overflowed" of its ledger counts: a record of more than ${half}, half of memory.output in its filter.json (now ${whole}: raise it), or a key of a table that is full`;
}

function whyOut(faults: Faults | undefined): string {
  if (!faults) return '';
  const { found, forgiven } = faults;
  // What took too much time is the end, however few there were.
  return found > forgiven
    ? ` (faults in ${FAULT_BATCHES} batches: ${found}, forgiven: ${forgiven})`
    : ' (never forgiven)';
}
