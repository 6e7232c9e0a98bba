/**
 * What a filter remembers: the collections in its state region, by name, and how a new version takes them over.
 *
 * A filter lists its streams and collections in a registry while it starts. The registry is read once, then, as hostile
 * input: it must lie in the memory, names must be short and printable, collections must lie in the state region, apart
 * from each other, and no two of a kind may share a name.
 *
 * A collection of the same name, kind, parameters and bytes means the same in any filter (`runtime/abi.ts`), and holds
 * no address, so taking it over is one copy. What was copied is hostile to the new filter as its input is: it may
 * end that filter, and nothing else.
 */
import { printable, WeirError } from '../errors.js';
import {
  EVENTS_OPEN_AT,
  KIND_EVENTS,
  KIND_STREAM,
  KIND_WINDOW,
  MAP,
  REGISTRY_ENTRIES_MAX,
  REGISTRY_ENTRY_BYTES,
  WINDOW_OPEN_AT,
} from './abi.js';
import type { Manifest } from './manifest.js';

export interface Collection {
  readonly kind: number;
  readonly name: string;
  readonly parameters: readonly [number, number, number];
  /** Where it lies in the state region. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Registry {
  /** Names, in the order of their indexes. */
  readonly streams: readonly string[];
  readonly collections: readonly Collection[];
}

/** A filter, as far as its state goes. */
export interface Stateful {
  readonly collections: readonly Collection[];
  /** The state region itself. */
  readonly state: Buffer;
}

const NAME_BYTES_MAX = 64;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads the registry of a filter that has started; `words` is its map. */
export function readRegistry(manifest: Manifest, memory: Buffer, words: Uint32Array): Registry {
  const refuse = (what: string) => new WeirError('MODULE_REFUSED', `filter ${manifest.name}: ${what}`);
  const table = words[MAP.registry / 4] as number;
  const entries = words[MAP.registry / 4 + 1] as number;
  if (entries > REGISTRY_ENTRIES_MAX || table + entries * REGISTRY_ENTRY_BYTES > memory.length)
    throw refuse('its registry lies outside its memory');

  function nameAt(start: number, bytes: number): string {
    if (start + bytes > memory.length) throw refuse('its registry lies outside its memory');
    if (bytes === 0 || bytes > NAME_BYTES_MAX)
      throw refuse(`a name in its registry: expected 1 to ${NAME_BYTES_MAX} bytes, found ${bytes}`);
    const name = textOf(memory.subarray(start, start + bytes));
    if (name === undefined)
      throw refuse('a name in its registry: expected printable UTF-8, found other bytes');
    return name;
  }

  const streams: string[] = [];
  const collections: Collection[] = [];
  for (let at = table; at < table + entries * REGISTRY_ENTRY_BYTES; at += REGISTRY_ENTRY_BYTES) {
    const word = (number: number) => memory.readUInt32LE(at + 4 * number);
    const kind = word(0);
    const name = nameAt(word(1), word(2));
    if (kind === KIND_STREAM) streams.push(name);
    else
      collections.push({
        kind,
        name,
        parameters: [word(3), word(4), word(7)],
        offset: word(5),
        bytes: word(6),
      });
  }
  const problem = problemOf(collections, manifest.memory.state);
  if (problem !== undefined) throw refuse(problem);
  return { streams, collections };
}

/**
 * Events that a filter has counted and not told yet, as it says: hostile, so never more than `most`. At least those that are in no
 * record, more where some windows that are not the latest have been told and others not.
 */
export function openEvents({ collections, state }: Stateful, most: number): number {
  const u64 = (at: number) => state.readUInt32LE(at) + state.readUInt32LE(at + 4) * 2 ** 32;
  let open = 0;
  for (const { kind, offset, bytes } of collections) {
    if (kind === KIND_WINDOW && bytes >= WINDOW_OPEN_AT + 16)
      open += u64(offset + WINDOW_OPEN_AT) + u64(offset + WINDOW_OPEN_AT + 8);
    if (kind === KIND_EVENTS && bytes >= EVENTS_OPEN_AT + 4)
      open += state.readUInt32LE(offset + EVENTS_OPEN_AT);
  }
  return Math.min(open, most);
}

/** The first reason against a list of collections. */
function problemOf(collections: readonly Collection[], stateBytes: number): string | undefined {
  const seen = new Set<string>();
  let before: Collection | undefined;
  for (const found of [...collections].sort((one, two) => one.offset - two.offset || one.bytes - two.bytes)) {
    const { kind, name, offset, bytes } = found;
    const place = `${offset} to ${offset + bytes}`;
    if (offset + bytes > stateBytes)
      return `collection ${name}: expected a place in its state of ${stateBytes} bytes, found ${place}`;
    if (before !== undefined && offset < before.offset + before.bytes)
      return `collection ${name}: expected a place of its own, found ${place}, which collection ${before.name} has`;
    if (seen.has(`${kind} ${name}`))
      return `collection ${name}: expected one of a kind under this name, found two`;
    seen.add(`${kind} ${name}`);
    before = found;
  }
  return undefined;
}

/** The bytes as text, if they are UTF-8 that can be printed. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(bytes);
    return printable(text) === text ? text : undefined;
  } catch {
    return undefined;
  }
}

export interface TakenOver {
  /** Names of the collections that were copied. */
  readonly taken: readonly string[];
  /** Names of those of the old filter that the new one has not, or not with the same meaning. */
  readonly missing: readonly string[];
}

/**
 * Copies what the two filters have in common. Call it between two batches, before the new filter sees an event; when
 * something would be missing, `plan` it first and let the old filter `flush`.
 */
export function takeOver(from: Stateful, to: Stateful): TakenOver {
  for (const { old, own } of matchesOf(from, to))
    if (own) from.state.copy(to.state, own.offset, old.offset, old.offset + old.bytes);
  return planTakeOver(from, to);
}

/** What `takeOver` would answer, without copying anything. */
export function planTakeOver(from: Stateful, to: Stateful): TakenOver {
  const matches = matchesOf(from, to);
  const namesOf = (found: typeof matches) => found.map(({ old }) => old.name);
  return {
    taken: namesOf(matches.filter(({ own }) => own !== undefined)),
    missing: namesOf(matches.filter(({ own }) => own === undefined)),
  };
}

function matchesOf(from: Stateful, to: Stateful): { old: Collection; own: Collection | undefined }[] {
  return from.collections.map((old) => ({ old, own: to.collections.find((own) => isSame(old, own)) }));
}

function isSame(one: Collection, two: Collection): boolean {
  return (
    one.kind === two.kind &&
    one.name === two.name &&
    one.bytes === two.bytes &&
    one.parameters.every((parameter, at) => parameter === two.parameters[at])
  );
}
