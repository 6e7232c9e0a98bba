/**
 * Audit records joined into events: order, limits, time-outs, arguments, lost serials, and hostile input.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunOptions, type RunResult, seeded, stream } from '../filter.js';
import { buildFieldsFilter, type FieldsFilter } from './fields.js';
import { ROOT } from './testfilter.js';
import { type Below, broken, pick, word } from './rubbish.js';

const CORPUS = join(ROOT, '../shared/corpus/audit/go-libaudit');
const START_MS = 1_769_853_600_000;

let filter: FieldsFilter;
test.before(async () => {
  filter = await buildFieldsFilter('audit-joined');
});
test.after(() => filter.remove());

const LIMITS = { capacity: '8', bytes: '4096', timeout: '2000' };

/** The events that lines are joined into. */
function joined(lines: readonly string[], limits = {}, options: RunOptions = {}): WireRecord[] {
  const result = filter.run(lines, { config: { ...LIMITS, ...limits }, ...options });
  assert.ok(ledgerAddsUp(result));
  return stream(result, 'fields');
}

/** A record of an event, some milliseconds after the start. */
const record = (serial: number, type: string, body = '', ms = 0) =>
  `type=${type} msg=audit(1769853600.${String(ms % 1000).padStart(3, '0')}:${serial}): ${body}`;

/** An event of a program that was started. */
const exec = (serial: number, name = 'ls', last = 'PROCTITLE') => [
  record(serial, 'SYSCALL', `syscall=59 a0=6C73 pid=${serial} exe="/bin/${name}"`),
  record(serial, 'EXECVE', `argc=2 a0="${name}" a1=2D6C2078`),
  record(serial, 'CWD', 'cwd="/root"'),
  record(serial, 'PATH', `item=0 name="/bin/${name}" nametype=NORMAL`),
  record(serial, 'PATH', 'item=1 name=2F6C2F6C64 nametype=UNKNOWN'),
  record(serial, last, last === 'PROCTITLE' ? 'proctitle=6C73' : ''),
];

const told = (serial: number, name = 'ls', records = 6) => ({
  ts: START_MS,
  serial,
  type: 'SYSCALL',
  records,
  lost: 0,
  exe: `/bin/${name}`,
  cwd: '/root',
  pid: String(serial),
  pointer: '6C73',
  argc: 2,
  arguments: 2,
  line: `${name} -l x`,
  last_argument: '-l x',
  paths: 2,
  path: '/l/ld',
  kind: 'UNKNOWN',
});

test('the records of a started program become one event', () => {
  assert.equal(joined(exec(7)), [told(7)]);
  assert.equal(joined(exec(7, 'ls', 'EOE')), [told(7, 'ls', 5)]);
});

test('records of several events may be mixed, and come in any order before the last', () => {
  const [a, b] = [exec(1, 'a'), exec(2, 'b')];
  const mixed = a.flatMap((line, index) => [line, b[index] as string]);
  assert.equal(joined(mixed), [told(1, 'a'), told(2, 'b')]);
  const turned = [...a.slice(0, 5).reverse(), a[5] as string];
  const [event] = joined(turned);
  assert.is(event?.type, 'PATH', 'the first record names the event');
  assert.equal({ ...event, type: 'SYSCALL', path: '/l/ld', kind: 'UNKNOWN' }, told(1, 'a'));
});

test('a record of a program is an event by itself', () => {
  const lines = ['USER_LOGIN', 'DAEMON_START', 'ROLE_ASSIGN'].map((type, serial) =>
    record(serial + 1, type, 'pid=1'),
  );
  const found = filter.run(lines, { config: LIMITS, closeWindows: false });
  assert.equal(
    stream(found, 'fields').map(({ type, records }) => [type, records]),
    [
      ['USER_LOGIN', 1],
      ['DAEMON_START', 1],
      ['ROLE_ASSIGN', 1],
    ],
  );
});

test('events of two nodes with the same serial are two events', () => {
  const lines = exec(1).flatMap((line) => [`node=a ${line}`, `node=b ${line}`]);
  assert.equal(joined(lines), [
    { ...told(1), node: 'a' },
    { ...told(1), node: 'b' },
  ]);
});

test('an event without an end is over when records are two seconds later, or at the end', () => {
  const open = exec(1).slice(0, 3);
  const later = (ms: number) =>
    `type=USER_LOGIN msg=audit(176985360${Math.floor(ms / 1000)}.${ms % 1000}:2): pid=1`;
  const count = (lines: readonly string[], closeWindows: boolean) =>
    joined(lines, {}, { closeWindows }).map(({ serial, records }) => [serial, records]);
  assert.equal(count([...open, later(1_999)], false), [[2, 1]]);
  assert.equal(count([...open, later(2_500)], false), [
    [1, 3],
    [2, 1],
  ]);
  assert.equal(count(open, false), []);
  assert.equal(count(open, true), [[1, 3]]);
});

test('one time far ahead completes what is open, and the events after it are whole', () => {
  const wrong = 'type=USER_LOGIN msg=audit(9999999999.000:5): pid=1';
  const found = joined([...exec(1).slice(0, 3), wrong, ...exec(2)]);
  assert.equal(
    found.map(({ serial, records }) => [serial, records]),
    [
      [1, 3],
      [5, 1],
      [2, 6],
    ],
  );
});

test('one event too many: the oldest is told as it is, and counted', () => {
  const lines = [1, 2, 3].map((serial) => exec(serial)[0] as string);
  const result = filter.run(lines, { config: { ...LIMITS, capacity: '2' }, closeWindows: false });
  assert.equal(
    stream(result, 'fields').map(({ serial, records }) => [serial, records]),
    [[1, 1]],
  );
  assert.is(result.ledger.overflowed, 1);
});

test('a record that finds no room is left out, counted, and told', () => {
  const lines = [
    record(1, 'SYSCALL', 'pid=1'),
    record(1, 'CWD', `cwd="${'x'.repeat(300)}"`),
    record(1, 'EOE'),
  ];
  const result = filter.run(lines, { config: { ...LIMITS, bytes: '256' } });
  const [event] = stream(result, 'fields');
  assert.is(event?.truncated, true);
  assert.is(event?.records, 1);
  assert.is(result.ledger.overflowed, 1);
});

test('long arguments come in pieces, over several records', () => {
  const lines = [
    record(1, 'EXECVE', 'argc=4 a0="sh" a1_len=6 a1[0]="ab" a1[1]=63'),
    record(1, 'EXECVE', 'a1[2]="def" a2="" a3=2078'),
    record(1, 'EOE'),
  ];
  const [event] = joined(lines);
  assert.is(event?.line, 'sh abcdef   x');
  assert.is(event?.arguments, 4);
  assert.is(event?.last_argument, ' x');
});

test('serials that never came are counted as lost, and given back when they come late', () => {
  const lost = (serials: readonly number[]) =>
    joined(serials.map((serial) => record(serial, 'USER_LOGIN', 'pid=1'))).map((event) => event.lost);
  // An event tells what was lost before it.
  assert.equal(lost([1, 2, 3]), [0, 0, 0]);
  assert.equal(lost([1, 5, 6]), [0, 0, 3]);
  assert.equal(lost([1, 5, 3, 6, 7]), [0, 0, 3, 2, 2]);
  assert.equal(lost([4_000_000_000, 1, 2]), [0, 0, 0]);
});

test('lines of open events are aggregated, others are malformed', () => {
  const result = filter.run([...exec(1), 'no record'], { config: LIMITS });
  assert.is(result.ledger.aggregated, 6);
  assert.is(result.ledger.malformed, 1);
  assert.ok(ledgerAddsUp(result));
});

function generated(below: Below): { lines: string[]; expected: Map<number, string[]> } {
  const expected = new Map<number, string[]>();
  const queues: string[][] = [];
  const lines: string[] = [];
  let serial = 1;
  while (expected.size < 300 || queues.length) {
    if (queues.length < 1 + below(8) && expected.size < 300) {
      const given = Array.from({ length: 1 + below(6) }, () => word('ab "\'=\u00fc', 0, 9, below));
      const encoded = given.map((text, index) =>
        /^[!#-~]+$/.test(text)
          ? `a${index}="${text}"`
          : `a${index}=${Buffer.from(text).toString('hex').toUpperCase()}`,
      );
      const body = encoded.map((text) => (text.endsWith('=') ? `${text}""` : text)).join(' ');
      const parts = [
        record(serial, 'SYSCALL', 'pid=1'),
        record(serial, 'EXECVE', `argc=${given.length} ${body}`),
      ];
      queues.push([
        ...(below(2) ? parts : parts.reverse()),
        record(serial, pick(['EOE', 'PROCTITLE'], below)),
      ]);
      expected.set(serial++, given);
      continue;
    }
    const at = below(queues.length);
    lines.push(queues[at]?.shift() as string);
    if (queues[at]?.length === 0) queues.splice(at, 1);
  }
  return { lines, expected };
}

test('generated events, mixed, give the arguments that were put into them, however they are batched', () => {
  const seed = 20_260_131;
  console.log(`\nnote: seed ${seed}`);
  const { lines, expected } = generated(seeded(seed));
  const [first, second] = [512, 65_536].map((batchBytes) => joined(lines, {}, { batchBytes }));
  assert.equal(first, second);
  assert.is(first?.length, expected.size);
  for (const event of first ?? []) {
    const given = expected.get(event.serial as number) as string[];
    assert.is(event.line, given.join(' '));
    assert.is(event.arguments, given.length);
    assert.is(event.last_argument, given.at(-1));
  }
});

/** A record with what means something to the reader of arguments in it, broken in any other way, or very long. */
function hostile(bases: readonly Buffer[], below: Below): Buffer {
  if (below(200) === 0) {
    const filler = pick(['x', '41', "'", ' a0=', 'a1[0]=', '"', '\x1d', ' name=', '\xff', 'A'], below);
    const long = filler.repeat(pick([100_000, 1_000_000], below) / filler.length);
    const starts = ['', 'argc=2 a0=', 'name="', "msg='op="].map((start) =>
      record(1 + below(300), 'EXECVE', start),
    );
    const [head, rest] = [`type=${long}`, ` msg=audit(1769853600.000:${1 + below(300)}): pid=1`];
    return Buffer.from(
      pick([...starts.map((start) => start + long), head + rest, `node=${long} type=CWD${rest}`], below),
      'latin1',
    );
  }
  if (below(3)) return broken(bases, below);
  const line = pick(bases, below);
  const at = below(line.length);
  const marks = pick(['', '"', '=', "'", ' a0=', 'a9999=', 'a1[', ']', '\x1d', ':', '9'.repeat(30)], below);
  return Buffer.concat([line.subarray(0, at), Buffer.from(marks), line.subarray(at + below(8))]);
}

/** A time that is seconds ahead completes every open event: such a line stands in front of one. */
const AHEAD = /audit\((?!176985360[01]\.)\d{10,}\./;

test('hostile records before and inside of an event leave it whole, and every line is counted once', () => {
  const seed = 20_260_206;
  console.log(`\nnote: seed ${seed}`);
  const below = seeded(seed);
  const bases = [...generated(below).lines, ...exec(301), ...exec(302, 'id', 'EOE')].map((line) =>
    Buffer.from(line),
  );
  const parts: Buffer[] = [];
  const rounds = 3_000;
  for (let round = 0; round < rounds; round++) {
    const ending = Buffer.from(below(4) ? '\n' : '\r\n');
    const mixed: Buffer[] = exec(5_000_000 + round).map((line) => Buffer.from(line));
    for (let count = below(6); count > 0; count--) {
      const line = hostile(bases, below);
      mixed.splice(AHEAD.test(line.toString('latin1')) ? 0 : below(6), 0, line);
    }
    parts.push(...mixed.flatMap((line) => [line, ending]));
  }
  const input = Buffer.concat(parts);
  const config = { ...LIMITS, capacity: '16', bytes: '65536' };
  const results = [4_096, 65_536].map((batchBytes) => filter.run(input, { config, batchBytes }));
  assert.ok(results[0]?.bytes.equals(results[1]?.bytes ?? input), 'records depend on batches');
  for (const result of results) {
    assert.is(result.ledger.in, input.filter((byte) => byte === 10).length);
    assert.ok(ledgerAddsUp(result));
    assert.ok(result.ledger.malformed > 1_000 && result.ledger.aggregated > rounds * 6);
  }
  const whole = stream(results[0] as RunResult, 'fields').filter(
    ({ serial }) => Number(serial) >= 5_000_000 && Number(serial) < 5_000_000 + rounds,
  );
  assert.is(whole.length, rounds);
  for (const { lost: _lost, ...event } of whole) {
    const { lost: _none, ...expected } = told(event.serial as number);
    assert.equal(event, expected);
  }
});

test('an argument of a megabyte, or a million of them, is cut and told', () => {
  assert.throws(() => filter.run([], { config: { ...LIMITS, bytes: '65537' } }), /holds up to 65536 bytes/);
  const million = 1_000_000;
  const bodies = [
    `argc=1 a0="${'x'.repeat(million)}"`,
    `argc=1 a0=${'41'.repeat(million / 2)}`,
    `argc=1 ${Array.from({ length: 70_000 }, (_, index) => `a${index}="x"`).join(' ')}`,
    `argc=1 ${'a0='.repeat(300_000)}`,
  ];
  const startMs = performance.now();
  for (const body of bodies) {
    const lines = [record(1, 'EXECVE', body), record(1, 'EOE'), ...exec(2)];
    const limits = { capacity: '1', bytes: '65536' };
    const found = joined(lines, limits, { batchBytes: 2 * 1_048_576 });
    assert.is(found.length, 2);
    assert.ok(String(found[0]?.line).length <= 32_768);
    assert.equal(found[1], told(2));
  }
  assert.ok(performance.now() - startMs < 15_000, `${performance.now() - startMs} ms`);
});

test('go-libaudit: the same records in order and out of order give the same events', () => {
  const folder = join(CORPUS, 'reassembly');
  if (!existsSync(folder)) {
    console.log(`\nnote: skipped, there are no records in ${folder}`);
    return;
  }
  const [normal, mixed] = ['normal', 'out_of_order'].map((name) =>
    joined(
      readFileSync(join(folder, `${name}.log`), 'utf8')
        .trimEnd()
        .split('\n'),
      // Seconds lie between these events; a time-out of event time must be longer than the disorder.
      { timeout: '60000' },
    ),
  );
  const bySerial = (events: WireRecord[] = []) =>
    events.toSorted((a, b) => Number(a.serial) - Number(b.serial));
  assert.equal(bySerial(mixed), bySerial(normal));
  assert.equal(
    normal?.map(({ serial, records }) => [serial, records]),
    [
      [58, 2],
      [59, 5],
      [60, 5],
      [61, 4],
      [62, 1],
    ],
  );
  console.log(`\nnote: ${normal?.length} events of go-libaudit agree in and out of order`);
});

/** The events of a file of go-libaudit: name and lines. */
function eventsOf(yaml: string): [string, string[]][] {
  const events: [string, string[]][] = [];
  for (const line of yaml.split('\n')) {
    const name = /^ {2}(\S.*): \|$/.exec(line)?.[1];
    if (name !== undefined) events.push([name.replace(/^["']|["']$/g, ''), []]);
    else if (line.trim().startsWith('type=')) events.at(-1)?.[1].push(line.trim());
  }
  return events;
}

interface Coalesced {
  readonly test_name: string;
  readonly event: {
    readonly sequence: number;
    readonly process?: { readonly exe?: string; readonly cwd?: string; readonly args?: readonly string[] };
    readonly paths?: readonly { readonly name?: string }[];
  };
}

test('go-libaudit: program, folder, arguments and paths of its coalesced events', () => {
  const folder = join(CORPUS, 'coalesce');
  if (!existsSync(folder)) {
    console.log(`\nnote: skipped, there are no records in ${folder}`);
    return;
  }
  let events = 0;
  let values = 0;
  for (const name of [
    'random-internet',
    'rhel-7-linux-3.10.0',
    'ubuntu-16.04-linux-4.13.0',
    'ubuntu-16.10-linux-4.8.0',
  ]) {
    const lines = new Map(eventsOf(readFileSync(join(folder, `${name}.yaml`), 'utf8')));
    const golden = JSON.parse(readFileSync(join(folder, `${name}.json.golden`), 'utf8')) as Coalesced[];
    for (const { test_name: title, event } of golden) {
      const [found, ...others] = joined(lines.get(title) ?? []);
      assert.is(others.length, 0, title);
      assert.is(found?.serial, event.sequence, title);
      events++;
      const { exe, cwd, args } = event.process ?? {};
      for (const [ours, theirs] of [
        [found?.exe, exe],
        [found?.cwd, cwd],
        [found?.line, args?.join(' ')],
        [found?.path, event.paths?.at(-1)?.name],
      ]) {
        if (theirs === undefined) continue;
        assert.is(ours, theirs, title);
        values++;
      }
    }
  }
  console.log(`\nnote: ${values} values of ${events} events of go-libaudit agree`);
});

test.run();
