/**
 * The host's share of the processor holds over time, and costs nothing where it is all of it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_SHARE_MAX, PACE_BURST_MS, PACE_REST_MS_MAX } from '../host/limits.js';
import { createPace } from '../host/pace.js';
import { temporaryFolder, until } from './help.js';

const MAIN = fileURLToPath(new URL('../host/cli/main.js', import.meta.url));

const CPU_SHARE = 0.2;
/** Long enough for a process without a limit to use far more than the share and the burst. */
const MEASURED_MS = 3_000;

/** Time that a test moves. */
function clock() {
  const at = { now: 0, used: 0 };
  return { at, clock: { nowMs: () => at.now, usedMs: () => at.used } };
}

test('a process with a share of many cores never rests, also where it uses several', () => {
  const { at, clock: measured } = clock();
  const pace = createPace(CPU_SHARE_MAX, measured);
  for (let turn = 0; turn < 1_000; turn++) {
    at.now += 10;
    at.used += 8 * 10;
    assert.is(pace.restMs(), 0);
  }
});

test('a busy process gets its share of the time, whatever a turn costs', () => {
  for (const [share, turnMs] of [
    [0.25, 3],
    [0.25, 40],
    [0.01, 1],
    [1, 10],
  ] as const) {
    const { at, clock: measured } = clock();
    const pace = createPace(share, measured);
    while (at.now < 60_000) {
      const restMs = pace.restMs();
      assert.ok(restMs <= PACE_REST_MS_MAX);
      at.now += restMs || turnMs;
      if (restMs === 0) at.used += turnMs;
    }
    const allowedMs = 60_000 * share + PACE_BURST_MS;
    assert.ok(at.used <= allowedMs + turnMs, `${share}: ${at.used} ms used`);
    assert.ok(at.used >= Math.min(allowedMs, 60_000) * 0.98, `${share}: ${at.used} ms used`);
  }
});

test('a process that was quiet for an hour may burst, but not for an hour', () => {
  const { at, clock: measured } = clock();
  const pace = createPace(0.25, measured);
  at.now = 3_600_000;
  assert.is(pace.restMs(), 0);
  at.used = PACE_BURST_MS;
  assert.is(pace.restMs(), 0);
  at.used += 10;
  assert.is(pace.restMs(), 40);
});

test('a host with a share keeps to it under an endless stream of events', async () => {
  const folder = await temporaryFolder();
  const config = {
    data: 'data',
    inboxes: 'inboxes',
    sources: {
      endless: { command: ['/usr/bin/yes', JSON.stringify({ a: 'x', list: [1, [2]], text: 'y' })] },
    },
    filters: { count: { filter: 'json-select', from: ['endless'], config: { count_by: ['a', 'list'] } } },
    limits: { cpu: CPU_SHARE },
  };
  writeFileSync(join(folder.path, 'weir.json'), JSON.stringify(config));
  const child = spawn(process.execPath, [MAIN, 'run'], {
    cwd: folder.path,
    env: { PATH: folder.path },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let output = '';
  child.stderr.on('data', (text) => (output += text));
  await until(() => output.includes('at most 0.2 cores'), 10_000, 'the host reads');
  const [startMs, usedBeforeMs] = [performance.now(), usedMs(child.pid)];
  await pause(MEASURED_MS);
  const [wallMs, used] = [performance.now() - startMs, usedMs(child.pid) - usedBeforeMs];
  child.kill('SIGTERM');
  await exited;
  await folder.remove();
  assert.ok(used > 0.5 * CPU_SHARE * wallMs, `${used} ms used in ${wallMs} ms: it does not read`);
  assert.ok(used < CPU_SHARE * wallMs + 2 * PACE_BURST_MS, `${used} ms used in ${wallMs} ms`);
});

/** Processor time of a process: proc(5), fields utime and stime, in hundredths of a second. */
function usedMs(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

test.run();
