/**
 * What a swap costs the events: how long no batch can be read, while a file is read as fast as it goes. The new version has
 * been judged and compiled before, in a thread of its own; what holds up the events is to start it, to touch its memory and to
 * hand the state over. The host does these in steps with events between; the pause is the longest of them. Garbage is collected
 * before each, because a thousand versions leave some that one does not.
 */
import { admit } from '../../host/filter/admit.js';
import { startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { warm } from '../../host/filter/prepare.js';
import { engineRun, NOW_MS } from './enginejob.js';
import type { Row } from './run.js';
import { SELECT } from './select.js';

const RUNS = 4;
const TURNS_BETWEEN = 3;

function startTimer() {
  let atMs = performance.now();
  let longestMs = 0;
  return {
    step() {
      const now = performance.now();
      longestMs = Math.max(longestMs, now - atMs);
      atMs = now;
    },
    longestMs: () => longestMs,
  };
}

export async function swapJob(): Promise<Row> {
  const { manifest, module } = loadFilter('json-select');
  const compiled = admit('json-select', module);
  const config = { ...SELECT, count_by: ['program', 'host'], window: '1h' };
  const start = (version = '1.0.0') =>
    startFilter({ manifest: { ...manifest, version }, module, config, zones: [], compile: () => compiled });
  const pausesMs: number[] = [];
  const expected = await engineRun({ 'json-select': start() });
  for (let run = 0; run < RUNS; run++) {
    let swaps = 0;
    let turns = 0;
    const found = await engineRun({ 'json-select': start() }, (engine) => {
      if (++turns % TURNS_BETWEEN > 0) return;
      globalThis.gc?.();
      const timer = startTimer();
      const next = start(`1.0.${++swaps}`);
      timer.step();
      for (const _ of warm(next)) timer.step();
      engine.swap('json-select', next, NOW_MS, { flushes: false });
      timer.step();
      pausesMs.push(timer.longestMs());
    });
    if (found.records !== expected.records || found.events !== expected.events)
      throw new Error(`swap: expected ${expected.records} records, found ${found.records}`);
  }
  pausesMs.sort((one, other) => one - other);
  const at = (share: number) => `${(pausesMs[Math.floor(pausesMs.length * share)] as number).toFixed(1)} ms`;
  return {
    job: `${pausesMs.length} swaps while a file is read, of a filter that selects and counts`,
    weir: `pause ${at(0.5)} median, ${at(0.99)} p99`,
    ratios: 'the same records as without',
    target: 'p99 under 5 ms',
  };
}
