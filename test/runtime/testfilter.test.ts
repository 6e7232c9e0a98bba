/**
 * The filters that are only for tests. They are built here first, in one process, so that the tests that need them find them.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadFilter } from '../../host/filter/library.js';
import { buildTestFilter, ROOT } from './testfilter.js';

test('every filter for tests builds, and has a manifest', async () => {
  for (const name of readdirSync(join(ROOT, 'test/filters'))) {
    const built = await buildTestFilter(name);
    assert.is(loadFilter(name, built.folder).manifest.name, name);
    await built.remove();
  }
});

test.run();
