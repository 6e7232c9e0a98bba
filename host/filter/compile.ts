/**
 * From a filter's folder to its module, with the AssemblyScript compiler and the options of `asconfig.json`.
 *
 * The compiler is an optional dependency and is loaded only here. `import ... from 'weir/runtime'` resolves
 * to this package's own `runtime/`, wherever the filter lies; the compiler sees every filter as `filters/NAME`,
 * so that a module does not depend on the folder in which it was built. The second entry, which exports the ABI,
 * exists only during a compilation. The compiler's "stub" runtime is replaced by our arena: the stub grows memory,
 * and with a runtime given by path the compiler keeps a stack of references for a collector that we do not have,
 * which makes hot functions twice as slow.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { WeirError } from '../errors.js';

const ENTRY_FILE = 'weir-entry.ts';
const ENTRY_SOURCE = `
  export { weir_abi, weir_heap_base, weir_batch, weir_tick, weir_due, weir_left_out } from 'weir/runtime/entry';
`;
const LANGUAGE_RUNTIME = 'rt/index-stub';
const LANGUAGE_RUNTIME_SOURCE = "import 'weir/runtime/heap';\n";
const PACKAGE_IN_NODE_MODULES = 'node_modules/weir/';
/** Where every filter's folder lies for the compiler. */
const FILTERS = 'filters/';
const ERROR_CATEGORY = 3;
/** The compiler's own codes lie below those that it shares with TypeScript. */
const TYPESCRIPT_CODES_FROM = 1000;
const MARKED_COLUMNS_MAX = 200;

/** What the compiler adds to a module that has a source map: a custom section with the map's name. */
const MAP_SECTION = Buffer.from('\0\x23\x10sourceMappingURL\x11./filter.wasm.map', 'latin1');

export interface Compiled {
  readonly module: Uint8Array;
  /** Which line each byte of the module was made of (ECMA-426), without the sources. */
  readonly sourceMap: string;
}

type Compiler = typeof import('assemblyscript/asc');
type Diagnostic = Parameters<NonNullable<import('assemblyscript/asc').APIOptions['reportDiagnostic']>>[0];

/**
 * Compiles `<folder>/filter.ts` into `outFile`, which is there whole or not at all, with its source map beside it. `packageFolder` is the folder of
 * weir itself. Throws BUILD_FAILED with the number of mistakes; `tell` gets each of them, once, with its line.
 */
export async function compileFilter(
  packageFolder: string,
  folder: string,
  outFile: string,
  tell: (text: string) => void = () => {},
): Promise<void> {
  const { module, sourceMap } = await compileModule(packageFolder, folder, tell);
  await mkdir(dirname(outFile), { recursive: true });
  // Before the module, by whose time it is known whether a build is stale.
  await writeFile(`${outFile}.map`, sourceMap);
  const unfinished = `${outFile}.${process.pid}`;
  await writeFile(unfinished, module);
  await rename(unfinished, outFile);
}

/** The same into memory. */
export async function compileModule(
  packageFolder: string,
  folder: string,
  tell: (text: string) => void,
): Promise<Compiled> {
  const source = join(folder, 'filter.ts');
  if (!existsSync(source)) {
    throw new WeirError('BUILD_FAILED', `${source}: expected the filter's source, found no such file`);
  }
  const asc = await loadCompiler();
  const sources = new Map<string, string>();
  const placeOf = (name: string) => placeOfSource(packageFolder, resolve(folder), name);
  async function readSource(name: string): Promise<string | null> {
    const text = name === ENTRY_FILE ? ENTRY_SOURCE : await readFile(placeOf(name), 'utf8').catch(() => null);
    if (text !== null) sources.set(name, text);
    return text;
  }
  const entry = `${FILTERS}${basename(resolve(folder))}/filter.ts`;
  const options = ['--config', 'asconfig.json', '--runtime', 'stub', '--baseDir', packageFolder];
  const files = new Map<string, Uint8Array | string>();
  const mistakes: Diagnostic[] = [];
  const { error, stderr } = await asc.main(
    [entry, ENTRY_FILE, ...options, '--sourceMap', '--outFile', 'filter.wasm'],
    {
      readFile: readSource,
      writeFile: (name, contents) => void files.set(name, contents),
      listFiles: () => [],
      reportDiagnostic: (found) => void mistakes.push(found),
    },
  );
  const module = files.get('filter.wasm');
  if (!error && module instanceof Uint8Array) return compiled(module, String(files.get('filter.wasm.map')));
  const texts = mistakes
    .filter(({ category }) => category === ERROR_CATEGORY)
    .map((mistake) => describe(mistake, sources, placeOf));
  if (texts.length === 0) throw new WeirError('BUILD_FAILED', stderr.toString().trim() || String(error));
  tell(`${texts.join('\n')}\n`);
  const found = texts.length === 1 ? 'the mistake above' : `the ${texts.length} mistakes above`;
  throw new WeirError(
    'BUILD_FAILED',
    `filter ${basename(resolve(folder))}: expected a module, found ${found}`,
  );
}

/** The map is nothing that an appliance gets, so the module does not name it. */
function compiled(bytes: Uint8Array, map: string): Compiled {
  const end = bytes.length - MAP_SECTION.length;
  const module = MAP_SECTION.equals(bytes.subarray(end)) ? bytes.subarray(0, end) : bytes;
  return { module, sourceMap: JSON.stringify({ ...JSON.parse(map), sourcesContent: undefined }) };
}

/**
 * Loads the compiler. It brings a WebAssembly module of megabytes, most of whose functions run a few times: to optimise them
 * takes V8 3 s of processor time and makes nothing faster.
 */
async function loadCompiler(): Promise<Compiler> {
  try {
    setFlagsFromString('--liftoff-only');
    const compiler = await import('assemblyscript/asc');
    compiler.libraryFiles[LANGUAGE_RUNTIME] = LANGUAGE_RUNTIME_SOURCE;
    return compiler;
  } catch (cause) {
    throw new WeirError('BUILD_FAILED', 'the compiler is not installed: run "npm install assemblyscript"', {
      cause,
    });
  } finally {
    setFlagsFromString('--no-liftoff-only');
  }
}

/** Where a file of the compiler's lies: the filter's neighbours, this package, or packages of the filter's project. */
function placeOfSource(packageFolder: string, folder: string, name: string): string {
  const inPackage = name.lastIndexOf(PACKAGE_IN_NODE_MODULES);
  if (inPackage >= 0) return join(packageFolder, name.slice(inPackage + PACKAGE_IN_NODE_MODULES.length));
  if (name.startsWith(FILTERS)) return join(dirname(folder), name.slice(FILTERS.length));
  if (name.startsWith('node_modules/')) return join(dirname(dirname(folder)), name);
  return join(packageFolder, name);
}

/** Place, kind and text of a mistake in one line, then the line that is wrong with a mark below it. */
function describe(
  { code, message, range }: Diagnostic,
  sources: ReadonlyMap<string, string>,
  placeOf: (name: string) => string,
): string {
  const what = `ERROR ${code < TYPESCRIPT_CODES_FROM ? 'AS' : 'TS'}${code}: ${message}`;
  if (!range) return what;
  const name = range.source.normalizedPath;
  const text = sources.get(name);
  if (text === undefined) return `${name}: ${what}`;
  const before = text.slice(0, range.start).split('\n');
  const indent = before.at(-1) as string;
  const line = (text.split('\n')[before.length - 1] as string).trimEnd();
  const path = relative('', placeOf(name)).replaceAll(sep, '/');
  const place = `${path}:${before.length}:${indent.length + 1}: ${what}`;
  if (line.length > MARKED_COLUMNS_MAX) return place;
  const marks = '^'.repeat(Math.max(1, Math.min(range.end - range.start, line.length - indent.length)));
  // Tabs stay, so that the marks stand below their place.
  return `${place}\n    ${line}\n    ${indent.replace(/[^\t]/g, ' ')}${marks}`;
}
