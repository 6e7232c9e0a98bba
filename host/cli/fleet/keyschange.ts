/**
 * `weir fleet keys add`, `revoke` and `renew`: whose keys count for a role, and for how long what they have signed is good.
 */
import { printable, WeirError } from '../../errors.js';
import type { Change, KeyRing } from '../../fleet/edition.js';
import { type PublicKey, readPublicKey } from '../../fleet/keys.js';
import type { RoleIn, RoleKeys } from '../../fleet/metadata.js';
import type { Operator } from '../../fleet/operator.js';
import { isTopLevel, renewed, roleOf, withKeys } from '../../fleet/roles.js';
import { METADATA_KEYS_MAX } from '../../fleetlimits.js';
import { shortId, unprovenWords } from '../../fleet/words.js';
import { type Command, parseCommand, wholeNumber } from '../command.js';
import { carryOut, PROPOSE_HELP, PROPOSE_OPTIONS } from './carryout.js';
import { FLEET_HELP, FLEET_OPTIONS, type FleetValues, isSure, operate } from './operate.js';

export const KEYS_OPTIONS = {
  ...FLEET_OPTIONS,
  ...PROPOSE_OPTIONS,
  reason: { type: 'string' },
  ticket: { type: 'string' },
} as const;
export const KEYS_HELP = `  --reason TEXT     why, for the audit
  --ticket TEXT     where that was decided
${PROPOSE_HELP}${FLEET_HELP}`;
const THRESHOLD_HELP = `  --threshold N     how many keys of the role have to sign (default: as before)
`;

/** Values of these options. */
export type KeysValues = FleetValues & {
  readonly propose?: string | undefined;
  readonly reason?: string | undefined;
  readonly ticket?: string | undefined;
};

export const add: Command = {
  summary: 'give a role more keys, or another threshold',
  help: `Usage: weir fleet keys add ROLE [PUBFILE...] [--threshold N] [OPTIONS]

Lets more keys sign for a role: PUBFILE is the public half of one, as "weir fleet keys create" has written it. For root, targets, snapshot
and timestamp that is a new root, signed by enough of its keys; for a delegated role, new targets.

${THRESHOLD_HELP}${KEYS_HELP}
Example: weir fleet keys add targets ann.pub.json --threshold 2 --propose two.json
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: { ...KEYS_OPTIONS, threshold: { type: 'string' } },
    });
    const [role, ...paths] = positionals;
    if (role === undefined || (paths.length === 0 && values.threshold === undefined))
      throw new WeirError('USAGE', 'expected ROLE, and PUBFILE or --threshold');
    const found = paths.map(readPublicKey);
    return changeKeys(values, role, 'keys added', (before) => ({
      keys: [...before.keys, ...found],
      threshold: thresholdOf(values.threshold) ?? before.threshold,
    }));
  },
};

export const revoke: Command = {
  summary: 'take a key away from a role, also a lost one',
  help: `Usage: weir fleet keys revoke ROLE KEYID [--threshold N] [OPTIONS]

Lets a key sign no more for a role; KEYID is as "weir fleet keys list" shows it, or the first 6 digits or more. What was signed by it, and by too few others, is signed
anew: look at what there is first where the key may be in wrong hands.

${THRESHOLD_HELP}${KEYS_HELP}
Example: weir fleet keys revoke targets 0123456789ab --reason "laptop lost"
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: { ...KEYS_OPTIONS, threshold: { type: 'string' } },
    });
    const [role, id, ...more] = positionals;
    if (role === undefined || id === undefined || more.length > 0)
      throw new WeirError('USAGE', 'expected ROLE and KEYID');
    return changeKeys(values, role, 'key revoked', (before) => {
      const gone = keyOf(role, before, id);
      return {
        keys: before.keys.filter((key) => key !== gone),
        threshold: thresholdOf(values.threshold) ?? before.threshold,
      };
    });
  },
};

export const renew: Command = {
  summary: 'sign what a role has signed anew, before it expires',
  help: `Usage: weir fleet keys renew ROLE [OPTIONS]

Signs root, targets or what a delegated role has signed anew, as it is; "weir fleet refresh" tells when that is due. Where a rotation of
the keys of targets was interrupted, and its folder is gone, "renew targets" completes it: it shows what would be signed.

${KEYS_HELP}`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: KEYS_OPTIONS });
    const role = oneRole(positionals);
    return operate(values, async (operator) => {
      const { state } = operator;
      const before = roleOf(state, role);
      if (role === 'targets')
        for (const line of unprovenWords(state)) process.stderr.write(`  ${printable(line)}\n`);
      if (!(await isSure(values, `Sign ${role} anew, as it is?`))) return 1;
      const change = await renewed(operator, role);
      await carryOutKeys(operator, values, role, 'renewed', change, before, before);
      return 0;
    });
  },
};

async function changeKeys(
  values: KeysValues,
  role: string,
  action: string,
  make: (before: RoleIn) => RoleKeys,
): Promise<number> {
  return operate(values, async (operator) => {
    const before = roleOf(operator.state, role);
    const next = make(before);
    const change = await withKeys(operator, role, next);
    const question = `${role}: ${textOf(before)} -> ${textOf(next)}?`;
    if (!(await isSure(values, question))) return 1;
    await carryOutKeys(operator, values, role, action, change, before, next);
    return 0;
  });
}

/** Publishes or proposes a change of keys. */
export async function carryOutKeys(
  operator: Operator,
  values: KeysValues,
  role: string,
  action: string,
  change: Change,
  before: RoleKeys | undefined,
  next: RoleKeys | undefined,
  ring?: KeyRing,
): Promise<void> {
  const { reason, ticket } = values;
  const act = {
    action,
    role,
    before: before ? textOf(before) : null,
    after: next ? textOf(next) : null,
    by: operator.folder.operator,
    ...(reason === undefined ? {} : { reason }),
    ...(ticket === undefined ? {} : { ticket }),
  };
  const kind = isTopLevel(role) ? { root: (change.root ?? operator.state.root).signed.version } : {};
  const keys = (next?.keys ?? []).map(({ id }) => id);
  const value = { action, role, threshold: next?.threshold ?? 0, keys, ...kind };
  const lines = [`${role}: ${action}: ${next ? textOf(next) : 'taken away'}`];
  await carryOut(values, operator, change, act, { value, lines }, ring);
}

function textOf({ keys, threshold }: RoleKeys): string {
  return `${threshold} of ${keys.map(({ id }) => shortId(id)).join(', ')}`;
}

export function oneRole(positionals: readonly string[]): string {
  const [role, ...more] = positionals;
  if (role !== undefined && more.length === 0) return role;
  throw new WeirError('USAGE', `expected one ROLE, found ${positionals.length}`);
}

export function thresholdOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : wholeNumber('--threshold', text, 1, METADATA_KEYS_MAX);
}

/** A key by the beginning of its id, of 6 digits or more, that no other key of the role has. */
function keyOf(role: string, { keys }: RoleKeys, id: string): PublicKey {
  const found = /^[0-9a-f]{6,64}$/.test(id) ? keys.filter((key) => key.id.startsWith(id)) : [];
  const [only, ...more] = found;
  if (only && more.length === 0) return only;
  const known = keys.map((key) => shortId(key.id)).join(', ');
  throw new WeirError('KEYS_REFUSED', `role ${role}: expected one of its keys (${known}), found "${id}"`);
}
