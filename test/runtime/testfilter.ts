/**
 * Builds a filter of `test/filters/`, and runs it on the engine that runs on the appliance.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFilter } from '../../host/filter/compile.js';
import { type RunOptions, type RunResult, runFilter } from '../filter.js';
import { modulesFolder, temporaryFolder } from '../help.js';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** What else a module depends on. */
const HOW = ['asconfig.json', 'package-lock.json', 'host/filter/compile.ts'];

export interface TestFilter {
  /** Where it has been built. */
  readonly folder: string;
  run(input: readonly string[] | Uint8Array, options?: RunOptions): RunResult;
  remove(): Promise<void>;
}

export async function buildTestFilter(name: string): Promise<TestFilter> {
  const folder = await temporaryFolder();
  const source = join(ROOT, 'test/filters', name);
  const target = join(folder.path, name);
  await mkdir(target);
  const module = await compiledModule(source);
  await copyFile(module, join(target, 'filter.wasm'));
  await copyFile(`${module}.map`, join(target, 'filter.wasm.map'));
  await copyFile(join(source, 'filter.json'), join(target, 'filter.json'));
  return {
    folder: folder.path,
    run: (input, options = {}) => runFilter(name, input, { ...options, folder: folder.path }),
    remove: () => folder.remove(),
  };
}

/**
 * Where the module of a filter lies, whose source is one file in this folder: compiled once for all tests and all runs of them. Its
 * name has the digest of all that it is made of, so one that is there is the same. Two tests at once compile it twice, and rename.
 */
export async function compiledModule(source: string, tell?: (text: string) => void): Promise<string> {
  const digest = createHash('sha256');
  const runtime = readdirSync(join(ROOT, 'runtime')).filter((file) => file.endsWith('.ts'));
  const parts = [join(source, 'filter.ts'), ...runtime.sort().map((file) => join(ROOT, 'runtime', file))];
  for (const path of [...parts, ...HOW.map((file) => join(ROOT, file))])
    digest.update(readFileSync(path)).update('\0');
  const folder = modulesFolder();
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${basename(source)}-${digest.digest('hex').slice(0, 32)}.wasm`);
  if (existsSync(path) && existsSync(`${path}.map`)) return path;
  const beside = `${path}.${process.pid}`;
  await compileFilter(ROOT, source, beside, tell);
  await rename(`${beside}.map`, `${path}.map`);
  await rename(beside, path);
  return path;
}
