/**
 * The end of a change, and what happens to one that was interrupted.
 *
 * It is written down in the operator's folder before anything of it is published. Where readers may have something of it, the next command
 * from that folder completes it, and the audit has it once. Where they have nothing, because the timestamp was not replaced yet, it is as if
 * it had never been begun: whoever wants it does it again, and whatever is published next takes its place. Where somebody else has published
 * since, there is nothing to complete, and `overtaken.ts` finds out what became of it.
 */
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { TIMESTAMP_BYTES_MAX } from '../fleetlimits.js';
import { actText } from './audittext.js';
import { needClock } from './clock.js';
import { type Edition, type KeyRing, TIMESTAMP, writeEdition } from './edition.js';
import type { FleetFolder, Pending } from './folder.js';
import { isTaken } from './folderlock.js';
import { noteOrOwe, type OpenRing, payOwed } from './owed.js';
import { openRepository, tellAppliances } from './repository.js';

/** Writes what is pending in the folder, and its entry in the audit, or answers why that is owed. Throws REPOSITORY_MOVED where somebody else has published. */
export async function finish(
  folder: FleetFolder,
  broker: Broker,
  { edition, act }: Pending,
  ring: KeyRing,
  now: () => number,
): Promise<WeirError | undefined> {
  await writeEdition(openRepository(broker), edition);
  for (const { path, bytes } of edition) folder.copy.put(path, bytes);
  const owed = await noteOrOwe(folder, broker, act, ring, now);
  folder.setPending(undefined);
  return owed;
}

/** Writes what is owed to the audit, and completes what was interrupted and begun; tells of what was not begun. What was overtaken is left. For who is alone in the folder. */
export async function completeBegun(
  folder: FleetFolder,
  broker: Broker,
  print: (line: string) => void,
  ring: OpenRing,
  now: () => number = Date.now,
): Promise<void> {
  await payOwed(folder, broker, print, ring, now);
  const pending = folder.pending();
  if (!pending) return;
  const stage = await stageOf(broker, pending.edition);
  if (stage === 'not begun') print(`fleet: ${notBegunText(actText(pending.act))}`);
  if (stage !== 'begun') return;
  print(`fleet: completing what was interrupted: ${actText(pending.act)}`);
  await needClock(broker, now());
  try {
    const owed = await finish(folder, broker, pending, await ring(), now);
    await tellAppliances(broker);
    if (owed) print(`fleet: ${owed.problem}`);
  } catch (error) {
    // Somebody has published just now: that it was in force is found out behind this.
    if (!(error instanceof WeirError) || error.code !== 'REPOSITORY_MOVED') throw error;
  }
}

/** What was interrupted, for who only reads; nothing of what another command has on its way. */
export function interruptedIn(folder: FleetFolder): Pending | undefined {
  // Looked at once more: it may have been on its way until just now.
  return folder.pending() && !isTaken(folder.path) ? folder.pending() : undefined;
}

/** Another command from this folder may have been interrupted since this one has read. Throws REPOSITORY_MOVED. */
export async function needNoneBegun(folder: FleetFolder, broker: Broker): Promise<void> {
  const other = folder.pending();
  if (!other || (await stageOf(broker, other.edition)) === 'not begun') return;
  const problem = `expected nothing that has to be completed, found what was interrupted: ${actText(other.act)}`;
  throw new WeirError('REPOSITORY_MOVED', `${folder.path}: ${problem}`);
}

/**
 * `begun`: readers have something of it, or may. Its timestamp is there, or it has none, because it writes anew what was published before; or it has
 * a root, which counts as soon as it is there, and whose keys are in the folder: so a change of keys is completed, wherever it was interrupted.
 * `overtaken`: somebody else has published since it was made.
 */
export type Stage = 'not begun' | 'begun' | 'overtaken';

export async function stageOf(broker: Broker, edition: Edition): Promise<Stage> {
  const timestamp = edition.find(({ path }) => path === TIMESTAMP);
  const stored = timestamp && (await openRepository(broker).get(TIMESTAMP, TIMESTAMP_BYTES_MAX));
  if (!timestamp || (stored && Buffer.from(stored.bytes).equals(timestamp.bytes))) return 'begun';
  if (stored && stored.revision !== timestamp.revision) return 'overtaken';
  return hasRoot(edition) ? 'begun' : 'not begun';
}

export function hasRoot(edition: Edition): boolean {
  return edition.some(({ path }) => path.endsWith('.root.json'));
}

/** `what`: an `actText`. */
export function notBegunText(what: string): string {
  const next = 'run it again if it is wanted: what is published next from this folder takes its place';
  return `interrupted, and not published: ${what}; ${next}`;
}
