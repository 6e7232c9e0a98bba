/**
 * Who changes something in a fleet, why, and since when.
 */
import type { FleetFolder } from '../../fleet/folder.js';
import type { Motive } from '../../fleet/rollout.js';

export function motiveOf(
  { operator }: Pick<FleetFolder, 'operator'>,
  reason: string,
  ticket: string | undefined,
): Motive {
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  return { reason, ...(ticket === undefined ? {} : { ticket }), by: operator, at };
}
