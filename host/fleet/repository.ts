/**
 * The repository of a fleet in a key-value bucket of JetStream.
 */
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { Misplaced } from '../jetstream.js';
import { ANNOUNCE_SPREAD_MS_MAX, APPLIANCES_A_SECOND } from '../fleetlimits.js';
import { ANNOUNCE_SUBJECT, REPOSITORY_BUCKET, REPOSITORY_STREAM, STATUS_STREAM } from '../wire.js';
import { isFilePath } from './metadata.js';
import type { Repository } from './state.js';

type RepositoryBroker = Pick<Broker, 'value' | 'revision' | 'publish'>;

export function openRepository(broker: RepositoryBroker): Repository {
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
      if (!isFilePath(path)) throw new WeirError('METADATA_REFUSED', `${path}: expected the path of a file`);
      const write = (follows: number) =>
        broker.publish({ subject: subjectOf(path), headers: {}, body: bytes }, follows);
      try {
        await write(revision).catch(async (error: unknown) => {
          // Where a file was deleted, a new one follows that.
          const isNew = error instanceof Misplaced && revision === 0 && !(await storedFile(broker, path));
          if (!isNew) throw error;
          await write(await broker.revision(REPOSITORY_STREAM, subjectOf(path)));
        });
      } catch (error) {
        if (!(error instanceof Misplaced)) throw error;
        const problem = `${path}: expected revision ${revision}, found another one`;
        throw new WeirError('REPOSITORY_MOVED', problem, { cause: error });
      }
    },
  };
}

/** Takes a file away, whatever it is, and its room with it. */
export function removeFile(broker: Pick<Broker, 'purge'>, path: string): Promise<void> {
  return broker.purge(REPOSITORY_STREAM, subjectOf(path));
}

/** Paths of all files. */
export async function filePaths(broker: Pick<Broker, 'subjects'>): Promise<string[]> {
  const prefix = subjectOf('');
  return (await broker.subjects(REPOSITORY_STREAM)).map((subject) => subject.slice(prefix.length));
}

/** A file as it lies there, whatever its length; nothing when there is none. */
export async function storedFile<T>(
  broker: { value(stream: string, subject: string): Promise<T | undefined> },
  path: string,
): Promise<T | undefined> {
  return isFilePath(path) ? broker.value(REPOSITORY_STREAM, subjectOf(path)) : undefined;
}

function subjectOf(path: string): string {
  return `$KV.${REPOSITORY_BUCKET}.${path}`;
}

/** Tells appliances that there is something new, and over what time they may spread their questions. */
export function announce(broker: Pick<Broker, 'say'>, appliances: number): void {
  const spreadMs = Math.min(Math.ceil((appliances / APPLIANCES_A_SECOND) * 1_000), ANNOUNCE_SPREAD_MS_MAX);
  broker.say({ subject: ANNOUNCE_SUBJECT, headers: {}, body: Buffer.from(String(spreadMs)) });
}

/** Wakes the appliances, over a time that is right for as many as have ever told their status. */
export async function tellAppliances(broker: Broker): Promise<void> {
  let appliances = 0;
  await broker
    .read({ stream: STATUS_STREAM }, () => {
      appliances++;
    })
    .catch(() => {});
  announce(broker, appliances);
  await broker.flush();
}
