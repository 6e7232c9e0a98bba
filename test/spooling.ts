/**
 * A spool and its courier for tests of publishing: messages go in by subject and body.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Courier, createCourier } from '../host/courier.js';
import type { Publisher } from '../host/publish.js';
import { HEADER, type Message } from '../host/wire.js';
import { readStream } from './broker.js';
import { messageEntry } from '../host/spool/payload.js';
import { createSpool, type Spool } from '../host/spool/spool.js';

export interface TestSpool {
  readonly folder: string;
  readonly spool: Spool;
  /** A new one each time. */
  courier(): Courier;
  /** Writes down what the last one knows. */
  save(): void;
  /** Appends a message to the stream of this name, with its number in it as body, or a body of zeros. */
  offer(stream: string, options?: { readonly bodyBytes?: number; readonly isOptional?: boolean }): void;
  offered(): number;
  readonly notices: string[];
  remove(): void;
}

export const subjectOf = (stream: string) => `weir.ev.a.b.${stream}`;

export function createTestSpool(
  options: { readonly bytesMax?: number; readonly publisher?: () => Publisher } = {},
): TestSpool {
  const folder = mkdtempSync(join(tmpdir(), 'weir-spool-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const spool = createSpool({ folder, segmentBytes: 1 << 20 });
  const seqs = new Map<string, number>();
  const notices: string[] = [];
  let offered = 0;
  let last: Courier | undefined;
  return {
    folder,
    spool,
    notices,
    save: () => last?.save(false),
    courier: () => {
      last = createCourier({
        appliance: 'a',
        instance: 'b',
        folder,
        spool,
        safe: () => spool.last(),
        produced: (stream) => seqs.get(stream) ?? 0,
        bytesMax: options.bytesMax ?? 1 << 20,
        notice: (line) => notices.push(line),
      });
      return last;
    },
    offer(stream, { bodyBytes, isOptional } = {}) {
      const seq = (seqs.get(stream) ?? 0) + 1;
      seqs.set(stream, seq);
      offered++;
      const body = bodyBytes === undefined ? Buffer.from(String(seq)) : Buffer.alloc(bodyBytes);
      const message = { subject: subjectOf(stream), headers: {}, body, stream, seq, records: 1, events: 1 };
      spool.append([
        messageEntry({ ...message, ...(isOptional ? { isOptional } : {}) }),
        { kind: 'commit', payload: [Buffer.from('{}')] },
      ]);
      options.publisher?.().wake();
    },
    offered: () => offered,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** `<stream>/<number>` of a message. */
export function idOf({ headers }: Message): string {
  return `${(headers[HEADER.messageId] ?? '').split('/')[2]}/${headers[HEADER.seq]}`;
}

/** Those that the broker holds, in its order, by subject. */
export async function storedIds(url: string): Promise<[string, string[]][]> {
  const ids = new Map<string, string[]>();
  for (const message of await readStream(url, 'weir.ev.>'))
    ids.set(message.subject, [...(ids.get(message.subject) ?? []), idOf(message)]);
  return [...ids].sort();
}
