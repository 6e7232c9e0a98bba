/**
 * What a hostile filter costs another one that reads the same file, beside one that never ends, and beside one that traps, each
 * until it is taken out: in all, and at most in one turn of the engine, in which nothing else of the host runs.
 */
import { type FilterInstance, startFilter } from '../../host/filter/instance.js';
import { loadFilter } from '../../host/filter/library.js';
import { assemble, batch, load, type Parts } from '../filter/hostile.js';
import { bestOf } from './best.js';
import { type EngineRun, engineRun } from './enginejob.js';
import type { Row } from './run.js';
import { SELECT } from './select.js';

const HOSTILE: Readonly<Record<string, Parts>> = {
  'one that never ends': { batch: batch('(loop (br 0)) (i32.const 0)') },
  'one that traps': { batch: batch('unreachable') },
};

export async function neighbourJob(): Promise<Row> {
  const { manifest, module } = loadFilter('json-select');
  const select = () => startFilter({ manifest, module, config: SELECT, zones: [] });
  const run = async (beside: Readonly<Record<string, FilterInstance>>): Promise<EngineRun> => {
    const found = await engineRun({ 'json-select': select(), ...beside });
    if (found.records !== alone.records) throw new Error(`neighbour: found ${found.records} records`);
    for (const [name, kinds] of Object.entries(found.told))
      if (name !== 'json-select' && kinds.at(-1) !== 'out') throw new Error(`neighbour: ${name} runs on`);
    return found;
  };
  const alone = await engineRun({ 'json-select': select() });
  /** The least of all rounds: the machine does other things, too. */
  const longest: Record<string, number> = {};
  const sides = Object.entries(HOSTILE).map(([name, parts]) => [
    name,
    async () => {
      const { longestTurnMs } = await run({ hostile: load(assemble(parts)) });
      longest[name] = Math.min(longest[name] ?? Number.POSITIVE_INFINITY, longestTurnMs);
    },
  ]);
  const seconds: Record<string, number> = await bestOf({
    alone: async () => void (await run({})),
    ...Object.fromEntries(sides),
  });
  const aloneSeconds = seconds.alone as number;
  const told = Object.keys(HOSTILE).map((name) => {
    const more = ((seconds[name] as number) - aloneSeconds) * 1_000;
    return `${name} takes ${more.toFixed(0)} ms, once, at most ${longest[name]?.toFixed(1)} in a turn`;
  });
  return {
    job: `select beside a hostile filter that reads the same ${(alone.events / 1e6).toFixed(0)} million events`,
    weir: `${(alone.events / 1e6 / aloneSeconds).toFixed(1)} M events/s alone`,
    ratios: `${told.join(', ')}; the same records`,
    target: 'no event lost; a turn of 10 ms',
  };
}
