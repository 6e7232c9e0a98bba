/**
 * The other side of the benchmark: the same jobs in plain Node, as one would write them, and tuned.
 *
 * Simple: read in chunks, split into lines, take each line apart, compare. Tuned: look for the rarest literal with
 * `Buffer.indexOf` and take only the lines apart that hold it. Each record that a job finds goes to `each`.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { LITERALS } from './data.js';

const CHUNK_BYTES = 1 << 20;
const HOUR_MS = 3_600_000;

export type Fields = Readonly<Record<string, unknown>>;
export type PlainJob = (path: string, each: (record: Fields) => void) => void;

/** Hands the file to `each` in chunks of whole lines, each chunk ended by LF. */
export function eachChunk(path: string, each: (chunk: Buffer) => void): void {
  const file = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(2 * CHUNK_BYTES);
  let kept = 0;
  for (;;) {
    const bytes = readSync(file, buffer, kept, CHUNK_BYTES, null);
    if (bytes === 0) break;
    const end = kept + bytes;
    const whole = buffer.lastIndexOf(10, end - 1) + 1;
    each(buffer.subarray(0, whole));
    buffer.copyWithin(0, whole, end);
    kept = end - whole;
  }
  closeSync(file);
}

/** Reads the file and does nothing with it. */
export function readOnly(path: string): void {
  const file = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  while (readSync(file, buffer, 0, CHUNK_BYTES, null) > 0);
  closeSync(file);
}

function eachLine(path: string, each: (line: string) => void): void {
  eachChunk(path, (chunk) => {
    for (const line of chunk.toString('utf8').split('\n')) if (line !== '') each(line);
  });
}

/** Hands over only the lines that hold the needle. */
function eachLineWith(path: string, needle: Buffer, each: (line: string) => void): void {
  eachChunk(path, (chunk) => {
    for (let hit = chunk.indexOf(needle); hit >= 0; ) {
      const start = chunk.lastIndexOf(10, hit) + 1;
      const end = chunk.indexOf(10, hit);
      each(chunk.toString('utf8', start, end));
      hit = chunk.indexOf(needle, end);
    }
  });
}

interface Event {
  readonly ts: number;
  readonly program: string;
  readonly action: string;
  readonly host: string;
  readonly user: string;
  readonly src_ip: string;
}

function selectEvent(line: string, each: (record: Fields) => void): void {
  const { ts, program, action, host, user, src_ip } = JSON.parse(line) as Event;
  if (action === 'login_failed' && program === 'sshd') each({ ts, user, src_ip, host });
}

export const selectSimple: PlainJob = (path, each) => eachLine(path, (line) => selectEvent(line, each));

export const selectTuned: PlainJob = (path, each) =>
  eachLineWith(path, Buffer.from('"login_failed"'), (line) => selectEvent(line, each));

/** Counts of what `keyOf` makes of each line. */
function countLines(path: string, keyOf: (line: string) => string): Map<string, number> {
  const counts = new Map<string, number>();
  eachLine(path, (line) => {
    const key = keyOf(line);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  return counts;
}

function hourOf(ms: number): number {
  return ms - (ms % HOUR_MS);
}

export const countSimple: PlainJob = (path, each) => {
  const counts = countLines(path, (line) => {
    const { ts, program, host } = JSON.parse(line) as Event;
    return `${hourOf(ts)} ${program} ${host}`;
  });
  for (const [key, count] of counts) {
    const [ts, program, host] = key.split(' ');
    each({ ts: Number(ts), program, host, count });
  }
};

/** RFC 5424: priority, version, time, host, program, process, message id, structured data, message. */
const SYSLOG = /^<(\d{1,3})>(\d) (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[.*?\])+) ?(.*)$/;

/** The event that the line is, as `JSON.parse` gives it of NDJSON: its time a number. */
function syslogEvent(line: string) {
  const [, priority, , time, host, program, process, , , message] = SYSLOG.exec(line) ?? [];
  return { priority: Number(priority), ts: Date.parse(time ?? ''), host, program, process, message };
}

function selectFailure(line: string, each: (record: Fields) => void): void {
  const { ts, host, program, message } = syslogEvent(line);
  if (program === 'sshd' && message?.startsWith('Failed password')) each({ ts, host, message });
}

export const selectSyslogSimple: PlainJob = (path, each) =>
  eachLine(path, (line) => selectFailure(line, each));

export const selectSyslogTuned: PlainJob = (path, each) =>
  eachLineWith(path, Buffer.from('Failed password'), (line) => selectFailure(line, each));

function pairsOf(line: string): Record<string, string> {
  const pair = /([\w-]+)=(?:"([^"]*)"|(\S*))/g;
  const fields: Record<string, string> = {};
  for (let found = pair.exec(line); found; found = pair.exec(line))
    fields[found[1] as string] = found[2] ?? (found[3] as string);
  return fields;
}

export const countKeyvalueSimple: PlainJob = (path, each) => {
  const counts = countLines(path, (line) => {
    const { eventtime, type, subtype } = pairsOf(line);
    return `${hourOf(Number(eventtime?.slice(0, 13)))} ${type} ${subtype}`;
  });
  for (const [key, count] of counts) {
    const [ts, type, subtype] = key.split(' ');
    each({ ts: Number(ts), type, subtype, count });
  }
};

export const selectLiteralsSimple: PlainJob = (path, each) => {
  const any = new RegExp(LITERALS.map((text) => text.replace(/[/.]/g, '\\$&')).join('|'));
  eachLine(path, (line) => {
    if (any.test(line)) each({ line });
  });
};
