/**
 * A proposal: a change that lacks signatures, on its way to who can give them, without a broker.
 *
 * It brings what it is made on along, so that whoever has the root of trust can verify that, and see what would change: the roots, the
 * targets as they are, and the assignments that are to be others. What is shown is read from what is signed, and nothing else is in it:
 * each new target is here, or was published already. With the metadata each signer signs what the audit will say (a voucher).
 *
 * Nothing here can say that what it is made on is the latest: `weir fleet publish` refuses it where it is not.
 */
import { sha256Of } from '../digest.js';
import { WeirError } from '../errors.js';
import { EDITION_NUMBERS_MAX } from '../fleetlimits.js';
import type { Act } from './audit.js';
import { type Base, dutiesOf, signChange } from './change.js';
import type { Change, KeyRing, NewTargets } from './edition.js';
import { signatureIsOf } from './keys.js';
import { delegationsIn, isSigned, type Metadata, roleIn, type Root, type Targets } from './metadata.js';
import { type ProposalFile, readProposalFile, type Voucher } from './proposalfile.js';
import { checkKeys } from './roles.js';
import { type Known, loadRoots, verify } from './state.js';
import { effectiveTargets, overlaid } from './words.js';

export interface Proposal {
  readonly act: Act;
  readonly change: Change;
  readonly base: Base;
  /** All roots from the first one on. */
  readonly roots: readonly Metadata<Root>[];
  /** Path to content: assignments as they are. */
  readonly before: ReadonlyMap<string, Uint8Array>;
  readonly vouchers: readonly Voucher[];
}

/** Reads a proposal and verifies all of it from what is known. Throws PROPOSAL_INVALID, METADATA_REFUSED or PROPOSAL_OUTDATED. */
export async function readProposal(path: string, known: Known): Promise<Proposal> {
  const file = readProposalFile(path);
  const base = await verifiedBase(path, file, known);
  const proposal: Proposal = {
    act: file.act,
    change: { ...(file.root ? { root: file.root } : {}), targets: file.targets },
    base,
    roots: file.base.roots,
    before: file.base.contents,
    vouchers: file.vouchers,
  };
  checkRoles(path, proposal);
  checkContents(path, proposal);
  checkSignatures(path, proposal);
  return proposal;
}

export function fileOf({ act, change, base, roots, before, vouchers }: Proposal): ProposalFile {
  const { root, targets = [] } = change;
  return { act, root, targets, base: { roots, targets: base.targets, contents: before }, vouchers };
}

/** Adds the signatures of all keys that are here; answers it with their vouchers, and their names. */
export function signProposal(
  proposal: Proposal,
  ring: KeyRing,
): { readonly proposal: Proposal; readonly names: readonly string[] } {
  const { base, change, vouchers } = proposal;
  signChange(base, change, ring);
  const keys = ring.open(dutiesOf(base, change).flatMap(({ ids }) => ids));
  const statement = statementOf(proposal);
  const mine = keys.map((key): Voucher => ({ keyid: key.id, sig: key.sign(statement) }));
  const others = vouchers.filter(({ keyid }) => !keys.some(({ id }) => id === keyid));
  return { proposal: { ...proposal, vouchers: [...others, ...mine] }, names: keys.map(({ name }) => name) };
}

/** What a voucher signs: it can be no metadata, which is an object. */
function statementOf({ act, change: { root, targets = [] }, base }: Proposal): Buffer {
  const versions = [...base.targets].map(([role, { signed }]) => [role, signed.version]);
  const said = [
    act,
    root?.signed.toJSON() ?? null,
    targets.map(({ role, metadata }) => [role, metadata.signed.toJSON()]),
    base.root.signed.version,
    versions,
  ];
  const digest = sha256Of(JSON.stringify(said));
  return Buffer.from(`weir proposal ${digest}`);
}

async function verifiedBase(path: string, file: ProposalFile, known: Known): Promise<Base> {
  const { base } = file;
  const files = new Map(base.roots.map((root) => [`metadata/${root.signed.version}.root.json`, root]));
  const roots = await loadRoots(
    {
      get: async (name) => {
        const root = files.get(name);
        return root && { bytes: Buffer.from(JSON.stringify(root.toJSON())), revision: 0 };
      },
    },
    known.root,
  );
  const root = roots.at(-1) as Metadata<Root>;
  const last = Math.max(...base.roots.map(({ signed }) => signed.version));
  if (root.signed.version !== last) {
    const code = root.signed.version > last ? 'PROPOSAL_OUTDATED' : 'PROPOSAL_INVALID';
    const problem = `expected what follows root ${root.signed.version}, which is known here, found root ${last}`;
    throw new WeirError(code, `${path}: ${problem}`);
  }
  const targets = base.targets.get('targets');
  if (!targets) throw new WeirError('PROPOSAL_INVALID', `${path}: expected the targets that it is made on`);
  // A rotation that was interrupted: what it is made on is what a root before has allowed.
  if (!roots.some((one) => isSigned(one, 'targets', targets))) verify(root, 'targets', targets);
  for (const [role, metadata] of base.targets) if (role !== 'targets') verify(targets, role, metadata);
  for (const role of touchedRoles(base.targets, file.targets)) {
    const [expected, found] = [known.versions[role] ?? 0, base.targets.get(role)?.signed.version];
    if (found === undefined || found >= expected) continue;
    const problem = `expected to be made on version ${expected} or later, found ${found}`;
    throw new WeirError('PROPOSAL_OUTDATED', `${path}: ${role}: ${problem}`);
  }
  for (const { name } of delegationsIn(targets.signed))
    if (!base.targets.has(name))
      throw new WeirError('PROPOSAL_INVALID', `${path}: expected the targets of ${name}, found none`);
  return { root, targets: base.targets };
}

/** Roles whose files have to be the latest for the change to be made on them: all where other roles have other paths. */
export function touchedRoles(
  before: Base['targets'],
  changed: readonly Pick<NewTargets, 'role' | 'metadata'>[],
): string[] {
  const delegationsOf = (targets: Metadata<Targets> | undefined) =>
    JSON.stringify(targets ? delegationsIn(targets.signed) : []);
  const top = changed.find(({ role }) => role === 'targets')?.metadata;
  const isOther = top !== undefined && delegationsOf(top) !== delegationsOf(before.get('targets'));
  return ['targets', ...(isOther ? before.keys() : []), ...changed.map(({ role }) => role)];
}

/** The roles of the change are ones that somebody can sign for, and its versions follow those that are there. */
function checkRoles(path: string, { base, change: { root, targets = [] } }: Proposal): void {
  const refuse = (problem: string) => new WeirError('PROPOSAL_INVALID', `${path}: ${problem}`);
  if (!root && targets.length === 0) throw refuse('expected a change, found none');
  if (root) {
    const [expected, found] = [base.root.signed.version + 1, root.signed.version];
    if (found !== expected) throw refuse(`root: expected version ${expected}, found ${found}`);
    for (const role of Object.keys(root.signed.roles)) needKeys(role, root.signed);
  }
  const after = overlaid(base.targets, targets);
  const top = after.get('targets') as Metadata<Targets>;
  const names = delegationsIn(top.signed).map(({ name }) => name);
  if (new Set(names).size < names.length) throw refuse('expected each delegated role once');
  for (const name of names) {
    needKeys(name, top.signed);
    if (!after.has(name)) throw refuse(`role ${name}: expected its targets, found none`);
  }
  const roles = targets.map(({ role }) => role);
  if (new Set(roles).size < roles.length) throw refuse('expected new targets of each role once');
  for (const { role, metadata } of targets) {
    if (role !== 'targets' && !names.includes(role)) throw refuse(`expected a role, found ${role}`);
    if (role !== 'targets' && metadata.signed.delegations) throw refuse(`role ${role} may not delegate`);
    const before = base.targets.get(role)?.signed.version;
    const { version } = metadata.signed;
    if (before === undefined || (version > before && version <= before + EDITION_NUMBERS_MAX)) continue;
    throw refuse(`${role}: expected a version right after ${before}, found ${version}`);
  }
  function needKeys(role: string, delegator: Root | Targets): void {
    const found = roleIn(delegator, role);
    if (!found || found.keys.length < found.ids.length) throw refuse(`role ${role}: expected its keys`);
    checkKeys(role, found);
  }
}

/** Everything that would be another target is here, is what was signed, and would be taken from the role that lists it. */
function checkContents(path: string, { base, before, change: { targets = [] } }: Proposal): void {
  const refuse = (problem: string) => new WeirError('PROPOSAL_INVALID', `${path}: ${problem}`);
  const old = effectiveTargets(base.targets);
  const now = effectiveTargets(overlaid(base.targets, targets));
  const isOf = (bytes: Uint8Array, target: { length: number; hashes: Record<string, string> }) =>
    bytes.length === target.length && sha256Of(bytes) === target.hashes.sha256;
  for (const { role, metadata, contents } of targets) {
    const listed = metadata.signed.targets;
    for (const [name, target] of Object.entries(listed)) {
      const wasListed = base.targets.get(role)?.signed.targets[name]?.equals(target);
      const isKnown = wasListed || old.get(name)?.target.equals(target);
      const bytes = contents.get(name);
      if (bytes ? !isOf(bytes, target) : !isKnown)
        throw refuse(`${name}: expected what is to be signed, found ${bytes ? 'other bytes' : 'nothing'}`);
      if (now.get(name)?.role !== role && !wasListed) throw refuse(`${name}: ${role} may not sign for it`);
    }
    for (const name of contents.keys())
      if (!Object.hasOwn(listed, name))
        throw refuse(`${name}: expected it to be signed, found that it is not`);
  }
  for (const [name, bytes] of before) {
    const target = old.get(name)?.target;
    if (!target || !isOf(bytes, target)) throw refuse(`${name}: expected it as it is published`);
  }
}

/** Every signature counts, and its key has signed what the audit will say. */
function checkSignatures(path: string, proposal: Proposal): void {
  const { base, change, vouchers } = proposal;
  const refuse = (problem: string) => new WeirError('PROPOSAL_INVALID', `${path}: ${problem}`);
  const duties = dutiesOf(base, change);
  const signed = new Set(duties.flatMap((duty) => duty.signed));
  const { root, targets = [] } = change;
  for (const { signatures } of [...(root ? [root] : []), ...targets.map(({ metadata }) => metadata)])
    for (const id of Object.keys(signatures))
      if (!signed.has(id)) throw refuse(`key ${id}: expected its signature to be right, and to count`);
  const publicKeys = keysOf(proposal);
  const statement = statementOf(proposal);
  for (const { keyid, sig } of vouchers) {
    const key = publicKeys.get(keyid);
    if (!key || !signatureIsOf(key, statement, sig))
      throw refuse(`key ${keyid}: what it has signed is not what is here`);
  }
  for (const id of signed)
    if (!vouchers.some(({ keyid }) => keyid === id))
      throw refuse(`key ${id}: expected it to have signed what the audit is told`);
}

/** Keys that may sign some of it, by their ids. */
function keysOf({ base, change: { root, targets = [] } }: Proposal): Map<string, string> {
  const top = overlaid(base.targets, targets).get('targets') as Metadata<Targets>;
  const roles = [base.root, root].flatMap((one) =>
    one ? Object.keys(one.signed.roles).map((role) => roleIn(one.signed, role)) : [],
  );
  const all = [...roles, ...delegationsIn(top.signed)].flatMap((role) => role?.keys ?? []);
  return new Map(all.map((key) => [key.id, key.public]));
}
