/**
 * Publish: messages from the spools to the broker, in order within a stream, each once, none forgotten before it is stored.
 *
 * Each stream of each filter is a lane with one message in flight; up to `IN_FLIGHT_MAX` lanes are in flight at once, and
 * take turns. A message says which one it has to follow, and the broker refuses it anywhere else: so what was sent
 * twice is stored once, however long ago that was, and a second host under the same name cannot write in between. On a
 * new connection, and whenever the broker refuses a place, the lane first asks what the broker has, and what that has lost
 * goes again, as far as the spool still holds it.
 *
 * One in flight, because two hold their order only while nothing between here and the stream loses one message and lets
 * the next one through, which a change of the stream's leader, a leaf connection that comes back, or a store that is
 * nearly full all do. The price is one message a round trip for each stream: thousands a second on loopback, twenty where the
 * broker is 50 ms away.
 *
 * What is not acknowledged is sent again, after a growing delay. A stream that is refused holds up its own filter only,
 * once as much of it waits as a courier holds. While the broker is away everything waits on the disk.
 */
import { randomInt } from 'node:crypto';
import type { Broker } from './broker.js';
import type { Courier, Line } from './courier.js';
import { createDeadBuffers } from './deadbuffers.js';
import { type ErrorCode, oneLine, WeirError } from './errors.js';
import { Misplaced } from './jetstream.js';
import { IN_FLIGHT_MAX, LOSS_DOUBT_MS, MISPLACED_ATTEMPTS, NOTICE_EVERY_MS } from './limits.js';
import { OPTIONAL_ATTEMPTS, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';
import { createLane, isForbidden, type Lane, learn, noteEnd, publishFirst } from './lane.js';

export interface PublisherOptions {
  readonly broker: Pick<
    Broker,
    'publish' | 'last' | 'first' | 'hasOneReplica' | 'connected' | 'onConnected' | 'ensureStream'
  >;
  /** A pattern for all subjects of this appliance. */
  readonly ownSubjects: string;
  readonly notice: (line: string) => void;
  /** First delay after a failure, and how long a loss is doubted; for tests. */
  readonly retryMs?: number;
  readonly doubtMs?: number;
}

export interface Publisher {
  /** Publishes what a courier has, from now on. */
  add(courier: Courier): void;
  /** Looks for messages that are new. */
  wake(): void;
  /** Calls the listener each time a message is stored. One listener. */
  onStored(listener: () => void): void;
  /** Waits until everything is stored, at most `deadlineMs`; true when it is. */
  drain(deadlineMs: number): Promise<boolean>;
  statistics(): PublisherStatistics;
  stop(): void;
}

export interface PublisherStatistics {
  /** Stored messages and the bytes of their bodies. */
  readonly messages: number;
  readonly bytes: number;
  /** Messages sent once more. */
  readonly retries: number;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { broker, notice, retryMs = RECONNECT_MS_MIN } = options;
  const learning = { ownSubjects: options.ownSubjects, doubtMs: options.doubtMs ?? LOSS_DOUBT_MS };
  const couriers: Courier[] = [];
  const lanes = new Map<Line, Lane>();
  /** Lanes that may send, the one that has waited longest first. */
  const ready = new Set<Lane>();
  const waiting = new Set<() => void>();
  const deadBuffers = createDeadBuffers();
  let inFlight = 0;
  const counts = { messages: 0, bytes: 0, retries: 0 };
  let quietUntilMs = 0;
  let stream: 'unknown' | 'asked' | 'known' = 'unknown';
  let isStopped = false;
  let tellStored = () => {};

  const isEmpty = () => couriers.every((courier) => courier.isEmpty());

  function load(courier: Courier): void {
    for (const line of courier.load()) {
      const lane = lanes.get(line) ?? open(courier, line);
      if (lane.state === 'idle') makeReady(lane);
    }
  }

  function open(courier: Courier, line: Line): Lane {
    const lane = createLane(courier, line);
    lanes.set(line, lane);
    return lane;
  }

  function send(): void {
    if (ready.size === 0 || isStopped || !broker.connected()) return;
    if (stream !== 'known') return void askForStream();
    for (const lane of ready) {
      if (inFlight >= IN_FLIGHT_MAX) return;
      ready.delete(lane);
      lane.state = 'in flight';
      inFlight++;
      if (lane.isKnown && lane.failures > 0) counts.retries++;
      stepOf(lane).then(
        () => goOn(lane),
        (error) => failed(lane, error),
      );
    }
  }

  /** Makes sure that there is a stream. Without the right to look at it, which few hosts need, publishing shows it. */
  async function askForStream(): Promise<void> {
    if (stream === 'asked') return;
    stream = 'asked';
    await broker.ensureStream().catch((error) => isForbidden(error) || tellTrouble(error));
    stream = 'known';
    send();
  }

  /** Asks what the broker has, or publishes the first message. */
  async function stepOf(lane: Lane): Promise<void> {
    if (lane.isKnown) {
      const bytes = await publishFirst(lane, broker, () => isStopped);
      if (bytes === undefined) return;
      counts.messages++;
      counts.bytes += bytes;
      deadBuffers.add(bytes);
      tellStored();
    } else if (await learn(lane, broker, learning)) {
      // What others know of places may be of a store that is gone.
      for (const courier of couriers) courier.doubt(lane.line);
      load(lane.courier);
    } else if (lane.isBlind)
      tellTrouble(new WeirError('BROKER_REFUSED', `no permission to read ${lane.line.subject}`));
  }

  /** A step of a lane went well. */
  function goOn(lane: Lane): void {
    inFlight--;
    if (isStopped) return;
    lane.state = 'idle';
    load(lane.courier);
    if (lane.line.held.length > 0 && lane.state === 'idle') makeReady(lane);
    if (waiting.size > 0 && isEmpty()) for (const resolve of waiting) resolve();
    send();
  }

  function failed(lane: Lane, error: unknown): void {
    const { courier, line } = lane;
    lane.failures++;
    const isOptional = line.held[0]?.message.isOptional === true;
    if (isOptional && isRefused(error) && lane.failures >= OPTIONAL_ATTEMPTS) {
      tellTrouble(error);
      courier.drop(line);
      // Whoever refused it refuses the next one as well: that is tried once, so that a thousand of them hold nothing up.
      lane.failures = OPTIONAL_ATTEMPTS - 1;
      goOn(lane);
      return;
    }
    inFlight--;
    if (isStopped) return;
    lane.isKnown = false;
    noteEnd(lane, error);
    const isMisplaced = error instanceof Misplaced;
    const isUntaken = error instanceof WeirError && error.code === 'STREAM_REFUSED';
    if (isUntaken && stream === 'known') stream = 'unknown';
    // At first it may be a message of ours whose acknowledgement was lost, or a stream that changes its leader.
    if (lane.failures >= (isMisplaced ? MISPLACED_ATTEMPTS : isUntaken ? 2 : 1)) tellTrouble(error);
    // Without a connection there is nothing to wait for but the next one, which is a new beginning for every lane.
    const delayMs =
      broker.connected() && !(isMisplaced && lane.failures === 1) ? restMs(lane.failures, retryMs) : 0;
    lane.state = 'resting';
    lane.timer = setTimeout(() => makeReady(lane), delayMs);
    send();
  }

  function makeReady(lane: Lane): void {
    clearTimeout(lane.timer);
    lane.state = 'ready';
    ready.add(lane);
    send();
  }

  function tellTrouble(error: unknown): void {
    // That the connection was lost is told by the broker.
    if (isStopped || !broker.connected() || performance.now() < quietUntilMs) return;
    quietUntilMs = performance.now() + NOTICE_EVERY_MS;
    notice(`broker: ${oneLine(error)}; messages wait on the disk`);
  }

  broker.onConnected(() => {
    if (isStopped) return;
    void askForStream();
    // Also those that have nothing to send: the broker may have lost what it acknowledged.
    for (const lane of lanes.values()) {
      lane.isKnown = false;
      if (lane.state !== 'in flight') makeReady(lane);
    }
  });

  return {
    add(courier) {
      couriers.push(courier);
      for (const line of courier.published()) makeReady(open(courier, line));
      load(courier);
    },
    wake() {
      for (const courier of couriers) load(courier);
    },
    onStored(listener) {
      tellStored = listener;
    },
    async drain(deadlineMs) {
      if (!isEmpty()) await atMost(deadlineMs, waiting);
      return isEmpty();
    },
    statistics: () => ({ ...counts }),
    stop() {
      isStopped = true;
      for (const lane of lanes.values()) clearTimeout(lane.timer);
    },
  };
}

/** Waits until what is put into `waiting` is called, or for so long. */
async function atMost(deadlineMs: number, waiting: Set<() => void>): Promise<void> {
  let done = () => {};
  const called = new Promise<void>((resolve) => {
    done = resolve;
  });
  waiting.add(done);
  const timer = Number.isFinite(deadlineMs) ? setTimeout(done, deadlineMs) : undefined;
  await called;
  clearTimeout(timer);
  waiting.delete(done);
}

/** No stream takes the subject, or has room for it, or this user may not publish there. */
function isRefused(error: unknown): boolean {
  return error instanceof WeirError && REFUSALS.includes(error.code);
}

const REFUSALS: readonly ErrorCode[] = ['STREAM_REFUSED', 'STREAM_FULL', 'BROKER_REFUSED'];

/** Doubles with each failure; up to half of it is random. */
function restMs(failures: number, firstMs: number): number {
  const whole = Math.min(firstMs * 2 ** Math.min(failures - 1, 16), RECONNECT_MS_MAX);
  return Math.ceil(whole / 2) + randomInt(Math.ceil(whole / 2) + 1);
}
