/**
 * `npm run chaos`: every scenario in its long form, with runs, faults injected, messages compared, and differences.
 */
import { bothKilled, brokerAway, brokerWiped, killsOfTheBroker } from './brokers.js';
import { clockJumps } from './clocks.js';
import { damagedBytes, troubledDisk } from './disks.js';
import { killsOfTheHost, type ScenarioResult } from './kills.js';

const seed = Number(process.env.SEED ?? Date.now() % 1e9);
/** Of the longest scenario; others have a part of it. */
const kills = Number(process.env.KILLS ?? 200);
const SCENARIOS: Readonly<Record<string, () => Promise<ScenarioResult>>> = {
  kills: () => killsOfTheHost(kills, seed),
  broker: () => killsOfTheBroker(kills / 10, seed),
  away: () => brokerAway(seed),
  both: () => bothKilled(kills / 10, seed),
  wiped: () => brokerWiped(seed),
  clock: () => clockJumps(kills / 10, seed),
  full: () => troubledDisk('full', seed),
  readonly: () => troubledDisk('read-only', seed),
  damaged: () => damagedBytes(kills / 2, seed),
};

const wanted = process.argv.slice(2);
let differences = 0;
for (const [name, scenario] of Object.entries(SCENARIOS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const result = await scenario();
  differences += result.differences.length;
  const { runs, faults, messages } = result;
  process.stdout.write(
    `${result.scenario}: ${runs} runs, ${faults} faults, ${messages} messages compared, ${result.differences.length} differences\n`,
  );
  for (const problem of result.differences) process.stdout.write(`  ${problem}\n`);
}
process.exitCode = differences > 0 ? 1 : 0;
