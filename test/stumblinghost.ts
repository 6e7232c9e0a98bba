/**
 * A host process that runs the filter `stumbling` over a file, for tests of faults and swaps as an operator sees them.
 */
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type Test } from 'uvu';
import { CPU_SHARE_MAX } from '../host/limits.js';
import type { WireRecord } from '../host/wire.js';
import { readStream, recordsOf, startTestBroker, type TestBroker } from './broker.js';
import { endAll, type Running, weir } from './command.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';
import { buildTestFilter, type TestFilter } from './runtime/testfilter.js';

export interface Context {
  broker: TestBroker;
  built: TestFilter;
  folder: string;
  appliance: string;
}

/** Tests with a broker, and in each a folder with the filter, and version 2.0.0 of it in `next`. */
export function stumblingSuite(name: string): Test<Context> {
  const commands = suite<Context>(name);
  let number = 0;
  commands.before(async (context) => {
    context.broker = await startTestBroker();
    context.built = await buildTestFilter('stumbling');
  });
  commands.after(async ({ broker, built }) => {
    await endAll();
    await built.remove();
    await broker.stop();
  });
  commands.before.each(async (context) => {
    context.folder = (await temporaryFolder()).path;
    context.appliance = `fw-${++number}`;
    cpSync(join(context.built.folder, 'stumbling'), join(context.folder, 'filters/stumbling'), {
      recursive: true,
    });
    cpSync(join(context.folder, 'filters/stumbling'), join(context.folder, 'next'), { recursive: true });
    setManifest(context, 'next', { version: '2.0.0' });
    writeFileSync(join(context.folder, 'a.log'), '');
  });
  commands.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));
  return commands;
}

export function setManifest({ folder }: Context, where: string, changes: object): void {
  const path = join(folder, where, 'filter.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
}

export function writeConfig({ folder, broker, appliance }: Context, config: object, more: object = {}): void {
  const filters = { stumbling: { from: ['a'], config }, ...more };
  writeFileSync(
    join(folder, 'weir.json'),
    JSON.stringify({
      appliance,
      data: 'data',
      limits: { cpu: CPU_SHARE_MAX },
      nats: { servers: [broker.url] },
      sources: { a: { file: 'a.log' } },
      filters,
    }),
  );
}

export async function startHost(context: Context, config: object = {}, more: object = {}): Promise<Running> {
  writeConfig(context, config, more);
  const host = weir(['run', '--filter-dir', 'filters'], context.folder);
  await until(() => host.err().includes(': reading a;'), WAIT_MS, 'the host reads');
  return host;
}

let written = 0;
export function append({ folder }: Context, ...todo: string[]): void {
  const lines = todo.map((what) => `t=${Date.now()} n=${written++ * 5} k=x do=${what}\n`);
  appendFileSync(join(folder, 'a.log'), lines.join(''));
}

export async function kept({ broker, appliance }: Context): Promise<WireRecord[]> {
  return recordsOf(await readStream(broker.url, `weir.ev.${appliance}.stumbling.kept`));
}

export async function stopped(host: Running): Promise<number | null> {
  host.child.kill('SIGTERM');
  return host.exited;
}
