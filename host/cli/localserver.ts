/**
 * The broker that a host on this machine has started for itself, as it says in its data folder.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { oneLine, systemCode, WeirError } from '../errors.js';

/** Its address. Throws USAGE when there is none. */
export function localServer(dataFolder: string): string {
  const url = localUrl(dataFolder);
  if (url !== undefined) return url;
  throw new WeirError(
    'USAGE',
    `expected --server, or a host that runs, because none has left a broker's address in ${dataFolder}`,
  );
}

/** Its address, when there is one. */
export function localUrl(dataFolder: string): string | undefined {
  const path = join(dataFolder, 'broker.json');
  try {
    const { url } = JSON.parse(readFileSync(path, 'utf8')) as { url?: unknown };
    return typeof url === 'string' ? url : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new WeirError('BROKER_UNREACHABLE', `${path}: ${oneLine(error)}`);
  }
}
