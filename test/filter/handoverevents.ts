/**
 * Generated events with windows, keys and audit events that are open at any place where one may cut.
 */
import { seeded } from '../../host/author/junk.js';

const START_MS = Date.parse('2026-01-31T10:00:00Z');

/** Times some 0.3 s apart, up to 8 s out of order. */
function times(below: (limit: number) => number, count: number): number[] {
  let time = START_MS;
  return Array.from({ length: count }, () => {
    time += below(600);
    return time - below(8_000);
  });
}

export const jsonOptions = { config: { count_by: ['user', 'level'], window: '1m' } };

export function jsonLines(seed: number): string[] {
  const below = seeded(seed);
  return times(below, 1_000).map((ts) =>
    JSON.stringify({ ts, user: `user ${below(20)}`, level: [1, '1', null, 'warn'][below(4)] }),
  );
}

export interface ToolRun {
  readonly config: Readonly<Record<string, string | number>>;
  readonly lines: readonly string[];
  /** By what its records add up; without it they do not. */
  readonly by?: readonly string[];
}

/** Each collection of the library, small enough to be full at times. */
export function toolRuns(seed: number): ToolRun[] {
  const below = seeded(seed);
  const lines = times(below, 1_500).map((time) => `${time} key ${below(1 + below(80))}`);
  const numbers = times(below, 1_500).map((time) => `${time} ${below(1 + below(100_000))}`);
  const perKey = ['key'];
  return [
    { config: { tool: 'top', a: 16, b: 16, length: '1m' }, lines },
    { config: { tool: 'top', a: 200, b: 16, length: '1m' }, lines, by: perKey },
    { config: { tool: 'distinct', a: 8, length: '1m' }, lines },
    { config: { tool: 'distinct-rows', a: 6, length: '1m' }, lines, by: ['ts', 'key'] },
    { config: { tool: 'quantiles', a: 4, length: '1m' }, lines: numbers },
    { config: { tool: 'first-seen', a: 64, length: '2m' }, lines },
    { config: { tool: 'limit', a: 512, b: 16, c: 3, length: '1m' }, lines, by: perKey },
    { config: { tool: 'limit', a: 16, b: 16, c: 3, length: '1m' }, lines },
    { config: { tool: 'suppress', a: 512, b: 16, length: '1m', lateness: '10s' }, lines, by: perKey },
    { config: { tool: 'hopping', length: '1m', hop: '30s' }, lines, by: ['ts'] },
  ];
}

export const auditOptions = { config: { capacity: '8', bytes: '4096', timeout: '2000' } };

/** Events of four records each, several at a time, some without their last record. */
export function auditLines(seed: number): string[] {
  const below = seeded(seed);
  const waiting: string[][] = [];
  const lines: string[] = [];
  for (let serial = 1; serial <= 150 || waiting.length > 0; serial++) {
    if (serial <= 150) waiting.push(eventLines(serial, START_MS + serial * 300, below(5) === 0));
    for (let i = 0; i < 4 && waiting.length > 0; i++) {
      const place = below(waiting.length);
      const event = waiting[place] as string[];
      lines.push(event.shift() as string);
      if (event.length === 0) waiting.splice(place, 1);
    }
  }
  return lines;
}

function eventLines(serial: number, ms: number, isOpen: boolean): string[] {
  const stamp = `msg=audit(${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}:${serial})`;
  const records = [
    `type=SYSCALL ${stamp}: syscall=59 a0=6C73 pid=${serial} exe="/bin/ls"`,
    `type=EXECVE ${stamp}: argc=2 a0="ls" a1="-l"`,
    `type=CWD ${stamp}: cwd="/root"`,
  ];
  return isOpen ? records : [...records, `type=PROCTITLE ${stamp}: proctitle=6C73`];
}

/** Events of one record each; the kernel's stay open until their time is over. */
export function singleAuditLines(seed: number): string[] {
  const below = seeded(seed);
  const types = ['USER_LOGIN', 'CRED_ACQ', 'ADD_USER', 'CONFIG_CHANGE'];
  return Array.from({ length: 300 }, (_, serial) => {
    const ms = START_MS + serial * 700;
    const stamp = `msg=audit(${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}:${serial + 1})`;
    return `type=${types[below(types.length)]} ${stamp}: pid=1 uid=0 auid=0 ses=1 op=x res=success`;
  });
}
