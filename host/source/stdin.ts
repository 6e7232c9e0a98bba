/**
 * The `stdin` source: lines of standard input.
 *
 * It waits instead of dropping, so a file on standard input is read whole, at the pace of the slowest filter. At
 * the end of input an unterminated last line is an event, and the source ends once all of it is read.
 */
import type { Readable } from 'node:stream';
import { systemCode } from '../errors.js';
import { createFeed, type Feed } from './feed.js';
import { createInbox, INBOX_DEFAULTS, type InboxOptions } from './inbox.js';
import { createNotices } from './notices.js';
import type { Source } from './source.js';
import { createLineSplitter } from './splitter.js';

export interface StdinOptions {
  /** Read instead of the standard input of this process; a stream of bytes. */
  readonly input?: Readable;
  readonly inbox?: InboxOptions;
}

export interface StdinSource extends Source {
  /** Lines that were longer than the limit and were cut. */
  truncatedEvents(): number;
}

export function createStdinSource(name: string, options: StdinOptions = {}): StdinSource {
  const inbox = createInbox(options.inbox ?? INBOX_DEFAULTS);
  const notices = createNotices(name);
  let opened: { readonly input: Readable; readonly feed: Feed } | undefined;

  return {
    name,
    async open() {
      const input = options.input ?? process.stdin;
      const feed = createFeed({
        stream: input,
        inbox,
        createParser: createLineSplitter,
        onEnd: inbox.end,
        onError: (error) => notices.say(`reading broke off (${systemCode(error) || error.message})`),
      });
      opened = { input, feed };
    },
    cursor: inbox.cursor,
    onData: inbox.onData,
    onNotice: notices.onNotice,
    async close() {
      opened?.feed.finish();
      opened?.input.destroy();
      inbox.end();
    },
    truncatedEvents: inbox.truncatedEvents,
  };
}
