/**
 * Single values of the config: what people may write, and what it means.
 */
import { isIPv6 } from 'node:net';
import { FLEET_POLL_MS_MAX, FLEET_POLL_MS_MIN } from './fleetlimits.js';
import {
  CPU_SHARE_MAX,
  CPU_SHARE_MIN,
  DISK_KEEP_MS_MAX,
  PROCESSES_EVERY_MS_MAX,
  PROCESSES_EVERY_MS_MIN,
  RECORDS_PER_SECOND_MAX,
  SPOOL_BYTES_MAX,
  SPOOL_BYTES_MIN,
} from './limits.js';
import { readSize } from './validate.js';

export function readSpool(value: string): number | undefined {
  const bytes = readSize(value);
  return bytes !== undefined && bytes >= SPOOL_BYTES_MIN && bytes <= SPOOL_BYTES_MAX ? bytes : undefined;
}

/** Milliseconds of "2s", "500ms", ...; `undefined` for anything else. */
export function readInterval(value: string): number | undefined {
  const [, number, unit] = /^(\d{1,5})(ms|s)$/.exec(value) ?? [];
  const intervalMs = Number(number) * (unit === 's' ? 1_000 : 1);
  const isInRange = intervalMs >= PROCESSES_EVERY_MS_MIN && intervalMs <= PROCESSES_EVERY_MS_MAX;
  return isInRange ? intervalMs : undefined;
}

export function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= CPU_SHARE_MIN && value <= CPU_SHARE_MAX;
}

export function isRecords(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= RECORDS_PER_SECOND_MAX;
}

/** What a program can be given: the kernel ends an argument at NUL. */
export function isArgument(value: string): boolean {
  return !value.includes('\0');
}

export function isAddress(value: string): boolean {
  const [, inBrackets, , port] = /^(?:\[(.+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(value) ?? [];
  return port !== undefined && Number(port) <= 65_535 && (inBrackets === undefined || isIPv6(inBrackets));
}

/** `nats://` or `tls://`, a host, perhaps a login and a port; nothing else would have an effect. */
export function isServer(value: string): boolean {
  try {
    const { protocol, hostname: host, pathname, search, hash, username, password } = new URL(value);
    // The broker's client is given the login as text.
    decodeURIComponent(`${username}${password}`);
    const rest = `${pathname}${search}${hash}`;
    return /^(nats|tls):$/.test(protocol) && host !== '' && /^\/?$/.test(rest) && !/\s/.test(value);
  } catch {
    return false;
  }
}

/** Milliseconds of "0s", "90s", "10m", ... up to a limit; `undefined` for anything else. */
export function readKeep(value: string): number | undefined {
  return readTime(value, 0, DISK_KEEP_MS_MAX);
}

export function readPoll(value: string): number | undefined {
  return readTime(value, FLEET_POLL_MS_MIN, FLEET_POLL_MS_MAX);
}

function readTime(value: string, leastMs: number, mostMs: number): number | undefined {
  const [, number, unit = ''] = /^(\d{1,5})(s|m|h)$/.exec(value) ?? [];
  const ms = Number(number) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN);
  return ms >= leastMs && ms <= mostMs ? ms : undefined;
}
