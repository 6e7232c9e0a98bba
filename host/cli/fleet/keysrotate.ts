/**
 * `weir fleet keys rotate`: new keys in the place of those that are here.
 */
import { rmSync } from 'node:fs';
import { WeirError } from '../../errors.js';
import { keyIdOf, type PublicKey } from '../../fleet/keys.js';
import type { RoleIn } from '../../fleet/metadata.js';
import type { Operator } from '../../fleet/operator.js';
import { needWhole, roleOf, withKeys } from '../../fleet/roles.js';
import { type Command, parseCommand } from '../command.js';
import { carryOutKeys, KEYS_HELP, KEYS_OPTIONS, type KeysValues, oneRole } from './keyschange.js';
import { isSure, operate, readPassphrase } from './operate.js';

export const rotate: Command = {
  summary: 'put new keys in the place of those that are here',
  help: `Usage: weir fleet keys rotate ROLE [OPTIONS]

Makes a new key for each key of the role that is in this folder, sealed with the same passphrase, and lets it sign in its place. Keys
of the role that others have stay.

${KEYS_HELP}`,
  async run(args) {
    const { values, positionals } = parseCommand(args, { allowPositionals: true, options: KEYS_OPTIONS });
    const role = oneRole(positionals);
    return operate(values, async (operator) => {
      needWhole(operator.state);
      const before = roleOf(operator.state, role);
      const here = operator.folder.keys().filter((file) => before.ids.includes(keyIdOf(file.public)));
      if (here.length === 0) {
        const problem = `role ${role}: expected one of its keys here, found none`;
        throw new WeirError(
          'KEYS_REFUSED',
          `${problem}; "keys add" and "keys revoke" are for keys of others`,
        );
      }
      const names = here.map(({ name }) => name).join(', ');
      if (!(await isSure(values, `Rotate ${role}: new keys in the place of ${names}?`))) return 1;
      // A file that somebody has copied is no other key.
      const ids = new Set(here.map((file) => keyIdOf(file.public)));
      return rotateKeys(operator, values, role, before, [...ids]);
    });
  },
};

async function rotateKeys(
  operator: Operator,
  values: KeysValues,
  role: string,
  before: RoleIn,
  here: readonly string[],
): Promise<number> {
  const { folder } = operator;
  const passphrase = await readPassphrase(values, 'passphrase of the keys');
  const fresh = new Map<string, PublicKey & { readonly name: string }>();
  for (const id of here) {
    const { name, public: raw } = folder.addKey(freeName(operator, role), passphrase);
    fresh.set(id, { name, id: keyIdOf(raw), public: raw });
  }
  const next = { keys: before.keys.map((key) => fresh.get(key.id) ?? key), threshold: before.threshold };
  try {
    const change = await withKeys(operator, role, next);
    const ring = folder.ring(passphrase);
    await carryOutKeys(operator, values, role, 'keys rotated', change, before, next, ring);
  } catch (error) {
    // Then nothing was begun, and nobody knows these keys.
    const isRefused = error instanceof WeirError && /^(SIGNATURES_MISSING|KEYS_REFUSED)$/.test(error.code);
    const isUnused = isRefused || values.propose !== undefined;
    if (isUnused) for (const { name } of fresh.values()) rmSync(folder.keyPath(name));
    throw error;
  }
  return 0;
}

/** Of a key: the role, and a number from 2 on. */
function freeName({ folder }: Operator, role: string): string {
  const taken = new Set(folder.keys().map(({ name }) => name));
  for (let number = 2; ; number++) {
    const name = `${role.slice(0, 56)}-${number}`;
    if (!taken.has(name)) return name;
  }
}
