/**
 * What travels on NATS: subjects, headers, and the decoding of message bodies. Browser-safe: no Node module.
 * The design's wire format is a contract with every subscriber; a change here is a new version of it.
 */
import { Decoder } from 'cbor-x/decode';
import { Encoder } from 'cbor-x/encode';

/** JetStream stream that holds all events. */
export const STREAM_NAME = 'WEIR';
/** Subjects of that stream: events, and dead letters. */
export const EVENTS_WILDCARD = 'weir.ev.>';
export const DEAD_WILDCARD = 'weir.dead.>';

/** Of a fleet: the bucket of signed files, the last status of each host, what was done; and where that something is new is told. */
export const REPOSITORY_BUCKET = 'WEIR_REPO';
export const REPOSITORY_STREAM = `KV_${REPOSITORY_BUCKET}`;
export const REPOSITORY_WILDCARD = `$KV.${REPOSITORY_BUCKET}.>`;
export const STATUS_STREAM = 'WEIR_STATUS';
export const STATUS_WILDCARD = 'weir.status.*';
export const AUDIT_STREAM = 'WEIR_AUDIT';
export const AUDIT_WILDCARD = 'weir.audit.*';
/** Operators' audit, in a stream of its own, whose room no appliance can take. */
export const FLEET_STREAM = 'WEIR_FLEET';
export const FLEET_AUDIT_SUBJECT = 'weir.fleet.audit';
export const ANNOUNCE_SUBJECT = 'weir.fleet.announce';

export const CONTENT_CBOR = 'application/cbor-seq';
export const CONTENT_NDJSON = 'application/x-ndjson';

/** The stream of every filter that the host itself writes; no filter may have one of this name. */
export const LEDGER_STREAM = 'ledger';
/** What dead letters are called where a stream is named; no filter may have one of this name. */
export const DEAD_STREAM = 'dead';

export const HEADER = {
  contentType: 'Content-Type',
  contentEncoding: 'Content-Encoding',
  messageId: 'Nats-Msg-Id',
  appliance: 'Weir-Appliance',
  filter: 'Weir-Filter',
  stream: 'Weir-Stream',
  seq: 'Weir-Seq',
  records: 'Weir-Records',
  events: 'Weir-Events',
  /** On the first message of an epoch: why it began, and how many messages before it are gone for good. */
  epoch: 'Weir-Epoch',
  lost: 'Weir-Lost',
  /** JetStream's own: place of the message before on the subject, which it has checked; and that it is a copy of another stream's. */
  follows: 'Nats-Expected-Last-Subject-Sequence',
  copyOf: 'Nats-Stream-Source',
} as const;

/** One NATS message, ready to publish. */
export interface Message {
  readonly subject: string;
  /** Header name to value; every value is printable ASCII. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** It may be dropped where the broker refuses it: what it tells is counted elsewhere. */
  readonly isOptional?: boolean;
}

/** A record as subscribers see it. */
export type WireRecord = Record<string, unknown>;

/** Names that become subject tokens: 1 to 63 of letters, digits, `_` and `-`. */
export const NAME_PATTERN = /^[A-Za-z0-9_-]{1,63}$/;

export function eventSubject(appliance: string, filter: string, stream: string): string {
  return `weir.ev.${appliance}.${filter}.${stream}`;
}

/** A pattern for all streams of an appliance. */
export function ownSubjects(appliance: string): string {
  return `weir.ev.${appliance}.>`;
}

export function deadSubject(appliance: string, filter: string): string {
  return `weir.dead.${appliance}.${filter}`;
}

/** Whose stream a subject is; nothing when it is none of weir's. */
export function streamOf(subject: string): StreamName | undefined {
  const [weir, kind, appliance = '', filter = '', stream = '', ...more] = subject.split('.');
  const found = { appliance, filter, stream: kind === 'dead' && stream === '' ? DEAD_STREAM : stream };
  const isOurs = weir === 'weir' && (kind === 'ev' ? stream !== '' : kind === 'dead' && stream === '');
  const isGood = more.length === 0 && Object.values(found).every((name) => NAME_PATTERN.test(name));
  return isOurs && isGood ? found : undefined;
}

/** A stream of a filter of an appliance; dead letters are one, too. */
export interface StreamName {
  readonly appliance: string;
  readonly filter: string;
  readonly stream: string;
}

export function statusSubject(appliance: string): string {
  return `weir.status.${appliance}`;
}

export function auditSubject(appliance: string): string {
  return `weir.audit.${appliance}`;
}

/** The stream that keeps an audit. */
export function auditStream(subject: string): string {
  return subject === FLEET_AUDIT_SUBJECT ? FLEET_STREAM : AUDIT_STREAM;
}

/** Where answers to an appliance come. Whole tokens, as the patterns of permissions have them. */
export function inboxPrefix(appliance: string): string {
  return `_INBOX.${appliance}`;
}

export function messageId(
  appliance: string,
  filter: string,
  stream: string,
  epoch: string,
  seq: number,
): string {
  return `${appliance}/${filter}/${stream}/${epoch}-${seq}`;
}

/** Epoch and number of a message id; empty and 0 when it is none of weir's. */
export function numberOfId(id: string): { readonly epoch: string; readonly number: number } {
  const [, epoch = '', digits = '0'] = /\/([0-9a-f]+)-(\d{1,15})$/.exec(id) ?? [];
  return { epoch, number: Number(digits) };
}

const OPTIONS = { useRecords: false, mapsAsObjects: true, int64AsNumber: true };
const decoder = new Decoder(OPTIONS);
const encoder = new Encoder({ ...OPTIONS, variableMapSize: true });
/** The encoder writes larger whole numbers as floats, unless they are BigInts. */
const UINT32_MAX = 2 ** 32 - 1;

/** A record of the host's own: whole numbers, booleans, and maps of them, in CBOR as filters write it. */
export function encodeRecord(record: WireRecord): Uint8Array {
  return encoder.encode(integers(record));
}

function integers(value: unknown): unknown {
  if (typeof value === 'number') return value > UINT32_MAX ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, integers(inner)]));
}

/**
 * Calls `each` for every record of an unpacked body, in order. Throws a plain error on bytes that are not
 * what `contentType` says: what comes from the network is hostile.
 */
export function decodeRecords(
  body: Uint8Array,
  contentType: string,
  each: (record: WireRecord) => void,
): void {
  if (contentType === CONTENT_NDJSON) {
    for (const line of new TextDecoder().decode(body).split('\n')) if (line !== '') each(JSON.parse(line));
    return;
  }
  if (contentType !== CONTENT_CBOR) throw new Error(`content type ${contentType} is not one of weir's`);
  if (body.length > 0) decoder.decodeMultiple(body, (record) => each(record as WireRecord));
}
