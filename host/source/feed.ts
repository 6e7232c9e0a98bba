/**
 * A feed: the bytes of a stream, through a parser, into an inbox, for streams that can be made to wait.
 *
 * Bytes are taken from the stream only while the inbox has room for an event of any size; otherwise the stream
 * stays as it is, its sender is held up by the pipe or the connection, and nothing is lost. It pulls, it is not
 * pushed: Node sets a paused stdout flowing again when its child ends, but never one that is read by `readable`.
 * Holds at most one chunk and one unfinished event.
 */
import type { Readable } from 'node:stream';
import type { Inbox } from './inbox.js';
import type { CreateParser } from './splitter.js';

const NOTHING: Uint8Array = new Uint8Array(0);

export interface FeedOptions {
  readonly stream: Readable;
  readonly inbox: Inbox;
  readonly createParser: CreateParser;
  /** Called once, when everything that the stream gave is in the inbox. */
  readonly onEnd: () => void;
  readonly onError: (error: Error) => void;
}

export interface Feed {
  /** True while bytes that have arrived wait for room in the inbox. */
  isWaiting(): boolean;
  /** Takes what has arrived, room or not, and ends: the stream is about to be destroyed. */
  finish(): void;
}

export function createFeed({ stream, inbox, createParser, onEnd, onError }: FeedOptions): Feed {
  let state: 'open' | 'waiting' | 'finishing' | 'finished' = 'open';
  let hasStreamEnded = false;
  let held = NOTHING;
  const hasRoom = () => state === 'finishing' || inbox.freeBytes() > inbox.eventBytesMax;
  const parser = createParser(inbox.eventBytesMax, inbox.append, hasRoom);

  function pull(): void {
    while (state === 'open') {
      held = held.subarray(parser.push(held));
      if (held.length > 0) {
        wait();
        return;
      }
      const chunk: Uint8Array | null = stream.read();
      if (chunk === null) break;
      held = chunk;
    }
    if (state !== 'open' || !hasStreamEnded) return;
    if (hasRoom()) finish();
    else wait();
  }

  function wait(): void {
    state = 'waiting';
    inbox.onSpace(() => {
      if (state !== 'waiting') return;
      state = 'open';
      pull();
    });
  }

  function finish(): void {
    if (state === 'finished') return;
    state = 'finishing';
    parser.push(held);
    const arrived: Uint8Array | null = stream.read();
    if (arrived !== null) parser.push(arrived);
    parser.end();
    held = NOTHING;
    state = 'finished';
    onEnd();
  }

  function streamEnded(): void {
    hasStreamEnded = true;
    pull();
  }

  stream.on('readable', pull);
  stream.on('end', streamEnded);
  // Without 'end' when the stream broke.
  stream.on('close', streamEnded);
  stream.on('error', onError);
  return { isWaiting: () => state === 'waiting', finish };
}
