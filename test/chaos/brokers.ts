/**
 * A broker that is killed, away, wiped, or killed together with the host, while a file is read with window state.
 */
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTestBroker, type TestBroker } from '../broker.js';
import { temporaryFolder, until } from '../help.js';
import { createRandom } from '../source/reading.js';
import {
  type Appliance,
  createAppliance,
  difference,
  misnumbered,
  type ReadBack,
  readBack,
  unproven,
} from './appliance.js';
import { FILTERS, inputLines, type ScenarioResult } from './kills.js';

interface Stage {
  readonly broker: TestBroker;
  readonly host: Appliance;
  readonly random: (below: number) => number;
  /** Adds lines to the input. */
  grow(lines: number): void;
}

/** One scenario of this kind: `play` does what it is about and answers how many faults that were. */
async function onStage(
  scenario: string,
  seed: number,
  play: (stage: Stage) => Promise<number>,
  compare: (
    found: ReadonlyMap<string, ReadBack>,
    expected: ReadonlyMap<string, ReadBack>,
  ) => string | undefined,
): Promise<ScenarioResult> {
  const folder = await temporaryFolder();
  const broker = await startTestBroker();
  const random = createRandom(seed);
  const log = join(folder.path, 'app.log');
  writeFileSync(log, '');
  let lines = 0;
  const config = (appliance: string, data = 'data') => ({
    appliance,
    data,
    nats: { servers: [broker.url] },
    sources: { log: { file: log } },
    filters: FILTERS,
  });
  try {
    const host = createAppliance(join(folder.path, 'tried'), config('tried'));
    const faults = await play({
      broker,
      host,
      random,
      grow(count) {
        appendFileSync(log, inputLines(random, lines, count));
        lines += count;
      },
    });
    const code = await lastRun(host);
    const undisturbed = createAppliance(join(folder.path, 'undisturbed'), config('undisturbed'));
    await lastRun(undisturbed);
    const found = await readBack(broker.url, 'tried');
    const expected = await readBack(broker.url, 'undisturbed');
    const differences: string[] = [];
    if (code !== 0) differences.push(`the last run ended with ${code}`);
    const proof = await unproven(broker.url, 'tried');
    for (const problem of [compare(found, expected), misnumbered(found), proof])
      if (problem) differences.push(problem);
    if (differences.length > 0) differences.push(host.output().slice(-3_000));
    const messages = [...found.values()].reduce((sum, stream) => sum + stream.messages, 0);
    return { scenario: `${scenario}, seed ${seed}`, runs: 2, faults, messages, differences };
  } finally {
    await broker.stop();
    await folder.remove();
  }
}

/** Reads the input to its end, and waits until all of it is stored. */
async function lastRun(host: Appliance): Promise<number | null> {
  host.start('--until-eof');
  return host.ended();
}

export function killsOfTheBroker(kills: number, seed: number): Promise<ScenarioResult> {
  return onStage(
    'SIGKILL of the broker',
    seed,
    async ({ broker, host, random, grow }) => {
      host.start();
      await until(() => host.isReading(), 20_000, 'the host reads');
      for (let kill = 0; kill < kills; kill++) {
        for (let burst = 0; burst < 3; burst++) {
          grow(1 + random(3_000));
          await pause(random(500));
        }
        await broker.kill();
        grow(random(2_000));
        await pause(random(800));
        await broker.restart();
      }
      await host.kill();
      return kills + 1;
    },
    difference,
  );
}

export function brokerAway(seed: number): Promise<ScenarioResult> {
  return onStage(
    'broker away for the whole input',
    seed,
    async ({ broker, host, grow }) => {
      await broker.kill();
      host.start();
      await until(() => host.isReading(), 20_000, 'the host reads');
      for (let burst = 0; burst < 5; burst++) {
        grow(4_000);
        await pause(300);
      }
      await host.stop();
      host.start();
      await until(() => host.isReading(), 20_000, 'the host reads again');
      grow(4_000);
      await pause(1_200);
      await host.kill();
      await broker.restart();
      return 2;
    },
    difference,
  );
}

export function bothKilled(kills: number, seed: number): Promise<ScenarioResult> {
  return onStage(
    'host and broker killed together',
    seed,
    async ({ broker, host, random, grow }) => {
      for (let kill = 0; kill < kills; kill++) {
        host.start();
        await until(() => host.isReading(), 20_000, 'the host reads');
        for (let burst = 0; burst < 3; burst++) {
          grow(1 + random(4_000));
          await pause(random(600));
        }
        await Promise.all([host.kill(), broker.kill()]);
        await broker.restart();
      }
      return 2 * kills;
    },
    difference,
  );
}

/** What the broker had is gone for good; what the spool still holds comes again, and the rest is told by number. */
export function brokerWiped(seed: number): Promise<ScenarioResult> {
  return onStage(
    'broker wiped',
    seed,
    async ({ broker, host, grow }) => {
      host.start();
      await until(() => host.isReading(), 20_000, 'the host reads');
      for (let burst = 0; burst < 4; burst++) {
        grow(3_000);
        await pause(700);
      }
      await broker.kill();
      rmSync(broker.store, { recursive: true, force: true });
      await broker.restart();
      await until(
        () => /the broker has lost \d+ messages? that it had acknowledged/.test(host.output()),
        20_000,
        'it is noticed',
      );
      grow(3_000);
      await pause(1_500);
      await host.kill();
      return 2;
    },
    (found, expected) => lostExplained(found, expected),
  );
}

/** What is there is the end of what was expected, and where its beginning is missing the first message says how much. */
function lostExplained(
  found: ReadonlyMap<string, ReadBack>,
  expected: ReadonlyMap<string, ReadBack>,
): string | undefined {
  for (const [name, wanted] of expected) {
    if (name.endsWith('.ledger')) continue;
    const got = found.get(name);
    if (!got) return `${name}: nothing`;
    const end = wanted.bytes.subarray(wanted.bytes.length - got.bytes.length);
    if (!got.bytes.equals(end))
      return `${name}: ${got.records} records that are not the last of ${wanted.records}`;
    const [first] = got.headers;
    const isWhole = got.records === wanted.records;
    if (!isWhole && !(Number(first?.['Weir-Lost']) > 0))
      return `${name}: ${wanted.records - got.records} records are missing, and nothing says so: ${JSON.stringify(first)}`;
  }
  return undefined;
}
