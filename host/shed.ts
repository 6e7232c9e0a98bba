/**
 * Shedding: at most so many records of a stream go through in one second, and the rest is counted.
 *
 * A second is one of the host's clock as the filter is given it with each batch, so the same input at the same times sheds
 * the same records, on a laptop and on the appliance. The first records of each second go through: what stays is a beginning
 * without holes, not a sample. A stream costs two numbers. What is shed is gone: the ledger tells how many, not which.
 */

export interface Shed {
  /** True when one more record of a stream may go through in the second of `nowMs`; counts it as shed when not. */
  admits(stream: string, nowMs: number): boolean;
  /** Records shed since the start, by stream. */
  counts(): Readonly<Record<string, number>>;
  standing(): ShedStanding;
  goOn(from: ShedStanding): void;
}

/** What another run needs to shed as this one would have. */
export interface ShedStanding {
  readonly second: number;
  /** Records by stream: those of this second that went through, and all that were shed. */
  readonly admitted: Readonly<Record<string, number>>;
  readonly shed: Readonly<Record<string, number>>;
}

/** `recordsMax` is for each stream and second. */
export function createShed(recordsMax: number): Shed {
  let admitted = new Map<string, number>();
  let shed = new Map<string, number>();
  /** None is before it. */
  let second = Number.MIN_SAFE_INTEGER;
  return {
    admits(stream, nowMs) {
      const now = Math.floor(nowMs / 1_000);
      // Also when the clock is set back: that is another second.
      if (now !== second) admitted.clear();
      second = now;
      const isAdmitted = (admitted.get(stream) ?? 0) < recordsMax;
      const counts = isAdmitted ? admitted : shed;
      counts.set(stream, (counts.get(stream) ?? 0) + 1);
      return isAdmitted;
    },
    counts: () => Object.fromEntries(shed),
    standing: () => ({ second, admitted: Object.fromEntries(admitted), shed: Object.fromEntries(shed) }),
    goOn(from) {
      second = from.second;
      admitted = new Map(Object.entries(from.admitted));
      shed = new Map(Object.entries(from.shed));
    },
  };
}
