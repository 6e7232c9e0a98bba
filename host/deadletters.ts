/**
 * Dead letters: what a filter could not bear, one message for each event, on `weir.dead.<appliance>.<filter>`.
 *
 * The body is one line of JSON, so that a person reads it in any NATS client. Of the event it tells what the manifest allows.
 * In one window of the ledger a filter has `DEAD_LETTERS_MAX` of them; the ledger counts all.
 */
import { isUtf8 } from 'node:buffer';
import { oneLine, WeirError } from './errors.js';
import type { Manifest } from './filter/manifest.js';
import { FilterFault } from './filter/fault.js';
import { DEAD_LETTERS_MAX, DEAD_LINE_BYTES_MAX, LEDGER_WINDOW_MS } from './limits.js';
import type { SpooledMessage } from './spool/payload.js';
import { CONTENT_NDJSON, DEAD_STREAM, deadSubject, HEADER } from './wire.js';

export interface DeadLetter {
  readonly nowMs: number;
  readonly error: unknown;
  /** Absent for a tick, or something that was due, which is no event. */
  readonly source: string | undefined;
  /** The event with its LF. */
  readonly line: Uint8Array;
  /** Events that had gone into something that was due, of which no record tells now. */
  readonly lost?: number;
  readonly manifest: Manifest;
  /** `name@version+hash` of the module. */
  readonly filter: string;
}

export interface DeadLettersOptions {
  readonly appliance: string;
  readonly instance: string;
  readonly send: (message: SpooledMessage) => void;
}

export interface DeadLetters {
  bury(letter: DeadLetter): void;
  /** Number of the last one. */
  seq(): number;
  /** Goes on behind that. */
  goOn(seq: number): void;
}

/** Sends dead letters of one filter, as far as their number allows. */
export function createDeadLetters(options: DeadLettersOptions): DeadLetters {
  const { appliance, instance, send } = options;
  let seq = 0;
  let window = Number.NaN;
  let inWindow = 0;

  function bury(letter: DeadLetter): void {
    const now = Math.floor(letter.nowMs / LEDGER_WINDOW_MS);
    if (now !== window) inWindow = 0;
    window = now;
    if (++inWindow > DEAD_LETTERS_MAX) return;
    seq++;
    const events = letter.source === undefined ? 0 : 1;
    send({
      subject: deadSubject(appliance, instance),
      headers: {
        [HEADER.contentType]: CONTENT_NDJSON,
        [HEADER.appliance]: appliance,
        [HEADER.filter]: letter.filter,
        [HEADER.stream]: DEAD_STREAM,
        [HEADER.records]: '1',
        [HEADER.events]: String(events),
      },
      body: Buffer.from(`${JSON.stringify(bodyOf(letter))}\n`),
      isOptional: true,
      stream: DEAD_STREAM,
      seq,
      records: 1,
      events,
    });
  }

  return {
    bury,
    seq: () => seq,
    goOn(from) {
      seq = from;
    },
  };
}

function bodyOf({ nowMs, error, source, line, lost, manifest }: DeadLetter) {
  const event = line.subarray(0, Math.max(line.length - 1, 0));
  return {
    ts: nowMs,
    kind: error instanceof FilterFault ? error.kind : 'rules',
    reason: error instanceof WeirError ? error.problem : oneLine(error),
    ...(lost === undefined ? {} : { lost }),
    ...(source === undefined ? {} : { source, bytes: event.length, ...told(event, manifest.deadLetter) }),
  };
}

function told(event: Uint8Array, what: Manifest['deadLetter']): Readonly<Record<string, unknown>> {
  if (what === 'length') return {};
  const start = Buffer.from(event.subarray(0, DEAD_LINE_BYTES_MAX));
  const cut = event.length > DEAD_LINE_BYTES_MAX ? { truncated: true } : {};
  if (what === 'masked') return { masked: mask(start.toString('latin1')), ...cut };
  // What is cut within a character is not UTF-8 either, and goes the same way: exact.
  return isUtf8(start)
    ? { line: start.toString('utf8'), ...cut }
    : { line_base64: start.toString('base64'), ...cut };
}

/** The shape of a line: `a` for a letter, `0` for a digit, `?` for what is not ASCII. */
function mask(text: string): string {
  return text
    .replace(/[A-Za-z]/g, 'a')
    .replace(/\d/g, '0')
    .replace(/[^\x20-\x7e]/g, '?');
}
