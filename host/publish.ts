/**
 * Publish: messages on their way to the broker, bounded, in order, and none forgotten before it is stored.
 *
 * Each subject has a lane with one message in flight; up to `IN_FLIGHT_MAX` lanes are in flight at once, and take
 * turns. What keeps the order within a subject is this alone: a message is sent only when the one before it is
 * stored. It holds whatever the way to the stream does. Two in flight on one subject would hold only while
 * nothing between here and the stream loses one message and lets the next one through, which a change of the
 * stream's leader, a leaf connection that comes back, or a store that is nearly full all do. The price is one message
 * a round trip for each subject: thousands a second on loopback, twenty where the broker is 50 ms away.
 *
 * A message that is not acknowledged is sent again, as it was, after a growing delay; if the broker had stored
 * it, it knows its `Nats-Msg-Id` for as long as the stream's duplicate window lasts. A subject that is refused holds
 * up itself only. While the broker is away everything waits; while the queue is full the engine does not read.
 */
import { randomInt } from 'node:crypto';
import type { Broker } from './broker.js';
import { oneLine, WeirError } from './errors.js';
import { IN_FLIGHT_MAX, NOTICE_EVERY_MS, OPTIONAL_ATTEMPTS } from './limits.js';
import { QUEUE_MESSAGES_MAX, SPOOL_BYTES_DEFAULT } from './limits.js';
import { RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';
import type { Message } from './wire.js';

export interface PublisherOptions {
  readonly broker: Pick<Broker, 'publish' | 'connected' | 'onConnected' | 'ensureStream'>;
  readonly notice: (line: string) => void;
  /** Bodies that may wait. */
  readonly bytesMax?: number;
  /** First delay after a failure; for tests. */
  readonly retryMs?: number;
}

export interface Publisher {
  /** Takes a message. It is the caller that waits while `full`. */
  offer(message: Message): void;
  full(): boolean;
  /** Calls the listener when the queue is no longer full. One listener. */
  onSpace(listener: () => void): void;
  /** Messages taken since the start. */
  offered(): number;
  /** All messages up to this one, in the order of `offer`, are stored. */
  acknowledged(): number;
  /** Resolves when `acknowledged` has come that far. */
  whenAcknowledged(count: number): Promise<void>;
  /** Waits until the queue is empty, at most `deadlineMs`; answers how many messages are left. */
  drain(deadlineMs: number): Promise<number>;
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

interface Entry {
  /** The message's number, from 1, over all subjects. */
  readonly number: number;
  readonly message: Message;
}

/** The messages of one subject that are not stored yet, oldest first. */
interface Lane {
  readonly entries: Entry[];
  /** Since the last message of the lane was stored. */
  failures: number;
  state: 'ready' | 'in flight' | 'resting';
  timer: NodeJS.Timeout | undefined;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { broker, notice, bytesMax = SPOOL_BYTES_DEFAULT, retryMs = RECONNECT_MS_MIN } = options;
  const lanes = new Map<string, Lane>();
  /** Lanes that may send, the one that has waited longest first. */
  const ready = new Set<Lane>();
  /** Numbers of the messages that are not stored, ascending. */
  const outstanding = new Set<number>();
  const waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  let offered = 0;
  let queueBytes = 0;
  let inFlight = 0;
  let storedBytes = 0;
  let retries = 0;
  let quietUntilMs = 0;
  let stream: 'unknown' | 'asked' | 'known' = 'unknown';
  let isStopped = false;
  let tellSpace = () => {};

  const isFull = () => queueBytes >= bytesMax || outstanding.size >= QUEUE_MESSAGES_MAX;
  const acknowledged = () => (outstanding.values().next().value ?? offered + 1) - 1;

  function send(): void {
    if (ready.size === 0 || isStopped || !broker.connected()) return;
    if (stream !== 'known') return void askForStream();
    for (const lane of ready) {
      if (inFlight >= IN_FLIGHT_MAX) return;
      ready.delete(lane);
      lane.state = 'in flight';
      inFlight++;
      if (lane.failures > 0) retries++;
      const entry = lane.entries[0] as Entry;
      broker.publish(entry.message).then(
        () => stored(lane, entry),
        (error) => failed(lane, error),
      );
    }
  }

  /** Makes sure that there is a stream. Without the right to look at it, publishing is tried all the same. */
  async function askForStream(): Promise<void> {
    if (stream === 'asked') return;
    stream = 'asked';
    await broker.ensureStream().catch(tellTrouble);
    stream = 'known';
    send();
  }

  function stored(lane: Lane, entry: Entry): void {
    storedBytes += entry.message.body.length;
    settle(lane, entry);
  }

  /** Nothing more is to be done about a message. */
  function settle(lane: Lane, { number, message }: Entry): void {
    const wasFull = isFull();
    inFlight--;
    lane.failures = 0;
    lane.entries.shift();
    outstanding.delete(number);
    queueBytes -= message.body.length;
    if (lane.entries.length > 0) makeReady(lane);
    else lanes.delete(message.subject);
    for (const waiter of waiting) {
      if (waiter.count > acknowledged()) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
    if (wasFull && !isFull()) tellSpace();
    send();
  }

  function failed(lane: Lane, error: unknown): void {
    const entry = lane.entries[0] as Entry;
    lane.failures++;
    if (entry.message.isOptional && isRefused(error) && lane.failures >= OPTIONAL_ATTEMPTS) {
      tellTrouble(error);
      settle(lane, entry);
      // Whoever refused it refuses the next one as well: that is tried once, so that a thousand of them hold nothing up.
      lane.failures = OPTIONAL_ATTEMPTS - 1;
      return;
    }
    inFlight--;
    if (isStopped) return;
    if (error instanceof WeirError && error.code === 'STREAM_REFUSED' && stream === 'known')
      stream = 'unknown';
    tellTrouble(error);
    // Without a connection there is nothing to wait for but the next one, which is a new beginning for every lane.
    const delayMs = broker.connected() ? restMs(lane.failures, retryMs) : 0;
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
    const waits = outstanding.size === 1 ? '1 message waits' : `${outstanding.size} messages wait`;
    notice(`broker: ${oneLine(error)}; ${waits}`);
  }

  function whenAcknowledged(count: number): Promise<void> {
    if (count <= acknowledged()) return Promise.resolve();
    return new Promise((resolve) => waiting.add({ count, resolve }));
  }

  broker.onConnected(() => {
    if (isStopped) return;
    void askForStream();
    for (const lane of lanes.values()) if (lane.state === 'resting') makeReady(lane);
  });

  return {
    offer(message) {
      const entry = { number: ++offered, message };
      outstanding.add(entry.number);
      queueBytes += message.body.length;
      const lane = lanes.get(message.subject);
      if (lane) return void lane.entries.push(entry);
      const opened: Lane = { entries: [entry], failures: 0, state: 'ready', timer: undefined };
      lanes.set(message.subject, opened);
      makeReady(opened);
    },
    full: isFull,
    onSpace(listener) {
      tellSpace = listener;
    },
    offered: () => offered,
    acknowledged,
    whenAcknowledged,
    async drain(deadlineMs) {
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        if (Number.isFinite(deadlineMs)) timer = setTimeout(resolve, deadlineMs);
      });
      await Promise.race([whenAcknowledged(offered), deadline]);
      clearTimeout(timer);
      return outstanding.size;
    },
    statistics: () => ({ messages: offered - outstanding.size, bytes: storedBytes, retries }),
    stop() {
      isStopped = true;
      for (const lane of lanes.values()) clearTimeout(lane.timer);
    },
  };
}

/** No stream takes the subject, or this user may not publish there. */
function isRefused(error: unknown): boolean {
  return error instanceof WeirError && (error.code === 'STREAM_REFUSED' || error.code === 'BROKER_REFUSED');
}

/** Doubles with each failure; up to half of it is random. */
function restMs(failures: number, firstMs: number): number {
  const whole = Math.min(firstMs * 2 ** Math.min(failures - 1, 16), RECONNECT_MS_MAX);
  return Math.ceil(whole / 2) + randomInt(Math.ceil(whole / 2) + 1);
}
