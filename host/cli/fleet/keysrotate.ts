/**
 * `weir fleet keys rotate`: new keys in the place of those that are here.
 */
import { WeirError } from '../../errors.js';
import { type KeyFile, keyIdOf, type PublicKey } from '../../fleet/keys.js';
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
  const fresh = new Map<string, KeyFile>();
  for (const id of here) {
    const taken = [...folder.keys(), ...fresh.values()].map(({ name }) => name);
    fresh.set(id, folder.makeKey(freeName(role, taken), passphrase));
  }
  const files = [...fresh.values()];
  const keys = before.keys.map((key): PublicKey => {
    const file = fresh.get(key.id);
    return file ? { id: keyIdOf(file.public), public: file.public } : key;
  });
  const next = { keys, threshold: before.threshold };
  const change = { ...(await withKeys(operator, role, next)), keys: files };
  const ring = folder.ring(passphrase, files);
  await carryOutKeys(operator, values, role, 'keys rotated', change, before, next, ring);
  return 0;
}

/** Of a key: the role, and a number from 2 on. */
function freeName(role: string, taken: readonly string[]): string {
  for (let number = 2; ; number++) {
    const name = `${role.slice(0, 56)}-${number}`;
    if (!taken.includes(name)) return name;
  }
}
