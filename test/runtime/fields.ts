/**
 * Builds the test filters that tell every field a reader of the library finds, and runs lines through them.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { compileFilter } from '../../host/filter/compile.js';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunOptions, type RunResult, runFilter } from '../filter.js';
import { temporaryFolder } from '../help.js';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** When lines are received, unless a test says otherwise. */
export const NOW = '2026-01-31T12:00:00Z';

export interface FieldsFilter {
  run(input: readonly string[] | Uint8Array, options?: RunOptions): RunResult;
  /** What the reader finds in each line; `ts`, the time received, is left out. */
  read(input: readonly string[] | Uint8Array, options?: RunOptions): WireRecord[];
  readOne(line: string, options?: RunOptions): WireRecord;
  remove(): Promise<void>;
}

/** `name` is a folder in `test/filters`. */
export async function buildFieldsFilter(name = 'syslog-fields'): Promise<FieldsFilter> {
  const folder = await temporaryFolder();
  const source = join(ROOT, 'test/filters', name);
  await mkdir(join(folder.path, name));
  await compileFilter(ROOT, source, join(folder.path, name, 'filter.wasm'));
  await copyFile(join(source, 'filter.json'), join(folder.path, name, 'filter.json'));
  const filter: FieldsFilter = {
    run: (input, options = {}) => runFilter(name, input, { now: NOW, ...options, folder: folder.path }),
    read(input, options) {
      const result = filter.run(input, options);
      assert.ok(ledgerAddsUp(result));
      return result.records.map(({ stream: _stream, ts: _ts, ...fields }) => fields);
    },
    readOne(line, options) {
      const [fields, ...others] = filter.read([line], options);
      assert.is(others.length, 0);
      return fields ?? {};
    },
    remove: () => folder.remove(),
  };
  return filter;
}
