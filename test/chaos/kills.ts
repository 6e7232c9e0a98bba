/**
 * A host that is killed at random moments while it reads a file with window state: what subscribers read is what they would
 * have read of an undisturbed one.
 */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTestBroker } from '../broker.js';
import { temporaryFolder, until } from '../help.js';
import { createRandom } from '../source/reading.js';
import { createAppliance, difference, misnumbered, readBack, unproven } from './appliance.js';

export interface ScenarioResult {
  readonly scenario: string;
  readonly runs: number;
  readonly faults: number;
  readonly messages: number;
  readonly differences: readonly string[];
}

const PROGRAMS = ['sshd', 'sudo', 'cron', 'kernel', 'charon'];
const USERS = ['root', 'admin', 'alice', 'bob'];

/** Lines of JSON, a second apart by tens, so that windows of a minute close all the time. */
export function inputLines(random: (below: number) => number, from: number, count: number): string {
  let text = '';
  for (let at = from; at < from + count; at++) {
    const line = {
      ts: new Date(Date.UTC(2026, 0, 31) + at * 100).toISOString(),
      program: PROGRAMS[random(PROGRAMS.length)],
      user: USERS[random(USERS.length)],
      action: random(10) === 0 ? 'login_failed' : 'other',
      text: `event ${at} ${'x'.repeat(random(80))}`,
    };
    text += `${JSON.stringify(line)}\n`;
  }
  return text;
}

export const FILTERS = {
  failed: {
    filter: 'json-select',
    from: ['log'],
    config: { where: [{ field: 'action', equals: 'login_failed' }], keep: ['ts', 'user', 'text'] },
  },
  counts: {
    filter: 'json-select',
    from: ['log'],
    config: { count_by: ['program', 'user'], window: '60s' },
  },
};

/** Each event a row, so that a window is told in several turns, and a death may come between them. */
const ROWS = { filter: 'json-select', from: ['log'], config: { count_by: ['text'], window: '60s' } };

/** Away by another name, or copied and truncated while nobody writes; a copy beside keeps all of it for the undisturbed run. */
function rotate(log: string, whole: string, random: (below: number) => number, number: number): void {
  appendFileSync(whole, readFileSync(log));
  if (random(2) === 0) {
    renameSync(log, `${log}.${number}`);
    writeFileSync(log, '');
  } else {
    copyFileSync(log, `${log}.${number}`);
    truncateSync(log, 0);
  }
}

/** `kills` times SIGKILL over one input that grows, and is rotated, meanwhile. */
export async function killsOfTheHost(kills: number, seed: number): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const folder = await temporaryFolder();
  const broker = await startTestBroker();
  const differences: string[] = [];
  try {
    const config = (appliance: string, log: string) => ({
      appliance,
      nats: { servers: [broker.url] },
      sources: { log: { file: log } },
      filters: { ...FILTERS, rows: ROWS },
    });
    // Each in a folder of its own: beside the log, what holds the same would be taken for a copy of it.
    const [log, whole] = ['logs', 'whole'].map((name) => {
      mkdirSync(join(folder.path, name));
      return join(folder.path, name, 'app.log');
    }) as [string, string];
    writeFileSync(log, '');
    const host = createAppliance(join(folder.path, 'killed'), config('killed', log));
    let lines = 0;
    let rotations = 0;
    for (let kill = 0; kill < kills; kill++) {
      host.start();
      // Now and then it dies while it starts; but what is rotated before the first start is nothing to it.
      if (random(8) > 0 || kill === 0)
        await until(() => host.isReading(), 20_000, `a start: ${host.output()}`);
      const moments = 1 + random(8);
      for (let moment = 0; moment < moments; moment++) {
        const count = 1 + random(random(4) === 0 ? 20_000 : 300);
        appendFileSync(log, inputLines(random, lines, count));
        lines += count;
        if (random(6) === 0) rotate(log, whole, random, ++rotations);
        await pause(random(500));
      }
      await host.kill();
    }
    host.start('--until-eof');
    const code = await host.ended();
    if (code !== 0) differences.push(`the last run ended with ${code}: ${host.output().slice(-2000)}`);

    appendFileSync(whole, readFileSync(log));
    const undisturbed = createAppliance(join(folder.path, 'undisturbed'), config('undisturbed', whole));
    undisturbed.start('--until-eof');
    await undisturbed.ended();
    const found = await readBack(broker.url, 'killed');
    const expected = await readBack(broker.url, 'undisturbed');
    const proof = await unproven(broker.url, 'killed');
    for (const problem of [difference(found, expected), misnumbered(found), proof])
      if (problem) differences.push(`${problem}\n${host.output().slice(-2000)}`);
    const messages = [...found.values()].reduce((sum, stream) => sum + stream.messages, 0);
    return {
      scenario: `SIGKILL of the host, seed ${seed}`,
      runs: kills + 1,
      faults: kills,
      messages,
      differences,
    };
  } finally {
    await broker.stop();
    await folder.remove();
  }
}
