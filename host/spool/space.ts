/**
 * The room on the disk that all spools share: how much they have, how much is left, and how safe it is.
 *
 * Spools take `bytesMax` and what one more batch of each filter emits; and nothing when the file system has less than
 * `freeBytes` left for everybody else. What is written is safe from a loss of power at once, within a second, or whenever the
 * system likes, as the config says; from a kill of the host it is safe in any case.
 */
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { oneLine } from '../errors.js';
import { NOTICE_EVERY_MS, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_PARTS } from '../limits.js';
import { createSpool, type NewEntry, type Spool } from './spool.js';

/** Of the room. */
const URGENT_SHARE = 0.1;

export type SyncPolicy = 'none' | 'interval' | 'always';

export interface SpaceOptions {
  readonly dataFolder: string;
  readonly bytesMax: number;
  readonly freeBytes: number;
  readonly sync: SyncPolicy;
  readonly notice: (line: string) => void;
  /** What was written has become safe. */
  readonly onSafe: () => void;
}

export interface SpoolSpace {
  /** The spool of a filter; `numbersFrom` as a checkpoint knows it. */
  open(instance: string, numbersFrom: number): Spool;
  /** Appends to a spool; false when the disk does not take it, which is told. */
  append(spool: Spool, entries: readonly NewEntry[]): boolean;
  /** True when no more is to be made; a tenth of the room is for what is urgent alone. */
  isFull(isUrgent?: boolean): boolean;
  /** True when half of the room is taken. */
  isTight(): boolean;
  /** Number of the last entry of a spool that may be published. */
  safe(spool: Spool): number;
  bytes(): number;
  /** What it may take. */
  readonly bytesMax: number;
  /** Why no more is made now: the limit of which it is full, or that the disk did not take the last append. */
  whyFull(): 'limits.spool' | 'disk.free' | 'disk' | undefined;
  /** Once a second: looks at the disk, and makes safe what is to be. */
  tick(): void;
  close(): Promise<void>;
}

export function createSpoolSpace(options: SpaceOptions): SpoolSpace {
  const { dataFolder, bytesMax, freeBytes, sync, notice, onSafe } = options;
  const folder = join(dataFolder, 'spool');
  const segmentBytes = Math.min(Math.max(bytesMax / SEGMENT_PARTS, SEGMENT_BYTES_MIN), SEGMENT_BYTES_MAX);
  const spools = new Set<Spool>();
  const unsafe = new Set<Spool>();
  const safe = new Map<Spool, number>();
  const quietUntilMs = { full: 0, low: 0, disk: 0 };
  let hasSaid = false;
  let isLow = false;
  let isRefused = false;

  const isOver = (isUrgent: boolean) => bytes() >= bytesMax * (isUrgent ? 1 : 1 - URGENT_SHARE);
  const bytes = () => [...spools].reduce((sum, spool) => sum + spool.bytes(), 0);

  /** Each kind of trouble is told once in a while: on one disk several come together, and a log that lies there feeds them. */
  function say(kind: keyof typeof quietUntilMs, problem: string): void {
    if (performance.now() < quietUntilMs[kind]) return;
    hasSaid = true;
    quietUntilMs[kind] = performance.now() + NOTICE_EVERY_MS;
    notice(`spool: ${problem}; until there is room files wait, and what cannot wait drops its oldest events`);
  }

  /** That there is room again, once it was told that there is none. */
  function sayRoom(): void {
    if (!hasSaid || isRefused || isLow || isOver(false)) return;
    hasSaid = false;
    notice('spool: there is room again');
  }

  function makeSafe(spool: Spool): void {
    if (!unsafe.delete(spool)) return;
    const last = spool.last();
    spool.sync().then(
      () => {
        safe.set(spool, last);
        onSafe();
      },
      (error) => {
        unsafe.add(spool);
        say('disk', oneLine(error));
      },
    );
  }

  return {
    open(instance, numbersFrom) {
      const spool = createSpool({ folder: join(folder, instance), segmentBytes, numbersFrom });
      spools.add(spool);
      safe.set(spool, spool.last());
      return spool;
    },
    append(spool, entries) {
      try {
        spool.append(entries);
        isRefused = false;
      } catch (error) {
        isRefused = true;
        say('disk', oneLine(error));
        return false;
      }
      unsafe.add(spool);
      if (sync === 'always') makeSafe(spool);
      return true;
    },
    isFull(isUrgent = false) {
      const isFull = isLow || isOver(isUrgent);
      if (isFull && !isLow) say('full', `full, as limits.spool of ${bytesMax} bytes says`);
      return isFull;
    },
    isTight: () => bytes() >= bytesMax / 2,
    safe: (spool) => (sync === 'always' ? (safe.get(spool) ?? 0) : spool.last()),
    bytes,
    bytesMax,
    whyFull: () => (isRefused ? 'disk' : isLow ? 'disk.free' : isOver(false) ? 'limits.spool' : undefined),
    tick() {
      try {
        const { bavail, bsize } = statfsSync(dataFolder);
        isLow = bavail * bsize < freeBytes;
        if (isLow)
          say('low', `${bavail * bsize} bytes are free on its disk, less than disk.free of ${freeBytes}`);
      } catch (error) {
        // What it cannot tell does not end the host: a write that fails says more.
        say('disk', oneLine(error));
      }
      sayRoom();
      if (sync !== 'none') for (const spool of [...unsafe]) makeSafe(spool);
    },
    async close() {
      for (const spool of spools) {
        if (sync !== 'none') await spool.sync().catch(() => {});
        await spool.close();
      }
    },
  };
}
