/**
 * A JetStream stream whose messages a test makes itself, right or wrong, and what `weir verify` says of it.
 */
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { connect, headers as createHeaders, type JetStreamManager, type NatsConnection } from 'nats';
import { encodeRecord, type WireRecord } from '../../host/wire.js';
import type { Report } from '../../host/verify/report.js';
import { saidHere } from '../command.js';
import type { TestBroker } from '../broker.js';
import { until, WAIT_MS } from '../help.js';

export const EPOCH = '0123456789abcdef';
export const OTHER_EPOCH = 'fedcba9876543210';
const LABEL = 'f@1.0.0+0123456789ab';

/** What a message says of itself; what is not named is right. */
export interface Making {
  readonly records?: readonly WireRecord[];
  readonly events?: number;
  readonly epoch?: string;
  /** In place of the right ones; nothing removes a header. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
  /** Place of the message before it, for the broker to check. */
  readonly follows?: number;
}

export interface Made {
  readonly stream: string;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Stores message `number` of a stream of filter `f`; answers its place. */
  put(stream: string, number: number, making?: Making): Promise<number>;
  /** Stores one again, as soon as the broker does not know it any more. */
  putAgain(stream: string, number: number, making?: Making): Promise<void>;
  /** What the command says, and how it ends. */
  verify(...args: string[]): Promise<Verdict>;
}

export interface Verdict {
  readonly code: number | null;
  readonly report: Report;
  /** Place, kind and text of each finding. */
  readonly found: readonly string[];
  /** Each thing that is explained: stream, number, what, reason. */
  readonly explained: readonly string[];
}

let streams = 0;

export async function make(broker: TestBroker, config: object = {}): Promise<Made> {
  const stream = `T${++streams}`;
  const appliance = `a${streams}`;
  const connection = await connect({ servers: broker.url });
  const manager = await connection.jetstreamManager();
  const subjects = [`weir.ev.${appliance}.>`, `weir.dead.${appliance}.>`];
  await manager.streams.add({ name: stream, subjects, duplicate_window: 100_000_000, ...config });

  async function publish(name: string, number: number, making: Making) {
    const records = making.records ?? [{ ts: 1 }];
    const body = making.body ?? gzipSync(Buffer.concat(records.map(encodeRecord)));
    const said = { ...headersOf(appliance, name, number, making), ...making.headers };
    const headers = createHeaders();
    for (const [key, value] of Object.entries(said)) if (value !== undefined) headers.set(key, value);
    const { follows } = making;
    const expect = follows === undefined ? {} : { expect: { lastSubjectSequence: follows } };
    const subject = name === 'dead' ? `weir.dead.${appliance}.f` : `weir.ev.${appliance}.f.${name}`;
    return connection.jetstream().publish(subject, body, { headers, ...expect });
  }

  return {
    stream,
    connection,
    manager,
    put: async (name, number, making = {}) => (await publish(name, number, making)).seq,
    putAgain: (name, number, making = {}) =>
      until(async () => !(await publish(name, number, making)).duplicate, WAIT_MS, 'it is stored again'),
    async verify(...args) {
      const { code, out, err } = await saidHere([
        'verify',
        '--json',
        '--server',
        broker.url,
        '--stream',
        stream,
        ...args,
      ]);
      assert.is(err, '');
      const report = JSON.parse(out) as Report;
      assert.is(code, report.complete ? 0 : 1);
      return {
        code,
        report,
        found: report.findings.map(({ sequence, kind, text }) => `${sequence} ${kind}: ${text}`),
        explained: report.explained.map(
          ({ stream: of, count, what, reason }) => `${of} ${count} ${what} ${reason}`,
        ),
      };
    },
  };
}

function headersOf(appliance: string, name: string, number: number, making: Making): Record<string, string> {
  const { records = [1], events = 1, epoch = EPOCH } = making;
  return {
    'Content-Type': 'application/cbor-seq',
    'Content-Encoding': 'gzip',
    'Nats-Msg-Id': `${appliance}/f/${name}/${epoch}-${number}`,
    'Weir-Appliance': appliance,
    'Weir-Filter': LABEL,
    'Weir-Stream': name,
    'Weir-Seq': String(number),
    'Weir-Records': String(records.length),
    'Weir-Events': String(events),
    ...(number === 1 ? { 'Weir-Epoch': 'started' } : {}),
  };
}

/** A record of a ledger; what is not named is 0 or empty. */
export function ledgerRecord(part: object = {}): WireRecord {
  const counters = {
    in: 0,
    kept: 0,
    aggregated: 0,
    discarded: 0,
    malformed: 0,
    truncated: 0,
    late: 0,
    overflowed: 0,
  };
  return { ts: 0, window_ms: 60_000, ...counters, lost: {}, cut: {}, dead: {}, shed: {}, ...part };
}
