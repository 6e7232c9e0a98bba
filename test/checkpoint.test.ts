/**
 * Checkpoints are whole or are not used; a damaged one costs no more than itself.
 */
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCheckpoints } from '../host/checkpoint.js';
import { temporaryFolder } from './help.js';

const checkpoints = suite<{ folder: string; notices: string[] }>('checkpoints');
checkpoints.before.each(async (context) => {
  context.folder = (await temporaryFolder()).path;
  context.notices = [];
});
checkpoints.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Three pages and a bit, of which the second is empty. */
function memoryOf(number: number): Uint8Array {
  const memory = new Uint8Array(3 * 4096 + 100);
  memory[3] = number;
  memory[2 * 4096] = number;
  memory[memory.length - 1] = number;
  return memory;
}

const filesOf = (folder: string, end: string) => readdirSync(folder).filter((name) => name.endsWith(end));

checkpoints(
  'the last two are kept and come back as they were, the newest first',
  async ({ folder, notices }) => {
    const saved = openCheckpoints(join(folder, 'f'), (line) => notices.push(line));
    for (const number of [1, 2, 3]) await saved.save({ number }, memoryOf(number), number === 2);
    const found = openCheckpoints(join(folder, 'f'), (line) => notices.push(line)).load();
    assert.equal(
      found.map(({ head, memory }) => [
        head,
        Buffer.compare(memory, memoryOf((head as { number: number }).number)),
      ]),
      [
        [{ number: 3 }, 0],
        [{ number: 2 }, 0],
      ],
    );
    assert.is(filesOf(join(folder, 'f'), '.ckp').length, 2);
    for (const name of readdirSync(join(folder, 'f')))
      assert.is(statSync(join(folder, 'f', name)).mode & 0o077, 0);
    assert.equal(notices, []);
  },
);

checkpoints('an empty page takes no room', ({ folder, notices }) => {
  const saved = openCheckpoints(folder, (line) => notices.push(line));
  saved.save({}, new Uint8Array(1 << 20), false);
  const [name = ''] = filesOf(folder, '.ckp');
  assert.ok(statSync(join(folder, name)).size < 100);
  assert.is(saved.load()[0]?.memory.length, 1 << 20);
});

checkpoints(
  'one that is damaged anywhere, or cut at any length, is told of, and the one before it is used',
  ({ folder, notices }) => {
    const saved = openCheckpoints(folder, (line) => notices.push(line));
    const memory = new Uint8Array(64).fill(7);
    for (const number of [1, 2]) saved.save({ number }, memory, false);
    const path = join(folder, '2.ckp');
    const whole = readFileSync(path);
    const heads = () => saved.load().map(({ head }) => (head as { number: number }).number);
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      for (const damaged of [flipped, whole.subarray(0, at)]) {
        writeFileSync(path, damaged);
        assert.equal(heads(), [1], `byte ${at}`);
      }
    }
    assert.is(notices.length, 2 * whole.length);
    assert.match(notices[0] as string, /2\.ckp: not used: expected a whole checkpoint/);
    writeFileSync(path, whole);
    assert.equal(heads(), [2, 1]);
  },
);

checkpoints('what a kill leaves half written is never read', ({ folder, notices }) => {
  const saved = openCheckpoints(folder, (line) => notices.push(line));
  saved.save({ number: 1 }, memoryOf(1), false);
  writeFileSync(join(folder, '2.ckp.new'), 'half');
  assert.equal(
    openCheckpoints(folder, () => {})
      .load()
      .map(({ number }) => number),
    [1],
  );
});

checkpoints(
  'the modules of the last two are kept, and one that is not what its name says is not used',
  ({ folder, notices }) => {
    const saved = openCheckpoints(folder, (line) => notices.push(line));
    const names = [1, 2, 3].map((number) => saved.keepModule(Buffer.alloc(100, number)));
    assert.is(filesOf(folder, '.wasm').length, 2);
    assert.equal(saved.module(names[2] as string), Buffer.alloc(100, 3));
    assert.is(saved.module(names[0] as string), undefined);
    writeFileSync(join(folder, names[2] as string), 'another one');
    assert.is(saved.module(names[2] as string), undefined);
    assert.is(saved.module('../../etc/passwd'), undefined);
    rmSync(join(folder, names[1] as string));
    symlinkSync('/dev/zero', join(folder, names[1] as string));
    assert.is(saved.module(names[1] as string), undefined);
  },
);

checkpoints('a module that the disk did not take is written again the next time', ({ folder, notices }) => {
  const below = join(folder, 'f');
  const saved = openCheckpoints(below, (line) => notices.push(line));
  const module = Buffer.alloc(100, 1);
  writeFileSync(below, 'in the way');
  assert.throws(() => saved.keepModule(module));
  rmSync(below);
  assert.equal(saved.module(saved.keepModule(module)), module);
});

checkpoints.run();
