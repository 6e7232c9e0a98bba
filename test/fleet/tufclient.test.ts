/**
 * The client for the public conformance suite, as that calls it: over HTTP, with exit codes.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../command.js';
import { temporaryFolder } from '../help.js';
import { createWorld, testKey } from './world.js';

test('init, refresh and download; what is refused ends with another exit code', async () => {
  const world = await createWorld();
  await world.push({ 'a/b.txt': 'content' });
  const server = createServer((request, response) => {
    const found = world.repository.files.get(decodeURIComponent((request.url ?? '').slice(1)));
    response.writeHead(found ? 200 : 404).end(found?.bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { path: folder, remove } = await temporaryFolder();
  const [metadata, targets] = [join(folder, 'metadata'), join(folder, 'targets')];
  mkdirSync(targets);
  writeFileSync(join(folder, 'root.json'), world.anchor);
  const client = (...args: string[]) =>
    new Promise<number>((resolve) =>
      execFile(join(ROOT, 'test/tuf-client'), ['--metadata-dir', metadata, ...args], (error) =>
        resolve(error ? Number(error.code) : 0),
      ),
    );
  const refresh = () => client('--metadata-url', `${url}/metadata`, 'refresh');
  const download = (name: string) =>
    client(
      ...['--metadata-url', `${url}/metadata`, '--target-name', name],
      ...['--target-base-url', `${url}/targets`, '--target-dir', targets, 'download'],
    );
  const versionOf = (role: string) =>
    JSON.parse(readFileSync(join(metadata, `${role}.json`), 'utf8')).signed.version as number;

  assert.is(await client('init', join(folder, 'root.json')), 0);
  assert.is(await refresh(), 0);
  assert.equal(['root', 'timestamp', 'snapshot', 'targets'].map(versionOf), [1, 2, 2, 2]);
  assert.is(await download('a/b.txt'), 0);
  assert.equal(readdirSync(targets), ['a%2Fb.txt']);
  assert.is(readFileSync(join(targets, 'a%2Fb.txt'), 'utf8'), 'content');
  assert.is(await download('a/b.txt'), 0, 'once more, with nothing new');
  assert.is.not(await download('none'), 0);
  await world.push({ 'a/b.txt': 'evil' }, { signers: [testKey('mallory')] });
  assert.is.not(await refresh(), 0);
  assert.equal(['root', 'targets'].map(versionOf), [1, 2]);
  server.close();
  await remove();
});

test.run();
