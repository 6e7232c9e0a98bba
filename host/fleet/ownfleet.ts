/**
 * The repository on a broker is that of the fleet whose folder an operator works with, and not of another one.
 */
import { unlessRefused, WeirError } from '../errors.js';
import { ROOT_BYTES_MAX } from '../fleetlimits.js';
import { isRelated, isSigned, readRoot } from './metadata.js';
import { type Repository, UNREADABLE } from './state.js';

/** Throws FLEET_EXISTS where the first root that this folder knows is another one there, whole and signed by its own keys. */
export async function needOwn(repository: Repository, anchor: Buffer): Promise<void> {
  const own = readRoot(anchor);
  const path = `metadata/${own.signed.version}.root.json`;
  const read = async () => {
    const stored = await repository.get(path, ROOT_BYTES_MAX);
    return stored && readRoot(stored.bytes);
  };
  const found = await unlessRefused(read(), UNREADABLE);
  if (!found || !isSigned(found, 'root', found) || isRelated(own, found)) return;
  const problem = `expected that of the fleet of this folder, found another one by its ${path}`;
  throw new WeirError('FLEET_EXISTS', `repository: ${problem}`);
}
