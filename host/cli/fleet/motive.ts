/**
 * Who changes something in a fleet, why, and since when.
 */
import { WeirError } from '../../errors.js';
import { REASON_CHARACTERS_MAX } from '../../fleetlimits.js';
import type { FleetFolder } from '../../fleet/folder.js';
import type { Motive } from '../../fleet/rollout.js';

/** Throws USAGE for a reason or a ticket that says nothing, or too much. */
export function checkMotive(reason: string, ticket: string | undefined): void {
  for (const [option, text] of [
    ['--reason', reason],
    ['--ticket', ticket],
  ] as const)
    if (text !== undefined && (text.trim() === '' || text.length > REASON_CHARACTERS_MAX))
      throw new WeirError(
        'USAGE',
        `${option}: expected 1 to ${REASON_CHARACTERS_MAX} characters, found "${text.slice(0, 40)}"`,
      );
}

/** Throws USAGE as above. */
export function motiveOf(
  { operator }: Pick<FleetFolder, 'operator'>,
  reason: string,
  ticket: string | undefined,
): Motive {
  checkMotive(reason, ticket);
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  return { reason, ...(ticket === undefined ? {} : { ticket }), by: operator, at };
}
