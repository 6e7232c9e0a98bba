/**
 * Changes in folders: each is told with what is there afterwards, and nothing outside of the roots is.
 *
 * What cannot be seen: the name that a file had in between, and what came and went in a folder before that was
 * watched. Two names of a rename that are seen apart are told as a deletion and a creation.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { watching, watchSuite } from './watching.js';

const watch = watchSuite('watch');

watch('what is there at the start is not told; each change is, with what is there then', async (context) => {
  const { root } = context;
  const file = join(root, 'file');
  writeFileSync(join(root, 'old'), '');
  const { told, events } = await watching(context, { now: () => 7 });
  writeFileSync(file, '12345', { mode: 0o640 });
  chownSync(file, 12, 34);
  assert.equal(await told('create file'), [
    { ts: 7, op: 'create', path: file, type: 'file', size: 5, mode: '0640', uid: 12, gid: 34 },
  ]);
  appendFileSync(file, '6');
  assert.is((await told('modify file'))[0]?.size, 6);
  chmodSync(file, 0o4755);
  assert.is((await told('modify file'))[0]?.mode, '4755');
  chownSync(file, 0, 5);
  assert.is((await told('modify file'))[0]?.gid, 5);
  renameSync(file, join(root, 'new'));
  assert.is((await told('rename file > new'))[0]?.from, file);
  rmSync(join(root, 'new'));
  assert.is((await told('delete new'))[0]?.size, 6);
  chmodSync(root, 0o700);
  assert.is((await told('modify .'))[0]?.mode, '0700');
  assert.is(events.length, 7);
});

watch('nothing made at once in a new directory is missed', async (context) => {
  const { root } = context;
  const { told, events } = await watching(context);
  const paths = ['a', 'a/b', 'a/b/c', 'a/b/c/1', 'a/b/c/2', 'a/3'];
  execFileSync('sh', ['-c', 'mkdir -p a/b/c && touch a/b/c/1 a/b/c/2 a/3'], { cwd: root });
  await told(...paths.map((path) => `create ${path}`));
  assert.is(events.length, paths.length);
  appendFileSync(join(root, 'a/b/c/1'), 'x');
  await told('modify a/b/c/1');
});

watch('a directory takes what is in it along, and is followed under its new name', async (context) => {
  const { root, folder } = context;
  mkdirSync(join(root, 'a/b'), { recursive: true });
  writeFileSync(join(root, 'a/b/file'), '');
  const { told, events } = await watching(context);
  // All within one look: written before, renamed, written after.
  appendFileSync(join(root, 'a/b/file'), 'x');
  renameSync(join(root, 'a'), join(root, 'z'));
  writeFileSync(join(root, 'z/b/new'), '');
  await told('rename a > z', 'modify z/b/file', 'create z/b/new');
  assert.is(events.length, 3, JSON.stringify(events));
  appendFileSync(join(root, 'z/b/file'), 'x');
  await told('modify z/b/file');
  renameSync(join(root, 'z'), join(folder, 'outside'));
  await told('delete z', 'delete z/b', 'delete z/b/file', 'delete z/b/new');
  appendFileSync(join(folder, 'outside/b/file'), 'x');
  renameSync(join(folder, 'outside'), join(root, 'back'));
  await told('create back', 'create back/b', 'create back/b/file', 'create back/b/new');
  assert.is(events.length, 12, JSON.stringify(events.slice(4)));
});

watch('another directory in the place of one is another tree', async (context) => {
  const { root, folder } = context;
  mkdirSync(join(root, 'd/sub'), { recursive: true });
  writeFileSync(join(root, 'd/sub/old'), '');
  const { told, events } = await watching(context);
  renameSync(join(root, 'd'), join(folder, 'outside'));
  mkdirSync(join(root, 'd'));
  writeFileSync(join(root, 'd/new'), '');
  await told('delete d', 'delete d/sub', 'delete d/sub/old', 'create d', 'create d/new');
  writeFileSync(join(folder, 'outside/sub/unseen'), '');
  appendFileSync(join(root, 'd/new'), 'x');
  await told('modify d/new');
  assert.is(events.length, 6, JSON.stringify(events));
  rmSync(join(root, 'd'), { recursive: true });
  writeFileSync(join(root, 'd'), '');
  await told('delete d', 'delete d/new', 'create d');
});

watch('links are told with their target and never followed', async (context) => {
  const { root, folder } = context;
  mkdirSync(join(folder, 'secret'));
  const { told, events } = await watching(context);
  symlinkSync('../secret', join(root, 'link'));
  const [link] = await told('create link');
  assert.equal([link?.type, link?.target], ['symlink', '../secret']);
  writeFileSync(join(folder, 'secret/file'), '');
  rmSync(join(root, 'link'));
  await told('delete link');
  assert.is(events.length, 2);
});

watch('any name is told exactly, on one line', async (context) => {
  const { root } = context;
  const { told } = await watching(context);
  const names = ['a b', 'q"\'', 'new\nline', 'p|i;p&e', '\u202egpj', '{}', '\\', 'é😀', '\x01'];
  for (const name of names) writeFileSync(join(root, name), '');
  const events = await told(...names.map((name) => `create ${name}`));
  assert.ok(events.every((event) => !('path_hex' in event)));
  const bytes = Buffer.from([0x66, 0xff, 0xfe]);
  symlinkSync(bytes, Buffer.concat([Buffer.from(`${root}/`), bytes]));
  const [odd] = await told('create f\ufffd\ufffd');
  assert.is(odd?.path_hex, Buffer.concat([Buffer.from(`${root}/`), bytes]).toString('hex'));
  assert.is(odd?.target_hex, bytes.toString('hex'));
});

watch('a file replaced by a rename, as editors do it, is told as one change of it', async (context) => {
  const { root } = context;
  writeFileSync(join(root, 'passwd'), 'old');
  const { told, events } = await watching(context);
  writeFileSync(join(root, 'passwd+'), 'newer');
  renameSync(join(root, 'passwd+'), join(root, 'passwd'));
  const replaced = await told('modify passwd', 'delete passwd+');
  assert.is(replaced.find(({ op }) => op === 'modify')?.size, 5);
  assert.is(replaced.find(({ op }) => op === 'delete')?.transient, true);
  writeFileSync(join(root, 'passwd+'), 'newest');
  await told('create passwd+');
  renameSync(join(root, 'passwd+'), join(root, 'passwd'));
  await told('rename passwd+ > passwd');
  assert.is(events.length, 4);
});

watch('what comes and goes unseen is told; a new file with an old inode is not a rename', async (context) => {
  const { root } = context;
  writeFileSync(join(root, 'one'), '');
  const { told, events } = await watching(context);
  writeFileSync(join(root, 'gone'), '');
  rmSync(join(root, 'gone'));
  assert.equal(
    (await told('delete gone')).map(({ transient }) => transient),
    [true],
  );
  rmSync(join(root, 'one'));
  writeFileSync(join(root, 'two'), '');
  await told('delete one', 'create two');
  assert.is(events.length, 3);
});

watch('a root may come later, folder by folder, go, and come again', async (context) => {
  const { folder } = context;
  const root = join(folder, 'x/y/z');
  const { told, notices, events } = await watching({ ...context, root });
  assert.equal(notices, [`source w: ${root}: is not there yet; waiting for it`]);
  for (let round = 0; round < 2; round++) {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'file'), '');
    await told('create .', 'create file');
    writeFileSync(join(folder, 'x/y/not of the root'), '');
    rmSync(join(folder, 'x'), { recursive: true });
    await told('delete .', 'delete file');
  }
  mkdirSync(join(folder, 'x'));
  writeFileSync(join(folder, 'x/y'), 'a file in the way');
  rmSync(join(folder, 'x/y'));
  mkdirSync(root, { recursive: true });
  await told('create .');
  assert.ok(events.every(({ path }) => path.startsWith(root)));
});

watch('a root may be a file, and a root that is a link stands for what it points to', async (context) => {
  const { folder, root } = context;
  const file = join(folder, 'file');
  symlinkSync(root, join(folder, 'link'));
  writeFileSync(file, '');
  const { told, events } = await watching(context, {}, [file, join(folder, 'link')]);
  writeFileSync(join(folder, 'other'), '');
  appendFileSync(file, 'x');
  await told('modify ../file');
  rmSync(file);
  await told('delete ../file');
  writeFileSync(file, '');
  await told('create ../file');
  writeFileSync(join(root, 'inside'), '');
  await told('create inside');
  assert.is(events.length, 4);
});

watch.run();
