/**
 * A host of a fleet that is killed at random moments while it takes over new versions: what runs is the old or the new one, never
 * none and never an older one, and no event is lost or told twice.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { until, WAIT_MS } from '../help.js';
import { type Fleet, startFleet, type Status } from '../fleet/fleet.js';
import { createRandom } from '../source/reading.js';
import { unproven } from './appliance.js';
import type { ScenarioResult } from './kills.js';

const ID = 'updated';

export async function killsOfUpdates(kills: number, seed: number): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const fleet = await startFleet();
  const differences: string[] = [];
  let lines = 0;
  try {
    const host = fleet.host(ID);
    await fleet.push({ version: '1.0.0' });
    await fleet.has(ID, 'it runs', (status) => numberOf(status) === 0);
    let known = 0;
    for (let kill = 1; kill <= kills; kill++) {
      await fleet.push({ version: `1.0.${kill}` });
      const count = 1 + random(20);
      fleet.append(ID, ...Array(count).fill('nothing'));
      lines += count;
      await pause(random(1_200));
      const before = numberOf(await fleet.status(ID)) ?? known;
      await host.kill();
      const startedMs = Date.now();
      host.start();
      const first = await firstStatus(fleet, startedMs);
      const found = numberOf(first);
      if (found === undefined || found < before || found > kill)
        differences.push(
          `kill ${kill}: expected version ${before} to ${kill}, found ${found}: ${host.output().slice(-1000)}`,
        );
      await fleet.has(ID, `version ${kill}`, (status) => numberOf(status) === kill);
      known = kill;
    }
    await until(async () => (await fleet.kept(ID)).length >= lines, WAIT_MS, `all ${lines} events`);
    if ((await host.stop()) !== 0) differences.push(`it ended in disorder: ${host.output().slice(-1000)}`);
    const numbers = (await fleet.kept(ID)).map(({ n }) => Number(n) / 5);
    const wrong = numbers.findIndex((number, at) => number !== at);
    if (wrong >= 0 || numbers.length !== lines)
      differences.push(`expected ${lines} events in order, found ${numbers.length}, another one at ${wrong}`);
    const proof = await unproven(fleet.server.url, ID);
    if (proof) differences.push(proof);
    return {
      scenario: `SIGKILL during updates, seed ${seed}`,
      runs: kills + 1,
      faults: kills,
      messages: lines,
      differences,
    };
  } finally {
    await fleet.stop();
  }
}

/** The first status of a run. */
async function firstStatus(fleet: Fleet, sinceMs: number): Promise<Status | undefined> {
  const found = async () => {
    const status = (await fleet.status(ID)) as (Status & { ts: number }) | undefined;
    return status && status.ts >= sinceMs ? status : undefined;
  };
  await until(async () => (await found()) !== undefined, WAIT_MS, 'a status');
  return found();
}

function numberOf(status: Status | undefined): number | undefined {
  const running = String(status?.filters.stumbling?.running ?? '');
  const digits = /^stumbling@1\.0\.(\d+)\+/.exec(running)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
