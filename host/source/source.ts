/**
 * A source is a named, replayable stream of bytes with positions; an event is one line of it.
 *
 * Each filter reads each of its sources through a cursor of its own, so that a slow or restarted filter
 * never moves another one's place. What can be read again (files) is read where it lies; what cannot (sockets,
 * pipes, directory watches) is first written to an inbox and read from there. The engine sees no difference.
 */

/** A cursor's place as plain JSON, kept across restarts; each kind of source knows its own shape. */
export type Position = unknown;

/** Where in a source bytes were read, as plain JSON, kept in the record of a call. */
export interface ReadPlace {
  /** Of a source of many files, the one, by device, inode and what it held. */
  readonly file?: string;
  /** In the file, or in all that the source has ever received. */
  readonly offset: number;
}

/** What a read found. */
export interface Chunk {
  /** Bytes written to the start of the target; 0 when there is nothing now. */
  readonly bytes: number;
  /** True when no byte will ever follow these: an unterminated last line is then an event. */
  readonly final: boolean;
}

/**
 * Copies bytes that were read before, from the offset in them, and fills `target`; false when they are not there any
 * more. What is read again is for a filter that has to go back after a fault.
 */
export type ReadAgain = (from: number, target: Uint8Array) => boolean;

/** One filter's reading place in one source. */
export interface Cursor {
  /**
   * Copies bytes from the current place to the start of `target`, without moving the place. Never blocks
   * for data; a later call sees the same bytes again until `advance`.
   */
  read(target: Uint8Array): Chunk;
  /** Moves the place past the first `bytes` bytes of the last read: whole events, or a part of a long one. */
  advance(bytes: number): void;
  /** A way to the bytes of the last read. They are kept for it until `settle`; after that it may still work. */
  keepLastRead(): ReadAgain;
  /** Where the last read began. */
  lastPlace(): ReadPlace;
  /** Fills `target` with the bytes from a place on, also of an earlier run; false when they are not there any more. */
  readAt(place: ReadPlace, target: Uint8Array): boolean;
  /** Moves the place there, also from one of an earlier run; `skipping` as below. False when that is not there any more. */
  goTo(place: ReadPlace, skipping: boolean): boolean;
  /** True when a bounded buffer needs the room of what is kept: it is time to `settle`. */
  isPressed(): boolean;
  /** Says that nothing that was read so far need be kept. */
  settle(): void;
  /** Says that the bytes of the last read hold no whole event yet: a source of many files then tries another. */
  pass(): void;
  /** True while the rest of a line that was longer than a batch is passed over; part of the position. */
  skipping: boolean;
  /** True when everything that the source will ever hold has been read; only bounded sources get there. */
  ended(): boolean;
  /** The place to come back to after a restart, and what was counted up to it; `undefined` where there is no way back. */
  position(): Position | undefined;
  /** Events that this cursor will never see because a bounded buffer had to drop them; only grows, over restarts too. */
  lostEvents(): number;
  /** Events that the source had to cut before this cursor could read or lose them; only grows, over restarts too. */
  cutEvents(): number;
  /** What had been lost and cut at the saved place from which this cursor goes on; absent: nothing. */
  readonly countsBefore?: { readonly lostEvents: number; readonly cutEvents: number };
  /**
   * Gives the place up: the source does not wait for it any more, and it is not read again in this run. `position` stays what it was. What
   * an inbox holds is lost, but for what a source that has ended keeps for the next run; what is in files is still there then.
   */
  close(): void;
  /** Takes the place that was given up again, as a restart would: of an inbox what it still holds, of files all that came since. */
  reopen(): void;
}

export interface Source {
  readonly name: string;
  /** Begins to listen, watch or look for files. Throws a `WeirError` when that cannot work. */
  open(): Promise<void>;
  /** A new reading place, at `saved` when given and still valid, else at the beginning of what is held. */
  cursor(saved?: Position): Cursor;
  /** Calls `wake` whenever bytes may have arrived; the engine then reads. One listener. */
  onData(wake: () => void): void;
  /** One line for each thing that a person should know of (a file that cannot be read, a full table). */
  onNotice(tell: (line: string) => void): void;
  /** Stops and frees everything: sockets, watches, children, descriptors. What was received stays readable. */
  close(): Promise<void>;
}
