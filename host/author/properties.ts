/**
 * What holds for every filter, proved on its samples without any work by the author: the same records however events
 * are batched and however often, every event counted once, memory as declared, and junk that stops nothing and
 * changes nothing.
 */
import { oneLine, printable } from '../errors.js';
import type { InstalledFilter } from '../filter/library.js';
import { type DriveOptions, type DrivenFilter, driveFilter } from './drive.js';
import { junkLines, type JunkLine } from './junk.js';
import { lineDiff } from './linediff.js';

/** Input of a filter with the settings it is meant for. */
export interface Input {
  readonly name: string;
  readonly bytes: Buffer;
  readonly settings: DriveOptions;
}

export interface Property {
  readonly name: string;
  /** Lines that say what is wrong; none when it holds. */
  prove(): string[];
}

/** Samples are repeated up to this size, so that they fill batches of every size. */
const REPEATED_BYTES = 512 * 1024;
const REPEATS_MAX = 10_000;
const BATCHES = { '4 KiB': 4096, '1 MiB': 1 << 20 } as const;
/** Good lines between which junk is put. */
const GOOD_LINES_MAX = 300;
/** Of a difference: the samples are repeated, so that one mistake differs thousands of times. */
const DIFFERENCE_LINES_MAX = 24;
const LF = 10;
const CR = 13;
const LINE_END = Buffer.from('\n');

/** The properties of a filter, over these inputs; without any there is still junk. */
export function propertiesOf(filter: InstalledFilter, inputs: readonly Input[]): Property[] {
  const each = (prove: (input: Input) => string[]) => () =>
    inputs.flatMap((input) =>
      guarded(() => prove(input)).map((line, at) => (at ? line : `${input.name}: ${line}`)),
    );
  const some = inputs.length > 0 ? inputs : [{ name: 'no input', bytes: Buffer.alloc(0), settings: {} }];
  return [
    {
      name: 'the same records for batches of one event, 4 KiB and 1 MiB',
      prove: each((input) => batches(filter, input)),
    },
    { name: 'the same records when it runs again', prove: each((input) => again(filter, input)) },
    { name: 'every event is counted once', prove: each((input) => ledger(filter, input)) },
    { name: 'every record has each field once', prove: each((input) => fields(filter, input)) },
    {
      name: 'memory is as declared',
      prove: () => some.flatMap((input) => guarded(() => memory(filter, input))),
    },
    {
      name: 'junk lines stop nothing and change no record',
      prove: () => some.flatMap((input) => guarded(() => junk(filter, input))),
    },
  ];
}

/** The bytes as often as it takes to fill batches, ended by LF. */
export function repeated(bytes: Buffer): Buffer {
  const whole = bytes.length > 0 && bytes.at(-1) !== LF ? Buffer.concat([bytes, LINE_END]) : bytes;
  if (whole.length === 0) return whole;
  const times = Math.min(REPEATS_MAX, Math.max(1, Math.ceil(REPEATED_BYTES / whole.length)));
  return Buffer.concat(Array.from({ length: times }, () => whole));
}

/** Events of bytes, each with its LF; the last one may lack it. */
export function eventsIn(bytes: Buffer): Buffer[] {
  const events: Buffer[] = [];
  let from = 0;
  while (from < bytes.length) {
    const end = bytes.indexOf(LF, from);
    const next = end < 0 ? bytes.length : end + 1;
    events.push(bytes.subarray(from, next));
    from = next;
  }
  return events;
}

function guarded(prove: () => string[]): string[] {
  try {
    return prove();
  } catch (error) {
    return [oneLine(error)];
  }
}

function over(
  filter: InstalledFilter,
  { settings }: Input,
  parts: readonly Buffer[],
  batchBytes?: number,
): DrivenFilter {
  const driven = driveFilter(filter, batchBytes === undefined ? settings : { ...settings, batchBytes });
  for (const part of parts) driven.feed(part);
  return driven.end();
}

function batches(filter: InstalledFilter, input: Input): string[] {
  const bytes = repeated(input.bytes);
  const one = over(filter, input, eventsIn(bytes));
  for (const [size, batchBytes] of Object.entries(BATCHES)) {
    const problem = difference(
      `batches of one event (-) and of ${size} (+)`,
      one,
      over(filter, input, [bytes], batchBytes),
    );
    if (problem.length > 0) return problem;
  }
  return [];
}

function again(filter: InstalledFilter, input: Input): string[] {
  const run = () => over(filter, input, [repeated(input.bytes)]);
  return difference('the first run (-) and the second (+)', run(), run());
}

function difference(between: string, a: DrivenFilter, b: DrivenFilter): string[] {
  if (a.bytes().equals(b.bytes())) return [];
  return [`the records differ between ${between}`, ...lineDiff(a.text(), b.text(), DIFFERENCE_LINES_MAX)];
}

function ledger(filter: InstalledFilter, input: Input): string[] {
  const found = over(filter, input, [input.bytes]).ledger();
  const expected = eventsIn(input.bytes).length;
  const { kept, aggregated, discarded, malformed } = found;
  const sum = kept + aggregated + discarded + malformed;
  if (found.in === expected && sum === expected) return [];
  const parts = `${kept} kept + ${aggregated} aggregated + ${discarded} discarded + ${malformed} malformed`;
  return [`expected ${expected} events, found ${found.in} in and ${sum} = ${parts}`];
}

function fields(filter: InstalledFilter, input: Input): string[] {
  const found = over(filter, input, [input.bytes]).repeating();
  return found === undefined ? [] : [`expected each field once, found one again in ${printable(found)}`];
}

function memory(filter: InstalledFilter, input: Input): string[] {
  const { memoryBytes } = filter.manifest;
  const found = over(filter, input, [repeated(input.bytes)]).memoryBytes();
  return found === memoryBytes ? [] : [`expected ${memoryBytes} bytes, found ${found}`];
}

/**
 * Junk is first fed alone. What the filter then takes for an event is one, as far as anybody can know; all the other
 * lines must not change what it says of the good lines between which they stand.
 */
function junk(filter: InstalledFilter, input: Input): string[] {
  const good = eventsIn(input.bytes).slice(0, GOOD_LINES_MAX).map(withoutEnd);
  const alone = driveFilter(filter, input.settings);
  const noise: JunkLine[] = [];
  for (const line of junkLines(good, filter.manifest.memory.input)) {
    const before = alone.ledger();
    try {
      alone.feed(ended(line.bytes));
    } catch (error) {
      return [`${line.name} stops the filter: ${shown(line.bytes)}`, oneLine(error)];
    }
    const after = alone.ledger();
    if (after.in !== before.in + 1)
      return [`${line.name} counts as ${after.in - before.in} events: ${shown(line.bytes)}`];
    if (after.kept === before.kept && after.aggregated === before.aggregated) noise.push(line);
  }
  // Every good line and every junk line at least once.
  const turns = Array.from({ length: Math.max(good.length, noise.length) }, (_, at) => at);
  const goodAt = (at: number) => good.slice(at % Math.max(1, good.length)).slice(0, 1);
  const plain = over(
    filter,
    input,
    turns.flatMap(goodAt).map((line) => ended(line)),
  );
  const crlf = over(
    filter,
    input,
    turns.flatMap(goodAt).map((line) => ended(line, '\r\n')),
  );
  const ends = difference('lines ended by LF (-) and by CR LF (+)', plain, crlf);
  if (ends.length > 0) return ends;
  const between = turns.flatMap((at) => [
    ...noise.slice(at, at + 1).map(({ bytes }) => bytes),
    ...goodAt(at),
  ]);
  const mixed = over(
    filter,
    input,
    between.map((line) => ended(line)),
  );
  return difference('good lines alone (-) and with junk between them (+)', plain, mixed);
}

function withoutEnd(event: Buffer): Buffer {
  const line = event.at(-1) === LF ? event.subarray(0, -1) : event;
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function ended(line: Buffer, end = '\n'): Buffer {
  return Buffer.concat([line, Buffer.from(end)]);
}

function shown(bytes: Buffer): string {
  const text = printable(bytes.subarray(0, 120).toString('utf8'));
  return bytes.length > 120 ? `${text}... (${bytes.length} bytes)` : text;
}
