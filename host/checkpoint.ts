/**
 * Checkpoints: what a filter remembers and how far it has come, on disk, together.
 *
 *     <data>/checkpoints/<filter>/<number>.ckp     the last two
 *     <data>/checkpoints/<filter>/<hash>.wasm      the module that they are of
 *
 * A checkpoint is written beside and renamed, so that it is whole or not there; one that is damaged all the same is told, and the
 * one before it is used. Of the memory only pages that are not empty are written. The module lies beside it because the next
 * run may be given another one: it then goes on with this one, and swaps. What is read is hostile input.
 *
 *     'WEIRCKP1' | crc u32 | length of the head u32 | head: JSON | { place u32 | length u32 | bytes }...
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writevSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { sha256Of } from './digest.js';
import { makeFolder, naming, noSpace, replaceFile } from './durable.js';
import { oneLine, systemCode } from './errors.js';
import { CHECKPOINT_BYTES_MAX, FILTER_MEMORY_BYTES_MAX, MODULE_BYTES_MAX } from './limits.js';

const MAGIC = Buffer.from('WEIRCKP1');
const HEADER_BYTES = MAGIC.length + 8;
const PAGE_BYTES = 4096;
const NO_PAGE = Buffer.alloc(PAGE_BYTES);
/** Checkpoints, and modules: the one in use and the one before it. */
const KEPT = 2;
const NAME = /^(\d{1,15})\.ckp$/;

/** A checkpoint that was read; `head` is JSON as it was written. */
export interface Checkpoint {
  readonly number: number;
  readonly head: unknown;
  readonly memory: Uint8Array;
}

export interface CheckpointFolder {
  /** Checkpoints that are whole, the newest first. */
  load(): Checkpoint[];
  /**
   * Writes one, of what head and memory are now. With `isSafe` it outlives a loss of power, which takes a while; else it is there
   * at once. Throws the system's error, and those before it are still there. One at a time.
   */
  save(head: unknown, memory: Uint8Array, isSafe: boolean): Promise<void> | undefined;
  /** Keeps a module, for as long as the last two checkpoints may be of it; answers its name. */
  keepModule(module: Uint8Array): string;
  /** The module of that name, if it is there and is what its name says. */
  module(name: string): Buffer | undefined;
}

export function openCheckpoints(folder: string, notice: (line: string) => void): CheckpointFolder {
  let current: { readonly module: Uint8Array; readonly name: string } | undefined;
  const numbers = () =>
    (existsSync(folder) ? readdirSync(folder) : [])
      .map((name) => Number(NAME.exec(name)?.[1] ?? Number.NaN))
      .filter(Number.isSafeInteger)
      .sort((one, other) => other - one);
  let last = numbers()[0] ?? 0;
  const pathOf = (number: number) => join(folder, `${number}.ckp`);

  return {
    load() {
      return numbers().flatMap((number) => {
        try {
          return [{ number, ...read(pathOf(number)) }];
        } catch (error) {
          notice(`${pathOf(number)}: not used: ${oneLine(error)}`);
          return [];
        }
      });
    },
    save(head, memory, isSafe) {
      const number = last + 1;
      const beside = `${pathOf(number)}.new`;
      makeFolder(folder);
      write(beside, [Buffer.from(JSON.stringify(head)), ...pagesOf(memory)]);
      const putInPlace = () => {
        renameSync(beside, pathOf(number));
        last = number;
        for (const old of numbers().slice(KEPT)) rmSync(pathOf(old), { force: true });
      };
      if (!isSafe) return void putInPlace();
      return makeSafe(beside)
        .then(putInPlace)
        .then(() => makeSafe(folder));
    },
    keepModule(module) {
      // The same bytes with each checkpoint, and those of a filter that runs never change.
      if (module === current?.module) return current.name;
      const name = `${sha256Of(module)}.wasm`;
      // Not at the start: the disk may be full then.
      makeFolder(folder);
      replaceFile(join(folder, name), module, true);
      current = { module, name };
      for (const old of modulesOf(folder).slice(KEPT)) rmSync(old, { force: true });
      return name;
    },
    module(name) {
      if (!/^[0-9a-f]{64}\.wasm$/.test(name)) return undefined;
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (!stat?.isFile() || stat.size > MODULE_BYTES_MAX) return undefined;
      const module = readFileSync(path);
      return sha256Of(module) === name.slice(0, 64) ? module : undefined;
    },
  };
}

/** The pages that are not empty, each run of them behind its place and length; the length of the memory first. */
function pagesOf(memory: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [u32(memory.length)];
  const isEmpty = (at: number) =>
    NO_PAGE.compare(
      memory,
      at,
      Math.min(at + PAGE_BYTES, memory.length),
      0,
      Math.min(PAGE_BYTES, memory.length - at),
    ) === 0;
  for (let at = 0; at < memory.length; ) {
    const start = at;
    while (at < memory.length && !isEmpty(at)) at += PAGE_BYTES;
    const end = Math.min(at, memory.length);
    if (end > start) parts.push(u32(start), u32(end - start), memory.subarray(start, end));
    else at += PAGE_BYTES;
  }
  return parts;
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Modules of a folder, the latest first. */
function modulesOf(folder: string): string[] {
  const paths = readdirSync(folder)
    .filter((name) => name.endsWith('.wasm'))
    .map((name) => join(folder, name));
  return paths.sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs);
}

/** Also of a folder: then its names are safe. */
async function makeSafe(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot make a folder safe.
    if (systemCode(error) !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}

function write(path: string, [head, ...pages]: readonly Uint8Array[]): void {
  const parts = [u32((head as Uint8Array).length), head as Uint8Array, ...pages];
  const crc = parts.reduce((sum, part) => crc32(part, sum), 0);
  const all = [MAGIC, u32(crc), ...parts];
  const fd = openSync(path, 'w', 0o600);
  try {
    naming(path, () => {
      if (writevSync(fd, all) < all.reduce((sum, { length }) => sum + length, 0)) throw noSpace();
    });
  } catch (error) {
    // A part of it would take the room of what waits for some.
    ftruncateSync(fd);
    throw error;
  } finally {
    closeSync(fd);
  }
}

function read(path: string): { head: unknown; memory: Uint8Array } {
  const { size } = statSync(path);
  if (size > CHECKPOINT_BYTES_MAX)
    throw new Error(`expected at most ${CHECKPOINT_BYTES_MAX} bytes, found ${size}`);
  const bytes = readFileSync(path);
  const isWhole =
    bytes.length >= HEADER_BYTES &&
    bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
    bytes.readUInt32LE(MAGIC.length) === crc32(bytes.subarray(MAGIC.length + 4));
  if (!isWhole) throw new Error('expected a whole checkpoint, found another file or a damaged one');
  const headEnd = HEADER_BYTES + bytes.readUInt32LE(MAGIC.length + 4);
  const head: unknown = JSON.parse(bytes.toString('utf8', HEADER_BYTES, headEnd));
  const memoryBytes = bytes.readUInt32LE(headEnd);
  if (memoryBytes > FILTER_MEMORY_BYTES_MAX) throw new Error('expected the memory of a filter, found more');
  const memory = new Uint8Array(memoryBytes);
  for (let at = headEnd + 4; at < bytes.length; ) {
    const [place, length] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (place + length > memoryBytes) throw new Error('expected pages of the memory, found others');
    memory.set(bytes.subarray(at + 8, at + 8 + length), place);
    at += 8 + length;
  }
  return { head, memory };
}
