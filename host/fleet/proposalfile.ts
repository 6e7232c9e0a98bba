/**
 * The file of a proposal: JSON in one shape only, of bounded size, that anybody may have written.
 *
 * What is here checks the shape; whether it is signed, and what it says, is in proposal.ts.
 */
import * as v from 'valibot';
import { WeirError } from '../errors.js';
import {
  DELEGATIONS_MAX,
  METADATA_KEYS_MAX,
  PROPOSAL_ACT_CHARACTERS_MAX,
  PROPOSAL_BYTES_MAX,
  PROPOSAL_SIGNATURES_MAX,
  PROPOSAL_TARGETS_MAX,
  ROOT_ROTATIONS_MAX,
} from '../fleetlimits.js';
import { check, list, name, object, plainObject, readJson, text } from '../validate.js';
import type { Act } from './audit.js';
import { checkMetadata, timeOf } from './checks.js';
import { keyIdOf } from './keys.js';
import { type Metadata, type Root, readRoot, readTargets, type Targets } from './metadata.js';
import { PATTERN } from './roles.js';

/** Who has signed what, in hex. */
export type Voucher = v.InferOutput<typeof Signature>;

/** A proposal as it lies in its file. */
export interface ProposalFile {
  readonly act: Act;
  readonly root: Metadata<Root> | undefined;
  readonly targets: readonly {
    readonly role: string;
    readonly metadata: Metadata<Targets>;
    readonly contents: ReadonlyMap<string, Uint8Array>;
  }[];
  readonly base: {
    /** Each from the first one on. */
    readonly roots: readonly Metadata<Root>[];
    readonly targets: ReadonlyMap<string, Metadata<Targets>>;
    /** Path to content: assignments that are changed. */
    readonly contents: ReadonlyMap<string, Uint8Array>;
  };
  readonly vouchers: readonly Voucher[];
}

const hex = (bytes: number) =>
  text(`${bytes} bytes in hex`, (value) => new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value));
const integer = (least: number) =>
  v.custom<number>(
    (value) => Number.isSafeInteger(value) && (value as number) >= least,
    `a whole number from ${least} on`,
  );
/** An object of up to `most` items by names that `isKey` accepts; no other ones, also not `__proto__`. */
const table = <T extends v.GenericSchema>(
  what: string,
  isKey: (key: string) => boolean,
  item: T,
  most: number,
) =>
  v.pipe(
    plainObject(what),
    v.check((value) => Object.keys(value).length <= most && Object.keys(value).every(isKey), what),
    v.record(v.string(), item),
  );
const isPath = (path: string) => PATTERN.test(path) && !path.includes('*');

const Signature = object({ keyid: hex(32), sig: hex(64) });
const Signatures = list('a list of signatures', Signature, 0, PROPOSAL_SIGNATURES_MAX);
const Key = object({
  keytype: v.literal('ed25519', '"ed25519"'),
  scheme: v.literal('ed25519', '"ed25519"'),
  keyval: object({ public: hex(32) }),
});
const Keys = table(
  'keys by their ids',
  (id) => /^[0-9a-f]{64}$/.test(id),
  Key,
  (DELEGATIONS_MAX + 4) * METADATA_KEYS_MAX,
);
const role = {
  keyids: list('a list of key ids', hex(32), 1, METADATA_KEYS_MAX),
  threshold: integer(1),
};
const Role = object(role);
const signed = {
  spec_version: text('a version of TUF such as "1.0.31"', (value) => /^1\.\d+(\.\d+)?$/.test(value)),
  version: integer(1),
  expires: text('a time such as "2026-01-31T12:00:00Z"', (value) => timeOf(value) !== undefined),
};
const RootFile = object({
  signatures: Signatures,
  signed: object({
    _type: v.literal('root', '"root"'),
    ...signed,
    keys: Keys,
    roles: object({ root: Role, targets: Role, snapshot: Role, timestamp: Role }),
    consistent_snapshot: v.literal(true, 'true'),
  }),
});
const Delegated = object({
  name: name(),
  ...role,
  terminating: v.literal(true, 'true'),
  paths: list(
    'a list of patterns',
    text('a pattern such as filters/net-*', (value) => PATTERN.test(value)),
    1,
    PROPOSAL_TARGETS_MAX,
  ),
});
const Target = object({ length: integer(0), hashes: object({ sha256: hex(32) }) });
const TargetsFile = object({
  signatures: Signatures,
  signed: object({
    _type: v.literal('targets', '"targets"'),
    ...signed,
    targets: table('targets by their paths', isPath, Target, PROPOSAL_TARGETS_MAX),
    delegations: v.exactOptional(
      object({ keys: Keys, roles: list('a list of roles', Delegated, 1, DELEGATIONS_MAX) }),
    ),
  }),
});
const Contents = table('contents by their paths', isPath, v.string('base64'), PROPOSAL_TARGETS_MAX);
const ROLES_MAX = DELEGATIONS_MAX + 1;
/** What the audit adds by itself. */
const RESERVED = ['seq', 'prev', 'ts', 'who', 'id', 'signed_by'];
const isActKey = (key: string) => /^[a-z_]{1,30}$/.test(key) && !(key in {}) && !RESERVED.includes(key);
const isActValue = (value: unknown) =>
  value === null ||
  Number.isSafeInteger(value) ||
  (typeof value === 'string' && value.length <= PROPOSAL_ACT_CHARACTERS_MAX);
const ActText = v.pipe(
  table(
    'what is done, as the audit has it',
    isActKey,
    v.custom<string | number | null>(isActValue, 'a text or a number'),
    20,
  ),
  v.check((act) => typeof act.action === 'string', 'an action'),
);
const File = object({
  format: v.literal(1, '1'),
  act: ActText,
  root: v.exactOptional(RootFile),
  targets: list(
    'a list of new targets',
    object({ role: name(), metadata: TargetsFile, contents: Contents }),
    0,
    ROLES_MAX,
  ),
  base: object({
    roots: list('a list of roots', RootFile, 1, ROOT_ROTATIONS_MAX),
    targets: list('a list of targets', object({ role: name(), metadata: TargetsFile }), 1, ROLES_MAX),
    contents: Contents,
  }),
  vouchers: Signatures,
});
const CODES = { unreadable: 'PROPOSAL_INVALID', invalid: 'PROPOSAL_INVALID' } as const;

/** Reads the file of a proposal. Throws PROPOSAL_INVALID. */
export function readProposalFile(path: string): ProposalFile {
  const found = check('PROPOSAL_INVALID', path, File, readJson(path, PROPOSAL_BYTES_MAX, CODES));
  const { root, targets, base } = found;
  try {
    return {
      act: found.act as Act,
      root: root && readRoot(metadataBytes('root', root)),
      targets: targets.map(({ role, metadata, contents }) => ({
        role,
        metadata: readTargets(metadataBytes(role, metadata)),
        contents: contentsIn(contents),
      })),
      base: {
        roots: base.roots.map((one) => readRoot(metadataBytes('root', one))),
        targets: new Map(
          base.targets.map(({ role, metadata }) => [role, readTargets(metadataBytes(role, metadata))]),
        ),
        contents: contentsIn(base.contents),
      },
      vouchers: found.vouchers,
    };
  } catch (error) {
    const problem = error instanceof WeirError ? error.problem : (error as Error).message;
    throw new WeirError('PROPOSAL_INVALID', `${path}: ${problem}`, { cause: error });
  }
}

/** As it is written. */
export function proposalBytes({ act, root, targets, base, vouchers }: ProposalFile): Buffer {
  const textsOf = (contents: ReadonlyMap<string, Uint8Array>) =>
    Object.fromEntries([...contents].map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]));
  const file = {
    format: 1,
    act,
    ...(root ? { root: root.toJSON() } : {}),
    targets: targets.map(({ role, metadata, contents }) => ({
      role,
      metadata: metadata.toJSON(),
      contents: textsOf(contents),
    })),
    base: {
      roots: base.roots.map((one) => one.toJSON()),
      targets: [...base.targets].map(([role, metadata]) => ({ role, metadata: metadata.toJSON() })),
      contents: textsOf(base.contents),
    },
    vouchers,
  };
  const bytes = Buffer.from(`${JSON.stringify(file, undefined, 1)}\n`);
  if (bytes.length <= PROPOSAL_BYTES_MAX) return bytes;
  throw new WeirError(
    'PROPOSAL_INVALID',
    `proposal: expected up to ${PROPOSAL_BYTES_MAX} bytes, found ${bytes.length}`,
  );
}

interface Raw {
  readonly signed: {
    readonly keys?: Readonly<Record<string, { readonly keyval: { readonly public: string } }>>;
    readonly delegations?: { readonly keys: NonNullable<Raw['signed']['keys']> };
  };
}

/** Also what weir asks of all metadata: and ids of keys are those of their keys, so that what is shown of them is theirs. */
function metadataBytes(role: string, metadata: Raw): Buffer {
  const bytes = Buffer.from(JSON.stringify(metadata));
  checkMetadata(`${role}.json`, bytes);
  const { keys, delegations } = metadata.signed;
  for (const [id, { keyval }] of Object.entries(keys ?? delegations?.keys ?? {}))
    if (keyIdOf(keyval.public) !== id)
      throw new WeirError('PROPOSAL_INVALID', `${role}: key ${id}: expected the id of this key`);
  return bytes;
}

function contentsIn(contents: Readonly<Record<string, string>>): Map<string, Uint8Array> {
  return new Map(Object.entries(contents).map(([path, text]) => [path, Buffer.from(text, 'base64')]));
}
