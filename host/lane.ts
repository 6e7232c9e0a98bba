/**
 * A lane of the publisher: the messages of one stream on their way, and the two steps that it takes: to learn what the broker
 * has, and to publish the first message behind that.
 */
import type { Broker, LastMessage } from './broker.js';
import type { Courier, Line } from './courier.js';
import { WeirError } from './errors.js';

export interface Lane {
  readonly courier: Courier;
  readonly line: Line;
  /** What the broker has on this connection is known. */
  isKnown: boolean;
  /** This user may not ask: the broker's duplicate window has to do. */
  isBlind: boolean;
  /** Since the last message of the lane was stored. */
  failures: number;
  state: 'idle' | 'ready' | 'in flight' | 'resting';
  timer: NodeJS.Timeout | undefined;
}

export function createLane(courier: Courier, line: Line): Lane {
  return { courier, line, isKnown: false, isBlind: false, failures: 0, state: 'idle', timer: undefined };
}

/**
 * Asks the broker for its last message of the stream, and goes on behind that. True when all lines of the courier were emptied:
 * what the broker has lost has to be read again.
 */
export async function learn(lane: Lane, broker: Pick<Broker, 'last'>, ownSubjects: string): Promise<boolean> {
  const { courier, line } = lane;
  let last: LastMessage | undefined;
  let any: LastMessage | undefined;
  try {
    last = await broker.last(line.subject);
    any = last ?? (await broker.last(ownSubjects));
  } catch (error) {
    lane.isBlind = error instanceof WeirError && error.code === 'BROKER_REFUSED';
    lane.isKnown = lane.isBlind;
    if (lane.isBlind) return false;
    throw error;
  }
  lane.isKnown = true;
  lane.isBlind = false;
  const isIntact = any !== undefined && any.sequence >= line.numbering.sequence;
  return courier.agreeWith(line, last, isIntact);
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
  if (line.held[0] === first) courier.stored(line, sequence);
  // The line was emptied meanwhile: what is there has to be found out.
  else lane.isKnown = false;
  return message.body.length;
}
