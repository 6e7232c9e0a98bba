/**
 * Positions: how far each filter has come in each source that can be read again, kept across restarts.
 *
 * One small JSON file in the data folder, written beside and renamed, so that it is always whole. The host
 * saves a place only once every message made from the events before it has been acknowledged: after a crash
 * events are read again rather than lost. What the file holds is hostile input, like anything from a disk.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from './errors.js';
import { POSITIONS_BYTES_MAX } from './limits.js';
import type { Cursor, Position } from './source/source.js';

/** Filter instance to source name to place. */
export type Positions = Readonly<Record<string, Readonly<Record<string, Position>>>>;

const VERSION = 1;

function positionsFile(dataFolder: string): string {
  return join(dataFolder, 'positions.json');
}

/** What was saved last; nothing when there is no file or it cannot be understood, which `notice` then says. */
export function loadPositions(dataFolder: string, notice: (line: string) => void): Positions {
  const path = positionsFile(dataFolder);
  try {
    const isReadable = statSync(path).size <= POSITIONS_BYTES_MAX;
    const saved: unknown = isReadable ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
    if (isSaved(saved)) return saved.positions;
    notice(`${path}: not a positions file of this version; every source is read from its beginning`);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      notice(`${path}: ${String(error)}; every source is read from its beginning`);
  }
  return {};
}

export function savePositions(dataFolder: string, positions: Positions): void {
  const path = positionsFile(dataFolder);
  const beside = `${path}.new`;
  writeFileSync(beside, `${JSON.stringify({ version: VERSION, positions })}\n`, { mode: 0o600, flush: true });
  renameSync(beside, path);
}

function isSaved(value: unknown): value is { version: number; positions: Positions } {
  const saved = value as { version?: unknown; positions?: unknown } | null;
  if (saved?.version !== VERSION || !isObject(saved.positions)) return false;
  return Object.values(saved.positions).every(isObject);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A filter and its places in its sources. */
export interface Reading {
  readonly instance: string;
  readonly cursors: ReadonlyMap<string, Pick<Cursor, 'position'>>;
}

/**
 * The places of all filters, to be saved. One that recovers from a fault has events in hand, which lie before its place: until it is done
 * what was taken of it before counts, and the others go on.
 */
export function createPlaces(
  filters: readonly Reading[],
  isRecovering: (instance: string) => boolean,
): () => Positions {
  let taken: Positions = Object.fromEntries(filters.map((filter) => [filter.instance, placesOf(filter)]));
  return () => {
    taken = Object.fromEntries(
      filters.map((filter) => {
        const { instance } = filter;
        return [instance, isRecovering(instance) ? (taken[instance] ?? {}) : placesOf(filter)];
      }),
    );
    return taken;
  };
}

function placesOf({ cursors }: Reading): Readonly<Record<string, Position>> {
  const places = [...cursors].map(([source, cursor]) => [source, cursor.position()] as const);
  return Object.fromEntries(places.filter(([, place]) => place !== undefined));
}

export interface Saver {
  /** Takes the places as they are and writes them once every message offered so far is acknowledged. */
  saveWhenAcknowledged(): void;
  /** Writes the places as they are. */
  saveNow(): void;
}

/** `places` tells the present positions; `acknowledged` resolves when all messages offered before are stored. */
export function createSaver(
  dataFolder: string,
  places: () => Positions,
  acknowledged: () => Promise<void>,
  notice: (line: string) => void,
): Saver {
  let isWaiting = false;
  let written = '';

  function write(positions: Positions): void {
    const text = JSON.stringify(positions);
    if (text === written) return;
    try {
      savePositions(dataFolder, positions);
      written = text;
    } catch (error) {
      notice(`positions cannot be saved, events will be read again after a restart: ${String(error)}`);
    }
  }

  return {
    saveWhenAcknowledged() {
      if (isWaiting) return;
      isWaiting = true;
      const positions = places();
      void acknowledged().then(() => {
        isWaiting = false;
        write(positions);
      });
    },
    saveNow() {
      write(places());
    },
  };
}
