/**
 * The numbers of one subject, in the order of the broker's stream: what is missing, what is there twice, what is out of order.
 *
 * Within an epoch numbers go up by one. What is skipped is a gap, until it comes late or reading ends; whether the stream has let it
 * go in its time is known only then. Beside its number most messages say which place of the stream they follow, checked by the
 * broker when it stored them: so what was removed between two messages shows, also at the end of an epoch, where no number tells.
 */
import { VERIFIED_EPOCHS_MAX, VERIFIED_GAPS_MAX } from '../limits.js';
import type { Why } from '../numbering.js';

/** What is missing. */
export interface Gap {
  /** Empty where it is not known in which epoch. */
  readonly epoch: string;
  /** First and last number that is missing; nothing when it is only known that there was something. */
  readonly numbers: readonly [number, number] | undefined;
  /** Place of the message that the next one says it follows, as in `Numbered`. */
  readonly follows: number | undefined;
  /** The next one is a copy of another stream's message: what was not there to be copied has no place here. */
  readonly isCopy: boolean;
  /** Places of the messages on both sides; 0 before the first message of the subject. */
  readonly between: readonly [number, number];
}

export interface Numbered {
  readonly sequence: number;
  /** Place of the message before it on the subject; nothing when that is not known. */
  readonly follows: number | undefined;
  /** It is a copy of another stream's message. */
  readonly isCopy: boolean;
  readonly epoch: string;
  readonly number: number;
  readonly why: Why | undefined;
}

/** How a message stands to the one before it. */
export type Step =
  | { readonly kind: 'next' | 'begins' | 'skips' }
  | { readonly kind: 'duplicate' | 'order'; readonly text: string };

export interface Numbers {
  take(message: Numbered): Step;
  /** A message is there that says nothing of itself that could be believed. */
  pass(sequence: number): void;
  gaps(): readonly Gap[];
  /** Missing messages in gaps that are more than can be remembered. */
  moreMissing(): number;
}

export function createNumbers(): Numbers {
  let epoch = '';
  let last = 0;
  let place = 0;
  const gaps: Gap[] = [];
  let moreMissing = 0;
  /** Epochs that are over, and the last number of each. */
  const over = new Map<string, number>();

  function miss({ epoch: of, sequence, follows, isCopy }: Numbered, numbers: Gap['numbers']): void {
    gaps.push({ epoch: of, numbers, follows, isCopy, between: [place, sequence] });
    forgetMore();
  }

  /** Who writes there may make as many gaps as he likes. */
  function forgetMore(): void {
    for (const gap of gaps.splice(VERIFIED_GAPS_MAX)) moreMissing += missingIn(gap);
  }

  /** Something was removed between the message before and this one, though its number shows nothing. */
  function checkPlace(message: Numbered): void {
    const { follows } = message;
    if (follows !== undefined && follows !== place) miss({ ...message, epoch: '' }, undefined);
  }

  function begin(message: Numbered): Step {
    if (epoch !== '') over.set(epoch, last);
    const [oldest] = over.keys();
    if (over.size > VERIFIED_EPOCHS_MAX && oldest !== undefined) over.delete(oldest);
    if (message.number > 1) miss(message, [1, message.number - 1]);
    else checkPlace(message);
    ({ epoch, number: last } = message);
    return { kind: message.number > 1 ? 'skips' : 'begins' };
  }

  function goOn(message: Numbered): Step {
    const { number } = message;
    const expected = last + 1;
    last = number;
    if (number > expected) {
      miss(message, [expected, number - 1]);
      return { kind: 'skips' };
    }
    checkPlace(message);
    return { kind: 'next' };
  }

  /** A number that had passed already. */
  function comeLate({ epoch: of, number }: Numbered): Step {
    const at = gaps.findIndex((gap) => gap.epoch === of && isIn(gap, number));
    if (at < 0) return { kind: 'duplicate', text: `message ${number} of epoch ${of} is there again` };
    gaps.splice(at, 1, ...without(gaps[at] as Gap, number));
    forgetMore();
    return { kind: 'order', text: `message ${number} of epoch ${of} comes late` };
  }

  function step(message: Numbered): Step {
    const { epoch: of, number } = message;
    if (of === epoch) return number > last ? goOn(message) : comeLate(message);
    const lastThere = over.get(of);
    if (lastThere === undefined) return begin(message);
    if (number <= lastThere) return comeLate(message);
    over.set(of, number);
    return { kind: 'order', text: `message ${number} of epoch ${of} comes after another epoch has begun` };
  }

  return {
    take(message) {
      const found = step(message);
      place = message.sequence;
      return found;
    },
    pass(sequence) {
      place = sequence;
    },
    gaps: () => gaps,
    moreMissing: () => moreMissing,
  };
}

/** How many messages are missing there, at least. */
export function missingIn({ numbers }: Gap): number {
  return numbers ? numbers[1] - numbers[0] + 1 : 1;
}

function isIn({ numbers }: Gap, number: number): boolean {
  return numbers !== undefined && numbers[0] <= number && number <= numbers[1];
}

/** What is left of a gap when one number of it has come. */
function without(gap: Gap, number: number): readonly Gap[] {
  const [first, last] = gap.numbers ?? [number, number];
  const parts = [
    [first, number - 1],
    [number + 1, last],
  ] as const;
  return parts.filter(([from, to]) => from <= to).map((numbers) => ({ ...gap, numbers }));
}
