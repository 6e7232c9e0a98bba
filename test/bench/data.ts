/**
 * The benchmark's input as appliances write it, 1,000,000 events of each kind, from a printed seed.
 *
 * Files are made anew for each run, when a job first wants them, and removed at its end: how fast the kernel reads one
 * depends on where its pages lie, and those of files that have been there for hours lie scattered (7 and not 19 GB/s).
 */
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
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

const TYPES = ['traffic', 'traffic', 'traffic', 'utm', 'event'];
const SUBTYPES = ['forward', 'local', 'webfilter', 'ips', 'vpn', 'system', 'user', 'dns'];
const SERVICES = ['HTTPS', 'DNS', 'SSH', 'NTP', 'SMTP', 'udp/4500'];

/** A line of pairs as FortiOS writes them. */
function keyvalueEvent(next: (below: number) => number, at: number): string {
  const time = new Date(START_MS + at * 20).toISOString();
  const pick = (list: readonly string[]) => list[next(list.length)] as string;
  return (
    `date=${time.slice(0, 10)} time=${time.slice(11, 19)} devname="fw-${next(40)}" devid="FG100E4Q${next(10_000)}" ` +
    `eventtime=${START_MS + at * 20}000000 tz="+0000" logid="00000000${next(20)}" type="${pick(TYPES)}" ` +
    `subtype="${pick(SUBTYPES)}" level="notice" vd="root" srcip=10.${next(4)}.${next(250)}.${next(250)} ` +
    `srcport=${1024 + next(60_000)} srcintf="port${next(8)}" dstip=192.0.2.${next(250)} dstport=443 proto=6 ` +
    `sessionid=${next(1e9)} action="${pick(['accept', 'close', 'deny'])}" policyid=${next(60)} ` +
    `service="${pick(SERVICES)}" sentbyte=${next(100_000)} rcvdbyte=${next(1e6)} msg="session ${next(1e6)} has ended"`
  );
}

const CONSONANTS = 'bcdfghjklmnprstvwxz';
const VOWELS = 'aeiou';

/** Names that commands are called: 6 to 9 letters that can be spoken. */
function names(count: number): readonly string[] {
  const next = seeded(SEED);
  const found = new Set<string>();
  while (found.size < count) {
    const letters = Array.from({ length: 6 + next(4) }, (_, at) => {
      const kind = at % 2 ? VOWELS : CONSONANTS;
      return kind[next(kind.length)] as string;
    });
    found.add(letters.join(''));
  }
  return [...found];
}

const COMMANDS = names(2_000);
/** Literals to look for at once: paths and host names of which 1 line in 100 holds one. */
export const LITERALS: readonly string[] = COMMANDS.slice(0, 200).map((name, at) =>
  at % 2 ? `/${name} ` : `${name}.example`,
);

/** A command that sudo ran, with where it fetched something. */
function commandEvent(next: (below: number) => number, at: number): string {
  const time = new Date(START_MS + at * 20).toISOString();
  const isWanted = next(100) === 0;
  const name = COMMANDS[isWanted ? next(200) : 200 + next(1_800)];
  const host = COMMANDS[200 + next(1_800)];
  return (
    `<85>1 ${time} fw-${next(40)} sudo ${next(30_000)} - - user${next(500)} : TTY=pts/${next(9)} ; PWD=/home/user${next(500)} ; ` +
    `USER=root ; COMMAND=/usr/sbin/${name} --verbose --from ${isWanted ? name : host}.example --to eth${next(4)}`
  );
}

const MAKERS = { ndjson: ndjsonEvent, syslog: syslogEvent, keyvalue: keyvalueEvent, commands: commandEvent };

export type DataKind = keyof typeof MAKERS;

const folder = mkdtempSync(join(tmpdir(), 'weir-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Path of a file with `EVENTS` events of the kind. */
export function benchFile(kind: DataKind): string {
  const path = join(folder, `${kind}.log`);
  if (existsSync(path)) return path;
  const next = seeded(SEED);
  const event = MAKERS[kind];
  const file = openSync(path, 'wx', 0o600);
  for (let at = 0; at < EVENTS; ) {
    const lines: string[] = [];
    for (const stop = at + 10_000; at < stop; at++) lines.push(event(next, at));
    writeSync(file, `${lines.join('\n')}\n`);
  }
  closeSync(file);
  return path;
}
