/**
 * A host that reads a file which grows, through two filters, while a test does harm to something; in the end what it has
 * published is compared with what an undisturbed one publishes of the same file.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTestBroker } from '../broker.js';
import { until } from '../help.js';
import {
  type Appliance,
  createAppliance,
  difference,
  eventually,
  misnumbered,
  type ReadBack,
  readBack,
} from './appliance.js';
import { FILTERS, inputLines } from './kills.js';

const START_MS_MAX = 20_000;
/** The last messages may wait for a leader, and for the end of a rest. */
const END_MS_MAX = 90_000;
const LINES_MAX = 300;
const GROW_MS_MAX = 200;

/** What a host says that finds less at the broker than it should have, or messages of somebody else. */
const LOSS = /the broker has (lost|messages that)|another host has written|messages? (is|are) gone/;

export interface Growing {
  readonly host: Appliance;
  /** Starts the host, and from the first time on the file grows: for as long as it does, no window is closed by the clock. */
  start(): Promise<void>;
  /** Lets the host end once all of it is stored; what of that is not as it should be. */
  finish(url: string): Promise<{ readonly messages: number; readonly differences: string[] }>;
  /** For the end of a test, whatever its outcome. */
  stop(): Promise<void>;
}

export function createGrowing(folder: string, nats: object, random: (below: number) => number): Growing {
  const log = join(folder, 'app.log');
  const config = (appliance: string, broker: object) => ({
    appliance,
    nats: broker,
    sources: { log: { file: log } },
    filters: FILTERS,
  });
  writeFileSync(log, '');
  const host = createAppliance(join(folder, 'disturbed'), config('disturbed', nats));
  let lines = 0;
  let timer: NodeJS.Timeout | undefined;

  function grow(): void {
    const count = 1 + random(LINES_MAX);
    appendFileSync(log, inputLines(random, lines, count));
    lines += count;
    timer = setTimeout(grow, random(GROW_MS_MAX));
  }

  /** What it should have published. */
  async function undisturbed() {
    const broker = await startTestBroker();
    try {
      const calm = createAppliance(
        join(folder, 'undisturbed'),
        config('undisturbed', { servers: [broker.url] }),
      );
      calm.start('--until-eof');
      await calm.ended();
      return await readBack(broker.url, 'undisturbed');
    } finally {
      await broker.stop();
    }
  }

  return {
    host,
    async start() {
      host.start();
      await until(() => host.isReading(), START_MS_MAX, `a start: ${host.output()}`);
      if (!timer) grow();
    },
    async finish(url) {
      clearTimeout(timer);
      await host.kill();
      const before = host.output();
      host.start('--until-eof');
      const limit = setTimeout(() => void host.kill(), END_MS_MAX);
      const code = await host.ended();
      clearTimeout(limit);
      const differences =
        code === 0 ? [] : [`the last run ended with ${code}: ${host.output().slice(-2000)}`];
      if (LOSS.test(before + host.output())) differences.push(`it takes messages for lost: ${before}`);
      const found = await eventually(() => readBack(url, 'disturbed'));
      for (const problem of [difference(found, await undisturbed()), misnumbered(found), renumbered(found)])
        if (problem) differences.push(`${problem}\n${host.output().slice(-2000)}`);
      const messages = [...found.values()].reduce((sum, stream) => sum + stream.messages, 0);
      return { messages, differences };
    },
    async stop() {
      clearTimeout(timer);
      await host.kill();
    },
  };
}

/** A second epoch, which nothing that these tests do should begin: whoever reads it takes messages for lost. */
function renumbered(found: ReadonlyMap<string, ReadBack>): string | undefined {
  for (const [name, { ids }] of found) {
    const epochs = new Set(ids.map((id) => id.split('-')[0]));
    if (epochs.size > 1) return `${name}: ${epochs.size} epochs`;
  }
  return undefined;
}
