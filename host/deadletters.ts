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
import { CONTENT_NDJSON, DEAD_STREAM, deadSubject, HEADER, type Message, messageId } from './wire.js';

export interface DeadLetter {
  readonly nowMs: number;
  readonly error: unknown;
  /** Absent for a tick, which has no event. */
  readonly source: string | undefined;
  /** The event with its LF. */
  readonly line: Uint8Array;
  readonly manifest: Manifest;
  /** `name@version+hash` of the module. */
  readonly filter: string;
}

export interface DeadLettersOptions {
  readonly appliance: string;
  readonly instance: string;
  readonly epoch: string;
  readonly send: (message: Message) => void;
}

/** Sends dead letters of one filter, as far as their number allows. */
export function createDeadLetters(options: DeadLettersOptions): (letter: DeadLetter) => void {
  const { appliance, instance, epoch, send } = options;
  let seq = 0;
  let window = Number.NaN;
  let inWindow = 0;
  return (letter) => {
    const now = Math.floor(letter.nowMs / LEDGER_WINDOW_MS);
    if (now !== window) inWindow = 0;
    window = now;
    if (++inWindow > DEAD_LETTERS_MAX) return;
    seq++;
    send({
      subject: deadSubject(appliance, instance),
      headers: {
        [HEADER.contentType]: CONTENT_NDJSON,
        [HEADER.messageId]: messageId(appliance, instance, DEAD_STREAM, epoch, seq),
        [HEADER.appliance]: appliance,
        [HEADER.filter]: letter.filter,
        [HEADER.stream]: DEAD_STREAM,
        [HEADER.seq]: String(seq),
        [HEADER.records]: '1',
        [HEADER.events]: letter.source === undefined ? '0' : '1',
      },
      body: Buffer.from(`${JSON.stringify(bodyOf(letter))}\n`),
      isOptional: true,
    });
  };
}

function bodyOf({ nowMs, error, source, line, manifest }: DeadLetter) {
  const event = line.subarray(0, Math.max(line.length - 1, 0));
  return {
    ts: nowMs,
    kind: error instanceof FilterFault ? error.kind : 'rules',
    reason: error instanceof WeirError ? error.problem : oneLine(error),
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
