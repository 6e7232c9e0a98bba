/**
 * The status of a host, on `weir.status.<appliance>`: a JSON object every `STATUS_EVERY_MS`, and at once when something happens
 * to a filter. Nobody keeps it; who listens sees what runs, and what was at fault.
 */
import type { Engine, FilterEvent } from './engine.js';
import { oneLine } from './errors.js';
import type { Slot } from './filter/slot.js';
import { NOTICE_INTERVAL_MS, STATUS_TEXT_CHARACTERS_MAX, STATUS_EVERY_MS, STATUS_GAP_MS } from './limits.js';
import { CONTENT_NDJSON, HEADER, type Message, statusSubject } from './wire.js';

/** Version of the object; a field that is added does not change it. */
const SCHEMA = 1;

export interface StatusOptions {
  readonly appliance: string;
  readonly instances: readonly string[];
  readonly engine: Pick<Engine, 'slot'>;
  readonly say: (message: Message) => void;
  readonly now: () => number;
}

export interface Status {
  /** Something happened to a filter. */
  tell(instance: string, text: string): void;
  /** To be called about once a second. */
  tick(): void;
}

/** What happens is told together, at most every `STATUS_GAP_MS`: the last thing of each filter. */
export function createStatus({ appliance, instances, engine, say, now }: StatusOptions): Status {
  const last = new Map<string, { readonly ts: number; readonly text: string; readonly count: number }>();
  let isNew = true;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  function sayNow(): void {
    saidAtMs = performance.now();
    isNew = false;
    const filters = Object.fromEntries(
      instances.map((instance) => {
        const event = last.get(instance);
        return [
          instance,
          { ...filterStatus(engine.slot(instance) as Slot), ...(event ? { last: event } : {}) },
        ];
      }),
    );
    say({
      subject: statusSubject(appliance),
      headers: { [HEADER.contentType]: CONTENT_NDJSON, [HEADER.appliance]: appliance },
      body: Buffer.from(`${JSON.stringify({ schema: SCHEMA, ts: now(), appliance, filters })}\n`),
    });
  }

  function sayWhenDue(): void {
    const sinceMs = performance.now() - saidAtMs;
    if (sinceMs >= STATUS_EVERY_MS || (isNew && sinceMs >= STATUS_GAP_MS)) sayNow();
  }

  return {
    tell(instance, text) {
      const count = (last.get(instance)?.count ?? 0) + 1;
      last.set(instance, { ts: now(), text: text.slice(0, STATUS_TEXT_CHARACTERS_MAX), count });
      isNew = true;
      sayWhenDue();
    },
    tick: sayWhenDue,
  };
}

function filterStatus(slot: Slot) {
  const state = slot.isOut()
    ? 'out'
    : slot.isRecovering()
      ? 'recovering'
      : slot.isOnProbation()
        ? 'on probation'
        : 'runs';
  return { running: slot.filter().label, state, ...slot.ledger(), fuel: slot.filter().fuelUsed() };
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
    case 'fault': {
      const where = event.letter.source === undefined ? 'a tick' : `an event of ${event.letter.source}`;
      return `at fault at ${where}, which is left out: ${oneLine(event.error)}`;
    }
    case 'returned':
      return `${event.from.label} was at fault, ${event.to.label} runs again: ${oneLine(event.error)}`;
    case 'approved':
      return `${event.filter.label} has passed its probation`;
    case 'out':
      return `taken out: ${oneLine(event.error)}`;
  }
}
