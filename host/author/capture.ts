/**
 * Live events into a sample: records of a subject, or events of a source of the config, as many as are asked for.
 * Nothing is published and no place is saved, so a host that runs is not disturbed.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { nextBatch } from '../batch.js';
import { connectBroker } from '../broker.js';
import type { SourceConfig } from '../config.js';
import { oneLine, systemCode, WeirError } from '../errors.js';
import { createSource } from '../source/create.js';
import { BATCH_BYTES_DEFAULT } from '../limits.js';
import { unpack } from '../pack.js';
import { eventsIn } from './properties.js';
import type { Redact } from './redact.js';
import { needWritable } from './samples.js';

export interface Sink {
  /** Takes one event without its LF; false once there are enough. */
  take(event: Buffer): boolean;
}

export interface Collected extends Sink {
  readonly events: () => number;
  /** Writes the events to a file that must not be there. */
  write(path: string): void;
}

/** Up to `most` events, redacted as they come. */
export function collect(most: number, redact: Redact | undefined): Collected {
  const events: Buffer[] = [];
  return {
    take(event) {
      if (events.length < most) events.push(redact ? Buffer.from(redact(event.toString('utf8'))) : event);
      return events.length < most;
    },
    events: () => events.length,
    write(path) {
      try {
        writeFileSync(path, Buffer.concat(events.flatMap((event) => [event, LINE_END])), { flag: 'wx' });
      } catch (error) {
        throw new WeirError('OUTPUT_UNWRITABLE', `${path}: expected to write it, found ${systemCode(error)}`);
      }
    },
  };
}

/** Says at once that a file is there or cannot be written, rather than after events have been waited for. */
export function needNewFile(path: string): void {
  if (existsSync(path)) throw new WeirError('FILE_EXISTS', `${path}: expected no such file, found one`);
  needWritable(path);
}

const LINE_END = Buffer.from('\n');

/** Reads events of a source, from its beginning, until there are enough or `stopped` resolves. */
export async function captureSource(entry: SourceConfig, sink: Sink, options: CaptureOptions): Promise<void> {
  const source = createSource(entry, false);
  source.onNotice(options.notice);
  await source.open();
  const cursor = source.cursor();
  const region = Buffer.alloc(BATCH_BYTES_DEFAULT);
  let isStopped = false;
  const stopped = options.stopped.then(() => {
    isStopped = true;
  });
  options.started();
  for (let wants = true; wants && !isStopped && !cursor.ended(); ) {
    const more = new Promise<void>((resolve) => source.onData(resolve));
    const batch = nextBatch(cursor, region, BATCH_BYTES_DEFAULT);
    if (batch.kind === 'none') await Promise.race([more, stopped]);
    if (batch.kind !== 'events') continue;
    const events = eventsIn(region.subarray(0, batch.bytes));
    wants = events.every((event) => sink.take(Buffer.from(event.subarray(0, -1))));
  }
  await source.close();
}

export interface CaptureOptions {
  /** Resolves when the author has seen enough. */
  readonly stopped: Promise<void>;
  readonly notice: (line: string) => void;
  /** Called once events can come. */
  readonly started: () => void;
}

export interface SubjectOptions extends CaptureOptions {
  readonly server: string;
  readonly creds?: string;
}

/** Takes the records of a subject as JSON lines, until there are enough or `stopped` resolves. */
export async function captureSubject(subject: string, sink: Sink, options: SubjectOptions): Promise<void> {
  const { server, creds, notice } = options;
  const connection = { servers: [server], name: 'weir-capture', wait: 'fail-fast', notice } as const;
  const broker = await connectBroker(creds === undefined ? connection : { ...connection, creds });
  const full = new Promise<void>((resolve) => {
    broker.subscribe(subject, (found, headers, body) => {
      try {
        unpack(headers, body, (record) => {
          if (!sink.take(Buffer.from(JSON.stringify(record)))) resolve();
        });
      } catch (error) {
        notice(`${found}: a message that is not weir's: ${oneLine(error)}`);
      }
    });
  });
  await broker.flush();
  options.started();
  await Promise.race([full, options.stopped]);
  await broker.close();
}
