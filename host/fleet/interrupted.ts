/**
 * The end of a change, and what happens to one that was interrupted.
 *
 * It is written down in the operator's folder before anything of it is published. Where readers may have something of it, the next command
 * from that folder completes it, and the audit has it once. Where they have nothing, because the timestamp was not replaced yet, it is as if
 * it had never been begun: whoever wants it does it again, and whatever is published next takes its place.
 */
import type { Broker } from '../broker.js';
import { WeirError } from '../errors.js';
import { TIMESTAMP_BYTES_MAX } from '../fleetlimits.js';
import { AUDIT_STREAM, FLEET_AUDIT_SUBJECT } from '../wire.js';
import { type Act, parseEntry } from './audit.js';
import { appendSigned, auditKey } from './auditsign.js';
import { needClock } from './clock.js';
import { type Edition, type KeyRing, TIMESTAMP, writeEdition } from './edition.js';
import type { FleetFolder, Pending } from './folder.js';
import { isTaken } from './folderlock.js';
import { readRoot } from './metadata.js';
import { openRepository, tellAppliances } from './repository.js';

/** Asks for the keys, when they are needed. */
export type OpenRing = () => Promise<KeyRing>;

/** Writes what is pending in the folder, and its entry in the audit. Throws REPOSITORY_MOVED, and nothing was changed. */
export async function finish(
  folder: FleetFolder,
  broker: Broker,
  { edition, act }: Pending,
  ring: KeyRing,
  now: () => number,
): Promise<void> {
  try {
    await writeEdition(openRepository(broker), edition);
  } catch (error) {
    // What is not to be completed any more.
    if (error instanceof WeirError && error.code === 'REPOSITORY_MOVED') folder.setPending(undefined);
    throw error;
  }
  for (const { path, bytes } of edition) folder.copy.put(path, bytes);
  await noteAct(folder, broker, act, ring, now);
  folder.setPending(undefined);
}

/** Writes down what an operator has done, behind all that was done before; once, where it was interrupted right behind that. */
async function noteAct(
  folder: FleetFolder,
  broker: Broker,
  act: Act,
  ring: KeyRing,
  now: () => number,
): Promise<void> {
  const last = await broker.value(AUDIT_STREAM, FLEET_AUDIT_SUBJECT);
  if (last && parseEntry(Buffer.from(last.bytes).toString('utf8'))?.id === act.id) return;
  const key = auditKey(readRoot(folder.known().root), ring);
  await appendSigned(broker, key, { who: folder.operator, ...act }, now);
}

/** Completes what was interrupted and begun; tells of what was not begun. For who is alone in the folder. */
export async function completeBegun(
  folder: FleetFolder,
  broker: Broker,
  print: (line: string) => void,
  ring: OpenRing,
  now: () => number = Date.now,
): Promise<void> {
  const pending = folder.pending();
  if (!pending) return;
  if (!(await isBegun(broker, pending.edition))) return print(notBegunText(pending.act));
  print(`fleet: completing what was interrupted: ${textOf(pending.act)}`);
  await needClock(broker, now());
  try {
    await finish(folder, broker, pending, await ring(), now);
    await tellAppliances(broker);
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== 'REPOSITORY_MOVED') throw error;
    print('fleet: somebody else has published since: it was given up, and changes nothing');
  }
}

/** Tells of what was interrupted, for who only reads; nothing of what another command has on its way. */
export async function tellInterrupted(
  folder: FleetFolder,
  broker: Broker,
  print: (line: string) => void,
): Promise<void> {
  // Looked at once more: it may have been on its way until just now.
  if (!folder.pending() || isTaken(folder.path)) return;
  const pending = folder.pending();
  if (!pending) return;
  const { edition, act } = pending;
  print(
    (await isBegun(broker, edition))
      ? `fleet: interrupted: ${textOf(act)}; the next command that signs completes it`
      : notBegunText(act),
  );
}

/** Another command from this folder may have been interrupted since this one has read. Throws REPOSITORY_MOVED. */
export async function needNoneBegun(folder: FleetFolder, broker: Broker): Promise<void> {
  const other = folder.pending();
  if (!other || !(await isBegun(broker, other.edition))) return;
  const problem = `expected nothing that has to be completed, found what was interrupted: ${textOf(other.act)}`;
  throw new WeirError('REPOSITORY_MOVED', `${folder.path}: ${problem}`);
}

/**
 * Readers have something of it, or may: its timestamp is there, or it has none, because it writes anew what was published before. A root counts
 * as soon as it is there, and the keys that it names are in the folder: so a change of keys is completed, wherever it was interrupted.
 */
async function isBegun(broker: Broker, edition: Edition): Promise<boolean> {
  const timestamp = edition.find(({ path }) => path === TIMESTAMP);
  if (!timestamp || edition.some(({ path }) => path.endsWith('.root.json'))) return true;
  const stored = await openRepository(broker).get(TIMESTAMP, TIMESTAMP_BYTES_MAX);
  return stored !== undefined && Buffer.from(stored.bytes).equals(timestamp.bytes);
}

function notBegunText(act: Act): string {
  const next = 'run it again if it is wanted: what is published next from this folder takes its place';
  return `fleet: interrupted, and not published: ${textOf(act)}; ${next}`;
}

/** What it was. */
function textOf({ action, filter, after, group, role }: Act): string {
  const what = [filter, role].filter((one) => one !== undefined).join(' ');
  const to = typeof after === 'string' && typeof filter === 'string' ? `(${after})` : '';
  return [action, what, to, group === undefined ? '' : `in ${group}`].filter(Boolean).join(' ');
}
