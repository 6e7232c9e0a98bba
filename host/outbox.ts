/**
 * The outbox of one filter: its messages, and what was done to it, on their way to its spool.
 *
 * Both go there in one append, so that after a kill the spool tells exactly which records are out, and how the filter came
 * to emit them. What a disk does not take waits here, and the filter is not called meanwhile: files wait, inboxes drop
 * their oldest.
 */
import { OUTBOX_ROWS_MAX } from './limits.js';
import { messageEntry, type SpooledMessage } from './spool/payload.js';
import { commitEntry, type Done, type Row } from './spool/rows.js';
import type { SpoolSpace } from './spool/space.js';
import type { Spool } from './spool/spool.js';

export interface Outbox {
  send(message: SpooledMessage): void;
  note(row: Row): void;
  /** Writes what is here, if there is a message in it, or much else; called between two calls of the filter. */
  commit(after: () => After): void;
  /** Writes what is here, whatever it is; false when the disk does not take it. */
  commitAll(after: () => After): boolean;
  /** True when there is no room; what is urgent finds some for longer. */
  isFull(isUrgent?: boolean): boolean;
  /** True when there is not much room left. */
  isTight(): boolean;
  /** Something was done since the last checkpoint that it would have to include. */
  isDirty(): boolean;
  /** Calls since then. */
  calls(): number;
  /** Bytes of messages since then. */
  bytes(): number;
  /** A checkpoint holds all that was done so far. */
  mark(): void;
  /** Number of the last entry. */
  last(): number;
}

/** Where what was done has led. */
export type After = Pick<Done, 'filter' | 'ledger' | 'positions'>;

export interface OutboxOptions {
  readonly spool: Spool;
  readonly space: SpoolSpace;
  /** Something was appended. */
  readonly onAppended: () => void;
}

export function createOutbox({ spool, space, onAppended }: OutboxOptions): Outbox {
  let messages: SpooledMessage[] = [];
  let rows: Row[] = [];
  let isDirty = false;
  let calls = 0;
  let bytes = 0;
  /** Of the entry up to which what was done is known. */
  let behind = spool.last();
  let previous: Done | undefined;

  function write(after: () => After): boolean {
    const sent = messages.map(({ stream, seq, records, events }) => ({ stream, seq, records, events }));
    const done: Done = { ...after(), behind, rows, messages: sent };
    const commit = commitEntry({ ...done, ...(previous ? { previous } : {}) });
    if (!space.append(spool, [...messages.map(messageEntry), commit])) return false;
    previous = done;
    behind = spool.last();
    bytes += messages.reduce((sum, { body }) => sum + body.length, 0);
    messages = [];
    rows = [];
    onAppended();
    return true;
  }

  return {
    send: (message) => void messages.push(message),
    note(row) {
      // A tick that tells nothing only moves the clock on: the last one of several does that, too.
      if (row.kind === 'tick' && row.fuel === undefined && rows.at(-1)?.kind === 'tick') rows.pop();
      rows.push(row);
      if (row.kind !== 'tick') isDirty = true;
      calls++;
    },
    calls: () => calls,
    bytes: () => bytes,
    isDirty: () => isDirty,
    commit(after) {
      if (messages.length > 0 || rows.length >= OUTBOX_ROWS_MAX) write(after);
    },
    commitAll: (after) => (messages.length === 0 && rows.length === 0) || write(after),
    isFull: (isUrgent = false) =>
      space.isFull(isUrgent) || messages.length > 0 || rows.length >= OUTBOX_ROWS_MAX,
    isTight: () => space.isTight(),
    mark() {
      behind = spool.last();
      previous = undefined;
      rows = [];
      isDirty = false;
      calls = 0;
      bytes = 0;
    },
    last: () => spool.last(),
  };
}

/** Without a disk: messages go to `send`, and what was done is not kept. */
export function directOutbox(send: (message: SpooledMessage) => void): Outbox {
  return {
    send,
    note() {},
    commit() {},
    commitAll: () => true,
    isFull: () => false,
    isTight: () => false,
    isDirty: () => false,
    calls: () => 0,
    bytes: () => 0,
    mark() {},
    last: () => 0,
  };
}
