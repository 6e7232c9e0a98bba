/**
 * What a courier writes down: how far its spool is settled, and the numbers of its streams. It is believed whole or not at all.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile, sealed, unsealed } from './durable.js';
import { type Numbering, type Past, WHYS } from './numbering.js';

const VERSION = 1;

export interface Published {
  /** Everything up to this entry of the spool is settled. */
  readonly through: number;
  readonly streams: Readonly<Record<string, Numbering>>;
}

export interface Notes {
  /** What was written down by the run before; nothing when there is no such file, or another one. */
  readonly saved: Published | undefined;
  readonly path: string;
  /** Writes what is new. Throws the system's error. */
  save(published: Published, isSafe: boolean): void;
}

export function openNotes(folder: string): Notes {
  const path = join(folder, 'published.json');
  let written = '';
  return {
    saved: readPublished(path),
    path,
    save({ through, streams }, isSafe) {
      const text = JSON.stringify({ version: VERSION, through, streams });
      if (text === written) return;
      replaceFile(path, sealed(text), isSafe);
      written = text;
    },
  };
}

function readPublished(path: string): Published | undefined {
  try {
    const text = unsealed(readFileSync(path, 'utf8'));
    const saved = text && (JSON.parse(text) as Partial<Published> & { version?: unknown });
    if (!saved || saved.version !== VERSION || !Number.isSafeInteger(saved.through)) return undefined;
    const { through, streams = {} } = saved as Published;
    if (!Object.values(streams).every(isNumbering)) return undefined;
    // Hosts of before did not write down which epochs there had been.
    const known = Object.entries(streams).map(([name, one]) => [name, { ...one, past: one.past ?? [] }]);
    return { through, streams: Object.fromEntries(known) };
  } catch {
    return undefined;
  }
}

function isNumbering(value: Partial<Numbering> | null): boolean {
  const { epoch, base, stored, sequence, lost, why, past = [] } = value ?? {};
  return (
    isEpoch(epoch) &&
    WHYS.some((one) => one === why) &&
    [base, stored, sequence, lost].every(isCount) &&
    Array.isArray(past) &&
    past.every((one: Partial<Past> | null) => isCount(one?.base) && isCount(one?.end))
  );
}

function isEpoch(value: unknown): boolean {
  return /^[0-9a-f]{16}$/.test(String(value));
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
