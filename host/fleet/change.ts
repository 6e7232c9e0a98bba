/**
 * Who has to sign a change, and who has.
 *
 * A new root is signed twice: by enough of the keys that the root before it names, and by enough of its own. Targets are signed by the
 * keys of their role as they are after the change: those of `targets` by what the new root says, those of delegated roles by what the
 * new targets say.
 */
import { WeirError } from '../errors.js';
import { type Change, type KeyRing, signRole } from './edition.js';
import { type Metadata, neededRole, type Root, signersOf, type Targets } from './metadata.js';
import type { State } from './state.js';

/** What a change is made on. */
export type Base = Pick<State, 'root' | 'targets'>;

/** Signatures under one file, by one set of keys. */
export interface Duty {
  /** Whose keys: a role, or `root before`. */
  readonly who: string;
  /** Ids of keys that may sign. */
  readonly ids: readonly string[];
  /** Ids of those that have. */
  readonly signed: readonly string[];
  readonly threshold: number;
}

interface Part {
  readonly who: string;
  readonly role: string;
  readonly delegator: Metadata<Root> | Metadata<Targets>;
  readonly metadata: Metadata<Root | Targets>;
}

/** Adds the signatures of all keys that are here. */
export function signChange(base: Base, change: Change, ring: KeyRing): void {
  for (const { role, delegator, metadata } of partsOf(base, change))
    signRole(delegator, role, metadata, ring);
}

/** Who has to sign, and who has. */
export function dutiesOf(base: Base, change: Change): Duty[] {
  return partsOf(base, change).map(({ who, role, delegator, metadata }) => {
    const { ids, threshold } = neededRole(delegator, role);
    return { who, ids, threshold, signed: signersOf(delegator, role, metadata) };
  });
}

/** Throws SIGNATURES_MISSING where fewer keys have signed than have to. */
export function needAllSigned(base: Base, change: Change): void {
  const missing = dutiesOf(base, change).filter(({ signed, threshold }) => signed.length < threshold);
  if (missing.length === 0) return;
  const problems = missing.map(
    ({ who, signed, threshold }) => `${who}: expected ${threshold} signatures, found ${signed.length}`,
  );
  throw new WeirError('SIGNATURES_MISSING', problems.join('; '));
}

function partsOf(base: Base, { root, targets = [] }: Change): Part[] {
  const newTop = targets.find(({ role }) => role === 'targets')?.metadata;
  const top = newTop ?? (base.targets.get('targets') as Metadata<Targets>);
  const roots: Part[] = root
    ? [
        { who: 'root before', role: 'root', delegator: base.root, metadata: root },
        { who: 'root', role: 'root', delegator: root, metadata: root },
      ]
    : [];
  const others = targets.map(({ role, metadata }): Part => {
    const delegator = role === 'targets' ? (root ?? base.root) : top;
    return { who: role, role, delegator, metadata };
  });
  return [...roots, ...others];
}
