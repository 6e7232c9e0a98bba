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
}

/** `recordsMax` is for each stream and second. */
export function createShed(recordsMax: number): Shed {
  const admitted = new Map<string, number>();
  const shed = new Map<string, number>();
  let second = Number.NEGATIVE_INFINITY;
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
  };
}
