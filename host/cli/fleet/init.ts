/**
 * `weir fleet init`: a new fleet.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '../../broker.js';
import { WeirError } from '../../errors.js';
import { needClock } from '../../fleet/clock.js';
import { firstEdition, signRole } from '../../fleet/edition.js';
import { createFleetFolder, keysIn, openFleetFolder } from '../../fleet/folder.js';
import { alone } from '../../fleet/folderlock.js';
import { keyIdOf } from '../../fleet/keys.js';
import { bytesOf, newRoot, type RoleKeys, TOP_LEVEL, type TopLevel } from '../../fleet/metadata.js';
import { completeBegun } from '../../fleet/interrupted.js';
import { publishEdition, readFleet } from '../../fleet/operator.js';
import { openRepository } from '../../fleet/repository.js';
import { ROOT_BYTES_MAX } from '../../fleetlimits.js';
import { type Command, parseCommand } from '../command.js';
import {
  answer,
  FLEET_HELP,
  FLEET_OPTIONS,
  type FleetValues,
  fleetBroker,
  fleetPath,
  isSure,
  newPassphrase,
  keyRing,
  print,
} from './operate.js';

export const init: Command = {
  summary: 'make a fleet: keys, the root of trust, and its streams',
  help: `Usage: weir fleet init [OPTIONS]

Makes the folder of a fleet with its keys, sealed with a passphrase, one for each role: root (says whose keys count), targets (signs
filters and assignments), snapshot and timestamp (say what is the latest). Makes the streams of the fleet on the broker, and publishes
the first metadata. FOLDER/root.json is the root of trust: give it to each appliance, by a way that you trust, and name it in its config:

  "fleet": { "group": "edge", "root": "/etc/weir/root.json" }

Keep the keys of root and targets off machines that are always on; "weir fleet refresh" needs those of snapshot and timestamp only.

A folder that has a fleet is left as it is, and one that was interrupted is completed.

  --operator NAME   who you are, for the audit (default: your login)
${FLEET_HELP}`,
  async run(args) {
    const { values } = parseCommand(args, { options: { ...FLEET_OPTIONS, operator: { type: 'string' } } });
    const path = fleetPath(values);
    const broker = await fleetBroker(values);
    try {
      await broker.ensureFleetStreams();
      const root = join(path, 'root.json');
      const isThere = existsSync(root);
      const made = isThere ? await found(path, values, broker) : await make(path, values, broker);
      if (made === undefined) return 1;
      const folder = openFleetFolder(path);
      await readFleet(folder, broker, print);
      const { operator } = folder;
      const keys = folder.keys().map(({ name }) => name);
      const whose = `of operator ${operator}, ${keys.length > 0 ? `with the keys ${keys.join(', ')}` : 'without keys'}`;
      answer(values, { fleet: path, root, operator, made }, [
        made
          ? `the fleet is made: ${path}, ${whose}`
          : `nothing was made: ${path} has a fleet already, ${whose}`,
        `give ${root} to each appliance, and name it in "fleet.root" of its config`,
      ]);
      return 0;
    } finally {
      await broker.close();
    }
  },
};

/** What the audit says of it. */
const MADE = 'fleet made';

type InitValues = FleetValues & { operator?: string };

/** Completes a fleet that was interrupted when it was made; false when it was there. Throws FLEET_EXISTS where the folder is of another one. */
async function found(path: string, values: InitValues, broker: Broker): Promise<boolean> {
  if (!existsSync(join(path, 'fleet.json')))
    throw new WeirError('FLEET_EXISTS', `${path}: expected a new folder, found the root of trust of a fleet`);
  const folder = openFleetFolder(path);
  if (values.operator !== undefined && values.operator !== folder.operator) {
    const problem = `--operator: expected ${folder.operator}, whose fleet is in ${path}`;
    throw new WeirError('FLEET_EXISTS', `${problem}, found ${values.operator}`);
  }
  const isMaking = folder.pending()?.act.action === MADE;
  await alone(path, () => completeBegun(folder, broker, print, () => keyRing(values, folder)));
  return isMaking;
}

/** Nothing when the answer is no. */
async function make(path: string, values: InitValues, broker: Broker): Promise<true | undefined> {
  if (await openRepository(broker).get('metadata/1.root.json', ROOT_BYTES_MAX))
    throw new WeirError('FLEET_EXISTS', 'repository: expected an empty one, found that of a fleet');
  await needClock(broker, Date.now());
  if (!(await isSure(values, `Make a new fleet in ${path}?`))) return undefined;
  const passphrase = await newPassphrase(values, 'passphrase for the new keys');
  createFleetFolder(path, values.operator ?? userInfo().username);
  const { root, bytes } = makeRoot(path, passphrase);
  const folder = openFleetFolder(path, bytes);
  const ring = folder.ring(passphrase);
  const edition = firstEdition(root, ring, Date.now());
  await publishEdition(folder, broker, edition, { action: MADE, by: folder.operator }, ring);
  return true;
}

/** Keys for the four roles, one each, and the root that names them. */
function makeRoot(path: string, passphrase: string) {
  const { makeKey, keepKey, keys, ring } = keysIn(path);
  const roles = {} as Record<TopLevel, RoleKeys>;
  for (const role of TOP_LEVEL) {
    // Without a root nobody knows those that are there: they were made by this, and that was interrupted.
    const file = keys().find(({ name }) => name === role) ?? makeKey(role, passphrase);
    keepKey(file);
    const { public: raw } = file;
    roles[role] = { keys: [{ id: keyIdOf(raw), public: raw }], threshold: 1 };
  }
  const root = newRoot(roles, 1, Date.now());
  signRole(root, 'root', root, ring(passphrase));
  return { root, bytes: bytesOf(root) };
}
