/**
 * `weir fleet keys list` and `create`: which keys there are, and a new one.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../durable.js';
import { oneLine, WeirError } from '../../errors.js';
import { type FleetFolder, type Keys, keysIn } from '../../fleet/folder.js';
import { type KeyFile, keyIdOf, publicFileOf } from '../../fleet/keys.js';
import { TOP_LEVEL } from '../../fleet/metadata.js';
import { keysOfNoRole, namedKeys, roleOf } from '../../fleet/roles.js';
import { delegatedRoles, type State } from '../../fleet/state.js';
import { shortId } from '../../fleet/words.js';
import { type Command, parseCommand } from '../command.js';
import {
  answer,
  READER_HELP,
  READER_OPTIONS,
  fleetPath,
  newPassphrase,
  observe,
  readPassphrase,
} from './operate.js';

export const list: Command = {
  summary: 'roles, their keys, and when what they have signed expires',
  help: `Usage: weir fleet keys list [OPTIONS]

Each role with how many of its keys have to sign, its keys with the name of those that are in this folder, and version and expiry
of what it has signed last.

${READER_HELP}`,
  async run(args) {
    const { values } = parseCommand(args, { options: READER_OPTIONS });
    return observe(values, async ({ state, folder }) => {
      const roles = rolesOf(state, folder);
      const unused = keysOfNoRole(state, folder.keys());
      answer(values, { roles, unused, unfinished: state.halfRotated }, [
        ...roles.flatMap(roleLines),
        ...unused.map(({ id, name }) => `in no role: ${shortId(id)} ${name}`),
        ...state.halfRotated.map((role) => `${role}: has to be signed anew, a rotation was interrupted`),
      ]);
      return 0;
    });
  },
};

interface Role {
  readonly role: string;
  readonly threshold: number;
  /** `name`: of the file in this folder. */
  readonly keys: readonly { readonly id: string; readonly name: string | null }[];
  readonly version: number;
  readonly expires: string;
  readonly paths: readonly string[];
}

function rolesOf(state: State, folder: FleetFolder): Role[] {
  const names = new Map(namedKeys(folder.keys()).map(({ id, name }) => [id, name]));
  const { root, snapshot, timestamp, targets } = state;
  const top = targets.get('targets');
  const delegated = top ? delegatedRoles(top.signed) : [];
  return [...TOP_LEVEL, ...delegated].map((role) => {
    const { ids, threshold, paths } = roleOf(state, role);
    const { signed } = { root, snapshot, timestamp }[role] ?? targets.get(role) ?? {};
    return {
      role,
      threshold,
      keys: ids.map((id) => ({ id, name: names.get(id) ?? null })),
      version: signed?.version ?? 0,
      expires: signed?.expires ?? '',
      paths,
    };
  });
}

function roleLines({ role, threshold, keys, version, expires, paths }: Role): string[] {
  const what = paths.length > 0 ? `, signs ${paths.join(', ')}` : '';
  return [
    `${role}: ${threshold} of ${keys.length} keys${what}; version ${version}, expires ${expires}`,
    ...keys.map(({ id, name }) => `  ${shortId(id)} ${name ?? '(not here)'}`),
  ];
}

export const create: Command = {
  summary: 'make a key; needs no broker and no fleet',
  help: `Usage: weir fleet keys create NAME [OPTIONS]

Makes a key, sealed with the passphrase of the others in this folder, FOLDER/keys/NAME.json, and its public half to be handed to whoever
gives it a role, FOLDER/NAME.pub.json. A folder with keys and the root of trust as root.json is all that "weir fleet sign" needs.

  --fleet FOLDER    folder of the keys (default: $WEIR_FLEET, or "fleet" in this folder)
  --passphrase-file FILE  the passphrase (default: $WEIR_PASSPHRASE, or it is asked for)
  --json            print JSON
`,
  async run(args) {
    const { values, positionals } = parseCommand(args, {
      allowPositionals: true,
      options: {
        fleet: { type: 'string' },
        'passphrase-file': { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0)
      throw new WeirError('USAGE', `expected one NAME, found ${positionals.length}`);
    const path = fleetPath(values);
    const folder = keysIn(path);
    const publicPath = join(path, `${name}.pub.json`);
    const there = folder.keys().find((file) => file.name === name);
    // One that was interrupted in between has its key, but nothing to hand to others.
    const isHalf = there && !existsSync(publicPath);
    // Somebody else's of the same name.
    if (!there && existsSync(publicPath))
      throw new WeirError('FILE_EXISTS', `${publicPath}: expected no key of this name, found one`);
    const file = isHalf ? there : await make(values, folder, name);
    writePublic(publicPath, file);
    const id = keyIdOf(file.public);
    answer(values, { name, id, key: folder.keyPath(name), public: publicPath }, [
      `key ${name}: ${id}`,
      `hand ${publicPath} to whoever gives it a role ("weir fleet keys add", "weir fleet keys delegate")`,
    ]);
    return 0;
  },
};

async function make(values: Parameters<typeof readPassphrase>[0], folder: Keys, name: string) {
  const isFirst = folder.keys().length === 0;
  const passphrase = isFirst
    ? await newPassphrase(values, 'passphrase for the new key')
    : await readPassphrase(values, 'passphrase of the keys');
  const file = folder.makeKey(name, passphrase);
  folder.keepKey(file);
  return file;
}

function writePublic(path: string, file: KeyFile): void {
  try {
    replaceFile(path, `${JSON.stringify(publicFileOf(file), undefined, 2)}\n`, true);
  } catch (error) {
    throw new WeirError('OUTPUT_UNWRITABLE', `${path}: ${oneLine(error)}`);
  }
}
