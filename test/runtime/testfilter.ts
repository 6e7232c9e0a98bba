/**
 * Builds a filter of `test/filters/`, and runs it on the engine that runs on the appliance.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFilter } from '../../host/filter/compile.js';
import { type RunOptions, type RunResult, runFilter } from '../filter.js';
import { temporaryFolder } from '../help.js';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

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
  await compileFilter(ROOT, source, join(target, 'filter.wasm'));
  await copyFile(join(source, 'filter.json'), join(target, 'filter.json'));
  return {
    folder: folder.path,
    run: (input, options = {}) => runFilter(name, input, { ...options, folder: folder.path }),
    remove: () => folder.remove(),
  };
}
