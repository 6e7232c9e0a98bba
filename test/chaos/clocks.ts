/**
 * A clock that jumps an hour forward and back while the host reads: event time is the events' own.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseConfig, machineFacts } from '../../host/config.js';
import { startHost } from '../../host/index.js';
import { CPU_SHARE_MAX } from '../../host/limits.js';
import { startTestBroker } from '../broker.js';
import { temporaryFolder } from '../help.js';
import { createRandom } from '../source/reading.js';
import { difference, misnumbered, readBack, unproven } from './appliance.js';
import { FILTERS, inputLines, type ScenarioResult } from './kills.js';

const HOUR_MS = 3_600_000;

export async function clockJumps(jumps: number, seed: number): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const folder = await temporaryFolder();
  const broker = await startTestBroker();
  const log = join(folder.path, 'app.log');
  writeFileSync(log, '');
  let offsetMs = 0;
  const said: string[] = [];
  const start = (appliance: string, untilEof: boolean) => {
    mkdirSync(join(folder.path, appliance), { recursive: true });
    const text = {
      appliance,
      data: join(folder.path, appliance, 'data'),
      limits: { cpu: CPU_SHARE_MAX, memory: '600MiB' },
      nats: { servers: [broker.url] },
      sources: { log: { file: log } },
      filters: FILTERS,
    };
    const config = parseConfig(text, join(folder.path, 'weir.json'), machineFacts());
    return startHost({
      config,
      untilEof,
      now: () => Date.now() + offsetMs,
      print: (line) => said.push(line),
    });
  };
  try {
    const tried = await start('tried', false);
    let lines = 0;
    for (let jump = 0; jump < jumps; jump++) {
      const count = 1 + random(3_000);
      appendFileSync(log, inputLines(random, lines, count));
      lines += count;
      await pause(random(1_200));
      offsetMs += jump % 2 === 0 ? HOUR_MS : -HOUR_MS;
    }
    await pause(1_500);
    tried.stop();
    const codes = [await tried.finished];
    for (const appliance of ['tried', 'undisturbed'])
      codes.push(await (await start(appliance, true)).finished);
    const found = await readBack(broker.url, 'tried');
    const expected = await readBack(broker.url, 'undisturbed');
    const proof = await unproven(broker.url, 'tried');
    const differences = [difference(found, expected), misnumbered(found), proof].filter(
      (problem) => problem !== undefined,
    );
    if (codes.some((code) => code !== 0)) differences.push(`the hosts ended with ${codes}`);
    if (differences.length > 0) differences.push(said.join('\n'));
    const messages = [...found.values()].reduce((sum, stream) => sum + stream.messages, 0);
    return { scenario: `clock jumps, seed ${seed}`, runs: 3, faults: jumps, messages, differences };
  } finally {
    await broker.stop();
    await folder.remove();
  }
}
