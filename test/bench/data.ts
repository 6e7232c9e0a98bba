/**
 * The benchmark's input: NDJSON and syslog as appliances write them, 1,000,000 events each, from a printed seed.
 * Files are made once in the temporary folder and used again while their size is right.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seeded } from '../filter.js';

export const SEED = 20_260_101;
const EVENTS = 1_000_000;
const START_MS = Date.UTC(2026, 0, 1);

const PROGRAMS = ['sshd', 'charon', 'httpd', 'cron', 'kernel', 'snmpd', 'dhcpd', 'ntpd'];
const ACTIONS = [
  'session_open',
  'session_close',
  'config_read',
  'heartbeat',
  'lease',
  'query',
  'rekey',
  'probe',
];
const SEVERITIES = ['info', 'notice', 'warning'];

/** One event of which 44 in 1,000 are what the selection looks for: a failed login at sshd. */
function ndjsonEvent(next: (below: number) => number, at: number): string {
  const isFailure = next(1000) < 44;
  const pick = (list: readonly string[]) => list[next(list.length)] as string;
  return JSON.stringify({
    ts: START_MS + at * 20,
    host: `fw-${next(40)}`,
    program: isFailure ? 'sshd' : pick(PROGRAMS),
    action: isFailure ? 'login_failed' : pick(ACTIONS),
    user: `user${next(500)}`,
    src_ip: `10.${next(4)}.${next(250)}.${next(250)}`,
    src_port: 1024 + next(60_000),
    severity: pick(SEVERITIES),
    message: `event number ${at} seen on interface eth${next(4)}`,
    bytes: next(100_000),
  });
}

function syslogEvent(next: (below: number) => number, at: number): string {
  const time = new Date(START_MS + at * 20).toISOString();
  const host = `fw-${next(40)}`;
  const address = `10.${next(4)}.${next(250)}.${next(250)}`;
  const kind = next(1000);
  if (kind < 40) {
    return `<38>1 ${time} ${host} sshd ${next(30_000)} - - Failed password for user${next(500)} from ${address} port ${1024 + next(60_000)} ssh2`;
  }
  if (kind < 44) {
    return `<38>1 ${time} ${host} sshd ${next(30_000)} - - Accepted publickey for user${next(500)} from ${address} port ${1024 + next(60_000)} ssh2`;
  }
  return `<30>1 ${time} ${host} ${PROGRAMS[next(8)]} ${next(30_000)} - - ${ACTIONS[next(8)]} number ${at} from ${address} on interface eth${next(4)}, queue depth ${next(1000)}, state unchanged`;
}

export type DataKind = 'ndjson' | 'syslog';

/** Path of a file with `EVENTS` events of the kind. */
export function benchFile(kind: DataKind): string {
  const folder = join(tmpdir(), 'weir-bench');
  const path = join(folder, `${kind}-${SEED}-${EVENTS}.log`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const next = seeded(SEED);
  const event = kind === 'ndjson' ? ndjsonEvent : syslogEvent;
  const file = openSync(`${path}.new`, 'w', 0o600);
  for (let at = 0; at < EVENTS; ) {
    const lines: string[] = [];
    for (const stop = at + 10_000; at < stop; at++) lines.push(event(next, at));
    writeSync(file, `${lines.join('\n')}\n`);
  }
  closeSync(file);
  renameSync(`${path}.new`, path);
  return path;
}

export function megabytes(path: string): number {
  return statSync(path).size / 1e6;
}
