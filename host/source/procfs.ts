/**
 * What /proc tells of a process (Linux, proc(5)): who it is, whose it is, and what it runs. Never its environment.
 *
 * Names are bytes that the process chose: any but NUL, also brackets, spaces and newlines. A process may be gone
 * between two reads, or not be this user's to look at; what cannot be read is `undefined`, never an error.
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import { COMMAND_LINE_BYTES_MAX } from '../limits.js';

export interface ProcessStat {
  readonly comm: Buffer;
  readonly ppid: number;
  readonly isKernelThread: boolean;
  /** When it started, in clock ticks since the system did; with the pid it names a process for good. */
  readonly startTicks: number;
}

export interface Executable {
  readonly path: Buffer;
  /** The file has been removed since, or never had a name. */
  readonly isDeleted: boolean;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** With the rights of another user: a program with set-user-id. */
  readonly euid: number;
}

export interface CommandLine {
  readonly text: string;
  readonly isCut: boolean;
}

/** USER_HZ: the same number on every architecture that we know of, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;
/** `include/linux/sched.h`: PF_KTHREAD. */
const KERNEL_THREAD_FLAG = 0x0020_0000;
const DELETED = Buffer.from(' (deleted)');
const NUL = 0;
/** The longest file that is read here, a status, is under 2 KiB. */
const scratch = Buffer.alloc(Math.max(8192, COMMAND_LINE_BYTES_MAX + 1));

/** Every process that this user may see. Throws where there is no /proc. */
export function processes(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

export function statOf(pid: number): ProcessStat | undefined {
  const bytes = read(`/proc/${pid}/stat`);
  if (!bytes) return undefined;
  // The name stands in brackets, and may hold brackets: it ends at the last one.
  const end = bytes.lastIndexOf(')');
  const fields = bytes.toString('latin1', end + 2).split(' ');
  // proc(5) numbers them from 1; the first one behind the name is number 3.
  const field = (number: number) => Number(fields[number - 3]);
  return {
    comm: Buffer.from(bytes.subarray(bytes.indexOf('(') + 1, end)),
    ppid: field(4),
    isKernelThread: (field(9) & KERNEL_THREAD_FLAG) !== 0,
    startTicks: field(22),
  };
}

/** The file that it runs. `undefined` for a process that is gone, or another user's. */
export function executableOf(pid: number): Executable | undefined {
  const link = `/proc/${pid}/exe`;
  try {
    const path = readlinkSync(link, { encoding: 'buffer' });
    if (!path.subarray(-DELETED.length).equals(DELETED)) return { path, isDeleted: false };
    // A file may be called so.
    if (isSameFile(path, link)) return { path, isDeleted: false };
    return { path: path.subarray(0, -DELETED.length), isDeleted: true };
  } catch {
    return undefined;
  }
}

function isSameFile(path: Buffer, link: string): boolean {
  const [named, run] = [path, link].map((file) => statSync(file, { bigint: true, throwIfNoEntry: false }));
  return named !== undefined && named.ino === run?.ino && named.dev === run.dev;
}

export function ownerOf(pid: number): Owner | undefined {
  const status = read(`/proc/${pid}/status`)?.toString('latin1') ?? '';
  const [, uid, euid] = /^Uid:\t(\d+)\t(\d+)/m.exec(status) ?? [];
  const [, gid] = /^Gid:\t(\d+)/m.exec(status) ?? [];
  if (uid === undefined || gid === undefined) return undefined;
  return { uid: Number(uid), gid: Number(gid), euid: Number(euid) };
}

/** Its arguments with a space between each two: split at spaces, they are the arguments, each as `escaped` has it. */
export function commandLineOf(pid: number): CommandLine | undefined {
  const bytes = read(`/proc/${pid}/cmdline`, COMMAND_LINE_BYTES_MAX + 1);
  if (!bytes) return undefined;
  const isCut = bytes.length > COMMAND_LINE_BYTES_MAX;
  const kept = bytes.subarray(0, COMMAND_LINE_BYTES_MAX);
  const end = kept.at(-1) === NUL ? kept.length - 1 : kept.length;
  const text = kept.toString('latin1', 0, end).split('\0').map(escaped).join(' ');
  return { text, isCut };
}

/** Well-formed sequences of UTF-8 (The Unicode Standard, table 3-7), each as a text of its bytes. */
const SEQUENCE =
  '[\\xc2-\\xdf][\\x80-\\xbf]|\\xe0[\\xa0-\\xbf][\\x80-\\xbf]|[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}|\\xed[\\x80-\\x9f][\\x80-\\xbf]' +
  '|\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}|[\\xf1-\\xf3][\\x80-\\xbf]{3}|\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}';
const UNUSUAL = new RegExp(`(${SEQUENCE})|(\\\\)|[\\x00-\\x20\\x7f-\\xff]`, 'g');

/** Bytes as text: spaces, control characters and what is not UTF-8 as `\xNN`, a backslash as two of them. */
function escaped(bytes: string): string {
  const text = bytes.replace(UNUSUAL, (found, sequence, backslash) => {
    if (sequence !== undefined) return sequence;
    return backslash ? '\\\\' : `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return Buffer.from(text, 'latin1').toString();
}

/** When a process started, on the host's clock; never later than now. */
export function startedMs({ startTicks }: ProcessStat, nowMs: number): number {
  const upSeconds = Number.parseFloat(read('/proc/uptime')?.toString('latin1') ?? '');
  const ageMs = Math.round((upSeconds - startTicks / TICKS_PER_SECOND) * 1000);
  return nowMs - Math.max(ageMs || 0, 0);
}

/** Whether /proc is mounted so that users see their own processes only; `mounts` is the text of /proc/mounts. */
export function hidesProcesses(mounts: string): boolean {
  const options = mounts.split('\n').flatMap((line) => {
    const [, place, type, found = ''] = line.split(' ');
    return place === '/proc' && type === 'proc' ? [found] : [];
  });
  return options.some((found) => /(^|,)hidepid=(?!0|off)/.test(found));
}

export function mounts(): string {
  const bytes = read('/proc/mounts');
  return bytes?.toString('utf8') ?? '';
}

/** The first bytes of a file, good until the next call: one read, as /proc makes its files when they are read. */
function read(path: string, bytesMax = scratch.length): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return scratch.subarray(0, readSync(file, scratch, 0, bytesMax, 0));
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
