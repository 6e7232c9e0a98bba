/**
 * Pack: a filter's records into messages, one sequence per stream.
 *
 * Records are copied as they come out of the filter, into one buffer a stream that is allocated once; nothing is
 * decoded, except where the config asks for NDJSON. A message is cut when the next record would not fit, or when
 * the engine says that it is old enough. A stream's messages are numbered from 1 without holes, over all
 * runs of the host, and each says how many raw events were read since the one before it.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { oneLine, printable, WeirError } from './errors.js';
import { jsonLine, readJsonRecords } from './json.js';
import { GZIP_LEVEL, MESSAGE_BYTES_MAX, UNPACKED_BYTES_MAX } from './limits.js';
import {
  CONTENT_CBOR,
  CONTENT_NDJSON,
  decodeRecords,
  eventSubject,
  HEADER,
  type WireRecord,
} from './wire.js';
import type { SpooledMessage } from './spool/payload.js';

export interface PackOptions {
  readonly appliance: string;
  /** The instance's name, as in the config: the subject's token. */
  readonly instance: string;
  readonly from: PackedFilter;
  readonly format: 'cbor' | 'ndjson';
  readonly send: (message: SpooledMessage) => void;
  /** Whether so many records of a stream may go out; absent: all may. */
  readonly admits?: (stream: string, records: number) => boolean;
  /** Records of the filter turned out not to be CBOR and are gone. */
  readonly onFault: (error: unknown) => void;
}

/** Whose records are packed. */
export interface PackedFilter {
  /** `name@version+hash` of the module. */
  readonly filter: string;
  /** In the order in which the filter numbers them. */
  readonly streams: readonly string[];
  /** Largest record of the filter; a buffer holds at least one. */
  readonly recordBytesMax: number;
}

export interface Pack {
  /** Adds the record in `bytes[start, end)` to a stream, cutting a message first where it would not fit. */
  add(stream: number, bytes: Uint8Array, start: number, end: number): void;
  /** Says that `events` raw events have been read; they count towards the next message of every stream. */
  countEvents(events: number): void;
  /** Cuts a message of each stream that has records. */
  cut(): void;
  /** Cuts, and goes on with another version of the filter: a stream of the same name goes on with its numbers. */
  become(from: PackedFilter): void;
  /** How far each stream has come; what is in the buffers is not told. */
  standing(): Readonly<Record<string, StreamStanding>>;
  /** Goes on from there; for a stream that is not named nothing changes. */
  goOn(from: Readonly<Record<string, StreamStanding>>): void;
  /** Number of the last message of a stream. */
  seq(stream: string): number;
  readonly totals: { records: number; bytes: number; compressedBytes: number };
}

export interface StreamStanding {
  /** Number of its last message. */
  readonly seq: number;
  /** Raw events since that. */
  readonly events: number;
}

interface Buffered {
  readonly name: string;
  buffer: Buffer;
  bytes: number;
  records: number;
  events: number;
  seq: number;
}

/** The buffer of one stream: a message, and at least one record of the filter. */
export function messageBufferBytes(recordBytesMax: number): number {
  return Math.max(MESSAGE_BYTES_MAX, recordBytesMax);
}

const NO_BUFFER = Buffer.alloc(0);

export function createPack(options: PackOptions): Pack {
  /** All streams there have been, because their numbers never begin again; only those of the present version have a buffer. */
  const known = new Map<string, Buffered>();
  let { filter } = options.from;
  let streams = openStreams(known, options.from);
  const totals = { records: 0, bytes: 0, compressedBytes: 0 };

  function cutStream(stream: Buffered): void {
    if (stream.records === 0) return;
    const encoded = stream.buffer.subarray(0, stream.bytes);
    const { records } = stream;
    // Emptied first: records that turn out not to be CBOR are gone, and take no number.
    stream.bytes = 0;
    stream.records = 0;
    let plain: Uint8Array = encoded;
    try {
      if (options.format === 'ndjson') plain = toNdjson(options.instance, encoded);
    } catch (error) {
      options.onFault(error);
      return;
    }
    // What is left out takes no number; its events count towards the next message.
    if (options.admits && !options.admits(stream.name, records)) return;
    const body = gzipSync(plain, { level: GZIP_LEVEL });
    stream.seq++;
    totals.compressedBytes += body.length;
    options.send({
      subject: eventSubject(options.appliance, options.instance, stream.name),
      headers: {
        [HEADER.contentType]: options.format === 'ndjson' ? CONTENT_NDJSON : CONTENT_CBOR,
        [HEADER.contentEncoding]: 'gzip',
        [HEADER.appliance]: options.appliance,
        [HEADER.filter]: filter,
        [HEADER.stream]: stream.name,
        [HEADER.records]: String(records),
        [HEADER.events]: String(stream.events),
      },
      body,
      stream: stream.name,
      seq: stream.seq,
      records,
      events: stream.events,
    });
    stream.events = 0;
  }

  function cut(): void {
    for (const stream of streams) cutStream(stream);
  }

  return {
    totals,
    add(index, bytes, start, end) {
      const stream = streams[index] as Buffered;
      if (stream.bytes + end - start > stream.buffer.length) cutStream(stream);
      stream.buffer.set(bytes.subarray(start, end), stream.bytes);
      stream.bytes += end - start;
      stream.records++;
      totals.records++;
      totals.bytes += end - start;
    },
    countEvents(events) {
      for (const stream of streams) stream.events += events;
    },
    cut,
    standing: () => Object.fromEntries([...known].map(([name, { seq, events }]) => [name, { seq, events }])),
    goOn(from) {
      for (const [name, { seq, events }] of Object.entries(from)) {
        const stream = known.get(name) ?? openStream(name);
        known.set(name, stream);
        Object.assign(stream, { seq, events });
      }
    },
    seq: (stream) => known.get(stream)?.seq ?? 0,
    become(from) {
      cut();
      filter = from.filter;
      streams = openStreams(known, from);
    },
  };
}

function openStream(name: string): Buffered {
  return { name, buffer: NO_BUFFER, bytes: 0, records: 0, events: 0, seq: 0 };
}

/** Buffers of a version's streams; those of other streams are let go. */
function openStreams(known: Map<string, Buffered>, { streams, recordBytesMax }: PackedFilter): Buffered[] {
  const bufferBytes = messageBufferBytes(recordBytesMax);
  for (const stream of known.values()) if (!streams.includes(stream.name)) stream.buffer = NO_BUFFER;
  return streams.map((name) => {
    const stream = known.get(name) ?? openStream(name);
    known.set(name, stream);
    if (stream.buffer.length < bufferBytes) stream.buffer = Buffer.allocUnsafe(bufferBytes);
    return stream;
  });
}

function toNdjson(instance: string, records: Uint8Array): Buffer {
  return Buffer.from(jsonLines(instance, records, (record) => record));
}

/** What a filter emitted, as JSON lines; `shape` makes each line's value. Throws FILTER_FAULT when it is not CBOR. */
export function jsonLines(
  instance: string,
  records: Uint8Array,
  shape: (record: WireRecord) => WireRecord,
): string {
  let text = '';
  try {
    readJsonRecords(records, (record) => {
      text += `${jsonLine(shape(record))}\n`;
    });
  } catch (cause) {
    const found = printable(oneLine(cause));
    throw new WeirError('FILTER_FAULT', `filter ${instance}: expected records in CBOR, found ${found}`, {
      cause,
    });
  }
  return text;
}

/** The records of a message as they were packed. Throws on what does not unpack within the limit. */
export function unpackBody(headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const isGzip = headers[HEADER.contentEncoding] === 'gzip';
  return isGzip ? gunzipSync(body, { maxOutputLength: UNPACKED_BYTES_MAX }) : Buffer.from(body);
}

/**
 * Calls `each` for every record of a message, with values that JSON can say (json.ts), whatever its format. Throws a plain
 * error for a body that is not what its headers say: what comes from the network is hostile.
 */
export function unpack(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  each: (record: WireRecord) => void,
): void {
  const plain = unpackBody(headers, body);
  if (headers[HEADER.contentType] === CONTENT_CBOR) readJsonRecords(plain, each);
  else decodeRecords(plain, headers[HEADER.contentType] ?? '', each);
}
