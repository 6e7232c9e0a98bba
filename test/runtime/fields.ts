/**
 * Builds the test filter that tells every field the syslog reader finds, and runs lines through it.
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
const FILTER = 'syslog-fields';

export interface FieldsFilter {
  run(input: readonly string[] | Uint8Array, options?: RunOptions): RunResult;
  /** What the reader finds in each line; `ts`, the time received, is left out. */
  read(input: readonly string[] | Uint8Array, options?: RunOptions): WireRecord[];
  readOne(line: string, options?: RunOptions): WireRecord;
  remove(): Promise<void>;
}

export async function buildFieldsFilter(): Promise<FieldsFilter> {
  const folder = await temporaryFolder();
  const source = join(ROOT, 'test/filters', FILTER);
  await mkdir(join(folder.path, FILTER));
  await compileFilter(ROOT, source, join(folder.path, FILTER, 'filter.wasm'));
  await copyFile(join(source, 'filter.json'), join(folder.path, FILTER, 'filter.json'));
  const filter: FieldsFilter = {
    run: (input, options = {}) => runFilter(FILTER, input, { now: NOW, ...options, folder: folder.path }),
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
