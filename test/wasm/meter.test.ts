/**
 * A metered module does what the plain one does, counts the same on every run, and stops whatever does not end.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { admit } from '../../host/filter/admit.js';
import { finish } from '../../host/filter/calls.js';
import { startFilter } from '../../host/filter/instance.js';
import { installedFilters, loadFilter } from '../../host/filter/library.js';
import { FUEL_EXPORT, meter } from '../../host/wasm/meter.js';
import { readModule } from '../../host/wasm/module.js';
import { ROOT } from '../command.js';
import { seeded } from '../filter.js';
import {
  body,
  EMPTY,
  END,
  filter,
  filterWith,
  HONEST,
  I32,
  I64,
  join,
  moduleOf,
  op,
  repeat,
  type Part,
  section,
  text,
} from './build.js';
import { randomProgram } from './programs.js';
import { exact, unmetered } from './unmetered.js';

const SEED = 20_260_301;
const PROGRAMS = 400;
const FUEL = 1_000_000_000n;
const NOW_MS = Date.UTC(2026, 1, 1);
process.stdout.write(`note: seed ${SEED}\n`);

interface Outcome {
  readonly output: string;
  readonly fuel: number;
  readonly ledger: object;
}

/** Runs a shipped filter over lines, so many in each batch. */
function outcome(name: string, lines: readonly string[], each: number, compile = admit): Outcome {
  const filter = startFilter({ ...loadFilter(name), config: CONFIGS[name] ?? {}, zones: [], compile });
  const records: string[] = [];
  const sink = (stream: number, output: Uint8Array, start: number, end: number) =>
    void records.push(`${stream} ${Buffer.from(output.subarray(start, end)).toString('hex')}`);
  for (let at = 0; at < lines.length; at += each) {
    const bytes = filter.input.write(`${lines.slice(at, at + each).join('\n')}\n`);
    finish(filter.run(bytes, NOW_MS, false, sink));
  }
  finish(filter.closeWindows(NOW_MS, sink));
  return { output: records.join('\n'), fuel: filter.fuelUsed(), ledger: filter.ledger() };
}

const CONFIGS: Readonly<Record<string, object>> = {
  'json-select': { where: [{ field: 'user', in: ['root', 'admin'] }], count_by: ['user'] },
};

function samples(name: string): string[] {
  const folder = joinPath(ROOT, 'filters', name, 'samples');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.log') || file.endsWith('.ndjson'))
    .flatMap((file) => readFileSync(joinPath(folder, file), 'utf8').split('\n'))
    .filter((line) => line !== '');
}

test('every shipped filter gives the same records, metered and not, and uses the same fuel each time', () => {
  for (const name of installedFilters()) {
    const lines = samples(name);
    assert.ok(lines.length > 0, name);
    const metered = outcome(name, lines, 50);
    const plain = outcome(name, lines, 50, unmetered);
    assert.is(metered.output, plain.output, name);
    assert.equal(metered.ledger, plain.ledger, name);
    // The host's work is paid for either way.
    assert.ok(metered.fuel > plain.fuel, name);
    assert.equal(outcome(name, lines, 50), metered, name);
  }
});

test('fuel does not depend on how events are batched, but for what a call costs by itself', () => {
  const lines = Array.from(
    { length: 400 },
    (_, at) => `Jan 31 10:00:${10 + (at % 50)} fw-1 cron[${at}]: nothing ${at}`,
  );
  const of = (each: number) => outcome('tripwire', lines, each).fuel;
  const perCall = (of(1) - of(400)) / 399;
  note(`a call costs ${perCall} of ${Math.round(of(400) / 400)} an event`);
  assert.ok(perCall > 0 && perCall < 2_000, `${perCall} a call`);
  for (const each of [2, 5, 40, 100])
    assert.is(of(each), of(400) + perCall * (400 / each - 1), `${each} a batch`);
});

test('random programs answer the same, metered and not, and use the same fuel each time', () => {
  const next = seeded(SEED);
  let answered = 0;
  for (let round = 0; round < PROGRAMS; round++) {
    const program = randomProgram(next);
    const plain = run(program);
    const metered = run(meter(readModule(program)));
    assert.equal(metered.answers, plain.answers, `program ${round}`);
    assert.equal(run(meter(readModule(program))), metered, `program ${round}`);
    if (plain.answers.some((answer) => typeof answer === 'number')) answered++;
  }
  note(`${answered} of ${PROGRAMS} programs answer without a trap`);
  assert.ok(answered > PROGRAMS / 2);
});

test('fuel is never less than what was done, and not much more', () => {
  const next = seeded(SEED);
  let compared = 0;
  for (let round = 0; round < PROGRAMS; round++) {
    const program = randomProgram(next);
    const [counted, metered] = [run(exact(program)), run(meter(readModule(program)))];
    // A trap keeps what its function has charged to itself.
    if (counted.answers.some((answer) => typeof answer !== 'number')) continue;
    compared++;
    assert.ok(metered.used >= counted.used, `program ${round}: ${metered.used} charged for ${counted.used}`);
  }
  assert.ok(compared > PROGRAMS / 4);
  for (const name of installedFilters()) {
    const lines = samples(name);
    const plain = (_name: string, bytes: Uint8Array) =>
      new WebAssembly.Module(exact(bytes) as Uint8Array<ArrayBuffer>);
    const share = outcome(name, lines, 50).fuel / outcome(name, lines, 50, plain).fuel;
    note(`${name} is charged ${share.toFixed(2)} times its work`);
    assert.ok(share >= 1 && share < 3, `${name}: ${share}`);
  }
});

test('what is charged is what the cost model says', () => {
  const countDown = [
    ...[op('loop', EMPTY), op('local.get', 0), op('i32.const', 1), op('i32.sub'), op('local.tee', 0)],
    ...[op('br_if', 0), END],
  ];
  const answer = op('i32.const', 0);
  const filling = [op('i32.const', 0), op('i32.const', 0), op('i32.const', 0xc0, 0), op('memory.fill', 0)];
  const cost = (...bodies: Part[]) => {
    const program = moduleOf(
      section(1, [1, 0x60, 1, I32, 1, I32]),
      section(2, [1], text('env'), text('memory'), [0x02, 0x01, 1, 1]),
      section(
        3,
        [bodies.length],
        bodies.map(() => 0),
      ),
      section(7, [1], text('run'), [0x00, bodies.length - 1]),
      section(10, [bodies.length], ...bodies),
    );
    return fuelOf(meter(readModule(program)), 5);
  };
  // A subtraction and a branch, five times.
  assert.is(cost(body(join(...countDown, answer))), 10);
  // Five turns of a call (4), of what the function called costs with 3 (6), of a drop, a subtraction and a branch.
  const called = [op('i32.const', 3), op('call', 0), op('drop')];
  const [loop, ...rest] = countDown as [Part, ...Part[]];
  assert.is(cost(body(join(...countDown, answer)), body(join(loop, ...called, ...rest, answer))), 60);
  // The same with two calls in a row, and with two that a filling of 64 bytes (40) stands between.
  const twice = (between: readonly Part[]) =>
    body(join(loop, ...called, ...between, ...called, ...rest, answer));
  assert.is(cost(body(join(...countDown, answer)), twice([])), 110);
  assert.is(cost(body(join(...countDown, answer)), twice(filling)), 310);
  // 64 bytes, 1 for each 8, and 32 for the instruction.
  assert.is(cost(body(join(...filling, answer))), 40);
  // A long arm is paid for only when control comes to it: 16 additions, and the `if`.
  const sum = (count: number) =>
    join(op('local.get', 0), ...Array(count).fill(join(op('i32.const', 1), op('i32.add'))));
  const arm = (count: number, condition: number) =>
    join(op('i32.const', condition), op('if', EMPTY), sum(count), op('local.set', 0), END, answer);
  assert.is(cost(body(arm(16, 1))), 17);
  assert.is(cost(body(arm(16, 0))), 1);
  assert.is(cost(body(arm(15, 0))), 16);
  // So is one of short stretches: two of 8 additions, each behind an `if`.
  const choice = (condition: number, ...arms: Part[]) =>
    join(op('i32.const', condition), op('if', EMPTY), join(...arms), END);
  const short = (count: number) => join(sum(count), op('local.set', 0));
  const both = join(choice(1, short(8)), choice(1, short(8)));
  assert.is(cost(body(join(choice(1, both), answer))), 19);
  assert.is(cost(body(join(choice(0, both), answer))), 1);
  // Of two short arms the longer one is paid for, and where one leaves, not what it leaves out.
  assert.is(cost(body(join(choice(0, short(5), op('else'), short(9)), answer))), 10);
  assert.is(cost(body(join(choice(1, short(5), op('else'), short(9)), answer))), 10);
  const leaves = join(op('block', EMPTY), choice(1, short(5), op('br', 1)), short(9), END);
  assert.is(cost(body(join(leaves, answer))), 10);
});

function fuelOf(bytes: Uint8Array, argument: number): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const { run, weir_fuel } = exports as {
    run(argument: number): number;
    weir_fuel: WebAssembly.Global<'i64'>;
  };
  weir_fuel.value = 1_000n;
  run(argument);
  return 1_000 - Number(weir_fuel.value);
}

/** Calls `run` with some numbers; a trap is its name. */
function run(bytes: Uint8Array): { answers: unknown[]; memory: string; used: bigint } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as Record<string, unknown>;
  const fuel = exports[FUEL_EXPORT] as WebAssembly.Global<'i64'> | undefined;
  if (fuel) fuel.value = FUEL;
  const answers = [0, 1, 7, -1].map((argument) => {
    try {
      return (exports.run as (argument: number) => number)(argument);
    } catch (cause) {
      return (cause as Error).message;
    }
  });
  const used = fuel ? FUEL - fuel.value : 0n;
  return { answers, memory: Buffer.from(memory.buffer).toString('latin1').slice(0, 4096), used };
}

const FOREVER: Readonly<Record<string, readonly Part[]>> = {
  'a loop': [op('loop', EMPTY), op('br', 0), END],
  'a loop behind a table of branches': [
    ...[op('loop', EMPTY), op('block', EMPTY), op('i32.const', 0), op('br_table', 1, 0, 1, 0)],
    ...[END, op('br', 0), END],
  ],
  'two loops inside each other': [op('loop', EMPTY), op('loop', EMPTY), op('br', 1), END, END],
  'a loop that calls': [op('loop', EMPTY), op('call', 6), op('br', 0), END],
  'memory.fill in a loop': [
    ...[op('loop', EMPTY), op('i32.const', 0), op('i32.const', 0), op('i32.const', 0xff, 0xff, 0x03)],
    ...[op('memory.fill', 0), op('br', 0), END],
  ],
  'functions that call each other': [op('call', 7)],
};

test('what does not end is stopped, and the fuel says why', () => {
  for (const [what, code] of Object.entries(FOREVER)) {
    const bytes = filter(withForever(join(...code)));
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const instance = new WebAssembly.Instance(admit('forever', bytes), { env: { memory, abort: () => {} } });
    const exports = instance.exports as { forever(): void; weir_fuel: WebAssembly.Global<'i64'> };
    exports.weir_fuel.value = 10_000_000n;
    const startMs = performance.now();
    assert.throws(
      exports.forever,
      what.startsWith('functions') ? /unreachable|call stack/ : /unreachable/,
      what,
    );
    assert.ok(performance.now() - startMs < 2_000, what);
    if (!what.startsWith('functions')) assert.ok(exports.weir_fuel.value < 0n, what);
  }
});

/** A third function of its own, `forever`, behind one that does nothing and one that calls itself. */
function withForever(code: Uint8Array) {
  return {
    functions: [...HONEST.functions, 2, 2, 2],
    exports: [...HONEST.exports, join(text('forever'), 0x00, 8)],
    bodies: [...HONEST.bodies, body([]), body(op('call', 7)), body(code)],
  };
}

test('straight code of much work is stopped as well, and stays cheap to compile', () => {
  // 4,000 calls, each of 1,000 divisions: 64 million, without a loop.
  const divisions = join(
    op('i32.const', 1),
    repeat(join(op('i32.const', 1), op('i32.div_u')), 1_000),
    op('drop'),
  );
  const bytes = filter({
    functions: [...HONEST.functions, 2, 2],
    exports: [...HONEST.exports, join(text('forever'), 0x00, 7)],
    bodies: [...HONEST.bodies, body(divisions), body(repeat(op('call', 6), 4_000))],
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(admit('straight', bytes), { env: { memory, abort: () => {} } });
  const exports = instance.exports as { forever(): void; weir_fuel: WebAssembly.Global<'i64'> };
  exports.weir_fuel.value = 10_000_000n;
  assert.throws(exports.forever, /unreachable/);
  assert.ok(exports.weir_fuel.value > -100_000n, `${exports.weir_fuel.value} left`);

  const copies = join(repeat(op('i32.const', 0), 3), op('memory.copy', 0, 0));
  const carried = filterWith(join(repeat(op('i32.const', 0), 20_000), repeat(copies, 1_000), op('return')), [
    [4_000, I64],
  ]);
  assert.throws(() => admit('carried', carried), /values carried to blocks and branches/);
});

test('many locals are paid for at each turn', () => {
  const turn = join(op('loop', EMPTY), op('local.get', 0), op('br_if', 0), END, op('i32.const', 0));
  const fuel = (locals: number) =>
    fuelOf(
      meter(
        readModule(
          moduleOf(
            section(1, [1, 0x60, 1, I32, 1, I32]),
            section(2, [1], text('env'), text('memory'), [0x02, 0x01, 1, 1]),
            section(3, [1, 0]),
            section(7, [1], text('run'), [0x00, 0]),
            section(10, [1], body(turn, [[locals, I64]])),
          ),
        ),
      ),
      0,
    );
  assert.is(fuel(1), 1);
  assert.is(fuel(3_200), 1 + 2 * 100);
});

test('a module may not bring a fuel of its own', () => {
  const bytes = filter({
    globals: [[I64, 1, 0x42, 0, END]],
    exports: [...HONEST.exports, join(text(FUEL_EXPORT), 0x03, 0)],
  });
  assert.throws(
    () => admit('mine', bytes),
    /expected no export of the name weir_fuel, which the host adds, found one/,
  );
});

function note(said: string): void {
  process.stdout.write(`note: ${said}\n`);
}

test.run();
