/**
 * The repository of a fleet in a key-value bucket of JetStream.
 */
import type { Broker } from '../broker.js';
import type { Value } from '../bucket.js';
import { WeirError } from '../errors.js';
import { Misplaced } from '../jetstream.js';
import { ANNOUNCE_SPREAD_MS_MAX, APPLIANCES_A_SECOND } from '../fleetlimits.js';
import { ANNOUNCE_SUBJECT, REPOSITORY_BUCKET, REPOSITORY_STREAM } from '../wire.js';
import type { Repository } from './state.js';

/** Parts of a subject: what a path may be, so that it names one file. */
const PATH = /^[A-Za-z0-9_=%@+-]+(\.[A-Za-z0-9_=%@+-]+)*(\/[A-Za-z0-9_=%@+-]+(\.[A-Za-z0-9_=%@+-]+)*)*$/;

export function openRepository(broker: Pick<Broker, 'value' | 'publish'>): Repository {
  return {
    async get(path, bytesMax) {
      const found = await storedFile(broker, path);
      if (found && found.bytes.length > bytesMax) {
        const problem = `expected up to ${bytesMax} bytes, found ${found.bytes.length}`;
        throw new WeirError('METADATA_REFUSED', `${path}: ${problem}`);
      }
      return found;
    },
    async put(path, bytes, revision) {
      if (!PATH.test(path)) throw new WeirError('METADATA_REFUSED', `${path}: expected the path of a file`);
      try {
        await broker.publish({ subject: subjectOf(path), headers: {}, body: bytes }, revision);
      } catch (error) {
        if (!(error instanceof Misplaced)) throw error;
        const problem = `${path}: expected revision ${revision}, found another one`;
        throw new WeirError('REPOSITORY_MOVED', problem, { cause: error });
      }
    },
  };
}

/** A file as it lies there, whatever its length; nothing when there is none. */
export async function storedFile(broker: Pick<Broker, 'value'>, path: string): Promise<Value | undefined> {
  return PATH.test(path) ? broker.value(REPOSITORY_STREAM, subjectOf(path)) : undefined;
}

function subjectOf(path: string): string {
  return `$KV.${REPOSITORY_BUCKET}.${path}`;
}

/** Tells appliances that there is something new, and over what time they may spread their questions. */
export function announce(broker: Pick<Broker, 'say'>, appliances: number): void {
  const spreadMs = Math.min(Math.ceil((appliances / APPLIANCES_A_SECOND) * 1_000), ANNOUNCE_SPREAD_MS_MAX);
  broker.say({ subject: ANNOUNCE_SUBJECT, headers: {}, body: Buffer.from(String(spreadMs)) });
}
