/**
 * The calls of a filter, in parts: a call that answers AGAIN goes on with the next part, and between two of them others have
 * their turn. So nobody is held up longer than one turn's fuel takes, however much a call has to tell.
 *
 * A call is all or nothing: until its last part has gone well nothing is handed over or counted. Every pointer, length and index that
 * comes back is checked as hostile input.
 */
import { oneLine, WeirError } from '../errors.js';
import {
  FUEL_MAX,
  FUEL_PER_CALL,
  FUEL_PER_EMITTED_BYTE,
  FUEL_PER_EVENT_BYTE,
  FUEL_PER_RECORD,
  TURNS_MAX,
} from '../limits.js';
import { AGAIN, DONE, FLAG_LEAVE_OUT, MAP, TURN_DUE_SHIFT } from './abi.js';
import { batchFuel } from './batchsize.js';
import type { Counters } from './counters.js';
import { FilterFault } from './fault.js';
import type { Manifest } from './manifest.js';
import type { Output, RecordSink } from './output.js';
import { startTimer } from './timer.js';

/**
 * A call in parts: `next` makes one, after which others may have their turn; `finish` makes all. Until the last one the filter is in
 * the middle of the call: nothing else is to be done with it.
 */
export type Parts = Generator<void, void, void>;

/** What finds room above the flags. */
const DUE_MAX = 2 ** (31 - TURN_DUE_SHIFT) - 1;

/** How a call is made where something that is due is at fault; things that are due have numbers in it, from 1. */
export interface Spared {
  /** What is not told, in order. */
  readonly leftOut: readonly number[];
  /** Nothing is told from this number on. */
  readonly leftOutFrom?: number;
  /** The most that one turn begins. */
  readonly perTurn?: number;
}

/** All that is due is told, as much in a turn as it finds room for. */
const WHOLE: Spared = { leftOut: [] };

export interface Calls {
  /**
   * Makes a call over the first `bytes` bytes of the input, with one part for each turn; `call` makes one, from a place in them on, with
   * flags that say what of it is due.
   */
  make(bytes: number, sink: RecordSink, call: MakePart, spared?: Spared): Parts;
  /** Events that had gone into what the last call left out, one number for each thing. */
  leftOut(): readonly number[];
  /** Of all parts since the start, also of calls that failed. */
  fuelUsed(): number;
  /** Of the part that used the most. */
  dearestTurn(): number;
  /** Remembers what was used. */
  save(): void;
  /** Goes back to that. */
  restore(): void;
}

export interface CallsOptions {
  readonly manifest: Manifest;
  readonly input: Buffer;
  /** The map that the filter writes its answers to. */
  readonly words: Uint32Array;
  readonly output: Output;
  readonly counters: Counters;
  /** Processor time of all parts of a call. */
  readonly callMsMax: number;
  /** What the meter counts down. */
  readonly fuel: () => { value: bigint };
  /**
   * What the filter says, which is hostile: the number in the turn of the thing that is being told, or, negative, how many were begun; and
   * the events in what the turn left out.
   */
  readonly due: () => number;
  readonly leftOut: () => number;
}

export type MakePart = (from: number, flags: number) => number;

/** How many events a call has. */
type Events = 'none' | 'one' | 'more';

/** What a part may use, and what it has left. */
interface Part {
  readonly fuelMax: number;
  /** That is all that is left for the call. */
  readonly isLast: boolean;
  fuel: number;
}

const LF = 10;

export function createCalls(options: CallsOptions): Calls {
  const { manifest, input, words, output, counters, callMsMax, fuel } = options;
  const { name } = manifest;
  let fuelUsed = 0;
  let fuelSaved = 0;
  let dearest = 0;
  /** The call that is made has events: one, more, or none. */
  let events: Events = 'none';
  let leftOut: number[] = [];
  const fault = (what: string) => new FilterFault(name, 'rules', what);

  function outOfFuel({ fuelMax, isLast }: Part, cause?: unknown): FilterFault {
    const what = isLast ? `${FUEL_MAX}, the most for all turns of one call` : fuelMax;
    return new FilterFault(name, 'fuel', `used up its fuel of ${what}${where()}`, cause);
  }

  /** The one event of a call has been counted by then, or there is none: what is at fault is what comes behind it. */
  function where(): string {
    const isBehind = events === 'none' || (events === 'one' && counters.hasEntered());
    return isBehind ? ', when windows were to be closed' : '';
  }

  /** The host's work is the filter's to pay for: a call that emits what lies there already costs it nothing itself. */
  function costOfOutput(emitted: number): number {
    const records = output.check(emitted);
    if (typeof records === 'string') throw fault(records);
    return FUEL_PER_CALL + FUEL_PER_RECORD * records + FUEL_PER_EMITTED_BYTE * emitted;
  }

  /** One part with so much fuel, of a call of which `left` bytes are left; true when it was the last one. */
  function makePart(part: Part, left: number, call: () => number): boolean {
    let answer: number;
    try {
      answer = call();
    } catch (cause) {
      part.fuel = Number(fuel().value);
      if (part.fuel < 0) throw outOfFuel(part, cause);
      if (cause instanceof WeirError) throw cause;
      const kind = cause instanceof RangeError ? 'stack' : 'trap';
      throw new FilterFault(name, kind, `stopped: ${oneLine(cause)}${where()}`, cause);
    }
    part.fuel = Number(fuel().value);
    const consumed = words[MAP.consumed / 4] as number;
    if (consumed > left) throw fault(`consumed ${consumed} bytes of ${left}`);
    part.fuel -= costOfOutput(words[MAP.emitted / 4] as number);
    if (part.fuel < 0) throw outOfFuel(part);
    if (answer === DONE && consumed === left) return true;
    if (answer !== AGAIN) throw fault(`answered ${answer} with ${left - consumed} bytes left`);
    return false;
  }

  /** All parts but the last one; its output is still in the region. */
  function* untilDone(bytes: number, call: MakePart, spared: Spared): Parts {
    events = bytes === 0 ? 'none' : input.indexOf(LF) === bytes - 1 ? 'one' : 'more';
    const most = fuelFor(manifest, events, bytes);
    let [fuelLeft, callMs, from, begun] = [most.call, 0, 0, 0];
    leftOut = [];
    for (let turn = 1; turn <= TURNS_MAX; turn++) {
      const fuelMax = Math.min(fuelLeft, from < bytes ? most.part : manifest.fuel);
      const part: Part = { fuelMax, fuel: fuelMax, isLast: fuelMax === fuelLeft && most.call === FUEL_MAX };
      fuel().value = BigInt(fuelMax);
      const limit = limitOf(spared, begun);
      const usedMs = startTimer();
      let isDone: boolean;
      try {
        isDone = makePart(part, bytes - from, () => call(from, flagsOf(limit)));
        const things = Math.max(-options.due(), 0);
        if (limit.leavesOut && things === limit.things) leftOut.push(options.leftOut());
        begun += things;
      } catch (error) {
        const inTurn = options.due();
        if (error instanceof FilterFault && inTurn > 0) error.at = { number: begun + inTurn, inTurn };
        throw error;
      } finally {
        const used = fuelMax - part.fuel;
        fuelUsed += used;
        fuelLeft -= used;
        dearest = Math.max(dearest, used);
        callMs += usedMs();
        throwIfSlow(callMs);
      }
      if (isDone) return;
      from += words[MAP.consumed / 4] as number;
      output.keep(words[MAP.emitted / 4] as number);
      yield;
    }
    throw fault(`asked for more than ${TURNS_MAX} turns in one call`);
  }

  function throwIfSlow(usedMs: number): void {
    if (usedMs > callMsMax)
      throw new FilterFault(name, 'time', `took ${usedMs.toFixed(0)} ms of processor time for one call`);
  }

  return {
    leftOut: () => leftOut,
    *make(bytes, sink, call, spared = WHOLE) {
      try {
        yield* untilDone(bytes, call, spared);
        if (!counters.take(bytes)) throw fault('its counters do not add up');
      } catch (error) {
        output.forget();
        throw error;
      }
      yield* output.handOver(words[MAP.emitted / 4] as number, sink);
    },
    fuelUsed: () => fuelUsed,
    dearestTurn: () => dearest,
    save() {
      fuelSaved = fuelUsed;
    },
    restore() {
      fuelUsed = fuelSaved;
    },
  };
}

interface Limit {
  /** That are due, and that a turn may begin. */
  readonly things: number;
  /** The last of them is not told. */
  readonly leavesOut: boolean;
}

/** What the next turn may begin, behind so many things. */
function limitOf({ leftOut, leftOutFrom = Infinity, perTurn = Infinity }: Spared, begun: number): Limit {
  const next = Math.min(
    leftOut.find((number) => number > begun) ?? Infinity,
    Math.max(leftOutFrom, begun + 1),
  );
  return { things: Math.min(perTurn, next - begun), leavesOut: next < Infinity && next - begun <= perTurn };
}

function flagsOf({ things, leavesOut }: Limit): number {
  return things > DUE_MAX ? 0 : (things << TURN_DUE_SHIFT) | (leavesOut ? FLAG_LEAVE_OUT : 0);
}

/** Makes all parts of a call, one behind the other, and answers what comes of it. */
export function finish<T>(parts: Generator<void, T, void>): T {
  for (;;) {
    const step = parts.next();
    if (step.done) return step.value;
  }
}

/**
 * What a call may use in all, and each part of it that has events before it. A batch of several may use no more than each of them alone
 * in one part, so what is at fault does not depend on batches.
 */
function fuelFor(manifest: Manifest, events: Events, bytes: number): { call: number; part: number } {
  if (events === 'none') return { call: FUEL_MAX, part: manifest.fuel };
  if (events === 'more') return { call: batchFuel(manifest), part: manifest.fuel };
  return { call: FUEL_MAX, part: Math.max(manifest.fuel, FUEL_PER_EVENT_BYTE * bytes) };
}
