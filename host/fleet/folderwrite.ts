/**
 * Whatever is written in an operator's folder is written through this: where it cannot be, the error names the file.
 */
import { oneLine, WeirError } from '../errors.js';

/** Throws FLEET_UNWRITABLE where `write` fails. */
export function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (error instanceof WeirError) throw error;
    throw new WeirError('FLEET_UNWRITABLE', `${path}: ${oneLine(error)}`, { cause: error });
  }
}
