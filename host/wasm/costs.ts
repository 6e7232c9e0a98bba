/**
 * The cost model: what the instructions of a function cost, and where that is charged.
 *
 * An instruction costs 1; nothing where it only names a value or a place, more where it takes the machine longer (`COSTS`). Code
 * is charged in stretches, which no branch enters or leaves in the middle: a long one where it begins, the short ones together
 * with the arm, loop or function that they are in, as much as the dearest way through it takes (`ways.ts`). So a short stretch is
 * paid for also where a branch passes it by; but none can run again without being paid for again. Instructions that work on a
 * length (`memory.copy`, `memory.fill`, ...) cost 1 more for each 8 of it. Fuel is a number and nothing else: the same module with
 * the same input uses the same on every machine.
 */
import { createReader, type Reader } from './bytes.js';
import { BY_LENGTH, LOOP, walkBody } from './code.js';
import type { Body, WasmModule } from './module.js';
import { IMMEDIATES_OF, opcodeOf } from './opcodes.js';
import { type Charge, createWays, type Ways } from './ways.js';

/** What a length costs: 1 for each 8, as many bytes as an instruction would have moved. */
export const LENGTH_SHIFT = 3;
const BLOCK = opcodeOf('block');
const IF = opcodeOf('if');
const ELSE = opcodeOf('else');
const END = opcodeOf('end');
const BRANCHES = new Set(['br', 'br_if', 'br_table'].map(opcodeOf));
const BRANCH_TABLE = opcodeOf('br_table');
const RETURN = opcodeOf('return');
const CALL = opcodeOf('call');
const CALLS = new Set(['call', 'call_indirect'].map(opcodeOf));
/** Control never comes from these to what stands behind. */
const NEVER_GOES_ON = new Set(['br', 'br_table', 'return', 'unreachable'].map(opcodeOf));
/** Behind these control may not come, or comes from elsewhere. */
const ENDS_STRETCH = new Set(
  ['loop', 'if', 'else', 'end', 'br', 'br_if', 'br_table', 'return', 'unreachable'].map(opcodeOf),
);
/** Whether there is nothing more to an instruction than its cost, as with nearly all of them. */
const IS_PLAIN = new Uint8Array(IMMEDIATES_OF.length).fill(1);
for (const opcode of [BLOCK, ...CALLS, ...BY_LENGTH, ...ENDS_STRETCH]) IS_PLAIN[opcode] = 0;
/**
 * Costs other than 1: what only names a value or a place costs the machine nothing, a division more than the rest, and so
 * does a call, most of all one through a table, whose target the machine may guess wrong.
 */
const COSTS = costs({
  0: ['block', 'loop', 'else', 'end', 'nop', 'drop', 'local.get', 'local.set', 'local.tee', ...constants()],
  32: ['memory.init', 'memory.copy', 'memory.fill'],
  16: [
    'call_indirect',
    ...['i32', 'i64'].flatMap((type) =>
      ['div_s', 'div_u', 'rem_s', 'rem_u'].map((name) => `${type}.${name}`),
    ),
  ],
  8: ['f32.div', 'f64.div', 'f32.sqrt', 'f64.sqrt', 'f32x4.div', 'f64x2.div', 'f32x4.sqrt', 'f64x2.sqrt'],
  4: ['call'],
});
/** So many locals cost 1 for each turn of a loop, and each call. */
const LOCALS_SHIFT = 5;
/** A stretch, or an arm of an `if`, that costs less is charged with what it stands in, whether control comes to it or not. */
const OWN_MIN = 16;
/** What a function may cost for its callers to pay for it unseen, how long it may be, and how deep such calls may go. */
export const FIXED_COST_MAX = 200;
const FIXED_BYTES_MAX = 600;
const FIXED_ROUNDS = 8;

function constants(): string[] {
  return ['i32', 'i64', 'f32', 'f64', 'v128'].map((type) => `${type}.const`);
}

function costs(named: Readonly<Record<number, readonly string[]>>): Uint8Array {
  const found = new Uint8Array(IMMEDIATES_OF.length).fill(1);
  for (const [cost, names] of Object.entries(named))
    for (const name of names) found[opcodeOf(name)] = Number(cost);
  return found;
}

/** What the walk of a body finds. */
export interface Plan {
  /** The function's own first. */
  readonly charges: readonly Charge[];
  readonly hasLoops: boolean;
  /** Where control leaves the function. */
  readonly leaves: readonly number[];
  readonly calls: readonly Call[];
  readonly lengths: readonly number[];
  readonly locals: number;
  readonly start: number;
}

interface Call {
  readonly at: number;
  readonly after: number;
  /** The function; nothing where it is called through a table. */
  readonly callee: number | undefined;
  /** Whether nothing is charged, and control cannot come in, between this call and the one before it. */
  readonly follows: boolean;
}

/** What is charged where; `ownMin` as `OWN_MIN`. */
export function planOf(
  module: WasmModule,
  body: Body,
  fixed: ReadonlyMap<number, number>,
  ownMin = OWN_MIN,
): Plan {
  const charges: Charge[] = [];
  const leaves: number[] = [];
  const calls: Call[] = [];
  const lengths: number[] = [];
  let ways: Ways | undefined;
  let stretchAt = 0;
  let cost = 0;
  /** Whether this stretch has a call already, and nothing was charged since. */
  let hasCalled = false;
  const operands = createReader(module.bytes);
  const { start, locals } = walkBody(module, body, (opcode, at, after, depth) => {
    if (!ways) {
      stretchAt = at;
      ways = createWays(at, charges, ownMin);
    }
    cost += COSTS[opcode] as number;
    if (IS_PLAIN[opcode]) return;
    if (opcode === BLOCK) {
      ways.block();
      return;
    }
    if (CALLS.has(opcode)) {
      const callee = calleeOf(operands, opcode, at);
      const known = callee === undefined ? undefined : fixed.get(callee);
      if (known !== undefined) cost += known;
      else {
        calls.push({ at, after, callee, follows: hasCalled });
        hasCalled = true;
      }
      return;
    }
    if (BY_LENGTH.has(opcode)) {
      lengths.push(at);
      hasCalled = false;
      return;
    }
    if (cost < ownMin || stretchAt === ways.payingSince()) ways.pass(cost);
    else charges.push({ at: stretchAt, cost, looks: false });
    stretchAt = after;
    cost = 0;
    hasCalled = false;
    if (opcode === RETURN || (opcode === END && depth === 1)) leaves.push(at);
    if (BRANCHES.has(opcode)) {
      const labels = labelsOf(operands, opcode, at);
      if (labels.includes(depth - 1)) leaves.push(at);
      for (const label of labels) ways.branch(label);
    }
    goOn(ways, opcode, after);
  });
  // A turn, or a call, may move all locals, which costs nothing by itself.
  for (const charge of charges) if (charge.looks) charge.cost += locals >> LOCALS_SHIFT;
  const hasLoops = charges.some(({ looks }, index) => looks && index > 0);
  return { charges, hasLoops, leaves, calls, lengths, locals, start };
}

/** Where control goes behind an instruction that ends a stretch, other than to its labels. */
function goOn(ways: Ways, opcode: number, after: number): void {
  if (opcode === END) ways.end();
  else if (opcode === IF) ways.if(after);
  else if (opcode === ELSE) ways.else(after);
  else if (opcode === LOOP) ways.loop(after);
  else if (NEVER_GOES_ON.has(opcode)) ways.stop();
}

/** What is called through a table has no number that one could know before it runs. */
function calleeOf(operands: Reader, opcode: number, at: number): number | undefined {
  operands.at = at + 1;
  return opcode === CALL ? operands.u32('a function') : undefined;
}

/** What a function may charge outside of its loops, or with one turn of each. */
export function costOf(charges: readonly Charge[]): number {
  return charges.reduce((sum, { cost }) => sum + cost, 0);
}

/** A function that may have such a cost, with the calls whose cost was not known when it was walked last. */
interface Candidate {
  readonly body: Body;
  readonly calls: readonly Call[];
}

/**
 * Functions whose cost is known before they run: no loops, no calls but of such, nothing by length, and called by their
 * number only. Who calls one pays for it, and it need not count.
 */
export function fixedCosts(module: WasmModule): Map<number, number> {
  // `env.abort` never comes back.
  const fixed = new Map(
    module.imports.filter(({ kind }) => kind === 'function').map(({ index }) => [index, 0]),
  );
  const reachable = new Set(
    module.exports.filter(({ kind }) => kind === 'function').map(({ index }) => index),
  );
  for (const index of module.referenced) reachable.add(index);
  const isKnown = ({ callee }: Call) => callee !== undefined && fixed.has(callee);
  let waiting = module.bodies
    .filter(({ index, end, start }) => !reachable.has(index) && end - start < FIXED_BYTES_MAX)
    .map((body): Candidate => ({ body, calls: [] }));
  for (let round = 0; round < FIXED_ROUNDS; round++) {
    const before = fixed.size;
    waiting = waiting.flatMap((candidate): Candidate[] => {
      const { body } = candidate;
      if (!candidate.calls.every(isKnown)) return [candidate];
      const { charges, hasLoops, calls, lengths } = planOf(module, body, fixed, Infinity);
      const cost = costOf(charges);
      if (hasLoops || lengths.length > 0 || cost > FIXED_COST_MAX) return [];
      if (calls.length > 0) return [{ body, calls }];
      fixed.set(body.index, cost);
      return [];
    });
    if (fixed.size === before) break;
  }
  return fixed;
}

/** The blocks that a branch may leave, or begin anew: 0 is the innermost. That of the function itself is a return. */
function labelsOf(operands: Reader, opcode: number, at: number): number[] {
  operands.at = at + 1;
  const labels = opcode === BRANCH_TABLE ? operands.u32('the number of labels') + 1 : 1;
  return Array.from({ length: labels }, () => operands.u32('a label'));
}
