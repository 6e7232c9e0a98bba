/**
 * A filter over files and standard input, one after the other, with the engine that runs on the appliance and no
 * broker. What is counted and timed is reading, filtering and packing, not what is done with the records.
 */
import { type Stats, statSync } from 'node:fs';
import { createEngine } from '../engine.js';
import { WeirError } from '../errors.js';
import type { Ledger } from '../filter/abi.js';
import type { InstalledFilter } from '../filter/library.js';
import { createFileSource } from '../source/file.js';
import { expand } from '../source/glob.js';
import type { Cursor, Source } from '../source/source.js';
import { createStdinSource } from '../source/stdin.js';
import type { Transition } from '../timezone.js';
import { LEDGER_STREAM } from '../wire.js';
import { faultOf, recordLine, startForAuthor } from './drive.js';
import { packedAs } from './packed.js';

export interface RerunOptions {
  readonly filter: InstalledFilter;
  readonly config: unknown;
  readonly zones: readonly Transition[];
  readonly nowMs: number;
  readonly batchBytes: number;
  /** Paths and patterns; `-` is standard input. */
  readonly inputs: readonly string[];
  readonly notice: (line: string) => void;
  /** Gets the records as JSON lines, some at a time; absent: they are only counted. */
  readonly print?: (lines: string) => Promise<void>;
}

export interface Rerun {
  readonly events: number;
  readonly bytes: number;
  /** Records of each stream, in the order of the manifest, the ledger last. */
  readonly streams: Readonly<Record<string, number>>;
  readonly bytesOut: number;
  readonly compressedBytes: number;
  readonly seconds: number;
  readonly ledger: Ledger;
  /** Instructions, as the meter counts them. */
  readonly fuel: number;
}

const STDIN = '-';
export async function rerun(options: RerunOptions): Promise<Rerun> {
  const { manifest } = options.filter;
  const filter = startForAuthor(options.filter, options.config, options.zones);
  const sources = await openInputs(options);
  const cursor = chained(sources.map((source) => source.cursor()));
  const streams = Object.fromEntries(
    [...Object.keys(manifest.streams), LEDGER_STREAM].map((name) => [name, 0]),
  );
  const kept: { readonly stream: string; readonly record: Uint8Array }[] = [];
  const engine = createEngine({
    appliance: 'replay',
    batchBytes: options.batchBytes,
    filters: [{ instance: manifest.name, filter, format: 'cbor', cursors: new Map([['replay', cursor]]) }],
    onRecord(_instance, stream, record) {
      streams[stream] = (streams[stream] as number) + 1;
      if (options.print) kept.push({ stream, record: Uint8Array.from(record) });
    },
    onFilterEvent(_instance, event) {
      throw faultOf(event, filter.ledger().in, options.filter);
    },
  });

  let seconds = 0;
  const timed = <T>(work: () => T): T => {
    const start = process.hrtime.bigint();
    const result = work();
    seconds += Number(process.hrtime.bigint() - start) / 1e9;
    return result;
  };
  async function print(): Promise<void> {
    const lines = kept.map(({ stream, record }) => recordLine(manifest.name, stream, record)).join('');
    kept.length = 0;
    if (lines) await options.print?.(lines);
  }

  for (;;) {
    // Asked for before the turn, so that what arrives during it is not missed.
    const more = nextData(sources);
    const isBusy = timed(() => engine.turn(options.nowMs));
    await print();
    if (isBusy) continue;
    if (cursor.ended()) break;
    await more;
  }
  timed(() => {
    engine.closeWindows(options.nowMs);
    engine.closeLedgers(options.nowMs);
    engine.cut();
  });
  await print();
  for (const source of sources) await source.close();
  const { events, bytes, recordBytes: bytesOut, compressedBytes } = engine.totals();
  const [ledger, fuel] = [filter.ledger(), filter.fuelUsed()];
  return { events, bytes, streams, bytesOut, compressedBytes, seconds, ledger, fuel };
}

/** Opens neighbouring files as one source, and standard input as another. */
async function openInputs({ inputs, notice }: RerunOptions): Promise<Source[]> {
  const files = inputs.filter((input) => input !== STDIN);
  for (const file of files) {
    // A shell hands over a pattern as it is when no file matches.
    if (expand(file, 1).paths.length === 0) throw new WeirError('SOURCE_UNREADABLE', `${file}: no such file`);
    refuseOther(file);
  }
  refuseTwice(files);
  if (inputs.indexOf(STDIN) !== inputs.lastIndexOf(STDIN))
    throw new WeirError('USAGE', 'expected - for standard input once, found it again');
  const at = inputs.indexOf(STDIN);
  const before = at < 0 ? inputs : inputs.slice(0, at);
  const after = at < 0 ? [] : inputs.slice(at + 1);
  const fileSource = (files: readonly string[]) =>
    files.length > 0 ? [createFileSource('replay', files, { untilEof: true })] : [];
  const stdin = at < 0 ? [] : [createStdinSource('standard input')];
  const sources: Source[] = [...fileSource(before), ...stdin, ...fileSource(after)];
  for (const source of sources) {
    source.onNotice(notice);
    await source.open();
  }
  return sources;
}

/** Refuses what another program has to read or unpack. A pipe is not opened: its bytes can be read once only. */
function refuseOther(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isFile())
    throw new WeirError('INPUT_UNREADABLE', `${path}: expected a regular file, found ${kindOf(stat)}`);
  const packed = packedAs(path);
  if (packed !== undefined)
    throw new WeirError('INPUT_UNREADABLE', `${path}: expected lines, found data compressed with ${packed}`);
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return 'a folder';
  return stat.isFIFO() ? 'a pipe' : 'a device or socket';
}

/** Refuses a file that is named again, also by a link: the source takes it for one, and reads it once. */
function refuseTwice(files: readonly string[]): void {
  const names = new Map<string, string>();
  for (const file of files) {
    const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
    if (!stat) continue;
    const id = `${stat.dev}:${stat.ino}`;
    const other = names.get(id);
    if (other !== undefined)
      throw new WeirError(
        'USAGE',
        `expected each FILE once, found ${other} and ${file}, which are the same file`,
      );
    names.set(id, file);
  }
}

/** Resolves when any of the sources may have more. */
function nextData(sources: readonly Source[]): Promise<void> {
  return new Promise((resolve) => {
    for (const source of sources) source.onData(resolve);
  });
}

/** Places that are read one after the other, each to its end. */
function chained(cursors: readonly Cursor[]): Cursor {
  let at = 0;
  const current = () => cursors[at] as Cursor;
  return {
    get skipping() {
      return current().skipping;
    },
    set skipping(isSkipping) {
      current().skipping = isSkipping;
    },
    read(target) {
      for (;;) {
        const chunk = current().read(target);
        if (chunk.bytes > 0 || !current().ended() || at === cursors.length - 1) return chunk;
        at++;
      }
    },
    advance: (bytes) => current().advance(bytes),
    keepLastRead: () => current().keepLastRead(),
    lastPlace: () => current().lastPlace(),
    readAt: (place, target) => current().readAt(place, target),
    goTo: (place, skipping) => current().goTo(place, skipping),
    isPressed: () => current().isPressed(),
    settle() {
      for (const cursor of cursors) cursor.settle();
    },
    pass: () => current().pass(),
    ended: () => cursors.every((cursor) => cursor.ended()),
    position: () => undefined,
    lostEvents: () => cursors.reduce((sum, cursor) => sum + cursor.lostEvents(), 0),
    cutEvents: () => cursors.reduce((sum, cursor) => sum + cursor.cutEvents(), 0),
    close() {
      for (const cursor of cursors) cursor.close();
    },
    reopen() {
      for (const cursor of cursors) cursor.reopen();
    },
  };
}
