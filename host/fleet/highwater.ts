/**
 * The high-water mark: the highest version of each role that was ever trusted, and the latest time at which metadata was good.
 *
 * It outlives what it speaks of: whoever damages the trusted files, sets the clock back, or brings a mirror of last week gets nothing
 * older than this accepted. Versions of other roles than the root begin anew only where a root has given timestamp or snapshot other
 * keys, which is how TUF lets a fleet recover from versions that a stolen key has driven up (specification 5.3.11).
 *
 * The time is never later than the expiry of what was trusted with it, so that a clock that once stood in the far future
 * does not make everything expired for ever.
 */

export interface HighWater {
  /** Role to version. */
  readonly versions: Readonly<Record<string, number>>;
  /** A digest of what the root says of the keys for timestamp and snapshot. */
  readonly onlineKeys: string;
  readonly timeMs: number;
}

export const NO_HIGH_WATER: HighWater = { versions: {}, onlineKeys: '', timeMs: 0 };

/** The mark after `now` was trusted. */
export function raised(before: HighWater, now: HighWater): HighWater {
  const isSame = before.onlineKeys === now.onlineKeys || before.onlineKeys === '';
  const kept = isSame ? before.versions : { root: before.versions.root ?? 0 };
  const versions: Record<string, number> = { ...kept };
  for (const [role, version] of Object.entries(now.versions))
    versions[role] = Math.max(versions[role] ?? 0, version);
  return { versions, onlineKeys: now.onlineKeys, timeMs: Math.max(before.timeMs, now.timeMs) };
}

/** Says which role of `now` is older than it was before; nothing when none is. */
export function goneBack(before: HighWater, now: HighWater): string | undefined {
  const known = raised(before, { ...now, versions: {} }).versions;
  const found = Object.entries(now.versions).find(([role, version]) => version < (known[role] ?? 0));
  return found && `${found[0]}: expected version ${known[found[0]]} or later, found ${found[1]}`;
}
