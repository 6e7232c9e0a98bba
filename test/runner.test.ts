/**
 * The runner of the tests: what hangs is stopped, said to be, and leaves nothing behind; nor does a runner that is stopped.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TemporaryFolder, temporaryFolder, until, WAIT_MS } from './help.js';
import { runFile } from './runner.js';

/** Starts a process of another group, says who it is, and waits for ever. */
const HANGS = `
import { spawn } from 'node:child_process';
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
const other = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
mkdtempSync(tmpdir() + '/left-');
writeFileSync(process.env.SEEN + '.new', JSON.stringify({ pids: [process.pid, other.pid], folder: tmpdir() }));
renameSync(process.env.SEEN + '.new', process.env.SEEN);
`;

const runner = suite<{ folder: TemporaryFolder; seen: string; file: string }>('runner');
runner.before.each(async (context) => {
  context.folder = await temporaryFolder();
  context.seen = join(context.folder.path, 'seen');
  context.file = join(context.folder.path, 'hangs.mjs');
  writeFileSync(context.file, HANGS);
  process.env.SEEN = context.seen;
});
runner.after.each(({ folder }) => folder.remove());

/** Neither there nor waiting to be reaped. */
const isGone = (pid: number) => {
  const path = `/proc/${pid}/stat`;
  return !existsSync(path) || / Z /.test(readFileSync(path, 'utf8'));
};

async function nothingIsLeft(seen: string): Promise<void> {
  const { pids, folder } = JSON.parse(readFileSync(seen, 'utf8'));
  await until(() => pids.every(isGone), WAIT_MS, `${pids} have ended`);
  assert.not.ok(existsSync(folder), readdirSync(join(folder, '..')).join());
}

runner('a file that runs into the limit fails, and all that it has started ends', async ({ file, seen }) => {
  const { passed, failed, isLate } = await runFile(file, 5_000);
  assert.equal([passed, failed, isLate], [0, 1, true]);
  await nothingIsLeft(seen);
});

runner('a signal to the runner ends what runs', async ({ file, seen }) => {
  const module = new URL('runner.js', import.meta.url).href;
  const script = `import { runFile, stopOnSignals } from '${module}';\nstopOnSignals();\nawait runFile('${file}', 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  await until(() => existsSync(seen), WAIT_MS, 'the file runs');
  child.kill('SIGTERM');
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.is(code, 143);
  await nothingIsLeft(seen);
});

runner.run();
