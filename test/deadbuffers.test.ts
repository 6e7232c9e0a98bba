/**
 * Dead buffers: that they are looked for often enough, and that it gets them.
 */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createDeadBuffers } from '../host/deadbuffers.js';
import { DEAD_BUFFER_BYTES_MAX } from '../host/limits.js';

test('a collection for so many bytes, however they come', () => {
  let collections = 0;
  const dead = createDeadBuffers(() => collections++);
  for (const _ of Array(64)) dead.add(DEAD_BUFFER_BYTES_MAX / 16);
  assert.is(collections, 4);
  dead.add(DEAD_BUFFER_BYTES_MAX * 10);
  assert.is(collections, 5);
});

test('without the function of V8 it does nothing', () => createDeadBuffers(undefined).add(2 ** 30));

test('few dead buffers stand at any time', () => {
  const program = `
    const { createDeadBuffers } = await import(process.argv[1]);
    const dead = createDeadBuffers();
    let most = 0;
    for (let at = 0; at < 2_000; at++) {
      dead.add(Buffer.alloc(2 ** 18).length);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    console.log(most / 2 ** 20);`;
  const module = new URL('../host/deadbuffers.js', import.meta.url).href;
  const mostMiB = (...flags: string[]) => {
    const args = [...flags, '--input-type=module', '--eval', program, module];
    return Number(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout);
  };
  assert.ok(mostMiB() > 30, 'as V8 does by itself');
  assert.ok(mostMiB('--expose-gc') < 12);
});

test.run();
