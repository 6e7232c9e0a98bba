/**
 * Entries of the operators' audit, and those that are owed: what they tell is in force, and the broker has not taken them.
 *
 * An audit that takes nothing must not keep anybody from taking back what does harm. So an entry that is refused stays in the operator's folder;
 * every command from there tells it, and each that signs writes it as soon as the broker takes it.
 */
import type { Broker } from '../broker.js';
import { oneLine, WeirError } from '../errors.js';
import { AUDIT_OWED_MAX, AUDIT_SPARE_BYTES, REPOSITORY_SPARE_BYTES } from '../fleetlimits.js';
import { FLEET_AUDIT_SUBJECT, FLEET_STREAM, REPOSITORY_STREAM } from '../wire.js';
import { type Act, eachOfOperators, parseEntry } from './audit.js';
import { appendSigned, auditKey } from './auditsign.js';
import { actText } from './audittext.js';
import { needClock } from './clock.js';
import type { Edition, KeyRing } from './edition.js';
import type { FleetFolder } from './folder.js';
import { readRoot } from './metadata.js';

/** Asks for the keys, when they are needed. */
export type OpenRing = () => Promise<KeyRing>;

/** What gives a release to more appliances. All else takes back, renews or repairs, and waits for no audit. */
const ADVANCING = ['pushed', 'promoted'];

/** Throws STREAM_FULL where too much is owed, or a release would go on without room for itself, its entry, and for what takes it back. */
export async function needRoom(
  broker: Pick<Broker, 'room'>,
  folder: Pick<FleetFolder, 'path' | 'owed'>,
  { action }: Act,
  edition: Edition,
): Promise<void> {
  const { length } = folder.owed();
  if (length >= AUDIT_OWED_MAX) {
    const problem = `expected fewer than ${AUDIT_OWED_MAX} entries that are owed to the audit, found ${length}`;
    throw new WeirError('STREAM_FULL', `${folder.path}: ${problem}; nothing was changed`);
  }
  if (!ADVANCING.includes(action)) return;
  const published = edition.reduce((sum, { bytes }) => sum + bytes.length, 0);
  await needRoomIn(broker, FLEET_STREAM, AUDIT_SPARE_BYTES, 'of audit');
  await needRoomIn(
    broker,
    REPOSITORY_STREAM,
    published + REPOSITORY_SPARE_BYTES,
    'of this and of what takes it back',
  );
}

async function needRoomIn(
  broker: Pick<Broker, 'room'>,
  stream: string,
  bytes: number,
  what: string,
): Promise<void> {
  const room = await broker.room(stream);
  if (room >= bytes) return;
  const problem = `expected room for ${bytes} bytes ${what}, found ${Math.max(0, room)}; nothing was changed`;
  throw new WeirError('STREAM_FULL', `stream ${stream}: ${problem}`);
}

/** Writes down what an operator has done, behind all that was done before; where it is refused, it is owed, and the error for that is the answer. */
export async function noteOrOwe(
  folder: FleetFolder,
  broker: Broker,
  act: Act,
  ring: KeyRing,
  now: () => number,
): Promise<WeirError | undefined> {
  try {
    // Only the last one may be what a command that was interrupted has written.
    const last = await broker.value(FLEET_STREAM, FLEET_AUDIT_SUBJECT);
    const entry = last && parseEntry(Buffer.from(last.bytes).toString('utf8'));
    if (entry?.id !== act.id) await note(folder, broker, act, ring, now);
    return undefined;
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    // Of the time at which it was done, whenever it is written.
    folder.setOwed([...folder.owed(), { ts: now(), ...act }]);
    const problem = `${actText(act)}: the change IS in force; its entry of the audit is owed: it is written by the next command when there is room`;
    return new WeirError('AUDIT_OWED', `${problem}: ${error.problem}`, { cause: error });
  }
}

/** Writes what is owed as far as the broker takes it, and tells both. For who is alone in the folder. */
export async function payOwed(
  folder: FleetFolder,
  broker: Broker,
  print: (line: string) => void,
  ring: OpenRing,
  now: () => number,
): Promise<void> {
  if (folder.owed().length === 0) return;
  try {
    await needClock(broker, now());
    const keys = await ring();
    for (let [act] = folder.owed(); act; [act] = folder.owed()) {
      if (!(await isNoted(broker, act))) await note(folder, broker, act, keys, now);
      folder.setOwed(folder.owed().slice(1));
      print(`fleet: the audit has now what was owed: ${actText(act)}`);
    }
  } catch (error) {
    print(`fleet: what is owed to the audit could not be written: ${oneLine(error)}`);
    for (const line of owedLines(folder)) print(line);
  }
}

/** A line for each entry that is owed from a folder. */
export function owedLines(folder: Pick<FleetFolder, 'owed'>): string[] {
  const next = 'the next command that signs writes it when there is room';
  return folder.owed().map((act) => `fleet: in force, and owed to the audit: ${actText(act)}; ${next}`);
}

/** Whether the audit has an act, by its id. */
export async function isNoted(broker: Pick<Broker, 'read'>, { id }: Act): Promise<boolean> {
  let isThere = false;
  await eachOfOperators(broker, (entry) => {
    isThere ||= entry.id === id;
  });
  return isThere;
}

async function note(
  folder: FleetFolder,
  broker: Broker,
  act: Act,
  ring: KeyRing,
  now: () => number,
): Promise<void> {
  const key = auditKey(readRoot(folder.known().root), ring);
  await appendSigned(broker, key, { who: folder.operator, ...act }, now);
}
