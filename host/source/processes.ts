/**
 * The `processes` source: every process that starts, as far as looking at /proc from time to time shows it.
 *
 * A sample lists /proc and looks at what it does not know, at most `PROCESSES_NEW_MAX` at a time; the others wait for
 * the next one, those seen first going first. A number that is used again is told by the time at which its process
 * started, and one that runs another program than before by its name and file: of those that are known,
 * `PROCESSES_AGAIN_MAX` are looked at in each sample, in turn. What is there when the source opens is learnt, not told;
 * neither are kernel threads, nor the end of a process. One that lives shorter than from sample to sample is not seen.
 *
 * Each event is a line of JSON: ts (of the sample), op (`start`, or `exec` for another program in the same process),
 * pid, ppid, started, uid, gid, euid (where it differs), comm, exe (null where it may not be read), deleted (the file
 * is gone), cmdline, cmdline_cut, parent_comm, parent_exe. The environment is never read.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { oneLine, WeirError } from '../errors.js';
import {
  PROCESSES_AGAIN_MAX,
  PROCESSES_EVERY_MS_DEFAULT,
  PROCESSES_MAX,
  PROCESSES_NEW_MAX,
} from '../limits.js';
import { createInbox, INBOX_DEFAULTS, type InboxOptions } from './inbox.js';
import { createNotices } from './notices.js';
import {
  commandLineOf,
  executableOf,
  hidesProcesses,
  mounts,
  ownerOf,
  type ProcessStat,
  processes,
  startedMs,
  statOf,
} from './procfs.js';
import type { Source } from './source.js';

export interface ProcessesOptions {
  readonly everyMs?: number;
  /** Processes that are new, and that are looked at again, in one sample. */
  readonly newMax?: number;
  readonly againMax?: number;
  readonly now?: () => number;
  readonly inbox?: InboxOptions;
}

/** A process that has been seen; names are texts of bytes. */
interface Known {
  readonly startTicks: number;
  comm: string;
  exe: string | undefined;
}

/** Processes learnt before others get their turn. */
const SLICE_PROCESSES = 200;

export function createProcessesSource(name: string, options: ProcessesOptions = {}): Source {
  const { everyMs = PROCESSES_EVERY_MS_DEFAULT, now = Date.now } = options;
  const { newMax = PROCESSES_NEW_MAX, againMax = PROCESSES_AGAIN_MAX } = options;
  const inbox = createInbox(options.inbox ?? INBOX_DEFAULTS);
  const notices = createNotices(name);
  const sayMany = notices.limited();
  /** By pid; those that were looked at longest ago come first. */
  const known = new Map<number, Known>();
  /** Seen, and not looked at yet; in the order in which they were seen. */
  const waiting = new Set<number>();
  let sampling: NodeJS.Timeout | undefined;
  let isClosed = false;

  function sample(): void {
    const listed = list();
    if (!listed) return;
    for (const pids of [known, waiting])
      for (const pid of pids.keys()) if (!listed.has(pid)) pids.delete(pid);
    const again = [...known.keys()].slice(0, againMax);
    for (const pid of listed)
      if (!known.has(pid) && known.size + waiting.size < PROCESSES_MAX) waiting.add(pid);
    for (const pid of again) lookAgain(pid);
    for (const pid of [...waiting].slice(0, newMax)) {
      waiting.delete(pid);
      lookAtNew(pid);
    }
    if (waiting.size > 0)
      sayMany(`more than ${newMax} new processes at a time: ${waiting.size} wait to be looked at`);
  }

  function list(): Set<number> | undefined {
    try {
      return new Set(processes());
    } catch (error) {
      sayMany(`/proc cannot be listed: ${oneLine(error)}`);
      return undefined;
    }
  }

  function lookAtNew(pid: number): void {
    const stat = statOf(pid);
    if (!stat) return;
    learn(pid, stat);
    if (!stat.isKernelThread) tell('start', pid, stat);
  }

  /** Puts it behind the others, and tells when it is not what it was. */
  function lookAgain(pid: number): void {
    const before = known.get(pid) as Known;
    const stat = statOf(pid);
    known.delete(pid);
    if (!stat) return;
    if (stat.startTicks !== before.startTicks) lookAtNew(pid);
    else lookAtSame(pid, stat, before);
  }

  function lookAtSame(pid: number, stat: ProcessStat, before: Known): void {
    known.set(pid, before);
    const comm = textOf(stat.comm);
    if (comm === before.comm) return;
    before.comm = comm;
    const exe = exeOf(pid);
    // A process may give itself another name; only another file is another program.
    if (exe === undefined || exe === before.exe) return;
    before.exe = exe;
    tell('exec', pid, stat);
  }

  function learn(pid: number, stat: ProcessStat): void {
    const exe = stat.isKernelThread ? undefined : exeOf(pid);
    known.set(pid, { startTicks: stat.startTicks, comm: textOf(stat.comm), exe });
  }

  function tell(op: 'start' | 'exec', pid: number, stat: ProcessStat): void {
    inbox.append(Buffer.from(JSON.stringify(describe(op, pid, stat, now()))));
  }

  return {
    name,
    async open() {
      const listed = list();
      if (!listed?.size) {
        throw new WeirError('SOURCE_UNREADABLE', `source ${name}: expected processes in /proc, found none`);
      }
      let seen = 0;
      for (const pid of listed) {
        const stat = statOf(pid);
        if (stat && known.size < PROCESSES_MAX) learn(pid, stat);
        if (++seen % SLICE_PROCESSES === 0) await breathe();
      }
      if (process.getuid?.() !== 0 && hidesProcesses(mounts()))
        notices.say('/proc is mounted with hidepid: processes of other users are not seen');
      sampling = setInterval(sample, everyMs);
    },
    cursor: inbox.cursor,
    onData: inbox.onData,
    onNotice: notices.onNotice,
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(sampling);
      if (sampling) sample();
      inbox.end();
    },
  };
}

function describe(
  op: 'start' | 'exec',
  pid: number,
  stat: ProcessStat,
  nowMs: number,
): Record<string, unknown> {
  const executable = executableOf(pid);
  const owner = ownerOf(pid);
  const line = commandLineOf(pid);
  const parent = statOf(stat.ppid);
  return {
    ts: nowMs,
    op,
    pid,
    ppid: stat.ppid,
    started: startedMs(stat, nowMs),
    uid: owner?.uid ?? null,
    gid: owner?.gid ?? null,
    ...(owner && owner.euid !== owner.uid ? { euid: owner.euid } : {}),
    ...nameFields('comm', stat.comm),
    ...nameFields('exe', executable?.path),
    ...(executable?.isDeleted ? { deleted: true } : {}),
    cmdline: line?.text ?? null,
    ...(line?.isCut ? { cmdline_cut: true } : {}),
    ...nameFields('parent_comm', parent?.comm),
    ...nameFields('parent_exe', executableOf(stat.ppid)?.path),
  };
}

/** The name as text, and as hex where text cannot say it exactly. */
function nameFields(field: string, bytes: Buffer | undefined): Record<string, string | null> {
  if (bytes === undefined) return { [field]: null };
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes)
    ? { [field]: text }
    : { [field]: text, [`${field}_hex`]: bytes.toString('hex') };
}

function textOf(bytes: Buffer): string {
  return bytes.toString('latin1');
}

function exeOf(pid: number): string | undefined {
  const executable = executableOf(pid);
  return executable && textOf(executable.path);
}
