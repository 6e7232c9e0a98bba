/**
 * Builds the test filters that tell every field a reader of the library finds, and runs lines through them.
 */
import * as assert from 'uvu/assert';
import type { WireRecord } from '../../host/wire.js';
import { ledgerAddsUp, type RunOptions, type RunResult } from '../filter.js';
import { buildTestFilter } from './testfilter.js';

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
  const built = await buildTestFilter(name);
  const filter: FieldsFilter = {
    run: (input, options = {}) => built.run(input, { now: NOW, ...options }),
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
    remove: () => built.remove(),
  };
  return filter;
}
