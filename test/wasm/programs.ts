/**
 * Random programs that are valid, for comparing two ways to run them: functions of one i32 with blocks, branches, loops that
 * end, tables of branches, calls, and memory.
 */
import { body, EMPTY, END, I32, join, moduleOf, op, type Part, section, text, vector } from './build.js';

type Next = (below: number) => number;

const LOCALS = 4;
const PARAMETER_AND_LOCALS = 1 + LOCALS;
/** Counts the turns of each loop; a function has one for each depth. */
const COUNTERS = 4;
const DEPTH_MAX = 4;
const FUNCTIONS = 4;
const TURNS_MAX = 6;

/** A module that imports `env.memory` and exports `run`: i32 -> i32. */
export function randomProgram(next: Next): Uint8Array {
  const bodies = Array.from({ length: FUNCTIONS }, (_, index) =>
    body(join(statements(next, index, 0, 0), expression(next, index, 0)), [[LOCALS + COUNTERS, I32]]),
  );
  return moduleOf(
    section(1, vector([[0x60, 1, I32, 1, I32]])),
    section(2, vector([join(text('env'), text('memory'), [0x02, 0x01, 1, 1])])),
    section(3, vector(bodies.map(() => [0]))),
    section(4, vector([[0x70, 0x01, FUNCTIONS, FUNCTIONS]])),
    section(7, vector([join(text('run'), 0x00, FUNCTIONS - 1)])),
    section(9, vector([join([0x00], op('i32.const', 0), [END], vector(bodies.map((_, index) => [index])))])),
    section(10, vector(bodies)),
  );
}

function local(next: Next): number {
  return next(PARAMETER_AND_LOCALS);
}

function statements(next: Next, index: number, depth: number, labels: number): Buffer {
  return join(...Array.from({ length: next(5) }, () => statement(next, index, depth, labels)));
}

/** `labels` blocks are open around it, besides the function itself. */
function statement(next: Next, index: number, depth: number, labels: number): Part {
  const value = () => expression(next, index, 0);
  const inner = () => statements(next, index, depth + 1, labels + 1);
  const kind = next(depth < DEPTH_MAX ? 9 : 4);
  if (kind === 0) return join(op('i32.const', next(64)), value(), op('i32.store', 2, 0));
  if (kind === 1 && labels > 0) return join(value(), op('br_if', next(labels)));
  if (kind === 2 && labels > 0)
    return join(op('block', EMPTY), value(), op('br_table', 2, next(labels), 0, 1 + next(labels)), END);
  if (kind === 3) return filling(next);
  if (kind === 4) return join(value(), op('if', EMPTY), inner(), op('else'), inner(), END);
  if (kind === 5) return join(value(), op('if', EMPTY), value(), op('return'), END);
  if (kind === 6) return join(op('block', EMPTY), inner(), END);
  if (kind === 7) return turns(next, index, depth, labels);
  return join(value(), op('local.set', local(next)));
}

/** A loop that ends after some turns, whatever branches do in it. */
function turns(next: Next, index: number, depth: number, labels: number): Buffer {
  const counter = PARAMETER_AND_LOCALS + (depth % COUNTERS);
  return join(
    ...[
      op('i32.const', 1 + next(TURNS_MAX)),
      op('local.set', counter),
      op('block', EMPTY),
      op('loop', EMPTY),
    ],
    ...[op('local.get', counter), op('i32.eqz'), op('br_if', 1)],
    ...[op('local.get', counter), op('i32.const', 1), op('i32.sub'), op('local.set', counter)],
    ...[statements(next, index, depth + 1, labels + 2), op('br', 0), END, END],
  );
}

function filling(next: Next): Buffer {
  return join(
    ...[op('i32.const', next(64)), op('i32.const', next(64)), op('i32.const', next(64))],
    next(2) ? op('memory.fill', 0) : op('memory.copy', 0, 0),
  );
}

const OPERATORS = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shr_u', 'lt_s', 'eq', 'div_u', 'rem_s'];

/** Something that leaves one i32. Calls go only to functions before this one, so that they end. */
function expression(next: Next, index: number, depth: number): Buffer {
  const kind = next(depth < 3 ? 6 : 2);
  if (kind === 0) return op('i32.const', next(64));
  if (kind === 1) return op('local.get', local(next));
  const one = expression(next, index, depth + 1);
  if (kind === 2) return join(one, op('i32.const', 63), op('i32.and'), op('i32.load', 2, 0));
  if (kind === 3 && index > 0) return join(one, op('call', next(index)));
  if (kind === 4 && index > 0) return join(one, op('i32.const', next(index)), op('call_indirect', 0, 0));
  const other = expression(next, index, depth + 1);
  return join(one, other, op(`i32.${OPERATORS[next(OPERATORS.length)]}`));
}
