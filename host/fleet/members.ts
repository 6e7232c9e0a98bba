/**
 * Groups and appliances that a fleet knows: who looks at one that is mistyped must not take for well what is not there.
 */
import type { Broker } from '../broker.js';
import { printable, WeirError } from '../errors.js';
import type { Assignment } from './assignment.js';
import { AUDIT_STREAM, auditSubject, STATUS_STREAM, statusSubject } from '../wire.js';
import { groupsOf, type Operator, readAssignment } from './operator.js';
import { groupsIn } from './overview.js';
import { readStatuses, type Told } from './statuses.js';

/** Throws GROUP_UNKNOWN where nothing is assigned to a group, and no appliance says that it is of it. */
export function needGroup(
  operator: Pick<Operator, 'state'>,
  group: string,
  told: ReadonlyMap<string, Told>,
): void {
  const known = new Set([...groupsOf(operator), ...groupsIn(told)]);
  if (known.has(group)) return;
  throw new WeirError('GROUP_UNKNOWN', `group ${group}: ${oneOf('group', known)}`);
}

/** What a group runs that somebody names; nothing before the first push to it. Throws GROUP_UNKNOWN or ASSIGNMENT_UNREADABLE. */
export async function readKnown(operator: Operator, group: string): Promise<Assignment | undefined> {
  const found = await readAssignment(operator, group);
  if (!found) needGroup(operator, group, await readStatuses(operator.broker));
  return found;
}

/** Throws APPLIANCE_UNKNOWN where an appliance has neither a status nor an entry in the audit. */
export async function needAppliance(
  broker: Pick<Broker, 'value' | 'subjects'>,
  appliance: string,
): Promise<void> {
  if (await broker.value(STATUS_STREAM, statusSubject(appliance))) return;
  if (await broker.value(AUDIT_STREAM, auditSubject(appliance))) return;
  const streams = await Promise.all([STATUS_STREAM, AUDIT_STREAM].map((stream) => broker.subjects(stream)));
  const prefixes = [statusSubject(''), auditSubject('')];
  const known = streams
    .flat()
    .flatMap((subject) => prefixes.flatMap((prefix) => subject.split(prefix)[1] ?? []));
  throw new WeirError('APPLIANCE_UNKNOWN', `appliance ${appliance}: ${oneOf('appliance', new Set(known))}`);
}

const NAMES_SHOWN_MAX = 20;

/** The first names of those that are known; appliances say what they like. */
function oneOf(what: string, known: ReadonlySet<string>): string {
  if (known.size === 0) return `expected what the fleet knows, found that it knows no ${what} yet`;
  const names = [...known].sort().slice(0, NAMES_SHOWN_MAX).map(printable).join(', ');
  const more = known.size - NAMES_SHOWN_MAX;
  return `expected one of ${names}${more > 0 ? ` and ${more} more` : ''}`;
}
