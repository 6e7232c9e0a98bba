/**
 * What others have published of a rollout while it is promoted: another release in its place, nothing, or itself for more of the group.
 * An appliance that does what is assigned by then is at no fault, so this is asked before anybody is blamed.
 */
import type { Broker } from '../broker.js';
import type { Assignment, Release } from './assignment.js';
import { type AuditEntry, eachOfOperators } from './audit.js';
import { ofFilter } from './rollout.js';

export type Meanwhile =
  /** Something else is assigned, or nothing: there is nothing to promote any more. */
  | { readonly kind: 'overtaken'; readonly why: string }
  /** For so many percent by now. */
  | { readonly kind: 'raised'; readonly percent: number };

/** Nothing where `release` is assigned for as much of the group as it was promoted to. */
export function meanwhile(
  assignment: Assignment | undefined,
  group: string,
  instance: string,
  { rollout, percent }: Pick<Release, 'rollout' | 'percent'>,
): Meanwhile | undefined {
  const end = 'nothing is promoted any more';
  const found = ofFilter(assignment, instance)?.release;
  if (!found)
    return {
      kind: 'overtaken',
      why: `${group} has no ${instance} any more, "weir fleet audit" says why: ${end}`,
    };
  if (found.rollout === rollout)
    return found.percent > percent ? { kind: 'raised', percent: found.percent } : undefined;
  const { version, at } = found;
  const other = `${group} has another release of ${instance} since ${at}: ${version} for ${found.percent} %`;
  return { kind: 'overtaken', why: `${other}, ${byText(found)}: ${end}` };
}

/** Who has promoted it to so many percent, by the audit, for people to ask: its signature is not looked at. */
export async function promoterOf(
  broker: Pick<Broker, 'read'>,
  group: string,
  instance: string,
  percent: number,
): Promise<string> {
  let last: AuditEntry | undefined;
  await eachOfOperators(broker, (entry) => {
    if (entry.group === group && entry.filter === instance && entry.percent === percent) last = entry;
  });
  return byText(last ?? {});
}

function byText({ by, ticket }: { readonly by?: unknown; readonly ticket?: unknown }): string {
  const who = typeof by === 'string' ? `by ${by}` : 'by somebody else';
  return typeof ticket === 'string' ? `${who}, ticket ${ticket}` : who;
}
