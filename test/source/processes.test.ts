/**
 * Processes as /proc shows them: real children, whatever they call themselves, and what cannot be known of them.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMAND_LINE_BYTES_MAX } from '../../host/limits.js';
import { createProcessesSource, type ProcessesOptions } from '../../host/source/processes.js';
import { hidesProcesses, statOf } from '../../host/source/procfs.js';
import type { Cursor, Source } from '../../host/source/source.js';
import { temporaryFolder, until, WAIT_MS } from '../help.js';
import { noticesOf, readText } from './reading.js';

type Event = Record<string, unknown>;

const OFTEN: ProcessesOptions = { everyMs: 25 };
/** Only the sample that is taken at the end. */
const ONCE: ProcessesOptions = { everyMs: 1_000_000 };
const SLEEP = execFileSync('sh', ['-c', 'readlink -f "$(command -v sleep)"']).toString().trim();
const MODULE = new URL('../../host/source/processes.js', import.meta.url).href;

interface Context {
  folder: string;
  children: ChildProcess[];
  source: Source | undefined;
}

const watching = suite<Context>('processes', { folder: '', children: [], source: undefined });
watching.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.children = [];
  context.source = undefined;
});
watching.after.each(async ({ folder, children, source }) => {
  for (const child of children) child.kill('SIGKILL');
  await source?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function opened(context: Context, options: ProcessesOptions): Promise<Cursor> {
  const source = createProcessesSource('p', options);
  context.source = source;
  const cursor = source.cursor();
  await source.open();
  return cursor;
}

function started(context: Context, program: string, args: readonly string[] = ['600']): ChildProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  context.children.push(child);
  return child;
}

/** Starts a program and waits until it is the one that runs: until then the child is a copy of this process. */
async function running(context: Context, program: string, args?: readonly string[]): Promise<number> {
  const { pid } = started(context, program, args);
  await until(() => !readFileSync(`/proc/${pid}/cmdline`).includes(process.execPath), WAIT_MS, 'it runs');
  return pid as number;
}

function eventsOf(cursor: Cursor): Event[] {
  const text = Buffer.from(readText(cursor), 'latin1').toString();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
}

/** What one last sample tells of a process. */
async function told({ source }: Context, cursor: Cursor, pid: number): Promise<Event> {
  await source?.close();
  const [event, ...more] = eventsOf(cursor).filter((found) => found.pid === pid);
  assert.ok(event, `an event of ${pid}`);
  assert.is(more.length, 0);
  return event as Event;
}

/** Collects events until one is as wanted. */
async function eventsUntil(
  cursor: Cursor,
  isWanted: (event: Event) => boolean,
  what: string,
): Promise<Event[]> {
  const events: Event[] = [];
  const hasCome = () => {
    events.push(...eventsOf(cursor));
    return events.some(isWanted);
  };
  await until(hasCome, WAIT_MS, what);
  return events;
}

watching(
  'a new process is told with all that is known of it, those that were there are not',
  async (context) => {
    const before = await running(context, SLEEP);
    const cursor = await opened(context, ONCE);
    const beforeMs = Date.now();
    const pid = await running(context, SLEEP, ['601']);
    await context.source?.close();
    const events = eventsOf(cursor);
    assert.not.ok(events.some((event) => event.pid === before));
    const { ts, started: at, ...fields } = events.find((event) => event.pid === pid) as Event;
    assert.equal(fields, {
      op: 'start',
      pid,
      ppid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
      comm: 'sleep',
      exe: SLEEP,
      cmdline: `${SLEEP} 601`,
      parent_comm: readFileSync('/proc/self/comm', 'utf8').trimEnd(),
      parent_exe: process.execPath,
    });
    assert.ok((ts as number) >= beforeMs && (ts as number) <= Date.now());
    assert.ok(Math.abs((at as number) - beforeMs) < 500, `${at} is about ${beforeMs}`);
    assert.ok((at as number) <= (ts as number));
  },
);

watching('each process is told once, whenever it starts', async (context) => {
  const cursor = await opened(context, OFTEN);
  const pids: number[] = [];
  for (let at = 0; at < 5; at++) pids.push(await running(context, SLEEP, [`60${at}`]));
  const events = await eventsUntil(cursor, ({ pid }) => pid === pids[4], 'the last one');
  const starts = events.filter(({ op, pid }) => op === 'start' && pids.includes(pid as number));
  assert.equal(
    starts.map(({ pid }) => pid),
    pids,
  );
});

watching(
  'an executable that is gone is told as deleted; one that is only called so is not',
  async (context) => {
    const [gone, called] = [join(context.folder, 'gone'), join(context.folder, 'x (deleted)')];
    for (const file of [gone, called]) copyFileSync(SLEEP, file);
    const cursor = await opened(context, ONCE);
    const pids = [await running(context, gone), await running(context, called)];
    rmSync(gone);
    await context.source?.close();
    const events = eventsOf(cursor);
    assert.equal(
      pids
        .map((pid) => events.find((event) => event.pid === pid))
        .map((event) => [event?.exe, event?.deleted]),
      [
        [gone, true],
        [called, undefined],
      ],
    );
  },
);

watching('a name may hold brackets, spaces, newlines and bytes that are not UTF-8', async (context) => {
  const names = [') S 1 (', 'a b\nc', '((', 'ö)', '"\\'];
  for (const name of names) {
    const cursor = await opened(context, ONCE);
    const file = join(context.folder, name);
    copyFileSync(SLEEP, file);
    const event = await told(context, cursor, await running(context, file));
    assert.equal([event.comm, event.ppid, event.exe], [name, process.pid, file], name);
  }
  const cursor = await opened(context, ONCE);
  const file = Buffer.concat([Buffer.from(`${context.folder}/`), Buffer.from('a\xff', 'latin1')]);
  copyFileSync(SLEEP, file);
  const script = Buffer.concat([Buffer.from("exec '"), file, Buffer.from("' 600")]);
  writeFileSync(join(context.folder, 'run.sh'), script);
  const { pid } = started(context, 'sh', [join(context.folder, 'run.sh')]);
  await until(() => readFileSync(`/proc/${pid}/cmdline`).includes('600'), WAIT_MS, 'it runs');
  const event = await told(context, cursor, pid as number);
  assert.equal([event.comm, event.comm_hex], ['a\ufffd', '61ff']);
  assert.is(event.exe_hex, file.toString('hex'));
});

watching(
  'a command line, split at its spaces, is the arguments, whatever bytes they hold',
  async (context) => {
    const script = join(context.folder, 'run.sh');
    const args = ['a b', '', 'back\\slash', 'new\nline', '\x1b[2J', 'ü€😀'].map((text) => Buffer.from(text));
    // Valid é between bytes that are none; a surrogate; overlong; past the last code point.
    for (const hex of ['ffc3a9c3', 'eda080', 'c0af', 'e08080', 'f4908080', '7f'])
      args.push(Buffer.from(hex, 'hex'));
    const quoted = args.flatMap((arg) => [Buffer.from(" '"), arg, Buffer.from("'")]);
    writeFileSync(script, Buffer.concat([Buffer.from("exec sh -c 'read x' sh"), ...quoted]));
    const cursor = await opened(context, ONCE);
    const { pid } = started(context, 'sh', [script]);
    await until(() => readFileSync(`/proc/${pid}/cmdline`).includes('read x'), WAIT_MS, 'it runs');
    const { cmdline, cmdline_cut } = await told(context, cursor, pid as number);
    assert.is(cmdline_cut, undefined);
    assert.equal(String(cmdline).split(' '), [
      'sh',
      '-c',
      'read\\x20x',
      'sh',
      'a\\x20b',
      '',
      'back\\\\slash',
      'new\\x0aline',
      '\\x1b[2J',
      'ü€😀',
      '\\xffé\\xc3',
      '\\xed\\xa0\\x80',
      '\\xc0\\xaf',
      '\\xe0\\x80\\x80',
      '\\xf4\\x90\\x80\\x80',
      '\\x7f',
    ]);
  },
);

watching('a long command line is cut, and says so; the environment is in no event', async (context) => {
  const cursor = await opened(context, ONCE);
  process.env.WEIR_TEST_SECRET = 'secret-of-the-environment';
  const pid = await running(context, 'sh', ['-c', 'read x', 'y'.repeat(2 * COMMAND_LINE_BYTES_MAX)]);
  const event = await told(context, cursor, pid);
  delete process.env.WEIR_TEST_SECRET;
  assert.is(event.cmdline_cut, true);
  assert.match(String(event.cmdline), /^sh -c read\\x20x y+$/);
  assert.is(String(event.cmdline).replace('\\x20', ' ').length, COMMAND_LINE_BYTES_MAX);
  assert.not.match(JSON.stringify(event), /secret-of/);
});

watching(
  'a process that becomes another program is told again, one that only renames itself is not',
  async (context) => {
    const cursor = await opened(context, OFTEN);
    const renames = started(context, 'sh', ['-c', 'read x; printf other > /proc/$$/comm; read y']);
    const becomes = started(context, 'sh', ['-c', `read x; exec ${SLEEP} 600`]);
    await eventsUntil(cursor, ({ pid }) => pid === becomes.pid, 'its start');
    for (const child of [renames, becomes]) child.stdin?.write('\n');
    const isExec = ({ op, pid, comm }: Event) => op === 'exec' && pid === becomes.pid && comm === 'sleep';
    const events = await eventsUntil(cursor, isExec, 'the other program');
    const { exe, cmdline } = events.find(isExec) as Event;
    assert.equal([exe, cmdline], [SLEEP, `${SLEEP} 600`]);
    const last = await running(context, SLEEP);
    await until(
      () => readFileSync(`/proc/${renames.pid}/comm`, 'utf8') === 'other\n',
      WAIT_MS,
      'the other name',
    );
    events.push(...(await eventsUntil(cursor, ({ pid }) => pid === last, 'a later one')));
    assert.not.ok(
      events.some(({ op, pid, comm }) => op === 'exec' && pid === renames.pid && comm === 'other'),
    );
  },
);

watching(
  'of many that are new some wait, those seen first are told first, and none is left out',
  async (context) => {
    const cursor = await opened(context, { everyMs: 300, newMax: 2 });
    const notices = noticesOf(context.source as Source);
    const pids = Array.from({ length: 8 }, () => started(context, SLEEP).pid);
    const events = await eventsUntil(cursor, ({ pid }) => pid === pids.at(-1), 'the last one');
    const ours = events.filter(({ op, pid }) => op === 'start' && pids.includes(pid as number));
    assert.equal(
      ours.map(({ pid }) => pid),
      pids,
    );
    assert.match(
      notices[0] as string,
      /^source p: more than 2 new processes at a time: \d+ wait to be looked at$/,
    );
  },
);

watching('a number that is used again is another process', async (context) => {
  const numbers = '/proc/sys/kernel/ns_last_pid';
  const cursor = await opened(context, ONCE);
  const first = await running(context, SLEEP);
  await context.source?.close();
  assert.is(eventsOf(cursor).filter(({ pid }) => pid === first).length, 1);
  const again = await opened(context, { everyMs: 1_500 });
  const child = context.children[0] as ChildProcess;
  child.kill('SIGKILL');
  await until(() => child.signalCode !== null, WAIT_MS, 'it has ended');
  let pid: number | undefined;
  for (let tries = 0; tries < 100 && pid !== first; tries++) {
    try {
      writeFileSync(numbers, String(first - 1));
    } catch {
      return void console.log('note: pids cannot be chosen here; that of an ended process is not used again');
    }
    const next = started(context, SLEEP, ['700']);
    pid = next.pid;
    // Somebody else was faster.
    if (pid !== first) next.kill('SIGKILL');
  }
  const isAgain = ({ pid, cmdline }: Event) => pid === first && cmdline === `${SLEEP} 700`;
  const events = await eventsUntil(again, isAgain, 'the second process of this number');
  assert.is(events.find(isAgain)?.op, 'start');
});

watching('without the right to see what another user runs its executable is null', async (context) => {
  if (process.getuid?.() !== 0) return void console.log('note: not root; nobody else can be looked at');
  const look = `const { createProcessesSource } = await import('${MODULE}');
    const source = createProcessesSource('p', { everyMs: 1e6 });
    const cursor = source.cursor();
    await source.open();
    console.log('open');
    process.stdin.once('data', async () => {
      await source.close();
      const bytes = Buffer.alloc(1 << 20);
      process.stdout.write(bytes.subarray(0, cursor.read(bytes).bytes), () => process.exit());
    });`;
  const observer = spawn(process.execPath, ['--input-type=module', '-e', look], {
    uid: 65_534,
    gid: 65_534,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  context.children.push(observer);
  let out = '';
  observer.stdout.on('data', (chunk) => (out += chunk));
  await until(() => out.startsWith('open\n'), WAIT_MS, 'it looks');
  const pid = await running(context, SLEEP);
  observer.stdin.write('\n');
  await until(() => observer.exitCode !== null, WAIT_MS, 'it has looked');
  const lines = out.trim().split('\n').slice(1);
  const event = lines.map((line) => JSON.parse(line) as Event).find((found) => found.pid === pid);
  assert.equal([event?.exe, event?.parent_exe, event?.uid, event?.comm], [null, null, 0, 'sleep']);
  assert.is(event?.cmdline, `${SLEEP} 600`);
});

watching('kernel threads are known by their flag, and a hidden /proc by its options', () => {
  assert.is(statOf(process.pid)?.isKernelThread, false);
  if (statOf(2)?.comm.toString() === 'kthreadd') assert.is(statOf(2)?.isKernelThread, true);
  assert.is(statOf(2 ** 30), undefined);
  const mounted = (options: string, place = '/proc') =>
    `sysfs /sys sysfs rw 0 0\nproc ${place} proc ${options} 0 0\n`;
  for (const options of [
    'rw,hidepid=2',
    'hidepid=invisible,rw',
    'rw,hidepid=ptraceable',
    'rw,gid=9,hidepid=1',
  ])
    assert.ok(hidesProcesses(mounted(options)), options);
  for (const options of ['rw', 'rw,relatime', 'rw,hidepid=0', 'rw,hidepid=off'])
    assert.not.ok(hidesProcesses(mounted(options)), options);
  assert.not.ok(hidesProcesses(mounted('hidepid=2', '/srv/proc')));
});

watching.run();
