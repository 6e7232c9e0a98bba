/**
 * `bin/weir`, the command that is installed: wherever it is linked to, it is node with a heap that limits.memory can count on.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HEAP_BYTES } from '../host/budget.js';
import { HEAP_MIB, MEMORY_BYTES_DEFAULT, MODULE_TABLE_ENTRIES_MAX, YOUNG_MIB } from '../host/limits.js';
import { brokerAvailable, startTestBroker, type TestBroker } from './broker.js';
import { ROOT } from './command.js';
import { temporaryFolder, until, WAIT_MS } from './help.js';

/** Runs inside of the host: what it may take, and whether the engine's own fence stands. */
const PROBE = `import { getHeapStatistics } from 'node:v8';
const fence = (entries) => {
  try {
    return new WebAssembly.Table({ initial: entries, element: 'anyfunc' }).length;
  } catch {
    return 'refused';
  }
};
setInterval(() => {
  const { heap_size_limit } = getHeapStatistics();
  console.log(JSON.stringify([heap_size_limit, fence(${MODULE_TABLE_ENTRIES_MAX}), fence(${MODULE_TABLE_ENTRIES_MAX + 1}), typeof gc]));
}, 100).unref();
`;
/** What the probe says once the host reads. */
const PROBED = /: reading log[\s\S]*?\n(\[.*\])\n/;

const wrapper = suite<{ broker: TestBroker; folder: string; linked: string }>('bin/weir');
wrapper.before(async (context) => {
  context.broker = await startTestBroker();
});
wrapper.after(async ({ broker }) => broker.stop());
wrapper.before.each(async (context) => {
  context.folder = join((await temporaryFolder()).path, 'two words');
  mkdirSync(context.folder);
  // As npm does it: a link to the file in the package; and here to a package whose path has a space, too.
  symlinkSync(ROOT, join(context.folder, 'the package'));
  context.linked = join(context.folder, 'a weir');
  symlinkSync('the package/bin/weir', context.linked);
});
wrapper.after.each(({ folder }) => rmSync(join(folder, '..'), { recursive: true, force: true }));

function started(command: string, args: readonly string[], folder: string, environment = {}) {
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...environment } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), WAIT_MS);
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
  return { child, output: () => output, exited };
}

function writeConfig(folder: string, { url }: TestBroker): void {
  const config = {
    data: 'data',
    nats: { servers: [url] },
    sources: { log: { file: 'empty.log' } },
    filters: { 'ssh-auth': { from: ['log'] } },
  };
  writeFileSync(join(folder, 'empty.log'), '');
  writeFileSync(join(folder, 'weir.json'), JSON.stringify(config));
}

wrapper('passes arguments with whatever is in them, and the exit code', async ({ folder, linked }) => {
  const told = async (...args: string[]) => {
    const { exited, output } = started(linked, args, folder);
    return [await exited, output()];
  };
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.equal(await told('--version'), [0, `${version}\n`]);
  const [code, error] = await told('run', '--config', 'no such "$HOME" file', '--until-eof');
  assert.is(code, 1);
  assert.match(error as string, /^weir: CONFIG_UNREADABLE: .*no such "\$HOME" file/);
  assert.is((await told('run', '--nothing'))[0], 2);
  assert.is((await told())[0], 2);
});

wrapper('SIGTERM reaches the host, whose heap and tables are bounded', async ({ broker, folder, linked }) => {
  writeConfig(folder, broker);
  writeFileSync(join(folder, 'probe.mjs'), PROBE);
  const probe = new URL(`file://${folder}/probe.mjs`).href;
  const { child, exited, output } = started(linked, ['run'], folder, { NODE_OPTIONS: `--import "${probe}"` });
  await until(() => PROBED.test(output()), WAIT_MS, 'the probe');
  assert.match(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8'), /^node\0.*main\.js\0run\0$/);
  child.kill('SIGTERM');
  assert.is(await exited, 0, output());
  assert.equal(JSON.parse(PROBED.exec(output())?.[1] ?? ''), [
    HEAP_BYTES,
    MODULE_TABLE_ENTRIES_MAX,
    'refused',
    'function',
  ]);
  assert.not.match(output(), /limits\.memory may not hold/);
});

wrapper(
  'a host without the flags runs, and says in one line what does not hold',
  async ({ broker, folder }) => {
    writeConfig(folder, broker);
    writeFileSync(join(folder, 'probe.mjs'), PROBE);
    const args = ['--import', './probe.mjs', join(ROOT, 'dist/host/cli/main.js'), 'run'];
    const { child, exited, output } = started(process.execPath, args, folder);
    await until(() => PROBED.test(output()), WAIT_MS, 'the probe');
    child.kill('SIGTERM');
    assert.is(await exited, 0, output());
    assert.is(output().match(/limits\.memory may not hold/g)?.length, 1);
    assert.is(
      JSON.parse(PROBED.exec(output())?.[1] ?? '')[2],
      'refused',
      'the fence of tables does not need the command',
    );
  },
);

wrapper('more resident memory than the limit is told', async ({ broker, folder, linked }) => {
  writeConfig(folder, broker);
  writeFileSync(join(folder, 'leak.mjs'), `globalThis.leak = Buffer.alloc(${MEMORY_BYTES_DEFAULT}, 1);\n`);
  const leak = new URL(`file://${folder}/leak.mjs`).href;
  const { child, exited, output } = started(linked, ['run'], folder, { NODE_OPTIONS: `--import "${leak}"` });
  await until(() => output().includes(' are resident'), WAIT_MS, 'the line');
  child.kill('SIGTERM');
  assert.is(await exited, 0, output());
  assert.match(output(), /\nweir: memory: [\d.]+ MiB are resident, more than limits\.memory of 192\.0 MiB\n/);
});

wrapper('the numbers of the command are those that the budget counts', () => {
  const script = readFileSync(join(ROOT, 'bin/weir'), 'utf8');
  assert.ok(script.includes(`--max-old-space-size=${HEAP_MIB} --max-semi-space-size=${YOUNG_MIB} `));
});

if (brokerAvailable()) wrapper.run();
