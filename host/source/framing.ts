/**
 * Syslog messages out of the bytes of one TCP connection (RFC 6587).
 *
 * Both framings are taken, frame by frame: one that begins with a digit from 1 to 9 is octet-counted
 * (`<length> <message>`), any other one ends with LF. A message is handed out byte for byte, as a view good until
 * the call returns; one longer than the limit is cut there and the next frame is intact. Nothing that came is
 * thrown away: digits that are no octet count begin a line, and what is left when the connection ends is an event.
 * A sender that counts wrongly harms the events of its own connection alone. At most one message is held.
 */
import { createGather, createLineSplitter, type OnEvent, type Parser } from './splitter.js';

const SPACE = 32;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const NOTHING = new Uint8Array(0);
/** Seven digits; no message is that long, so more of them are no count. */
const OCTETS_MAX = 9_999_999;

export interface Framing extends Parser {
  /** Frames that began like an octet count and were none; they were read as lines. */
  badCounts(): number;
}

export function createFraming(eventBytesMax: number, onEvent: OnEvent, hasRoom = () => true): Framing {
  /** What the next byte belongs to. */
  let state: 'start' | 'count' | 'octets' | 'line' = 'start';
  /** In `count`: its value so far. In `octets`: how many are still to come. */
  let octets = 0;
  let badCounts = 0;
  const message = createGather(eventBytesMax + 1);
  // It takes one line and then stops, because the next frame may be of the other kind.
  const line = createLineSplitter(eventBytesMax, deliverLine, () => state === 'line');

  function deliverLine(...[event, extent]: Parameters<OnEvent>): void {
    state = 'start';
    // An empty line is no message: some senders end octet-counted messages with LF as well.
    if (event.length > 0) onEvent(event, extent);
  }

  function deliverMessage(event: Uint8Array): void {
    state = 'start';
    if (event.length > eventBytesMax) onEvent(event.subarray(0, eventBytesMax), 'cut');
    else onEvent(event, 'whole');
  }

  /** The digits so far were the beginning of a line. They had no leading zero, so the number gives them back. */
  function continueAsLine(): void {
    state = 'line';
    line.push(Buffer.from(String(octets)));
  }

  /** RFC 6587 section 3.4.1: MSG-LEN = NONZERO-DIGIT *DIGIT, then SP. Returns where to go on. */
  function takeCount(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] as number;
    const longer = octets * 10 + byte - DIGIT_0;
    if (isDigit(byte) && longer <= OCTETS_MAX) {
      octets = longer;
      return at + 1;
    }
    if (byte === SPACE) {
      state = 'octets';
      return at + 1;
    }
    badCounts += 1;
    continueAsLine();
    return at;
  }

  function takeOctets(bytes: Uint8Array, at: number): number {
    const piece = bytes.subarray(at, at + octets);
    octets -= piece.length;
    if (octets > 0) message.add(piece);
    else deliverMessage(message.join(piece));
    return at + piece.length;
  }

  function take(bytes: Uint8Array, at: number): number {
    switch (state) {
      case 'start':
        octets = 0;
        state = isDigit(bytes[at] as number) && bytes[at] !== DIGIT_0 ? 'count' : 'line';
        return at;
      case 'count':
        return takeCount(bytes, at);
      case 'octets':
        return takeOctets(bytes, at);
      case 'line':
        // RFC 6587 section 3.4.2: the trailer is LF with nearly all senders.
        return at + line.push(bytes.subarray(at));
    }
  }

  return {
    push(bytes) {
      let at = 0;
      while (at < bytes.length && hasRoom()) at = take(bytes, at);
      return at;
    },
    end() {
      if (state === 'count') continueAsLine();
      line.end();
      const unfinished = message.join(NOTHING);
      if (unfinished.length > 0) onEvent(unfinished.subarray(0, eventBytesMax), 'cut');
      state = 'start';
    },
    badCounts: () => badCounts,
  };
}

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}
