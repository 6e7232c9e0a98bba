/**
 * Times of jobs that are to be compared.
 */

const ROUNDS = 15;

/**
 * Seconds of each side: the best of fifteen rounds after one to warm up. The sides take turns, so that a machine that
 * is slow for a while is slow for all of them.
 */
export async function bestOf<Side extends string>(
  sides: Readonly<Record<Side, () => void | Promise<void>>>,
): Promise<Record<Side, number>> {
  const names = Object.keys(sides) as Side[];
  const seconds = Object.fromEntries(names.map((name) => [name, Number.POSITIVE_INFINITY])) as Record<
    Side,
    number
  >;
  for (const name of names) await sides[name]();
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      const start = process.hrtime.bigint();
      await sides[name]();
      seconds[name] = Math.min(seconds[name], Number(process.hrtime.bigint() - start) / 1e9);
    }
  }
  return seconds;
}

/** `17.1x`: how many times as long the other side takes. */
export function ratio(otherSeconds: number, seconds: number): string {
  return `${(otherSeconds / seconds).toFixed(1)}x`;
}
