/**
 * Takes out of the repository what is not published any more: metadata that newer ones have replaced, but for roots, which an appliance that
 * slept has to follow, and targets that nothing names. Each push leaves some; without this the bucket is full one day.
 */
import type { Broker } from '../broker.js';
import { PRUNE_FILES_MAX, PRUNE_MS_MIN } from '../fleetlimits.js';
import { pathsOf } from './copy.js';
import { TIMESTAMP } from './edition.js';
import { filePaths, openRepository, removeFile, storedFile } from './repository.js';
import type { State } from './state.js';

const PRUNABLE = /^(targets\/|metadata\/\d+\.(?!root\.json$)[A-Za-z0-9_-]+\.json$)/;

/**
 * `load` reads what is published: again at the end, because somebody may just have published what has been gone since then. Answers how
 * many files were taken out.
 */
export async function prune(
  broker: Pick<Broker, 'value' | 'revision' | 'publish' | 'subjects' | 'purge'>,
  load: () => Promise<State>,
  /** By the broker's clock, not by that of this machine: it has just had the timestamp, unless somebody tests. */
  atMs?: number,
): Promise<number> {
  const named = pathsOf(await load());
  const nowMs = atMs ?? (await storedFile(broker, TIMESTAMP))?.storedMs ?? 0;
  const gone = new Map<string, Uint8Array>();
  for (const path of await filePaths(broker)) {
    if (gone.size >= PRUNE_FILES_MAX) break;
    if (named.has(path) || !PRUNABLE.test(path)) continue;
    const stored = await storedFile(broker, path);
    if (!stored || nowMs - stored.storedMs < PRUNE_MS_MIN) continue;
    await removeFile(broker, path);
    gone.set(path, stored.bytes);
  }
  if (gone.size === 0) return 0;
  const repository = openRepository(broker);
  const namedNow = pathsOf(await load());
  for (const [path, bytes] of gone) {
    if (!namedNow.has(path)) continue;
    if (!(await storedFile(broker, path))) await repository.put(path, bytes, 0);
    gone.delete(path);
  }
  return gone.size;
}
