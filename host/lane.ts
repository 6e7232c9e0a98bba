/**
 * A lane of the publisher: the messages of one stream on their way, and the two steps that it takes: to learn what the broker
 * has, and to publish the first message behind that.
 *
 * A read may be out of date: a replica lags behind, or was the leader once and does not know yet that it is no more. A write never
 * is: it is refused unless the subject ends where it is said to. So a read only moves a lane on. Where a stream of several
 * replicas seems to have less than it acknowledged, the lane goes on writing, and takes that for lost only when it is refused
 * for as long as `LOSS_DOUBT_MS`.
 */
import type { Broker, LastMessage } from './broker.js';
import type { Courier, Line } from './courier.js';
import { WeirError } from './errors.js';
import { Misplaced } from './jetstream.js';
import { hasAcknowledged, isCurrent, type LastStored } from './numbering.js';
import { HEADER, numberOfId } from './wire.js';

export interface Lane {
  readonly courier: Courier;
  readonly line: Line;
  /** What the broker has on this connection is known, as far as it can be. */
  isKnown: boolean;
  /** This user may not ask: the broker's duplicate window has to do. */
  isBlind: boolean;
  /** Since the last message of the lane was stored. */
  failures: number;
  /** Where the subject ends, as refusals have said; undefined when the last message was stored. */
  end: End | undefined;
  state: 'idle' | 'ready' | 'in flight' | 'resting';
  timer: NodeJS.Timeout | undefined;
}

/** The same was said for the first and for the last time then. */
interface End {
  readonly sequence: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export function createLane(courier: Courier, line: Line): Lane {
  const state = { isKnown: false, isBlind: false, failures: 0, end: undefined, timer: undefined };
  return { courier, line, ...state, state: 'idle' };
}

export interface LearnOptions {
  /** A pattern for all subjects of this appliance. */
  readonly ownSubjects: string;
  /** How long a stream of several replicas is not believed that it has lost something. */
  readonly doubtMs: number;
}

type Asked = Pick<Broker, 'last' | 'first' | 'hasOneReplica'>;

/**
 * Asks the broker for its last message of the stream, and goes on behind that. True when all lines of the courier were emptied:
 * what the broker has lost has to be read again.
 */
export async function learn(
  lane: Lane,
  broker: Asked,
  { ownSubjects, doubtMs }: LearnOptions,
): Promise<boolean> {
  const { courier, line } = lane;
  try {
    const { last, isTruth } = await read(lane, broker);
    lane.isKnown = true;
    lane.isBlind = false;
    if (hasAcknowledged(line.numbering, last)) return courier.agreeWith(line, last, false);
    const end = isTruth ? (last?.sequence ?? 0) : lane.end?.sequence;
    const isLetGo =
      !last &&
      end === 0 &&
      !line.numbering.isDoubted &&
      (await wasLetGo(line.numbering.sequence, broker, ownSubjects));
    const isSure = isTruth || isSettled(lane.end, doubtMs);
    if (isLetGo || isCurrent(line.numbering, last, isSure ? end : undefined))
      return courier.agreeWith(line, last, isLetGo);
    return false;
  } catch (error) {
    lane.isBlind = isForbidden(error);
    lane.isKnown = lane.isBlind;
    if (lane.isBlind) return false;
    throw error;
  }
}

/**
 * The last message of the stream. Any replica can say that what was acknowledged is there; that it is not, only the leader, who
 * is also the one that refuses: another one may lag behind it, or, after a fault of the broker's, differ from it.
 */
async function read(
  { line, end }: Lane,
  broker: Asked,
): Promise<{ readonly last: LastStored | undefined; readonly isTruth: boolean }> {
  if (!end) {
    const last = lastStored(await broker.last(line.subject, 'any replica'));
    if (hasAcknowledged(line.numbering, last)) return { last, isTruth: false };
  }
  try {
    const last = lastStored(await broker.last(line.subject, 'leader'));
    return { last, isTruth: broker.hasOneReplica() };
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return { last: lastStored(await broker.last(line.subject, 'any replica')), isTruth: false };
  }
}

/** A stream drops its oldest messages first. Who may not look at it still sees whether it holds later ones of his own. */
async function wasLetGo(sequence: number, broker: Asked, ownSubjects: string): Promise<boolean> {
  try {
    return (await broker.first()) > sequence;
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return ((await broker.last(ownSubjects, 'any replica'))?.sequence ?? 0) > sequence;
  }
}

/** This user has no right to it. */
export function isForbidden(error: unknown): boolean {
  return error instanceof WeirError && error.code === 'BROKER_REFUSED';
}

function lastStored(last: LastMessage | undefined): LastStored | undefined {
  if (!last) return undefined;
  const { epoch, number } = numberOfId(last.headers[HEADER.messageId] ?? '');
  return { epoch, number, sequence: last.sequence };
}

/** The broker has insisted on it. */
function isSettled(end: End | undefined, doubtMs: number): boolean {
  return end !== undefined && end.lastMs - end.firstMs >= doubtMs;
}

/** Notes what a refusal says. */
export function noteEnd(lane: Lane, error: unknown): void {
  if (!(error instanceof Misplaced) || error.end === undefined) return;
  const { end: sequence } = error;
  const lastMs = performance.now();
  const firstMs = lane.end?.sequence === sequence ? lane.end.firstMs : lastMs;
  lane.end = { sequence, firstMs, lastMs };
}

/** Publishes the first message of a lane; answers the bytes of its body. */
export async function publishFirst(
  lane: Lane,
  broker: Pick<Broker, 'publish'>,
  isStopped: () => boolean,
): Promise<number | undefined> {
  const { courier, line } = lane;
  const first = line.held[0];
  if (!first) return undefined;
  const { message, follows } = courier.next(line);
  const { sequence } = await broker.publish(message, lane.isBlind ? undefined : follows);
  if (isStopped()) return undefined;
  lane.failures = 0;
  lane.end = undefined;
  if (line.held[0] === first) courier.stored(line, sequence);
  // The line was emptied meanwhile: what is there has to be found out.
  else lane.isKnown = false;
  return message.body.length;
}
