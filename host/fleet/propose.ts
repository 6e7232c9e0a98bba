/**
 * From a change to a proposal, and from one that is signed to what is published.
 */
import { WeirError } from '../errors.js';
import { ROOT_BYTES_MAX } from '../fleetlimits.js';
import { assignmentPath, parseAssignment } from './assignment.js';
import type { Act } from './audit.js';
import { type Base, dutiesOf } from './change.js';
import type { Change, KeyRing } from './edition.js';
import { type Metadata, type Root, readRoot } from './metadata.js';
import { groupsOf, lookAtAssignment, type Operator, publishSigned, readTarget } from './operator.js';
import { type Proposal, signProposal, touchedRoles } from './proposal.js';
import { effectiveTargets, overlaid, shortId, wordsOf } from './words.js';

/** A change as a proposal, with what it is made on, signed by the keys that are here. */
export async function makeProposal(
  operator: Operator,
  ring: KeyRing,
  change: Change,
  act: Act,
): Promise<Proposal> {
  const { state } = operator;
  if (!change.root && !change.targets?.length)
    throw new WeirError('USAGE', '--propose: expected a change that people sign, found none');
  const base: Base = { root: state.root, targets: state.targets };
  const before = new Map<string, Uint8Array>();
  const old = effectiveTargets(base.targets);
  const paths = (change.targets ?? []).flatMap(({ contents }) => [...contents.keys()]);
  for (const path of paths) {
    const bytes =
      old.has(path) && path.startsWith('assignments/') ? await readTarget(operator, path) : undefined;
    if (bytes) before.set(path, bytes);
  }
  const given = Object.fromEntries(Object.entries(act).filter(([, value]) => value !== undefined)) as Act;
  const proposal = { act: given, change, base, roots: await rootsOf(operator), before, vouchers: [] };
  // What could not be shown is not proposed.
  wordsOf(base, change, before);
  return signProposal(proposal, ring).proposal;
}

/** Every root, so that whoever has one of them can follow. */
async function rootsOf({ repository, state }: Operator): Promise<Metadata<Root>[]> {
  const roots: Metadata<Root>[] = [];
  for (let version = 1; version <= state.root.signed.version; version++) {
    const stored = await repository.get(`metadata/${version}.root.json`, ROOT_BYTES_MAX);
    if (!stored)
      throw new WeirError('METADATA_REFUSED', `${version}.root.json: expected all roots, found it missing`);
    roots.push(readRoot(stored.bytes));
  }
  return roots;
}

/** Publishes a proposal that enough keys have signed. Throws SIGNATURES_MISSING, KEYS_MISSING, or PROPOSAL_OUTDATED where its base is not the latest. */
export async function publishProposal(operator: Operator, ring: KeyRing, proposal: Proposal): Promise<void> {
  const { act, base, change } = proposal;
  needLatest(operator.state, proposal);
  await needBundles(operator, proposal);
  const signed = new Set(dutiesOf(base, change).flatMap((duty) => duty.signed));
  await publishSigned(operator, ring, change, { ...act, signed_by: [...signed].map(shortId).join(', ') });
}

/** Files that a change touches are as they were when it was made; others may have gone on. */
function needLatest(state: Base, { base, change: { targets = [] } }: Proposal): void {
  const pairs = touchedRoles(base.targets, targets).map((role) => ({
    role,
    made: base.targets.get(role),
    found: state.targets.get(role),
  }));
  for (const { role, made, found } of [{ role: 'root', made: base.root, found: state.root }, ...pairs]) {
    if (made === found || (made && found?.signed.equals(made.signed as never))) continue;
    const [from, to] = [made, found].map((one) => one?.signed.version ?? 'none');
    throw new WeirError(
      'PROPOSAL_OUTDATED',
      `${role}: expected version ${from}, on which the proposal was made, found ${to}`,
    );
  }
}

/** No group is left with a bundle that is not there: others may have begun to use one since, which is taken away here. */
async function needBundles(operator: Operator, { change: { targets = [] } }: Proposal): Promise<void> {
  const after = effectiveTargets(overlaid(operator.state.targets, targets));
  const contents = new Map(targets.flatMap((one) => [...one.contents]));
  const groups = new Set(groupsOf(operator));
  for (const path of contents.keys()) {
    const [, group] = /^assignments\/(.+)\.json$/.exec(path) ?? [];
    if (group !== undefined) groups.add(group);
  }
  for (const group of groups) {
    const path = assignmentPath(group);
    if (!after.has(path)) continue;
    const bytes = contents.get(path);
    const found = bytes ? parseAssignment(bytes, group) : await lookAtAssignment(operator, group);
    // What cannot be read here nobody takes, and so nobody misses a bundle of it.
    if (typeof found !== 'object') continue;
    for (const { release, before } of Object.values(found.filters))
      for (const one of [release, before])
        if (one && !after.has(one.bundle))
          throw new WeirError('PROPOSAL_OUTDATED', `group ${group}: expected ${one.bundle}, found it gone`);
  }
}
