/**
 * The engine over the file of events, with any filters, for jobs that are about more than one of them.
 */
import { createEngine, type Engine, type FilterEvent } from '../../host/engine.js';
import type { FilterInstance } from '../../host/filter/instance.js';
import { BATCH_BYTES_DEFAULT } from '../../host/limits.js';
import { createFileSource } from '../../host/source/file.js';
import { benchFile } from './data.js';

export const NOW_MS = Date.UTC(2026, 1, 1);

export interface EngineRun {
  readonly records: number;
  readonly events: number;
  readonly seconds: number;
  readonly longestTurnMs: number;
  /** What happened to the filters, by their names. */
  readonly told: Readonly<Record<string, FilterEvent['kind'][]>>;
}

/** Reads the whole file; `between` is called between two turns. */
export async function engineRun(
  filters: Readonly<Record<string, FilterInstance>>,
  between: (engine: Engine) => void = () => {},
): Promise<EngineRun> {
  const source = createFileSource('bench', [benchFile('ndjson')], { untilEof: true });
  await source.open();
  const told: Record<string, FilterEvent['kind'][]> = {};
  let records = 0;
  const engine = createEngine({
    appliance: 'bench',
    batchBytes: BATCH_BYTES_DEFAULT,
    filters: Object.entries(filters).map(([instance, filter]) => {
      told[instance] = [];
      return { instance, filter, format: 'cbor', cursors: new Map([['bench', source.cursor()]]) };
    }),
    send({ subject, headers }) {
      if (subject.startsWith('weir.ev.bench.json-select.s')) records += Number(headers['Weir-Records']);
    },
    onFilterEvent: (instance, { kind }) => told[instance]?.push(kind),
  });
  let longestTurnMs = 0;
  function turn(): boolean {
    const startMs = performance.now();
    const isBusy = engine.turn(NOW_MS);
    longestTurnMs = Math.max(longestTurnMs, performance.now() - startMs);
    return isBusy;
  }
  const start = process.hrtime.bigint();
  while (turn()) between(engine);
  engine.closeWindows(NOW_MS);
  engine.cut();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  await source.close();
  return { records, events: engine.totals().events, seconds, longestTurnMs, told };
}
