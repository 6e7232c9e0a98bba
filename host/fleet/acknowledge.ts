/**
 * Findings of the audit that an operator knows, and has signed that he does: where a broker has lost its disk, the chain of operators is gone
 * with it, and so are entries of appliances that are not on their disks any more.
 *
 * It is an entry of the operators' chain, signed by a key of root or targets: those of timestamp and snapshot lie on machines that are always
 * on, and whoever gets one must not make his own traces look fine.
 */
import { WeirError } from '../errors.js';
import { parseEntry } from './audit.js';
import { appendSigned, auditKey, signerOf } from './auditsign.js';
import { needClock } from './clock.js';
import type { KeyRing } from './edition.js';
import { type Metadata, type Root, roleIn } from './metadata.js';
import type { Operator } from './operator.js';
import type { Motive } from './rollout.js';

const ACTION = 'audit acknowledged';
const ROLES = ['targets', 'root'];

/** Marks of what operators have acknowledged; `lines`: their chain, `roots`: all of the fleet. */
export function acknowledgedIn(lines: readonly string[], roots: readonly Metadata<Root>[]): Set<string> {
  const people = roots.flatMap(({ signed }) => ROLES.flatMap((role) => roleIn(signed, role)?.keys ?? []));
  const keys = new Map(people.map(({ id, public: raw }) => [id, raw]));
  const marks = new Set<string>();
  for (const line of lines) {
    const entry = parseEntry(line);
    if (entry?.action !== ACTION || signerOf(line, keys) === undefined) continue;
    const { known } = entry;
    if (Array.isArray(known)) for (const mark of known) marks.add(String(mark));
  }
  return marks;
}

/** Signs that these are known. Throws CLOCK_WRONG, or KEYS_REFUSED where no key of root or targets is here. */
export async function acknowledge(
  { broker, state, folder, now }: Operator,
  ring: KeyRing,
  marks: readonly string[],
  motive: Motive,
): Promise<void> {
  const key = auditKey(state.root, ring, ROLES);
  if (!key) throw new WeirError('KEYS_REFUSED', 'expected a key of targets or root here, found none');
  await needClock(broker, now());
  await appendSigned(broker, key, { who: folder.operator, action: ACTION, ...motive, known: marks }, now);
}
