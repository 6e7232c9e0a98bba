/**
 * The `command` source: lines that a child process writes to its standard output.
 *
 * The child is started without a shell, with nothing on its standard input, in a process group of its own so that
 * its own children end with it. It is held up by its pipe while the inbox is full, never dropped from. When it
 * ends, for whatever reason, it is started again: after a delay that doubles with each short run, up to a limit,
 * with jitter so that a fleet does not move in step. A program that is missing may be installed later, so that is
 * no different. What it writes to standard error is told in short notices and never blocks it.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { Readable } from 'node:stream';
import { oneLine, systemCode, WeirError } from '../errors.js';
import {
  COMMAND_BACKOFF_MS_MAX,
  COMMAND_BACKOFF_MS_MIN,
  COMMAND_HEALTHY_MS,
  COMMAND_STOP_MS,
  NOTICE_TEXT_BYTES_MAX,
} from '../limits.js';
import { createFeed, type Feed } from './feed.js';
import { createInbox, INBOX_DEFAULTS, type InboxOptions } from './inbox.js';
import { createNotices } from './notices.js';
import type { Source } from './source.js';
import { createLineSplitter } from './splitter.js';

export interface CommandTimes {
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly healthyMs: number;
  readonly stopMs: number;
}

export interface CommandOptions {
  readonly times?: Partial<CommandTimes>;
  readonly inbox?: InboxOptions;
}

export interface CommandSource extends Source {
  /** Lines that were longer than the limit and were cut. */
  truncatedEvents(): number;
}

const TIMES: CommandTimes = {
  backoffMsMin: COMMAND_BACKOFF_MS_MIN,
  backoffMsMax: COMMAND_BACKOFF_MS_MAX,
  healthyMs: COMMAND_HEALTHY_MS,
  stopMs: COMMAND_STOP_MS,
};

type State =
  | { readonly kind: 'new' | 'closed' }
  | { readonly kind: 'running'; readonly run: Run }
  | { readonly kind: 'resting'; readonly timer: NodeJS.Timeout };

export function createCommandSource(
  name: string,
  argv: readonly string[],
  options: CommandOptions = {},
): CommandSource {
  const [program, ...parameters] = argv;
  const times = { ...TIMES, ...options.times };
  const inbox = createInbox(options.inbox ?? INBOX_DEFAULTS);
  const notices = createNotices(name);
  const sayError = notices.limited();
  const nextDelayMs = createBackoff(times);
  let state: State = { kind: 'new' };

  function start(): void {
    const startedMs = performance.now();
    let delayMs = 0;
    const run = startRun(program as string, parameters, {
      feedInto: (stream, onEnd) => {
        const onError = (error: Error) => notices.say(`reading from ${program} broke off: ${oneLine(error)}`);
        return createFeed({ stream, inbox, createParser: createLineSplitter, onEnd, onError });
      },
      onErrorLine: (text) => sayError(`${program}: ${text}`),
      onExit(how) {
        if (state.kind === 'closed') return;
        delayMs = nextDelayMs(performance.now() - startedMs);
        notices.say(`${program} ${how}; starts again in ${delayMs} ms`);
      },
      onDone() {
        if (state.kind !== 'closed') state = { kind: 'resting', timer: setTimeout(start, delayMs) };
      },
    });
    state = { kind: 'running', run };
  }

  return {
    name,
    async open() {
      if (!program) {
        throw new WeirError(
          'SOURCE_INVALID',
          `source ${name}: expected a command with a program, found none`,
        );
      }
      start();
    },
    cursor: inbox.cursor,
    onData: inbox.onData,
    onNotice: notices.onNotice,
    async close() {
      const before = state;
      state = { kind: 'closed' };
      if (before.kind === 'resting') clearTimeout(before.timer);
      if (before.kind === 'running' && (await before.run.stop(times.stopMs)) === 'still there') {
        notices.say(`${program} could not be ended, not even by SIGKILL`);
      }
      inbox.end();
    },
    truncatedEvents: inbox.truncatedEvents,
  };
}

/** Tells the delay after a run of this length: it doubles with each short run, and half of it is chance. */
function createBackoff({ backoffMsMin, backoffMsMax, healthyMs }: CommandTimes): (ranMs: number) => number {
  let ceilingMs = backoffMsMin;
  return (ranMs) => {
    if (ranMs >= healthyMs) ceilingMs = backoffMsMin;
    const delayMs = randomInt(Math.floor(ceilingMs / 2), ceilingMs + 1);
    ceilingMs = Math.min(2 * ceilingMs, backoffMsMax);
    return delayMs;
  };
}

/** One life of the child. */
interface Run {
  /** Ends the child and waits for it; what has arrived by then is kept. */
  stop(stopMs: number): Promise<'ended' | 'still there'>;
}

interface RunOptions {
  readonly feedInto: (stdout: Readable, onEnd: () => void) => Feed;
  readonly onErrorLine: (text: string) => void;
  /** The child ended, or could not be started; `how` says which. */
  readonly onExit: (how: string) => void;
  /** After that, when its last line is in the inbox as well. */
  readonly onDone: () => void;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

function startRun(program: string, parameters: readonly string[], options: RunOptions): Run {
  const child = spawnChild(program, parameters, (why) => {
    options.onExit(`cannot be started (${why})`);
    options.onDone();
  });
  if (child === undefined) return { stop: async () => 'ended' };
  let awaited = 2;
  function oneDone(): void {
    awaited -= 1;
    if (awaited === 0) options.onDone();
  }
  const feed = options.feedInto(child.stdout, oneDone);
  const errors = createLineSplitter(NOTICE_TEXT_BYTES_MAX, (line) => {
    if (line.length > 0) options.onErrorLine(Buffer.from(line).toString());
  });
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
  child.stderr.on('end', errors.end);
  child.stderr.on('error', (error) => options.onErrorLine(oneLine(error)));
  child.on('exit', (code, signal) => {
    options.onExit(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    oneDone();
  });
  return {
    async stop(stopMs) {
      const outcome = await endChild(child, stopMs);
      feed.finish();
      child.stdout.destroy();
      child.stderr.destroy();
      return outcome;
    },
  };
}

/** Calls `onFailure` later, never within this call, when there is no child. */
function spawnChild(
  program: string,
  parameters: readonly string[],
  onFailure: (why: string) => void,
): Child | undefined {
  try {
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    if (child.pid !== undefined) return child;
    child.once('error', (error) => onFailure(systemCode(error)));
  } catch (error) {
    setImmediate(() => onFailure(oneLine(error)));
  }
  return undefined;
}

async function endChild(child: Child, stopMs: number): Promise<'ended' | 'still there'> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (hasExited(child)) return 'ended';
    signalGroup(child, signal);
    await exitWithin(child, stopMs);
  }
  if (hasExited(child)) return 'ended';
  child.unref();
  return 'still there';
}

function hasExited(child: Child): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Only for a child that has not been waited for: until then its number cannot belong to another process. */
function signalGroup(child: Child, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid as number), signal);
  } catch {
    // It may not be ours to signal (a program with set-user-id); the caller sees that it is still there.
  }
}

function exitWithin(child: Child, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
