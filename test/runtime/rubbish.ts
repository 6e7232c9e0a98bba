/**
 * Lines that are broken in every way a source can break them, each with a good line behind it.
 */
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { type RunOptions, seeded } from '../filter.js';
import type { FieldsFilter } from './fields.js';

export type Below = (limit: number) => number;

export interface Rubbish {
  readonly seed: number;
  /** Lines that the parser reads, to be broken. */
  readonly bases: readonly string[];
  readonly rounds: number;
  /** A good line, and the fields it must give whatever stood before it. */
  readonly good: string;
  readonly expected: WireRecord;
  readonly options?: RunOptions;
}

/** Runs the lines in small and in large batches; the filter must tell one record a line. */
export function surviveRubbish(
  filter: FieldsFilter,
  { seed, bases, rounds, good, expected, options }: Rubbish,
) {
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const lines = bases.map((line) => Buffer.from(line));
  const parts: Buffer[] = [];
  for (let round = 0; round < rounds; round++) {
    const ending = below(4) ? '\n' : '\r\n';
    parts.push(broken(lines, below), Buffer.from(`${ending}${good}${ending}`));
  }
  const input = Buffer.concat(parts);
  const results = [4_096, 65_536].map((batchBytes) => filter.read(input, { ...options, batchBytes }));
  assert.equal(results[0], results[1]);
  const found = results[0]?.filter((fields) => same(fields, expected)).length ?? 0;
  assert.ok(found >= rounds, `${found} of ${rounds} good lines are intact`);
}

function same(fields: WireRecord, expected: WireRecord): boolean {
  const sorted = (record: WireRecord) => JSON.stringify(Object.entries(record).sort());
  return sorted(fields) === sorted(expected);
}

/** A line cut short, repeated, mixed with another, with flipped bits or wrong UTF-8, or of any bytes. */
export function broken(lines: readonly Buffer[], below: Below): Buffer {
  const line = Buffer.from(lines[below(lines.length)] as Buffer);
  const other = lines[below(lines.length)] as Buffer;
  const bytes = [
    () => line.subarray(0, below(line.length + 1)),
    () => flipped(line, below),
    () => Buffer.concat(Array.from({ length: 1 + below(5) }, () => line.subarray(below(line.length)))),
    () => interleaved(line, other, below),
    () => Buffer.from(Array.from({ length: below(200) }, () => below(256))),
    () => insertedAt(line, below(line.length + 1), INVALID_UTF8[below(INVALID_UTF8.length)] as Buffer),
    () =>
      insertedAt(
        line,
        below(line.length + 1),
        Buffer.from(MARKS.charAt(below(MARKS.length)).repeat(1 + below(80))),
      ),
  ][below(7)]?.() as Buffer;
  return Buffer.from(bytes.map((byte) => (byte === 10 ? 0 : byte)));
}

/** Bytes that mean something to one of the parsers. */
const MARKS = '\\"\'=|,; <>[](){}:\x1d\x00';
const INVALID_UTF8 = ['c1', 'f888', 'e28281', 'eda080', 'ff'].map((hex) => Buffer.from(hex, 'hex'));

function flipped(line: Buffer, below: Below): Buffer {
  for (let flips = 1 + below(4); flips > 0; flips--) {
    const at = below(line.length);
    line[at] = (line[at] as number) ^ (1 << below(8));
  }
  return line;
}

function interleaved(line: Buffer, other: Buffer, below: Below): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < line.length; ) {
    const step = 1 + below(20);
    parts.push(line.subarray(at, at + step), other.subarray(at, at + step));
    at += step;
  }
  return Buffer.concat(parts);
}

function insertedAt(line: Buffer, at: number, bytes: Buffer): Buffer {
  return Buffer.concat([line.subarray(0, at), bytes, line.subarray(at)]);
}

/** Picks any of the list. */
export function pick<T>(list: readonly T[], below: Below): T {
  return list[below(list.length)] as T;
}

/** A word of these characters, with at least `least` of them. */
export function word(characters: string, least: number, most: number, below: Below): string {
  const length = least + below(most - least + 1);
  return Array.from({ length }, () => characters.charAt(below(characters.length))).join('');
}
