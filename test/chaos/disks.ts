/**
 * A disk that is full, read-only, or damaged: what is lost is told by number, and nothing else is.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { unpack } from '../../host/pack.js';
import type { WireRecord } from '../../host/wire.js';
import { readStream, recordsOf, startTestBroker } from '../broker.js';
import { temporaryFolder, until } from '../help.js';
import { createRandom } from '../source/reading.js';
import { createAppliance, difference, misnumbered, readBack, unproven } from './appliance.js';
import { FILTERS, inputLines, type ScenarioResult } from './kills.js';

/** A small file system of its own at `path`; false where this user may not make one. */
export function mountSmall(path: string, bytes: number): boolean {
  mkdirSync(path, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'weir-test', path]).status === 0;
}

export const remount = (path: string, how: 'ro' | 'rw') => spawnSync('mount', ['-o', `remount,${how}`, path]);
export const unmount = (path: string) => spawnSync('umount', ['-l', path]);

/** True when tests with a small disk can run: to mount one is a right, and nothing that could be installed. */
export async function canMount(): Promise<boolean> {
  const folder = await temporaryFolder();
  const isMounted = mountSmall(folder.path, 65_536);
  if (isMounted) unmount(folder.path);
  await folder.remove();
  if (!isMounted) console.log('note: no right to mount; tests with a full or read-only disk are skipped');
  return isMounted;
}

/** The broker is away until the disk is full; or the disk becomes read-only now and then. */
export async function troubledDisk(
  trouble: 'full' | 'read-only',
  times: number,
  seed: number,
): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const folder = await temporaryFolder();
  const broker = await startTestBroker();
  const small = join(folder.path, 'small');
  mountSmall(small, 4 << 20);
  const log = join(folder.path, 'app.log');
  writeFileSync(log, '');
  const config = (appliance: string, data: string) => ({
    appliance,
    data,
    nats: { servers: [broker.url] },
    sources: { log: { file: log } },
    filters: FILTERS,
    disk: { free: '0B' },
  });
  const host = createAppliance(join(folder.path, 'tried'), config('tried', small));
  let faults = 0;
  let lines = 0;
  const grow = (count: number) => {
    appendFileSync(log, inputLines(random, lines, count));
    lines += count;
  };
  try {
    if (trouble === 'full') {
      await broker.kill();
      host.start();
      // So that the disk is full soon.
      writeFileSync(join(small, 'filler'), Buffer.alloc(3_700_000));
      while (!/no space left|ENOSPC/.test(host.output())) {
        grow(5_000);
        await pause(100);
        if (lines > 400_000) throw new Error(`the disk is not full: ${host.output()}`);
      }
      grow(20_000);
      faults = 1;
      await host.kill();
      host.start();
      await pause(500);
      writeFileSync(join(small, 'filler'), '');
      await broker.restart();
      await until(
        async () => (await readBack(broker.url, 'tried').catch(() => new Map())).size > 1,
        30_000,
        'messages',
      );
    } else {
      host.start();
      await until(() => host.isReading(), 20_000, 'the host reads');
      for (; faults < times; faults++) {
        grow(2_000 + random(2_000));
        await pause(random(900));
        remount(small, 'ro');
        grow(2_000 + random(2_000));
        await pause(1_500);
        remount(small, 'rw');
      }
    }
    await host.stop();
    host.start('--until-eof');
    const code = await host.ended();
    const undisturbed = createAppliance(join(folder.path, 'undisturbed'), config('undisturbed', 'data'));
    undisturbed.start('--until-eof');
    await undisturbed.ended();
    const [found, expected] = [
      await readBack(broker.url, 'tried'),
      await readBack(broker.url, 'undisturbed'),
    ];
    const proof = await unproven(broker.url, 'tried');
    const differences = [difference(found, expected), misnumbered(found), proof].filter(
      (problem) => problem !== undefined,
    );
    if (code !== 0) differences.push(`the last run ended with ${code}`);
    if (differences.length > 0) differences.push(host.output().slice(-3_000));
    const messages = [...found.values()].reduce((sum, stream) => sum + stream.messages, 0);
    return { scenario: `disk ${trouble}, seed ${seed}`, runs: 3, faults, messages, differences };
  } finally {
    await host.kill();
    unmount(small);
    await broker.stop();
    await folder.remove();
  }
}

/** One byte of what is kept is another one: what cannot be read is told as lost, all else is there, once and in order. */
export async function damagedBytes(times: number, seed: number): Promise<ScenarioResult> {
  const random = createRandom(seed);
  const differences: string[] = [];
  let messages = 0;
  const broker = await startTestBroker();
  try {
    for (let at = 0; at < times; at++) {
      const name = `damaged-${at}`;
      const folder = await temporaryFolder();
      const log = join(folder.path, 'app.log');
      writeFileSync(log, inputLines(random, 0, 3_000));
      const config = {
        appliance: name,
        // Nothing is published before the damage is done.
        nats: { servers: ['nats://127.0.0.1:9'] },
        sources: { log: { file: log } },
        filters: FILTERS,
      };
      const host = createAppliance(folder.path, config);
      host.start();
      for (const more of [2_000, 2_000]) {
        await until(() => host.isReading(), 20_000, 'the host reads');
        await pause(1_300);
        appendFileSync(log, inputLines(random, 5_000 * more, more));
      }
      await pause(1_300);
      await host.kill();
      const flipped = flipByte(join(folder.path, 'data'), random);
      writeFileSync(
        join(folder.path, 'weir.json'),
        JSON.stringify({ ...config, data: 'data', nats: { servers: [broker.url] } }),
      );
      host.start('--until-eof');
      const code = await host.ended();
      const problem = code === 0 ? await unexplained(broker.url, name, log) : `ended with ${code}`;
      if (problem) differences.push(`${flipped}: ${problem}\n${host.output().slice(-1_500)}`);
      messages += (await readStream(broker.url, `weir.ev.${name}.>`)).length;
      await folder.remove();
    }
    return {
      scenario: `a damaged byte, seed ${seed}`,
      runs: 2 * times,
      faults: times,
      messages,
      differences,
    };
  } finally {
    await broker.stop();
  }
}

/** Changes one bit below a folder, in the spool or a checkpoint; answers where. */
function flipByte(folder: string, random: (below: number) => number): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /^(spool|checkpoints)\/.*\.(seg|ckp|wasm|json)$/.test(path))
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).size > 0);
  const path = files[random(files.length)] as string;
  const bytes = readFileSync(path);
  const at = random(bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << random(8));
  writeFileSync(path, bytes);
  return `bit of byte ${at} of ${path}`;
}

/** Something that is missing, or there twice, and that nothing on the wire tells of. */
async function unexplained(url: string, appliance: string, log: string): Promise<string | undefined> {
  const misplaced = misnumbered(await readBack(url, appliance)) ?? (await unproven(url, appliance));
  if (misplaced) return misplaced;
  const wanted = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"login_failed"'))
    .map((line) => (JSON.parse(line) as { text: string }).text);
  const selected = await readStream(url, `weir.ev.${appliance}.failed.selected`);
  const found: string[] = [];
  for (const { headers, body } of selected) unpack(headers, body, ({ text }) => found.push(text as string));
  let next = 0;
  for (const text of found) {
    const place = wanted.indexOf(text, next);
    if (place < 0) return `${text} is there twice, or out of order`;
    next = place + 1;
  }
  const isToldLost = selected.some(({ headers }) => Number(headers['Weir-Lost']) > 0);
  if (found.length < wanted.length && !isToldLost)
    return `${wanted.length - found.length} records are missing, and nothing says so`;
  return uncounted(url, appliance, readFileSync(log, 'utf8').split('\n').length - 1);
}

/** The ledger and the counts of windows have to add up to the events. */
async function uncounted(url: string, appliance: string, events: number): Promise<string | undefined> {
  const sum = (records: readonly WireRecord[], of: (record: WireRecord) => number) =>
    records.reduce((total, record) => total + of(record), 0);
  const ledgerMessages = await readStream(url, `weir.ev.${appliance}.counts.ledger`);
  const ledgers = recordsOf(ledgerMessages);
  const countMessages = await readStream(url, `weir.ev.${appliance}.counts.counts`);
  const isToldLost = [...ledgerMessages, ...countMessages].some(
    ({ headers }) => Number(headers['Weir-Lost']) > 0,
  );
  const counted = sum(recordsOf(countMessages), ({ count }) => Number(count));
  const lost = sum(ledgers, ({ lost: bySource }) =>
    sum([bySource as WireRecord], ({ log = 0 }) => Number(log)),
  );
  const taken = sum(ledgers, (record) => Number(record.in));
  if (isToldLost) return undefined;
  if (taken !== events) return `the ledger tells of ${taken} of ${events} events`;
  if (counted + lost !== events)
    return `windows count ${counted}, and ${lost} are told as lost, of ${events}`;
  return undefined;
}
