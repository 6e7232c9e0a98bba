/**
 * Whom a push is for, by what appliances say of themselves. It warns of what is mistyped, and of what has failed; nothing that is
 * signed is another, or refused, because of it, since nobody has signed it.
 */
import type { Release } from './assignment.js';
import type { FleetWord, Told } from './statuses.js';

export interface Audience {
  /** A line about a release that some appliances have tried in vain, and that none runs. */
  failure(instance: string, release: Release): string | undefined;
  /** Lines about a push of a release that reads these sources. */
  warnings(from: readonly string[]): string[];
}

export function audienceOf(group: string, told: ReadonlyMap<string, Told>): Audience {
  const words = [...told.values()].flatMap(({ word }) =>
    typeof word === 'string' || !word.fleet ? [] : [word.fleet],
  );
  const members = words.filter((word) => word.group === group);
  return {
    failure(instance, { version, rollout }) {
      if (members.some(({ runs }) => runs.get(instance) === rollout)) return undefined;
      const failed = members.filter(({ attempted }) => attempted.get(instance)?.rollout === rollout).length;
      if (failed === 0) return undefined;
      return `${failed} of ${members.length} appliances of ${group} say that ${version} has failed there, none that it runs`;
    },
    warnings(from) {
      if (members.length === 0) return [`no appliance has told that it is of group ${group}${others(words)}`];
      return [...new Set(from)].flatMap((source) => missing(source, group, members));
    },
  };
}

function others(words: readonly FleetWord[]): string {
  const groups = [...new Set(words.map(({ group }) => group))].sort();
  return groups.length === 0 ? '' : `; appliances are of ${shown(groups)}`;
}

/** A source that appliances have not: the release is refused there. */
function missing(source: string, group: string, members: readonly FleetWord[]): string[] {
  const without = members.filter(({ sources }) => sources && !sources.includes(source));
  if (without.length === 0) return [];
  const known = [...new Set(without.flatMap(({ sources }) => sources ?? []))].sort();
  const has = known.length === 0 ? 'no source' : shown(known);
  return [
    `${without.length} of ${members.length} appliances of ${group} have no source ${source}; they have ${has}`,
  ];
}

const NAMES_SHOWN_MAX = 10;

function shown(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN_MAX;
  return `${names.slice(0, NAMES_SHOWN_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
