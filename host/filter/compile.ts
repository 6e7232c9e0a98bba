/**
 * From a filter's folder to its module, with the AssemblyScript compiler and the options of `asconfig.json`.
 *
 * The compiler is a development dependency and is loaded only here. `import ... from 'weir/runtime'` resolves
 * to this package's own `runtime/`, wherever the filter lies. The second entry, which exports the ABI, exists
 * only during a compilation. The compiler's "stub" runtime is replaced by our arena: the stub grows memory, and
 * with a runtime given by path the compiler keeps a stack of references for a collector that we do not have,
 * which makes hot functions twice as slow.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { WeirError } from '../errors.js';

const ENTRY_FILE = 'weir-entry.ts';
const ENTRY_SOURCE =
  "export { weir_abi, weir_heap_base, weir_batch, weir_tick } from 'weir/runtime/entry';\n";
const LANGUAGE_RUNTIME = 'rt/index-stub';
const LANGUAGE_RUNTIME_SOURCE = "import 'weir/runtime/heap';\n";
const PACKAGE_IN_NODE_MODULES = `node_modules${sep}weir${sep}`;

/**
 * Compiles `<folder>/filter.ts` into `outFile`. `packageFolder` is the folder of weir itself. Throws
 * BUILD_FAILED with what the compiler said about the filter's own lines.
 */
export async function compileFilter(packageFolder: string, folder: string, outFile: string): Promise<void> {
  const source = join(folder, 'filter.ts');
  if (!existsSync(source)) {
    throw new WeirError('BUILD_FAILED', `${source}: expected the filter's source, found no such file`);
  }
  const asc = await loadCompiler();
  const entry = relative(packageFolder, resolve(source)).replaceAll(sep, '/');
  const options = ['--config', 'asconfig.json', '--runtime', 'stub', '--baseDir', packageFolder];
  const files = new Map<string, Uint8Array | string>();
  const diagnostics: string[] = [];
  const { error, stderr } = await asc.main([entry, ENTRY_FILE, ...options, '--outFile', 'filter.wasm'], {
    readFile: (name, baseFolder) => readSource(packageFolder, name, baseFolder),
    writeFile: (name, contents) => void files.set(name, contents),
    listFiles: () => [],
  });
  const module = files.get('filter.wasm');
  if (error || !(module instanceof Uint8Array)) {
    diagnostics.push(stderr.toString().trim() || String(error));
    throw new WeirError('BUILD_FAILED', `${source} does not compile:\n${diagnostics.join('\n')}\n`);
  }
  await mkdir(dirname(outFile), { recursive: true });
  await writeFile(outFile, module);
}

type Compiler = typeof import('assemblyscript/asc');

async function loadCompiler(): Promise<Compiler> {
  try {
    const compiler = await import('assemblyscript/asc');
    compiler.libraryFiles[LANGUAGE_RUNTIME] = LANGUAGE_RUNTIME_SOURCE;
    return compiler;
  } catch (cause) {
    throw new WeirError('BUILD_FAILED', 'the compiler is not installed: run "npm install assemblyscript"', {
      cause,
    });
  }
}

async function readSource(packageFolder: string, name: string, baseFolder: string): Promise<string | null> {
  if (name === ENTRY_FILE) return ENTRY_SOURCE;
  const path = resolve(baseFolder, name);
  const inPackage = path.lastIndexOf(PACKAGE_IN_NODE_MODULES);
  const found =
    inPackage < 0 ? path : join(packageFolder, path.slice(inPackage + PACKAGE_IN_NODE_MODULES.length));
  try {
    return await readFile(found, 'utf8');
  } catch {
    return null;
  }
}
