/**
 * Publish: messages on their way to the broker, in order, many in flight, none forgotten before it is stored.
 *
 * A bounded queue. Its first part is in flight; what is acknowledged leaves it. While the broker is away the queue
 * holds; while it is full the engine does not read. After a failure nothing new is sent until every message in
 * flight is settled; then all that are not acknowledged are sent again, oldest first. A connection delivers in
 * order and loses only its end, so the messages of a subject are stored in order, and those that were stored
 * already are recognised by their `Nats-Msg-Id`.
 */
import type { Broker } from './broker.js';
import { oneLine } from './errors.js';
import { IN_FLIGHT_MAX, NOTICE_EVERY_MS, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX } from './limits.js';
import { RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.js';
import type { Message } from './wire.js';

export interface PublisherOptions {
  readonly broker: Pick<Broker, 'publish' | 'connected' | 'onConnected' | 'ensureStream'>;
  readonly notice: (line: string) => void;
  /** First delay after a failure; for tests. */
  readonly retryMs?: number;
}

export interface Publisher {
  /** Takes a message. It is the caller that waits while `full`. */
  offer(message: Message): void;
  full(): boolean;
  /** Calls the listener when the queue is no longer full. One listener. */
  onSpace(listener: () => void): void;
  /** Messages taken, and messages acknowledged in order, since the start. */
  offered(): number;
  acknowledged(): number;
  /** Resolves when that many messages are acknowledged. */
  whenAcknowledged(count: number): Promise<void>;
  /** Waits until the queue is empty, at most `deadlineMs`; answers how many messages are left. */
  drain(deadlineMs: number): Promise<number>;
  stop(): void;
}

interface Entry {
  readonly message: Message;
  isAcknowledged: boolean;
}

export function createPublisher({ broker, notice, retryMs = RECONNECT_MS_MIN }: PublisherOptions): Publisher {
  const queue: Entry[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let queueBytes = 0;
  let next = 0;
  let inFlight = 0;
  let failures = 0;
  let acknowledged = 0;
  let noticeAtMs = 0;
  let state: 'waiting' | 'sending' | 'failing' = 'waiting';
  let isPreparing = false;
  let isStopped = false;
  let retry: NodeJS.Timeout | undefined;
  let tellSpace = () => {};

  const isFull = () => queueBytes >= QUEUE_BYTES_MAX || queue.length >= QUEUE_MESSAGES_MAX;

  function send(): void {
    while (state === 'sending' && broker.connected() && inFlight < IN_FLIGHT_MAX && next < queue.length) {
      const entry = queue[next++] as Entry;
      if (entry.isAcknowledged) continue;
      inFlight++;
      broker.publish(entry.message).then(
        () => settle(entry, undefined),
        (error) => settle(entry, error),
      );
    }
  }

  function settle(entry: Entry, error: unknown): void {
    inFlight--;
    if (error === undefined) {
      entry.isAcknowledged = true;
      forgetAcknowledged();
    } else if (state === 'sending') {
      state = 'failing';
      failures++;
      tellFailure(error);
    }
    if (state === 'failing' && inFlight === 0) sendAgain();
    else send();
  }

  function forgetAcknowledged(): void {
    const wasFull = isFull();
    while (queue[0]?.isAcknowledged) {
      const { message } = queue.shift() as Entry;
      queueBytes -= message.body.length;
      next--;
      acknowledged++;
      failures = 0;
    }
    while (waiting[0] && waiting[0].count <= acknowledged) waiting.shift()?.resolve();
    if (wasFull && !isFull()) tellSpace();
  }

  /** All messages in flight are settled: begins again at the oldest that is not acknowledged. */
  function sendAgain(): void {
    const delayMs = Math.min(retryMs * 2 ** Math.min(failures - 1, 10), RECONNECT_MS_MAX);
    clearTimeout(retry);
    retry = setTimeout(() => void prepare(), delayMs / 2 + (Math.random() * delayMs) / 2);
  }

  /** Makes sure that there is a stream, and begins to send. Without the right to look, publishing is tried. */
  async function prepare(): Promise<void> {
    if (isPreparing || isStopped || inFlight > 0 || !broker.connected()) return;
    isPreparing = true;
    state = 'waiting';
    await broker.ensureStream().catch(tellFailure);
    isPreparing = false;
    if (isStopped) return;
    state = 'sending';
    next = 0;
    send();
  }

  function tellFailure(error: unknown): void {
    if (!broker.connected() || Date.now() < noticeAtMs) return;
    noticeAtMs = Date.now() + NOTICE_EVERY_MS;
    const waits = queue.length === 1 ? '1 message waits' : `${queue.length} messages wait`;
    notice(`broker: ${oneLine(error)}; ${waits}`);
  }

  broker.onConnected(() => {
    if (inFlight === 0) void prepare();
  });

  return {
    offer(message) {
      queue.push({ message, isAcknowledged: false });
      queueBytes += message.body.length;
      send();
    },
    full: isFull,
    onSpace(listener) {
      tellSpace = listener;
    },
    offered: () => acknowledged + queue.length,
    acknowledged: () => acknowledged,
    whenAcknowledged(count) {
      if (count <= acknowledged) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ count, resolve }));
    },
    async drain(deadlineMs) {
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        if (Number.isFinite(deadlineMs)) timer = setTimeout(resolve, deadlineMs);
      });
      await Promise.race([this.whenAcknowledged(acknowledged + queue.length), deadline]);
      clearTimeout(timer);
      return queue.length;
    },
    stop() {
      isStopped = true;
      state = 'waiting';
      clearTimeout(retry);
    },
  };
}
