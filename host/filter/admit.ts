/**
 * Admission: what a module must be before it runs. It imports `env.memory` and `env.abort` and nothing else, exports the
 * functions of the ABI with its types, has no start function of its own, cannot grow anything, keeps nothing where the host
 * could not read it (mutable globals other than numbers), and keeps to the limits.
 *
 * The bytes are judged by the reader in `wasm/` before the engine sees any of them: a table of 10 million entries is 20
 * bytes of a module, and a few of them end the process. Then the engine validates what the reader leaves to it. Nothing of
 * the module runs here.
 */
import { printable, WeirError } from '../errors.js';
import { MODULE_BYTES_MAX, MODULE_CARRIED_MAX, MODULE_REASONS_MAX } from '../limits.js';
import { Refusal, type RefusalCode } from '../wasm/bytes.js';
import { walkBody } from '../wasm/code.js';
import { FUEL_EXPORT, GLOBAL_EXPORT, meter } from '../wasm/meter.js';
import { type Import, isModule, readModule, type WasmModule } from '../wasm/module.js';
import { FEATURES, type Feature, NAMES, opcodeOf } from '../wasm/opcodes.js';
import { type FunctionType, functionTypeText, type Limits, type ValueType } from '../wasm/types.js';
import { ABORT, EXPORTS } from './abi.js';

/** Why a module may not run; the sentence says what was expected and what was found, and is harmless to show. */
export interface Reason {
  readonly code:
    | RefusalCode
    | 'size'
    | 'import'
    | 'memory'
    | 'global'
    | 'start'
    | 'export'
    | 'grow'
    | 'invalid';
  readonly sentence: string;
}

export interface Verdict {
  /** Empty when it may run; at most `MODULE_REASONS_MAX`. */
  readonly reasons: readonly Reason[];
  /** What it is, where it could be read. */
  readonly module: WasmModule | undefined;
  readonly instructions: number;
  readonly features: readonly Feature[];
}

/** What a sentence shows of names that the module chose. */
const SENTENCE_CHARACTERS_MAX = 300;
/**
 * What grows something, works on tables by their length, or changes what the host cannot put back after a fault: no
 * compiler of filters needs it.
 */
const REFUSED: ReadonlySet<number> = new Set(
  [
    ...['memory.grow', 'table.grow', 'table.set', 'table.fill', 'table.copy', 'table.init'],
    ...['data.drop', 'elem.drop'],
  ].map(opcodeOf),
);

/** What a mutable global may hold: a number that the host can read and set. */
const SAVED: ReadonlySet<ValueType> = new Set(['i32', 'i64', 'f32', 'f64'] as const);

/** What was admitted already: `weir test` starts the same bytes again and again. Whoever has them must not change them. */
const admitted = new WeakMap<Uint8Array, WebAssembly.Module>();

/** Compiles the bytes, metered, when they may run as a filter; throws MODULE_REFUSED with the first reason. */
export function admit(name: string, bytes: Uint8Array): WebAssembly.Module {
  const known = admitted.get(bytes);
  if (known !== undefined) return known;
  const { reasons, module } = judge(bytes);
  if (reasons.length === 0 && module !== undefined) return compileMetered(bytes, module);
  const [first] = reasons;
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more; "weir inspect" tells them)` : '';
  throw new WeirError('MODULE_REFUSED', `filter ${name}: ${first?.sentence}${more}`);
}

function compileMetered(bytes: Uint8Array, module: WasmModule): WebAssembly.Module {
  const compiled = new WebAssembly.Module(meter(module) as Uint8Array<ArrayBuffer>);
  admitted.set(bytes, compiled);
  return compiled;
}

/** Judges a module: every reason against it, not only the first. Never throws, and runs nothing. */
export function judge(bytes: Uint8Array): Verdict {
  const { reasons, add } = createReasons();
  const unread = { reasons, module: undefined, instructions: 0, features: [] };
  if (bytes.length > MODULE_BYTES_MAX) {
    add('size', `expected a module of up to ${MODULE_BYTES_MAX} bytes, found ${bytes.length}`);
    return unread;
  }
  if (!isModule(bytes)) {
    add('malformed', 'expected a WebAssembly module, found other bytes');
    return unread;
  }
  const module = attempt(add, () => readModule(bytes));
  if (module === undefined) return unread;
  judgeImports(module, add);
  judgeGlobals(module, add);
  if (module.start !== undefined) add('start', 'expected no start function but weir_start, found one');
  judgeExports(module, add);
  const { instructions, features } = judgeCode(module, add);
  if (reasons.length === 0) validate(bytes, add);
  return { reasons, module, instructions, features };
}

/** Why a module's memory cannot be one of so many pages, or nothing. */
export function misfit({ initial, maximum }: Limits, pages: number): string | undefined {
  if (initial <= pages && pages <= (maximum ?? pages)) return undefined;
  return `expected to import a memory that can have ${pages} pages, found one of ${initial} to ${maximum}`;
}

type Add = (code: Reason['code'], sentence: string) => void;

function createReasons() {
  const reasons: Reason[] = [];
  const add: Add = (code, sentence) => {
    if (reasons.length < MODULE_REASONS_MAX)
      reasons.push({ code, sentence: printable(sentence.slice(0, SENTENCE_CHARACTERS_MAX)) });
  };
  return { reasons, add };
}

/** What reading gives, or a reason more. */
function attempt<T>(add: Add, read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    add(thrown.code, thrown.message);
    return undefined;
  }
}

function typeOf({ types, functions }: WasmModule, index: number): FunctionType {
  return types[functions[index] as number] as FunctionType;
}

/** What AssemblyScript imports for what authors may write, and what a filter has instead. */
const OUTSIDE: readonly (readonly [RegExp, string])[] = [
  [
    /^env\.seed$/,
    'Math.random(): a filter gives the same for the same events; "Sample" takes a part of them by a hash',
  ],
  [
    /^env\.(Date|performance)\.now$/,
    'the clock: receivedAt() is the time at which the host received the event',
  ],
  [
    /^env\.(console\.|trace$)/,
    'for printing: a filter tells something by a record of a stream, as "weir dev" shows it',
  ],
];

function judgeImports(module: WasmModule, add: Add): void {
  const { imports, memories } = module;
  const seen = new Set<string>();
  for (const found of imports) {
    const name = `${found.module}.${found.name}`;
    if (!isWanted(found)) {
      const means = OUTSIDE.find(([pattern]) => pattern.test(name))?.[1];
      const told = `${found.kind} ${name}${means === undefined ? '' : `, which is ${means}`}`;
      add('import', `expected to import only env.memory and env.abort, found ${told}`);
    } else if (seen.has(name)) add('import', `expected to import ${name} once, found it again`);
    else if (found.kind === 'function') {
      const type = functionTypeText(typeOf(module, found.index));
      const wanted = functionTypeText(ABORT);
      if (type !== wanted) add('import', `expected ${name} to have the type ${wanted}, found ${type}`);
    }
    seen.add(name);
  }
  const memory = imports.find((found) => found.kind === 'memory' && isWanted(found));
  if (memory === undefined)
    add('memory', 'expected to import the memory env.memory, found none of that name');
  else if (memories[memory.index]?.maximum === undefined)
    add('memory', 'expected to import env.memory with a maximum, found none');
  const own = memories.length - imports.filter(({ kind }) => kind === 'memory').length;
  if (own > 0) add('memory', `expected no memory of its own, found ${own}`);
}

function isWanted({ module, name, kind }: Import): boolean {
  return (
    module === 'env' &&
    ((name === 'memory' && kind === 'memory') || (name === 'abort' && kind === 'function'))
  );
}

/** What the host cannot read it could not put back; a NaN among floats comes back as another one, which is no number either. */
function judgeGlobals({ globals }: WasmModule, add: Add): void {
  for (const [index, { holds, isMutable }] of globals.entries()) {
    if (isMutable && !SAVED.has(holds))
      add('global', `expected mutable globals of numbers only, found global ${index} of type ${holds}`);
  }
}

function judgeExports(module: WasmModule, add: Add): void {
  for (const { name } of module.exports) {
    if (name === FUEL_EXPORT || name.startsWith(GLOBAL_EXPORT))
      add('export', `expected no export of the name ${name}, which the host adds, found one`);
  }
  for (const [name, wanted] of Object.entries(EXPORTS)) {
    const found = module.exports.find((exported) => exported.name === name);
    if (found?.kind !== 'function') {
      const instead = found?.kind ?? 'nothing of that name';
      add('export', `expected to export the function ${name}, found ${instead}`);
      continue;
    }
    const type = functionTypeText(typeOf(module, found.index));
    const expected = functionTypeText(wanted);
    if (type !== expected) add('export', `expected ${name} to have the type ${expected}, found ${type}`);
  }
}

/** Walks all code, past functions that are refused. */
function judgeCode(module: WasmModule, add: Add): { instructions: number; features: Feature[] } {
  let instructions = 0;
  let features = 0;
  let carried = 0;
  for (const body of module.bodies) {
    const code = attempt(add, () =>
      walkBody(module, body, (opcode, at) => {
        if (REFUSED.has(opcode)) add('grow', `expected no ${NAMES.get(opcode)}, found one at byte ${at}`);
      }),
    );
    instructions += code?.instructions ?? 0;
    features |= code?.features ?? 0;
    carried += code?.carried ?? 0;
  }
  if (carried > MODULE_CARRIED_MAX) {
    const most = `${MODULE_CARRIED_MAX} values carried to blocks and branches`;
    add('limit', `expected up to ${most}, found ${carried}`);
  }
  const isUsed = (feature: Feature, index: number) =>
    (features & (1 << (index + 1))) !== 0 ||
    (feature === 'bulk memory' && module.hasDataCount) ||
    (feature === 'multi-value' && module.types.some(({ gives }) => gives.length > 1)) ||
    (feature === 'mutable globals' &&
      module.exports.some(
        ({ kind, index: global }) => kind === 'global' && module.globals[global]?.isMutable,
      ));
  return { instructions, features: FEATURES.filter(isUsed) };
}

/** What the reader leaves to the engine: the types of operands. */
function validate(bytes: Uint8Array, add: Add): void {
  try {
    new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    add('invalid', `expected a valid WebAssembly module, found ${(cause as Error).message}`);
  }
}
