/**
 * A data folder is for one host at a time, and no host that has ended keeps it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { takeDataFolder } from '../host/datafolder.js';
import { temporaryFolder, until } from './help.js';

const stateOf = (pid: number) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');

test('a host that runs keeps its folder until it gives it back', async () => {
  const folder = await temporaryFolder();
  const { giveBack } = takeDataFolder(folder.path);
  assert.throws(() => takeDataFolder(folder.path), new RegExp(`process ${process.pid} runs with`));
  giveBack();
  takeDataFolder(folder.path).giveBack();
  await folder.remove();
});

test('a host that was killed keeps nothing, also while nobody has asked how it ended', async () => {
  const folder = await temporaryFolder();
  // The shell's child ends at once, and the program that the shell becomes never asks for it.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  await until(() => stateOf(pid)[0] === 'Z', 5_000, 'the child has ended');
  writeFileSync(join(folder.path, 'host.pid'), `${pid} ${stateOf(pid)[19]}\n`);
  takeDataFolder(folder.path).giveBack();
  parent.kill();
  await folder.remove();
});

test('a folder of another version is left as it is', async () => {
  const { path, remove } = await temporaryFolder();
  writeFileSync(join(path, 'format'), '99\n');
  assert.throws(
    () => takeDataFolder(path),
    /^data: .*: expected what this version keeps \(format 1\), found format 99/,
  );
  rmSync(join(path, 'format'));
  writeFileSync(join(path, 'positions.json'), '{}');
  assert.is(
    codeOf(() => takeDataFolder(path)),
    'DATA_VERSION',
  );
  assert.equal(readdirSync(path), ['positions.json']);
  await remove();
});

if (process.getuid?.() === 0)
  test('a folder of somebody else is left as it is', async () => {
    const { path, remove } = await temporaryFolder();
    chownSync(path, 12_345, 12_345);
    assert.throws(() => takeDataFolder(path), /expected a folder of user 0, found one of user 12345/);
    assert.equal(readdirSync(path), []);
    await remove();
  });

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'none';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test.run();
