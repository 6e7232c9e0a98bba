/**
 * What became of a change that was interrupted, where somebody else has published since.
 *
 * It may have been in force until then, or never. What was has its entry in the audit, whenever it is written; where nobody can tell, the
 * entry says that, because an entry too many, which says what it is, harms less than one that is missing.
 */
import type { Broker } from '../broker.js';
import { sha256Of } from '../digest.js';
import { ROOT_BYTES_MAX } from '../fleetlimits.js';
import type { Act } from './audit.js';
import { actText } from './audittext.js';
import { type Edition, TIMESTAMP } from './edition.js';
import { needClock } from './clock.js';
import type { FleetFolder, Pending } from './folder.js';
import { alone } from './folderlock.js';
import { interruptedIn, notBegunText, type Stage, stageOf } from './interrupted.js';
import { isNoted, noteOrOwe, type OpenRing } from './owed.js';
import { readTimestamp } from './metadata.js';
import { lookAtAssignment, type Operator } from './operator.js';

/**
 * `noted`: it was in force, and the audit has it already. `unknown`: others have changed the same since, so that nothing is left of it
 * in either case.
 */
type Fate = 'noted' | 'in force' | 'never in force' | 'unknown';

/** What an entry says besides, where it is not known. */
const UNKNOWN = 'interrupted, and somebody else has published since: it was in force until then, or never';

/** What was interrupted in an operator's folder. */
export interface Interruption {
  readonly state: Exclude<Stage, 'overtaken'> | Fate;
  /** What it was: the action, of what, where. */
  readonly what: string;
}

/** Writes down what was in force, or may have been, where somebody else has published since; tells what became of it, and what to do. */
export async function settleOvertaken(operator: Operator, print: Print, ring: OpenRing): Promise<void> {
  const { folder, broker, now } = operator;
  await settle(folder, broker, print, ring, now, (pending) => fateOf(operator, pending));
}

/** The same before a repository is made whole that cannot be read. */
export async function settleUnread(
  folder: FleetFolder,
  broker: Broker,
  print: Print,
  ring: OpenRing,
): Promise<void> {
  await settle(folder, broker, print, ring, Date.now, async ({ edition, act }) => {
    if ((await stageOf(broker, edition)) !== 'overtaken') return undefined;
    return (await isNoted(broker, act)) ? 'noted' : 'unknown';
  });
}

type Print = (line: string) => void;

async function settle(
  folder: FleetFolder,
  broker: Broker,
  print: Print,
  ring: OpenRing,
  now: () => number,
  find: (pending: Pending) => Promise<Fate | undefined>,
): Promise<void> {
  if (!folder.pending()) return;
  await alone(folder.path, async () => {
    const pending = folder.pending();
    const fate = pending && (await find(pending));
    if (!pending || !fate) return;
    const { act } = pending;
    print(`fleet: ${interruptionText({ state: fate, what: actText(act) })}`);
    if (fate === 'in force' || fate === 'unknown') {
      await needClock(broker, now());
      const entry = fate === 'unknown' ? { ...act, interrupted: UNKNOWN } : act;
      const owed = await noteOrOwe(folder, broker, entry, await ring(), now);
      print(`fleet: ${owed?.problem ?? 'it is in the audit now'}`);
    }
    folder.setPending(undefined);
  });
}

/** For who only reads; nothing where there is none, or another command has it on its way. */
export async function interruptionIn(operator: Operator): Promise<Interruption | undefined> {
  const { folder, broker } = operator;
  const pending = interruptedIn(folder);
  if (!pending) return undefined;
  const stage = await stageOf(broker, pending.edition);
  const state = stage === 'overtaken' ? await fateOf(operator, pending) : stage;
  return state && { state, what: actText(pending.act) };
}

/** What it was, what became of it, and what to do. */
export function interruptionText({ state, what }: Interruption): string {
  const since = 'somebody else has published since';
  switch (state) {
    case 'not begun':
      return notBegunText(what);
    case 'begun':
      return `interrupted: ${what}; the next command that signs completes it`;
    case 'noted':
      return `interrupted, but published and in the audit: ${what}; ${since}`;
    case 'in force':
      return `interrupted, but published: ${what}; ${since}`;
    case 'never in force':
      return `interrupted, and not published: ${what}; ${since}; run it again if it is wanted`;
    case 'unknown':
      return `interrupted: ${what}; ${since}, so that it was in force until then, or never: look with "weir fleet status", and run it again if it is wanted`;
  }
}

/** Nothing where nobody else has published since. */
async function fateOf(operator: Operator, { edition, act }: Pending): Promise<Fate | undefined> {
  if ((await stageOf(operator.broker, edition)) !== 'overtaken') return undefined;
  if (await isNoted(operator.broker, act)) return 'noted';
  const root = edition.find(({ path }) => path.endsWith('.root.json'));
  if (root) {
    const stored = await operator.repository.get(root.path, ROOT_BYTES_MAX);
    return stored && Buffer.from(stored.bytes).equals(root.bytes) ? 'in force' : 'never in force';
  }
  if (isBuiltOn(operator, edition) || (await isAssigned(operator, act))) return 'in force';
  const { timestamp } = operator.state;
  const own = edition.find(({ path }) => path === TIMESTAMP);
  // Each one is a number behind the one that it replaces: what has the same number was made on the same.
  const isBeside = own && timestamp.signed.version <= readTimestamp(own.bytes).signed.version;
  return isBeside ? 'never in force' : 'unknown';
}

/** What is signed now names metadata of it. */
function isBuiltOn({ state }: Operator, edition: Edition): boolean {
  const named = [state.timestamp.signed.snapshotMeta, ...Object.values(state.snapshot.signed.meta)];
  const digests = new Set(named.map(({ hashes }) => hashes?.sha256));
  return edition.some(({ path, bytes }) => path.startsWith('metadata/') && digests.has(sha256Of(bytes)));
}

/** What is assigned now has a release of it. */
async function isAssigned(operator: Operator, { group, by, at }: Act): Promise<boolean> {
  const found = typeof group === 'string' ? await lookAtAssignment(operator, group) : undefined;
  if (typeof found !== 'object') return false;
  return Object.values(found.filters).some(({ release, before }) =>
    [release, before].some((one) => one !== undefined && one.by === by && one.at === at),
  );
}
