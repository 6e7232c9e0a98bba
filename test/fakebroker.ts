/**
 * A broker that a test plays by hand: each attempt to publish is left to the test, and what is stored is stored as JetStream does.
 */
import type { LastMessage, Stored } from '../host/broker.js';
import { Misplaced } from '../host/jetstream.js';
import { createPublisher, type Publisher } from '../host/publish.js';
import { HEADER, type Message } from '../host/wire.js';
import { createTestSpool, idOf, type TestSpool } from './spooling.js';

type PublisherBroker = Parameters<typeof createPublisher>[0]['broker'];

export interface Attempt {
  readonly message: Message;
  /** `<stream>/<number>`. */
  readonly id: string;
  readonly follows: number | undefined;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: Error) => void;
}

/** What a replica holds: the last message of each subject. */
type Replica = ReadonlyMap<string, LastMessage>;

/** Without duplicates, and only where expected. */
export function fakeBroker(onAttempt: (attempt: Attempt) => void) {
  const stored = new Map<string, string[]>();
  const last = new Map<string, LastMessage>();
  const ids = new Map<string, number>();
  let isConnected = true;
  let isCounted = 0;
  let sequence = 0;
  let first = 1;
  let answering = (): Replica => last;
  let mayAskLeader = true;
  let tellConnected = () => {};
  let isReplicated = false;
  const broker: PublisherBroker = {
    hasOneReplica: () => !isReplicated,
    connected: () => isConnected,
    onConnected(listener) {
      tellConnected = listener;
      if (isConnected) listener();
    },
    async last(subject, who) {
      const replica = who === 'leader' && mayAskLeader ? last : answering();
      if (!subject.endsWith('>')) return replica.get(subject);
      return [...replica.values()].sort((one, other) => other.sequence - one.sequence)[0];
    },
    first: async () => first,
    publish: (message, follows) =>
      new Promise((resolve, reject) => onAttempt({ message, id: idOf(message), follows, resolve, reject })),
    async ensureStream() {
      isCounted++;
    },
  };
  return {
    broker,
    stored,
    /** Set when its duplicate window is over at once. */
    forgetsIds: false,
    streamsAsked: () => isCounted,
    store({ message: { subject, headers }, id, follows }: Attempt): Stored {
      const known = ids.get(headers[HEADER.messageId] ?? '');
      if (known !== undefined && !this.forgetsIds) return { duplicate: true, sequence: known };
      const end = last.get(subject)?.sequence ?? 0;
      if (follows !== undefined && follows !== end) throw new Misplaced(subject, follows, end);
      sequence++;
      ids.set(headers[HEADER.messageId] ?? '', sequence);
      last.set(subject, { headers, sequence });
      stored.set(subject, [...(stored.get(subject) ?? []), id]);
      return { duplicate: false, sequence };
    },
    /** The stream has several replicas from now on. */
    replicate() {
      isReplicated = true;
    },
    /** What is stored now, as a replica has it that gets no further. */
    replica: (): Replica => new Map(last),
    /** From now on reads are answered by what this gives, also where the leader is asked. */
    answerWith(choose: () => Replica) {
      answering = choose;
      mayAskLeader = false;
    },
    /** Also of any replica. */
    answerWithLeader() {
      answering = () => last;
      mayAskLeader = true;
    },
    /** What was stored is gone. */
    wipe() {
      for (const held of [stored, last, ids]) held.clear();
      sequence = 0;
      first = 1;
    },
    /** What was stored was dropped after its time. */
    letGo() {
      last.clear();
      first = sequence + 1;
    },
    setConnected(value: boolean) {
      isConnected = value;
      if (value) tellConnected();
    },
  };
}

export type FakeBroker = ReturnType<typeof fakeBroker>;

export interface Setup {
  readonly publisher: Publisher;
  readonly spool: TestSpool;
  readonly notices: string[];
}

export function setUp(
  broker: PublisherBroker,
  options: { readonly retryMs?: number; readonly doubtMs?: number } = {},
): Setup {
  const notices: string[] = [];
  const publisher: Publisher = createPublisher({
    broker,
    ownSubjects: 'weir.ev.a.>',
    notice: (line) => notices.push(line),
    retryMs: 1,
    ...options,
  });
  const spool = createTestSpool({ publisher: () => publisher });
  publisher.add(spool.courier());
  return { publisher, spool, notices };
}

/** Another run, over the spool of the one before. */
export function setUpAgain(
  broker: PublisherBroker,
  spool: TestSpool,
  options: { readonly retryMs?: number; readonly doubtMs?: number } = {},
): Omit<Setup, 'notices'> {
  const publisher = createPublisher({
    broker,
    ownSubjects: 'weir.ev.a.>',
    notice() {},
    retryMs: 1,
    ...options,
  });
  publisher.add(spool.courier());
  return { publisher, spool };
}

export const settle = (fake: FakeBroker, attempt: Attempt) => {
  try {
    attempt.resolve(fake.store(attempt));
  } catch (error) {
    attempt.reject(error as Error);
  }
};

/** Ids of so many messages of a stream, in order. */
export const numbers = (stream: string, count: number, from = 1) =>
  Array.from({ length: count }, (_, at) => `${stream}/${at + from}`);
