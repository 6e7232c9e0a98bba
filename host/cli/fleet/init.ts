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
import { keyIdOf } from '../../fleet/keys.js';
import { bytesOf, newRoot, type RoleKeys, TOP_LEVEL, type TopLevel } from '../../fleet/metadata.js';
import { complete, publishEdition, readFleet } from '../../fleet/operator.js';
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

  --operator NAME   who you are, for the audit (default: your login)
${FLEET_HELP}`,
  async run(args) {
    const { values } = parseCommand(args, { options: { ...FLEET_OPTIONS, operator: { type: 'string' } } });
    const path = fleetPath(values);
    const broker = await fleetBroker(values);
    try {
      await broker.ensureFleetStreams();
      // One that was interrupted is completed.
      if (existsSync(join(path, 'root.json'))) {
        const folder = openFleetFolder(path);
        await complete(folder, broker, print, () => keyRing(values, folder));
      } else if (!(await make(path, values, broker))) return 1;
      const folder = openFleetFolder(path);
      await readFleet(folder, broker, print);
      answer(values, { fleet: path, root: join(path, 'root.json') }, [
        `the fleet is there: ${path}, with keys for ${TOP_LEVEL.join(', ')}`,
        `give ${join(path, 'root.json')} to each appliance, and name it in "fleet.root" of its config`,
      ]);
      return 0;
    } finally {
      await broker.close();
    }
  },
};

async function make(
  path: string,
  values: FleetValues & { operator?: string },
  broker: Broker,
): Promise<boolean> {
  if (await openRepository(broker).get('metadata/1.root.json', ROOT_BYTES_MAX))
    throw new WeirError('FLEET_EXISTS', 'repository: expected an empty one, found that of a fleet');
  await needClock(broker, Date.now());
  if (!(await isSure(values, `Make a new fleet in ${path}?`))) return false;
  const passphrase = await newPassphrase(values, 'passphrase for the new keys');
  createFleetFolder(path, values.operator ?? userInfo().username);
  const { root, bytes } = makeRoot(path, passphrase);
  const folder = openFleetFolder(path, bytes);
  const ring = folder.ring(passphrase);
  const edition = firstEdition(root, ring, Date.now());
  await publishEdition(folder, broker, edition, { action: 'fleet made', by: folder.operator }, ring);
  return true;
}

/** Keys for the four roles, one each, and the root that names them. */
function makeRoot(path: string, passphrase: string) {
  const { addKey, ring } = keysIn(path);
  const roles = {} as Record<TopLevel, RoleKeys>;
  for (const role of TOP_LEVEL) {
    const { public: raw } = addKey(role, passphrase);
    roles[role] = { keys: [{ id: keyIdOf(raw), public: raw }], threshold: 1 };
  }
  const root = newRoot(roles, 1, Date.now());
  signRole(root, 'root', root, ring(passphrase));
  return { root, bytes: bytesOf(root) };
}
