/**
 * What a checkpoint says of a filter besides its memory, and what it is of: so that the next run, whatever it is given, can go on
 * with exactly that before it swaps.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Checkpoint, CheckpointFolder } from './checkpoint.js';
import { oneLine } from './errors.js';
import { manifestSource, parseManifest } from './filter/manifest.js';
import type { Standing } from './resume.js';
import type { Installed } from './versions.js';

/** What a checkpoint says besides the memory. */
export interface Head {
  readonly version: number;
  readonly standing: Standing;
  /** Of what, so that it can be started again. */
  readonly manifest: unknown;
  readonly module: string;
  readonly config: unknown;
  readonly timezone: string;
}

const VERSION = 1;

/** The head of a checkpoint of what runs. */
export function headOf({ entry, loaded }: Installed, standing: Standing, module: string): Head {
  const { config, timezone } = entry;
  return { version: VERSION, standing, manifest: manifestSource(loaded.manifest), module, config, timezone };
}

/** The newest checkpoint that can be understood. */
export function firstGood(
  found: readonly Checkpoint[],
  instance: string,
  notice: (line: string) => void,
): { readonly head: Head; readonly memory: Uint8Array } | undefined {
  for (const { number, head, memory } of found) {
    if (isHead(head)) return { head, memory };
    notice(`filter ${instance}: checkpoint ${number}: not used: not one of this version`);
  }
  return undefined;
}

function isHead(value: unknown): value is Head {
  const head = value as Partial<Head> | null;
  const standing = head?.standing as Partial<Standing> | undefined;
  return (
    head?.version === VERSION &&
    typeof head.module === 'string' &&
    typeof standing?.filter === 'string' &&
    Number.isSafeInteger(standing.through) &&
    [
      standing.counters,
      standing.total,
      standing.positions,
      standing.streams,
      standing.tally,
      standing.leftOut,
    ].every((part) => typeof part === 'object' && part !== null) &&
    Array.isArray(standing.globals)
  );
}

/** What a checkpoint is of, when that is another version than the installed one; nothing when it cannot be started. */
export function startable(
  installed: Installed,
  { manifest, module, config, timezone }: Head,
  folder: CheckpointFolder,
  notice: (line: string) => void,
): Installed | undefined {
  const { entry, loaded } = installed;
  const bytes = folder.module(module);
  const isSame =
    bytes?.equals(loaded.module) &&
    isDeepStrictEqual(asJson([manifestSource(loaded.manifest), entry.config, entry.timezone]), [
      manifest,
      config,
      timezone,
    ]);
  if (isSame) return installed;
  try {
    if (!bytes) throw new Error('its module is not there');
    const old = { manifest: parseManifest(manifest, `checkpoint of ${entry.instance}`), module: bytes };
    return { entry: { ...entry, config: config as Installed['entry']['config'], timezone }, loaded: old };
  } catch (error) {
    notice(`filter ${entry.instance}: what ran before cannot go on, its state is lost: ${oneLine(error)}`);
    return undefined;
  }
}

function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
