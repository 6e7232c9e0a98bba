/**
 * What one message says of itself: its headers, as far as they agree with each other and with its subject.
 */
import { type Why, WHYS } from '../numbering.js';
import { DEAD_STREAM, HEADER, type StreamName } from '../wire.js';

type Headers = Readonly<Record<string, string>>;

/** The headers of a message that do not contradict each other. */
export interface Envelope {
  readonly epoch: string;
  /** Its number in the epoch, from 1. */
  readonly number: number;
  /** On the first message of an epoch. */
  readonly why: Why | undefined;
  /** Messages before the epoch that are gone for good. */
  readonly lost: number;
  readonly records: number;
  readonly events: number;
}

/** Reads the headers of a message on the subject of `name`; answers what is wrong with them as a text. */
export function readEnvelope(name: StreamName, headers: Headers): Envelope | string {
  const id = headers[HEADER.messageId] ?? '';
  const [, start = '', epoch = '', digits = ''] = /^(.*\/)([0-9a-f]{16})-(\d+)$/.exec(id) ?? [];
  const expected = `${name.appliance}/${name.filter}/${name.stream}/`;
  const number = whole(digits) ?? 0;
  if (start !== expected || number === 0) return unlike(HEADER.messageId, `${expected}<epoch>-<number>`, id);
  const claims: readonly (readonly [string, string])[] = [
    [HEADER.seq, String(number)],
    [HEADER.appliance, name.appliance],
    [HEADER.stream, name.stream],
  ];
  for (const [header, value] of claims)
    if (headers[header] !== value) return unlike(header, value, headers[header]);
  const filter = headers[HEADER.filter] ?? '';
  if (!FILTER_LABEL.test(filter)) return unlike(HEADER.filter, 'name@version+hash', filter);
  const records = whole(headers[HEADER.records]);
  const events = whole(headers[HEADER.events]);
  if (records === undefined || records === 0)
    return unlike(HEADER.records, 'a number from 1', headers[HEADER.records]);
  if (events === undefined) return unlike(HEADER.events, 'a number from 0', headers[HEADER.events]);
  const beginning = readBeginning(number, headers);
  return typeof beginning === 'string' ? beginning : { epoch, number, records, events, ...beginning };
}

const FILTER_LABEL = /^[\w-]{1,63}@\S{1,64}\+[0-9a-f]{12}$/;

/** Why its epoch began: the first message of one says so, and no other. */
function readBeginning(number: number, headers: Headers): Pick<Envelope, 'why' | 'lost'> | string {
  const [said, gone] = [headers[HEADER.epoch], headers[HEADER.lost]];
  const lost = gone === undefined ? 0 : whole(gone);
  if (number > 1) {
    if (said !== undefined) return unlike(HEADER.epoch, 'none but on message 1', said);
    return gone === undefined
      ? { why: undefined, lost: 0 }
      : unlike(HEADER.lost, 'none but on message 1', gone);
  }
  const why = WHYS.find((one) => one === said);
  if (why === undefined) return unlike(HEADER.epoch, `one of ${WHYS.join(', ')}`, said);
  if (lost === undefined || (gone !== undefined && lost === 0))
    return unlike(HEADER.lost, 'a number from 1', gone);
  return { why, lost };
}

/**
 * Place of the message before it on the subject, 0 when there was none, as the broker checked when it was stored; nothing where that is
 * not known. In a copy of another stream it would be a place there.
 */
export function placeBefore(headers: Headers): number | undefined {
  return headers[HEADER.copyOf] === undefined ? whole(headers[HEADER.follows]) : undefined;
}

/** Dead letters say of how many events they tell, not how many were read. */
export function countsEvents({ stream }: StreamName): boolean {
  return stream !== DEAD_STREAM;
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined;
}

function unlike(header: string, expected: string, found: string | undefined): string {
  return `${header}: expected ${expected}, found ${found === undefined ? 'none' : JSON.stringify(found.slice(0, 100))}`;
}
