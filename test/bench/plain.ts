/**
 * The other side of the benchmark: the same jobs in plain Node, as one would write them, and tuned.
 *
 * Simple: read in chunks, split into lines, `JSON.parse` each, compare. Tuned: look for the rarest literal with
 * `Buffer.indexOf` and parse only the lines that hold it.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK_BYTES = 1 << 20;

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

interface Event {
  readonly ts: number;
  readonly program: string;
  readonly action: string;
  readonly host: string;
  readonly user: string;
  readonly src_ip: string;
}

type Selected = Pick<Event, 'ts' | 'user' | 'src_ip' | 'host'>;

function isWanted(event: Event): boolean {
  return event.action === 'login_failed' && event.program === 'sshd';
}

function keep({ ts, user, src_ip, host }: Event): Selected {
  return { ts, user, src_ip, host };
}

export function selectSimple(path: string, each: (record: Selected) => void): void {
  eachChunk(path, (chunk) => {
    for (const line of chunk.toString('utf8').split('\n')) {
      if (line === '') continue;
      const event = JSON.parse(line) as Event;
      if (isWanted(event)) each(keep(event));
    }
  });
}

export function selectTuned(path: string, each: (record: Selected) => void): void {
  const needle = Buffer.from('"login_failed"');
  eachChunk(path, (chunk) => {
    for (let hit = chunk.indexOf(needle); hit >= 0; ) {
      const start = chunk.lastIndexOf(10, hit) + 1;
      const end = chunk.indexOf(10, hit);
      const event = JSON.parse(chunk.toString('utf8', start, end)) as Event;
      if (isWanted(event)) each(keep(event));
      hit = chunk.indexOf(needle, end);
    }
  });
}

/** Counts by window, program and host; answers `window program host` to count. */
export function countSimple(path: string, windowMs: number): Map<string, number> {
  const counts = new Map<string, number>();
  eachChunk(path, (chunk) => {
    for (const line of chunk.toString('utf8').split('\n')) {
      if (line === '') continue;
      const { ts, program, host } = JSON.parse(line) as Event;
      const key = `${ts - (ts % windowMs)} ${program} ${host}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  });
  return counts;
}

/** Results of sshd logins, by outcome, with a regular expression a line. */
export function loginsSimple(path: string): { success: number; failure: number } {
  const pattern = /sshd \d+ - - (Failed|Accepted) (\S+) for (invalid user )?(.*) from (\S+) port (\d+)/;
  const found = { success: 0, failure: 0 };
  eachChunk(path, (chunk) => {
    for (const line of chunk.toString('utf8').split('\n')) {
      const match = pattern.exec(line);
      if (match) found[match[1] === 'Failed' ? 'failure' : 'success']++;
    }
  });
  return found;
}
